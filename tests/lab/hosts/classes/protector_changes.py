# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume: protectors are added, changed and deleted (wire reference 1.3, 2.1, 2.2)."""

from __future__ import annotations

import re

from ...fve import played, sealing
from ...model import LabProtector, LabVolume
from ..cim import Values
from . import volume_schema as schema
from .changing import (
    DECRYPTED,
    EXTERNAL,
    FILE_KINDS,
    OS,
    PASSPHRASE,
    PASSWORD,
    SINGLE_KINDS,
    TPM,
    TPM_PIN,
    TPM_PIN_STARTUP_KEY,
    TPM_STARTUP_KEY,
    Answer,
    Changing,
    hyphened,
    protected,
    well_formed,
)
from .identity import has_tpm
from .volume_schema import E_INVALIDARG, LOCKED_VOLUME, S_OK

_PASSPHRASE_LENGTHS = range(8, 257)
_FOLDER = re.compile(r"[A-Za-z]:\\.*")


class ProtectorChanges(Changing):
    """The methods that are about protectors."""

    def on_protect_key_with_numerical_password(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        given = arguments.get("NumericalPassword")
        if given is not None and not well_formed(str(given)):
            return schema.INVALID_PASSWORD_FORMAT, {}
        if self._recovery_policy(volume, "RecoveryPassword") == 0:
            return schema.POLICY_RECOVERY_PASSWORD_NOT_ALLOWED, {}
        password = sealing.password_text(self._rng.randbytes(16)) if given is None else hyphened(str(given))
        return self._add(volume, LabProtector(key_id=self._guid(), type=PASSWORD, password=password), arguments)

    def on_protect_key_with_external_key(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._add_external(volume, EXTERNAL, arguments)

    def on_protect_key_with_pass_phrase(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.volume_type == OS:
            return schema.OS_VOLUME_PASSPHRASE_NOT_ALLOWED, {}
        if len(str(arguments.get("PassPhrase"))) not in _PASSPHRASE_LENGTHS:
            return schema.POLICY_INVALID_PASSPHRASE_LENGTH, {}
        return self._add_single(volume, PASSPHRASE, arguments)

    def on_protect_key_with_tpm(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._add_tpm(volume, TPM, arguments)

    def on_protect_key_with_tpm_and_pin(self, volume: LabVolume, arguments: Values) -> Answer:
        return _pin_refused(arguments, "PIN") or self._add_tpm(volume, TPM_PIN, arguments)

    def on_protect_key_with_tpm_and_startup_key(self, volume: LabVolume, arguments: Values) -> Answer:
        return self._add_tpm(volume, TPM_STARTUP_KEY, arguments)

    def on_protect_key_with_tpm_and_pin_and_startup_key(self, volume: LabVolume, arguments: Values) -> Answer:
        return _pin_refused(arguments, "PIN") or self._add_tpm(volume, TPM_PIN_STARTUP_KEY, arguments)

    def _add_tpm(self, volume: LabVolume, kind: int, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if volume.volume_type != OS:
            return schema.FOREIGN_VOLUME, {}
        if not has_tpm(self._host, self._profile):
            return schema.TBS_SERVICE_NOT_RUNNING, {}
        return self._add_external(volume, kind, arguments) if kind in FILE_KINDS else self._add_single(volume, kind, arguments)

    def _add_external(self, volume: LabVolume, kind: int, arguments: Values) -> Answer:
        key = arguments.get("ExternalKey")
        if volume.locked:
            return LOCKED_VOLUME, {}
        if key is not None and (not isinstance(key, bytes) or len(key) != 32):
            return E_INVALIDARG, {}
        return self._add_single(volume, kind, arguments, key)

    def _add_single(self, volume: LabVolume, kind: int, arguments: Values, key: bytes | None = None) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if kind in SINGLE_KINDS and any(item.type == kind for item in volume.protectors):
            return schema.PROTECTOR_EXISTS, {}
        return self._add(volume, LabProtector(key_id=self._guid(), type=kind, external_key=key), arguments)

    def _add(self, volume: LabVolume, protector: LabProtector, arguments: Values) -> Answer:
        protector.friendly_name = str(arguments.get("FriendlyName") or "")
        if not volume.protectors and volume.persistent_id is None:
            volume.persistent_id = self._guid()
        volume.protectors.append(protector)
        self._changed()
        return S_OK, {"VolumeKeyProtectorID": schema.braced(protector.key_id)}

    # --- changing ------------------------------------------------------------------------------------------------

    def on_change_pin(self, volume: LabVolume, arguments: Values) -> Answer:
        """The protector stays the same one."""
        refused = _pin_refused(arguments, "NewPIN")
        if volume.locked or refused is not None:
            return (LOCKED_VOLUME, {}) if volume.locked else refused or (E_INVALIDARG, {})
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return (schema.PROTECTOR_NOT_FOUND if found == E_INVALIDARG else found), {}
        return (S_OK if found.type in (TPM_PIN, TPM_PIN_STARTUP_KEY) else schema.INVALID_PROTECTOR_TYPE), {}

    def on_change_external_key(self, volume: LabVolume, arguments: Values) -> Answer:
        """Another protector takes the old one's place."""
        if volume.locked:
            return LOCKED_VOLUME, {}
        found, key = self._find(volume, arguments), arguments.get("ExternalKey")
        if isinstance(found, int):
            return (schema.PROTECTOR_NOT_FOUND if found == E_INVALIDARG else found), {}
        if found.type not in FILE_KINDS:
            return schema.INVALID_PROTECTOR_TYPE, {}
        if key is not None and (not isinstance(key, bytes) or len(key) != 32):
            return E_INVALIDARG, {}
        place = volume.protectors.index(found)
        volume.protectors[place] = LabProtector(
            key_id=self._guid(), type=found.type, friendly_name=found.friendly_name, external_key=key if isinstance(key, bytes) else None
        )
        if volume.auto_unlock_key_id == found.key_id:
            volume.auto_unlock_key_id = volume.protectors[place].key_id
        self._changed()
        return S_OK, {"NewVolumeKeyProtectorID": schema.braced(volume.protectors[place].key_id)}

    # --- external keys, which a caller may take away ---------------------------------------------------------------

    def on_get_key_protector_external_key(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        return (S_OK, {"ExternalKey": played.external_key(volume, found)}) if found.type in FILE_KINDS else (E_INVALIDARG, {})

    def on_save_external_key_to_file(self, volume: LabVolume, arguments: Values) -> Answer:
        """The lab has no files: a folder on a drive is believed."""
        if volume.locked:
            return LOCKED_VOLUME, {}
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        if found.type not in FILE_KINDS:
            return E_INVALIDARG, {}
        return (S_OK if _FOLDER.fullmatch(str(arguments.get("Path"))) else schema.PATH_NOT_FOUND), {}

    def on_get_external_key_from_file(self, volume: LabVolume, arguments: Values) -> Answer:
        return schema.FILE_NOT_FOUND, {}

    # --- deleting ------------------------------------------------------------------------------------------------

    def on_delete_key_protector(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found, {}
        if volume.auto_unlock_key_id == found.key_id:
            return schema.VOLUME_BOUND_ALREADY, {}
        if len(volume.protectors) == 1 and protected(volume):
            return schema.KEY_REQUIRED, {}
        volume.protectors.remove(found)
        self._without_protectors(volume)
        self._changed()
        return S_OK, {}

    def on_delete_key_protectors(self, volume: LabVolume, arguments: Values) -> Answer:
        if volume.locked:
            return LOCKED_VOLUME, {}
        if volume.auto_unlock_key_id is not None:
            return schema.VOLUME_BOUND_ALREADY, {}
        if protected(volume) and volume.protectors:
            return schema.KEY_REQUIRED, {}
        volume.protectors.clear()
        self._without_protectors(volume)
        self._changed()
        return S_OK, {}

    @staticmethod
    def _without_protectors(volume: LabVolume) -> None:
        """A volume that was never encrypted becomes plain NTFS again with its last protector (event 778)."""
        if not volume.protectors and volume.conversion_status == DECRYPTED:
            volume.persistent_id = None


def _pin_refused(arguments: Values, name: str) -> Answer | None:
    pin = str(arguments.get(name))
    if not pin.isascii() or not pin.isdigit():
        return schema.INVALID_PIN_CHARS, {}
    return None if 4 <= len(pin) <= 20 else (schema.INVALID_PIN_LENGTH, {})
