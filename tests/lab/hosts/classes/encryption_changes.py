# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume: protection goes off and on, volumes are encrypted and decrypted, and time passes (wire reference 2.3)."""

from __future__ import annotations

from ...model import LabVolume
from ..cim import Values
from . import volume_schema as schema
from .changing import (
    DECRYPTED,
    DECRYPTING,
    DECRYPTION_PAUSED,
    ENCRYPTED,
    ENCRYPTING,
    ENCRYPTION_PAUSED,
    EXTERNAL,
    OS,
    PASSWORD,
    TPM_KINDS,
    Answer,
    Changing,
    suspended,
)
from .volume_schema import E_INVALIDARG, LOCKED_VOLUME, NOT_ACTIVATED, S_OK

_PENDING = 2
#: first build with the XTS methods, and with a policy value for each kind of drive
_BUILD_1511 = 10586
_POLICY_METHODS = {0: "EncryptionMethodWithXtsOs", 1: "EncryptionMethodWithXtsFdv", 2: "EncryptionMethodWithXtsRdv"}
_DISCOVERY_TYPES = ("<none>", "<default>", "FAT32")


class EncryptionChanges(Changing):
    """The methods that are about protection and conversion."""

    #: points that a running conversion gains whenever somebody asks for its state: 0, it waits for :meth:`advance`
    progress = 0

    def on_disable_key_protectors(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        count = arguments.get("DisableCount")
        if count is not None and (volume.volume_type != OS or not isinstance(count, int) or not 0 <= count <= 15):
            return E_INVALIDARG, {}
        volume.protection_status, volume.clear_key = 0, True
        if volume.volume_type == OS:
            volume.suspend_count = 1 if count is None else int(str(count))
        self._changed()
        return S_OK, {}

    def on_enable_key_protectors(self, volume: LabVolume, arguments: Values) -> Answer:
        if not volume.protectors:
            return NOT_ACTIVATED, {}
        self._resume(volume)
        self._changed()
        return S_OK, {}

    @staticmethod
    def _resume(volume: LabVolume) -> None:
        volume.protection_status = int(volume.conversion_status == ENCRYPTED)
        volume.suspend_count, volume.clear_key = None, False

    def on_prepare_volume(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._prepare(volume, arguments)

    def on_prepare_volume_ex(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._prepare(volume, arguments)

    def _prepare(self, volume: LabVolume, arguments: Values) -> Answer:
        """Makes a BitLocker volume of a plain one, still without protectors; one that is prepared stays as it is."""
        if volume.locked:
            return LOCKED_VOLUME, {}
        if arguments.get("DiscoveryVolumeType") not in _DISCOVERY_TYPES:
            return E_INVALIDARG, {}
        if volume.persistent_id is None:
            volume.persistent_id = self._guid()
            self._changed()
        return S_OK, {}

    def on_set_identification_field(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        return (S_OK if volume.protectors else NOT_ACTIVATED), {}

    # --- conversion ----------------------------------------------------------------------------------------------

    def on_encrypt(self, volume: LabVolume, arguments: Values) -> Answer:
        refused = self._may_encrypt(volume, arguments)
        if refused is not None:
            return refused, {}
        if volume.conversion_status in (DECRYPTED, ENCRYPTION_PAUSED, DECRYPTING, DECRYPTION_PAUSED):
            self._begin(volume, arguments)
            self._changed()
        return S_OK, {}

    def _begin(self, volume: LabVolume, arguments: Values) -> None:
        if volume.conversion_status == DECRYPTED:
            volume.encryption_method = self._method(volume, arguments)
            volume.encryption_flags = int(str(arguments.get("EncryptionFlags") or 0)) & 3
        volume.conversion_status = ENCRYPTING

    def on_encrypt_after_hardware_test(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.volume_type != OS:
            return schema.NOT_OS_VOLUME, {}
        refused = self._may_encrypt(volume, arguments)
        if refused is not None:
            return refused, {}
        if volume.conversion_status != DECRYPTED:
            return schema.NOT_DECRYPTED, {}
        if not any(item.type in TPM_KINDS | {EXTERNAL} for item in volume.protectors):
            return schema.NO_PROTECTORS_TO_TEST, {}
        volume.hardware_test_status = _PENDING
        volume.encryption_flags = int(str(arguments.get("EncryptionFlags") or 0)) & 3
        self._tested_methods[volume.device_guid] = self._method(volume, arguments)
        self._changed()
        return S_OK, {}

    @property
    def _tested_methods(self) -> dict[str, int]:
        """Methods that wait for a hardware test, by volume."""
        found: dict[str, int] = self.__dict__.setdefault("_waiting_methods", {})
        return found

    def _may_encrypt(self, volume: LabVolume, arguments: Values) -> int | None:
        if volume.locked:
            return LOCKED_VOLUME
        method, wanted = arguments.get("EncryptionMethod") or 0, self._policy_method(volume)
        if not isinstance(method, int) or method not in self._known_methods() or (wanted and method not in (0, wanted)):
            return E_INVALIDARG
        if not volume.protectors and not (volume.clear_key or volume.suspend_count is not None):
            return schema.CANNOT_ENCRYPT_NO_KEY
        required = self._recovery_policy(volume, "RequireActiveDirectoryBackup") == 1
        if required and not any(item.type == PASSWORD for item in volume.protectors):
            return schema.POLICY_PASSWORD_REQUIRED
        if volume.conversion_status != DECRYPTED and method not in (0, volume.encryption_method):
            return schema.CANNOT_SET_FVEK_ENCRYPTED
        return None

    def _known_methods(self) -> tuple[int, ...]:
        return (0, 3, 4, 6, 7) if int(self._profile.build) >= _BUILD_1511 else (0, 3, 4)

    def _policy_method(self, volume: LabVolume) -> int:
        value = (self._host.fve_policy or {}).get(_POLICY_METHODS[volume.volume_type], 0)
        return value if isinstance(value, int) and int(self._profile.build) >= _BUILD_1511 else 0

    def _method(self, volume: LabVolume, arguments: Values) -> int:
        default = 6 if int(self._profile.build) >= _BUILD_1511 else 3
        return int(str(arguments.get("EncryptionMethod") or 0)) or self._policy_method(volume) or default

    def on_decrypt(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if volume.conversion_status == DECRYPTED:
            return S_OK, {}
        if volume.volume_type == OS and any(item.auto_unlock_key_id for item in self._host.volumes):
            return schema.AUTOUNLOCK_ENABLED, {}
        volume.conversion_status, volume.protection_status = DECRYPTING, 0
        self._changed()
        return S_OK, {}

    def on_pause_conversion(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._turned(volume, {ENCRYPTING: ENCRYPTION_PAUSED, DECRYPTING: DECRYPTION_PAUSED})

    def on_resume_conversion(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._turned(volume, {ENCRYPTION_PAUSED: ENCRYPTING, DECRYPTION_PAUSED: DECRYPTING})

    def _turned(self, volume: LabVolume, turns: dict[int, int]) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if volume.conversion_status in turns:
            volume.conversion_status = turns[volume.conversion_status]
            self._changed()
        return S_OK, {}

    # --- time ----------------------------------------------------------------------------------------------------

    def asked(self, volume: LabVolume) -> None:
        """Somebody has read a volume's conversion: it goes on by :attr:`progress`."""
        if self.progress and volume.conversion_status in (ENCRYPTING, DECRYPTING):
            self.advance(volume, self.progress)

    def advance(self, volume: LabVolume, percent: int) -> None:
        """Let time pass: a conversion that runs goes on by so many points, and what its end brings happens."""
        with self.lock:
            if volume.conversion_status == ENCRYPTING:
                volume.encryption_percentage = min(100, volume.encryption_percentage + percent)
                if volume.encryption_percentage == 100:
                    clear = suspended(volume) or not volume.protectors
                    volume.conversion_status, volume.protection_status = ENCRYPTED, int(not clear)
            elif volume.conversion_status == DECRYPTING:
                volume.encryption_percentage = max(0, volume.encryption_percentage - percent)
                if volume.encryption_percentage == 0:
                    volume.conversion_status, volume.encryption_method, volume.encryption_flags = DECRYPTED, 0, None
                    volume.protectors.clear()
                    volume.persistent_id, volume.auto_unlock_key_id = None, None
                    volume.suspend_count, volume.clear_key = None, False
            self._changed()

    def restart(self) -> None:
        """Restart the computer: suspensions count down, a pending hardware test passes and encryption begins, data volumes lock."""
        with self.lock:
            for volume in self._host.volumes:
                if volume.hardware_test_status == _PENDING:
                    volume.hardware_test_status = 0
                    volume.encryption_method = self._tested_methods.pop(volume.device_guid, 0) or self._method(volume, {})
                    volume.conversion_status = ENCRYPTING
                if volume.suspend_count:
                    volume.suspend_count -= 1
                    if not volume.suspend_count and volume.protectors:
                        self._resume(volume)
                if volume.volume_type != OS and volume.protection_status == 1:
                    volume.locked = volume.auto_unlock_key_id is None
            self._changed()
