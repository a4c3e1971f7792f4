# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to a decision: files that are no reports, reports of another run, JUnit files and what counts as changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import gate_files, gate_run
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_types import Outcome
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError, KeywardError, OptionError
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.gate_sample import EARLIER, NOW, PC, fine, report

GOOD = report(fine(3))


def options(**changes: Any) -> dict[str, Any]:
    usual = dict.fromkeys(["report_file", "report", "report_variable", "generated_at", "fail_on", "max_age", "baseline", "junit_file"])
    return {**usual, "min_coverage": 0.9, "rules": [], "max_listed": 100, **changes}


def written(folder: Path, document: Any, name: str = "report.json") -> str:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return str(path)


def test_a_report_comes_by_file_as_data_or_by_variable(tmp_path: Path) -> None:
    for given in ({"report_file": written(tmp_path, GOOD)}, {"report": GOOD}, {"report_variable": "mine"}):
        decision = gate_run.judge(options(**given), {"mine": {"query_result": GOOD}}, NOW)
        assert decision.outcome is Outcome.COMPLIANT


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "no JSON"),
        (json.dumps(GOOD)[:-20], "cut off"),
        ("[" * 100_000, "nested"),
        ('{"schema_version": 1, "schema_version": 1}', "a key stands twice"),
        ('{"schema_version": NaN}', "NaN is no number"),
        ("1" * 5000, "no JSON"),
        ("\ufeff{}", "no JSON"),
        ("null", "no escrow report"),
        ('{"schema_version": 2}', "newer"),
    ],
)
@pytest.mark.parametrize("option", ["report_file", "baseline"])
def test_a_file_that_is_no_report_is_an_error(tmp_path: Path, content: str, named: str, option: str) -> None:
    given = {"report": GOOD} | {option: written(tmp_path, content)}
    with pytest.raises(BadDataError, match=named):
        gate_run.judge(options(**given | ({"report": None} if option == "report_file" else {})), {}, NOW)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(BadDataError, match="UTF-8"):
        gate_files.load_report(tmp_path / "report.json", option="report_file")


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_files, "MAX_BYTES", 100)
    with pytest.raises(BadDataError, match="more than"):
        gate_files.load_report(Path(written(tmp_path, "[" + "1," * 100)), option="report_file")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing", Path("/dev/zero"), Path("a\x00b")):
        with pytest.raises(OptionError, match="option baseline"):
            gate_run.judge(options(report=GOOD, baseline=str(path)), {}, NOW)


def test_another_runs_report_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert gate_run.judge(options(report_file=path, generated_at=GOOD["generated_at"]), {}, NOW).outcome is Outcome.COMPLIANT
    with pytest.raises(BadDataError, match="another run's"):
        gate_run.judge(options(report_file=path, generated_at="2026-11-22T20:00:01Z"), {}, NOW)


@pytest.mark.parametrize(
    ("result", "named"),
    [
        (None, "no result"),
        ("text", "no result of a task"),
        ({"failed": True, "msg": "No directory."}, "No directory"),
        ({"unreachable": True, "msg": "Gone."}, "Gone"),
        ({"skipped": True}, "was skipped"),
        ({"summary": {}}, "only the summary"),
    ],
)
def test_a_result_without_a_report_is_an_error(result: Any, named: str) -> None:
    with pytest.raises(OptionError, match=named):
        gate_run.judge(options(report_variable="mine"), {"mine": result} if result is not None else {}, NOW)


def test_an_error_in_a_rule_comes_before_any_file_is_read() -> None:
    with pytest.raises(OptionError, match="rule x"):
        gate_run.judge(
            options(report_file="/missing", rules=[{"name": "x", "expression": "[", "severity": "high", "message": None}]), {}, NOW
        )


def test_the_baseline_is_this_very_file(tmp_path: Path) -> None:
    path = written(tmp_path, report([PC("pc", {"C:": "unescrowed"})]))
    with pytest.raises(BadDataError, match="very report"):
        gate_run.judge(options(report_file=path, baseline=path), {}, NOW)


def test_the_junit_file_is_changed_where_its_content_is(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "gate.xml"
    first = gate_run.judge(options(report=GOOD), {}, NOW)
    assert gate_run.write_junit(first, path, check_mode=True) is True
    assert not path.exists()
    assert gate_run.write_junit(first, path, check_mode=False) is True
    later = gate_run.judge(options(report={**GOOD, "generated_at": "2026-11-22T21:00:00Z"}), {}, NOW)
    assert gate_run.write_junit(later, path, check_mode=False) is False
    other = gate_run.judge(options(report=report([*fine(2), PC("ok002", {"C:": "unescrowed"})])), {}, NOW)
    assert gate_run.write_junit(other, path, check_mode=True) is True
    assert gate_run.write_junit(other, path, check_mode=False) is True
    with pytest.raises(KeywardError, match="write a file"):
        gate_run.write_junit(other, tmp_path / "folder" / "gate.xml" / "below", check_mode=False)


def test_a_result_stays_small_and_says_how_much_there_is() -> None:
    verdicts = ["unescrowed"] * 500 + ["unprotected", "not_encrypted"]
    decision = gate_run.judge(options(report=report([PC(f"bad{at:04}", {"C:": verdict}) for at, verdict in enumerate(verdicts)])), {}, NOW)
    for most in (0, 1, 3, 100, 502, 1000):
        result = gate_run.result_of(decision, most)
        assert (len(result["failures"]), result["failure_count"]) == (min(most, 502), 502)
        json.dumps(result)
    assert set(result["failures"][0]) == {"check", "code", "severity", "computer", "volume", "message", "remedy"}
    # one of each kind first, and in the order that there is
    few = [(failure["code"], failure["computer"]) for failure in gate_run.result_of(decision, 4)["failures"]]
    assert few == [("KW-VOL-004", "bad0000"), ("KW-VOL-002", "bad0500"), ("KW-VOL-001", "bad0501"), ("KW-VOL-004", "bad0001")]
    with pytest.raises(OptionError, match="max_listed"):
        gate_run.judge(options(report=GOOD, max_listed=-1), {}, NOW)


def test_the_sentence_names_the_first_and_how_many() -> None:
    both = report([PC("bad", {"C:": "unescrowed"}), *[PC(f"off{at}", verdict="unknown") for at in range(5)]])
    text = gate_run.sentence(gate_run.judge(options(report=both), {}, NOW))
    assert text.startswith("1 thing fails, the first: KW-VOL-004 bad C: No required store")
    assert "Too little was seen to pass: Only 1 of 6 computers" in text
    assert gate_run.sentence(gate_run.judge(options(report=GOOD), {}, NOW)) == "Compliant."
    known = options(report=report([PC("bad", {"C:": "unescrowed"})]))
    assert gate_run.judge(known, {}, NOW).outcome is Outcome.FINDINGS


def test_a_baseline_is_read_by_path(tmp_path: Path) -> None:
    bad = [*fine(20), PC("bad", {"C:": "unescrowed"})]
    path = written(tmp_path, report(bad, at=EARLIER), "baseline.json")
    result = gate_run.result_of(gate_run.judge(options(report=report(bad), baseline=path), {}, NOW), 100)
    assert (result["outcome"], result["known_count"], result["baseline_generated_at"]) == ("compliant", 1, "2026-11-21T20:00:00Z")
