# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What the BitLocker policy of a computer says about recovery passwords, and where that contradicts the requirements (KW-HST-010).

The policy is the values of ``HKLM\\SOFTWARE\\Policies\\Microsoft\\FVE`` (VolumeEncryption.admx), each with one prefix per drive type:
OS, FDV, RDV. They say something only where ``<prefix>Recovery`` is 1; with 0 Windows' defaults apply, without it nothing is configured.

**Rule of conflict.** A policy contradicts the requirements if and only if, for a drive type in scope,
(``Recovery`` == 1 and ``RecoveryPassword`` == 0) or (``ad`` is required and ``Recovery`` == 1 and ``ActiveDirectoryBackup`` != 1, absent
included). A computer without any policy, or with ``Recovery`` 0 or absent, is not in conflict: nothing is forbidden there, and whether its
key is escrowed all the same is what the verdict says.

The values of Windows Vista and Server 2008 (``ActiveDirectoryBackup``, ``UseRecoveryPassword`` and their like, without a prefix) configure
nothing on a Windows this collection speaks to; they are not read. Registry names are equal in any case, and a value of the wrong type is
no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .model import VolumeType

#: how the names of the values begin, by the kind of drive
PREFIXES = {VolumeType.OS: "OS", VolumeType.FIXED: "FDV", VolumeType.REMOVABLE: "RDV"}
#: what error texts call each kind
DRIVES = {VolumeType.OS: "operating system drives", VolumeType.FIXED: "fixed data drives", VolumeType.REMOVABLE: "removable drives"}
_PASSWORD_WORDS = {0: "forbidden", 1: "required", 2: "allowed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPolicy:
    """The policy for one drive type. ``configured`` False, and None in every other field, where it says nothing.

    ``recovery_password``: forbidden, allowed, required; None where that value itself is absent or unknown.
    ``stores_in_ad``: recovery information goes to AD DS; the same value also governs Entra. ``with_package``: the key package goes there
    too (None where that is not said). ``before_encryption``: BitLocker waits for the backup.
    """

    drive_type: VolumeType
    configured: bool = False
    recovery_password: str | None = None
    stores_in_ad: bool | None = None
    with_package: bool | None = None
    before_encryption: bool | None = None


def read_policy(values: Mapping[str, int | str], drive_type: VolumeType) -> RecoveryPolicy:
    """The meaning of the raw policy values for one drive type."""
    return _meaning(_numbers(values), drive_type)


def _meaning(numbers: Mapping[str, int], drive_type: VolumeType) -> RecoveryPolicy:
    prefix = PREFIXES[drive_type].casefold()
    if numbers.get(f"{prefix}recovery") != 1:
        return RecoveryPolicy(drive_type=drive_type)
    stores_in_ad = numbers.get(f"{prefix}activedirectorybackup") == 1
    stored = numbers.get(f"{prefix}activedirectoryinfotostore")
    return RecoveryPolicy(
        drive_type=drive_type,
        configured=True,
        recovery_password=_PASSWORD_WORDS.get(numbers.get(f"{prefix}recoverypassword", -1)),
        stores_in_ad=stores_in_ad,
        with_package=stored == 1 if stores_in_ad and stored in (1, 2) else None,
        before_encryption=numbers.get(f"{prefix}requireactivedirectorybackup") == 1,
    )


def _numbers(values: Mapping[str, int | str]) -> dict[str, int]:
    """The REG_DWORD values, names in one case."""
    return {name.casefold(): value for name, value in values.items() if isinstance(value, int) and not isinstance(value, bool)}


def conflicts(values: Mapping[str, int | str] | None, drive_types: Iterable[str], ad_required: bool) -> tuple[str, ...]:
    """Clauses that say where the policy contradicts the requirements, by the rule above; none for a policy that was not gathered (None).

    Args:
        values: raw values by name, as the observation has them.
        drive_types: os, fixed, removable: those in scope.
        ad_required: whether ``ad`` is a required store.
    """
    wanted = set(drive_types)
    numbers = _numbers(values or {})
    found = []
    for drive_type in VolumeType:
        if drive_type not in wanted:
            continue
        policy, prefix, drives = _meaning(numbers, drive_type), PREFIXES[drive_type], DRIVES[drive_type]
        if policy.recovery_password == "forbidden":
            found.append(f"it forbids recovery passwords on {drives} ({prefix}RecoveryPassword = 0)")
        if ad_required and policy.configured and not policy.stores_in_ad:
            found.append(f"it does not store the recovery information of {drives} in AD ({prefix}ActiveDirectoryBackup is not 1)")
    return tuple(found)
