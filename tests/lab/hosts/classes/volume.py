# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume: what a volume answers to every read (wire reference 2.1 to 2.3); volume_changes.py has what changes it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace

from ...fve import played, stretching
from ...model import LabHost, LabProtector, LabVolume
from ..cim import Handler, Method, Values, WmiClass
from ..escrow import Escrow, MemoryEscrow
from ..profiles import OLD_VOLUME_PROPERTIES, Profile, WireForm
from . import volume_schema as schema
from .changing import well_formed
from .volume_changes import VolumeChanges
from .volume_schema import E_INVALIDARG, LOCKED_VOLUME, NOT_ACTIVATED, S_OK, braced, device_id

Answer = tuple[int, Values]

_PROTECTOR_ID = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")
#: before a word of a method's name: ProtectKeyWithTPMAndPIN has five
_WORDS = re.compile("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TPM_KINDS = frozenset({1, 4, 5, 6})
#: EncryptionMethod of a drive that encrypts by itself, and the OID that it reports for AES-256-XTS
_HARDWARE = 5
_EDRIVE_OID = "2.16.840.1.101.3.4.1.46"
_BACKUP_ACCOUNTS = {1: "Active Directory Domain Services", 2: "Microsoft account", 4: "Microsoft Entra ID", 8: "File", 16: "Printer"}


class VolumeProvider:
    """The provider of one host; its state is the host's list of volumes."""

    def __init__(
        self, host: LabHost, profile: Profile, form: WireForm, escrow: Escrow | None = None, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._host = host
        self._profile = profile
        self._form = form
        self.changes = VolumeChanges(host, profile, form, escrow or MemoryEscrow(), changed=changed)
        self._packages_read = itertools.count()

    def wmi_class(self) -> WmiClass:
        """The class as this profile has it."""
        properties = {
            name: kind for name, kind in schema.PROPERTIES.items() if self._profile.snapshot_properties or name in OLD_VOLUME_PROPERTIES
        }
        methods = {name: self._bound(method) for name, method in schema.METHODS.items() if name not in self._profile.missing_methods}
        return WmiClass(
            name="Win32_EncryptableVolume", properties=properties, keys=("DeviceID",), instances=self._instances, methods=methods
        )

    def _bound(self, method: Method) -> Method:
        words = _WORDS.sub("_", method.name).lower()
        reading: Callable[[LabVolume, Values], Answer] | None = getattr(self, f"_on_{words}", getattr(self.changes, f"on_{words}", None))
        outputs = method.outputs
        if method.name == "GetEncryptionMethod" and not self._profile.snapshot_properties:
            outputs = outputs[:2]

        def handler(instance: Values | None, arguments: Values) -> Answer:
            volume = self._volume(instance)
            if method.name in volume.failing_methods:
                return volume.failing_methods[method.name], {}
            if reading is None:
                raise NotImplementedError(method.name)
            with self.changes.lock:
                return reading(volume, arguments)

        bound: Handler = handler
        return replace(method, outputs=outputs, handler=bound)

    def _volume(self, instance: Values | None) -> LabVolume:
        wanted = instance["DeviceID"] if instance else None
        return next(volume for volume in self._host.volumes if device_id(volume) == wanted)

    def _instances(self) -> list[Values]:
        return [self._instance(volume) for volume in self._host.volumes]

    def _instance(self, volume: LabVolume) -> Values:
        unreadable = volume.locked and self._form.locked_properties_null
        return {
            "DeviceID": device_id(volume),
            "PersistentVolumeID": braced(volume.persistent_id) if volume.persistent_id else "",
            "DriveLetter": volume.drive_letter,
            "ProtectionStatus": self._protection(volume),
            "ConversionStatus": None if unreadable else volume.conversion_status,
            "EncryptionMethod": None if unreadable else volume.encryption_method,
            "IsVolumeInitializedForProtection": None if unreadable else bool(volume.protectors),
            "VolumeType": volume.volume_type,
        }

    @staticmethod
    def _protection(volume: LabVolume) -> int:
        return 2 if volume.locked else volume.protection_status

    @staticmethod
    def _find(volume: LabVolume, arguments: Values, name: str = "VolumeKeyProtectorID") -> LabProtector | int:
        """The protector that an argument names, or the code to answer with."""
        if not volume.protectors:
            return NOT_ACTIVATED
        wanted = arguments.get(name)
        if not isinstance(wanted, str) or not _PROTECTOR_ID.fullmatch(wanted):
            return E_INVALIDARG
        return next((item for item in volume.protectors if braced(item.key_id) == wanted.upper()), E_INVALIDARG)

    # --- state of the volume -------------------------------------------------------------------------------------

    def _on_get_protection_status(self, volume: LabVolume, arguments: Values) -> Answer:
        return S_OK, {"ProtectionStatus": self._protection(volume)}

    def _on_get_lock_status(self, volume: LabVolume, arguments: Values) -> Answer:
        return S_OK, {"LockStatus": int(volume.locked)}

    def _on_get_version(self, volume: LabVolume, arguments: Values) -> Answer:
        return S_OK, {"Version": 2 if volume.persistent_id else 0}

    def _on_get_encryption_method(self, volume: LabVolume, arguments: Values) -> Answer:
        oid = _EDRIVE_OID if volume.encryption_method == 5 else ""
        return S_OK, {
            "EncryptionMethod": volume.encryption_method,
            "SelfEncryptionDriveEncryptionMethod": oid,
            "EncryptionMethodFlags": 0,
        }

    def _on_get_conversion_status(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        factor = arguments.get("PrecisionFactor") or 0
        if not isinstance(factor, int) or factor > 4:
            return E_INVALIDARG, {}
        self.changes.asked(volume)
        flags = 1 if volume.encryption_flags is None else volume.encryption_flags
        return S_OK, {
            "ConversionStatus": volume.conversion_status,
            "EncryptionPercentage": volume.encryption_percentage * 10**factor,
            "EncryptionFlags": flags if volume.conversion_status else 0,
            "WipingStatus": 0,
            "WipingPercentage": 0,
        }

    def _on_get_hardware_encryption_status(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.conversion_status == 0:
            return S_OK, {"HardwareEncryptionStatus": 1}
        return S_OK, {"HardwareEncryptionStatus": 3 if volume.encryption_method == 5 else 2}

    def _on_get_hardware_test_status(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        error = schema.TPM_INVALID_PCR if volume.hardware_test_status == 1 else 0
        return S_OK, {"TestStatus": volume.hardware_test_status, "TestError": error}

    def _on_get_suspend_count(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.volume_type != 0 or volume.suspend_count is None:
            return self._form.not_supported, {}
        return S_OK, {"SuspendCount": volume.suspend_count}

    def _on_get_identification_field(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        return (S_OK, {"IdentificationField": ""}) if volume.protectors else (NOT_ACTIVATED, {})

    def _on_get_secure_boot_binding_state(self, volume: LabVolume, arguments: Values) -> Answer:
        return S_OK, {"BindingState": 3 if any(item.type in _TPM_KINDS for item in volume.protectors) else 2}

    # --- auto-unlock ---------------------------------------------------------------------------------------------

    def _on_is_auto_unlock_enabled(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.volume_type == 0:
            return schema.NOT_DATA_VOLUME, {}
        if not volume.protectors:
            return NOT_ACTIVATED, {}
        key = volume.auto_unlock_key_id
        return S_OK, {"IsAutoUnlockEnabled": key is not None, "VolumeKeyProtectorID": braced(key) if key else None}

    def _on_is_auto_unlock_key_stored(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.volume_type != 0:
            return schema.NOT_OS_VOLUME, {}
        if not volume.protectors:
            return NOT_ACTIVATED, {}
        return S_OK, {"IsAutoUnlockKeyStored": any(item.auto_unlock_key_id for item in self._host.volumes)}

    # --- protectors ----------------------------------------------------------------------------------------------

    def _on_get_key_protectors(self, volume: LabVolume, arguments: Values) -> Answer:
        kind = arguments.get("KeyProtectorType") or 0
        if not isinstance(kind, int) or kind > 10:
            return E_INVALIDARG, {}
        if not volume.protectors:
            return self._form.no_protectors, {}
        return S_OK, {"VolumeKeyProtectorID": [braced(item.key_id) for item in volume.protectors if kind in (0, item.type)]}

    def _on_get_key_protector_type(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._find(volume, arguments)
        return (found, {}) if isinstance(found, int) else (S_OK, {"KeyProtectorType": found.type})

    def _on_get_key_protector_friendly_name(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._find(volume, arguments)
        return (found, {}) if isinstance(found, int) else (S_OK, {"FriendlyName": found.friendly_name})

    def _on_is_key_protector_available(self, volume: LabVolume, arguments: Values) -> Answer:
        kind = arguments.get("KeyProtectorType") or 0
        if not isinstance(kind, int) or kind > 10:
            return E_INVALIDARG, {}
        return S_OK, {"IsKeyProtectorAvailable": any(kind in (0, item.type) for item in volume.protectors)}

    def _on_get_key_protector_numerical_password(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        return (S_OK, {"NumericalPassword": found.password}) if found.type == 3 and found.password else (E_INVALIDARG, {})

    def _on_get_key_protector_platform_validation_profile(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        return (S_OK, {"PlatformValidationProfile": bytes([7, 11])}) if found.type in _TPM_KINDS else (E_INVALIDARG, {})

    def _on_get_external_key_file_name(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        return (S_OK, {"FileName": f"{found.key_id.upper()}.BEK"}) if found.type in (2, 5, 6) else (E_INVALIDARG, {})

    def _on_get_key_package(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        found = self._find(volume, arguments)
        if found == E_INVALIDARG and _PROTECTOR_ID.fullmatch(str(arguments.get("VolumeKeyProtectorID"))):
            return schema.PROTECTOR_NOT_FOUND, {}
        if isinstance(found, int):
            return found, {}
        if found.type not in (played.EXTERNAL_KEY, played.RECOVERY_PASSWORD):
            return schema.INVALID_PROTECTOR_TYPE, {}
        if found.package == "refused":
            return schema.BAD_INFORMATION, {}
        if volume.encryption_method == _HARDWARE:
            # what a drive that encrypts by itself gives is not documented
            return self._form.not_supported, {}
        reading = played.Reading(number=next(self._packages_read), frame=self._host.package_frame)
        return S_OK, {"KeyPackage": played.package(self._host, volume, found, reading, stretching.shared())}

    def _on_get_numerical_password_backup_type(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        return (S_OK, {"BackupInfoType": found.backup_types}) if found.type == 3 else (schema.INVALID_PROTECTOR_TYPE, {})

    def _on_get_numerical_password_backup_accounts(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        kind = arguments.get("BackupInfoType")
        if found.type != 3:
            return schema.INVALID_PROTECTOR_TYPE, {}
        if not isinstance(kind, int) or not kind & found.backup_types:
            return E_INVALIDARG, {}
        return S_OK, {"BackupAccounts": _BACKUP_ACCOUNTS.get(kind, "")}

    def _on_get_tpm_protector_version(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        return (S_OK, {"TpmProtectorVersion": 2}) if found.type in _TPM_KINDS else (E_INVALIDARG, {})

    def _on_tpm_protector_contains_secure_boot_binding(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._find(volume, arguments, "VolumeTpmKeyProtectorID")
        if isinstance(found, int):
            return found, {}
        return (S_OK, {"ContainsSecureBootBinding": True}) if found.type in _TPM_KINDS else (E_INVALIDARG, {})

    def _on_is_numerical_password_valid(self, volume: LabVolume, arguments: Values) -> Answer:
        return S_OK, {"IsNumericalPasswordValid": well_formed(str(arguments.get("NumericalPassword")))}

    def _on_find_valid_certificates(self, volume: LabVolume, arguments: Values) -> Answer:
        return S_OK, {"CertThumbprint": []}
