# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated estates with a tenant: reproducible, complete in conditions, playable; and those without one are what they were."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.entra.tenant import Tenant
from ansible_collections.keyward.bitlocker.tests.lab.estate.conditions import BY_NAME, ENTRA_HOST_CONDITIONS
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenant import HOSTS
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.estate.values import is_recovery_password
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate
from ansible_collections.keyward.bitlocker.tests.lab.serialize import from_json, to_json

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SEEDS = (1, 2, 3, 42)
SIZES = (1, 2, 7, 20, 60, 100, 200)
FAULTS = (None, "ad_down", "ad_no_rights", "entra_down", "entra_throttled")
BOTH = ("ad", "entra")


@cache
def made(seed: int, hosts: int) -> Estate:
    """An estate that no test changes."""
    return generate(seed, hosts, now=NOW, entra=True)


@cache
def judged(seed: int, hosts: int, fault: str | None = None, copies: int = 1) -> dict[str, Any]:
    """Its truth."""
    return truth(made(seed, hosts), fault=fault, copies=copies, stores=BOTH)


def test_a_tenant_is_there_only_where_it_was_asked_for() -> None:
    plain = generate(1, 60, now=NOW)
    assert (plain.entra_tenant_id, plain.entra_devices, plain.entra_keys, plain.entra_clients) == (None, [], [], [])
    with pytest.raises(ValueError, match="no estate"):
        generate(1, 60, now=NOW, entra=True, copies=3)


def test_the_same_seed_gives_the_same_estate() -> None:
    again = to_json(generate(3, 60, now=NOW, entra=True))
    assert again == to_json(made(3, 60))
    assert to_json(from_json(again)) == again


@pytest.mark.parametrize("hosts", SIZES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_size_has_its_hosts_and_a_truth_for_every_run(seed: int, hosts: int) -> None:
    assert len(made(seed, hosts).hosts) == hosts
    for copies in (1, 2):
        for fault in FAULTS:
            result = judged(seed, hosts, fault, copies)
            assert len(result["computers"]) >= hosts
            assert len({item["computer"] for item in result["computers"]}) == len(result["computers"])
            assert result["complete"] is (fault is None)
            if fault in ("entra_down", "entra_throttled"):
                # what lies in the directory is still certain, and nothing is missing for sure
                assert all(set(stores) == set(BOTH) for volume in result["volumes"] for stores in volume["protectors"].values())
                assert {"unescrowed", "wrong_key"}.isdisjoint(volume["verdict"] for volume in result["volumes"])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("hosts", [100, 200])
def test_every_condition_shows(seed: int, hosts: int) -> None:
    estate, result = made(seed, hosts), judged(seed, hosts)
    words = {item["computer"]: {item["verdict"], *item["findings"]} for item in result["computers"]}
    for volume in result["volumes"]:
        words[volume["computer"]] |= {volume["verdict"], *volume["flags"], *volume["findings"]}
    names = {host.inventory_name: host.dns_name for host in estate.hosts}
    # the directory's name of a machine goes before its own
    objects = {item.object_guid: item.dns_name.lower() for item in estate.computers if item.dns_name and not item.delete_after}
    names |= {host.inventory_name: objects.get(host.entra_device_id, host.dns_name) for host in estate.hosts if host.entra_device_id}
    occurrences: Counter[str] = Counter()
    for inventory_name, conditions in estate.conditions.items():
        carried = words.get(names[inventory_name]) or words[inventory_name]
        for condition in conditions:
            occurrences[condition] += 1
            assert set(BY_NAME[condition].shows) <= carried, (inventory_name, condition)
    least = 2 if hosts >= 200 else 1
    assert {condition.name for condition in ENTRA_HOST_CONDITIONS if occurrences[condition.name] < least} == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_word_of_the_tenant_occurs(seed: int) -> None:
    result = judged(seed, 200, None, 2)
    places = [*result["volumes"], *result["computers"]]
    codes = Counter(code for place in places for code in place["findings"])
    for code in ("KW-VOL-005", "KW-ESC-001", "KW-ESC-006", "KW-ESC-008", "KW-ESC-009", "KW-ESC-010", "KW-ESC-011", "KW-HST-007"):
        assert codes[code] >= 2, code
    states = {stores["entra"] for volume in result["volumes"] for stores in volume["protectors"].values()}
    assert states == {"present", "deleted", "absent", "unknown"}
    verdicts = Counter(volume["verdict"] for volume in result["volumes"])
    assert verdicts["escrowed"] > verdicts["at_risk"] / 2
    assert any("/" in item["computer"] for item in result["computers"])


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_made_can_be_played(seed: int) -> None:
    estate = made(seed, 200)
    Tenant(estate)
    assert len({key.key_id for key in estate.entra_keys}) == len(estate.entra_keys)
    assert len({device.object_id for device in estate.entra_devices}) == len(estate.entra_devices)
    twice = [device_id for device_id, count in Counter(device.device_id for device in estate.entra_devices).items() if count > 1]
    assert len(twice) >= 3
    assert all({True, False} == {d.account_enabled for d in estate.entra_devices if d.device_id == device_id} for device_id in twice)
    guids = Counter(computer.object_guid for computer in estate.computers if computer.object_guid)
    assert set(guids.values()) == {1}
    for device in estate.entra_devices:
        assert (device.trust_type in ("ServerAd", None)) is (device.device_id in guids)
    assert all(is_recovery_password(key.password) or key.volume_type for key in estate.entra_keys)
    assert {trust.trust_type for trust in estate.entra_devices} == {"AzureAd", "ServerAd", "Workplace", None}
    assert all(key.created <= NOW for key in estate.entra_keys)


def test_every_condition_has_its_builder() -> None:
    assert set(HOSTS) == {condition.name for condition in ENTRA_HOST_CONDITIONS}
