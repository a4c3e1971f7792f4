# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Win32_EncryptableVolume: every read that shows no secret. (Those that do are in volume_secrets.py, which volume_info never imports.)

Methods, parameters and result codes: MicrosoftDocs/win32 "SecProv", one page a method; where the real class spells a name otherwise, the
class is followed, because names are case-sensitive over WS-Management. Protector IDs are passed as the host spelled them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .._errors import BadDataError
from . import hresults, words
from .calls import Face, MethodFailedError, bounded, missing, needed_integer, take
from .wsman.instance import Instance
from .wsman.session import Session

NAMESPACE: Final = "root/cimv2/Security/MicrosoftVolumeEncryption"
CLASS_NAME: Final = "Win32_EncryptableVolume"


@dataclass(frozen=True, slots=True)
class ConversionReading:
    """One answer of GetConversionStatus; each field is read for itself, so that a broken one does not take the others along.

    Percentages are whole numbers and prove no end state (they are rounded). Optional outputs are None where Windows leaves them out.
    """

    out: Instance

    def conversion(self) -> str:
        """How far encryption is: a word of model.Conversion."""
        return words.word(words.CONVERSION, needed_integer(self.out, "ConversionStatus", "GetConversionStatus"))

    def encrypted_percent(self) -> int:
        """0 to 100."""
        return self._percent("EncryptionPercentage")

    def flags(self) -> tuple[str, ...] | None:
        """How it was encrypted: used_space_only, wipe_on_demand, synchronous."""
        flags = self.out.integer("EncryptionFlags")
        return None if flags is None else tuple(words.bits(words.ENCRYPTION_FLAGS, flags))

    def wiping(self) -> str | None:
        """Whether free space was wiped."""
        wiping = self.out.integer("WipingStatus")
        return None if wiping is None else words.word(words.WIPING, wiping)

    def wiped_percent(self) -> int | None:
        """0 to 100."""
        return None if self.out.integer("WipingPercentage") is None else self._percent("WipingPercentage")

    def _percent(self, name: str) -> int:
        value = needed_integer(self.out, name, "GetConversionStatus")
        if not 0 <= value <= 100:
            raise BadDataError(f"read {name} of GetConversionStatus", meaning=f"{value} is no percentage")
        return value


@dataclass(frozen=True, slots=True)
class MethodReading:
    """GetEncryptionMethod: the method, and what a self-encrypting drive calls its own."""

    method: str
    drive_method: str | None


def volume_instances(session: Session, limit: int) -> list[Instance]:
    """The first instances as the host lists them; whole, because old Windows lacks some properties and refuses a query that names them."""
    return take(session.enumerate(NAMESPACE, CLASS_NAME), limit)


class EncryptableVolume:
    """One volume, addressed by its DeviceID; every method is one request, and raises what :meth:`Face.read` raises."""

    def __init__(self, session: Session, device_id: str) -> None:
        self.device_id = device_id
        self.face = Face(session, NAMESPACE, CLASS_NAME, f"volume {device_id}", {"DeviceID": device_id})

    # --- the volume -------------------------------------------------------------------------------------------------

    def locked(self) -> bool:
        """GetLockStatus: 1 is locked; any number but 0 and 1 is an error, since nothing could be concluded from it."""
        status = self.face.number("GetLockStatus", "LockStatus")
        if status not in (0, 1):
            raise BadDataError("read LockStatus of GetLockStatus", meaning=f"{status} is neither unlocked nor locked")
        return status == 1

    def conversion(self) -> ConversionReading:
        """GetConversionStatus with whole percentages (PrecisionFactor 0); a locked volume refuses it."""
        return ConversionReading(self.face.read("GetConversionStatus", PrecisionFactor=0))

    def protection(self) -> str:
        """GetProtectionStatus: off, on, or unknown (a locked volume)."""
        return words.word(words.PROTECTION, self.face.number("GetProtectionStatus", "ProtectionStatus"))

    def method(self) -> MethodReading:
        """GetEncryptionMethod."""
        out = self.face.read("GetEncryptionMethod")
        number = needed_integer(out, "EncryptionMethod", "GetEncryptionMethod")
        drive = bounded(out.string("SelfEncryptionDriveEncryptionMethod"), "SelfEncryptionDriveEncryptionMethod")
        return MethodReading(words.word(words.METHOD, number), drive or None)

    def suspend_count(self) -> int:
        """GetSuspendCount: restarts until protection resumes (0: by hand). Not offered unless an OS volume is suspended; Windows 8 on."""
        return self.face.number("GetSuspendCount", "SuspendCount")

    def hardware_test(self) -> str:
        """GetHardwareTestStatus: none, failed, pending."""
        return words.word(words.HARDWARE_TEST, self.face.number("GetHardwareTestStatus", "TestStatus"))

    def hardware_encryption(self) -> str:
        """GetHardwareEncryptionStatus: not_supported, no_protection, software, hardware; Windows 8 on."""
        return words.word(words.HARDWARE_ENCRYPTION, self.face.number("GetHardwareEncryptionStatus", "HardwareEncryptionStatus"))

    def metadata_version(self) -> str:
        """GetVersion: the format of the metadata, vista or windows_7 (still the newest)."""
        return words.word(words.METADATA_VERSION, self.face.number("GetVersion", "Version"))

    def identification_field(self) -> str | None:
        """GetIdentificationField: the organisation's mark on the volume."""
        return self.face.text("GetIdentificationField", "IdentificationField")

    def secure_boot_binding(self) -> str:
        """GetSecureBootBindingState (in no documentation, newer Windows)."""
        return words.word(words.SECURE_BOOT_BINDING, self.face.number("GetSecureBootBindingState", "BindingState"))

    def auto_unlock_key(self) -> str | None:
        """IsAutoUnlockEnabled: the ID of the external key that unlocks this data volume by itself, None where it is off.

        The refusals that only say "this is no data volume" or "nothing is activated" mean off as well.
        """
        try:
            out = self.face.read("IsAutoUnlockEnabled")
        except MethodFailedError as error:
            if error.result in (hresults.FVE_E_NOT_DATA_VOLUME, hresults.FVE_E_NOT_ACTIVATED, hresults.FVE_E_VOLUME_NOT_BOUND):
                return None
            raise
        enabled = out.boolean("IsAutoUnlockEnabled")
        if enabled is None:
            raise missing("IsAutoUnlockEnabled", "IsAutoUnlockEnabled")
        key_id = bounded(out.string("VolumeKeyProtectorID"), "VolumeKeyProtectorID")
        if enabled and not key_id:
            raise missing("IsAutoUnlockEnabled", "VolumeKeyProtectorID")
        return key_id if enabled else None

    def stores_auto_unlock_keys(self) -> bool:
        """IsAutoUnlockKeyStored: whether this OS volume holds keys of data volumes."""
        return self.face.truth("IsAutoUnlockKeyStored", "IsAutoUnlockKeyStored")

    # --- its protectors ---------------------------------------------------------------------------------------------

    def protector_ids(self) -> tuple[str, ...]:
        """GetKeyProtectors of every type, as the host spells the IDs; works on locked volumes.

        A volume without protectors answers with success and no element, or with FVE_E_NOT_ACTIVATED: both are an empty tuple.
        """
        try:
            return self.face.read("GetKeyProtectors").strings("VolumeKeyProtectorID")
        except MethodFailedError as error:
            if error.result == hresults.FVE_E_NOT_ACTIVATED:
                return ()
            raise

    def protector_type(self, protector_id: str) -> str:
        """GetKeyProtectorType; works on locked volumes."""
        number = self.face.number("GetKeyProtectorType", "KeyProtectorType", VolumeKeyProtectorID=protector_id)
        return words.word(words.PROTECTOR_TYPE, number)

    def protector_name(self, protector_id: str) -> str | None:
        """GetKeyProtectorFriendlyName: what the administrator called it, often empty."""
        return self.face.text("GetKeyProtectorFriendlyName", "FriendlyName", VolumeKeyProtectorID=protector_id)

    def backup_types(self, protector_id: str) -> tuple[str, ...]:
        """GetNumericalPasswordBackupType (undocumented, newer Windows): where Windows noted that it backed this password up."""
        mask = self.face.number("GetNumericalPasswordBackupType", "BackupInfoType", VolumeKeyProtectorID=protector_id)
        return tuple(words.bits(words.BACKUP, mask))

    def backup_account(self, protector_id: str, backup_type: int) -> str | None:
        """GetNumericalPasswordBackupAccounts (undocumented, newer Windows): the account of one bit of the backup type."""
        return self.face.text(
            "GetNumericalPasswordBackupAccounts", "BackupAccounts", VolumeKeyProtectorID=protector_id, BackupInfoType=backup_type
        )

    def external_key_file(self, protector_id: str) -> str | None:
        """GetExternalKeyFileName: the name (not the content) of the .BEK file of an external or startup key."""
        return self.face.text("GetExternalKeyFileName", "FileName", VolumeKeyProtectorID=protector_id)

    def certificate_thumbprint(self, protector_id: str) -> str | None:
        """GetKeyProtectorCertificate: the thumbprint of a certificate or network-unlock protector."""
        return self.face.text("GetKeyProtectorCertificate", "CertThumbprint", VolumeKeyProtectorID=protector_id)

    def sid(self, protector_id: str) -> str | None:
        """GetKeyProtectorAdSidInformation: the account or group of a SID protector."""
        return self.face.text("GetKeyProtectorAdSidInformation", "SidString", VolumeKeyProtectorID=protector_id)

    def pcr_profile(self, protector_id: str) -> tuple[int, ...]:
        """GetKeyProtectorPlatformValidationProfile: the platform registers that a TPM protector is sealed to."""
        out = self.face.read("GetKeyProtectorPlatformValidationProfile", VolumeKeyProtectorID=protector_id)
        return tuple(out.octets("PlatformValidationProfile"))
