# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every estate, however its hosts lie and its directory is damaged: few names, so that everything clashes. All made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.estate import (
    judge_estate,
    known_computers,
    owners_to_name,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost, inventory_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    COUNTED,
    Entry,
    FailureReason,
    Observation,
    ObservedProtector,
    ObservedVolume,
    Owner,
    ReadError,
    StoreReading,
    StoreState,
    Verdict,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.rows import EstateJudgement
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document, terminal
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REQUIREMENTS = Requirements(stores=("ad",))
MISSING = {Verdict.UNESCROWED, Verdict.WRONG_KEY, Verdict.AT_RISK}

hosts = st.sampled_from(["a", "b", "c", "d", "A"])
dns_names = st.sampled_from(["a.x", "b.x", "a", "b", "c", "", None])
domains = st.sampled_from(["x", "x", "y", None])
keys = st.sampled_from(["k1", "k2", "k3", "k4"])

protectors = st.builds(
    ObservedProtector,
    key_id=keys,
    type=st.sampled_from(["recovery_password", "recovery_password", "tpm", "external_key", "unknown_11", None]),
    backup=st.sampled_from([None, ("ad",)]),
)
volumes = st.builds(
    ObservedVolume,
    device_id=st.sampled_from(["d1", "d2", "d3"]),
    persistent_id=st.sampled_from([None, "{P}", "{p}"]),
    letter=st.sampled_from([None, "C:", "D:"]),
    type=st.sampled_from(["os", "fixed", "fixed", "removable", "unknown_9", None]),
    conversion=st.sampled_from(["fully_encrypted", "fully_encrypted", "fully_decrypted", "decryption_paused", None]),
    method=st.sampled_from(["xts_aes_256", "none", None]),
    protection=st.sampled_from(["on", "on", "off", "unknown", None]),
    locked=st.sampled_from([False, False, True, None]),
    suspend_count=st.sampled_from([None, 0, 3]),
    protectors=st.none() | st.lists(protectors, max_size=3, unique_by=lambda item: item.key_id).map(tuple),
    errors=st.sampled_from([(), (ReadError(read="GetKeyProtectors"),), (ReadError(read="GetSuspendCount", code="1"),)]),
)
observed = st.builds(
    Observation,
    host=hosts,
    observed_at=st.sampled_from([NOW, NOW - timedelta(days=40), NOW + timedelta(hours=1)]),
    authenticated_names=st.sampled_from([(), ("a.x",)]),
    name=st.sampled_from([None, "A", "B"]),
    dns_name=dns_names,
    domain=domains,
    part_of_domain=st.sampled_from([True, True, False, None]),
    domain_controller=st.booleans(),
    cluster=st.sampled_from([None, "clu", "clu"]),
    bitlocker_installed=st.sampled_from([True, False, None]),
    volumes=st.none() | st.lists(volumes, max_size=3, unique_by=lambda item: item.device_id).map(tuple),
    policy=st.sampled_from([None, {"OSRecovery": 1, "OSRecoveryPassword": 0}]),
)
failures = st.builds(Observation, host=hosts, observed_at=st.just(NOW), reason=st.sampled_from(FailureReason), message=st.just("No."))
owners = st.builds(
    Owner,
    store=st.just("ad"),
    owner_id=st.sampled_from(["o1", "o2", "o3", "o4"]),
    name=st.sampled_from(["A", "B", "CLU", ""]),
    location=st.just("CN=somewhere"),
    dns_name=dns_names.map(lambda name: name or None),
    enabled=st.booleans(),
    in_scope=st.booleans(),
    cluster_name_object=st.booleans(),
    deleted=st.booleans(),
).map(lambda owner: replace(owner, in_scope=owner.in_scope and owner.enabled and not owner.deleted))
entries = st.builds(
    Entry,
    store=st.just("ad"),
    owner_id=st.sampled_from(["o1", "o2", "o3", "o4"]),
    entry_id=st.integers(0, 99).map(str),
    location=st.just("CN=entry"),
    key_ids=st.lists(keys, max_size=2, unique=True).map(tuple),
    deleted=st.booleans(),
    readable=st.booleans(),
    defects=st.sampled_from([(), (), ("broken",)]),
)


@dataclass
class Fleet:
    inventory: list[str]
    said: list[Observation]
    reading: StoreReading

    def judged(self, requirements: Requirements = REQUIREMENTS) -> EstateJudgement:
        by_host: dict[str, list[Observation]] = {}
        for observation in self.said:
            by_host.setdefault(observation.host, []).append(observation)
        listed = [InventoryHost(name=name, address=name.lower() + ".x") for name in self.inventory]
        computers = known_computers(inventory_computers(listed, by_host, now=NOW, requirements=requirements), [self.reading])
        owners_to_name(computers, self.reading)
        return judge_estate(computers, [self.reading], requirements, now=NOW)


@st.composite
def fleets(draw: st.DrawFn, states: Sequence[StoreState] = tuple(StoreState)) -> Fleet:
    reading = StoreReading(
        store="ad",
        state=draw(st.sampled_from(states)),
        owners=tuple(draw(st.lists(owners, max_size=4, unique_by=lambda item: item.owner_id))),
        entries=tuple(draw(st.lists(entries, max_size=6))),
        domain=draw(st.sampled_from(["x", "X", None])),
        unsearched_owners=frozenset(draw(st.lists(st.sampled_from(["o1", "o2"]), max_size=1))),
        whole=draw(st.booleans()),
    )
    return Fleet(draw(st.lists(hosts, max_size=5, unique=True)), draw(st.lists(observed | observed | failures, max_size=6)), reading)


@settings(max_examples=200, deadline=None)
@given(fleets())
def test_every_fleet_is_judged_and_nobody_is_lost(fleet: Fleet) -> None:
    result = fleet.judged()
    names = [row.name for row in result.computers]
    assert len(set(names)) == len(names)
    assert all(names)
    assert sorted(row.computer.host.name for row in result.computers if row.computer.host) == sorted(fleet.inventory)
    present = {join.owner_id for row in result.computers for join in row.computer.joins.values()}
    present |= {rival for row in result.computers for join in row.computer.joins.values() if join.collision for rival in join.rivals}
    assert {owner.owner_id for owner in fleet.reading.owners if owner.in_scope} <= present
    shared = {(node, volume.volume.persistent_id) for row in result.computers for volume in row.volumes for node in volume.nodes}
    for row in result.computers:
        shown = {volume.volume.device_id for volume in row.volumes}
        for said in (row.computer.observation.volumes if row.computer.observation else None) or ():
            assert said.device_id in shown or {(row.name, "{P}"), (row.name, "{p}")} & shared
    assert result.units == sum(result.verdicts.values())
    told = document.build(result, {})
    assert json.loads(document.to_json(told)) == told
    assert terminal.render(told)


@settings(max_examples=200, deadline=None)
@given(fleets())
def test_what_passes_was_observed_and_has_its_own_sound_entry(fleet: Fleet) -> None:
    result = fleet.judged()
    own = {(entry.owner_id, key) for entry in fleet.reading.entries if not entry.deleted and not entry.defects for key in entry.key_ids}
    for row in result.computers:
        for volume in row.volumes:
            if volume.judgement.verdict not in (Verdict.ESCROWED, Verdict.RECOVERABLE):
                continue
            assert row.computer.fresh
            assert not row.computer.joins["ad"].collision or volume.nodes
            counted = [p.key_id for p in volume.protectors if p.holdings and p.holdings["ad"].state in COUNTED]
            assert any((owner.owner_id, key) in own for owner in fleet.reading.owners for key in counted)
    if result.passed:
        assert result.complete
        assert all(row.verdict in (Verdict.ESCROWED, Verdict.RECOVERABLE, None) for row in result.computers)


@settings(max_examples=150, deadline=None)
@given(fleets(states=[StoreState.SEARCHED]), st.sampled_from([StoreState.DOWN, StoreState.PARTIAL, StoreState.NO_RIGHTS]))
def test_a_store_that_could_not_be_searched_is_never_missing_and_never_green(fleet: Fleet, state: StoreState) -> None:
    broken = replace(fleet.reading, state=state, entries=() if state is StoreState.DOWN else fleet.reading.entries)
    result = Fleet(fleet.inventory, fleet.said, broken).judged()
    assert not result.complete
    assert not result.passed
    if state is StoreState.DOWN:
        assert not MISSING & {volume.judgement.verdict for row in result.computers for volume in row.volumes}
        assert result.passing == 0


@settings(max_examples=150, deadline=None)
@given(fleets(), hosts, st.lists(volumes, max_size=3, unique_by=lambda item: item.device_id))
def test_no_host_makes_another_one_pass(fleet: Fleet, liar: str, lies: list[ObservedVolume]) -> None:
    """Whatever one more host says, without a cluster, what did not pass elsewhere does not pass now."""
    fleet.said = [item for item in fleet.said if item.host != liar]
    fleet.inventory = [name for name in fleet.inventory if name != liar]
    before = fleet.judged()
    word = Observation(host=liar, observed_at=NOW, dns_name="a.x", domain="x", part_of_domain=True, volumes=tuple(lies))
    after = Fleet([*fleet.inventory, liar], [*fleet.said, word], fleet.reading).judged()

    def failing(result: EstateJudgement) -> set[tuple[str, str]]:
        return {
            (row.computer.host.name, volume.volume.device_id)
            for row in result.computers
            if row.computer.host and row.computer.host.name != liar
            for volume in row.volumes
            if volume.judgement.verdict not in (Verdict.ESCROWED, Verdict.RECOVERABLE, None)
        }

    assert failing(before) <= failing(after)
