# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's judge against the lab's truth, without a socket: hosts answer in this process, the stores are read from memory.

Two readings of DESIGN section 5 that share no code; where they differ, one of them is wrong. The whole way, over HTTPS, a real directory
and a simulated tenant, is the demo's.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.report_run import judge_fleet
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry, Observation, Owner, StoreReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.port import StoreNames, StoreValue
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.observe import observe
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.tests.lab.estate import tenant_view
from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate
from ansible_collections.keyward.bitlocker.tests.lab.estate.joins import in_scope
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenant_view import see_tenant
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.estate.view import see_directory
from ansible_collections.keyward.bitlocker.tests.lab.estate.writers import GATHER_SUBSET
from ansible_collections.keyward.bitlocker.tests.lab.hosts.faults import expected_reason
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import Exchange
from ansible_collections.keyward.bitlocker.tests.lab.hosts.wsman import WsmanService
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabHost

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
STATES = {"searched": StoreState.SEARCHED, "no_rights": StoreState.NO_RIGHTS, "down": StoreState.DOWN}


class MemoryDirectory:
    """The store's port over what the lab says the account can see."""

    def __init__(self, estate: Estate, fault: str | None) -> None:
        self.seen = see_directory(estate, fault)
        for computer in estate.computers:  # as a directory does
            computer.object_guid = computer.object_guid or str(uuid.uuid5(uuid.NAMESPACE_DNS, computer.name))
        self.ids = {computer.name: computer.object_guid or "" for computer in estate.computers}

    def _entries(self, *, readable: bool) -> Iterable[Entry]:
        for number, entry in enumerate(self.seen.entries):
            if entry.readable is readable:
                yield Entry(
                    store="ad",
                    owner_id=self.ids[entry.owner],
                    entry_id=str(number),
                    location=str(number),
                    key_ids=entry.key_ids,
                    created=NOW,
                    readable=readable,
                    defects=() if entry.sound else ("broken",),
                )

    def read(self) -> StoreReading:
        owners = tuple(
            Owner(
                store="ad",
                owner_id=self.ids[computer.name],
                name=computer.name,
                location=computer.name,
                dns_name=computer.dns_name.lower() if computer.dns_name else None,
                enabled=computer.enabled,
                in_scope=in_scope(computer, NOW),
                cluster_name_object=computer.cluster_name_object,
            )
            for computer in self.seen.computers
        )
        return StoreReading(
            store="ad", state=STATES[self.seen.state], owners=owners, entries=tuple(self._entries(readable=True)), domain=self.seen.domain
        )

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        wanted = set(owner_ids)
        return StoreNames(entries=tuple(entry for entry in self._entries(readable=False) if entry.owner_id in wanted))

    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        raise AssertionError("nobody proves here")

    def close(self) -> None:
        pass


class MemoryTenant:
    """The same of the lab's tenant: devices that no request finds leave their keys behind, under a deleted owner."""

    def __init__(self, estate: Estate, fault: str | None) -> None:
        self.seen, self.tenant = see_tenant(estate, fault), estate.entra_tenant_id

    def read(self) -> StoreReading:
        owners = [
            Owner(
                store="entra",
                owner_id=device.device_id,
                name=device.display_name,
                location=f"device {device.object_id}",
                enabled=device.account_enabled,
                in_scope=tenant_view.in_scope(device, NOW),
                trust_type=device.trust_type,
            )
            for device in self.seen.devices
        ]
        held = [(entry.owner, entry.key_ids[0]) for entry in self.seen.entries] + [("no device", key_id) for key_id in self.seen.lost]
        entries = [
            Entry(store="entra", owner_id=owner, entry_id=key, location=f"recovery key {key}", key_ids=(key,), deleted=owner == "no device")
            for owner, key in held
        ]
        owners.append(Owner(store="entra", owner_id="no device", name="", location="", in_scope=False, deleted=True))
        return StoreReading(store="entra", state=STATES[self.seen.state], owners=tuple(owners), entries=tuple(entries), tenant=self.tenant)

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        raise AssertionError("nothing is hidden in Entra")

    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        raise AssertionError("nobody proves here")

    def close(self) -> None:
        pass


class LabTransport:
    """Hands every message to the lab's service."""

    def __init__(self, host: LabHost) -> None:
        self.service = WsmanService(host, NOW)
        self.authenticated_names = (host.dns_name,)

    def send(self, envelope: bytes) -> bytes:
        return self.service.handle(envelope, Exchange(connection=1, request=1))[1]

    def close(self) -> None:
        pass


def observation(host: LabHost) -> Observation:
    """What a run registers for a host."""
    reason = expected_reason(host)
    if reason is None:
        session = Session(LabTransport(host), target=host.inventory_name)
        data = observe(session, subsets=frozenset(GATHER_SUBSET), now=lambda: NOW, host=host.inventory_name)
    else:
        head = {"schema_version": 1, "host": host.inventory_name, "observed_at": "2026-11-22T20:00:00Z", "gathered": list(GATHER_SUBSET)}
        data = {**head, "state": "failed", "reason": reason, "message": "as the lab says"}
    return parse_observation(host.inventory_name, json.loads(json.dumps(data)))


class Run:
    """What a run over an estate registers; judged with several stores, requirements and faults."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.observations = {host.inventory_name: [observation(host)] for host in self.estate.hosts}
        for name, earlier in self.estate.stale_observations.items():
            self.observations[name].append(parse_observation(name, earlier))
        self.inventory = [InventoryHost(name=host.inventory_name, address=host.address) for host in self.estate.hosts]

    def differences(self, stores: tuple[str, ...], *, copies: int = 1, fault: str | None = None) -> list[str]:
        """Where the report and the truth differ."""
        read = [MemoryDirectory(self.estate, fault) if store == "ad" else MemoryTenant(self.estate, fault) for store in stores]
        requirements = Requirements(stores=stores, copies=copies)
        judgement = judge_fleet(self.inventory, self.observations, read, requirements, now=NOW, say=lambda text: None)
        report = json.loads(document.to_json(document.build(judgement, {})))
        return compare(report, truth(self.estate, copies=copies, fault=fault, stores=stores))


@pytest.mark.parametrize(("seed", "hosts"), [(11, 1), (12, 7), (13, 20), (14, 60), (15, 60), (16, 64), (17, 200)])
def test_report_equals_truth(seed: int, hosts: int) -> None:
    run = Run(generate(seed, hosts, now=NOW))
    for fault in (None, "ad_down", "ad_no_rights"):
        assert run.differences(("ad",), fault=fault) == []


@pytest.mark.parametrize(("seed", "hosts"), [(21, 1), (22, 8), (23, 20), (24, 60), (25, 60), (26, 64), (27, 130), (28, 200)])
def test_report_over_two_stores_equals_truth(seed: int, hosts: int) -> None:
    run = Run(generate(seed, hosts, now=NOW, entra=True))
    for copies in (1, 2):
        for fault in (None, "ad_down", "ad_no_rights", "entra_down", "entra_throttled"):
            assert run.differences(("ad", "entra"), copies=copies, fault=fault) == [], (copies, fault)
    assert run.differences(("ad",)) == []


def disturb(estate: Estate, rng: random.Random) -> None:
    """Let a few things be as no generator makes them: anybody states any device, objects and devices come, go and change what they are."""
    for _unused in range(rng.randrange(2, 8)):
        host, device, computer = rng.choice(estate.hosts), rng.choice(estate.entra_devices), rng.choice(estate.computers)
        match rng.randrange(9):
            case 0 | 1:
                host.entra_device_id, host.entra_tenant_id = device.device_id, estate.entra_tenant_id
            case 2:
                host.entra_device_id = None
            case 3:
                device.trust_type = rng.choice(["ServerAd", "AzureAd", "Workplace", None])
            case 4:
                device.soft_deleted = not device.soft_deleted
            case 5:
                device.display_name = rng.choice(["", "a/b", host.netbios_name])
            case 6:
                rng.choice(estate.entra_keys).device_id = rng.choice([None, device.device_id])
            case 7:
                computer.enabled = not computer.enabled
            case 8:
                computer.delete_after = True


@pytest.mark.parametrize("seed", range(300, 325))
def test_report_over_a_disturbed_estate_equals_truth(seed: int) -> None:
    estate, rng = generate(seed, 14, now=NOW, entra=True), random.Random(seed)
    disturb(estate, rng)
    run = Run(estate)
    for copies, fault in ((1, None), (2, None), (1, "ad_down"), (1, "entra_down")):
        assert run.differences(("ad", "entra"), copies=copies, fault=fault) == [], (copies, fault)
