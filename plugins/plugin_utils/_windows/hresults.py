# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What the numbers mean that Windows' providers return as ReturnValue: BitLocker's own facility, and the general codes seen beside it.

Source of values and names: MicrosoftDocs/win32 "COM Error Codes (Security and Setup)" (facility FVE) and the pages of the methods of
Win32_EncryptableVolume; the meanings are in our words.
"""

from __future__ import annotations

from typing import Final

S_OK: Final = 0
S_FALSE: Final = 1
ERROR_FILE_NOT_FOUND: Final = 2
ERROR_ACCESS_DENIED: Final = 5
ERROR_NOT_SUPPORTED: Final = 50
E_NOTIMPL: Final = 0x80004001
HRESULT_FILE_NOT_FOUND: Final = 0x80070002
E_ACCESSDENIED: Final = 0x80070005
E_NOT_SUPPORTED: Final = 0x80070032
E_INVALIDARG: Final = 0x80070057
WBEM_E_NOT_SUPPORTED: Final = 0x8004100C
WBEM_E_INVALID_METHOD: Final = 0x8004102E
WBEM_E_METHOD_NOT_IMPLEMENTED: Final = 0x80041055
WBEM_E_METHOD_DISABLED: Final = 0x80041056
FVE_E_LOCKED_VOLUME: Final = 0x80310000
FVE_E_NOT_ACTIVATED: Final = 0x80310008
FVE_E_VOLUME_NOT_BOUND: Final = 0x80310017
FVE_E_NOT_DATA_VOLUME: Final = 0x80310019
FVE_E_NOT_OS_VOLUME: Final = 0x80310028

_FVE: Final = 0x80310000

_GENERAL: Final[dict[int, tuple[str, str]]] = {
    S_FALSE: ("S_FALSE", "the provider did not do it"),
    ERROR_FILE_NOT_FOUND: ("ERROR_FILE_NOT_FOUND", "the key, value or file does not exist"),
    ERROR_ACCESS_DENIED: ("ERROR_ACCESS_DENIED", "access is denied"),
    ERROR_NOT_SUPPORTED: ("ERROR_NOT_SUPPORTED", "not supported here"),
    E_NOTIMPL: ("E_NOTIMPL", "this Windows does not implement it"),
    E_ACCESSDENIED: ("E_ACCESSDENIED", "access is denied"),
    HRESULT_FILE_NOT_FOUND: ("ERROR_FILE_NOT_FOUND", "the file does not exist"),
    0x80070003: ("ERROR_PATH_NOT_FOUND", "the folder does not exist"),
    0x8007000D: ("ERROR_INVALID_DATA", "the data is invalid"),
    0x80070015: ("ERROR_NOT_READY", "the drive is not ready"),
    E_NOT_SUPPORTED: ("ERROR_NOT_SUPPORTED", "not supported here"),
    E_INVALIDARG: ("E_INVALIDARG", "an argument is not accepted, for a protector: there is none with this ID and a fitting type"),
    0x80070490: ("ERROR_NOT_FOUND", "nothing was found"),
    0x80041001: ("WBEM_E_FAILED", "the WMI provider failed"),
    0x80041003: ("WBEM_E_ACCESS_DENIED", "WMI denies access"),
    0x80041005: ("WBEM_E_TYPE_MISMATCH", "the value is of another type"),
    WBEM_E_NOT_SUPPORTED: ("WBEM_E_NOT_SUPPORTED", "not supported here"),
    WBEM_E_INVALID_METHOD: ("WBEM_E_INVALID_METHOD", "the class has no such method"),
    WBEM_E_METHOD_NOT_IMPLEMENTED: ("WBEM_E_METHOD_NOT_IMPLEMENTED", "the method is not implemented"),
    WBEM_E_METHOD_DISABLED: ("WBEM_E_METHOD_DISABLED", "the method is disabled"),
    0x80284008: ("TBS_E_SERVICE_NOT_RUNNING", "the TPM base service does not run, or there is no TPM"),
}

#: low byte of 0x803100xx: name without FVE_E_, meaning
_BITLOCKER: Final[dict[int, tuple[str, str]]] = {
    0x00: ("LOCKED_VOLUME", "volume is locked"),
    0x01: ("NOT_ENCRYPTED", "volume is not encrypted"),
    0x07: ("SECURE_KEY_REQUIRED", "operation needs at least one secure protector"),
    0x08: ("NOT_ACTIVATED", "BitLocker not turned on for the volume (no protectors)"),
    0x09: ("ACTION_NOT_ALLOWED", "refused now, e.g. concurrent request; retry"),
    0x0A: ("AD_SCHEMA_NOT_INSTALLED", "AD forest lacks the BitLocker/TPM schema classes"),
    0x0B: ("AD_INVALID_DATATYPE", "AD data of unexpected type"),
    0x0C: ("AD_INVALID_DATASIZE", "AD data of unexpected size"),
    0x0D: ("AD_NO_VALUES", "AD attribute is empty"),
    0x0E: ("AD_ATTR_NOT_SET", "AD attribute could not be written (rights)"),
    0x0F: ("AD_GUID_NOT_FOUND", "AD attribute/GUID not found"),
    0x10: ("BAD_INFORMATION", "on-disk metadata invalid"),
    0x15: ("NOT_SUPPORTED", "volume cannot be encrypted"),
    0x16: ("BAD_DATA", "data invalid"),
    0x17: ("VOLUME_NOT_BOUND", "auto-unlock is not set on this data volume"),
    0x18: ("TPM_NOT_OWNED", "TPM must be initialised first"),
    0x19: ("NOT_DATA_VOLUME", "not possible on an OS volume"),
    0x1A: ("AD_INSUFFICIENT_BUFFER", "AD read buffer too small"),
    0x1B: ("CONV_READ", "read error during conversion"),
    0x1C: ("CONV_WRITE", "write error during conversion"),
    0x1D: ("KEY_REQUIRED", "last protector cannot be deleted"),
    0x1E: ("CLUSTERING_NOT_SUPPORTED", "cluster not supported"),
    0x1F: ("VOLUME_BOUND_ALREADY", "auto-unlock already configured / protector in use for it"),
    0x20: ("OS_NOT_PROTECTED", "OS volume is not protected"),
    0x21: ("PROTECTION_DISABLED", "protection is suspended"),
    0x22: ("RECOVERY_KEY_REQUIRED", "no usable recovery protector while suspended"),
    0x23: ("FOREIGN_VOLUME", "TPM cannot protect a data volume"),
    0x24: ("OVERLAPPED_UPDATE", "metadata locked by another update; retry"),
    0x27: ("FAILED_AUTHENTICATION", "key given does not unlock"),
    0x28: ("NOT_OS_VOLUME", "only for the running OS volume"),
    0x29: ("AUTOUNLOCK_ENABLED", "OS volume still stores data-volume auto-unlock keys"),
    0x2C: ("POLICY_PASSWORD_REQUIRED", "policy wants a recovery password before encryption"),
    0x2D: ("CANNOT_SET_FVEK_ENCRYPTED", "method differs from the one already in use"),
    0x2E: ("CANNOT_ENCRYPT_NO_KEY", "no protector / no key to encrypt with"),
    0x30: ("BOOTABLE_CDDVD", "bootable media present"),
    0x31: ("PROTECTOR_EXISTS", "only one protector of this type allowed"),
    0x32: ("RELATIVE_PATH", "path must be absolute"),
    0x33: ("PROTECTOR_NOT_FOUND", "no such protector"),
    0x34: ("INVALID_KEY_FORMAT", "recovery key file corrupt"),
    0x35: ("INVALID_PASSWORD_FORMAT", "recovery password badly formed"),
    0x37: ("FIPS_PREVENTS_RECOVERY_PASSWORD", "FIPS policy forbids recovery passwords"),
    0x38: ("FIPS_PREVENTS_EXTERNAL_KEY_EXPORT", "FIPS policy forbids saving the password to AD"),
    0x39: ("NOT_DECRYPTED", "volume must be fully decrypted first"),
    0x3A: ("INVALID_PROTECTOR_TYPE", "wrong protector type for this call"),
    0x3B: ("NO_PROTECTORS_TO_TEST", "nothing to hardware-test"),
    0x3C: ("KEYFILE_NOT_FOUND", ".BEK not found"),
    0x3D: ("KEYFILE_INVALID", ".BEK invalid"),
    0x3E: ("KEYFILE_NO_VMK", ".BEK does not open the VMK"),
    0x3F: ("TPM_DISABLED", "TPM disabled"),
    0x40: ("NOT_ALLOWED_IN_SAFE_MODE", "safe mode: recovery only"),
    0x41: ("TPM_INVALID_PCR", "measured boot state changed"),
    0x42: ("TPM_NO_VMK", "TPM does not release the key"),
    0x43: ("PIN_INVALID", "TPM+PIN does not release the key"),
    0x46: ("FIPS_DISABLE_PROTECTION_NOT_ALLOWED", "FIPS policy forbids suspend"),
    0x49: ("NO_LICENSE", "edition without BitLocker"),
    0x4A: ("NOT_ON_STACK", "BitLocker system files missing"),
    0x4B: ("FS_MOUNTED", "cannot lock, volume in use"),
    0x4C: ("TOKEN_NOT_IMPERSONATED", "calling thread is not impersonating"),
    0x4E: ("REBOOT_REQUIRED", "restart first"),
    0x4F: ("DEBUGGER_ENABLED", "boot debugging is on"),
    0x54: ("NO_AUTOUNLOCK_MASTER_KEY", "auto-unlock master key missing"),
    0x56: ("HIDDEN_VOLUME", "hidden volume"),
    0x57: ("TRANSIENT_STATE", "keys ignored, volume in transition"),
    0x59: ("VOLUME_HANDLE_OPEN", "another BitLocker operation is running on the volume"),
    0x5A: ("NO_FEATURE_LICENSE", "edition lacks this feature"),
    0x5B: ("INVALID_STARTUP_OPTIONS", "startup policies conflict"),
    0x5C: ("POLICY_RECOVERY_PASSWORD_NOT_ALLOWED", "policy forbids a recovery password"),
    0x5D: ("POLICY_RECOVERY_PASSWORD_REQUIRED", "policy requires a recovery password"),
    0x5E: ("POLICY_RECOVERY_KEY_NOT_ALLOWED", "policy forbids a recovery key"),
    0x5F: ("POLICY_RECOVERY_KEY_REQUIRED", "policy requires a recovery key"),
    0x60: ("POLICY_STARTUP_PIN_NOT_ALLOWED", "PIN forbidden"),
    0x61: ("POLICY_STARTUP_PIN_REQUIRED", "PIN required"),
    0x62: ("POLICY_STARTUP_KEY_NOT_ALLOWED", "startup key forbidden"),
    0x63: ("POLICY_STARTUP_KEY_REQUIRED", "startup key required"),
    0x66: ("POLICY_STARTUP_TPM_NOT_ALLOWED", "TPM-only forbidden"),
    0x67: ("POLICY_STARTUP_TPM_REQUIRED", "TPM-only required"),
    0x68: ("POLICY_INVALID_PIN_LENGTH", "PIN length"),
    0x69: ("KEY_PROTECTOR_NOT_SUPPORTED", "metadata version too old for this protector"),
    0x6A: ("POLICY_PASSPHRASE_NOT_ALLOWED", "password forbidden"),
    0x6B: ("POLICY_PASSPHRASE_REQUIRED", "password required"),
    0x6C: ("FIPS_PREVENTS_PASSPHRASE", "FIPS forbids password"),
    0x6D: ("OS_VOLUME_PASSPHRASE_NOT_ALLOWED", "no password on OS volume"),
    0x6E: ("INVALID_BITLOCKER_OID", "BitLocker OID invalid"),
    0x75: ("POLICY_USER_CONFIGURE_FDV_AUTOUNLOCK_NOT_ALLOWED", "no auto-unlock of fixed drives"),
    0x76: ("POLICY_USER_CONFIGURE_RDV_AUTOUNLOCK_NOT_ALLOWED", "no auto-unlock of removable drives"),
    0x77: ("POLICY_USER_CONFIGURE_RDV_NOT_ALLOWED", "no BitLocker setup on removable drives"),
    0x78: ("POLICY_USER_ENABLE_RDV_NOT_ALLOWED", "cannot turn on for removable"),
    0x79: ("POLICY_USER_DISABLE_RDV_NOT_ALLOWED", "cannot turn off for removable"),
    0x83: ("POLICY_CONFLICT_FDV_RK_OFF_AUK_ON", "fixed: recovery key off but auto-unlock on"),
    0x84: ("POLICY_CONFLICT_RDV_RK_OFF_AUK_ON", "same, removable"),
    0x88: ("CONV_RECOVERY_FAILED", "OS recovery-option policies conflict"),
    0x90: ("POLICY_CONFLICT_OSV_RP_OFF_ADB_ON", "OS policy: password off but AD backup required"),
    0x91: ("POLICY_CONFLICT_FDV_RP_OFF_ADB_ON", "same, fixed"),
    0x92: ("POLICY_CONFLICT_RDV_RP_OFF_ADB_ON", "same, removable"),
    0x96: ("OPERATION_NOT_SUPPORTED_ON_VISTA_VOLUME", "Vista-format volume"),
    0x97: ("CANT_LOCK_AUTOUNLOCK_ENABLED_VOLUME", "auto-unlocked volume cannot be locked"),
    0xAB: ("NO_PASSPHRASE_WITH_TPM", "password and TPM exclude each other"),
    0xAC: ("NO_TPM_WITH_PASSPHRASE", "TPM and password exclude each other"),
    0xAD: ("NOT_ALLOWED_ON_CSV_STACK", "only on the CSV coordinator node"),
    0xAE: ("NOT_ALLOWED_ON_CLUSTER", "volume is in a cluster"),
    0xB8: ("POLICY_REQUIRES_RECOVERY_PASSWORD_ON_TOUCH_DEVICE", "touch device: password required by policy"),
    0xBA: ("SECUREBOOT_DISABLED", "Secure Boot off"),
    0xBD: ("SHADOW_COPY_PRESENT", "shadow copies present"),
    0xC2: ("LIVEID_ACCOUNT_SUSPENDED", "Microsoft account suspended"),
    0xC3: ("LIVEID_ACCOUNT_BLOCKED", "Microsoft account blocked"),
    0xC4: ("NOT_PROVISIONED_ON_ALL_VOLUMES", "device encryption not provisioned everywhere"),
    0xC6: ("DE_HARDWARE_NOT_COMPLIANT", "hardware not eligible"),
    0xC7: ("DE_WINRE_NOT_CONFIGURED", "WinRE not configured"),
    0xC8: ("DE_PROTECTION_SUSPENDED", "device encryption suspended"),
    0xCB: ("DE_PROTECTION_NOT_YET_ENABLED", "device encryption waits for a connected account"),
}

#: the rest of the facility: firmware, certificates, hardware encryption, device lock, changes by standard users
_BITLOCKER_NAMES: Final[dict[int, str]] = {
    0x02: "NO_TPM_BIOS",
    0x03: "NO_MBR_METRIC",
    0x04: "NO_BOOTSECTOR_METRIC",
    0x05: "NO_BOOTMGR_METRIC",
    0x06: "WRONG_BOOTMGR",
    0x11: "TOO_SMALL",
    0x12: "SYSTEM_VOLUME",
    0x13: "FAILED_WRONG_FS",
    0x14: "BAD_PARTITION_SIZE",
    0x25: "TPM_SRK_AUTH_NOT_ZERO",
    0x26: "FAILED_SECTOR_SIZE",
    0x2A: "WRONG_BOOTSECTOR",
    0x2B: "WRONG_SYSTEM_FS",
    0x36: "FIPS_RNG_CHECK_FAILED",
    0x44: "AUTH_INVALID_APPLICATION",
    0x45: "AUTH_INVALID_CONFIG",
    0x47: "FS_NOT_EXTENDED",
    0x48: "FIRMWARE_TYPE_NOT_SUPPORTED",
    0x4D: "DRY_RUN_FAILED",
    0x50: "RAW_ACCESS",
    0x51: "RAW_BLOCKED",
    0x52: "BCD_APPLICATIONS_PATH_INCORRECT",
    0x53: "NOT_ALLOWED_IN_VERSION",
    0x55: "MOR_FAILED",
    0x58: "PUBKEY_NOT_ALLOWED",
    0x64: "POLICY_STARTUP_PIN_KEY_NOT_ALLOWED",
    0x65: "POLICY_STARTUP_PIN_KEY_REQUIRED",
    0x6F: "VOLUME_TOO_SMALL",
    0x70: "DV_NOT_SUPPORTED_ON_FS",
    0x71: "DV_NOT_ALLOWED_BY_GP",
    0x72: "POLICY_USER_CERTIFICATE_NOT_ALLOWED",
    0x73: "POLICY_USER_CERTIFICATE_REQUIRED",
    0x74: "POLICY_USER_CERT_MUST_BE_HW",
    0x80: "POLICY_INVALID_PASSPHRASE_LENGTH",
    0x81: "POLICY_PASSPHRASE_TOO_SIMPLE",
    0x82: "RECOVERY_PARTITION",
    0x85: "NON_BITLOCKER_OID",
    0x86: "POLICY_PROHIBITS_SELFSIGNED",
    0x87: "POLICY_CONFLICT_RO_AND_STARTUP_KEY_REQUIRED",
    0x89: "VIRTUALIZED_SPACE_TOO_BIG",
    0x93: "NON_BITLOCKER_KU",
    0x94: "PRIVATEKEY_AUTH_FAILED",
    0x95: "REMOVAL_OF_DRA_FAILED",
    0x98: "FIPS_HASH_KDF_NOT_ALLOWED",
    0x99: "ENH_PIN_INVALID",
    0x9A: "INVALID_PIN_CHARS",
    0x9B: "INVALID_DATUM_TYPE",
    0x9C: "EFI_ONLY",
    0x9D: "MULTIPLE_NKP_CERTS",
    0x9E: "REMOVAL_OF_NKP_FAILED",
    0x9F: "INVALID_NKP_CERT",
    0xA0: "NO_EXISTING_PIN",
    0xA1: "PROTECTOR_CHANGE_PIN_MISMATCH",
    0xA2: "PROTECTOR_CHANGE_BY_STD_USER_DISALLOWED",
    0xA3: "PROTECTOR_CHANGE_MAX_PIN_CHANGE_ATTEMPTS_REACHED",
    0xA4: "POLICY_PASSPHRASE_REQUIRES_ASCII",
    0xA5: "FULL_ENCRYPTION_NOT_ALLOWED_ON_TP_STORAGE",
    0xA6: "WIPE_NOT_ALLOWED_ON_TP_STORAGE",
    0xA7: "KEY_LENGTH_NOT_SUPPORTED_BY_EDRIVE",
    0xA8: "NO_EXISTING_PASSPHRASE",
    0xA9: "PROTECTOR_CHANGE_PASSPHRASE_MISMATCH",
    0xAA: "PASSPHRASE_TOO_LONG",
    0xAF: "EDRIVE_NO_FAILOVER_TO_SW",
    0xB0: "EDRIVE_BAND_IN_USE",
    0xB1: "EDRIVE_DISALLOWED_BY_GP",
    0xB2: "EDRIVE_INCOMPATIBLE_VOLUME",
    0xB3: "NOT_ALLOWED_TO_UPGRADE_WHILE_CONVERTING",
    0xB4: "EDRIVE_DV_NOT_SUPPORTED",
    0xB5: "NO_PREBOOT_KEYBOARD_DETECTED",
    0xB6: "NO_PREBOOT_KEYBOARD_OR_WINRE_DETECTED",
    0xB7: "POLICY_REQUIRES_STARTUP_PIN_ON_TOUCH_DEVICE",
    0xB9: "WIPE_CANCEL_NOT_APPLICABLE",
    0xBB: "SECUREBOOT_CONFIGURATION_INVALID",
    0xBC: "EDRIVE_DRY_RUN_FAILED",
    0xBE: "POLICY_INVALID_ENHANCED_BCD_SETTINGS",
    0xBF: "EDRIVE_INCOMPATIBLE_FIRMWARE",
    0xC0: "PROTECTOR_CHANGE_MAX_PASSPHRASE_CHANGE_ATTEMPTS_REACHED",
    0xC1: "PASSPHRASE_PROTECTOR_CHANGE_BY_STD_USER_DISALLOWED",
    0xC5: "DE_FIXED_DATA_NOT_SUPPORTED",
    0xC9: "DE_OS_VOLUME_NOT_PROTECTED",
    0xCA: "DE_DEVICE_LOCKEDOUT",
    0xCC: "INVALID_PIN_CHARS_DETAILED",
    0xCD: "DEVICE_LOCKOUT_COUNTER_UNAVAILABLE",
    0xCE: "DEVICELOCKOUT_COUNTER_MISMATCH",
    0xCF: "BUFFER_TOO_LARGE",
}


def unsigned(code: int) -> int:
    """A result code as the unsigned 32-bit number that Windows means (some stacks write HRESULTs as negative decimals)."""
    return code & 0xFFFFFFFF


def code_text(code: int) -> str:
    """A result code as people search for it, in hexadecimal."""
    return f"0x{unsigned(code):08X}"


def name_of(code: int) -> str:
    """The symbolic name of a result code, empty where it is not known."""
    return _lookup(code)[0]


def meaning_of(code: int) -> str:
    """What a result code means, in a clause; empty where only the name, or nothing, is known."""
    return _lookup(code)[1]


def _lookup(code: int) -> tuple[str, str]:
    code = unsigned(code)
    if code in _GENERAL:
        return _GENERAL[code]
    if code & 0xFFFFFF00 == _FVE:
        low = code & 0xFF
        if low in _BITLOCKER:
            name, meaning = _BITLOCKER[low]
            return f"FVE_E_{name}", meaning
        if low in _BITLOCKER_NAMES:
            return f"FVE_E_{_BITLOCKER_NAMES[low]}", ""
    return "", ""
