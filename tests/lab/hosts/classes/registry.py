# SPDX-License-Identifier: GPL-3.0-or-later
"""StdRegProv over a small tree: FVE policy, Entra join state, the device certificate (wire reference 3.2, 3.4, 4)."""

from __future__ import annotations

import hashlib
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ...model import LabHost
from ..cim import Method, Value, Values, WmiClass, parse_signatures
from ..profiles import WireForm

HKLM = 2147483650
NOT_FOUND = 2
ACCESS_DENIED = 5
INVALID_PARAMETER = 87
_HIVES = frozenset({2147483648, 2147483649, HKLM, 2147483651, 2147483653})
REG_SZ, REG_BINARY, REG_DWORD = 1, 3, 4

_METHODS = parse_signatures("""
CheckAccess(hDefKey?:uint32, sSubKeyName:string, uRequired?:uint32) -> bGranted:boolean
CreateKey(hDefKey?:uint32, sSubKeyName:string)
DeleteKey(hDefKey?:uint32, sSubKeyName:string)
DeleteValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string)
EnumKey(hDefKey?:uint32, sSubKeyName?:string) -> sNames:string[]
EnumValues(hDefKey?:uint32, sSubKeyName?:string) -> sNames:string[], Types:sint32[]
GetBinaryValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string) -> uValue:uint8[]
GetDWORDValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string) -> uValue:uint32
GetExpandedStringValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string) -> sValue:string
GetMultiStringValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string) -> sValue:string[]
GetQWORDValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string) -> uValue:uint64
GetStringValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string) -> sValue:string
SetBinaryValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string, uValue?:uint8[])
SetDWORDValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string, uValue?:uint32)
SetStringValue(hDefKey?:uint32, sSubKeyName:string, sValueName?:string, sValue?:string)
""")
#: which stored type a typed read accepts
_READS = {
    "GetBinaryValue": REG_BINARY,
    "GetDWORDValue": REG_DWORD,
    "GetExpandedStringValue": 2,
    "GetMultiStringValue": 7,
    "GetQWORDValue": 11,
    "GetStringValue": REG_SZ,
}

#: keys that are there on every Windows, with nothing in them that matters here
_ALWAYS = (
    r"SOFTWARE\Microsoft\Windows NT\CurrentVersion",
    r"SOFTWARE\Microsoft\SystemCertificates\MY\Certificates",
    r"SOFTWARE\Policies\Microsoft",
    r"SYSTEM\CurrentControlSet\Control",
)
JOIN_INFO = r"SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo"
TENANT_INFO = r"SYSTEM\CurrentControlSet\Control\CloudDomainJoin\TenantInfo"
CERTIFICATES = r"SOFTWARE\Microsoft\SystemCertificates\MY\Certificates"
FVE_POLICY = r"SOFTWARE\Policies\Microsoft\FVE"
MDM_POLICY = r"SOFTWARE\Microsoft\PolicyManager\current\device\BitLocker"


@dataclass
class Key:
    """One registry key: values (name -> type and value) and subkeys by their spelling."""

    values: dict[str, tuple[int, int | str | bytes]] = field(default_factory=dict)
    children: dict[str, Key] = field(default_factory=dict)

    def child(self, name: str) -> Key | None:
        """The subkey of that name, in any case."""
        return next((key for spelling, key in self.children.items() if spelling.lower() == name.lower()), None)


class Registry:
    """HKEY_LOCAL_MACHINE of one host, as StdRegProv shows it."""

    def __init__(self, host: LabHost, form: WireForm, changed: Callable[[], None] = lambda: None) -> None:
        self._host = host
        self._form = form
        self._changed = changed
        self._lock = threading.Lock()
        self._root = Key()
        for path in _ALWAYS:
            self.create(path)
        self._show_policy()
        if host.mdm_policy is not None:
            self.create(MDM_POLICY).values.update(_plain(host.mdm_policy))
        if host.entra_device_id:
            self._join(host.entra_device_id, host.entra_tenant_id or "")

    def create(self, path: str) -> Key:
        """Make a key with its parents."""
        key = self._root
        for part in path.split("\\"):
            key = key.child(part) or key.children.setdefault(part, Key())
        return key

    def find(self, path: str) -> Key | None:
        """The key of a path; a trailing or doubled backslash is no path of the registry."""
        key: Key | None = self._root
        for part in path.split("\\") if path else ():
            key = key.child(part) if key and part else None
        return key

    def _show_policy(self) -> None:
        """BitLocker's policy is the host's, which its provider reads: numbers and texts here are what stands there now."""
        if self._host.fve_policy is None:
            parent = self.create(FVE_POLICY.rpartition("\\")[0])
            parent.children = {name: key for name, key in parent.children.items() if name.lower() != "fve"}
            return
        policy = self.create(FVE_POLICY)
        others = {name: item for name, item in policy.values.items() if isinstance(item[1], bytes)}
        policy.values = _plain(self._host.fve_policy) | others

    def _keep_policy(self) -> None:
        policy = self.find(FVE_POLICY)
        kept = None if policy is None else {name: value for name, (_kind, value) in policy.values.items() if not isinstance(value, bytes)}
        if kept != self._host.fve_policy:
            self._host.fve_policy = kept
            self._changed()

    def _join(self, device_id: str, tenant_id: str) -> None:
        certificate = device_certificate(device_id)
        thumbprint = hashlib.sha1(certificate, usedforsecurity=False).hexdigest().upper()
        info = self.create(f"{JOIN_INFO}\\{thumbprint}")
        info.values["TenantId"] = (REG_SZ, tenant_id)
        info.values["UserEmail"] = (REG_SZ, "joiner@lab.example")
        if self._form.join_device_id:
            info.values["DeviceId"] = (REG_SZ, device_id)
        else:
            store = self.create(f"{CERTIFICATES}\\{thumbprint}")
            store.values["Blob"] = (REG_BINARY, serialized_certificate(certificate))
        self.create(f"{TENANT_INFO}\\{tenant_id}").values["DisplayName"] = (REG_SZ, "Lab Tenant")

    def wmi_class(self) -> WmiClass:
        """StdRegProv, static methods only."""
        return WmiClass(name="StdRegProv", properties={}, methods={name: self._bound(method) for name, method in _METHODS.items()})

    def _bound(self, method: Method) -> Method:
        readings: dict[str, Callable[[Key, Values], tuple[int, Values]]] = {
            "CheckAccess": lambda key, arguments: (0, {"bGranted": True}),
            "EnumKey": lambda key, arguments: (0, {"sNames": list(key.children)}),
            "EnumValues": lambda key, arguments: (
                0,
                {"sNames": list(key.values), "Types": [kind for kind, _unused in key.values.values()]},
            ),
        }

        def typed(key: Key, arguments: Values) -> tuple[int, Values]:
            wanted = str(arguments.get("sValueName") or "").lower()
            found = next((item for name, item in key.values.items() if name.lower() == wanted), None)
            if found is None:
                return NOT_FOUND, {}
            if found[0] != _READS[method.name]:
                return self._form.registry_mismatch, {}
            value: Value = found[1]
            return 0, {method.outputs[0].name: value}

        def handler(instance: Values | None, arguments: Values) -> tuple[int, Values]:
            hive, path = arguments.get("hDefKey", HKLM), str(arguments.get("sSubKeyName") or "")
            if hive is not None and hive not in _HIVES:
                return 6, {}
            with self._lock:
                self._show_policy()
                if method.name not in readings and method.name not in _READS:
                    code = self._write(method.name, path, arguments) if hive == HKLM else ACCESS_DENIED
                    self._keep_policy()
                    return code, {}
                key = self.find(path) if hive == HKLM else None
                return readings.get(method.name, typed)(key, arguments) if key else (NOT_FOUND, {})

        return replace(method, static=True, handler=handler)

    def _write(self, method: str, path: str, arguments: Values) -> int:
        """CreateKey makes the whole path; values are set only in keys that are there; only a key without subkeys is deleted."""
        if method == "CreateKey":
            if not path or "" in path.split("\\"):
                return INVALID_PARAMETER
            self.create(path)
            return 0
        key = self.find(path)
        if key is None or not path:
            return NOT_FOUND if path else ACCESS_DENIED
        if method == "DeleteKey":
            parent_path, _backslash, name = path.rpartition("\\")
            parent = self.find(parent_path)
            if key.children or parent is None:
                return ACCESS_DENIED
            parent.children = {spelling: item for spelling, item in parent.children.items() if spelling.lower() != name.lower()}
            return 0
        name = str(arguments.get("sValueName") or "")
        spelling = next((known for known in key.values if known.lower() == name.lower()), None)
        if method == "DeleteValue":
            return NOT_FOUND if spelling is None or key.values.pop(spelling) is None else 0
        key.values[spelling or name] = _written(method, arguments)
        return 0


def _plain(values: Mapping[str, int | str]) -> dict[str, tuple[int, int | str | bytes]]:
    return {name: (REG_SZ if isinstance(value, str) else REG_DWORD, value) for name, value in values.items()}


def _written(method: str, arguments: Values) -> tuple[int, int | str | bytes]:
    """Type and value of a Set method; a value that is not given is empty or 0, as the class has it."""
    if method == "SetDWORDValue":
        number = arguments.get("uValue")
        return REG_DWORD, number if isinstance(number, int) else 0
    if method == "SetBinaryValue":
        octets = arguments.get("uValue")
        return REG_BINARY, octets if isinstance(octets, bytes) else b""
    return REG_SZ, str(arguments.get("sValue") or "")


@cache
def _device_keys() -> tuple[ec.EllipticCurvePrivateKey, ec.EllipticCurvePrivateKey]:
    return ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def device_certificate(device_id: str) -> bytes:
    """A device certificate as a join leaves it: CN = device ID, issued by MS-Organization-Access; DER."""
    issuer_key, device_key = _device_keys()
    issuer = x509.Name(
        [
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "net"),
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "windows"),
            x509.NameAttribute(NameOID.COMMON_NAME, "MS-Organization-Access"),
        ]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id)]))
        .issuer_name(issuer)
        .public_key(device_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=3550))
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)


def serialized_certificate(certificate: bytes) -> bytes:
    """A certificate as a registry store keeps it: records of property number, 1, length and data; number 32 is the certificate itself."""
    records = [(3, hashlib.sha1(certificate, usedforsecurity=False).digest()), (2, b"\x00" * 24), (32, certificate)]
    return b"".join(struct.pack("<III", number, 1, len(data)) + data for number, data in records)
