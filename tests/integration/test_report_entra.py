# SPDX-License-Identifier: GPL-3.0-or-later
"""The report over a directory and a tenant: each way to be in one, the other or both, two copies, and applications that may not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.playing import REPORT, ROOT, Player, Run
from ansible_collections.keyward.bitlocker.tests.integration.tenants import NO_DEVICES, NO_KEYS
from ansible_collections.keyward.bitlocker.tests.lab.entra import accounts
from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab
from jsonschema import Draft202012Validator

SCHEMA = json.loads((ROOT / "docs" / "escrow-report.schema.json").read_text(encoding="utf-8"))
BOTH = ("ad", "entra")
Reports = Callable[[int], Run]


@pytest.fixture(scope="module")
def reports(hybrid: Lab, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """One run for each number of copies."""
    runs: dict[int, Run] = {}

    def report(copies: int) -> Run:
        if copies not in runs:
            folder = tmp_path_factory.mktemp(f"copies-{copies}")
            runs[copies] = Player(folder, hybrid).report(keyward_copies=copies).no_traceback()
        return runs[copies]

    return report


def computer(report: dict[str, Any], name: str) -> dict[str, Any]:
    """The computer of this inventory name."""
    (found,) = [computer for computer in report["computers"] if computer["identities"]["inventory"] == name]
    return dict(found)


def codes(report: dict[str, Any], name: str) -> list[str]:
    """What was found at a computer and its volumes."""
    return sorted(finding["code"] for finding in report["findings"] if finding["computer"] == name)


def held(report: dict[str, Any], name: str) -> tuple[str, str]:
    """States of the one recovery password in the directory and in the tenant."""
    (volume,) = computer(report, name)["volumes"]
    (states,) = [protector["stores"] for protector in volume["protectors"] if protector["type"] == "recovery_password"]
    return states["ad"]["state"], states["entra"]["state"]


@pytest.mark.parametrize("copies", [1, 2])
def test_the_fleet_equals_its_truth(reports: Reports, hybrid: Lab, copies: int) -> None:
    run = reports(copies)
    assert run.code == 0, run.output
    true = truth(hybrid.estate, copies=copies, stores=BOTH)
    assert compare(run.report, true) == []
    Draft202012Validator(SCHEMA).validate(run.report)
    if copies == 1:
        assert true == json.loads(hybrid.truth_file.read_text(encoding="utf-8"))
    assert {store: said["state"] for store, said in run.report["stores"].items()} == dict.fromkeys(BOTH, "searched")


@pytest.mark.parametrize(
    ("host", "name", "states", "verdicts", "found"),
    [
        ("both", "both.lab.example", ("present", "present"), ("escrowed", "escrowed"), []),
        ("in-ad", "in-ad.lab.example", ("present", "absent"), ("escrowed", "at_risk"), []),
        ("in-entra", "in-entra.lab.example", ("absent", "present"), ("escrowed", "at_risk"), []),
        ("neither", "neither.lab.example", ("absent", "absent"), ("unescrowed", "unescrowed"), ["KW-VOL-004"]),
        # nothing but the GUID says who it is; the directory's name of it is the report's
        ("newname", "oldname.lab.example", ("present", "present"), ("escrowed", "escrowed"), []),
        ("gone", "gone.lab.example", ("present", "deleted"), ("escrowed", "at_risk"), ["KW-ESC-008"]),
        ("ad-only", "ad-only.lab.example", ("present", "absent"), ("escrowed", "at_risk"), []),
        ("cloud", "cloud", ("absent", "present"), ("escrowed", "at_risk"), []),
        ("cloud-bare", "cloud-bare", ("absent", "absent"), ("unescrowed", "unescrowed"), ["KW-VOL-004"]),
        ("kiosk", "kiosk", ("absent", "absent"), ("unescrowed", "unescrowed"), ["KW-VOL-004"]),
    ],
)
def test_each_host_is_told_apart(
    reports: Reports, host: str, name: str, states: tuple[str, str], verdicts: tuple[str, str], found: list[str]
) -> None:
    for copies, verdict in zip((1, 2), verdicts, strict=True):
        report = reports(copies).report
        assert computer(report, host)["name"] == name
        assert (computer(report, host)["verdict"], held(report, host)) == (verdict, states)
        assert codes(report, name) == sorted([*found, *(["KW-VOL-005"] if verdict == "at_risk" else [])])


def test_who_does_not_answer_and_who_is_in_no_inventory(reports: Reports) -> None:
    report = reports(1).report
    assert computer(report, "dead")["verdict"] == "on_file"
    assert codes(report, "dead.lab.example") == ["KW-HST-001", "KW-HST-008", "KW-VOL-008"]
    (tablet,) = [computer for computer in report["computers"] if computer["name"].startswith("TABLET/")]
    assert tablet["verdict"] == "on_file"
    assert tablet["name"] == f"TABLET/{tablet['identities']['entra_device_id']}"
    assert "PHONE" not in json.dumps(report)


def test_how_each_host_was_joined_is_said(reports: Reports, hybrid: Lab) -> None:
    report = reports(1).report
    devices = {host.inventory_name: host.entra_device_id for host in hybrid.estate.hosts}
    for name in ("both", "newname", "cloud"):
        identities = computer(report, name)["identities"]
        assert identities["entra_device_id"] == devices[name]
        assert identities["joins"]["entra"] in ("authenticated", "claimed")
    newname = computer(report, "newname")["identities"]
    assert newname["ad_guid"] == newname["entra_device_id"]
    # the certificate names the machine, and not the object of another name
    assert newname["joins"]["ad"] == "claimed"
    assert computer(report, "both")["identities"]["joins"]["ad"] == "authenticated"
    assert computer(report, "kiosk")["identities"]["joins"] in ({}, {"ad": None, "entra": None})


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("application", [NO_KEYS, NO_DEVICES, accounts.NO_RIGHTS])
def test_a_missing_permission_is_said_and_makes_nothing_green(hybrid: Lab, tmp_path: Path, application: str, copies: int) -> None:
    assert hybrid.entra is not None
    options = hybrid.entra.options(application)
    run = Player(tmp_path, hybrid).report(keyward_entra=options, keyward_copies=copies).no_traceback()
    assert run.code == 2, run.output
    report = run.report
    assert (report["complete"], report["passed"]) == (False, False)
    assert [finding["code"] for finding in run.result(REPORT)["findings"]] == ["KW-STO-002"]
    missing = {NO_KEYS: "BitlockerKey.ReadBasic.All", NO_DEVICES: "Device.Read.All"}.get(application, "BitlockerKey.ReadBasic.All")
    (finding,) = run.result(REPORT)["findings"]
    assert missing in finding["message"] + finding["remedy"]
    assert report["stores"]["entra"]["state"] == "no_rights"
    # what was not seen is not absent, and never enough for two copies; what AD alone says is still certain
    for name in ("in-entra", "neither", "cloud", "cloud-bare"):
        ad, entra = held(report, name)
        assert (ad, entra in ("unknown", "present")) == ("absent", True)
    for name in ("neither", "cloud-bare"):
        assert computer(report, name)["verdict"] == "unknown"
    assert computer(report, "in-ad")["verdict"] == ("escrowed" if copies == 1 else "unknown")
    assert not {"unescrowed", "wrong_key"}.intersection(report["summary"]["verdicts"])
    assert options["secret"] not in run.output + json.dumps(run.record) + json.dumps(report)


def test_a_wrong_client_secret_is_said(hybrid: Lab, tmp_path: Path) -> None:
    run = Player(tmp_path, hybrid).report(keyward_entra={"secret": "wrong-8Q~for-sure"}).no_traceback()
    assert run.code == 2
    (finding,) = run.result(REPORT)["findings"]
    assert (finding["code"], run.report["stores"]["entra"]["state"]) == ("KW-STO-001", "down")
    assert "AADSTS7000215" in finding["message"]
    assert "wrong-8Q~for-sure" not in run.output + json.dumps(run.record)


def test_a_run_without_the_tenant_says_nothing_of_it(hybrid: Lab, tmp_path: Path) -> None:
    run = Player(tmp_path, hybrid).report(keyward_entra=None, keyward_stores=["ad"]).no_traceback()
    assert run.code == 0, run.output
    assert compare(run.report, truth(hybrid.estate)) == []
    assert "entra" not in run.report["stores"]
