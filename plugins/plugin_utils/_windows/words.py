# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Windows' numbers as the words of the project. A number that is not known becomes ``unknown_<number>``, never an error and never a guess.

Source of the numbers: MicrosoftDocs/win32, the pages of Win32_EncryptableVolume and its methods, Win32_Tpm, Win32_ComputerSystem and
Win32_OperatingSystem.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .._core.model import Conversion, Method, Protection, ProtectorType, VolumeType

CONVERSION: Final[Mapping[int, str]] = dict(enumerate(Conversion))
METHOD: Final[Mapping[int, str]] = dict(enumerate(Method))
PROTECTION: Final[Mapping[int, str]] = dict(enumerate(Protection))
VOLUME_TYPE: Final[Mapping[int, str]] = dict(enumerate(VolumeType))
PROTECTOR_TYPE: Final[Mapping[int, str]] = dict(enumerate(ProtectorType, start=1))
HARDWARE_TEST: Final[Mapping[int, str]] = {0: "none", 1: "failed", 2: "pending"}
WIPING: Final[Mapping[int, str]] = {0: "not_wiped", 1: "wiped", 2: "in_progress", 3: "paused"}
HARDWARE_ENCRYPTION: Final[Mapping[int, str]] = {0: "not_supported", 1: "no_protection", 2: "software", 3: "hardware"}
METADATA_VERSION: Final[Mapping[int, str]] = {0: "unknown", 1: "vista", 2: "windows_7"}
SECURE_BOOT_BINDING: Final[Mapping[int, str]] = {0: "not_possible", 1: "disabled_by_policy", 2: "possible", 3: "bound"}
DOMAIN_ROLE: Final[Mapping[int, str]] = {
    0: "standalone_workstation",
    1: "member_workstation",
    2: "standalone_server",
    3: "member_server",
    4: "backup_domain_controller",
    5: "primary_domain_controller",
}
PRODUCT_TYPE: Final[Mapping[int, str]] = {1: "workstation", 2: "domain_controller", 3: "server"}
#: Win32_LogicalDisk and Win32_Volume DriveType, where it tells the kind of a BitLocker volume
DRIVE_TYPE: Final[Mapping[int, str]] = {2: VolumeType.REMOVABLE, 3: VolumeType.FIXED}

#: GetNumericalPasswordBackupType's bit mask; undocumented, read so by two independent sources (8 and 16 by one)
BACKUP: Final[Mapping[int, str]] = {1: "ad", 2: "microsoft_account", 4: "entra", 8: "file", 16: "printed"}
ENCRYPTION_FLAGS: Final[Mapping[int, str]] = {0x1: "used_space_only", 0x2: "wipe_on_demand", 0x10000: "synchronous"}
#: Win32_Tpm.IsReadyInformation
TPM_INFORMATION: Final[Mapping[int, str]] = {
    0x2: "shutdown_required",
    0x4: "reboot_required",
    0x8: "clear_required",
    0x10: "physical_presence_required",
    0x20: "disabled",
    0x40: "ownership_required",
    0x80: "endorsement_key",
    0x100: "owner_authorization",
    0x200: "storage_root_authorization",
    0x800: "storage_root_public_key",
    0x1000: "storage_root_public_key_mismatch",
    0x20000: "legacy_configuration",
    0x40000: "endorsement_certificate",
    0x80000: "measured_boot_log",
    0x100000: "functionality_not_reduced",
    0x200000: "generic_error",
    0x800000: "device_id",
    0x1000000: "attestation_vulnerability",
}


def word(table: Mapping[int, str], number: int) -> str:
    """The word for one of Windows' numbers, ``unknown_<number>`` for one that is not known."""
    known = table.get(number)
    return str(known) if known is not None else f"unknown_{number}"


def bits(table: Mapping[int, str], mask: int) -> list[str]:
    """The words for the bits of a 32-bit mask, lowest first; a bit that is not known becomes ``unknown_<value of the bit>``."""
    return [word(table, 1 << place) for place in range(32) if mask >> place & 1]
