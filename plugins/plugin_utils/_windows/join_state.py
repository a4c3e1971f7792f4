# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Entra join state from the registry: which device a host says it is in Entra ID, and in which tenant.

CloudDomainJoin\\JoinInfo holds one subkey a join, named by the SHA-1 thumbprint of the device certificate (general knowledge, read so by
several tools). The device ID is the value DeviceId where Windows has it, else the subject of that certificate in LocalMachine\\My.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from typing import Final

from .._errors import BadDataError, KeywardError, LimitError
from .reads import Reads
from .registry import Registry

try:
    from cryptography import x509
    from cryptography.x509.oid import NameOID
except ImportError:
    x509 = None  # type: ignore[assignment]  # the library is optional; its absence is reported where it is needed

JOIN_INFO: Final = r"SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo"
CERTIFICATES: Final = r"SOFTWARE\Microsoft\SystemCertificates\MY\Certificates"

#: joins that are looked at; a device has one
MAX_JOINS: Final = 4
MAX_BLOB: Final = 64 * 1024
_MAX_ELEMENTS: Final = 256
#: wincrypt.h CERT_CERT_PROP_ID: the property of a serialised store element that holds the certificate itself
_CERTIFICATE_PROPERTY: Final = 32

_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_THUMBPRINT: Final = re.compile(r"[0-9a-f]{40}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class EntraJoin:
    """A join; the IDs are lower-case GUIDs without braces, None where they could not be read."""

    device_id: str | None
    tenant_id: str | None


def entra_join(registry: Registry, reads: Reads) -> EntraJoin | None:
    """The host's join, None where there is none or where it could not be told (then ``reads`` holds why).

    One request for a host that is not joined, two or three more for one that is.
    """
    names = reads.ask("CloudDomainJoin", lambda: registry.subkeys(JOIN_INFO))
    if not names:
        return None
    found = {join for name in names[:MAX_JOINS] if (join := _join(registry, reads, name)) is not None}
    if len(names) > MAX_JOINS or len({join.device_id for join in found}) != 1:
        reads.note("CloudDomainJoin", _ambiguous(len(names)))
        return EntraJoin(None, None)
    return min(found, key=lambda join: join.tenant_id is None)


def _join(registry: Registry, reads: Reads, name: str) -> EntraJoin | None:
    key = rf"{JOIN_INFO}\{name}"
    text = reads.ask("CloudDomainJoin.DeviceId", lambda: registry.text(key, "DeviceId"))
    device_id = guid(text)
    if device_id is None:
        device_id = reads.ask("CloudDomainJoin certificate", lambda: _device_id_of_certificate(registry, name))
    return EntraJoin(device_id, guid(reads.ask("CloudDomainJoin.TenantId", lambda: registry.text(key, "TenantId"))))


def _device_id_of_certificate(registry: Registry, thumbprint: str) -> str:
    if not _THUMBPRINT.fullmatch(thumbprint):
        raise BadDataError("find the device certificate", meaning="the join is not named by a thumbprint")
    blob = registry.binary(rf"{CERTIFICATES}\{thumbprint}", "Blob")
    if not blob:
        raise BadDataError("find the device certificate", target=thumbprint, meaning="it is not in the computer's store")
    certificate = certificate_in(blob)
    # a fingerprint that Windows chose as a name, not a protection
    if hashlib.sha1(certificate, usedforsecurity=False).hexdigest() != thumbprint.lower():
        raise BadDataError("read the device certificate", target=thumbprint, meaning="the stored certificate has another thumbprint")
    return subject_guid(certificate)


def guid(text: str | None) -> str | None:
    """A GUID in lower case without braces, None for any other text."""
    bare = (text or "").strip()
    if bare.startswith("{") and bare.endswith("}"):
        bare = bare[1:-1]
    return bare.lower() if _GUID.fullmatch(bare) else None


def certificate_in(blob: bytes) -> bytes:
    """The DER certificate in a serialised store element: records of property ID, 1, length (little-endian uint32 each) and the data.

    It is what CertSerializeCertificateStoreElement writes (general knowledge; [MS-GPEF] has it too). BadDataError if there is none.
    """
    if len(blob) > MAX_BLOB:
        raise LimitError("read the device certificate", meaning=f"its registry value is longer than {MAX_BLOB} bytes")
    offset = 0
    for _unused in range(_MAX_ELEMENTS):
        if offset + 12 > len(blob):
            break
        kind, _one, length = struct.unpack_from("<III", blob, offset)
        offset += 12
        if length > len(blob) - offset:
            break
        if kind == _CERTIFICATE_PROPERTY:
            return blob[offset : offset + length]
        offset += length
    raise BadDataError("read the device certificate", meaning="its registry value holds no certificate")


def subject_guid(certificate: bytes) -> str:
    """The GUID that is the common name of a DER certificate's subject; BadDataError if it is something else."""
    if x509 is None:
        raise KeywardError(
            "read the device certificate",
            meaning="the Python library cryptography is not installed on the controller",
            remedy="Install cryptography into Ansible's Python environment.",
        )
    try:
        subject = x509.load_der_x509_certificate(certificate).subject
        names = [str(attribute.value) for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except Exception as error:
        raise BadDataError("read the device certificate", meaning=f"it cannot be parsed ({type(error).__name__})") from error
    device_id = guid(names[0]) if len(names) == 1 else None
    if device_id is None:
        raise BadDataError("read the device certificate", meaning="its subject is no device ID")
    return device_id


def _ambiguous(count: int) -> BadDataError:
    return BadDataError(
        "tell which Entra device this is",
        meaning=f"{count} joins are recorded and they do not name one device",
        remedy="Look at dsregcmd /status on the host.",
    )
