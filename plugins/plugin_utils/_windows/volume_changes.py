# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Win32_EncryptableVolume: the methods that change something. Each is one request that is never repeated by itself.

Methods, parameters and result codes: MicrosoftDocs/win32 "SecProv", one page a method; BackupRecoveryInformationToCloudDomain and
…ToMicrosoftAccount stand in the class and in no documentation. Protector IDs are passed as the host spelled them. A lost answer leaves
open whether the change was made: callers read the volume again and decide anew.
"""

from __future__ import annotations

from typing import Final

from .._errors import AuthorizationError
from . import hresults
from .calls import MethodFailedError, bounded, missing
from .encryptable_volume import EncryptableVolume

#: the value of HKLM\SOFTWARE\Policies\Microsoft\FVE that must be 1 before Windows stores in AD, by the kind of volume
STORE_IN_AD_VALUES: Final = {
    "os": "OSActiveDirectoryBackup",
    "fixed": "FDVActiveDirectoryBackup",
    "removable": "RDVActiveDirectoryBackup",
}


class PolicyForbidsBackupError(AuthorizationError):
    """Windows was asked to store a recovery password in AD, and policy does not let it (S_FALSE)."""


def add_recovery_password(volume: EncryptableVolume, name: str) -> str:
    """ProtectKeyWithNumericalPassword: let Windows make a recovery password; the new protector's ID, as the host spells it.

    The password itself is neither sent nor read.
    """
    out = volume.face.change("ProtectKeyWithNumericalPassword", FriendlyName=name)
    protector = bounded(out.string("VolumeKeyProtectorID"), "VolumeKeyProtectorID")
    if not protector:
        raise missing("ProtectKeyWithNumericalPassword", "VolumeKeyProtectorID")
    return protector


def delete_protector(volume: EncryptableVolume, protector_id: str) -> None:
    """DeleteKeyProtector. Nothing here asks whether that is wise: see _core.repair.removal."""
    volume.face.change("DeleteKeyProtector", VolumeKeyProtectorID=protector_id)


def back_up_to_ad(volume: EncryptableVolume, protector_id: str, volume_type: str | None) -> None:
    """BackupRecoveryInformationToActiveDirectory: the machine writes the password below its own computer object.

    Success says that Windows called it done; only the directory says that it is there. Where an object of this key ID is there already,
    Windows writes nothing, whatever that object holds.

    Raises:
        PolicyForbidsBackupError: S_FALSE; ``volume_type`` (os, fixed, removable) tells which policy value is meant.
    """
    try:
        volume.face.change("BackupRecoveryInformationToActiveDirectory", VolumeKeyProtectorID=protector_id)
    except MethodFailedError as error:
        if error.result != hresults.S_FALSE:
            raise
        value = STORE_IN_AD_VALUES.get(volume_type or "", "OS-, FDV- or RDVActiveDirectoryBackup")
        raise PolicyForbidsBackupError(
            "store a recovery password in Active Directory",
            target=error.target,
            code=error.code,
            name=error.name,
            meaning=f"group policy does not let this computer store it: {value} below HKLM\\SOFTWARE\\Policies\\Microsoft\\FVE is not 1",
            remedy="Enable 'Save BitLocker recovery information to AD DS' for this kind of drive in the policy that governs the computer.",
        ) from error


def back_up_to_entra(volume: EncryptableVolume, protector_id: str) -> None:
    """BackupRecoveryInformationToCloudDomain: the machine posts the password to Entra ID with its device identity."""
    volume.face.change("BackupRecoveryInformationToCloudDomain", VolumeKeyProtectorID=protector_id)


def back_up_to_microsoft_account(volume: EncryptableVolume, protector_id: str) -> None:
    """BackupRecoveryInformationToMicrosoftAccount: newer clients only; nobody but the account's owner can look whether it is there."""
    volume.face.change("BackupRecoveryInformationToMicrosoftAccount", VolumeKeyProtectorID=protector_id)
