# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every verdict, whatever the input: totality, the bounds rule, proofs and lost stores, and that no order matters.

The oracle below is written from DESIGN section 5 on its own, for small cases that are counted out in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import verdict
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.findings import FLAG_CODES, VERDICT_CODES
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    Conversion,
    EntryState,
    Flag,
    Method,
    ObservedProtector,
    ObservedVolume,
    ProtectorStanding,
    ProtectorType,
    ReadError,
    Verdict,
    VolumeType,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import METHODS, STORES, Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.verdict import VolumeEvidence, judge_volume
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.volumes import evidence, key, requirements, volume
from hypothesis import given, settings
from hypothesis import strategies as st

RP = "recovery_password"
READS = [
    "GetConversionStatus",
    "GetProtectionStatus",
    "GetLockStatus",
    "GetKeyProtectors",
    "GetKeyProtectorType",
    "GetSuspendCount",
    "GetEncryptionMethod",
    "GetHardwareTestStatus",
    "IsAutoUnlockEnabled",
]
BEST_FIRST = ["recoverable", "escrowed", "at_risk", "wrong_key", "unescrowed"]
#: states that say that an entry is wrong: where they are lost with their store, nothing is left that could say so
CONTRADICTIONS = {EntryState.REFUTED, EntryState.CONFLICTING}

states = st.sampled_from(EntryState)
KNOWN = [state for state in EntryState if state is not EntryState.UNKNOWN]


def maybe(words: Any) -> st.SearchStrategy[str | None]:
    """One of the known words, a word from the future, or nothing."""
    return st.one_of(st.sampled_from([str(word) for word in words]), st.sampled_from(["unknown_9", None]))


@st.composite
def needs(draw: st.DrawFn) -> Requirements:
    """Any requirements that make sense."""
    stores = draw(st.lists(st.sampled_from(STORES), min_size=1, unique=True))
    return Requirements(
        stores=tuple(stores),
        copies=draw(st.integers(1, len(stores))),
        proof=draw(st.sampled_from(["none", "live"])),
        volume_types=tuple(draw(st.lists(st.sampled_from([str(word) for word in VolumeType]), min_size=1, unique=True))),
        encryption=draw(st.booleans()),
        methods=tuple(draw(st.lists(st.sampled_from(METHODS), min_size=1, unique=True))),
        suspended_reboots_allowed=draw(st.integers(0, 20)),
    )


@st.composite
def any_volume(draw: st.DrawFn) -> ObservedVolume:
    """Any volume that an observation can hold, contradictions included."""
    kinds = draw(st.none() | st.lists(maybe(ProtectorType) | st.just(RP), max_size=5))
    return ObservedVolume(
        device_id="v",
        type=draw(maybe(VolumeType)),
        conversion=draw(maybe(Conversion)),
        method=draw(maybe(Method)),
        protection=draw(maybe(["off", "on", "unknown"])),
        locked=draw(st.sampled_from([True, False, None])),
        suspend_count=draw(st.none() | st.integers(-1, 20)),
        hardware_test=draw(maybe(["none", "failed", "pending"])),
        auto_unlock_key_id=draw(st.none() | st.integers(0, 4).map(key)),
        protectors=None if kinds is None else tuple(ObservedProtector(key_id=key(n), type=kind) for n, kind in enumerate(kinds)),
        errors=tuple(ReadError(read=read) for read in draw(st.lists(st.sampled_from(READS), max_size=3))),
    )


@st.composite
def any_evidence(draw: st.DrawFn) -> VolumeEvidence:
    """Any evidence: standings for any protectors and stores, some missing, some of nobody."""
    standings = draw(st.dictionaries(st.integers(0, 6).map(key), st.dictionaries(st.sampled_from(STORES), states)))
    marks = {mark: draw(st.booleans()) for mark in ("duplicate", "conflicting", "malformed", "held_elsewhere", "unreadable")}
    return VolumeEvidence(
        volume=draw(any_volume()),
        standings=tuple(ProtectorStanding(key_id=key_id, states=row) for key_id, row in standings.items()),
        backup_claims=draw(st.dictionaries(st.integers(0, 6).map(key), st.frozensets(st.sampled_from([*STORES, "printed"])), max_size=3)),
        circular_stores=draw(st.frozensets(st.sampled_from(STORES), max_size=2)),
        **marks,
    )


@st.composite
def sound(draw: st.DrawFn, entry_states: Sequence[EntryState] = tuple(EntryState)) -> tuple[VolumeEvidence, Requirements]:
    """A volume that is judged by its recovery passwords, and requirements."""
    required = replace(draw(needs()), volume_types=("os",))
    passwords = draw(st.integers(1, 4))
    rows = [{store: draw(st.sampled_from(entry_states)) for store in required.stores} for _unused in range(passwords)]
    return evidence(volume(*[RP] * passwords), *rows), required


def with_states(given_evidence: VolumeEvidence, old: EntryState, new: EntryState) -> VolumeEvidence:
    """The same evidence with one state in place of another."""
    standings = tuple(
        replace(standing, states={store: new if state is old else state for store, state in standing.states.items()})
        for standing in given_evidence.standings
    )
    return replace(given_evidence, standings=standings)


@settings(deadline=None)
@given(any_evidence(), needs())
def test_every_volume_has_one_verdict(given_evidence: VolumeEvidence, required: Requirements) -> None:
    judgement = judge_volume(given_evidence, required)
    assert judgement.in_scope is (judgement.verdict is not None)
    if judgement.verdict is None:
        assert (judgement.flags, judgement.codes) == ((), ())
        return
    assert judgement.verdict in set(Verdict) - {Verdict.ON_FILE, Verdict.UNAVAILABLE}
    assert list(judgement.flags) == [flag for flag in Flag if flag in judgement.flags]
    assert list(judgement.codes) == sorted(set(judgement.codes))
    due = {VERDICT_CODES[judgement.verdict]} if judgement.verdict in VERDICT_CODES else set()
    due |= {FLAG_CODES[flag] for flag in judgement.flags if flag is not Flag.SUSPENDED}
    volume_codes = {code for code in judgement.codes if code.startswith("KW-VOL-")} - {FLAG_CODES[Flag.SUSPENDED]}
    assert volume_codes == due
    assert judge_volume(given_evidence, required) == judgement


@settings(deadline=None)
@given(any_evidence(), needs(), st.sampled_from(READS))
def test_a_failed_read_never_makes_a_volume_pass(given_evidence: VolumeEvidence, required: Requirements, read: str) -> None:
    before = judge_volume(given_evidence, required)
    what = given_evidence.volume
    fields: dict[str, str] = {
        "GetConversionStatus": "conversion",
        "GetProtectionStatus": "protection",
        "GetLockStatus": "locked",
        "GetKeyProtectors": "protectors",
        "GetSuspendCount": "suspend_count",
    }
    lost = {fields[read]: None} if read in fields else {}
    broken = replace(what, errors=(*what.errors, ReadError(read=read)), **lost)  # type: ignore[arg-type]  # a field's name by a variable
    after = judge_volume(replace(given_evidence, volume=broken), required)
    if after.verdict is not None and verdict.is_passing(after.verdict, required) and before.verdict is not None:
        assert verdict.is_passing(before.verdict, required)
    assert after.in_scope or not before.in_scope


@settings(deadline=None)
@given(sound())
def test_the_bounds_rule(case: tuple[VolumeEvidence, Requirements]) -> None:
    given_evidence, required = case
    low = judge_volume(with_states(given_evidence, EntryState.UNKNOWN, EntryState.ABSENT), required)
    best = EntryState.PROVEN if required.proof == "live" else EntryState.PRESENT
    high = judge_volume(with_states(given_evidence, EntryState.UNKNOWN, best), required)
    judgement = judge_volume(given_evidence, required)
    assert low.verdict is not None
    assert high.verdict is not None
    if low.verdict is high.verdict:
        assert judgement.verdict is low.verdict
    elif verdict.is_passing(low.verdict, required):
        # escrowed for certain, perhaps recoverable: what is certain is said
        assert (judgement.verdict, high.verdict) == (Verdict.ESCROWED, Verdict.RECOVERABLE)
        assert required.proof == "none"
    else:
        assert judgement.verdict is Verdict.UNKNOWN
    assert set(judgement.flags) == set(low.flags) & set(high.flags)
    entry_codes = [{code for code in j.codes if code.startswith("KW-ESC-")} for j in (judgement, low, high)]
    assert entry_codes[0] == entry_codes[1] & entry_codes[2]


@settings(deadline=None)
@given(sound(), st.data())
def test_a_proven_entry_never_makes_it_worse(case: tuple[VolumeEvidence, Requirements], data: st.DataObject) -> None:
    given_evidence, required = case
    before = judge_volume(given_evidence, required).verdict
    chosen = data.draw(st.sampled_from(given_evidence.standings))
    store = data.draw(st.sampled_from(required.stores))
    proven = replace(chosen, states={**chosen.states, store: verdict.combine([chosen.states[store], EntryState.PROVEN])})
    standings = tuple(proven if standing is chosen else standing for standing in given_evidence.standings)
    after = judge_volume(replace(given_evidence, standings=standings), required).verdict
    assert before is not None
    assert after is not None
    if verdict.is_passing(before, required):
        assert verdict.is_passing(after, required)
    if Verdict.UNKNOWN not in (before, after):
        assert BEST_FIRST.index(after) <= BEST_FIRST.index(before)
    if not any(EntryState.UNKNOWN in standing.states.values() for standing in standings):
        assert after is not Verdict.UNKNOWN


@settings(deadline=None)
@given(sound(), st.data())
def test_a_store_that_goes_down_makes_nothing_green_and_nothing_missing(
    case: tuple[VolumeEvidence, Requirements], data: st.DataObject
) -> None:
    """A contradiction that is lost with its store cannot be known; the run is incomplete then, and so does not pass."""
    given_evidence, required = case
    down = data.draw(st.sampled_from(required.stores))
    before = judge_volume(given_evidence, required).verdict
    lost = {standing.states[down] for standing in given_evidence.standings}
    standings = tuple(replace(s, states={**s.states, down: EntryState.UNKNOWN}) for s in given_evidence.standings)
    after = judge_volume(replace(given_evidence, standings=standings), required).verdict
    assert before is not None
    assert after is not None
    assert after is not Verdict.UNESCROWED
    if not lost & CONTRADICTIONS and not verdict.is_passing(before, required):
        assert not verdict.is_passing(after, required)


@settings(deadline=None)
@given(any_evidence(), needs(), st.randoms(use_true_random=False))
def test_no_order_matters(given_evidence: VolumeEvidence, required: Requirements, random: Any) -> None:
    def shuffled(items: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(random.sample(list(items), len(items)))

    what = given_evidence.volume
    listed = None if what.protectors is None else shuffled(what.protectors)
    mixed = replace(
        given_evidence,
        volume=replace(what, protectors=listed, errors=shuffled(what.errors)),
        standings=shuffled(given_evidence.standings),
        backup_claims=dict(shuffled(list(given_evidence.backup_claims.items()))),
    )
    other = replace(required, stores=shuffled(required.stores), methods=shuffled(required.methods))
    assert judge_volume(mixed, other) == judge_volume(given_evidence, required)


def oracle(rows: Sequence[Sequence[str]], copies: int, proof: str) -> tuple[str, bool]:
    """Verdict and sibling flag of a volume's recovery passwords, from the table's words."""

    def of_one(row: Sequence[str]) -> str:
        good = [state for state in row if state in ("proven", "present", "unreadable")]
        if len(good) >= copies and "proven" in good:
            return "recoverable"
        if ("refuted" in row or "conflicting" in row) and "proven" not in row:
            return "wrong_key"
        if not good:
            return "wrong_key" if "malformed" in row else "unescrowed"
        return "escrowed" if len(good) >= copies else "at_risk"

    def world(unknown: str) -> tuple[str, bool]:
        words = sorted((of_one([unknown if state == "unknown" else state for state in row]) for row in rows), key=BEST_FIRST.index)
        return words[0], words[0] in BEST_FIRST[:2] and words[-1] in BEST_FIRST[2:]

    low, high = world("absent"), world("proven" if proof == "live" else "present")
    passing = {"recoverable"} if proof == "live" else {"recoverable", "escrowed"}
    word = low[0] if low[0] == high[0] or {low[0], high[0]} <= passing else "unknown"
    return word, low[1] and high[1]


@pytest.mark.parametrize("proof", ["none", "live"])
@pytest.mark.parametrize("copies", [1, 2])
def test_every_combination_of_two_passwords_in_two_stores(copies: int, proof: str) -> None:
    """All 6,561 of them, against the oracle."""
    required = requirements("ad", "entra", copies=copies, proof=proof)
    what = volume("tpm", RP, RP)
    words = [state.value for state in EntryState]
    for one, two, three, four in product(words, repeat=4):
        judgement = judge_volume(evidence(what, {"ad": one, "entra": two}, {"ad": three, "entra": four}), required)
        found = (judgement.verdict, Flag.SIBLING_NOT_ESCROWED in judgement.flags)
        assert found == oracle([[one, two], [three, four]], copies, proof), (one, two, three, four)


@pytest.mark.parametrize("proof", ["none", "live"])
@pytest.mark.parametrize("copies", [1, 2, 3])
def test_every_combination_of_one_password_in_three_stores(copies: int, proof: str) -> None:
    required = requirements("ad", "entra", "file", copies=copies, proof=proof)
    what = volume(RP)
    for row in product([state.value for state in EntryState], repeat=3):
        judgement = judge_volume(evidence(what, dict(zip(required.stores, row, strict=True))), required)
        assert (judgement.verdict, False) == oracle([row], copies, proof), row


def test_every_combination_of_what_a_host_can_say() -> None:
    """Conversion x protection x lock x suspend count x protectors, against the rows in their order."""
    conversions = [*Conversion, "unknown_6", None]
    kinds: list[tuple[str, ...] | None] = [None, (), ("tpm",), ("tpm", RP)]
    for conversion, protection, locked, count, listed in product(
        conversions, ["off", "on", "unknown", "unknown_3", None], [True, False, None], [None, 0, 1], kinds
    ):
        what = volume(*(listed or ()), conversion=conversion, protection=protection, locked=locked, suspend_count=count)
        if listed is None:
            what = replace(what, protectors=None)
        rows = [{"ad": "present"}] if listed and RP in listed else []
        found = judge_volume(evidence(what, *rows), requirements()).verdict
        assert found == host_oracle(conversion, protection, locked, count, listed), what


def host_oracle(conversion: str | None, protection: str | None, locked: bool | None, count: int | None, listed: Any) -> str:
    """The rows in their order, for each reading of what was not read; where they differ, it is unknown."""
    if locked is None:
        words = {host_oracle(conversion, protection, each, count, listed) for each in (True, False)}
        return words.pop() if len(words) == 1 else "unknown"
    if listed is None:
        words = {host_oracle(conversion, protection, locked, count, each) for each in (("tpm",), ("tpm", RP), ())}
        return words.pop() if len(words) == 1 else "unknown"
    if locked:
        conversion = "fully_encrypted"
    if conversion in (None, "unknown_6"):
        return "unknown"
    if conversion == "fully_decrypted":
        return "not_encrypted"
    if "decryption" in str(conversion) or not listed:
        return "unprotected"
    if conversion == "fully_encrypted":
        if protection in (None, "unknown_3") or (protection == "unknown" and not locked):
            return "unknown"
        if protection == "off" and not count:
            return "unprotected"
    return "escrowed" if RP in listed else "no_recovery_password"


def test_the_oracle_knows_every_state_but_unknown() -> None:
    """The worlds of the bounds rule hold no unknown, so the oracle's table is asked about every other state."""
    assert {oracle([[state.value]], 1, "none")[0] for state in KNOWN} == {"recoverable", "wrong_key", "escrowed", "unescrowed"}
