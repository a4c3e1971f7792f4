# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of an estate: names, addresses, hardware, operating systems, computer objects, and entries below them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES, WIRE_FORMS
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry, LabHost, LabProtector, LabVolume

CLIENT_PROFILES = ("win11_25h2", "win11_23h2", "win10_22h2", "win10_1507")
SERVER_PROFILES = ("ws2022", "ws2025", "ws2019", "ws2016", "ws2012r2")
CLIENT_OU, SERVER_OU, CONTROLLER_OU = "OU=Clients", "OU=Servers", "OU=Domain Controllers"
TENANT = "5b1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d10"
BACKUP_RECORDS = "GetNumericalPasswordBackupType"
MAKERS = (
    ("Dell Inc.", "Latitude 7450"),
    ("LENOVO", "21HM000XGE"),
    ("HP", "EliteBook 840 G11"),
    ("Microsoft Corporation", "Virtual Machine"),
)
#: first addresses are left to the directory and to whoever works in the lab by hand
FIRST_ADDRESS = (127 << 24) + (20 << 16) + 1


def keeps_records(host: LabHost) -> bool:
    """Whether this Windows says where it backed a recovery password up."""
    return BACKUP_RECORDS not in PROFILES[host.profile].missing_methods


def gpo_policy(**changes: int | str) -> dict[str, int | str]:
    """The FVE policy of an organisation that does everything right, with changes."""
    policy: dict[str, int | str] = {"EncryptionMethodWithXtsOs": 7, "EncryptionMethodWithXtsFdv": 7}
    for drives in ("OS", "FDV"):
        policy |= {
            f"{drives}Recovery": 1,
            f"{drives}ManageDRA": 1,
            f"{drives}RecoveryPassword": 2,
            f"{drives}RecoveryKey": 2,
            f"{drives}HideRecoveryPage": 1,
            f"{drives}ActiveDirectoryBackup": 1,
            f"{drives}ActiveDirectoryInfoToStore": 1,
            f"{drives}RequireActiveDirectoryBackup": 1,
        }
    return policy | changes


@dataclass(kw_only=True)
class Machine:
    """A host with the computer object that is its own."""

    host: LabHost
    computer: LabComputerObject | None


@dataclass(kw_only=True)
class Site:
    """An estate in the making; every random choice comes from ``rng``."""

    estate: Estate
    rng: random.Random
    #: computer objects under which an entry may be planted without changing anybody's verdict
    foreign: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The moment the estate is made for."""
        return self.estate.now

    def fresh_name(self, prefix: str) -> str:
        """A computer name that nobody has yet, at most 15 characters."""
        number = self._numbers.get(prefix, self.rng.randrange(11, 300)) + self.rng.choice((1, 1, 1, 2, 5))
        self._numbers[prefix] = number
        return f"{prefix}{number:03d}"

    def machine(self, prefix: str, *, profile: str, joined: bool = True, netbios: str | None = None, **changes: Any) -> Machine:
        """Add a host, with its computer object if it is joined, in good health and without volumes."""
        rng = self.rng
        server = PROFILES[profile].server
        name = netbios or self.fresh_name(prefix)
        maker, model = rng.choice(MAKERS)
        address = FIRST_ADDRESS + len(self.estate.hosts)
        settings: dict[str, Any] = {
            "inventory_name": name.lower(),
            "domain": self.estate.realm if joined else None,
            "domain_role": (2 if server else 0) + (1 if joined else 0),
            "wire_form": rng.choice(("modern", *WIRE_FORMS)),
            # three of four store in the directory when they are told to; where there is no policy Windows refuses to
            "fve_policy": rng.choice((None, gpo_policy(), gpo_policy(), gpo_policy(UseAdvancedStartup=1))) if joined else None,
        }
        host = LabHost(
            netbios_name=name,
            profile=profile,
            address=".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0)),
            password=values.account_password(rng),
            serial=f"{rng.randrange(36**7):07X}",
            hardware_uuid=values.guid(rng).upper(),
            manufacturer=maker,
            model=model,
            **(settings | changes),
        )
        self.estate.hosts.append(host)
        self.estate.conditions[host.inventory_name] = []
        computer = self.computer_of(host) if joined else None
        return Machine(host=host, computer=computer)

    def computer_of(self, host: LabHost, **changes: Any) -> LabComputerObject:
        """Add the computer object of a host."""
        profile = PROFILES[host.profile]
        settings: dict[str, Any] = {
            "name": host.netbios_name,
            "dns_name": f"{host.netbios_name}.{self.estate.realm}" if self.rng.random() < 0.3 else host.dns_name,
            "ou": SERVER_OU if profile.server else CLIENT_OU,
            "operating_system": profile.caption.removeprefix("Microsoft "),
            "machine_password": values.account_password(self.rng),
        }
        return self.computer(**(settings | changes))

    def computer(self, **fields: Any) -> LabComputerObject:
        """Add a computer object; unless said otherwise it was used lately."""
        fields.setdefault("last_logon", values.moment_before(self.rng, self.now, days=(1, 60)))
        computer = LabComputerObject(**fields)
        self.estate.computers.append(computer)
        return computer

    def escrow(self, owner: str, protector: LabProtector, *, volume: LabVolume | None = None, **changes: Any) -> LabEntry:
        """Add the entry of a recovery password below a computer object."""
        fields: dict[str, Any] = {
            "key_id": protector.key_id,
            "password": protector.password or values.recovery_password(self.rng),
            "created": values.moment_before(self.rng, self.now, days=(2, 900)),
            "volume_guid": volume.persistent_id if volume is not None else None,
        }
        entry = LabEntry(computer=owner, **(fields | changes))
        self.estate.entries.append(entry)
        return entry

    def old_entry(self, owner: str, **changes: Any) -> LabEntry:
        """Add an entry that belongs to nothing any more."""
        fields: dict[str, Any] = {
            "key_id": values.guid(self.rng),
            "password": values.recovery_password(self.rng),
            "created": values.moment_before(self.rng, self.now, days=(900, 2500)),
            "volume_guid": values.guid(self.rng),
        }
        entry = LabEntry(computer=owner, **(fields | changes))
        self.estate.entries.append(entry)
        return entry

    def note(self, host: LabHost, condition: str) -> None:
        """Write down that a host carries a condition."""
        self.estate.conditions[host.inventory_name].append(condition)

    def elsewhere(self, owner: str | None) -> str:
        """A computer object that is not ``owner`` and may hold somebody else's entry."""
        return self.rng.choice([name for name in self.foreign if name != owner])
