# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume: recovery passwords are backed up (wire reference 2.4)."""

from __future__ import annotations

from ...fve import played, stretching
from ...model import LabProtector, LabVolume
from ..cim import Values
from . import volume_schema as schema
from .changing import PASSWORD, Answer, Changing
from .volume_schema import LOCKED_VOLUME, S_OK


class EscrowChanges(Changing):
    """The methods that back up."""

    def on_backup_recovery_information_to_active_directory(self, volume: LabVolume, arguments: Values) -> Answer:
        found = self._password(volume, arguments)
        if isinstance(found, int):
            return found, {}
        if self._recovery_policy(volume, "ActiveDirectoryBackup") != 1:
            return schema.S_FALSE, {}
        package = None
        if self._recovery_policy(volume, "ActiveDirectoryInfoToStore") == 1:
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
        if code == S_OK and not protector.backup_types & bit:
            protector.backup_types |= bit
            self._changed()
        return code, {}

    def _password(self, volume: LabVolume, arguments: Values) -> LabProtector | int:
        if volume.locked:
            return LOCKED_VOLUME
        found = self._find(volume, arguments)
        if isinstance(found, int):
            return found
        return found if found.type == PASSWORD and found.password else schema.INVALID_PROTECTOR_TYPE
