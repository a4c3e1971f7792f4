# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of the gate under this ansible-core: 0 compliant, 2 findings, 4 could not look, whatever the hosts and the limit are.

The plays are those of playbooks/compliance_gate.yml. Most runs put made-up hosts and a made-up report in place of the two modules before
the gate; everything that makes return codes is left as it is.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.gate_sample import EARLIER, PC, fine, report

ROOT = Path(__file__).resolve().parents[3]
OBSERVE, REPORT, DECIDE = "Observe the volumes", "Write the escrow report", "Pass or fail"
COMPLIANT, FINDINGS, COULD_NOT_LOOK = 0, 2, 4

STAND_IN = """
import json, os
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        if "report" not in self._task.args:
            name = task_vars["inventory_hostname"]
            if name.startswith("dead"):
                result.update(unreachable=True, msg="made up")
            elif name.startswith("bad"):
                result.update(failed=True, msg="made up")
            return result
        if self._task.args["report"] == "broken":
            result.update(failed=True, msg="the made-up report broke")
            return result
        with open(self._task.args["report"]) as file:
            made = json.load(file)
        result["generated_at"] = made["generated_at"]
        if self._task.args.get("query"):
            result["query_result"] = made
        elif self._task.args.get("dest"):
            os.makedirs(self._task.args["dest"], exist_ok=True)
            with open(self._task.args["dest"] + "/escrow-report.json", "w") as file:
                json.dump(made, file)
        return result
"""


def _load(name: str) -> Any:
    """This folder's helper: tests/unit is no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("playbook.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


playbook = _load("resolver_matrix_playbook")

HOSTS = {name: {"ansible_connection": "local"} for name in ("pc01", "pc02", "dead1", "bad1")}
GOOD = report(fine(20))
BAD = report([*fine(20), PC("lost", {"C:": "unescrowed"})])
UNSEEN = report([*fine(1), PC("off", verdict="unknown")])
BOTH = report([PC("lost", {"C:": "unescrowed"}), PC("off", verdict="unknown")])
DOWN = report(fine(20), stores={"ad": "down"}, run=["KW-STO-001"])
EMPTY = report([])


def plays(*, real: bool = False) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((ROOT / "playbooks" / "compliance_gate.yml").read_text(encoding="utf-8"))
    for play in found if not real else ():
        for task in play["tasks"]:
            if task["name"] == OBSERVE:
                del task["keyward.bitlocker.volume_info"]
                task["keyward_stand_in"] = {}
            elif task["name"] == REPORT:
                given = task.pop("keyward.bitlocker.escrow_report")
                task["keyward_stand_in"] = {"report": "{{ made_up }}", "dest": given["dest"], "query": given["query"]}
    return found


def run(folder: Path, document: dict[str, Any] | None, *arguments: str, real: bool = False, config: str = "", **variables: Any) -> Any:
    """Run the playbook with a made-up report (None: making it fails)."""
    given = {"made_up": "made-up.json" if document is not None else "broken", **variables}
    files = {
        "made-up.json": json.dumps(document),
        "vars.json": json.dumps(given),
        "ansible.cfg": f"[defaults]\n{config}\n",
        "action_plugins/keyward_stand_in.py": STAND_IN,
        "documentation/keyward_stand_in.py": "",
    }
    done = playbook.run_playbook(folder, plays(real=real), HOSTS, "-e", "@vars.json", *arguments, files=files)
    assert "Traceback" not in done.output, done.output
    return done


@pytest.mark.parametrize(
    ("document", "code", "outcome"),
    [
        (GOOD, COMPLIANT, "compliant"),
        (BAD, FINDINGS, "findings"),
        (UNSEEN, COULD_NOT_LOOK, "could_not_look"),
    ],
    ids=["good", "bad", "unseen"],
)
def test_the_return_code_is_that_of_the_outcome(tmp_path: Path, document: dict[str, Any], code: int, outcome: str) -> None:
    done = run(tmp_path, document)
    (entry,) = done.of(DECIDE)
    assert (done.code, entry["result"]["outcome"]) == (code, outcome), done.output
    assert entry["event"] == {COMPLIANT: "ok", FINDINGS: "failed", COULD_NOT_LOOK: "unreachable"}[code]
    # an unreachable and a failed host of the first play are part of the answer, and no more
    assert {one["event"] for one in done.of(OBSERVE)} == {"ok", "unreachable", "failed"}
    assert outcome.replace("_", " ").upper() in done.output
    assert ("(Below Ansible calls this host UNREACHABLE. It is not" in done.output) is (code == COULD_NOT_LOOK)


@pytest.mark.parametrize(
    ("limit", "document", "code"),
    [
        ("dead1", UNSEEN, COULD_NOT_LOOK),
        ("pc01,dead1,bad1", UNSEEN, COULD_NOT_LOOK),
        ("dead1,bad1", GOOD, COMPLIANT),
        ("localhost,pc02", BAD, FINDINGS),
    ],
    ids=["dead", "several", "good", "localhost"],
)
def test_nor_does_a_limit_change_it(tmp_path: Path, limit: str, document: dict[str, Any], code: int) -> None:
    done = run(tmp_path, document, "--limit", limit)
    assert done.code == code, done.output
    assert len(done.of(DECIDE)) == 1


def test_a_limit_that_leaves_no_host_of_the_fleet_still_decides(tmp_path: Path) -> None:
    assert run(tmp_path, UNSEEN, "--limit", "pc02", keyward_hosts="pc01").code == COULD_NOT_LOOK


def test_a_limit_to_nobody_is_no_pass(tmp_path: Path) -> None:
    assert run(tmp_path, GOOD, "--limit", "nobody").code == 1


@pytest.mark.parametrize(
    ("arguments", "document", "code"),
    [(("--tags", "none"), UNSEEN, COULD_NOT_LOOK), (("--check",), UNSEEN, COULD_NOT_LOOK), (("--check", "--become"), BAD, FINDINGS)],
    ids=["tags", "check", "become"],
)
def test_nor_do_other_arguments(tmp_path: Path, arguments: tuple[str, ...], document: dict[str, Any], code: int) -> None:
    assert run(tmp_path, document, *arguments).code == code


@pytest.mark.parametrize("tags", ["always", "tagged", "slow,always"])
def test_what_skips_every_task_is_no_pass(tmp_path: Path, tags: str) -> None:
    done = run(tmp_path, GOOD, "--skip-tags", tags)
    assert done.code in (1, COULD_NOT_LOOK), done.output
    assert "nothing would be judged" in done.output
    assert done.of(DECIDE) == []


def test_to_skip_tags_that_no_task_has_changes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, UNSEEN, "--skip-tags", "slow").code == COULD_NOT_LOOK


@pytest.mark.parametrize("hosts", ["pc01:pc03", ["pc01", "pc03"]])
def test_a_pattern_with_a_typing_error_makes_no_smaller_fleet(tmp_path: Path, hosts: object) -> None:
    store = {"server": ["127.99.0.1"], "username": "u@corp.example", "password": "made-up", "connection_timeout": 1}
    done = run(tmp_path, GOOD, real=True, keyward_ad=store, keyward_hosts=hosts)
    assert done.code == COULD_NOT_LOOK, done.output
    assert "does not know pc03" in done.of(DECIDE)[-1]["result"]["msg"]


@pytest.mark.parametrize(("document", "code"), [(UNSEEN, COULD_NOT_LOOK), (GOOD, COMPLIANT)], ids=["unseen", "good"])
def test_nor_does_the_configuration(tmp_path: Path, document: dict[str, Any], code: int) -> None:
    assert run(tmp_path, document, "--limit", "pc01,pc02", config="strategy = free\nany_errors_fatal = true").code == code


def test_a_report_that_could_not_be_made_is_nothing_found(tmp_path: Path) -> None:
    done = run(tmp_path, None)
    assert done.code == COULD_NOT_LOOK, done.output
    assert "the made-up report broke" in done.of(DECIDE)[-1]["result"]["msg"]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"keyward_gate_baseline": "made-up.json"}, "very report"),
        ({"keyward_gate_fail_on": {"verdict": []}}, "verdict"),
    ],
)
def test_an_option_that_is_wrong_is_no_finding_and_no_pass(tmp_path: Path, variables: dict[str, Any], named: str) -> None:
    done = run(tmp_path, GOOD, **variables)
    assert done.code == COULD_NOT_LOOK, done.output
    assert named in done.of(DECIDE)[-1]["result"]["msg"]
    assert "outcome" not in done.of(DECIDE)[-1]["result"]
    assert "ERROR: nothing was decided. Could not" in done.output
    assert "(Below Ansible calls this host UNREACHABLE. It is not" in done.output


def test_no_earlier_junit_file_outlives_an_error(tmp_path: Path) -> None:
    path = tmp_path / "gate.xml"
    path.write_text("<testsuites/>", encoding="utf-8")
    assert run(tmp_path, GOOD, keyward_gate_baseline="missing.json", keyward_gate_junit_file=str(path)).code == COULD_NOT_LOOK
    assert "missing.json" in path.read_text(encoding="utf-8")
    assert "<error" in path.read_text(encoding="utf-8")


def test_with_a_folder_the_file_of_this_run_is_judged(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "escrow-report.json").write_text(json.dumps(BAD), encoding="utf-8")
    done = run(tmp_path, GOOD, keyward_dest=str(folder), keyward_gate_junit_file=str(tmp_path / "gate.xml"))
    assert done.code == COMPLIANT, done.output
    assert "query_result" not in json.dumps(done.of(REPORT)[-1]["result"])
    assert (tmp_path / "gate.xml").is_file()
    assert done.of(DECIDE)[-1]["result"]["changed"] is True
    again = run(tmp_path, GOOD, keyward_dest=str(folder), keyward_gate_junit_file=str(tmp_path / "gate.xml"))
    assert again.of(DECIDE)[-1]["result"]["changed"] is False


@pytest.mark.parametrize(("arguments", "formats"), [(("--check",), ["json"]), ((), ["html"])])
def test_a_file_that_lies_there_is_never_taken_for_this_runs(tmp_path: Path, arguments: tuple[str, ...], formats: list[str]) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "escrow-report.json").write_text(json.dumps(GOOD), encoding="utf-8")
    done = run(
        tmp_path, BAD, *arguments, keyward_dest=str(folder), keyward_formats=formats, keyward_gate_junit_file=str(tmp_path / "g.xml")
    )
    assert done.code == FINDINGS, done.output
    assert (tmp_path / "g.xml").exists() is not bool(arguments)


def test_baseline_rules_and_thresholds_reach_the_gate(tmp_path: Path) -> None:
    (tmp_path / "baseline.json").write_text(json.dumps({**BAD, "generated_at": f"{EARLIER:%Y-%m-%dT%H:%M:%SZ}"}), encoding="utf-8")
    new = report([*fine(20), PC("lost", {"C:": "unescrowed"}), PC("plain", {"C:": "not_encrypted"}), PC("off", verdict="unknown")])
    rule = {"name": "own", "expression": "computers[?name=='ok001'].name", "severity": "info", "message": "So it is."}
    done = run(
        tmp_path,
        new,
        keyward_gate_baseline="baseline.json",
        keyward_gate_fail_on={"thresholds": [{"verdict": "not_encrypted", "max": 1}]},
        keyward_gate_rules=[rule],
        keyward_min_coverage=0.95,
    )
    assert done.code == COMPLIANT, done.output
    result = done.of(DECIDE)[-1]["result"]
    assert (result["known_count"], result["tolerated_count"], result["coverage"]["min_coverage"]) == (1, 3, 0.95)


def test_a_task_of_ones_own_fails_for_both_unless_it_asks(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"report": GOOD}, "ok", "Compliant"),
        ({"report": BAD}, "failed", "KW-VOL-004"),
        ({"report": UNSEEN}, "failed", "Too little"),
        ({"report": BOTH}, "failed", "Too little"),
        ({"report": DOWN, "separate_return_codes": True}, "unreachable", "KW-STO-001"),
        ({"report": EMPTY, "separate_return_codes": "yes"}, "unreachable", "no computer"),
        ({"report": {}}, "failed", "no escrow report"),
        ({"report": GOOD, "report_file": "x"}, "failed", "mutually exclusive"),
        ({}, "failed", "required"),
        ({"report": GOOD, "fail_on": {"thresholds": [{"max": 1}]}}, "failed", "one of the following is required"),
        ({"report": GOOD, "fail_on": {"codes": ["KW-NO"]}}, "failed", "KW-NO"),
        ({"report": GOOD, "min_coverage": 2}, "failed", "min_coverage"),
        ({"report": GOOD, "rules": [{"name": "r", "expression": "computers["}]}, "failed", "rule r"),
        ({"report": GOOD, "rules": [{"expression": "computers"}]}, "failed", "name"),
        ({"report": GOOD, "rules": "text"}, "failed", "dict"),
        ({"report": GOOD, "baseline": "missing.json"}, "failed", "missing.json"),
    ]
    asked = [
        {"name": str(at), "keyward.bitlocker.compliance_gate": options, "ignore_errors": True, "ignore_unreachable": True}
        for at, (options, _event, _text) in enumerate(cases)
    ]
    done = playbook.run_playbook(tmp_path, [{"hosts": "pc01", "gather_facts": False, "tasks": asked}], HOSTS)
    assert done.code == 0, done.output
    for at, (_options, event, text) in enumerate(cases):
        (entry,) = done.of(str(at))
        assert (entry["event"], text in entry["result"]["msg"]) == (event, True), entry
        # both together would count as failed alone
        assert not (entry["result"].get("failed") and entry["result"].get("unreachable"))


def test_the_real_plays_with_a_directory_that_is_down(tmp_path: Path) -> None:
    store = {"server": ["127.99.0.1"], "username": "u@corp.example", "password": "made-up", "connection_timeout": 1}
    done = run(tmp_path, GOOD, "-vvv", real=True, keyward_ad=store, keyward_hosts="pc01:dead1")
    assert done.code == COULD_NOT_LOOK, done.output
    assert done.of(REPORT)[-1]["event"] == "ok", done.output
    # handed over, and not printed as a whole, however much is told
    assert done.of(REPORT)[-1]["result"]["query_result"]["computers"]
    assert "query_result" not in done.output
    reasons = done.of(DECIDE)[-1]["result"]["could_not_look_reasons"]
    assert {"KW-STO-001"} <= {reason["code"] for reason in reasons}
    assert "made-up" not in done.output
