# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume: what a volume makes of every method that changes it (wire reference 1.3, 2.1 to 2.4).

The state is the host's own list of volumes. What Windows refuses is refused here, with its codes; what it would allow although no key
is left anywhere is allowed here too: to be careful is the caller's part.
"""

from __future__ import annotations

import random
import re
import threading
import uuid
from collections.abc import Callable

from ...fve import played, sealing, stretching
from ...model import LabHost, LabProtector, LabVolume
from ..cim import Values
from ..escrow import Escrow
from ..profiles import Profile, WireForm
from . import volume_schema as schema
from .identity import has_tpm
from .volume_schema import E_INVALIDARG, INVALID_PROTECTOR_TYPE, LOCKED_VOLUME, NOT_ACTIVATED, S_OK

Answer = tuple[int, Values]

S_FALSE = 1
E_ACCESSDENIED = 0x80070005
FAILED_AUTHENTICATION = 0x80310027
FOREIGN_VOLUME = 0x80310023
KEY_REQUIRED = 0x8031001D
NOT_ENCRYPTED = 0x80310001
VOLUME_BOUND_ALREADY = 0x8031001F
OS_NOT_PROTECTED = 0x80310020
PROTECTION_DISABLED = 0x80310021
RECOVERY_KEY_REQUIRED = 0x80310022
CANNOT_ENCRYPT_NO_KEY = 0x8031002E
CANNOT_SET_FVEK_ENCRYPTED = 0x8031002D
POLICY_PASSWORD_REQUIRED = 0x8031002C
AUTOUNLOCK_ENABLED = 0x80310029
INVALID_PASSWORD_FORMAT = 0x80310035
PROTECTOR_EXISTS = 0x80310031
NO_PROTECTORS_TO_TEST = 0x8031003B
NOT_DECRYPTED = 0x80310039
INVALID_PIN_LENGTH = 0x80310068
VOLUME_NOT_BOUND = 0x80310017
CANT_LOCK_AUTO_UNLOCK = 0x80310097
POLICY_RECOVERY_PASSWORD_NOT_ALLOWED = 0x8031005C
TBS_SERVICE_NOT_RUNNING = 0x80284008

_TPM, _EXTERNAL, _PASSWORD, _TPM_PIN = 1, 2, 3, 4
_TPM_KINDS = frozenset({1, 4, 5, 6})
_OS = 0
_DECRYPTED, _ENCRYPTED, _ENCRYPTING, _DECRYPTING, _ENCRYPTION_PAUSED, _DECRYPTION_PAUSED = range(6)
_ID = re.compile(r"\{([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}")
_STORE_IN_AD = {0: "OSActiveDirectoryBackup", 1: "FDVActiveDirectoryBackup", 2: "RDVActiveDirectoryBackup"}
_PASSWORD_ALLOWED = {0: "OSRecoveryPassword", 1: "FDVRecoveryPassword", 2: "RDVRecoveryPassword"}
_REQUIRE_AD = {0: "OSRequireActiveDirectoryBackup", 1: "FDVRequireActiveDirectoryBackup", 2: "RDVRequireActiveDirectoryBackup"}
_WITH_PACKAGE = {0: "OSActiveDirectoryInfoToStore", 1: "FDVActiveDirectoryInfoToStore", 2: "RDVActiveDirectoryInfoToStore"}


class VolumeChanges:
    """The changing half of one host's provider.

    ``rng`` makes IDs and passwords, so a seeded host makes the same ones again. ``changed`` is called after every change, with the lock
    held: state may be written down there.
    """

    def __init__(
        self,
        host: LabHost,
        profile: Profile,
        form: WireForm,
        escrow: Escrow,
        rng: random.Random | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._profile = profile
        self._form = form
        self._escrow = escrow
        self._rng = rng or random.Random(f"keyward lab changes {host.inventory_name}")
        self._changed = changed
        self.lock = threading.RLock()

    # --- protectors ----------------------------------------------------------------------------------------------

    def on_protect_key_with_numerical_password(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        given = arguments.get("NumericalPassword")
        if given is not None and not _well_formed(str(given)):
            return INVALID_PASSWORD_FORMAT, {}
        if self._policy(_PASSWORD_ALLOWED[volume.volume_type]) == 0:
            return POLICY_RECOVERY_PASSWORD_NOT_ALLOWED, {}
        password = sealing.password_text(self._rng.randbytes(16)) if given is None else _hyphened(str(given))
        return self._add(volume, LabProtector(key_id=self._guid(), type=_PASSWORD, password=password), arguments)

    def on_protect_key_with_external_key(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        key = arguments.get("ExternalKey")
        if key is not None and (not isinstance(key, bytes) or len(key) != 32):
            return E_INVALIDARG, {}
        return self._add(volume, LabProtector(key_id=self._guid(), type=_EXTERNAL), arguments)

    def on_protect_key_with_tpm(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._add_tpm(volume, _TPM, arguments)

    def on_protect_key_with_tpm_and_pin(self, volume: LabVolume, arguments: Values) -> Answer:
        pin = str(arguments.get("PIN"))
        if not pin.isdigit() or not 4 <= len(pin) <= 20:
            return INVALID_PIN_LENGTH, {}
        return self._add_tpm(volume, _TPM_PIN, arguments)

    def _add_tpm(self, volume: LabVolume, kind: int, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if volume.volume_type != _OS:
            return FOREIGN_VOLUME, {}
        if not has_tpm(self._host, self._profile):
            return TBS_SERVICE_NOT_RUNNING, {}
        if any(item.type == kind for item in volume.protectors):
            return PROTECTOR_EXISTS, {}
        return self._add(volume, LabProtector(key_id=self._guid(), type=kind), arguments)

    def _add(self, volume: LabVolume, protector: LabProtector, arguments: Values) -> Answer:
        protector.friendly_name = str(arguments.get("FriendlyName") or "")
        if not volume.protectors and volume.persistent_id is None:
            volume.persistent_id = self._guid()
        volume.protectors.append(protector)
        self._changed()
        return S_OK, {"VolumeKeyProtectorID": "{" + protector.key_id.upper() + "}"}

    def on_delete_key_protector(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        if volume.auto_unlock_key_id == found.key_id:
            return VOLUME_BOUND_ALREADY, {}
        if len(volume.protectors) == 1 and volume.conversion_status != _DECRYPTED and volume.protection_status == 1:
            return KEY_REQUIRED, {}
        volume.protectors.remove(found)
        self._changed()
        return S_OK, {}

    def on_delete_key_protectors(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if volume.auto_unlock_key_id is not None:
            return VOLUME_BOUND_ALREADY, {}
        if volume.conversion_status != _DECRYPTED and volume.protection_status == 1:
            return KEY_REQUIRED, {}
        volume.protectors.clear()
        self._changed()
        return S_OK, {}

    # --- escrow --------------------------------------------------------------------------------------------------

    def on_backup_recovery_information_to_active_directory(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._password(volume, arguments)
        if isinstance(found, int):
            return found, {}
        if self._policy(_STORE_IN_AD[volume.volume_type]) != 1:
            return S_FALSE, {}
        package = None
        if self._policy(_WITH_PACKAGE[volume.volume_type]) == 1 and not volume.locked:
            package = played.package(self._host, volume, found, played.Reading(frame=self._host.package_frame), stretching.shared())
        return self._backed_up(found, 1, self._escrow.to_directory(self._host, volume, found, package))

    def on_backup_recovery_information_to_cloud_domain(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._password(volume, arguments)
        return (found, {}) if isinstance(found, int) else self._backed_up(found, 4, self._escrow.to_tenant(self._host, volume, found))

    def on_backup_recovery_information_to_microsoft_account(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._password(volume, arguments)
        if isinstance(found, int):
            return found, {}
        return self._backed_up(found, 2, self._escrow.to_microsoft_account(self._host, volume, found))

    def _backed_up(self, protector: LabProtector, bit: int, code: int) -> Answer:
        if code == S_OK:
            protector.backup_types |= bit
            self._changed()
        return code, {}

    def _password(self, volume: LabVolume, arguments: Values) -> LabProtector | int:
        if volume.locked:
            return LOCKED_VOLUME
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found
        return found if found.type == _PASSWORD and found.password else INVALID_PROTECTOR_TYPE

    # --- protection and encryption -------------------------------------------------------------------------------

    def on_disable_key_protectors(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        count = arguments.get("DisableCount")
        if count is not None and (volume.volume_type != _OS or not isinstance(count, int) or not 0 <= count <= 15):
            return E_INVALIDARG, {}
        volume.protection_status = 0
        if volume.volume_type == _OS:
            volume.suspend_count = 1 if count is None else int(str(count))
        self._changed()
        return S_OK, {}

    def on_enable_key_protectors(self, volume: LabVolume, arguments: Values) -> Answer:
        if not volume.protectors:
            return NOT_ACTIVATED, {}
        volume.protection_status, volume.suspend_count = int(volume.conversion_status == _ENCRYPTED), None
        self._changed()
        return S_OK, {}

    def on_encrypt(self, volume: LabVolume, arguments: Values) -> Answer:
        refused = self._may_encrypt(volume, arguments)
        if refused is not None:
            return refused, {}
        if volume.conversion_status in (_DECRYPTED, _ENCRYPTION_PAUSED, _DECRYPTING, _DECRYPTION_PAUSED):
            volume.conversion_status = _ENCRYPTING
            volume.encryption_method = self._method(arguments)
            self._changed()
        return S_OK, {}

    def on_encrypt_after_hardware_test(self, volume: LabVolume, arguments: Values) -> Answer:
        refused = self._may_encrypt(volume, arguments)
        if refused is not None:
            return refused, {}
        if volume.volume_type != _OS:
            return schema.NOT_OS_VOLUME, {}
        if volume.conversion_status != _DECRYPTED:
            return NOT_DECRYPTED, {}
        if not any(item.type in _TPM_KINDS | {_EXTERNAL} for item in volume.protectors):
            return NO_PROTECTORS_TO_TEST, {}
        volume.hardware_test_status = 2
        self._changed()
        return S_OK, {}

    def _may_encrypt(self, volume: LabVolume, arguments: Values) -> int | None:
        if volume.locked:
            return LOCKED_VOLUME
        method = arguments.get("EncryptionMethod") or 0
        if not isinstance(method, int) or method > 7 or method in (1, 2, 5):
            return E_INVALIDARG
        if not volume.protectors and volume.suspend_count is None:
            return CANNOT_ENCRYPT_NO_KEY
        if self._policy(_REQUIRE_AD[volume.volume_type]) == 1 and not any(item.type == _PASSWORD for item in volume.protectors):
            return POLICY_PASSWORD_REQUIRED
        if volume.conversion_status != _DECRYPTED and method not in (0, volume.encryption_method):
            return CANNOT_SET_FVEK_ENCRYPTED
        return None

    def _method(self, arguments: Values) -> int:
        return int(str(arguments.get("EncryptionMethod") or 0)) or (6 if int(self._profile.build) >= 10586 else 3)

    def on_decrypt(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if volume.conversion_status == _DECRYPTED:
            return S_OK, {}
        if volume.volume_type == _OS and any(item.auto_unlock_key_id for item in self._host.volumes):
            return AUTOUNLOCK_ENABLED, {}
        volume.conversion_status, volume.protection_status = _DECRYPTING, 0
        self._changed()
        return S_OK, {}

    def on_pause_conversion(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._turned(volume, {_ENCRYPTING: _ENCRYPTION_PAUSED, _DECRYPTING: _DECRYPTION_PAUSED})

    def on_resume_conversion(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._turned(volume, {_ENCRYPTION_PAUSED: _ENCRYPTING, _DECRYPTION_PAUSED: _DECRYPTING})

    def _turned(self, volume: LabVolume, turns: dict[int, int]) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        volume.conversion_status = turns.get(volume.conversion_status, volume.conversion_status)
        self._changed()
        return S_OK, {}

    def advance(self, volume: LabVolume, percent: int) -> None:
        """Let time pass: a conversion that runs goes on by so many points, and what its end brings happens."""
        with self.lock:
            if volume.conversion_status == _ENCRYPTING:
                volume.encryption_percentage = min(100, volume.encryption_percentage + percent)
                if volume.encryption_percentage == 100:
                    volume.conversion_status = _ENCRYPTED
                    volume.protection_status = int(volume.suspend_count is None and bool(volume.protectors))
            elif volume.conversion_status == _DECRYPTING:
                volume.encryption_percentage = max(0, volume.encryption_percentage - percent)
                if volume.encryption_percentage == 0:
                    volume.conversion_status, volume.encryption_method = _DECRYPTED, 0
                    volume.protectors.clear()
                    volume.persistent_id, volume.auto_unlock_key_id, volume.suspend_count = None, None, None
            self._changed()

    # --- locking -------------------------------------------------------------------------------------------------

    def on_lock(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.conversion_status == _DECRYPTED:
            return NOT_ENCRYPTED, {}
        if volume.protection_status == 0:
            return PROTECTION_DISABLED, {}
        if not any(item.type in (_EXTERNAL, _PASSWORD, 8) for item in volume.protectors):
            return RECOVERY_KEY_REQUIRED, {}
        if volume.volume_type == _OS:
            return E_ACCESSDENIED, {}
        if volume.auto_unlock_key_id is not None:
            return CANT_LOCK_AUTO_UNLOCK, {}
        volume.locked = True
        self._changed()
        return S_OK, {}

    def on_unlock_with_numerical_password(self, volume: LabVolume, arguments: Values) -> Answer:
        given = str(arguments.get("NumericalPassword"))
        if not _well_formed(given):
            return INVALID_PASSWORD_FORMAT, {}
        if not volume.protectors:
            return NOT_ACTIVATED, {}
        passwords = [item for item in volume.protectors if item.type == _PASSWORD]
        if not passwords:
            return schema.PROTECTOR_NOT_FOUND, {}
        if all(item.password != _hyphened(given) for item in passwords):
            return FAILED_AUTHENTICATION, {}
        volume.locked = False
        self._changed()
        return S_OK, {}

    def on_enable_auto_unlock(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if volume.volume_type == _OS:
            return schema.NOT_DATA_VOLUME, {}
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        if found.type != _EXTERNAL:
            return E_INVALIDARG, {}
        system = next((item for item in self._host.volumes if item.volume_type == _OS), None)
        if system is None or system.protection_status != 1:
            return OS_NOT_PROTECTED, {}
        if volume.auto_unlock_key_id is not None:
            return VOLUME_BOUND_ALREADY, {}
        volume.auto_unlock_key_id = found.key_id
        self._changed()
        return S_OK, {}

    def on_disable_auto_unlock(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.volume_type == _OS:
            return schema.NOT_DATA_VOLUME, {}
        if volume.auto_unlock_key_id is None:
            return (VOLUME_NOT_BOUND if volume.protectors else NOT_ACTIVATED), {}
        volume.protectors = [item for item in volume.protectors if item.key_id != volume.auto_unlock_key_id]
        volume.auto_unlock_key_id = None
        self._changed()
        return S_OK, {}

    # --- helpers -------------------------------------------------------------------------------------------------

    def _policy(self, name: str) -> int | str | None:
        return (self._host.fve_policy or {}).get(name)

    def _guid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    @staticmethod
    def _find(volume: LabVolume, arguments: Values) -> LabProtector | int:
        if not volume.protectors:
            return NOT_ACTIVATED
        match = _ID.fullmatch(str(arguments.get("VolumeKeyProtectorID")))
        if match is None:
            return E_INVALIDARG
        return next((item for item in volume.protectors if item.key_id == match[1].lower()), E_INVALIDARG)


def _hyphened(password: str) -> str:
    digits = re.sub("[ -]", "", password)
    return "-".join(digits[start : start + 6] for start in range(0, 48, 6))


def _well_formed(password: str) -> bool:
    """Eight groups of six digits, each a multiple of 11 below 11 times 65536 (wire reference 2.1)."""
    digits = re.sub("[ -]", "", password)
    return re.fullmatch("[0-9]{48}", digits) is not None and all(
        int(digits[start : start + 6]) % 11 == 0 and int(digits[start : start + 6]) < 720896 for start in range(0, 48, 6)
    )
