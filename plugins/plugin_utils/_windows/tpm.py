# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Win32_Tpm: whether there is a TPM, which, and whether it is ready (MicrosoftDocs/win32 "SecProv", Win32_Tpm). Only reads are here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from . import words
from .calls import Face, bounded, if_offered, is_absent, needed_integer, take
from .reads import Reads
from .wsman.faults import FaultError
from .wsman.instance import Instance
from .wsman.session import Session

NAMESPACE: Final = "root/cimv2/Security/MicrosoftTpm"
CLASS_NAME: Final = "Win32_Tpm"

T = TypeVar("T")


def tpm_facts(session: Session, reads: Reads) -> dict[str, Any] | None:
    """The ``tpm`` section of an observation: the class's one instance and two methods, three or four requests.

    ``present`` False: Windows lists no usable TPM. None: this Windows has no such namespace, or the read failed (``reads`` says so).
    """
    listed = reads.ask(CLASS_NAME, lambda: _instances(session))
    if listed is None:
        return None
    if not listed:
        return {"present": False}
    tpm = listed[0]
    # the class has no key: Windows takes its methods without selectors
    face = Face(session, NAMESPACE, CLASS_NAME, "TPM")
    ready = _optional(reads, "IsReadyInformation", lambda: face.read("IsReadyInformation"))
    return {
        "present": True,
        "enabled": reads.field(f"{CLASS_NAME}.IsEnabled", lambda: tpm.boolean("IsEnabled_InitialValue")),
        "activated": reads.field(f"{CLASS_NAME}.IsActivated", lambda: tpm.boolean("IsActivated_InitialValue")),
        "owned": reads.field(f"{CLASS_NAME}.IsOwned", lambda: tpm.boolean("IsOwned_InitialValue")),
        "spec_version": _first(_text(tpm, reads, "SpecVersion")),
        "manufacturer": reads.field(f"{CLASS_NAME}.ManufacturerId", lambda: _manufacturer(tpm)),
        "manufacturer_version": _text(tpm, reads, "ManufacturerVersionFull20") or _text(tpm, reads, "ManufacturerVersion"),
        "ready": None if ready is None else reads.field("IsReadyInformation", lambda: ready.boolean("IsReady")),
        "ready_information": None if ready is None else reads.field("IsReadyInformation", lambda: _information(ready)),
        "locked_out": _optional(reads, "IsLockedOut", lambda: face.truth("IsLockedOut", "IsLockedOut")),
    }


def _instances(session: Session) -> list[Instance] | None:
    try:
        return take(session.enumerate(NAMESPACE, CLASS_NAME), 1)
    except FaultError as error:
        if is_absent(error):
            return None
        raise


def _optional(reads: Reads, method: str, call: Callable[[], T]) -> T | None:
    """A method that older Windows lacks: None without an item where it is not offered."""
    return reads.ask(method, lambda: if_offered(call))


def _information(ready: Instance) -> list[str]:
    return words.bits(words.TPM_INFORMATION, needed_integer(ready, "Information", "IsReadyInformation"))


def _text(tpm: Instance, reads: Reads, name: str) -> str | None:
    text = reads.field(f"{CLASS_NAME}.{name}", lambda: bounded(tpm.string(name), name))
    return text.strip() if text is not None else None


def _first(text: str | None) -> str | None:
    """``2.0, 0, 1.38`` is specification 2.0, level 0, revision 1.38."""
    return text.split(",")[0].strip() if text else text


def _manufacturer(tpm: Instance) -> str | None:
    """The maker's mark as text: modern Windows gives it, older gives four ASCII characters as one number."""
    text = bounded(tpm.string("ManufacturerIdTxt"), "ManufacturerIdTxt")
    if text:
        return text.strip("\0 ")
    number = tpm.integer("ManufacturerId")
    if number is None:
        return None
    octets = (number & 0xFFFFFFFF).to_bytes(4, "big")
    return octets.decode("ascii", "replace").strip("\0 ")
