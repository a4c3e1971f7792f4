# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs laid over an estate: what they may change, what they may never, and in which order they are wanted. All made up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.estate import judge_estate, known_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import Computer, InventoryHost, inventory_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Outcome
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    Entry,
    Observation,
    ObservedProtector,
    StoreReading,
    Verdict,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.proof_plan import ProofPlan, Target, datum_digest, make_plan
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.proofs import (
    Basis,
    EntryProof,
    EntryRef,
    Place,
    Proofs,
    ReadValue,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.rows import EstateJudgement
from hypothesis import given, settings
from hypothesis import strategies as st

from .two_stores import BOTH, NOW, Fleet, codes, computer, device, directory, entry, fleets, guid, row, said, states, tenant, volume

PACKAGE = (Secret(b"read once"), Secret(b"read twice"))
LIVE = replace(BOTH, proof="live")


def packaged(observation: Observation, packages: tuple[Secret[bytes], ...] = PACKAGE) -> Observation:
    """The observation with a package for each recovery password."""
    if observation.volumes is None:
        return observation

    def of(protector: ObservedProtector) -> ObservedProtector:
        return replace(protector, key_packages=packages) if protector.type == "recovery_password" else protector

    told = tuple(
        replace(volume, protectors=tuple(of(item) for item in volume.protectors) if volume.protectors is not None else None)
        for volume in observation.volumes
    )
    return replace(observation, volumes=told)


def known(fleet: Fleet, requirements: Requirements = LIVE) -> list[Computer]:
    by_host: dict[str, list[Observation]] = {}
    for observation in fleet.said:
        by_host.setdefault(observation.host, []).append(observation)
    listed = [InventoryHost(name=name, address=fleet.addresses.get(name)) for name in fleet.hosts]
    return known_computers(inventory_computers(listed, by_host, now=NOW, requirements=requirements), fleet.readings)


def planned(fleet: Fleet, requirements: Requirements = LIVE, **options: Any) -> ProofPlan:
    return make_plan(known(fleet, requirements), fleet.readings, requirements, budgets=options.pop("budgets", {"entra": 500}), **options)


def judged(fleet: Fleet, proofs: Proofs, requirements: Requirements = LIVE) -> EstateJudgement:
    return judge_estate(known(fleet, requirements), fleet.readings, requirements, now=NOW, proofs=proofs)


def proof(outcome: Outcome, basis: Basis = Basis.LIVE) -> EntryProof:
    return EntryProof(outcome=outcome, basis=basis, made_at=NOW, reason="so it was")


def over(fleet: Fleet, outcomes: Iterable[Outcome | str], basis: Basis = Basis.LIVE) -> Proofs:
    """One outcome for each pair of the plan in its order; a text is a defect of the value. Every value is another one."""
    values: dict[EntryRef, ReadValue] = {}
    made: dict[tuple[EntryRef, str, Place], EntryProof] = {}
    pairs = [(target, one) for target in planned(fleet).targets for one in target.entries]
    for number, ((target, one), outcome) in enumerate(zip(pairs, outcomes, strict=True)):
        ref = EntryRef(one.store, one.entry_id)
        values[ref] = ReadValue(number=number, defects=() if isinstance(outcome, Outcome) else (outcome,))
        if isinstance(outcome, Outcome):
            made[ref, target.key_id, target.place] = proof(outcome, basis)
    return Proofs(values=values, made=made)


def one(*entries: Entry, **facts: Any) -> Fleet:
    """One hybrid joined computer with the key k1, and what is filed for it."""
    told = packaged(said("pc01", "k1", device=1, **facts))
    filed = {store: [item for item in entries if item.store == store] for store in ("ad", "entra")}
    return Fleet(
        [told], [directory(computer("pc01", 1), entries=filed["ad"]), tenant(device(1, name="pc01"), entries=filed["entra"])], ["pc01"]
    )


AD, ENTRA = entry("ad", 1, "k1"), entry("entra", 1, "k1")
NAME = "pc01.corp.example"


@pytest.mark.parametrize(
    ("outcomes", "expected", "verdict", "found"),
    [
        ([Outcome.PROVEN, Outcome.PROVEN], ("proven", "proven"), Verdict.RECOVERABLE, []),
        ([Outcome.PROVEN, Outcome.REFUTED], ("proven", "refuted"), Verdict.RECOVERABLE, ["KW-ESC-005"]),
        ([Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE], ("present", "present"), Verdict.ESCROWED, []),
        ([Outcome.REFUTED, Outcome.INCONCLUSIVE], ("refuted", "present"), Verdict.WRONG_KEY, ["KW-ESC-005", "KW-VOL-006"]),
        (["the third group is damaged", Outcome.PROVEN], ("malformed", "proven"), Verdict.RECOVERABLE, ["KW-ESC-004"]),
    ],
)
def test_what_was_proven_makes_the_states_and_the_verdict(
    outcomes: list[Outcome | str], expected: tuple[str, str], verdict: Verdict, found: list[str]
) -> None:
    fleet = one(AD, ENTRA)
    result = judged(fleet, over(fleet, outcomes))
    assert tuple(states(result, NAME).values()) == expected
    assert row(result, NAME).verdict is verdict
    assert codes(result, NAME, "C:") == found
    assert result.passed is (verdict is Verdict.RECOVERABLE)


def test_one_copy_proven_of_two_required_is_still_at_risk() -> None:
    fleet = one(AD)
    result = judged(fleet, over(fleet, [Outcome.PROVEN]), replace(LIVE, copies=2))
    assert row(result, NAME).verdict is Verdict.AT_RISK


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_directory_s_own_package_changes_nothing(outcome: Outcome) -> None:
    fleet = one(AD)
    result = judged(fleet, over(fleet, [outcome], Basis.DIRECTORY))
    assert states(result, NAME)["ad"] == "present"
    assert row(result, NAME).verdict is Verdict.ESCROWED
    holdings = row(result, NAME).volumes[0].protectors[0].holdings
    assert holdings is not None
    assert holdings["ad"].proof == proof(outcome, Basis.DIRECTORY)


@pytest.mark.parametrize(
    ("outcomes", "state", "found"),
    [
        ([Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE], "conflicting", ["KW-ESC-003", "KW-VOL-006"]),
        ([Outcome.REFUTED, Outcome.INCONCLUSIVE], "conflicting", ["KW-ESC-003", "KW-VOL-006"]),
        ([Outcome.PROVEN, Outcome.REFUTED], "proven", ["KW-ESC-003"]),
    ],
)
def test_two_values_for_one_protector_in_one_store_conflict(outcomes: list[Outcome], state: str, found: list[str]) -> None:
    fleet = one(AD, replace(AD, entry_id="another"))
    result = judged(fleet, over(fleet, outcomes))
    assert states(result, NAME)["ad"] == state
    assert codes(result, NAME, "C:") == found


def test_two_entries_of_one_value_are_duplicates_and_no_conflict() -> None:
    fleet = one(AD, replace(AD, entry_id="another"))
    proofs = over(fleet, [Outcome.PROVEN, Outcome.PROVEN])
    alike = replace(proofs, values={ref: replace(value, number=7) for ref, value in proofs.values.items()})
    assert codes(judged(fleet, alike), NAME, "C:") == ["KW-ESC-002"]


def test_a_read_only_server_is_a_finding_only_where_values_were_asked_of_it() -> None:
    fleet = one(AD).with_reading("ad", lambda reading: replace(reading, read_only=True))
    assert codes(judged(fleet, Proofs()), None) == []
    result = judged(fleet, Proofs(asked=frozenset({"ad"})))
    assert codes(result, None) == ["KW-STO-003"]
    assert not result.complete


# --- the plan -----------------------------------------------------------------------------------------------------------------------------


def test_only_own_sound_entries_of_required_stores_are_wanted() -> None:
    other = computer("pc02", 2)
    entries = [
        AD,
        entry("ad", 2, "k1"),
        entry("ad", 1, "k9"),
        replace(AD, entry_id="h", readable=False),
        replace(AD, entry_id="b", defects=("broken",)),
        replace(AD, entry_id="d", deleted=True),
    ]
    fleet = Fleet(
        [packaged(said("pc01", "k1", device=1))],
        [directory(computer("pc01", 1), other, entries=entries), tenant(device(1, name="pc01"), entries=[ENTRA])],
        ["pc01"],
    )
    assert [target.entries for target in planned(fleet).targets] == [(AD, ENTRA)]
    assert [target.entries for target in planned(fleet, replace(LIVE, stores=("ad",))).targets] == [(AD,)]


def test_a_computer_that_is_not_observed_now_asks_for_nothing() -> None:
    assert planned(one(AD, ENTRA, observed_at=NOW - timedelta(days=40))).targets == ()


def test_without_a_live_package_only_the_directory_is_asked() -> None:
    fleet = replace(one(AD, ENTRA), said=[said("pc01", "k1", device=1)])
    plan = planned(fleet)
    assert [(target.entries, target.packages) for target in plan.targets] == [((AD,), ())]
    assert (plan.wanted, plan.without_package) == (0, 1)


def test_one_key_on_two_volumes_is_wanted_for_each_with_its_own_package() -> None:
    volumes = tuple(volume("k1", letter=letter) for letter in ("C:", "D:"))
    told = said("pc01", device=1, volumes=volumes)
    told = replace(
        told,
        volumes=tuple(packaged(replace(told, volumes=(v,)), (Secret(v.device_id.encode()),)).volumes[0] for v in volumes),  # type: ignore[index]  # it has one
    )
    fleet = replace(one(AD), said=[told])
    found = planned(fleet).targets
    assert [(target.place.device_id, target.packages) for target in found] == [
        (v.device_id, (Secret(v.device_id.encode()),)) for v in volumes
    ]
    result = judged(fleet, over(fleet, [Outcome.PROVEN, Outcome.REFUTED]))
    assert [v.judgement.verdict for v in row(result, NAME).volumes] == [Verdict.RECOVERABLE, Verdict.WRONG_KEY]


def many(number: int) -> Fleet:
    """Computers with a key in each store; ``k1`` of the first has its entry in Entra ID alone."""
    told = [packaged(said(f"pc{n}", f"k{n}", device=n)) for n in range(1, number + 1)]
    objects = [computer(f"pc{n}", n) for n in range(1, number + 1)]
    devices = [device(n, name=f"pc{n}") for n in range(1, number + 1)]
    filed = [entry("ad", n, f"k{n}") for n in range(1, number)]
    return Fleet(
        told,
        [directory(*objects, entries=filed), tenant(*devices, entries=[entry("entra", n, f"k{n}") for n in range(1, number + 1)])],
        [f"pc{n}" for n in range(1, number + 1)],
    )


def test_the_budget_goes_first_to_what_is_nowhere_else() -> None:
    plan = planned(many(4), budgets={"entra": 2})
    read = [item.key_ids[0] for target in plan.targets for item in target.entries if item.store == "entra"]
    assert sorted(read) == ["k1", "k4"]
    assert (plan.wanted, plan.over_budget, dict(plan.reads)) == (7, 2, {"entra": 4})


def test_what_was_proven_longest_ago_comes_first_and_what_never_was_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{make_plan.__module__}.datum_digest", lambda target: "digest")
    fleet = many(4)
    entra = {item.key_ids[0]: item.entry_id for item in fleet.readings[1].entries}
    last = {("entra", entra[f"k{n}"], "digest"): NOW - timedelta(days=age) for n, age in ((1, 1), (2, 9), (4, 5))}
    plan = planned(fleet, budgets={"entra": 1}, last_proven=last)
    assert [item.key_ids[0] for target in plan.targets for item in target.entries if item.store == "entra"] == ["k3"]
    plan = planned(fleet, replace(LIVE, stores=("entra",)), last_proven=last)
    assert [target.key_id for target in plan.targets] == ["k3", "k2", "k4", "k1"]


def test_what_is_no_package_has_no_digest() -> None:
    target = planned(one(AD)).targets[0]
    assert datum_digest(target) == ""
    assert datum_digest(replace(target, key_id=guid(1))) == ""


# --- at random ----------------------------------------------------------------------------------------------------------------------------


def _unique(reading: StoreReading) -> StoreReading:
    return replace(reading, entries=tuple(replace(item, entry_id=str(number)) for number, item in enumerate(reading.entries)))


proven_fleets = fleets.map(
    lambda fleet: replace(fleet, said=[packaged(item) for item in fleet.said], readings=[_unique(item) for item in fleet.readings])
)
anything = st.sampled_from([*Outcome, "the first group is damaged", None])
requirements = st.sampled_from([LIVE, replace(LIVE, copies=2), replace(LIVE, stores=("ad",)), BOTH, replace(BOTH, copies=2)])


def at_random(data: st.DataObject, fleet: Fleet, outcomes: st.SearchStrategy[Any], *, alike: bool = False) -> Proofs:
    values: dict[EntryRef, ReadValue] = {}
    made: dict[tuple[EntryRef, str, Place], EntryProof] = {}
    for target in planned(fleet).targets:
        for item in target.entries:
            ref = EntryRef(item.store, item.entry_id)
            outcome = data.draw(outcomes)
            if outcome is None:
                continue
            if isinstance(outcome, str) and not isinstance(outcome, Outcome):
                values[ref] = ReadValue(number=len(values), defects=(outcome,))
            else:
                values.setdefault(ref, ReadValue(number=0 if alike else data.draw(st.integers(0, 2))))
                made[ref, target.key_id, target.place] = proof(
                    outcome, data.draw(st.sampled_from([Basis.LIVE, Basis.LIVE, Basis.DIRECTORY]))
                )
    return Proofs(values=values, made=made)


def all_states(judgement: EstateJudgement) -> dict[tuple[str, str, str, str], str]:
    return {
        (computer.name, volume.volume.device_id, protector.key_id, store): holding.state.value
        for computer in judgement.computers
        for volume in computer.volumes
        for protector in volume.protectors
        for store, holding in (protector.holdings or {}).items()
    }


def all_verdicts(judgement: EstateJudgement) -> dict[tuple[str, str], Verdict | None]:
    return {(c.name, v.volume.device_id): v.judgement.verdict for c in judgement.computers for v in c.volumes}


GOOD = {Verdict.ESCROWED, Verdict.RECOVERABLE}


@given(proven_fleets, requirements, st.data())
@settings(max_examples=40, deadline=None)
def test_a_proof_changes_only_what_was_present_and_turns_nothing_green(fleet: Fleet, needed: Requirements, data: st.DataObject) -> None:
    proofs = at_random(data, fleet, anything)
    before, after = judged(fleet, Proofs(), needed), judged(fleet, proofs, needed)
    shared = any(volume.nodes for computer in (*before.computers, *after.computers) for volume in computer.volumes)
    if not shared:  # of a volume that nodes share the worst word is shown, which may then be another node's
        later = all_states(after)
        assert {at: state for at, state in all_states(before).items() if state != "present"} == {
            at: later[at] for at, state in all_states(before).items() if state != "present"
        }
    # a proof may settle what another store's silence left open, but only where the entries alone were enough
    earlier = all_verdicts(judged(fleet, Proofs(), replace(needed, proof="none")))
    for at, verdict in all_verdicts(after).items():
        assert verdict not in GOOD or earlier[at] in GOOD
    assert [c.verdict for c in before.computers if not c.volumes] == [c.verdict for c in after.computers if not c.volumes]


@given(proven_fleets, requirements, st.data())
@settings(max_examples=40, deadline=None)
def test_a_proof_makes_nothing_worse_but_by_what_it_finds_wrong(fleet: Fleet, needed: Requirements, data: st.DataObject) -> None:
    proofs = at_random(data, fleet, st.sampled_from([Outcome.PROVEN, Outcome.INCONCLUSIVE, None]), alike=True)
    before, after = judged(fleet, Proofs(), needed), judged(fleet, proofs, needed)
    order = list(Verdict)
    for at, verdict in all_verdicts(after).items():
        earlier = all_verdicts(before)[at]
        if earlier is not None and verdict is not None:
            assert order.index(verdict) >= order.index(earlier)
    assert after.passing >= before.passing


@given(proven_fleets, requirements, st.data())
@settings(max_examples=30, deadline=None)
def test_the_order_of_what_was_read_does_not_matter(fleet: Fleet, needed: Requirements, data: st.DataObject) -> None:
    proofs = at_random(data, fleet, anything)
    mixed = replace(
        fleet,
        said=data.draw(st.permutations(list(fleet.said))),
        inventory=fleet.hosts,
        readings=[replace(item, entries=tuple(data.draw(st.permutations(list(item.entries))))) for item in fleet.readings],
    )
    one_way, other = judged(fleet, proofs, needed), judged(mixed, proofs, needed)
    assert all_states(one_way) == all_states(other)
    assert all_verdicts(one_way) == all_verdicts(other)

    def places(targets: Iterable[Target]) -> set[tuple[Place, str, frozenset[str]]]:
        return {(target.place, target.key_id, frozenset(item.entry_id for item in target.entries)) for target in targets}

    assert places(planned(fleet, needed).targets) == places(planned(mixed, needed).targets)
