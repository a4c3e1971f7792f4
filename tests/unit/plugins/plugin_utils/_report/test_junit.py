# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's JUnit file: what it says of each computer, that others can read it, and that no name breaks it."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import junitparser
import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate import decide
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_baseline import Baseline
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_policy import make_policy
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_report import read_report
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_types import Decision, Outcome, Rule, RuleAnswer, RulePlace
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Severity
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import gate_summary, junit
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.gate_sample import EARLIER, NOW, PC, fine, report
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._report import sample
from hypothesis import given, settings
from hypothesis import strategies as st

HOSTILE = [
    *sample.HOSTILE_NAMES,
    "]]>",
    "<![CDATA[x]]>",
    "\ud800half",
    "nul\x00",
    "\ufffe",
    "&amp;&lt;",
    "\U0001fffe",
    "\x85\u2029",
    "%s{0}",
]


def decided(document: dict[str, Any], fail_on: dict[str, Any] | None = None, **options: Any) -> Decision:
    found = read_report(document, "report")
    before = options.pop("baseline", None)
    baseline = Baseline(read_report(before, "baseline"), found, "baseline") if before else None
    return decide(found, make_policy(fail_on, min_coverage=0.9), now=NOW, baseline=baseline, **options)


def cases(decision: Decision, suite: str) -> dict[str, str]:
    """Case -> passed, failure, error or skipped."""
    root = ElementTree.fromstring(junit.render(decision).encode("utf-8"))
    (found,) = [one for one in root if one.get("name") == suite]
    return {str(case.get("name")): case[0].tag if len(case) else "passed" for case in found}


WHOLE = report(
    [
        *fine(12),
        PC("bad", {"C:": "escrowed", "D:": "unescrowed"}),
        PC("old", {"C:": "not_encrypted"}),
        PC("weak", {"C:": "escrowed"}, codes=[("KW-VOL-104", "C:")]),
        PC("off", verdict="unknown"),
        PC("kiosk", {"C:": None}),
    ]
)
RULE = Rule(name="own", severity=Severity.HIGH, message="Not so.", now=RuleAnswer(places=(RulePlace(computer="ok003"),), others=1))


def test_a_case_for_each_computer_and_check() -> None:
    earlier = report([*fine(12), PC("old", {"C:": "not_encrypted"})], at=EARLIER)
    decision = decided(WHOLE, {"codes": ["KW-VOL-104"]}, baseline=earlier, rules=[RULE])
    passed = {f"ok{at:03}": "passed" for at in range(12)}
    found = cases(decision, "verdicts")
    assert found == {**passed, "bad": "failure", "old": "skipped", "weak": "passed", "off": "skipped", "kiosk": "skipped"}
    assert cases(decision, "code KW-VOL-104") == {
        **passed,
        **dict.fromkeys(["bad", "old", "off"], "passed"),
        "weak": "failure",
        "kiosk": "skipped",
    }
    assert cases(decision, "rule own") == {
        **passed,
        **dict.fromkeys(["bad", "old", "off", "weak"], "passed"),
        "ok003": "failure",
        "kiosk": "skipped",
        "the report": "failure",
    }
    assert set(cases(decision, "coverage").values()) == set(cases(decision, "stores").values()) == {"passed"}


def test_what_could_not_be_looked_at_is_an_error_only_where_it_keeps_the_gate_from_passing() -> None:
    few = report([*fine(3), PC("off", verdict="unknown")], stores={"ad": "searched", "entra": "down"}, run=["KW-STO-001"])
    assert cases(decided(few), "verdicts")["off"] == "error"
    assert cases(decided(few), "stores") == {"ad": "passed", "entra": "error"}
    assert cases(decided(few), "coverage")["computers observed"] == "error"
    many = report([*fine(30), PC("off", verdict="unknown")])
    assert cases(decided(many), "verdicts")["off"] == "skipped"
    assert cases(decided(many, {"verdicts": ["unknown"]}), "verdicts")["off"] == "error"


def test_the_sums_are_right_and_others_read_it(tmp_path: Any) -> None:
    path = tmp_path / "gate.xml"
    path.write_text(junit.render(decided(WHOLE, {"severities": ["medium"]}, rules=[RULE])), encoding="utf-8")
    suites = {suite.name: suite for suite in junitparser.JUnitXml.fromfile(str(path))}
    assert list(suites) == ["coverage", "stores", "verdicts", "severity medium", "rule own"]
    for suite in suites.values():
        results = [type(result).__name__ for case in suite for result in case.result]
        stated = (suite.tests, suite.failures, suite.errors, suite.skipped)
        assert stated == (len(list(suite)), *(results.count(word) for word in ("Failure", "Error", "Skipped")))
    (bad,) = [case for case in suites["verdicts"] if case.name == "bad"]
    assert bad.classname == "keyward.bitlocker.verdicts"
    assert bad.result[0].type == "KW-VOL-004"
    assert bad.result[0].message.startswith("D: No required store")
    assert "Back up the password" in bad.result[0].text


@pytest.mark.parametrize("message", HOSTILE)
def test_an_error_is_a_file_of_its_own(message: str) -> None:
    (suite,) = ElementTree.fromstring(junit.render_error(message).encode("utf-8"))
    assert (suite.get("tests"), suite.get("errors"), suite[0][0].tag) == ("1", "1", "error")


def test_the_same_decision_gives_the_same_text() -> None:
    later = decided({**WHOLE, "generated_at": "2026-11-22T20:09:09Z"})
    assert junit.render(later) == junit.render(decided(WHOLE))


def test_a_case_with_very_many_problems_stays_small() -> None:
    document = report([*fine(3), PC("many", {f"V{at}": "unescrowed" for at in range(64)})])
    (text,) = [element.text for element in ElementTree.fromstring(junit.render(decided(document))).iter("failure")]
    assert text is not None
    assert text.endswith("and 44 more")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_it(name: str) -> None:
    pc = PC(name, {name: "unescrowed", "D:": "escrowed"}, codes=[("KW-VOL-104", name)])
    rule = Rule(name=name, severity=Severity.HIGH, message=name, now=RuleAnswer(places=(RulePlace(computer=name),), others=1))
    text = junit.render(decided(report([pc], stores={name: "partial"}, run=["KW-STO-001"]), {"severities": ["medium"]}, rules=[rule]))
    root = ElementTree.fromstring(text.encode("utf-8"))
    assert {element.tag for element in root.iter()} <= {"testsuites", "testsuite", "testcase", "failure", "error", "skipped"}
    assert all(char == "\n" or char.isprintable() for char in text)
    shown = gate_summary.render(decided(report([pc]), rules=[rule]), [name])
    assert all(char == "\n" or char == "\u00a0" or char.isprintable() for char in shown)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_nor_does_any_text(name: str, message: str) -> None:
    document = report([PC(name, {message: "wrong_key"})])
    document["findings"][0]["message"] = document["findings"][0]["remedy"] = message
    root = ElementTree.fromstring(junit.render(decided(document)).encode("utf-8"))
    assert len(list(root.iter("failure"))) == 1


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        (report(fine(3)), Outcome.COMPLIANT),
        (WHOLE, Outcome.FINDINGS),
        (report([*fine(1), PC("off", verdict="unknown")]), Outcome.COULD_NOT_LOOK),
        (report([]), Outcome.COULD_NOT_LOOK),
    ],
)
def test_file_and_outcome_agree(document: dict[str, Any], outcome: Outcome) -> None:
    decision = decided(document)
    assert decision.outcome is outcome
    tags = {element.tag for element in ElementTree.fromstring(junit.render(decision)).iter()}
    assert ("failure" in tags) == (outcome is Outcome.FINDINGS)
    assert ("error" in tags) == (outcome is Outcome.COULD_NOT_LOOK)
    assert outcome.value.replace("_", " ").upper() in gate_summary.render(decision).splitlines()[-1]


def test_the_summary_says_numbers_places_and_what_to_do() -> None:
    earlier = report([PC("old", {"C:": "not_encrypted"})], at=EARLIER)
    text = gate_summary.render(decided(WHOLE, baseline=earlier), ["report.json", "gate.xml"])
    assert "Report of 2026-11-22 20:00 UTC: 17 computers, 17 verdicts, 14 pass" in text
    assert "Observed 16 of 17 (94 %), judged 16 of 17 (94 %), 90 % wanted" in text
    assert "1. KW-VOL-004 (high), 1 time: bad D:" in text
    assert "     -> Back up the password" in text
    assert "Known from the baseline of 2026-11-21 20:00 UTC: 1" in text
    assert "Tolerated by the options: 1" in text
    assert text.index("report.json") < text.index("gate.xml")
