# SPDX-License-Identifier: GPL-3.0-or-later
"""Small estates drawn by hand: who is in them, and what is wrong with each, can be read here."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import PASSWORDS, REPORT
from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry, LabHost, LabProtector, LabVolume

TPM, RECOVERY_PASSWORD = 1, 3
GOOD_OU = "OU=Good"
#: text that stands where a recovery password belongs
NO_PASSWORD = "see ticket 4711"


class Drawing:
    """An estate in the making."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.estate = Estate(seed=seed, now=datetime.now(UTC))

    def host(self, name: str, *, volumes: int = 1, ou: str = "OU=Clients", computer: bool = True, **fields: Any) -> LabHost:
        """A healthy member of the domain with so many encrypted volumes, each with a TPM and a recovery password, and its object."""
        settings: dict[str, Any] = {
            "inventory_name": name,
            "netbios_name": name.upper(),
            "domain": self.estate.realm,
            "password": f"Lab-Host-{name}",
            "serial": f"SN-{name}",
            "hardware_uuid": values.guid(self._random).upper(),
        }
        host = LabHost(**(settings | fields))
        for letter in "CDEF"[:volumes]:
            host.volumes.append(self.volume(letter))
        self.estate.hosts.append(host)
        if computer:
            self.computer(name.upper(), ou=ou, machine_password=f"Lab-Machine-{name}")
        return host

    def volume(self, letter: str) -> LabVolume:
        """An encrypted, protected volume."""
        password = values.recovery_password(self._random)
        return LabVolume(
            device_guid=values.guid(self._random),
            persistent_id=values.guid(self._random),
            drive_letter=f"{letter}:",
            volume_type=0 if letter == "C" else 1,
            protectors=[
                LabProtector(key_id=values.guid(self._random), type=TPM),
                LabProtector(key_id=values.guid(self._random), type=RECOVERY_PASSWORD, password=password),
            ],
        )

    def computer(self, name: str, **fields: Any) -> LabComputerObject:
        """A computer object that was used yesterday."""
        settings: dict[str, Any] = {"dns_name": f"{name.lower()}.{self.estate.realm}", "last_logon": self.estate.now - timedelta(days=1)}
        computer = LabComputerObject(name=name, **(settings | fields))
        self.estate.computers.append(computer)
        return computer

    def escrow(self, host: LabHost, *, under: str | None = None, volume: int = 0, days: int = 30, **fields: Any) -> LabEntry:
        """The entry of a volume's recovery password, below the host's own object or another one."""
        protector = recovery(host, volume)
        settings: dict[str, Any] = {
            "key_id": protector.key_id,
            "password": protector.password or "",
            "volume_guid": host.volumes[volume].persistent_id,
            "created": self.estate.now - timedelta(days=days),
        }
        entry = LabEntry(computer=under or host.netbios_name, **(settings | fields))
        self.estate.entries.append(entry)
        return entry

    def loose(self, computer: str, **fields: Any) -> LabEntry:
        """An entry of no host."""
        settings: dict[str, Any] = {
            "key_id": values.guid(self._random),
            "password": values.recovery_password(self._random),
            "created": self.estate.now - timedelta(days=400),
        }
        entry = LabEntry(computer=computer, **(settings | fields))
        self.estate.entries.append(entry)
        return entry

    def another_guid(self) -> str:
        """A GUID that nothing has yet."""
        return values.guid(self._random)

    def another_password(self) -> str:
        """A recovery password that nothing has yet."""
        return values.recovery_password(self._random)


def recovery(host: LabHost, volume: int = 0) -> LabProtector:
    """The recovery password of a host's volume."""
    return next(protector for protector in host.volumes[volume].protectors if protector.type == RECOVERY_PASSWORD)


def fleet() -> Estate:
    """Hosts that answer and hosts that do not, and one with each kind of damage in the directory."""
    drawing = Drawing(4711)
    # alone in its OU, so that a report of this OU alone can pass
    drawing.escrow(drawing.host("pc01", ou=GOOD_OU))
    drawing.host("pc02", profile="win10_22h2")
    drawing.escrow(drawing.host("pc03", fault="refused"))
    drawing.host("pc04", fault="wrong_password")
    drawing.host("limited", fault="not_admin")
    drawing.host("srv01", volumes=0, profile="ws2022", domain_role=3, bitlocker_installed=False, ou="OU=Servers")
    drawing.escrow(drawing.host("dmg-guid"), raw_recovery_guid=b"\x01\x02\x03")
    disagrees = drawing.host("dmg-cn")
    drawing.escrow(disagrees, cn_key_id=drawing.another_guid())
    drawing.escrow(drawing.host("dmg-text"), password=NO_PASSWORD)
    twice = drawing.host("dmg-twice")
    drawing.escrow(twice, days=40)
    drawing.escrow(twice, password=drawing.another_password())
    drawing.computer("NOHOST")
    drawing.escrow(drawing.host("dmg-moved"), under="NOHOST")
    drawing.escrow(drawing.host("dmg-hidden"), hidden=True)
    drawing.computer("GONE", delete_after=True)
    drawing.loose("GONE")
    return drawing.estate


def transports() -> Estate:
    """One host for each way to authenticate, every one of them escrowed."""
    drawing = Drawing(4712)
    domain = {"username": f"{REPORT}@{drawing.estate.realm.upper()}", "password": PASSWORDS[REPORT]}
    plain: dict[str, Any] = {"scheme": "http", "port": 5985}
    ways: dict[str, dict[str, Any]] = {
        "basic": {},
        "address": {"certificate": "address_only"},
        "cert": {"transport": "certificate", "username": "keyward@lab.example"},
        "ntlm": {"transport": "ntlm"},
        "ntlm-http": {"transport": "ntlm"} | plain,
        "krb": {"transport": "kerberos"} | domain,
        "krb-http": {"transport": "kerberos"} | domain | plain,
        "credssp": {"transport": "credssp"},
        "credssp2": {"transport": "credssp"},
        "domain1": {"username": "svc-keyward@lab.example"},
        "domain2": {"username": "LAB\\svc-keyward"},
    }
    for name, fields in ways.items():
        drawing.escrow(drawing.host(name, **fields))
    return drawing.estate
