# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume: properties, method signatures and codes (wire reference 1.1, 1.3, 2.5).

Names are those of the class, not of its documentation where the two differ. ``?`` marks inputs that may be NULL.
"""

from __future__ import annotations

from typing import Final

from ...model import LabVolume
from ..cim import Method, parse_signatures

NAMESPACE: Final = "root/cimv2/Security/MicrosoftVolumeEncryption"

PROPERTIES: Final = {
    "DeviceID": "string",
    "PersistentVolumeID": "string",
    "DriveLetter": "string",
    "ProtectionStatus": "uint32",
    "ConversionStatus": "uint32",
    "EncryptionMethod": "uint32",
    "IsVolumeInitializedForProtection": "boolean",
    "VolumeType": "uint32",
}

S_OK: Final = 0
E_INVALIDARG: Final = 0x80070057
LOCKED_VOLUME: Final = 0x80310000
NOT_ACTIVATED: Final = 0x80310008
BAD_INFORMATION: Final = 0x80310010
NOT_DATA_VOLUME: Final = 0x80310019
NOT_OS_VOLUME: Final = 0x80310028
PROTECTOR_NOT_FOUND: Final = 0x80310033
INVALID_PROTECTOR_TYPE: Final = 0x8031003A
TPM_INVALID_PCR: Final = 0x80310041
S_FALSE: Final = 1
E_ACCESSDENIED: Final = 0x80070005
FAILED_AUTHENTICATION: Final = 0x80310027
FOREIGN_VOLUME: Final = 0x80310023
KEY_REQUIRED: Final = 0x8031001D
NOT_ENCRYPTED: Final = 0x80310001
VOLUME_BOUND_ALREADY: Final = 0x8031001F
OS_NOT_PROTECTED: Final = 0x80310020
PROTECTION_DISABLED: Final = 0x80310021
RECOVERY_KEY_REQUIRED: Final = 0x80310022
CANNOT_ENCRYPT_NO_KEY: Final = 0x8031002E
CANNOT_SET_FVEK_ENCRYPTED: Final = 0x8031002D
POLICY_PASSWORD_REQUIRED: Final = 0x8031002C
AUTOUNLOCK_ENABLED: Final = 0x80310029
INVALID_PASSWORD_FORMAT: Final = 0x80310035
PROTECTOR_EXISTS: Final = 0x80310031
NO_PROTECTORS_TO_TEST: Final = 0x8031003B
NOT_DECRYPTED: Final = 0x80310039
INVALID_PIN_LENGTH: Final = 0x80310068
VOLUME_NOT_BOUND: Final = 0x80310017
CANT_LOCK_AUTO_UNLOCK: Final = 0x80310097
POLICY_RECOVERY_PASSWORD_NOT_ALLOWED: Final = 0x8031005C
TBS_SERVICE_NOT_RUNNING: Final = 0x80284008
INVALID_PIN_CHARS: Final = 0x8031009A
OS_VOLUME_PASSPHRASE_NOT_ALLOWED: Final = 0x8031006D
POLICY_INVALID_PASSPHRASE_LENGTH: Final = 0x80310080
PATH_NOT_FOUND: Final = 0x80070003
FILE_NOT_FOUND: Final = 0x80070002
INVALID_PASSWORD: Final = 0x80070056
NOT_FOUND: Final = 0x80070490

METHODS: Final[dict[str, Method]] = parse_signatures("""
BackupRecoveryInformationToActiveDirectory(VolumeKeyProtectorID:string)
BackupRecoveryInformationToCloudDomain(VolumeKeyProtectorID:string)
BackupRecoveryInformationToMicrosoftAccount(VolumeKeyProtectorID:string)
ChangeExternalKey(VolumeKeyProtectorID:string, ExternalKey?:uint8[]) -> NewVolumeKeyProtectorID:string
ChangePassPhrase(VolumeKeyProtectorID:string, NewPassPhrase:string) -> NewProtectorID:string
ChangePIN(VolumeKeyProtectorID:string, NewPIN:string)
ClearAllAutoUnlockKeys()
Decrypt()
DeleteKeyProtector(VolumeKeyProtectorID:string)
DeleteKeyProtectors()
DisableAutoUnlock()
DisableKeyProtectors(DisableCount?:uint32)
EnableAutoUnlock(VolumeKeyProtectorID:string)
EnableKeyProtectors()
Encrypt(EncryptionMethod?:uint32, EncryptionFlags?:uint32)
EncryptAfterHardwareTest(EncryptionMethod?:uint32, EncryptionFlags?:uint32)
FindValidCertificates() -> CertThumbprint:string[]
GetConversionStatus(PrecisionFactor?:uint32) -> ConversionStatus:uint32, EncryptionPercentage:uint32, \
EncryptionFlags:uint32, WipingStatus:uint32, WipingPercentage:uint32
GetEncryptionMethod() -> EncryptionMethod:uint32, SelfEncryptionDriveEncryptionMethod:string, EncryptionMethodFlags:uint32
GetExternalKeyFileName(VolumeKeyProtectorID:string) -> FileName:string
GetExternalKeyFromFile(PathWithFileName:string) -> ExternalKey:uint8[]
GetHardwareEncryptionStatus() -> HardwareEncryptionStatus:uint32
GetHardwareTestStatus() -> TestStatus:uint32, TestError:uint32
GetIdentificationField() -> IdentificationField:string
GetKeyPackage(VolumeKeyProtectorID:string) -> KeyPackage:uint8[]
GetKeyProtectorAdSidInformation(VolumeKeyProtectorID:string) -> SidString:string, Flags:uint32
GetKeyProtectorCertificate(VolumeKeyProtectorID:string) -> PublicKey:uint8[], CertThumbprint:string, CertType:uint32
GetKeyProtectorExternalKey(VolumeKeyProtectorID:string) -> ExternalKey:uint8[]
GetKeyProtectorFriendlyName(VolumeKeyProtectorID:string) -> FriendlyName:string
GetKeyProtectorNumericalPassword(VolumeKeyProtectorID:string) -> NumericalPassword:string
GetKeyProtectorPlatformValidationProfile(VolumeKeyProtectorID:string) -> PlatformValidationProfile:uint8[]
GetKeyProtectors(KeyProtectorType?:uint32) -> VolumeKeyProtectorID:string[]
GetKeyProtectorType(VolumeKeyProtectorID:string) -> KeyProtectorType:uint32
GetLockStatus() -> LockStatus:uint32
GetNumericalPasswordBackupAccounts(VolumeKeyProtectorID:string, BackupInfoType:uint32) -> BackupAccounts:string
GetNumericalPasswordBackupType(VolumeKeyProtectorID:string) -> BackupInfoType:uint32
GetProtectionStatus() -> ProtectionStatus:uint32
GetSecureBootBindingState() -> BindingState:uint32
GetSuspendCount() -> SuspendCount:uint32
GetTpmProtectorVersion(VolumeKeyProtectorID:string) -> TpmProtectorVersion:uint32
GetVersion() -> Version:uint32
IsAutoUnlockEnabled() -> IsAutoUnlockEnabled:boolean, VolumeKeyProtectorID:string
IsAutoUnlockKeyStored() -> IsAutoUnlockKeyStored:boolean
IsKeyProtectorAvailable(KeyProtectorType?:uint32) -> IsKeyProtectorAvailable:boolean
IsNumericalPasswordValid(NumericalPassword:string) -> IsNumericalPasswordValid:boolean
Lock(ForceDismount?:boolean)
PauseConversion()
PrepareVolume(DiscoveryVolumeType:string, ForceEncryptionType:uint32)
PrepareVolumeEx(DiscoveryVolumeType:string, InitializationFlags:uint32)
ProtectKeyWithAdSid(FriendlyName?:string, SidString:string, Flags:uint32) -> VolumeKeyProtectorID:string
ProtectKeyWithCertificateFile(FriendlyName?:string, PathWithFileName:string) -> VolumeKeyProtectorID:string
ProtectKeyWithCertificateThumbprint(FriendlyName?:string, CertThumbprint:string) -> VolumeKeyProtectorID:string
ProtectKeyWithExternalKey(FriendlyName?:string, ExternalKey?:uint8[]) -> VolumeKeyProtectorID:string
ProtectKeyWithNetworkCertificate(FriendlyName?:string, CertThumbprint:string) -> VolumeKeyProtectorID:string
ProtectKeyWithNumericalPassword(FriendlyName?:string, NumericalPassword?:string) -> VolumeKeyProtectorID:string
ProtectKeyWithPassPhrase(FriendlyName?:string, PassPhrase:string) -> VolumeKeyProtectorID:string
ProtectKeyWithTPM(FriendlyName?:string, PlatformValidationProfile?:uint8[]) -> VolumeKeyProtectorID:string
ProtectKeyWithTPMAndPIN(FriendlyName?:string, PlatformValidationProfile?:uint8[], PIN:string) -> VolumeKeyProtectorID:string
ProtectKeyWithTPMAndPINAndStartupKey(FriendlyName?:string, PlatformValidationProfile?:uint8[], PIN:string, \
ExternalKey?:uint8[]) -> VolumeKeyProtectorID:string
ProtectKeyWithTPMAndStartupKey(FriendlyName?:string, PlatformValidationProfile?:uint8[], \
ExternalKey?:uint8[]) -> VolumeKeyProtectorID:string
ResumeConversion()
SaveExternalKeyToFile(VolumeKeyProtectorID:string, Path:string)
SetIdentificationField(IdentificationField?:string)
TpmProtectorContainsSecureBootBinding(VolumeTpmKeyProtectorID:string) -> ContainsSecureBootBinding:boolean
UnlockWithAdSid(SidString?:string)
UnlockWithCertificateFile(PathWithFileName:string, Pin:string)
UnlockWithCertificateThumbprint(CertThumbprint:string, Pin:string)
UnlockWithExternalKey(ExternalKey:uint8[])
UnlockWithNetworkServerKey(ServerIPAddresses:string[], LocalIPAddress:string)
UnlockWithNumericalPassword(NumericalPassword:string)
UnlockWithPassPhrase(PassPhrase:string)
UpgradeVolume()
""")


def device_id(volume: LabVolume) -> str:
    """Win32_EncryptableVolume.DeviceID, equal to Win32_Volume.DeviceID."""
    return rf"\\?\Volume{{{volume.device_guid}}}" + "\\"


def braced(guid: str) -> str:
    """A GUID as the provider writes protector and volume identifiers."""
    return "{" + guid.upper() + "}"
