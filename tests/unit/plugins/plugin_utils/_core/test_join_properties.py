# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every estate of two stores, whatever hosts state, and whoever plants what where."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    Entry,
    Observation,
    Owner,
    StoreReading,
    StoreState,
    Verdict,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.rows import EstateJudgement
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.two_stores import (
    DOWN,
    HOSTS,
    Fleet,
    asked_of,
    display_names,
    entries,
    fleets,
    guid,
    observed,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[5] / "docs" / "escrow-report.schema.json").read_text(encoding="utf-8"))
)
GREEN = {Verdict.ESCROWED, Verdict.RECOVERABLE}
MISSING = {Verdict.UNESCROWED, Verdict.WRONG_KEY, Verdict.AT_RISK}
AD_ALONE = Requirements(stores=("ad",))

Place = tuple[str, str]


def who(result: EstateJudgement) -> dict[Place, Any]:
    """The rows by who they are: an inventory host, else an AD object, else a device; names aside."""
    rows: dict[Place, Any] = {}
    for row in result.computers:
        joins = {store: join.owner.owner_id for store, join in row.computer.joins.items() if join.owner is not None}
        place = ("host", row.computer.host.name) if row.computer.host else next((s, joins[s]) for s in ("ad", "entra") if s in joins)
        assert place not in rows
        rows[place] = row
    return rows


def verdicts(result: EstateJudgement) -> dict[Place, Any]:
    """What is said of every computer and every volume, names aside."""
    return {
        place: (row.verdict, row.flags, [(volume.volume.device_id, volume.judgement) for volume in row.volumes])
        for place, row in who(result).items()
    }


def whole(result: EstateJudgement) -> dict[str, Any]:
    """All that a report says except the texts of its findings, in which objects are listed as they came."""
    told = document.build(result, {})
    found = Counter((finding["code"], finding["computer"], finding["volume"]) for finding in told["findings"])
    computers = [{**one, "unmatched_entries": sorted(one["unmatched_entries"], key=json.dumps)} for one in told["computers"]]
    text = json.dumps({**told, "stores": None, "findings": None, "computers": computers}, sort_keys=True)
    return {"text": text, "stores": told["stores"], "findings": found}


def green(result: EstateJudgement) -> set[tuple[Place, str]]:
    volumes = [(place, volume) for place, row in who(result).items() for volume in row.volumes]
    return {(place, volume.volume.device_id) for place, volume in volumes if volume.judgement.verdict in GREEN}


def reading_of(fleet: Fleet, store: str) -> StoreReading:
    return next(reading for reading in fleet.readings if reading.store == store)


@settings(max_examples=80, deadline=None)
@given(fleets, asked_of)
def test_every_fleet_is_judged_and_nobody_is_lost(fleet: Fleet, requirements: Requirements) -> None:
    result = fleet.judged(requirements)
    names = [row.name for row in result.computers]
    assert len(set(names)) == len(names)
    assert all(names)
    assert sorted(row.computer.host.name for row in result.computers if row.computer.host) == sorted(fleet.hosts)
    for reading in fleet.readings:
        joins = [row.computer.joins[reading.store] for row in result.computers]
        present = {join.owner_id for join in joins} | {rival for join in joins for rival in join.rivals}
        assert {owner.owner_id for owner in reading.owners if owner.in_scope} <= present
        assert not present & {owner.owner_id for owner in reading.owners if owner.deleted or owner.cluster_name_object}
    told = document.build(result, {})
    assert json.loads(document.to_json(told)) == told
    SCHEMA.validate(told)


@settings(max_examples=80, deadline=None)
@given(fleets, asked_of, st.randoms(use_true_random=False))
def test_the_order_of_hosts_stores_owners_and_entries_is_nothing(fleet: Fleet, requirements: Requirements, rng: random.Random) -> None:
    def mixed(items: Any) -> list[Any]:
        return rng.sample(list(items), len(items))

    readings = [replace(one, owners=tuple(mixed(one.owners)), entries=tuple(mixed(one.entries))) for one in mixed(fleet.readings)]
    other = Fleet(mixed(fleet.said), readings, mixed(fleet.hosts), fleet.addresses)
    # several entries of one protector are listed as they came
    assert without_entries(whole(fleet.judged(requirements))) == without_entries(whole(other.judged(requirements)))


def without_entries(told: dict[str, Any]) -> Any:
    def stripped(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: stripped(item) for key, item in value.items() if key != "entries"}
        return [stripped(item) for item in value] if isinstance(value, list) else value

    return {**told, "text": stripped(json.loads(told["text"]))}


@settings(max_examples=80, deadline=None)
@given(fleets)
def test_no_owner_is_two_live_hosts_own(fleet: Fleet) -> None:
    result = fleet.judged()
    for store in ("ad", "entra"):
        held = Counter(row.computer.joins[store].owner_id for row in result.computers if row.computer.fresh)
        del held[None]
        assert all(count == 1 for count in held.values())


@settings(max_examples=80, deadline=None)
@given(fleets, st.sampled_from(["ad", "entra"]))
def test_one_more_store_takes_nobody_away(fleet: Fleet, store: str) -> None:
    """Who is known to one store alone is in the report over both, as a computer of its own or as what another one is joined to."""
    alone, both = Fleet(fleet.said, [reading_of(fleet, store)], fleet.hosts, fleet.addresses), fleet
    before = who(alone.judged(Requirements(stores=(store,))))
    rows = who(both.judged()).values()
    after = {("host", row.computer.host.name) for row in rows if row.computer.host}
    for row in rows:
        join = row.computer.joins[store]
        after |= {(store, owner_id) for owner_id in (join.owner_id, *join.rivals) if owner_id is not None}
    assert set(before) <= after


@settings(max_examples=80, deadline=None)
@given(fleets)
def test_a_store_that_is_read_but_not_required_changes_nothing_that_was_said(fleet: Fleet) -> None:
    alone = verdicts(Fleet(fleet.said, [reading_of(fleet, "ad")], fleet.hosts, fleet.addresses).judged(AD_ALONE))
    both = verdicts(fleet.judged(AD_ALONE))
    assert alone == {place: told for place, told in both.items() if place in alone}


@settings(max_examples=80, deadline=None)
@given(fleets, asked_of, st.lists(display_names, min_size=6, max_size=6))
def test_a_display_name_is_nothing_to_any_verdict(fleet: Fleet, requirements: Requirements, names: list[str]) -> None:
    def renamed(reading: StoreReading) -> StoreReading:
        return replace(reading, owners=tuple(replace(owner, name=name) for owner, name in zip(reading.owners, names, strict=False)))

    before, after = fleet.judged(requirements), fleet.with_reading("entra", renamed).judged(requirements)
    assert verdicts(before) == verdicts(after)
    assert (before.passed, before.verdicts) == (after.passed, after.verdicts)


@settings(max_examples=80, deadline=None)
@given(fleets, display_names, st.sampled_from(["ServerAd", "AzureAd", "Workplace"]), st.lists(entries("entra"), max_size=4))
def test_a_planted_device_changes_no_verdict_of_another(fleet: Fleet, name: str, trust_type: str, planted: list[Entry]) -> None:
    """Anybody may register a device under any name and file any key ID under it; its own device ID is what nobody else can have."""
    stranger = Owner(store="entra", owner_id=guid(99), name=name, location="device planted", trust_type=trust_type)
    filed = tuple(replace(item, owner_id=stranger.owner_id, deleted=False) for item in planted)

    def planting(reading: StoreReading) -> StoreReading:
        return replace(reading, owners=(*reading.owners, stranger), entries=(*reading.entries, *filed))

    before, after = fleet.judged(), fleet.with_reading("entra", planting).judged()
    told = verdicts(after)
    for place, (verdict, flags, volumes) in verdicts(before).items():
        assert told[place][:2] == (verdict, flags)
        assert [item.verdict for _device, item in told[place][2]] == [item.verdict for _device, item in volumes]
    assert told[("entra", guid(99))][0] in {Verdict.ON_FILE, Verdict.UNKNOWN}


@settings(max_examples=80, deadline=None)
@given(fleets, asked_of, st.sampled_from(HOSTS), observed)
def test_no_host_makes_another_one_pass(fleet: Fleet, requirements: Requirements, liar: str, lie: Observation) -> None:
    """Whatever name and whatever device one more host states, nothing of another's becomes green."""
    others = [item for item in fleet.said if item.host != liar]
    inventory = [name for name in fleet.hosts if name != liar]
    before = replace(fleet, said=others, inventory=inventory)
    after = replace(fleet, said=[*others, replace(lie, host=liar)], inventory=[*inventory, liar])
    now = {(place, device) for place, device in green(after.judged(requirements)) if place != ("host", liar)}
    assert now <= green(before.judged(requirements))


@settings(max_examples=80, deadline=None)
@given(fleets)
def test_what_a_host_states_never_reaches_an_entry_without_a_device(fleet: Fleet) -> None:
    """``no device`` and ``object …`` are this project's own words for owners: a text that a host chose must not meet them."""
    result = fleet.judged()
    for row in result.computers:
        if row.computer.host is not None:
            assert row.computer.joins["entra"].owner_id not in ("no device", f"object {guid(1)}")


@settings(max_examples=80, deadline=None)
@given(fleets, st.sampled_from(["ad", "entra"]), st.sampled_from([1, 2]))
def test_a_store_that_is_down_makes_nothing_missing_and_leaves_what_the_other_proves(fleet: Fleet, store: str, copies: int) -> None:
    other = "entra" if store == "ad" else "ad"
    broken = fleet.with_reading(store, lambda reading: DOWN[reading.store])
    result = broken.judged(Requirements(stores=("ad", "entra"), copies=copies))
    assert not result.complete
    assert not result.passed
    assert not MISSING & {volume.judgement.verdict for row in result.computers for volume in row.volumes}
    if copies == 2:
        assert result.passing == 0
    else:
        assert green(result) == green(broken.judged(Requirements(stores=(other,))))


@settings(max_examples=80, deadline=None)
@given(fleets)
def test_what_is_green_is_filed_under_an_owner_that_it_was_joined_to(fleet: Fleet) -> None:
    own = {
        (entry.store, entry.owner_id, key)
        for reading in fleet.readings
        if reading.state is not StoreState.DOWN or reading.entries
        for entry in reading.entries
        if not entry.deleted and not entry.defects
        for key in entry.key_ids
    }
    for row in fleet.judged().computers:
        for volume in row.volumes:
            if volume.judgement.verdict in GREEN:
                asked = [protector.key_id for protector in volume.protectors if protector.holdings]
                joined = [(store, join.owner_id) for store, join in row.computer.joins.items() if join.join is not None]
                assert any((store, owner_id, key) in own for store, owner_id in joined for key in asked)
