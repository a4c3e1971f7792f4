# SPDX-License-Identifier: GPL-3.0-or-later
"""How long judging a large fleet takes: from what hosts and the directory said, in memory, to the report's JSON text.

Each of 20,000 computers has an operating system volume (TPM, recovery password) and a data volume (recovery password): 60,000 protectors,
40,000 of them to be looked up. Of the recovery passwords 5 % were never escrowed, and 1 % of the entries are damaged, so that findings are
made too. Observations begin as the plain data that ``volume_info`` returned.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.collector import collector_at_rest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.report_run import judge_fleet
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry, Owner, StoreReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.port import StoreNames, StoreValue
from ansible_collections.keyward.bitlocker.tests.lab.estate import values

from .figures import Figure
from .measure import BenchError

PROTECTORS = 3
UNESCROWED, DAMAGED = 0.05, 0.01
BOUND = 8.0
NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
DOMAIN = "corp.example"
TENANT = "5b1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d10"


class MemoryStore:
    """A directory that was read already."""

    def __init__(self, reading: StoreReading) -> None:
        self._reading = reading

    def read(self) -> StoreReading:
        """The reading."""
        return self._reading

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        """Nothing is hidden."""
        return StoreNames()

    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        """None: nothing is proven here."""
        return iter(())

    def close(self) -> None:
        """Nothing to close."""


class Fleet:
    """Hosts, what they said, and what was read of the stores.

    ``entra``: every computer is joined to Entra ID too (a hybrid join, whose device ID is the directory's objectGUID), which holds each key
    with the same chance as the directory.
    """

    def __init__(self, computers: int, *, entra: bool = False) -> None:
        self._rng = random.Random("keyward bench fleet")
        self._entra = entra
        self.hosts: list[InventoryHost] = []
        self.observations: dict[str, dict[str, Any]] = {}
        self._owners: dict[str, list[Owner]] = {"ad": [], "entra": []} if entra else {"ad": []}
        self._entries: dict[str, list[Entry]] = {store: [] for store in self._owners}
        self.protectors = 0
        for number in range(computers):
            self._computer(f"pc{number:05}")
        self.stores = [self._store(store) for store in self._owners]

    def _store(self, store: str) -> MemoryStore:
        owners, entries = tuple(self._owners[store]), tuple(self._entries[store])
        domain = DOMAIN if store == "ad" else None
        return MemoryStore(StoreReading(store=store, state=StoreState.SEARCHED, owners=owners, entries=entries, domain=domain))

    @property
    def requirements(self) -> Requirements:
        """A copy in any store that was read."""
        return Requirements(stores=tuple(self._owners))

    def _computer(self, name: str) -> None:
        dns_name = f"{name}.{DOMAIN}"
        owner = Owner(
            store="ad",
            owner_id=values.guid(self._rng),
            name=name.upper(),
            location=f"CN={name.upper()},OU=Clients,DC=corp,DC=example",
            dns_name=dns_name,
            enabled=True,
            in_scope=True,
            last_seen=NOW - timedelta(days=1),
        )
        self._owners["ad"].append(owner)
        if self._entra:
            self._owners["entra"].append(
                Owner(
                    store="entra",
                    owner_id=owner.owner_id,
                    name=name.upper(),
                    location=f"device {values.guid(self._rng)}",
                    last_seen=NOW - timedelta(days=1),
                    trust_type="ServerAd",
                )
            )
        self.hosts.append(InventoryHost(name=name, address=dns_name))
        volumes = [self._volume("C:", "os", owner, "tpm", "recovery_password"), self._volume("D:", "fixed", owner, "recovery_password")]
        self.observations[name] = {
            "schema_version": 1,
            "host": name,
            "observed_at": "2026-11-22T19:00:00Z",
            "state": "observed",
            "reason": None,
            "message": "",
            "gathered": ["escrow"],
            "channel": {"endpoint": f"https://{dns_name}:5986/wsman", "authenticated_names": [dns_name]},
            "computer": {
                "name": name.upper(),
                "dns_name": dns_name,
                "domain": DOMAIN,
                "workgroup": None,
                "part_of_domain": True,
                "domain_role": "member_workstation",
                "manufacturer": "Lab Computers",
                "model": "Model 1",
                "serial": name,
                "hardware_uuid": values.guid(self._rng),
            },
            "os": {"caption": "Microsoft Windows 11 Enterprise", "version": "10.0.26200", "system_drive": "C:"},
            "join": {"entra": {"device_id": owner.owner_id, "tenant_id": TENANT} if self._entra else None, "cluster": None},
            "bitlocker_installed": True,
            "volumes": volumes,
            "errors": [],
        }

    def _volume(self, letter: str, kind: str, owner: Owner, *protectors: str) -> dict[str, Any]:
        listed = [{"key_id": values.guid(self._rng), "type": protector} for protector in protectors]
        self.protectors += len(listed)
        for protector in listed:
            for store, entries in self._entries.items() if protector["type"] == "recovery_password" else ():
                if self._rng.random() >= UNESCROWED:
                    entries.append((self._entry if store == "ad" else self._key)(protector["key_id"], owner))
        return {
            "device_id": f"\\\\?\\Volume{{{values.guid(self._rng)}}}\\",
            "persistent_id": f"{{{values.guid(self._rng).upper()}}}",
            "letter": letter,
            "mount_point": None,
            "type": kind,
            "conversion": "fully_encrypted",
            "encrypted_percent": 100,
            "method": "xts_aes_256",
            "protection": "on",
            "locked": False,
            "suspend_count": None,
            "hardware_test": None,
            "auto_unlock_key_id": None,
            "protectors": listed,
            "errors": [],
        }

    def _entry(self, key_id: str, owner: Owner) -> Entry:
        return Entry(
            store="ad",
            owner_id=owner.owner_id,
            entry_id=values.guid(self._rng),
            location=f"CN=2026-01-02T03:04:05-00:00{{{key_id.upper()}}},{owner.location}",
            key_ids=(key_id,),
            created=NOW - timedelta(days=300),
            readable=True,
            defects=("msFVE-RecoveryGuid has 3 bytes instead of 16",) if self._rng.random() < DAMAGED else (),
        )

    def _key(self, key_id: str, owner: Owner) -> Entry:
        return Entry(
            store="entra",
            owner_id=owner.owner_id,
            entry_id=key_id,
            location=f"recovery key {key_id}",
            key_ids=(key_id,),
            volume_type="os",
            created=NOW - timedelta(days=300),
        )

    def document(self) -> dict[str, Any]:
        """Join and judge it, from plain data to the report's document."""
        observations = {name: [parse_observation(name, data)] for name, data in self.observations.items()}
        judgement = judge_fleet(self.hosts, observations, self.stores, self.requirements, now=NOW, say=lambda text: None)
        return document.build(judgement, {"hosts": len(self.hosts)})

    def report(self) -> str:
        """Judge it, from plain data to text."""
        # as the base of every action has it
        with collector_at_rest():
            return document.to_json(self.document())


def measure_judging(*, computers: int, times: int) -> list[Figure]:
    """Judge one fleet several times."""
    fleet = Fleet(computers)
    if fleet.protectors != computers * PROTECTORS:
        raise BenchError(f"the fleet has {fleet.protectors} protectors")
    seconds = []
    for _unused in range(times):
        started = time.monotonic()
        text = fleet.report()
        seconds.append(time.monotonic() - started)
        print(f"  {seconds[-1]:.2f} s", flush=True)
    return [
        Figure(
            name="verdict_20k_seconds",
            value=median(seconds),
            unit="s",
            bound=BOUND,
            note=f"{computers} computers, {fleet.protectors} protectors, from plain data in memory to {len(text) >> 20} MiB of JSON; "
            f"median of {times}",
        )
    ]
