# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every report and all options: nothing unseen or missing passes, no baseline makes it enough, more trouble never helps."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate import decide
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_baseline import Baseline
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_policy import Policy, make_policy
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_report import GateReport, read_report
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_types import Decision, Outcome, Status
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Verdict
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.gate_sample import EARLIER, NOW, PC, fine, report
from hypothesis import assume, given, settings
from hypothesis import strategies as st

WORDS = [word.value for word in Verdict]
GOOD = {Verdict.ESCROWED, Verdict.RECOVERABLE}
UNSEEN = {Verdict.UNKNOWN, Verdict.ON_FILE}
EXTRA = ["KW-VOL-104", "KW-ESC-006", "KW-VOL-101"]

verdicts = st.sampled_from([*WORDS, "escrowed", "escrowed", "escrowed", "escrowed"])
volumes = st.dictionaries(st.sampled_from(["C:", "D:"]), verdicts | st.none(), max_size=2)
identities = st.dictionaries(st.sampled_from(["ad_guid", "serial"]), st.sampled_from(["1", "2"]), max_size=2)


@st.composite
def computers(draw: st.DrawFn) -> list[PC]:
    made = []
    for name in draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)):
        disks = draw(volumes)
        codes = [(code, label) for label, word in disks.items() if word for code in draw(st.sets(st.sampled_from(EXTRA), max_size=1))]
        lonely = None if disks else draw(st.sampled_from(["unknown", "on_file", "unavailable", None]))
        made.append(PC(name, disks, verdict=lonely, codes=codes, identities=draw(identities)))
    return made + fine(draw(st.integers(0, 30)))


limit = st.one_of(
    st.builds(lambda word, most: {"verdict": word, "max": most}, st.sampled_from(WORDS[:-1]), st.integers(0, 3)),
    st.builds(lambda word, share: {"verdict": word, "max_share": share}, st.sampled_from(WORDS[:-1]), st.sampled_from([0.0, 0.1, 1.0])),
    st.builds(lambda code, most: {"code": code, "max": most}, st.sampled_from(EXTRA), st.integers(0, 2)),
)
criteria = st.fixed_dictionaries(
    {},
    optional={
        "verdicts": st.lists(st.sampled_from(WORDS[:-1]), max_size=4),
        "severities": st.lists(st.sampled_from(["high", "medium", "low", "info"]), max_size=2),
        "codes": st.lists(st.sampled_from(EXTRA), max_size=2),
        "thresholds": st.lists(limit, max_size=2, unique_by=lambda item: item.get("verdict") or item.get("code")),
    },
)
coverage = st.sampled_from([0, 0.5, 0.9, 1.0])
stores = st.sampled_from(
    [("searched", ()), ("searched", ()), ("down", ("KW-STO-001",)), ("partial", ("KW-STO-001",)), ("no_rights", ("KW-STO-002",))]
)


def made(pcs: list[PC], store: tuple[str, tuple[str, ...]] = ("searched", ()), **options: Any) -> dict[str, Any]:
    return report(pcs, stores={"ad": store[0]}, run=store[1], **options)


def ask(document: dict[str, Any], policy: Policy, before: dict[str, Any] | None = None) -> Decision:
    found: GateReport = read_report(document, "report")
    baseline = Baseline(read_report(before, "baseline"), found, "baseline") if before is not None else None
    return decide(found, policy, now=NOW, baseline=baseline)


@settings(max_examples=150, deadline=None)
@given(computers(), stores, coverage, st.sampled_from(["none", "live"]))
def test_what_passes_was_seen_and_misses_nothing(pcs: list[PC], store: tuple[str, tuple[str, ...]], part: float, proof: str) -> None:
    document = made(pcs, store, proof=proof)
    decision = ask(document, make_policy(None, min_coverage=part))
    units = [unit.verdict for unit in read_report(document, "report").units]
    good = GOOD if proof == "none" else {Verdict.RECOVERABLE}
    bad = [word for word in units if word not in good | UNSEEN]
    assert (decision.outcome is Outcome.FINDINGS) == bool(bad)
    if decision.outcome is Outcome.COMPLIANT:
        judged = sum(word not in UNSEEN for word in units)
        assert judged >= max(part * len(units), 1)
        assert document["summary"]["observed"] >= max(part * len(pcs), 1)
        assert document["complete"]


@settings(max_examples=150, deadline=None)
@given(computers(), stores, coverage, criteria, computers())
def test_no_option_and_no_baseline_makes_too_little_enough(
    pcs: list[PC], store: tuple[str, tuple[str, ...]], part: float, fail_on: dict[str, Any], before: list[PC]
) -> None:
    document = made(pcs, store)
    policy = make_policy(fail_on, min_coverage=part)
    for earlier in (None, made(before, at=EARLIER), {**copy.deepcopy(document), "generated_at": "2026-01-01T00:00:00Z"}):
        decision = ask(document, policy, earlier)
        plain = ask(document, policy)
        if plain.of(Status.COULD_NOT_LOOK):
            assert decision.outcome is not Outcome.COMPLIANT
            assert decision.of(Status.COULD_NOT_LOOK) == plain.of(Status.COULD_NOT_LOOK)
        summary = document["summary"]
        if store[1] or not summary["observed"] or summary["observed"] < part * summary["computers"]:
            assert decision.outcome is not Outcome.COMPLIANT


@settings(max_examples=150, deadline=None)
@given(computers(), coverage, criteria, st.data())
def test_more_trouble_never_turns_a_failure_into_a_pass(pcs: list[PC], part: float, fail_on: dict[str, Any], data: st.DataObject) -> None:
    # a good verdict that somebody wants to fail is a failure less when it gets worse
    assume("escrowed" not in repr(fail_on).replace("unescrowed", ""))
    policy = make_policy(fail_on, min_coverage=part)
    before = ask(made(pcs), policy)
    places = [(at, label) for at, pc in enumerate(pcs) for label, word in pc.volumes.items() if word == "escrowed"]
    if not places:
        return
    at, label = data.draw(st.sampled_from(places))
    pc = pcs[at]
    if data.draw(st.booleans()):
        code = data.draw(st.sampled_from([code for code in EXTRA if (code, label) not in pc.codes] or [None]))
        worse = replace(pc, codes=[*pc.codes, (code, label)]) if code else pc
    else:
        worse = replace(pc, volumes={**pc.volumes, label: data.draw(st.sampled_from(WORDS[:9]))}, seen=pc.observed)
    after = ask(made([*pcs[:at], worse, *pcs[at + 1 :]]), policy)
    if before.outcome is not Outcome.COMPLIANT:
        assert after.outcome is not Outcome.COMPLIANT
    if before.outcome is Outcome.FINDINGS:
        assert after.outcome is Outcome.FINDINGS


@settings(max_examples=100, deadline=None)
@given(computers(), coverage, criteria, computers())
def test_a_baseline_only_ever_forgives_what_it_has(pcs: list[PC], part: float, fail_on: dict[str, Any], before: list[PC]) -> None:
    policy, document, earlier = make_policy(fail_on, min_coverage=part), made(pcs), made(before, at=EARLIER)
    plain, forgiving = ask(document, policy), ask(document, policy, earlier)
    fails, known = ({(p.code, p.computer, p.volume) for p in forgiving.of(status)} for status in (Status.FAILS, Status.KNOWN))
    assert fails | known == {(p.code, p.computer, p.volume) for p in plain.of(Status.FAILS)}
    assert {computer for _code, computer, _volume in known} <= {pc.name for pc in before}
    # what is the same as a day ago is known
    same = {**copy.deepcopy(document), "generated_at": f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}
    assert ask(document, policy, same).of(Status.FAILS) == []
