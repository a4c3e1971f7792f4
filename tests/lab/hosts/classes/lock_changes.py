# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume: data volumes are locked, unlocked, and unlocked by themselves (wire reference 2.1, 2.2)."""

from __future__ import annotations

from ...fve import played
from ...model import LabVolume
from ..cim import Values
from . import volume_schema as schema
from .changing import DECRYPTED, EXTERNAL, OS, PASSPHRASE, PASSWORD, Answer, Changing, hyphened, suspended, well_formed
from .volume_schema import E_INVALIDARG, LOCKED_VOLUME, NOT_ACTIVATED, S_OK


class LockChanges(Changing):
    """The methods that are about locks and automatic unlocking."""

    def on_lock(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.conversion_status == DECRYPTED:
            return schema.NOT_ENCRYPTED, {}
        if suspended(volume):
            return schema.PROTECTION_DISABLED, {}
        if not any(item.type in (EXTERNAL, PASSWORD, PASSPHRASE) for item in volume.protectors):
            return schema.RECOVERY_KEY_REQUIRED, {}
        if volume.volume_type == OS:
            return schema.E_ACCESSDENIED, {}
        if volume.auto_unlock_key_id is not None:
            return schema.CANT_LOCK_AUTO_UNLOCK, {}
        volume.locked = True
        self._changed()
        return S_OK, {}

    def on_unlock_with_numerical_password(self, volume: LabVolume, arguments: Values) -> Answer:
        given = str(arguments.get("NumericalPassword"))
        if not well_formed(given):
            return schema.INVALID_PASSWORD_FORMAT, {}
        if not volume.protectors:
            return NOT_ACTIVATED, {}
        passwords = [item for item in volume.protectors if item.type == PASSWORD]
        if not passwords:
            return schema.PROTECTOR_NOT_FOUND, {}
        if all(item.password != hyphened(given) for item in passwords):
            return schema.FAILED_AUTHENTICATION, {}
        return self._unlocked(volume)

    def on_unlock_with_external_key(self, volume: LabVolume, arguments: Values) -> Answer:
        """ERROR_NOT_FOUND without an external key, ERROR_INVALID_PASSWORD for a wrong one: their numbers are not documented."""
        key = arguments.get("ExternalKey")
        if not isinstance(key, bytes) or len(key) != 32:
            return E_INVALIDARG, {}
        if not volume.protectors:
            return NOT_ACTIVATED, {}
        external = [item for item in volume.protectors if item.type == EXTERNAL]
        if not external:
            return schema.NOT_FOUND, {}
        if all(played.external_key(volume, item) != key for item in external):
            return schema.INVALID_PASSWORD, {}
        return self._unlocked(volume)

    def _unlocked(self, volume: LabVolume) -> Answer:
        if volume.locked:
            volume.locked = False
            self._changed()
        return S_OK, {}

    def on_enable_auto_unlock(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if volume.volume_type == OS:
            return schema.NOT_DATA_VOLUME, {}
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        if found.type != EXTERNAL:
            return E_INVALIDARG, {}
        system = next((item for item in self._host.volumes if item.volume_type == OS), None)
        if system is None or system.protection_status != 1:
            return schema.OS_NOT_PROTECTED, {}
        if volume.auto_unlock_key_id is not None:
            return schema.VOLUME_BOUND_ALREADY, {}
        volume.auto_unlock_key_id = found.key_id
        self._changed()
        return S_OK, {}

    def on_disable_auto_unlock(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.volume_type == OS:
            return schema.NOT_DATA_VOLUME, {}
        if volume.auto_unlock_key_id is None:
            return (schema.VOLUME_NOT_BOUND if volume.protectors else NOT_ACTIVATED), {}
        self._unbind(volume)
        self._changed()
        return S_OK, {}

    def on_clear_all_auto_unlock_keys(self, volume: LabVolume, arguments: Values) -> Answer:
        """What the OS volume keeps of data volumes' keys goes; their external-key protectors stay."""
        if volume.volume_type != OS:
            return schema.NOT_OS_VOLUME, {}
        if not volume.protectors:
            return NOT_ACTIVATED, {}
        for item in self._host.volumes:
            item.auto_unlock_key_id = None
        self._changed()
        return S_OK, {}

    @staticmethod
    def _unbind(volume: LabVolume) -> None:
        volume.protectors = [item for item in volume.protectors if item.key_id != volume.auto_unlock_key_id]
        volume.auto_unlock_key_id = None
