# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate says of every verdict, code, threshold, store and shortage: the matrix of issue and guide, without Ansible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate import decide
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_baseline import Baseline
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_policy import make_policy
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_report import read_report
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_types import (
    Decision,
    Rule,
    RuleAnswer,
    RulePlace,
    Status,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Severity, Verdict
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError, OptionError
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.gate_sample import EARLIER, NOW, PC, fine, report

MISSING = ["unescrowed", "no_recovery_password", "wrong_key", "at_risk", "unprotected", "not_encrypted", "unavailable"]


def gate(
    document: dict[str, Any],
    fail_on: dict[str, Any] | None = None,
    *,
    min_coverage: float = 0.9,
    max_age: float | None = None,
    baseline: dict[str, Any] | None = None,
    rules: Sequence[Rule] = (),
    now: datetime = NOW,
) -> Decision:
    """Decide as the action does."""
    found = read_report(document, "report")
    policy = make_policy(fail_on, min_coverage=min_coverage, max_age=max_age)
    earlier = Baseline(read_report(baseline, "baseline"), found, "baseline") if baseline is not None else None
    return decide(found, policy, now=now, baseline=earlier, rules=rules)


def failing(decision: Decision) -> list[tuple[str, str | None, str | None]]:
    return [(problem.code, problem.computer, problem.volume) for problem in decision.of(Status.FAILS)]


def cases(decision: Decision) -> set[str]:
    return {problem.case for problem in decision.of(Status.COULD_NOT_LOOK) if problem.case is not None}


# --- verdicts ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [word.value for word in Verdict])
def test_each_verdict_by_default_and_when_asked_for(verdict: str) -> None:
    document = report([*fine(20), PC("bad", {"C:": verdict})])
    usual = "findings" if verdict in MISSING else "compliant"
    assert gate(document).outcome == usual
    assert gate(document, {"verdicts": []}).outcome == "compliant"
    if verdict != "recoverable":
        asked = gate(document, {"verdicts": [verdict]})
        assert asked.outcome == ("could_not_look" if verdict in ("unknown", "on_file") else "findings")


def test_the_words_that_fail_by_default_are_those_that_were_looked_at_and_do_not_pass() -> None:
    assert {word.value for word in make_policy(None, min_coverage=0.9).verdicts} == set(MISSING)


def test_a_failure_names_the_place_and_says_what_to_do() -> None:
    (problem,) = gate(report([*fine(20), PC("bad", {"C:": "escrowed", "D:": "unescrowed"})])).of(Status.FAILS)
    assert (problem.code, problem.computer, problem.volume, problem.severity) == ("KW-VOL-004", "bad", "D:", "high")
    assert "loses" not in problem.message
    assert problem.remedy.startswith("Back up")


def test_a_computer_that_lists_no_volume_fails_as_itself() -> None:
    assert failing(gate(report([*fine(20), PC("srv", verdict="unavailable")]))) == [("KW-VOL-009", "srv", None)]


def test_what_is_out_of_scope_neither_fails_nor_counts() -> None:
    decision = gate(report([*fine(20), PC("usb", {"C:": "escrowed", "E:": None}), PC("kiosk", {"C:": None})]))
    assert decision.outcome == "compliant"
    assert decision.numbers.verdicts == 21


@pytest.mark.parametrize("fail_on", [None, {"verdicts": []}, {"verdicts": ["unescrowed"]}])
def test_where_a_proof_is_required_an_escrowed_key_does_not_pass_whatever_else_may(fail_on: dict[str, Any] | None) -> None:
    document = report([PC("proven", {"C:": "recoverable"}), PC("only", {"C:": "escrowed"})], proof="live")
    decision = gate(document, fail_on)
    assert decision.outcome == "findings"
    (problem,) = decision.of(Status.FAILS)
    assert (problem.computer, problem.code) == ("only", "")
    assert "proof: live" in problem.message
    assert gate(document, {"thresholds": [{"verdict": "escrowed", "max": 1}]}).outcome == "compliant"


def test_both_is_findings_and_the_reasons_are_told_all_the_same() -> None:
    decision = gate(report([PC("bad", {"C:": "unescrowed"}), *[PC(f"off{at}", verdict="unknown") for at in range(5)]], run=["KW-STO-001"]))
    assert decision.outcome == "findings"
    assert failing(decision) == [("KW-VOL-004", "bad", "C:")]
    assert {"computers observed", "verdicts judged", "KW-STO-001"} & (
        cases(decision) | {p.code for p in decision.of(Status.COULD_NOT_LOOK)}
    )


# --- could not look ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "case"),
    [
        (report([]), "something in scope"),
        (report([PC("kiosk", {"C:": None})]), "something in scope"),
        (report([PC("off", verdict="unknown")]), "computers observed"),
        (report([*fine(1), *[PC(f"off{at}", verdict="unknown") for at in range(99)]]), "computers observed"),
        (report([*fine(8), PC("a", {"C:": "unknown", "D:": "unknown"}, seen=True)]), "verdicts judged"),
        (report(fine(20), stores={"ad": "down"}, run=["KW-STO-001"]), "ad"),
        (report(fine(20), stores={"ad": "partial"}, run=["KW-STO-001"]), "ad"),
        (report(fine(20), stores={"ad": "no_rights"}, run=["KW-STO-002"]), "ad"),
        (report(fine(20), stores={"ad": "searched", "entra": "down"}, run=["KW-STO-001"]), "entra"),
        (report(fine(20), run=["KW-STO-003"]), "report complete"),
        (report(fine(20), run=["KW-RUN-001"]), "report complete"),
        (report(fine(20), run=["KW-STO-001"]), "report complete"),
    ],
    ids=[
        "empty",
        "out_of_scope",
        "dead",
        "99_percent_unreachable",
        "not_judged",
        "down",
        "truncated",
        "no_rights",
        "one_store",
        "rodc",
        "run",
        "sto",
    ],
)
@pytest.mark.parametrize("fail_on", [None, {"verdicts": [], "thresholds": [{"verdict": "unknown", "max_share": 1.0}]}])
@pytest.mark.parametrize("known", [False, True])
def test_a_run_that_saw_too_little_never_passes(document: dict[str, Any], case: str, fail_on: Any, known: bool) -> None:
    baseline = {**document, "generated_at": "2026-11-01T00:00:00Z"} if known else None
    decision = gate(document, fail_on, min_coverage=0.9, baseline=baseline)
    assert decision.outcome == "could_not_look"
    assert case in cases(decision)
    for problem in decision.of(Status.COULD_NOT_LOOK)[:1]:
        assert problem.message.endswith(".")
        assert problem.remedy


@pytest.mark.parametrize("coverage", [0, 0.0, 0.5])
def test_no_option_makes_nothing_enough(coverage: float) -> None:
    nobody = report([PC("off", verdict="unknown"), PC("file", {"C:": "on_file"})])
    assert gate(nobody, {"verdicts": []}, min_coverage=coverage).outcome == "could_not_look"
    half = report([*fine(1), PC("off", verdict="unknown")])
    assert gate(half, min_coverage=coverage).outcome == "compliant"
    assert gate(half, min_coverage=0.51).outcome == "could_not_look"


def test_coverage_is_reached_at_its_very_number() -> None:
    nine = report([*fine(9), PC("off", verdict="unknown")])
    assert gate(nine, min_coverage=0.9).outcome == "compliant"
    assert gate(nine, min_coverage=0.91).outcome == "could_not_look"
    assert gate(nine).of(Status.TOLERATED)[0].computer == "off"


def test_computers_may_be_seen_and_their_volumes_not() -> None:
    decision = gate(report([*fine(8), PC("a", verdict="unknown", seen=True), PC("b", verdict="unknown", seen=True)]))
    assert decision.outcome == "could_not_look"
    assert cases(decision) == {"verdicts judged"}
    # which ones they are is told too
    assert {problem.computer for problem in decision.of(Status.COULD_NOT_LOOK)} == {None, "a", "b"}


@pytest.mark.parametrize("code", ["KW-HST-001", "KW-HST-002", "KW-HST-003", "KW-HST-004", "KW-HST-005", "KW-HST-006"])
def test_a_code_that_says_that_nobody_looked_fails_as_that(code: str) -> None:
    document = report([*fine(30), PC("off", verdict="unknown", codes=[(code, None)])])
    assert gate(document).outcome == "compliant"
    decision = gate(document, {"codes": [code]})
    assert decision.outcome == "could_not_look"
    assert [(p.code, p.computer) for p in decision.of(Status.COULD_NOT_LOOK)] == [(code, "off")]
    assert gate(document, {"codes": [code]}, baseline={**document, "generated_at": "2026-11-01T00:00:00Z"}).outcome == "could_not_look"


@pytest.mark.parametrize(("code", "verdict"), [("KW-VOL-007", "unknown"), ("KW-VOL-008", "on_file")])
def test_so_does_the_code_of_such_a_verdict(code: str, verdict: str) -> None:
    document = report([*fine(30), PC("off", {"C:": verdict})])
    assert gate(document, {"codes": [code]}).outcome == "could_not_look"


def test_severities_mix_both_kinds() -> None:
    document = report(
        [
            *fine(30),
            PC("off", verdict="unknown", codes=[("KW-HST-001", None)]),
            PC("weak", {"C:": "escrowed"}, codes=[("KW-VOL-104", "C:")]),
        ]
    )
    decision = gate(document, {"severities": ["medium"]})
    assert decision.outcome == "findings"
    assert failing(decision) == [("KW-VOL-104", "weak", "C:")]
    assert {p.code for p in decision.of(Status.COULD_NOT_LOOK)} == {"KW-HST-001", "KW-VOL-007"}
    assert gate(document, {"severities": ["high"]}).outcome == "compliant"


@pytest.mark.parametrize(
    ("hours", "outcome"), [(23, "compliant"), (24, "compliant"), (25, "could_not_look"), (-0.05, "compliant"), (-1, "could_not_look")]
)
def test_the_age_of_the_report(hours: float, outcome: str) -> None:
    assert gate(report(fine(3)), max_age=24, now=NOW + timedelta(hours=hours)).outcome == outcome
    assert gate(report(fine(3)), now=NOW + timedelta(days=3650)).outcome == "compliant"


# --- thresholds --------------------------------------------------------------------------------------------------------------------------


def spoilt(number: int, verdict: str = "not_encrypted", whole: int = 100) -> dict[str, Any]:
    return report([*fine(whole - number), *[PC(f"bad{at:02}", {"C:": verdict}) for at in range(number)]])


@pytest.mark.parametrize(
    ("threshold", "number", "outcome"),
    [
        ({"verdict": "not_encrypted", "max": 3}, 3, "compliant"),
        ({"verdict": "not_encrypted", "max": 3}, 4, "findings"),
        ({"verdict": "not_encrypted", "max": 0}, 1, "findings"),
        ({"verdict": "not_encrypted", "max_share": 0.02}, 2, "compliant"),
        ({"verdict": "not_encrypted", "max_share": 0.02}, 3, "findings"),
        ({"verdict": "not_encrypted", "max_share": 0.29}, 29, "compliant"),
        ({"verdict": "not_encrypted", "max_share": 0.29}, 30, "findings"),
        ({"verdict": "not_encrypted", "max_share": 1.0}, 100, "compliant"),
        ({"verdict": "at_risk", "max": 50}, 1, "findings"),
        # the word of a threshold is that word alone: the verdict fails by default
        ({"code": "KW-VOL-001", "max": 50}, 1, "findings"),
        ({"severity": "high", "max": 50}, 1, "findings"),
    ],
)
def test_a_threshold_takes_its_word_and_no_other_out(threshold: dict[str, Any], number: int, outcome: str) -> None:
    assert gate(spoilt(number), {"thresholds": [threshold]}).outcome == outcome


def test_thresholds_for_codes_and_severities() -> None:
    weak = report([*fine(90), *[PC(f"weak{at}", {"C:": "escrowed"}, codes=[("KW-VOL-104", "C:")]) for at in range(10)]])
    for word in ({"code": "KW-VOL-104"}, {"severity": "medium"}):
        assert gate(weak, {"thresholds": [{**word, "max": 10}]}).outcome == "compliant"
        assert gate(weak, {"thresholds": [{**word, "max": 9}]}).outcome == "findings"
        assert gate(weak, {"thresholds": [{**word, "max_share": 0.1}]}).outcome == "compliant"
        assert gate(weak, {"thresholds": [{**word, "max_share": 0.09}]}).outcome == "findings"
    both = {"codes": ["KW-VOL-104"], "thresholds": [{"code": "KW-VOL-104", "max": 10}]}
    assert gate(weak, both).outcome == "compliant"


def test_a_threshold_counts_computers_not_volumes() -> None:
    document = report([*fine(9), PC("bad", {"C:": "not_encrypted", "D:": "not_encrypted"})])
    assert gate(document, {"thresholds": [{"verdict": "not_encrypted", "max": 1}]}).outcome == "compliant"


def test_a_threshold_for_what_nobody_saw_is_no_licence_to_see_too_little() -> None:
    document = report([*fine(95), *[PC(f"off{at}", verdict="unknown") for at in range(5)]])
    assert gate(document, {"thresholds": [{"verdict": "unknown", "max": 5}]}).outcome == "compliant"
    assert gate(document, {"thresholds": [{"verdict": "unknown", "max": 4}]}).outcome == "could_not_look"


@pytest.mark.parametrize(
    ("fail_on", "named"),
    [
        ({"thresholds": [{"verdict": "not_encrypted"}]}, "max or max_share"),
        ({"thresholds": [{"verdict": "not_encrypted", "max": 1, "max_share": 0.1}]}, "max or max_share"),
        ({"thresholds": [{"max": 1}]}, "one verdict, severity or code"),
        ({"thresholds": [{"verdict": "unescrowed", "code": "KW-VOL-004", "max": 1}]}, "one verdict, severity or code"),
        ({"thresholds": [{"verdict": "unescrowed", "max": 1}, {"verdict": "unescrowed", "max": 2}]}, "twice"),
        ({"thresholds": [{"verdict": "unescrowed", "max": -1}]}, "max of unescrowed"),
        ({"thresholds": [{"verdict": "unescrowed", "max_share": 2}]}, "max_share of unescrowed"),
        ({"thresholds": [{"verdict": "unescrowed", "max_share": float("nan")}]}, "max_share of unescrowed"),
        ({"thresholds": [{"code": "KW-STO-001", "max": 1}]}, "about the run"),
        ({"thresholds": [{"code": "KW-RUN-001", "max": 1}]}, "about the run"),
        ({"thresholds": [{"code": "KW-VOL-999", "max": 1}]}, "KW-VOL-999"),
        ({"thresholds": [{"verdict": "recoverable", "max": 1}]}, "recoverable"),
        ({"codes": ["KW-VOL-4"]}, "KW-VOL-4"),
        ({"verdicts": ["recoverable"]}, "recoverable"),
        ({"verdicts": ["bad"]}, "bad"),
        ({"severities": ["fatal"]}, "fatal"),
    ],
)
def test_options_that_mean_nothing_are_refused(fail_on: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=named):
        make_policy(fail_on, min_coverage=0.9)


@pytest.mark.parametrize("options", [{"min_coverage": -0.1}, {"min_coverage": 1.1}, {"min_coverage": True}, {"min_coverage": float("nan")}])
def test_a_coverage_that_is_no_part_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="min_coverage"):
        make_policy(None, **options)


@pytest.mark.parametrize("hours", [0, -1, float("nan"), 1e300])
def test_an_age_that_is_none_is_refused(hours: float) -> None:
    with pytest.raises(OptionError, match="max_age"):
        make_policy(None, min_coverage=0.9, max_age=hours)


# --- baseline ------------------------------------------------------------------------------------------------------------------------


def compared(before: list[PC], now: list[PC], fail_on: dict[str, Any] | None = None, **options: Any) -> Decision:
    return gate(report([*fine(30), *now]), fail_on, baseline=report([*fine(30), *before], at=EARLIER), **options)


def test_only_what_is_new_fails() -> None:
    old, new = PC("old", {"C:": "unescrowed"}), PC("new", {"C:": "unescrowed"})
    decision = compared([old], [old, new])
    assert failing(decision) == [("KW-VOL-004", "new", "C:")]
    assert [problem.computer for problem in decision.of(Status.KNOWN)] == ["old"]
    assert compared([old], [old]).outcome == "compliant"
    assert compared([old, new], [old]).outcome == "compliant"


@pytest.mark.parametrize(
    ("before", "now", "outcome"),
    [
        ("escrowed", "unescrowed", "findings"),
        ("unknown", "unescrowed", "findings"),
        ("on_file", "unescrowed", "findings"),
        ("at_risk", "unescrowed", "findings"),
        ("unprotected", "unescrowed", "findings"),
        ("unescrowed", "unprotected", "findings"),
        ("unescrowed", "not_encrypted", "findings"),
        ("wrong_key", "unescrowed", "findings"),
        (None, "unescrowed", "findings"),
        ("unescrowed", "at_risk", "compliant"),
        ("wrong_key", "at_risk", "compliant"),
        ("no_recovery_password", "at_risk", "compliant"),
        ("unescrowed", "unescrowed", "compliant"),
        ("unescrowed", "escrowed", "compliant"),
    ],
)
def test_a_verdict_that_changed_is_new_unless_it_came_nearer(before: str | None, now: str, outcome: str) -> None:
    assert compared([PC("pc", {"C:": before})], [PC("pc", {"C:": now})]).outcome == outcome


@pytest.mark.parametrize("key", ["ad_guid", "entra_device_id", "serial", "hardware_uuid"])
def test_another_machine_under_an_old_name_is_new(key: str) -> None:
    before, now = (PC("pc", {"C:": "unescrowed"}, identities={key: value}) for value in ("one", "two"))
    assert compared([before], [now]).outcome == "findings"
    # what was not known then, or is not known now, contradicts nothing
    assert compared([PC("pc", {"C:": "unescrowed"})], [now]).outcome == "compliant"


def test_a_renamed_computer_hides_nothing() -> None:
    pc = {"C:": "unescrowed"}
    assert failing(compared([PC("before", pc)], [PC("after", pc)])) == [("KW-VOL-004", "after", "C:")]


def test_a_volume_is_known_by_its_device_and_not_by_its_letter() -> None:
    moved = [PC("pc", {label: "unescrowed"}, devices={label: "same"}) for label in ("D:", "E:")]
    assert compared(moved[:1], moved[1:]).outcome == "compliant"
    replaced = [PC("pc", {"D:": "unescrowed"}, devices={"D:": disk}) for disk in ("old", "new")]
    assert compared(replaced[:1], replaced[1:]).outcome == "findings"
    weak = [PC("pc", {"D:": "escrowed"}, codes=[("KW-VOL-104", "D:")], devices={"D:": disk}) for disk in ("old", "new")]
    assert compared(weak[:1], weak[1:], {"codes": ["KW-VOL-104"]}).outcome == "findings"
    assert compared(weak[:1], weak[:1], {"codes": ["KW-VOL-104"]}).outcome == "compliant"


def test_a_second_volume_of_a_known_computer_is_new() -> None:
    one, two = PC("pc", {"C:": "unescrowed"}), PC("pc", {"C:": "unescrowed", "D:": "unescrowed"})
    assert failing(compared([one], [two])) == [("KW-VOL-004", "pc", "D:")]


def test_what_is_old_counts_for_a_threshold_and_only_what_is_new_fails() -> None:
    old = [PC(f"old{at}", {"C:": "at_risk"}) for at in range(3)]
    few = {"thresholds": [{"verdict": "at_risk", "max": 3}]}
    assert compared(old, old, few).outcome == "compliant"
    more = compared(old, [*old, PC("new", {"C:": "at_risk"})], few)
    assert failing(more) == [("KW-VOL-005", "new", "C:")]
    assert compared([*old, PC("gone", {"C:": "at_risk"})], old, {"thresholds": [{"verdict": "at_risk", "max": 1}]}).outcome == "compliant"


def test_a_proof_that_is_asked_for_now_makes_what_was_fine_new() -> None:
    before, now = (report([PC("pc", {"C:": "escrowed"})], proof=proof, at=at) for proof, at in (("none", EARLIER), ("live", NOW)))
    assert gate(now, baseline=before).outcome == "findings"
    assert gate(now, baseline={**now, "generated_at": before["generated_at"]}).outcome == "compliant"


@pytest.mark.parametrize("at", [NOW, NOW + timedelta(seconds=1), NOW + timedelta(days=1)])
def test_a_baseline_that_is_not_earlier_is_an_error(at: datetime) -> None:
    with pytest.raises(BadDataError, match=r"very report|after the report"):
        gate(report([PC("pc", {"C:": "unescrowed"})]), baseline=report([PC("pc", {"C:": "unescrowed"})], at=at))


# --- rules ---------------------------------------------------------------------------------------------------------------------------


def ruled(now: RuleAnswer, before: RuleAnswer | None = None, severity: Severity = Severity.HIGH) -> Rule:
    return Rule(name="own", severity=severity, message="Not so.", now=now, before=before)


HERE = RuleAnswer(places=(RulePlace(computer="ok001"),))


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        (ruled(RuleAnswer()), "compliant"),
        (ruled(RuleAnswer(others=1)), "findings"),
        (ruled(HERE), "findings"),
        (ruled(HERE, severity=Severity.LOW), "findings"),
        (ruled(HERE, severity=Severity.INFO), "compliant"),
    ],
)
def test_a_rule_that_fires_fails_unless_it_only_informs(rule: Rule, outcome: str) -> None:
    decision = gate(report(fine(3)), rules=[rule])
    assert decision.outcome == outcome
    if rule.severity is Severity.INFO:
        assert [problem.computer for problem in decision.of(Status.TOLERATED)] == ["ok001"]
        assert gate(report(fine(3)), {"severities": ["info"]}, rules=[rule]).outcome == "findings"


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        (ruled(HERE, HERE), "compliant"),
        (ruled(HERE, RuleAnswer()), "findings"),
        (ruled(RuleAnswer(others=1), RuleAnswer(others=1)), "compliant"),
        (ruled(RuleAnswer(others=2), RuleAnswer(others=1)), "findings"),
        (ruled(RuleAnswer(places=(RulePlace(computer="ok001", volume="C:"),)), HERE), "findings"),
    ],
)
def test_a_rule_is_asked_of_the_baseline_too(rule: Rule, outcome: str) -> None:
    assert gate(report(fine(3)), rules=[rule], baseline=report(fine(3), at=EARLIER)).outcome == outcome
