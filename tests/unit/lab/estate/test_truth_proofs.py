# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth of a run that proves, against expectations written by hand from DESIGN section 5; and what is planted for such a run."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate
from ansible_collections.keyward.bitlocker.tests.lab.estate.planting import PLANTERS, PROOF_CONDITIONS
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.fve.played import ANSWERS, FILED, FRAMES
from ansible_collections.keyward.bitlocker.tests.lab.model import (
    Estate,
    LabComputerObject,
    LabEntraDevice,
    LabEntraKey,
    LabEntry,
    LabHost,
    LabProtector,
    LabVolume,
)
from ansible_collections.keyward.bitlocker.tests.lab.serialize import from_json, to_json

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
KEY = "11111111-2222-4333-8444-555555555555"
SIBLING = "22222222-2222-4333-8444-555555555555"
DEVICE = "33333333-2222-4333-8444-555555555555"
TENANT = "44444444-2222-4333-8444-555555555555"
RIGHT, WRONG, OTHER = ("-".join([group] * 8) for group in ("000011", "000022", "000033"))


def _estate(entries: list[str], keys: list[str] | None = None, **changes: Any) -> Estate:
    """PC1 with one volume, the values of its entries in AD, and where it is joined those in Entra ID."""
    protector = LabProtector(key_id=KEY, type=3, password=RIGHT, package=changes.pop("package", "sound"))
    fault = changes.pop("fault", None)
    volume = LabVolume(**{"device_guid": KEY, "persistent_id": KEY, "drive_letter": "C:", "protectors": [protector], **changes})
    estate = Estate(
        seed=1,
        now=NOW,
        hosts=[LabHost(inventory_name="pc1", netbios_name="PC1", domain="lab.example", volumes=[volume], fault=fault)],
        computers=[LabComputerObject(name="PC1", dns_name="pc1.lab.example", last_logon=NOW - timedelta(days=1))],
        entries=[
            LabEntry(computer="PC1", key_id=KEY, password=value, created=NOW - timedelta(days=9 + place))
            for place, value in enumerate(entries)
        ],
    )
    if keys is not None:
        estate.hosts[0].entra_device_id, estate.hosts[0].entra_tenant_id, estate.entra_tenant_id = DEVICE, TENANT, TENANT
        estate.entra_devices = [LabEntraDevice(object_id=SIBLING, device_id=DEVICE, display_name="PC1", registered=NOW)]
        estate.entra_keys = [LabEntraKey(key_id=KEY, device_id=DEVICE, created=NOW, password=value) for value in keys]
    return estate


def _volume(estate: Estate, copies: int = 1, **options: Any) -> tuple[Any, list[str], dict[str, str]]:
    """Verdict, findings and states of the only volume."""
    stores = ("ad",) if estate.entra_tenant_id is None else ("ad", "entra")
    (volume,) = truth(estate, copies=copies, proof="live", stores=stores, **options)["volumes"]
    return volume["verdict"], volume["findings"], volume["protectors"][KEY]


@pytest.mark.parametrize(
    ("entries", "changes", "verdict", "findings", "state"),
    [
        ([RIGHT], {}, "recoverable", [], "proven"),
        ([WRONG], {}, "wrong_key", ["KW-ESC-005", "KW-VOL-006"], "refuted"),
        (["see ticket"], {}, "wrong_key", ["KW-ESC-004", "KW-VOL-006"], "malformed"),
        ([RIGHT, RIGHT], {}, "recoverable", ["KW-ESC-002"], "proven"),
        ([WRONG, WRONG], {}, "wrong_key", ["KW-ESC-002", "KW-ESC-005", "KW-VOL-006"], "refuted"),
        ([RIGHT, WRONG], {}, "recoverable", ["KW-ESC-003"], "proven"),
        ([OTHER, WRONG], {}, "wrong_key", ["KW-ESC-003", "KW-VOL-006"], "conflicting"),
        ([WRONG, "see ticket"], {}, "wrong_key", ["KW-ESC-004", "KW-ESC-005", "KW-VOL-006"], "refuted"),
        ([RIGHT], {"package": "fips"}, "escrowed", [], "present"),
        ([WRONG], {"package": "fips"}, "escrowed", [], "present"),
        ([WRONG, OTHER], {"package": "fips"}, "wrong_key", ["KW-ESC-003", "KW-VOL-006"], "conflicting"),
        ([WRONG], {"package": "refused"}, "escrowed", [], "present"),
        ([WRONG], {"package": "unsteady"}, "escrowed", [], "present"),
        ([RIGHT], {"package": "unsteady"}, "recoverable", [], "proven"),
        ([WRONG], {"locked": True, "volume_type": 1}, "escrowed", ["KW-VOL-102"], "present"),
        ([WRONG], {"encryption_method": 5}, "escrowed", ["KW-VOL-104"], "present"),
        ([WRONG], {"fault": "refused"}, None, None, None),
        ([], {}, "unescrowed", ["KW-VOL-004"], "absent"),
    ],
)
def test_one_store(entries: list[str], changes: dict[str, Any], verdict: str | None, findings: list[str] | None, state: str | None) -> None:
    estate = _estate(entries, **changes)
    if verdict is None:
        (computer,) = truth(estate, proof="live")["computers"]
        assert computer["verdict"] == "on_file"
        return
    if not entries:
        # an account that reads no entry at all knows nothing
        estate.computers.append(LabComputerObject(name="PC2", dns_name=None, enabled=False))
        estate.entries.append(LabEntry(computer="PC2", key_id=SIBLING, password=RIGHT, created=NOW))
    assert _volume(estate) == (verdict, findings, {"ad": state})


def test_a_key_that_is_right_in_one_store_alone() -> None:
    assert _volume(_estate([WRONG], [RIGHT])) == ("recoverable", ["KW-ESC-005"], {"ad": "refuted", "entra": "proven"})
    assert _volume(_estate([RIGHT], [WRONG])) == ("recoverable", ["KW-ESC-005"], {"ad": "proven", "entra": "refuted"})
    assert _volume(_estate([RIGHT], [WRONG]), copies=2)[0] == "at_risk"
    assert _volume(_estate([WRONG], ["none"]))[:2] == ("wrong_key", ["KW-ESC-004", "KW-ESC-005", "KW-VOL-006"])


def test_entra_is_not_read_where_nothing_is_there_to_hold_it_against() -> None:
    assert _volume(_estate([], ["none"], package="refused"), fault="ad_down")[2] == {"ad": "unknown", "entra": "present"}
    assert _volume(_estate([], ["none"]), fault="ad_down")[2] == {"ad": "unknown", "entra": "malformed"}


def test_a_store_that_is_down_would_prove() -> None:
    assert _volume(_estate([RIGHT], [RIGHT]), fault="entra_down")[0] == "recoverable"
    assert _volume(_estate([RIGHT], [RIGHT], package="fips"), fault="entra_down")[0] == "unknown"
    assert _volume(_estate([WRONG], [RIGHT]), fault="entra_down")[0] == "unknown"


def test_only_what_is_recoverable_passes() -> None:
    assert truth(_estate([RIGHT]), proof="live")["passed"] is True
    assert truth(_estate([RIGHT], package="fips"), proof="live")["passed"] is False


@cache
def _planted(seed: int, hosts: int) -> Estate:
    return generate(seed, hosts, now=NOW, entra=True, proof="live")


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("hosts", [60, 100, 200])
def test_every_planted_condition_occurs_twice_and_shows(seed: int, hosts: int) -> None:
    estate = _planted(seed, hosts)
    result = truth(estate, proof="live", stores=("ad", "entra"))
    names = {host.inventory_name: host.dns_name for host in estate.hosts}
    words: dict[str, set[str]] = {}
    for volume in result["volumes"]:
        words.setdefault(volume["computer"], set()).update({volume["verdict"], *volume["flags"], *volume["findings"]})
    occurrences: Counter[str] = Counter()
    for inventory_name, conditions in estate.conditions.items():
        for condition in PROOF_CONDITIONS:
            if condition.name in conditions:
                occurrences[condition.name] += conditions.count(condition.name)
                assert set(condition.shows) <= words[names[inventory_name]], (inventory_name, condition.name)
    assert {name for name in PLANTERS if occurrences[name] < 2} == set()
    assert {condition.name for condition in PROOF_CONDITIONS} == set(PLANTERS)


def test_estates_that_are_not_proven_are_as_they_were() -> None:
    plain = generate(1, 60, now=NOW, entra=True)
    assert {host.package_frame for host in plain.hosts} == {"volume"}
    assert {entry.package for entry in plain.entries} == {None}
    planted = _planted(1, 60)
    kept = {host.inventory_name: [volume.device_guid for volume in host.volumes] for host in planted.hosts}
    for host in plain.hosts:
        assert {volume.device_guid for volume in host.volumes} <= set(kept[host.inventory_name])


def test_what_is_planted_is_what_the_lab_can_play() -> None:
    estate = _planted(1, 60)
    assert {host.package_frame for host in estate.hosts} == set(FRAMES)
    assert {protector.package for host in estate.hosts for volume in host.volumes for protector in volume.protectors} == set(ANSWERS)
    assert {entry.package for entry in estate.entries} - {None} == set(FILED)
    assert from_json(to_json(estate)) == estate
