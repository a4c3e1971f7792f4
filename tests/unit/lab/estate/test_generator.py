# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated estates: reproducible, complete in conditions, plausible, and playable by the directory and the hosts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.estate.conditions import (
    ALL_CONDITIONS,
    BY_NAME,
    SPARE_HOST_CONDITIONS,
    VOLUME_CONDITIONS,
)
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import DEFAULT_HOSTS, generate
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.estate.values import is_recovery_password
from ansible_collections.keyward.bitlocker.tests.lab.estate.volumes import BUILDERS
from ansible_collections.keyward.bitlocker.tests.lab.hosts.faults import CERTIFICATES, FAULTS
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES, WIRE_FORMS
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate
from ansible_collections.keyward.bitlocker.tests.lab.serialize import to_json

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SEEDS = (1, 2, 3, 42, 20261122)
SIZES = (1, 2, 3, 7, 20, 59, 60, 61, 64, 100, 200)
PROGRAM = """
from datetime import UTC, datetime
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate
from ansible_collections.keyward.bitlocker.tests.lab.serialize import to_json
print(to_json(generate(5, 70, now=datetime(2026, 11, 22, 20, 0, tzinfo=UTC))))
"""


@cache
def made(seed: int, hosts: int = DEFAULT_HOSTS) -> Estate:
    """An estate that no test changes."""
    return generate(seed, hosts, now=NOW)


@cache
def judged(seed: int, hosts: int = DEFAULT_HOSTS, fault: str | None = None) -> dict[str, Any]:
    """Its truth."""
    return truth(made(seed, hosts), fault=fault)


def words_by_computer(result: dict[str, Any]) -> dict[str, set[str]]:
    """Every verdict, flag and code that a computer or one of its volumes carries."""
    words = {item["computer"]: {item["verdict"], *item["findings"]} for item in result["computers"]}
    for volume in result["volumes"]:
        words[volume["computer"]] |= {volume["verdict"], *volume["flags"], *volume["findings"]}
    return words


def test_the_same_seed_gives_the_same_octets_in_any_process() -> None:
    tree = Path(__file__).resolve().parents[4] / ".collections"
    texts = set()
    for hash_seed in ("0", "1"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(tree)}
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True)
        texts.add(done.stdout.strip())
    assert texts == {to_json(generate(5, 70, now=NOW)).strip()}


def test_another_seed_gives_another_estate() -> None:
    first, second = made(1), made(2)
    assert {entry.key_id for entry in first.entries}.isdisjoint(entry.key_id for entry in second.entries)
    assert {host.inventory_name for host in first.hosts} != {host.inventory_name for host in second.hosts}
    assert [volume["verdict"] for volume in judged(1)["volumes"]] != [volume["verdict"] for volume in judged(2)["volumes"]]


@pytest.mark.parametrize("hosts", SIZES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_size_has_its_hosts_and_a_truth_for_every_run(seed: int, hosts: int) -> None:
    estate = made(seed, hosts)
    assert len(estate.hosts) == hosts
    for fault in (None, "ad_down", "ad_no_rights"):
        result = judged(seed, hosts, fault)
        assert len(result["computers"]) >= hosts
        assert len({item["computer"] for item in result["computers"]}) == len(result["computers"])
        places = Counter((item["computer"], item["volume"]) for item in result["volumes"])
        assert set(places.values()) <= {1}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("hosts", [DEFAULT_HOSTS, 200])
def test_every_condition_occurs_twice_and_shows(seed: int, hosts: int) -> None:
    estate, result = made(seed, hosts), judged(seed, hosts)
    names = {host.inventory_name: host.dns_name for host in estate.hosts}
    words = words_by_computer(result)
    occurrences: Counter[str] = Counter()
    for inventory_name, conditions in estate.conditions.items():
        carried = words.get(names[inventory_name]) or words[inventory_name]
        for condition in conditions:
            occurrences[condition] += 1
            # a cluster's and a clone's words depend on which of the two it is
            assert set(BY_NAME[condition].shows) <= carried, (inventory_name, condition)
    spare = {condition.name for condition in SPARE_HOST_CONDITIONS} if hosts <= DEFAULT_HOSTS else set()
    wanted = {condition.name for condition in ALL_CONDITIONS if condition.place != "directory"} - spare
    assert {name for name in wanted if occurrences[name] < 2} == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_word_that_is_reachable_without_proof_and_entra_occurs_twice(seed: int) -> None:
    result = judged(seed)
    places = [*result["volumes"], *result["computers"]]
    verdicts = Counter(place["verdict"] for place in places)
    flags = Counter(flag for volume in result["volumes"] for flag in volume["flags"])
    codes = Counter(code for place in places for code in place["findings"])
    states = Counter(state for volume in result["volumes"] for stores in volume["protectors"].values() for state in stores.values())
    # at_risk needs more copies than there are stores, recoverable a proof
    for verdict in (
        "unescrowed no_recovery_password wrong_key unprotected not_encrypted unavailable unknown on_file escrowed".split()  # noqa: SIM905 - reads as the page does
    ):
        assert verdicts[verdict] >= 2, verdict
    assert not verdicts["at_risk"] + verdicts["recoverable"]
    for flag in ("suspended", "locked", "converting", "weak_method", "activation_pending", "other_recovery", "sibling_not_escrowed"):
        assert flags[flag] >= 2, flag
    volume_codes = {f"KW-VOL-{number:03d}" for number in (1, 2, 3, 4, 6, 7, 8, 9, *range(101, 108))}
    escrow_codes = {f"KW-ESC-{number:03d}" for number in (1, 2, 4, 6, 7, 11, 12)}
    host_codes = {f"KW-HST-{number:03d}" for number in range(1, 11)}
    assert set(codes) == volume_codes | escrow_codes | host_codes
    assert min(codes.values()) >= 2
    assert {state for state, count in states.items() if count >= 2} == {"present", "unreadable", "malformed", "unknown", "absent"}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_fault_of_a_host_and_every_certificate_occurs_twice(seed: int) -> None:
    hosts = made(seed).hosts
    faults = Counter(host.fault for host in hosts)
    certificates = Counter(host.certificate for host in hosts)
    assert {name: faults[name] for name in FAULTS if faults[name] < 2} == {}
    assert {name: certificates[name] for name in CERTIFICATES if certificates[name] < 2} == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_larger_estates_are_mostly_in_good_health(seed: int) -> None:
    result = judged(seed, 200)
    verdicts = Counter(item["verdict"] for item in result["computers"])
    assert verdicts["escrowed"] > sum(verdicts.values()) / 3
    units = Counter(item["verdict"] for item in result["volumes"] if item["verdict"] is not None)
    assert units["escrowed"] > sum(units.values()) / 2


@pytest.mark.parametrize("hosts", [20, DEFAULT_HOSTS, 200])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_made_can_be_played(seed: int, hosts: int) -> None:
    estate = made(seed, hosts)
    assert len({host.address for host in estate.hosts}) == hosts
    assert len({host.inventory_name.lower() for host in estate.hosts}) == hosts
    assert len({computer.name.lower() for computer in estate.computers}) == len(estate.computers)
    assert max(len(computer.name) for computer in estate.computers) <= 15
    owners = {computer.name for computer in estate.computers}
    for host in estate.hosts:
        assert host.profile in PROFILES
        assert host.wire_form in WIRE_FORMS
        assert len(host.volumes) <= 20
        for volume in host.volumes:
            assert len(volume.protectors) <= 8
            assert (volume.volume_type == 0) == (volume.drive_letter == "C:")
            assert all(is_recovery_password(protector.password or "") for protector in volume.protectors if protector.type == 3)
        labels = [volume.drive_letter or volume.mount_point or volume.device_guid for volume in host.volumes]
        assert len(set(labels)) == len(labels)
    for entry in estate.entries:
        assert entry.computer in owners
        assert 0 < len(entry.password) <= 256
        assert entry.raw_recovery_guid is None or 1 <= len(entry.raw_recovery_guid) <= 128
        assert entry.created <= estate.now


@pytest.mark.parametrize("seed", SEEDS)
def test_old_windows_has_only_what_it_had(seed: int) -> None:
    for host in made(seed, 200).hosts:
        if host.profile in ("ws2012r2", "win10_1507"):
            assert all(volume.encryption_method not in (6, 7) for volume in host.volumes)


def test_profiles_and_wire_forms_are_all_in_a_large_estate() -> None:
    hosts = made(1, 200).hosts
    assert {host.profile for host in hosts} == set(PROFILES)
    assert len({host.wire_form for host in hosts}) > len(WIRE_FORMS) * 0.8


def test_small_estates_take_conditions_in_order() -> None:
    named = {condition for conditions in made(1, 7).conditions.values() for condition in conditions}
    assert {"fault_refused", "not_installed", "unescrowed", "stale_entries"} <= named
    assert "fault_empty_500" not in named


def test_stale_observations_are_old_or_ahead() -> None:
    for seed in SEEDS:
        estate = made(seed)
        ages = [NOW - datetime.fromisoformat(item["observed_at"]) for item in estate.stale_observations.values()]
        assert len(ages) == 4
        assert sum(age > timedelta(days=30) for age in ages) == 2
        assert sum(age < timedelta(days=-1) for age in ages) == 2


def test_what_cannot_be_made_is_refused() -> None:
    for arguments in ({"hosts": 0}, {"copies": 2}, {"proof": "image"}):
        with pytest.raises(ValueError, match="no estate"):
            generate(1, **{"now": NOW, **arguments})
    with pytest.raises(ValueError, match="no estate"):
        generate(1, now=datetime(2026, 1, 1))


def test_every_volume_condition_has_its_builder() -> None:
    assert set(BUILDERS) == {condition.name for condition in VOLUME_CONDITIONS}
