# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host behind the session's interface: state in plain data, answers as real instances and faults, every request counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any
from xml.sax.saxutils import escape

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.faults import FaultError, read_fault
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.instance import Instance
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.xml_reader import read_xml

BITLOCKER = "root/cimv2/Security/MicrosoftVolumeEncryption"
OS_DEVICE = "\\\\?\\Volume{00000000-0000-4000-8000-000000000001}\\"
DATA_DEVICE = "\\\\?\\Volume{00000000-0000-4000-8000-000000000002}\\"
TPM_ID = "{AAAAAAAA-0000-4000-8000-000000000001}"
PASSWORD_ID = "{AAAAAAAA-0000-4000-8000-000000000002}"
EXTERNAL_ID = "{BBBBBBBB-0000-4000-8000-000000000001}"
DATA_PASSWORD_ID = "{BBBBBBBB-0000-4000-8000-000000000002}"

LOCKED, NOT_ACTIVATED, NOT_DATA_VOLUME = 0x80310000, 0x80310008, 0x80310019
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def instance(name: str, values: Mapping[str, Any]) -> Instance:
    """A real instance: None is nil, a list is repeated elements, a key with the value ... is not sent."""
    parts = []
    for key, value in values.items():
        if value is ...:
            continue
        for item in value if isinstance(value, list | tuple) else [value]:
            if item is None:
                parts.append(f'<p:{key} xsi:nil="true"/>')
            else:
                text = str(item).lower() if isinstance(item, bool) else str(item)
                parts.append(f"<p:{key}>{escape(text)}</p:{key}>")
    document = f'<p:{name} xmlns:p="urn:test" {_XSI}>{"".join(parts)}</p:{name}>'
    return Instance(read_xml(document.encode(), attempted="build a test instance"))


def fault(subcode: str = "", code: int | None = None, *, inner: int | None = None, text: str = "") -> FaultError:
    """A real fault from its XML."""
    within = f'<f:ProviderFault><f:WSManFault Code="{inner}"/></f:ProviderFault>' if inner is not None else ""
    detail = f'<f:WSManFault Code="{code}"><f:Message>{within}</f:Message></f:WSManFault>' if code is not None else ""
    document = (
        '<s:Fault xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault">'
        f"<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:{subcode}</s:Value></s:Subcode></s:Code>"
        f"<s:Reason><s:Text>{text}</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>"
    )
    return read_fault(read_xml(document.encode(), attempted="build a test fault"), attempted="ask the test host", target="test")


def missing_namespace() -> FaultError:
    return fault("DestinationUnreachable", 0x80338000, inner=0x8004100E)


def missing_method() -> FaultError:
    return fault("ActionNotSupported", 0x80338013)


def access_denied() -> FaultError:
    return fault("AccessDenied", 0x80338104)


class FakeHost(Session):
    """A session that answers from data. Anything in ``failures`` is raised instead: by class, method, or (method, device or key ID)."""

    def __init__(self) -> None:
        self.requests = 0
        self.log: list[str] = []
        self.names: tuple[str, ...] = ("pc01.lab.example",)
        self.failures: dict[Any, KeywardError | int] = {}
        self.classes: dict[str, list[dict[str, Any]]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.registry: dict[str, dict[str, tuple[int, Any]]] = {}
        #: what the enumeration of the volumes fails with, if anything
        self.bitlocker: list[KeywardError] = []

    # --- the session's interface ------------------------------------------------------------------------------------

    @property
    def authenticated_names(self) -> tuple[str, ...]:
        return self.names

    def close(self) -> None:
        self.log.append("close")

    def query(self, namespace: str, wql: str) -> Iterator[Instance]:
        found = re.fullmatch(r"SELECT ([\w,]+) FROM (\w+)", wql)
        assert found, f"a query that keeps answers small: {wql}"
        names = found[1].split(",")
        rows = [{name: row[name] for name in names if name in row} for row in self._rows(namespace, found[2])]
        yield from self._paged(found[2], "XmlFragment", rows)

    def enumerate(self, namespace: str, class_name: str) -> Iterator[Instance]:
        yield from self._paged(class_name, class_name, self._rows(namespace, class_name))

    def get(self, namespace: str, class_name: str, selectors: Mapping[str, str]) -> Instance:
        self._count(f"Get {class_name}")
        self._raise(class_name, *selectors.values())
        (key,) = selectors.values()
        return instance(class_name, self.volumes[key]["win32_volume"])

    # the types of the arguments are the interface's own
    def invoke(  # type: ignore[no-untyped-def]
        self, namespace: str, class_name: str, method: str, *, selectors=None, arguments=None, repeatable=False
    ) -> Instance:
        assert repeatable, "reads may be repeated, and say so"
        self._count(method)
        arguments = dict(arguments or {})
        if class_name == "StdRegProv":
            return self._registry_call(namespace, method, arguments)
        device = (selectors or {}).get("DeviceID", "")
        key_id = arguments.get("VolumeKeyProtectorID", "")
        failure = self._failure(class_name, method, device, key_id)
        if isinstance(failure, KeywardError):
            raise failure
        if failure is not None:
            return instance(f"{method}_OUTPUT", {"ReturnValue": failure})
        if device:
            return instance(f"{method}_OUTPUT", {"ReturnValue": 0, **self._volume_call(self.volumes[device], method, key_id)})
        return instance(f"{method}_OUTPUT", {"ReturnValue": 0, **self.classes[class_name][0][method]})

    # --- how it answers ---------------------------------------------------------------------------------------------

    def _rows(self, namespace: str, class_name: str) -> list[dict[str, Any]]:
        if class_name == "Win32_EncryptableVolume":
            assert namespace == BITLOCKER
            return [volume["properties"] for volume in self.volumes.values()]
        # what is a mapping is the answer of a method
        return [{name: value for name, value in row.items() if not isinstance(value, dict)} for row in self.classes.get(class_name, [])]

    def _paged(self, class_name: str, element: str, rows: list[dict[str, Any]]) -> Iterator[Instance]:
        """One item in the first answer, the rest by one Pull, as Windows does it."""
        self._count(f"Enumerate {class_name}")
        if class_name == "Win32_EncryptableVolume":
            for failure in self.bitlocker:
                raise failure
        self._raise(class_name)
        if class_name == "MSCluster_Cluster" and not rows:
            raise missing_namespace()
        for place, row in enumerate(rows):
            if place == 1:
                self._count(f"Pull {class_name}")
                self._raise("Pull")
            yield instance(element, row)

    def _volume_call(self, volume: dict[str, Any], method: str, key_id: str) -> dict[str, Any]:
        answer = volume["methods"][method]
        return answer[key_id] if key_id else answer

    def _registry_call(self, namespace: str, method: str, arguments: dict[str, Any]) -> Instance:
        failure = self._failure(namespace, method, arguments["sSubKeyName"], arguments.get("sValueName", ""))
        if isinstance(failure, KeywardError):
            raise failure
        key = arguments["sSubKeyName"]
        missing = {"ReturnValue": 2}
        if failure is not None:
            answer: dict[str, Any] = {"ReturnValue": failure}
        elif method == "EnumKey":
            children = [path[len(key) + 1 :] for path in self.registry if path.startswith(key + "\\")]
            answer = {"ReturnValue": 0, "sNames": children} if key in self.registry else missing
        elif method == "EnumValues":
            values = self.registry.get(key)
            answer = (
                missing
                if values is None
                else {"ReturnValue": 0, "sNames": list(values), "Types": [kind for kind, _unused in values.values()]}
            )
        else:
            found = self.registry.get(key, {}).get(arguments["sValueName"])
            name = "sValue" if "String" in method else "uValue"
            answer = missing if found is None else {"ReturnValue": 0, name: found[1]}
        return instance(f"{method}_OUTPUT", answer)

    def _count(self, what: str) -> None:
        self.requests += 1
        self.log.append(what)

    def _failure(self, class_name: str, method: str, *where: str) -> KeywardError | int | None:
        for key in (class_name, method, *((method, place) for place in where)):
            if key in self.failures:
                return self.failures[key]
        return None

    def _raise(self, class_name: str, *where: str) -> None:
        failure = self._failure(class_name, class_name, *where)
        if isinstance(failure, KeywardError):
            raise failure


def volume(device: str, letter: str | None, kind: int, protectors: Mapping[str, int], **properties: Any) -> dict[str, Any]:
    """A fully encrypted, protected volume as the provider would show it."""
    shown = {
        "DeviceID": device,
        "DriveLetter": letter,
        "PersistentVolumeID": "{CCCCCCCC-0000-4000-8000-000000000001}",
        "ProtectionStatus": 1,
        "ConversionStatus": 1,
        "EncryptionMethod": 7,
        "VolumeType": kind,
        "IsVolumeInitializedForProtection": True,
    } | properties
    return {
        "properties": shown,
        "win32_volume": {"DeviceID": device, "DriveLetter": letter, "Name": f"{letter}\\" if letter else device, "DriveType": 3},
        "methods": {
            "GetLockStatus": {"LockStatus": 0},
            "GetConversionStatus": {
                "ConversionStatus": shown["ConversionStatus"],
                "EncryptionPercentage": 100,
                "EncryptionFlags": 1,
                "WipingStatus": 0,
                "WipingPercentage": 0,
            },
            "GetProtectionStatus": {"ProtectionStatus": 1},
            "GetEncryptionMethod": {"EncryptionMethod": 6, "SelfEncryptionDriveEncryptionMethod": ""},
            "GetKeyProtectors": {"VolumeKeyProtectorID": list(protectors)},
            "GetKeyProtectorType": {key: {"KeyProtectorType": number} for key, number in protectors.items()},
            "GetKeyProtectorFriendlyName": {key: {"FriendlyName": f"name of {key[1:9]}"} for key in protectors},
            "GetNumericalPasswordBackupType": {key: {"BackupInfoType": 1} for key in protectors},
            "GetSuspendCount": {"SuspendCount": 1},
            "GetHardwareTestStatus": {"TestStatus": 2, "TestError": 0},
            "GetHardwareEncryptionStatus": {"HardwareEncryptionStatus": 2},
            "GetVersion": {"Version": 2},
            "IsAutoUnlockEnabled": {"IsAutoUnlockEnabled": False, "VolumeKeyProtectorID": None},
        },
    }


def workstation() -> FakeHost:
    """An AD-joined workstation with an OS volume of two protectors."""
    host = FakeHost()
    host.classes = deepcopy(_CLASSES)
    host.volumes[OS_DEVICE] = volume(OS_DEVICE, "C:", 0, {TPM_ID: 1, PASSWORD_ID: 3})
    return host


def with_data_volume() -> FakeHost:
    """The same with a fixed data volume that has an external key and a recovery password."""
    host = workstation()
    host.volumes[DATA_DEVICE] = volume(DATA_DEVICE, "D:", 1, {EXTERNAL_ID: 2, DATA_PASSWORD_ID: 3})
    return host


_CLASSES: dict[str, list[dict[str, Any]]] = {
    "Win32_ComputerSystem": [
        {
            "Name": "PC01",
            "DNSHostName": "pc01",
            "Domain": "lab.example",
            "Workgroup": None,
            "PartOfDomain": True,
            "DomainRole": 1,
            "Manufacturer": "Lab Computers",
            "Model": "Model 1",
        }
    ],
    "Win32_OperatingSystem": [
        {
            "Caption": "Microsoft Windows 11 Enterprise",
            "Version": "10.0.26200",
            "BuildNumber": "26200",
            "ProductType": 1,
            "SystemDrive": "C:",
            "LastBootUpTime": "2026-11-20T07:58:02.5Z",
        }
    ],
    "Win32_ComputerSystemProduct": [{"UUID": "9E1F0B52-5C37-4A6E-9F2C-0D1D5A4F3B21", "IdentifyingNumber": "LAB0001"}],
    "Win32_Tpm": [
        {
            "IsEnabled_InitialValue": True,
            "IsActivated_InitialValue": True,
            "IsOwned_InitialValue": True,
            "SpecVersion": "2.0, 0, 1.38",
            "ManufacturerId": 1229346816,
            "ManufacturerVersion": "7.63",
            "IsReadyInformation": {"IsReady": True, "Information": 0},
            "IsLockedOut": {"IsLockedOut": False},
        }
    ],
}
