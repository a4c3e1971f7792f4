# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One volume of an observation: what its instance shows, what its state asks for, and its protectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from .._core.model import Conversion, Method, Protection, ProtectorType, VolumeType
from .._core.observation import MAX_PROTECTORS, normalise_key_id
from .._errors import BadDataError, KeywardError, LimitError
from . import hresults, words
from .calls import MethodFailedError, bounded, if_offered, is_not_offered
from .computer import NAMESPACE as CIMV2
from .encryptable_volume import CLASS_NAME, EncryptableVolume
from .key_packages import encoded_readings
from .reads import Reads
from .wsman.instance import Instance
from .wsman.session import Session

T = TypeVar("T")

#: longest protector ID that is taken for one (a GUID in braces has 38)
_MAX_ID: Final = 128
_DATA_TYPES: Final = frozenset({VolumeType.FIXED, VolumeType.REMOVABLE})


@dataclass
class HostMemory:
    """What was learnt on one volume and spares requests on the next: methods that this Windows does not have."""

    backup_records: bool = True


class VolumeReader:
    """Reads one volume; every failure is an item in the volume's own ``errors``, and the rest goes on."""

    def __init__(
        self, session: Session, instance: Instance, *, place: int, subsets: frozenset[str], system_drive: str | None, reads: Reads
    ) -> None:
        self._session = session
        self._instance = instance
        self._place = place
        self._subsets = subsets
        self._system_drive = system_drive
        self._reads = reads.scope()
        self._facts: dict[str, Any] = {}

    def facts(self, memory: HostMemory) -> dict[str, Any]:
        """The item of ``volumes``; a volume without a readable DeviceID is listed as ``unknown_<place>`` and all of it is null."""
        device_id = self._text("DeviceID")
        if not device_id:
            # not left out: a list that lacks a volume would look complete
            self._reads.note(
                "DeviceID", BadDataError("read a volume", meaning="its instance has no DeviceID, so it cannot be asked anything")
            )
            nothing = dict.fromkeys(
                ("persistent_id", "letter", "type", "conversion", "encrypted_percent", "method", "protection", "locked", "protectors")
            )
            return {"device_id": f"unknown_{self._place}", **nothing, "errors": self._reads.errors}
        self._volume = EncryptableVolume(self._session, device_id)
        letter = self._text("DriveLetter")
        facts = self._facts
        facts.update(
            device_id=device_id,
            persistent_id=self._text("PersistentVolumeID") or None,
            letter=letter.upper() if letter else None,
            type=self._word("VolumeType", words.VOLUME_TYPE),
        )
        self._place_in_windows()
        self._status()
        self._protectors(memory)
        self._what_the_state_asks()
        if "conversion" in self._subsets:
            self._details()
        facts["errors"] = self._reads.errors
        return facts

    # --- where it is and what it is -----------------------------------------------------------------------------------------------

    def _place_in_windows(self) -> None:
        """Mount point of a volume without a letter; the type where old Windows does not say it (its system drive is the OS volume)."""
        facts = self._facts
        if facts["type"] is None and facts["letter"] and facts["letter"] == self._system_drive:
            facts["type"] = str(VolumeType.OS)
        if facts["letter"] and facts["type"] is not None:
            return
        volume = self._reads.ask("Win32_Volume", lambda: self._session.get(CIMV2, "Win32_Volume", {"DeviceID": facts["device_id"]}))
        if not facts["letter"]:
            name = None if volume is None else self._reads.field("Win32_Volume.Name", lambda: bounded(volume.string("Name"), "Name"))
            # a volume that is mounted nowhere has its own device ID for a name
            facts["mount_point"] = (name.rstrip("\\") or None) if name and not name.startswith("\\\\?\\") else None
        if facts["type"] is None and volume is not None:
            drive = self._reads.field("Win32_Volume.DriveType", lambda: volume.integer("DriveType"))
            facts["type"] = words.DRIVE_TYPE.get(drive) if drive is not None else None

    # --- its state ----------------------------------------------------------------------------------------------------------------

    def _status(self) -> None:
        facts, volume = self._facts, self._volume
        facts["locked"] = self._reads.ask("GetLockStatus", volume.locked)
        self._conversion = self._unless_locked("GetConversionStatus", volume.conversion)
        reading = self._conversion
        if reading is not None:
            facts["conversion"] = self._reads.field("GetConversionStatus", reading.conversion)
            facts["encrypted_percent"] = self._reads.field("EncryptionPercentage", reading.encrypted_percent)
        else:
            # a locked volume refuses the method; what its instance shows is all there is
            facts["conversion"] = self._word("ConversionStatus", words.CONVERSION) if facts["locked"] else None
            facts["encrypted_percent"] = None
        self._method_reading = None
        facts["method"] = self._word("EncryptionMethod", words.METHOD)
        if facts["method"] is None:
            self._method_reading = self._unless_locked("GetEncryptionMethod", volume.method)
            facts["method"] = self._method_reading.method if self._method_reading else None
        facts["protection"] = self._word("ProtectionStatus", words.PROTECTION)
        if facts["protection"] is None:
            facts["protection"] = self._unless_locked("GetProtectionStatus", volume.protection)

    def _what_the_state_asks(self) -> None:
        """At most one more question: suspended how long, tested or not, unlocked by itself or not (a type not known is not ruled out)."""
        facts, volume = self._facts, self._volume
        types = {protector["type"] for protector in facts["protectors"] or ()}
        decrypted = facts["conversion"] == Conversion.FULLY_DECRYPTED
        off = facts["conversion"] == Conversion.FULLY_ENCRYPTED and facts["protection"] == Protection.OFF
        if off and facts["type"] not in _DATA_TYPES:
            facts["suspend_count"] = self._if_offered("GetSuspendCount", volume.suspend_count)
        elif decrypted and facts["protectors"]:
            facts["hardware_test"] = self._if_offered("GetHardwareTestStatus", volume.hardware_test)
        elif not decrypted and facts["type"] != VolumeType.OS and ProtectorType.EXTERNAL_KEY in types:
            key_id = self._unless_locked("IsAutoUnlockEnabled", volume.auto_unlock_key)
            facts["auto_unlock_key_id"] = normalise_key_id(key_id) if key_id else None

    def _details(self) -> None:
        """Subset ``conversion``: how it was encrypted and wiped, by whom, in which format."""
        reads, volume, reading = self._reads, self._volume, self._conversion
        details: dict[str, Any] = {
            "encryption_flags": None if reading is None else _listed(reads.field("EncryptionFlags", reading.flags)),
            "wiping": None if reading is None else reads.field("WipingStatus", reading.wiping),
            "wiped_percent": None if reading is None else reads.field("WipingPercentage", reading.wiped_percent),
            "hardware_encryption": self._if_offered("GetHardwareEncryptionStatus", volume.hardware_encryption),
            "metadata_version": self._if_offered("GetVersion", volume.metadata_version),
        }
        if self._facts["method"] == Method.HARDWARE:
            method = self._method_reading or self._unless_locked("GetEncryptionMethod", volume.method)
            details["drive_method"] = method.drive_method if method else None
        self._facts["conversion_details"] = details

    # --- its protectors -----------------------------------------------------------------------------------------------------------

    def _protectors(self, memory: HostMemory) -> None:
        ids = self._reads.ask("GetKeyProtectors", self._volume.protector_ids)
        if ids is not None and len(ids) > MAX_PROTECTORS:
            # a shortened list would look complete, so there is none
            self._reads.note(
                "GetKeyProtectors",
                LimitError(
                    "take the protectors of a volume",
                    target=self._facts["device_id"],
                    meaning=f"it lists {len(ids)}, and more than {MAX_PROTECTORS} are not taken",
                    remedy="Remove protectors that nobody needs.",
                ),
            )
            ids = None
        if ids is None:
            self._facts["protectors"] = None
            return
        found: dict[str, dict[str, Any]] = {}
        for place, protector_id in enumerate(ids, start=1):
            key_id = normalise_key_id(protector_id) if len(protector_id) <= _MAX_ID else ""
            if not key_id:
                found[f"unknown_{place}"] = {"key_id": f"unknown_{place}", "type": None}
                self._reads.note(
                    "VolumeKeyProtectorID", BadDataError("take a protector's ID", meaning=f"number {place} of the list is none")
                )
            elif key_id not in found:
                found[key_id] = self._protector(protector_id, key_id, memory)
        self._facts["protectors"] = list(found.values())

    def _protector(self, protector_id: str, key_id: str, memory: HostMemory) -> dict[str, Any]:
        kind = self._reads.ask("GetKeyProtectorType", partial(self._volume.protector_type, protector_id))
        protector: dict[str, Any] = {"key_id": key_id, "type": kind}
        if "names" in self._subsets:
            protector["name"] = self._reads.ask("GetKeyProtectorFriendlyName", partial(self._volume.protector_name, protector_id))
        if "backup_records" in self._subsets and kind == ProtectorType.RECOVERY_PASSWORD:
            protector["backup"] = self._backup(protector_id, memory)
        if "key_packages" in self._subsets and kind == ProtectorType.RECOVERY_PASSWORD:
            # a locked volume refuses them
            protector["key_packages"] = [] if self._facts["locked"] else encoded_readings(self._volume, protector_id, self._reads)
        return protector

    def _backup(self, protector_id: str, memory: HostMemory) -> list[str] | None:
        """The machine's own record of where a recovery password was backed up; None where this Windows keeps none."""

        def ask() -> tuple[str, ...] | None:
            try:
                return self._volume.backup_types(protector_id)
            except MethodFailedError as error:
                if is_not_offered(error):
                    return None
                raise
            except KeywardError as error:
                if is_not_offered(error):
                    memory.backup_records = False
                    return None
                raise

        return _listed(self._reads.ask("GetNumericalPasswordBackupType", ask)) if memory.backup_records else None

    # --- helpers ------------------------------------------------------------------------------------------------------------------

    def _text(self, name: str) -> str | None:
        text = self._reads.field(f"{CLASS_NAME}.{name}", lambda: bounded(self._instance.string(name), name))
        return text.strip() if text is not None else None

    def _word(self, name: str, table: Mapping[int, str]) -> str | None:
        """A property as a word; None where it is NULL, was not sent (old Windows), or is broken (then noted)."""
        number = self._reads.field(f"{CLASS_NAME}.{name}", lambda: self._instance.integer(name))
        return None if number is None else words.word(table, hresults.unsigned(number))

    def _unless_locked(self, read: str, call: Callable[[], T]) -> T | None:
        """Ask; that a locked volume refuses is no failure."""

        def offered() -> T | None:
            try:
                return call()
            except MethodFailedError as error:
                if error.result == hresults.FVE_E_LOCKED_VOLUME and self._facts["locked"]:
                    return None
                raise

        return self._reads.ask(read, offered)

    def _if_offered(self, read: str, call: Callable[[], T]) -> T | None:
        """Ask what older Windows, or a volume in another state, does not offer."""
        return self._unless_locked(read, lambda: if_offered(call))


def _listed(found: tuple[str, ...] | None) -> list[str] | None:
    return None if found is None else list(found)
