# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison finds every kind of difference, in both directions, and none where there is none."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare, main

KEY, TPM = "11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555"
TRUTH: dict[str, Any] = {
    "volumes": [
        {
            "computer": "pc1.lab.example",
            "volume": "C:",
            "verdict": "unescrowed",
            "flags": ["suspended"],
            "findings": ["KW-ESC-006", "KW-VOL-004"],
            "protectors": {KEY: {"ad": "absent"}},
        },
        {"computer": "pc1.lab.example", "volume": "E:", "verdict": None, "flags": [], "findings": [], "protectors": {}},
    ],
    "computers": [
        {"computer": "pc1.lab.example", "verdict": "unescrowed", "findings": ["KW-ESC-001"]},
        {"computer": "pc2", "verdict": "on_file", "findings": ["KW-HST-001", "KW-VOL-008"]},
    ],
    "run_findings": ["KW-STO-002"],
    "complete": False,
    "passed": False,
}


def finding(code: str, computer: str | None = None, volume: str | None = None) -> dict[str, Any]:
    """A finding of a report."""
    return {"code": code, "severity": "low", "computer": computer, "volume": volume, "message": "", "remedy": ""}


def right_report() -> dict[str, Any]:
    """A report that says what is true."""
    tpm = {"key_id": TPM, "type": "tpm"}
    password = {"key_id": KEY, "type": "recovery_password", "stores": {"ad": {"state": "absent", "entries": []}}}
    volumes = [
        {"volume": "C:", "in_scope": True, "verdict": "unescrowed", "flags": ["suspended"], "protectors": [tpm, password]},
        {"volume": "E:", "in_scope": False, "verdict": None, "flags": [], "protectors": [tpm]},
    ]
    findings = [
        finding("KW-VOL-004", "pc1.lab.example", "C:"),
        finding("KW-ESC-006", "pc1.lab.example", "C:"),
        finding("KW-ESC-001", "pc1.lab.example"),
        finding("KW-HST-001", "pc2"),
        finding("KW-VOL-008", "pc2"),
        finding("KW-STO-002"),
    ]
    return {
        "schema_version": 1,
        "complete": False,
        "passed": False,
        "summary": {
            "computers": 2,
            "volumes": 2,
            "verdicts": {"unescrowed": 1, "on_file": 1, "escrowed": 0},
            "flags": {"suspended": 1},
            "findings": dict(Counter(item["code"] for item in findings)),
            "passing": 0,
            "could_not_look": 1,
            "coverage": 0.5,
        },
        "computers": [
            {"name": "pc2", "verdict": "on_file", "flags": [], "volumes": []},
            {"name": "pc1.lab.example", "verdict": "unescrowed", "flags": [], "volumes": volumes},
        ],
        "findings": findings,
    }


def test_no_difference() -> None:
    assert compare(right_report(), TRUTH) == []


def pc1(report: dict[str, Any]) -> dict[str, Any]:
    """The computer that has volumes."""
    found: dict[str, Any] = report["computers"][1]
    return found


def volume(report: dict[str, Any]) -> dict[str, Any]:
    """Its first volume."""
    found: dict[str, Any] = pc1(report)["volumes"][0]
    return found


def states(report: dict[str, Any]) -> dict[str, Any]:
    """Its recovery password's states."""
    found: dict[str, Any] = volume(report)["protectors"][1]["stores"]
    return found


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "verdict of a volume": (
        lambda r: volume(r).update(verdict="escrowed"),
        "pc1.lab.example C:: verdict is 'escrowed', true is 'unescrowed'",
    ),
    "verdict out of scope": (lambda r: pc1(r)["volumes"][1].update(verdict="unescrowed"), "pc1.lab.example E:: verdict is"),
    "in_scope": (lambda r: pc1(r)["volumes"][1].update(in_scope=True), "in_scope is True"),
    "verdict of a computer": (lambda r: pc1(r).update(verdict="escrowed"), "pc1.lab.example: verdict is 'escrowed'"),
    "flag too much": (lambda r: volume(r)["flags"].append("locked"), "flags: locked should not be there"),
    "flag missing": (lambda r: volume(r)["flags"].clear(), "flags: suspended is missing"),
    "flag twice": (lambda r: volume(r)["flags"].append("suspended"), "flags: suspended should not be there"),
    "state": (lambda r: states(r)["ad"].update(state="present"), "ad is 'present', true is 'absent'"),
    "store too much": (lambda r: states(r).update(entra={"state": "absent"}), "entra should not be there"),
    "store missing": (lambda r: states(r).clear(), "ad is missing"),
    "protector missing": (lambda r: volume(r)["protectors"].pop(), f"{KEY} is missing"),
    "protector too much": (lambda r: volume(r)["protectors"][0].update(stores={"ad": {"state": "absent"}}), f"{TPM} should not be there"),
    "finding missing": (lambda r: r["findings"].pop(0), "pc1.lab.example C:: findings: KW-VOL-004 is missing"),
    "finding twice": (lambda r: r["findings"].append(r["findings"][0]), "findings: KW-VOL-004 should not be there"),
    "finding of another volume": (lambda r: r["findings"][0].update(volume="E:"), "pc1.lab.example E:: findings: KW-VOL-004 should not be"),
    "finding of no place": (lambda r: r["findings"][0].update(volume="X:"), "which the report does not list"),
    "finding of a computer": (lambda r: r["findings"].append(finding("KW-HST-010", "pc2")), "pc2: findings: KW-HST-010 should not be"),
    "run finding missing": (lambda r: r["findings"].pop(), "the run: findings: KW-STO-002 is missing"),
    "run finding too much": (lambda r: r["findings"].append(finding("KW-RUN-001")), "the run: findings: KW-RUN-001 should not be"),
    "complete": (lambda r: r.update(complete=True), "the run: complete is True"),
    "passed": (lambda r: r.update(passed=True), "the run: passed is True"),
    "passed is no number": (lambda r: r.update(passed=0), "the run: passed is 0"),
    "computer missing": (lambda r: r["computers"].pop(0), "pc2 is missing in the report"),
    "computer too much": (lambda r: r["computers"].append({**pc1(r), "name": "pc9", "volumes": []}), "pc9 should not be in the report"),
    "computer twice": (lambda r: r["computers"].append(copy.deepcopy(pc1(r))), "pc1.lab.example is in the report twice"),
    "volume missing": (lambda r: pc1(r)["volumes"].pop(), "pc1.lab.example E: is missing in the report"),
    "volume too much": (lambda r: pc1(r)["volumes"].append({**volume(r), "volume": "Z:"}), "pc1.lab.example Z: should not be"),
    "count of verdicts": (lambda r: r["summary"]["verdicts"].update(escrowed=3), "summary: verdicts: escrowed should not be there"),
    "count of findings": (lambda r: r["summary"]["findings"].update({"KW-ESC-006": 2}), "summary: findings: KW-ESC-006 is 2, true is 1"),
    "count of flags": (lambda r: r["summary"]["flags"].clear(), "summary: flags: suspended is missing"),
    "count of units": (lambda r: r["summary"].update(could_not_look=2), "summary: could_not_look is 2, true is 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_kind_of_difference_is_found(name: str) -> None:
    change, expected = WRONG[name]
    report = right_report()
    change(report)
    differences = compare(report, TRUTH)
    assert any(expected in difference for difference in differences), differences


@pytest.mark.parametrize(
    "report", [{}, {"computers": 3}, {**right_report(), "findings": [{}]}, {**right_report(), "summary": None}, [], None, 7]
)
def test_a_malformed_report_is_a_difference(report: Any) -> None:
    assert compare(report, TRUTH)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, truth = tmp_path / "report.json", tmp_path / "truth.json"
    truth.write_text(json.dumps(TRUTH))
    report.write_text(json.dumps(right_report()))
    assert main([str(report), str(truth)]) == 0
    assert "2 computers, 2 volumes: 0 difference(s)" in capsys.readouterr().out
    wrong = right_report()
    wrong["computers"][0]["name"] = "pc\u202e2\x1b[31m"
    report.write_text(json.dumps(wrong))
    assert main([str(report), str(truth)]) == 1
    out = capsys.readouterr().out
    assert "pc2 is missing in the report" in out
    assert out.replace("\n", "").isprintable()
    assert out.isascii()
    report.write_text("{")
    assert main([str(report), str(truth)]) == 2
    assert main([str(tmp_path / "none.json"), str(truth)]) == 2
