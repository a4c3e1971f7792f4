# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground a volume is built on: its machine, its letter, its protectors, and the entry of its recovery password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import Machine, Site
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntry, LabHost, LabProtector, LabVolume

TPM, EXTERNAL_KEY, RECOVERY_PASSWORD, TPM_PIN = 1, 2, 3, 4
#: where a password went that is not in AD: nowhere, a Microsoft account, a file, a printer
ELSEWHERE_RECORDS = (0, 0, 2, 8, 16, 24)
LETTERS = "DEFGHIJKLMNOPQ"


@dataclass(kw_only=True)
class Plot:
    """Where a volume is built: the machine, and whether it is its OS volume."""

    site: Site
    machine: Machine
    os: bool

    @property
    def host(self) -> LabHost:
        """The host."""
        return self.machine.host

    @property
    def owner(self) -> str | None:
        """The host's own computer object."""
        return self.machine.computer.name if self.machine.computer is not None else None

    def protector(self, kind: int, **fields: Any) -> LabProtector:
        """A protector that is no recovery password."""
        return LabProtector(key_id=values.guid(self.site.rng), type=kind, **fields)

    def recovery_password(self, *, records: int | None = None) -> LabProtector:
        """A recovery password that is not in AD; ``records`` says where Windows put it."""
        rng = self.site.rng
        backup = rng.choice(ELSEWHERE_RECORDS) if records is None else records
        return LabProtector(key_id=values.guid(rng), type=RECOVERY_PASSWORD, password=values.recovery_password(rng), backup_types=backup)

    def letter(self) -> str:
        """``C:`` for the OS volume, else the next free letter."""
        taken = {volume.drive_letter for volume in self.host.volumes}
        return "C:" if self.os else next(f"{letter}:" for letter in LETTERS if f"{letter}:" not in taken)

    def volume(self, *protectors: LabProtector, **fields: Any) -> LabVolume:
        """An encrypted, protected volume of this host, added to it."""
        rng = self.site.rng
        modern = PROFILES[self.host.profile].version.startswith("10.0.") and self.host.profile != "win10_1507"
        settings: dict[str, Any] = {
            "device_guid": values.guid(rng),
            "persistent_id": values.guid(rng),
            "drive_letter": self.letter() if "drive_letter" not in fields else None,
            "volume_type": 0 if self.os else 1,
            "encryption_method": rng.choice((7, 7, 6, 4) if modern else (3, 4)),
            "protectors": list(protectors),
        }
        made = LabVolume(**(settings | fields))
        self.host.volumes.append(made)
        return made

    def usual(self, *more: LabProtector) -> list[LabProtector]:
        """The protector this kind of volume starts with, and more; a data volume's external key is its automatic unlock."""
        rng = self.site.rng
        first = self.protector(rng.choice((TPM, TPM, TPM_PIN))) if self.os else self.protector(EXTERNAL_KEY)
        return [first, *more]

    def protected(self, *more: LabProtector, **fields: Any) -> LabVolume:
        """A volume with its usual protector and more."""
        protectors = self.usual(*more)
        if not self.os:
            fields.setdefault("auto_unlock_key_id", protectors[0].key_id)
        return self.volume(*protectors, **fields)

    def escrow(self, protector: LabProtector, volume: LabVolume, **changes: Any) -> LabEntry | None:
        """Escrow a recovery password below the host's own computer object, if there is one."""
        if self.owner is None:
            return None
        protector.backup_types |= 1 if self.site.rng.random() < 0.8 else 0
        return self.site.escrow(self.owner, protector, volume=volume, **changes)

    def escrowed(self, **fields: Any) -> tuple[LabProtector, LabVolume]:
        """A healthy volume whose recovery password is in AD."""
        password = self.recovery_password(records=0)
        volume = self.protected(password, **fields)
        self.escrow(password, volume)
        return password, volume

    def with_entry(self, **changes: Any) -> None:
        """A healthy volume whose only entry has something about it."""
        password = self.recovery_password(records=0)
        self.escrow(password, self.protected(password), **changes)
