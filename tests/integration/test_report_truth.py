# SPDX-License-Identifier: GPL-3.0-or-later
"""The report says what is true: of the demo's estates, whole and with a broken store, and of a small one whose truth is read here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration import estates
from ansible_collections.keyward.bitlocker.tests.integration.graph import options_of, strange_requests
from ansible_collections.keyward.bitlocker.tests.integration.playing import QUICK, ROOT, Player, Run, Watch, clean_environment
from ansible_collections.keyward.bitlocker.tests.lab.entra import read_log as read_tenant_log
from ansible_collections.keyward.bitlocker.tests.lab.entra.child import THROTTLE_WAIT
from ansible_collections.keyward.bitlocker.tests.lab.estate import truth
from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions, python_path
from jsonschema import Draft202012Validator

SCHEMA = json.loads((ROOT / "docs" / "escrow-report.schema.json").read_text(encoding="utf-8"))


DEMOS = {
    "default": LabOptions(),
    "two copies": LabOptions(hosts=36, seed=2, copies=2),
    "ad_down": LabOptions(hosts=30, seed=3, fault="ad_down"),
    "ad_no_rights": LabOptions(hosts=30, seed=4, fault="ad_no_rights"),
    "entra_down": LabOptions(hosts=30, seed=5, fault="entra_down"),
    "entra_throttled": LabOptions(hosts=20, seed=6, fault="entra_throttled"),
    "ad alone": LabOptions(hosts=60, seed=7, entra=False),
}
#: how far the stores were read, where not to their ends
STATES = {
    "ad_down": {"ad": "down"},
    "ad_no_rights": {"ad": "no_rights"},
    "entra_down": {"entra": "down"},
    "entra_throttled": {"entra": "down"},
}
RUN_DEMO = """
import json, sys
from pathlib import Path
from ansible_collections.keyward.bitlocker.tests.lab import demo
from ansible_collections.keyward.bitlocker.tests.lab.lab import LabOptions

folder, options, *arguments = sys.argv[1:]
sys.exit(demo.run(Path(folder), LabOptions(**json.loads(options)), arguments=tuple(arguments)))
"""


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[tuple[Path, int, str]]]]:
    """Every demo as its own process, two at a time: a demo is mostly a wait for hosts that never answer."""
    faster = [word for name, value in QUICK.items() for word in ("-e", f"{name}={value}")]

    def play(name: str) -> tuple[Path, int, str]:
        folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
        command = [sys.executable, "-c", RUN_DEMO, str(folder / "demo"), json.dumps(asdict(DEMOS[name])), *faster]
        environment = clean_environment(folder) | {"PYTHONPATH": python_path()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        return folder / "demo", done.returncode, done.stdout + done.stderr

    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {name: pool.submit(play, name) for name in DEMOS}


@pytest.mark.parametrize("name", DEMOS)
def test_the_demo_equals_its_truth(demos: dict[str, Future[tuple[Path, int, str]]], name: str) -> None:
    folder, code, said = demos[name].result()
    assert code == 0, said
    assert "the report equals the truth" in said
    report = json.loads((folder / "escrow-report.json").read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA).validate(report)
    true = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert compare(report, true) == []
    stores = {"ad": "searched"} | ({"entra": "searched"} if DEMOS[name].entra else {})
    assert {store: read["state"] for store, read in report["stores"].items()} == stores | STATES.get(name, {})
    assert report["complete"] is (name not in STATES)
    if DEMOS[name].entra:  # whatever the tenant answered, no key was asked for, so its audit log stays empty
        asked = [row for row in read_tenant_log(folder / "lab" / "logs") if row["side"] == "graph"]
        assert asked or name in STATES
        assert all("key" not in options_of(row).get("$select", "").split(",") for row in asked)
        assert strange_requests(asked) == []
    # what a person reads last: the outcome, and where everything is
    last = said.splitlines()[-8:]
    for file in ("escrow-report.html", "escrow-report.csv", "escrow-report.json", "truth.json", "playbook.log"):
        assert (folder / file).stat().st_size
        assert any(str(folder / file) in line for line in last), said
    # and the comparison is able to see a difference
    next(computer for computer in report["computers"] if computer["verdict"] != "escrowed")["verdict"] = "escrowed"
    assert compare(report, true)


def test_a_service_that_never_has_time_ends_a_run_in_bounded_time(demos: dict[str, Future[tuple[Path, int, str]]]) -> None:
    folder, _code, said = demos["entra_throttled"].result()
    rows = [row for row in read_tenant_log(folder / "lab" / "logs") if row["side"] == "graph"]
    times = [datetime.fromisoformat(row["time"]) for row in rows]
    assert {row["status"] for row in rows} == {429}
    assert len(rows) < 20
    assert max(times) - min(times) < timedelta(seconds=THROTTLE_WAIT + 3)
    assert "KW-STO-001" in said


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A generated estate that several runs look at."""
    with Lab(tmp_path_factory.mktemp("another"), LabOptions(hosts=32, seed=2026)) as lab:
        yield lab


@pytest.mark.parametrize("copies", [1, 2])
def test_a_second_run_on_the_same_lab_may_require_other_copies(another: Lab, tmp_path: Path, copies: int) -> None:
    run = Player(tmp_path, another).report(keyward_copies=copies).no_traceback()
    assert run.code == 0, run.output
    assert compare(run.report, truth.truth(another.estate, copies=copies, stores=("ad", "entra"))) == []
    assert ("at_risk" in run.report["summary"]["verdicts"]) is (copies == 2)


def test_what_intune_says_is_shown_only_where_no_host_spoke_lately(demos: dict[str, Future[tuple[Path, int, str]]]) -> None:
    folder, _code, said = demos["default"].result()
    report = json.loads((folder / "escrow-report.json").read_text(encoding="utf-8"))
    assert report["stores"]["entra"]["intune"]["state"] == "searched"
    assert "no verdict rests on them" in (folder / "playbook.log").read_text(encoding="utf-8") + said
    shown = [item for item in report["computers"] if "intune" in item]
    assert {item["intune"]["encrypted"] for item in shown} == {True, False}
    assert {item["intune"]["enrolments"] for item in shown} == {1, 2}
    stale = {finding["computer"] for finding in report["findings"] if finding["code"] == "KW-HST-006"}
    assert all(item["observed_at"] is None or item["name"] in stale for item in shown)


def computer(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [computer for computer in report["computers"] if computer["name"] == f"{name}.lab.example"]
    return dict(found)


def codes(report: dict[str, Any], name: str) -> list[str]:
    return sorted(finding["code"] for finding in report["findings"] if finding["computer"] == f"{name}.lab.example")


def test_the_small_fleet_equals_its_truth(reported: tuple[Run, Watch], fleet: Lab) -> None:
    run, _watch = reported
    report = run.no_traceback().report
    assert compare(report, json.loads(fleet.truth_file.read_text(encoding="utf-8"))) == []
    Draft202012Validator(SCHEMA).validate(report)


@pytest.mark.parametrize(
    ("name", "verdict", "found"),
    [
        ("pc01", "escrowed", []),
        ("pc02", "unescrowed", ["KW-VOL-004"]),
        ("pc03", "on_file", ["KW-HST-001", "KW-HST-008", "KW-VOL-008"]),
        ("pc04", "unknown", ["KW-HST-002", "KW-HST-008", "KW-VOL-007"]),
        ("limited", "unknown", ["KW-HST-003", "KW-HST-008", "KW-VOL-007"]),
        ("srv01", "unavailable", ["KW-VOL-009"]),
        ("nohost", "on_file", ["KW-HST-009", "KW-VOL-008"]),
    ],
)
def test_each_host_is_told_apart(reported: tuple[Run, Watch], name: str, verdict: str, found: list[str]) -> None:
    report = reported[0].report
    assert (computer(report, name)["verdict"], codes(report, name)) == (verdict, found)


@pytest.mark.parametrize(
    ("name", "verdict", "state", "found"),
    [
        # three bytes where a GUID belongs; a CN that names another ID
        ("dmg-guid", "wrong_key", "malformed", ["KW-ESC-004", "KW-VOL-006"]),
        ("dmg-cn", "wrong_key", "malformed", ["KW-ESC-004", "KW-VOL-006"]),
        # text that is no password shows only when passwords are read: by metadata it is an entry like any other
        ("dmg-text", "escrowed", "present", []),
        ("dmg-twice", "escrowed", "present", ["KW-ESC-002"]),
        # it lies under another computer
        ("dmg-moved", "unescrowed", "absent", ["KW-ESC-006", "KW-VOL-004"]),
        ("dmg-hidden", "escrowed", "unreadable", ["KW-ESC-007"]),
    ],
)
def test_damage_in_the_directory_is_a_finding(reported: tuple[Run, Watch], name: str, verdict: str, state: str, found: list[str]) -> None:
    report = reported[0].report
    (volume,) = computer(report, name)["volumes"]
    states = [protector["stores"]["ad"]["state"] for protector in volume["protectors"] if protector["type"] == "recovery_password"]
    assert (volume["verdict"], states, codes(report, name)) == (verdict, [state], found)


def test_a_finding_of_damage_says_where_to_look(reported: tuple[Run, Watch], fleet: Lab) -> None:
    findings = {(finding["computer"], finding["code"]): finding for finding in reported[0].report["findings"]}
    assert "3 bytes instead of 16" in findings["dmg-guid.lab.example", "KW-ESC-004"]["message"]
    assert "CN=NOHOST,OU=Clients" in findings["dmg-moved.lab.example", "KW-ESC-006"]["message"]
    (hidden,) = [entry for entry in fleet.estate.entries if entry.hidden]
    assert hidden.key_id.upper() in findings["dmg-hidden.lab.example", "KW-ESC-007"]["message"]
    for finding in findings.values():
        assert finding["message"]
        assert finding["remedy"]


def test_no_secret_of_the_lab_is_in_the_report(reported: tuple[Run, Watch], fleet: Lab) -> None:
    run, _watch = reported
    everything = run.output + json.dumps(run.record) + json.dumps(run.report)
    secrets = [entry.password for entry in fleet.estate.entries] + [host.password for host in fleet.estate.hosts]
    secrets += [estates.recovery(host).password or "" for host in fleet.estate.hosts if host.volumes]
    assert [secret for secret in secrets if secret in everything] == []
    assert fleet.report_account.password not in everything
