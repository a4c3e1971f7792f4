# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate over real hosts, a real directory and a tenant: what ends with which code, and the examples for pipelines as they are written.

What needs no host is tested for every ansible-core in tests/unit/resolver_matrix/test_playbook_gate.py.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import junitparser
import pytest
import xmlschema
import yaml
from ansible_collections.keyward.bitlocker.tests.integration.playing import REPORT, ROOT, Player, Run, clean_environment
from ansible_collections.keyward.bitlocker.tests.integration.published import GITHUB, GITLAB, JUNIT, published
from ansible_collections.keyward.bitlocker.tests.integration.tenants import NO_KEYS, TenantDrawing
from ansible_collections.keyward.bitlocker.tests.lab import serialize
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import NO_RIGHTS, accounts
from ansible_collections.keyward.bitlocker.tests.lab.entra.child import EntraChild
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions
from jsonschema import Draft7Validator

GATE = "keyward.bitlocker.compliance_gate"
DECIDE = "Pass or fail"
EXAMPLES = ROOT / "docs" / "examples" / "ci"
GOOD = ("good1", "good2", "good3")
#: a fault of a host -> the code of its failure
FAULTS = {
    "refused": "KW-HST-001",
    "wrong_password": "KW-HST-002",
    "not_admin": "KW-HST-003",
    "expired": "KW-HST-004",
    "garbage": "KW-HST-005",
}
COMPLIANT, FINDINGS, COULD_NOT_LOOK = 0, 2, 4


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three hosts that are escrowed in both stores; the others are in no store, so that only an inventory brings them in."""
    folder = tmp_path_factory.mktemp("gate")
    drawing = TenantDrawing(4716)
    for name in GOOD:
        drawing.hybrid(name)
    for name in ("lonely", *FAULTS):
        wrong = {} if name == "lonely" else {"certificate": name} if name == "expired" else {"fault": name}
        drawing.host(name.replace("_", "-"), computer=False, domain=None, domain_role=0, **wrong)
    with Lab(folder, LabOptions(), estate=drawing.estate) as running:
        yield running


@pytest.fixture
def gate(lab: Lab, tmp_path: Path) -> Any:
    """Runs the gate's playbook; ``hosts`` are inventory names, or the inventory's file."""
    player = Player(tmp_path, lab)

    def run(*arguments: str, hosts: Sequence[str] | Path = GOOD, **variables: Any) -> Run:
        given = player.variables(keyward_gate_junit_file=str(tmp_path / "gate.xml"), **variables)
        inventory = hosts if isinstance(hosts, Path) else player.inventory(only=hosts)
        done = player.run(GATE, "-e", f"@{given}", *arguments, hosts=inventory).no_traceback()
        if (tmp_path / "gate.xml").exists():
            xmlschema.XMLSchema(published(*JUNIT)).validate(tmp_path / "gate.xml")
        return done

    return run


@contextmanager
def another_tenant(lab: Lab, folder: Path, **behaviour: Any) -> Iterator[dict[str, Any]]:
    """The lab's tenant once more, behaving otherwise; yields the option ``entra`` that reads it."""
    assert lab.authority is not None
    estate = copy.deepcopy(lab.estate)
    estate.entra_behaviour |= behaviour
    folder.mkdir()
    here, ca = lab.block.infrastructure(13), lab.authority.directory
    child = EntraChild(estate, folder, address=here, ca=ca, ca_pem=lab.ca_file, fault=None)
    file = folder / "estate.json"
    file.write_text(serialize.to_json(estate), encoding="utf-8")
    try:
        child.start(file, {"PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]})
        yield child.options()
    finally:
        child.stop()


def result(run: Run) -> dict[str, Any]:
    (entry,) = run.events(DECIDE)
    return dict(entry["result"])


def unseen(run: Run) -> set[str | None]:
    return {reason["code"] for reason in result(run)["could_not_look_reasons"]}


# --- codes ---------------------------------------------------------------------------------------------------------------------------


def test_a_fleet_that_passes_and_its_files(gate: Any, tmp_path: Path) -> None:
    run = gate()
    assert run.code == COMPLIANT, run.output
    assert result(run)["outcome"] == "compliant"
    assert result(run)["coverage"] == {"computers": 3, "observed": 3, "verdicts": 3, "judged": 3, "passing": 3, "min_coverage": 0.9}
    assert run.report["requirements"]["min_coverage"] == 0.9
    assert "COMPLIANT: " in run.output
    suites = {suite.name: suite for suite in junitparser.JUnitXml.fromfile(str(tmp_path / "gate.xml"))}
    assert {name: (suite.tests, suite.failures + suite.errors) for name, suite in suites.items()} == {
        "coverage": (4, 0),
        "stores": (2, 0),
        "verdicts": (3, 0),
    }
    again = gate()
    assert result(again)["changed"] is False


def test_a_finding_and_the_baseline(gate: Any, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.json"
    before = gate()
    earlier.write_text(json.dumps(before.report), encoding="utf-8")
    run = gate(hosts=[*GOOD, "lonely"], keyward_gate_baseline=str(earlier))
    assert run.code == FINDINGS, run.output
    (failure,) = result(run)["failures"]
    assert (failure["code"], failure["computer"], failure["volume"]) == ("KW-VOL-004", "lonely", "C:")
    assert "1. KW-VOL-004 (high), 1 time: lonely C:" in run.output
    # the same once more: known when the last report is the baseline
    earlier.write_text(json.dumps(run.report), encoding="utf-8")
    known = gate(hosts=[*GOOD, "lonely"], keyward_gate_baseline=str(earlier))
    assert known.code == COMPLIANT, known.output
    assert result(known)["known_count"] == 1


def test_the_baseline_may_not_be_the_file_that_this_run_writes(gate: Any, tmp_path: Path) -> None:
    path = tmp_path / "report" / "escrow-report.json"
    assert gate().code == COMPLIANT
    run = gate(hosts=[*GOOD, "lonely"], keyward_gate_baseline=str(path))
    assert run.code == COULD_NOT_LOOK, run.output
    assert "very report" in result(run)["msg"]


def test_a_baseline_that_time_has_overtaken(gate: Any, tmp_path: Path) -> None:
    hosts = [*GOOD, "lonely"]
    earlier = tmp_path / "earlier.json"
    report = gate(hosts=hosts).report
    # what lonely had then was lost, and it has another disk now
    text = json.dumps(report | {"generated_at": "2020-01-01T00:00:00Z"})
    (lost,) = [computer for computer in report["computers"] if computer["name"] == "lonely"]
    device = json.dumps(lost["volumes"][0]["device_id"])
    assert text.count(device) == 1
    earlier.write_text(text.replace(device, json.dumps("\\\\?\\Volume{00000000-0000-0000-0000-00000000000a}\\")), encoding="utf-8")
    run = gate(hosts=hosts, keyward_gate_baseline=str(earlier))
    assert run.code == FINDINGS, run.output
    assert [failure["computer"] for failure in result(run)["failures"]] == ["lonely"]
    assert (result(run)["known_count"], result(run)["baseline_generated_at"]) == (0, "2020-01-01T00:00:00Z")
    # the baseline and the report the wrong way round
    earlier.write_text(json.dumps(report | {"generated_at": "2099-01-01T00:00:00Z"}), encoding="utf-8")
    run = gate(hosts=hosts, keyward_gate_baseline=str(earlier))
    assert run.code == COULD_NOT_LOOK, run.output
    assert "it was made after the report that is judged" in result(run)["msg"]


@pytest.mark.parametrize(("fault", "code"), FAULTS.items())
def test_each_failure_to_look(gate: Any, fault: str, code: str) -> None:
    name = fault.replace("_", "-")
    run = gate(hosts=[*GOOD, name], keyward_min_coverage=0.7, keyward_gate_fail_on={"codes": [code]})
    assert run.code == COULD_NOT_LOOK, run.output
    assert unseen(run) == {code}
    assert [reason["computer"] for reason in result(run)["could_not_look_reasons"]] == [name]


def test_hosts_that_were_not_reached_decide_by_their_share(gate: Any) -> None:
    few = gate(hosts=[*GOOD, "refused"])
    assert few.code == COULD_NOT_LOOK, few.output
    assert "Only 3 of 4 computers were observed" in few.output
    # nothing else makes the play unreachable
    enough = gate(hosts=[*GOOD, "refused"], keyward_min_coverage=0.7)
    assert enough.code == COMPLIANT, enough.output
    both = gate(hosts=[*GOOD, "refused", "lonely"])
    assert both.code == FINDINGS, both.output
    assert result(both)["could_not_look_count"] > 0


def test_a_limit_leaves_too_little_to_pass(gate: Any) -> None:
    run = gate("--limit", "good1")
    assert run.code == COULD_NOT_LOOK, run.output
    assert result(run)["coverage"]["observed"] == 1


def test_hardly_anybody_was_reached(gate: Any, lab: Lab, tmp_path: Path) -> None:
    # nothing listens there
    off = {f"off{number:02}": {"ansible_host": lab.block.infrastructure(200)} for number in range(99)}
    hosts = Player(tmp_path, lab).inventory(off, only=["good1", *off])
    run = gate("--forks", "25", hosts=hosts)
    assert run.code == COULD_NOT_LOOK, run.output
    # good2 and good3 are known to the stores
    assert (result(run)["coverage"]["observed"], result(run)["coverage"]["computers"]) == (1, 102)
    assert result(run)["failures"] == []
    assert "Only 1 of 102 computers were observed" in run.output
    suites = {suite.name: suite for suite in junitparser.JUnitXml.fromfile(str(tmp_path / "gate.xml"))}
    assert (suites["coverage"].failures, suites["coverage"].errors) == (0, 2)


def test_a_group_without_a_host_passes_nothing(gate: Any, lab: Lab, tmp_path: Path) -> None:
    player = Player(tmp_path, lab)
    content = yaml.safe_load(player.inventory(only=GOOD).read_text(encoding="utf-8"))
    run = gate(keyward_hosts="nobody", hosts=player.write("inventory.yml", content | {"nobody": {"hosts": {}}}))
    assert run.code == COULD_NOT_LOOK, run.output
    assert result(run)["coverage"]["observed"] == 0


def test_nor_does_a_group_that_the_inventory_does_not_have(gate: Any) -> None:
    run = gate(keyward_hosts="good9")
    assert run.code == COULD_NOT_LOOK, run.output
    assert "good9" in result(run)["msg"]
    assert "outcome" not in result(run)


@pytest.mark.parametrize(
    ("fault", "store", "code"),
    [
        ("down", "ad", "KW-STO-001"),
        ("no_rights", "ad", "KW-STO-002"),
        ("no_graph_rights", "entra", "KW-STO-002"),
        ("wrong_password", "ad", "KW-STO-001"),
    ],
)
def test_a_store_that_could_not_be_searched(gate: Any, lab: Lab, fault: str, store: str, code: str) -> None:
    rights = accounts()[NO_RIGHTS]
    assert lab.entra is not None
    changes: dict[str, dict[str, Any]] = {
        "down": {"keyward_ad": {"server": [lab.block.infrastructure(200)]}},
        "no_rights": {"keyward_ad": {"username": rights.principal, "password": rights.password}},
        "no_graph_rights": {"keyward_entra": lab.entra.options(NO_KEYS)},
        "wrong_password": {"keyward_ad": {"password": "wrong-for-sure"}},
    }
    # in no store that answered, which says nothing
    run = gate(hosts=[*GOOD, "lonely"], **changes[fault])
    assert run.code == COULD_NOT_LOOK, run.output
    assert result(run)["failures"] == []
    assert code in unseen(run)
    assert run.report["stores"][store]["state"] == ("down" if code == "KW-STO-001" else "no_rights")
    assert "wrong-for-sure" not in run.output


@pytest.mark.parametrize(
    "behaviour",
    [
        {"faults": [{"kind": "truncated", "match": "recoveryKeys", "after": 1}]},
        {"faults": [{"kind": "truncated", "match": "/devices"}]},
        {"next_link": "loop"},
    ],
    ids=["keys", "devices", "loop"],
)
def test_a_list_of_the_tenant_that_breaks_off_in_the_middle(gate: Any, lab: Lab, tmp_path: Path, behaviour: dict[str, Any]) -> None:
    with another_tenant(lab, tmp_path / "tenant", **behaviour) as options:
        run = gate(hosts=[*GOOD, "lonely"], keyward_entra=options)
    assert run.code == COULD_NOT_LOOK, run.output
    # its keys may stand on a page that did not come; the others' lie in the directory
    assert result(run)["failures"] == []
    assert {"KW-STO-001"} <= unseen(run)
    assert run.report["stores"]["entra"]["state"] in ("partial", "down")
    assert {computer["name"]: computer["verdict"] for computer in run.report["computers"]}["lonely"] == "unknown"
    assert run.report["summary"]["verdicts"]["escrowed"] == len(GOOD)


def test_check_mode_decides_and_writes_nothing(gate: Any, tmp_path: Path) -> None:
    assert gate("--check").code == COMPLIANT
    assert gate("--check", hosts=[*GOOD, "lonely"]).code == FINDINGS
    assert gate("--check", hosts=[*GOOD, "refused"]).code == COULD_NOT_LOOK
    assert not (tmp_path / "report").exists()
    assert not (tmp_path / "gate.xml").exists()


def test_without_a_folder_the_report_is_handed_over(gate: Any) -> None:
    run = gate(keyward_dest=None, hosts=[*GOOD, "lonely"])
    assert run.code == FINDINGS, run.output
    assert "files" not in run.result(REPORT)


def test_a_report_can_be_judged_later_by_another_play(lab: Lab, gate: Any, tmp_path: Path) -> None:
    report = gate(hosts=[*GOOD, "lonely"]).folder / "report" / "escrow-report.json"
    later = Player(tmp_path, lab)
    task = {"name": DECIDE, GATE: {"report_file": str(report), "max_age": 1}}
    run = later.play([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}], hosts=later.write("none.yml", {"all": {}}))
    assert run.code == FINDINGS, run.output
    cut = tmp_path / "cut.json"
    cut.write_text(report.read_text(encoding="utf-8")[:-300], encoding="utf-8")
    task[GATE] = {"report_file": str(cut)}
    run = later.play([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}], hosts=tmp_path / "none.yml")
    assert run.code == FINDINGS
    assert "cut off" in run.result(DECIDE)["msg"]


# --- pipelines -----------------------------------------------------------------------------------------------------------------------


def workflow(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize(("name", "schema"), [("github-actions.yml", GITHUB), ("gitlab-ci.yml", GITLAB)])
def test_the_examples_are_what_the_forges_take(name: str, schema: tuple[str, str]) -> None:
    text = published(*schema).read_text(encoding="utf-8")
    content = workflow(name)
    validator = Draft7Validator(json.loads(text))
    assert [error.message for error in validator.iter_errors(content)] == []
    broken = content | {"jobs": {"x": {"steps": 1}}, "bitlocker-gate": {"script": 1}}
    assert list(validator.iter_errors(broken)), "the schema refuses nothing"


class Workspace:
    """A checked-out repository on a runner: the lab's inventory and variables under the examples' names, the collection as a tarball."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.player = Player(folder, lab)
        self.folder = folder
        built = self.player.command(["ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(folder)])
        (self.tarball,) = folder.glob("keyward-bitlocker-*.tar.gz")
        assert built.code == 0, built.output
        self.hosts(GOOD)
        example = yaml.safe_load((EXAMPLES / "keyward.yml").read_text(encoding="utf-8"))
        assert lab.entra is not None
        assert lab.entra.credentials is not None
        self.token = lab.entra.credentials.federated_token.read_text(encoding="ascii").strip()
        reach = {key: value for key, value in lab.entra.options().items() if key not in ("auth_method", "secret")}
        given = yaml.safe_load(lab.vars_file.read_text(encoding="utf-8"))
        self.password = given["keyward_ad"].pop("password")
        example |= {"keyward_ad": given["keyward_ad"], "keyward_entra": reach | {"auth_method": example["keyward_entra"]["auth_method"]}}
        self.player.write("keyward.yml", example)
        # what a runner would install is installed already: only what is asked for is written down
        (folder / "stubs").mkdir()
        self._stub("pip", 'echo "$@" >> "$PIP_LOG"; for last; do :; done; case $* in *-r*) test -e "$last";; esac')
        self._stub(
            "python3",
            f'case "$1 $2" in "-m venv") mkdir -p "$3/bin"; : > "$3/bin/activate";; *) exec {shutil.which("python3")} "$@";; esac',
        )

    def _stub(self, name: str, text: str) -> None:
        path = self.folder / "stubs" / name
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def hosts(self, names: Sequence[str]) -> None:
        """Change the fleet."""
        self.player.inventory(only=names)

    def bash(self, script: str, environment: Mapping[str, str], *flags: str) -> tuple[int, str]:
        """Run commands as a runner does, with the published name of the collection standing for the tarball."""
        clean = clean_environment(self.folder)
        del clean["ANSIBLE_COLLECTIONS_PATH"]
        variables = clean | {
            "PATH": f"{self.folder / 'stubs'}{os.pathsep}{clean['PATH']}",
            "PIP_LOG": str(self.folder / "pip.log"),
            "MICROSOFT_AD_LDAP_PASSWORD": self.password,
            **environment,
        }
        text = re.sub(r"(collection install .*) keyward\.bitlocker\n", rf"\1 --offline {self.tarball}\n", script)
        done = subprocess.run(
            ["bash", *flags, "-c", text], cwd=self.folder, env=variables, capture_output=True, text=True, timeout=170, check=False
        )
        return done.returncode, done.stdout + done.stderr


@contextmanager
def token_service(token: str) -> Iterator[str]:
    """What a job of GitHub Actions asks for its identity."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            right = self.headers["Authorization"] == "bearer of-the-job" and self.path.endswith("&audience=api://AzureADTokenExchange")
            body = json.dumps({"value": token}).encode() if right else b"{}"
            self.send_response(200 if right else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token?run=1"
    finally:
        server.shutdown()
        server.server_close()


def test_the_workflow_of_github_actions(lab: Lab, tmp_path: Path) -> None:
    space = Workspace(lab, tmp_path)
    steps = {step.get("name"): step for step in workflow("github-actions.yml")["jobs"]["gate"]["steps"]}
    temp = tmp_path / "temp"
    temp.mkdir()
    files = {name: str(temp / name.lower()) for name in ("GITHUB_PATH", "GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    base = files | {"RUNNER_TEMP": str(temp)}
    assert steps["Gate"]["env"] == {"AZURE_FEDERATED_TOKEN_FILE": "${{ runner.temp }}/entra-token"}

    def step(name: str, **environment: str) -> tuple[int, str]:
        lines = Path(files["GITHUB_ENV"]).read_text(encoding="utf-8").split() if Path(files["GITHUB_ENV"]).exists() else []
        exported = dict(line.split("=", 1) for line in lines)
        return space.bash(steps[name]["run"], base | exported | environment, "-e")

    code, output = step("Install")
    assert code == 0, output
    assert "requirements.txt" in (tmp_path / "pip.log").read_text(encoding="utf-8")
    with token_service(space.token) as url:
        job = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": url,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
            "AZURE_FEDERATED_TOKEN_FILE": str(temp / "entra-token"),
        }
        code, output = step("Gate", **job)
        assert code == COMPLIANT, output
        assert step("Show the summary")[0] == 0
        assert "## BitLocker escrow report" in Path(files["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")
        code, said = step("Take it as the baseline")
        assert code == 0, said
        first = (tmp_path / "baseline" / "escrow-report.json").read_text(encoding="utf-8")
        space.hosts([*GOOD, "lonely"])
        code, output = step("Gate", **job)
        assert code == FINDINGS, output
        assert "::error title=BitLocker gate::findings (ansible-playbook ended with 2)" in output
        assert "Known from the baseline of" in output
        space.hosts([*GOOD, "refused"])
        code, output = step("Gate", **job)
        assert code == COULD_NOT_LOOK, output
        code, output = step("Gate", **job | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "another"})
        assert code not in (COMPLIANT, FINDINGS, COULD_NOT_LOOK)
    assert Path(files["GITHUB_OUTPUT"]).read_text(encoding="utf-8").split() == [
        "outcome=compliant",
        "outcome=findings",
        "outcome=could_not_look",
    ]
    assert (tmp_path / "baseline" / "escrow-report.json").read_text(encoding="utf-8") == first
    upload, show = steps["Keep the files"]["with"]["path"], steps["Show the JUnit file"]["with"]["report_paths"]
    assert {path.name for path in (tmp_path / upload).iterdir()} >= {"escrow-report.html", "escrow-report.md", "gate.xml"}
    assert (tmp_path / show).is_file()
    # a step that needs a pass has no condition, and one that tells has
    assert "if" not in steps["Take it as the baseline"]
    assert "if" not in steps["Keep the baseline"]
    assert {steps[name]["if"] for name in ("Show the summary", "Keep the files", "Show the JUnit file")} == {"always()"}


def test_the_job_of_gitlab_ci(lab: Lab, tmp_path: Path) -> None:
    space = Workspace(lab, tmp_path)
    job = workflow("gitlab-ci.yml")["bitlocker-gate"]
    assert job["id_tokens"]["ENTRA_TOKEN"] == {"aud": "api://AzureADTokenExchange"}
    script = "\n".join([*job["before_script"], *job["script"]]) + "\n"
    environment = {"ENTRA_TOKEN": space.token, "TMPDIR": str(tmp_path)}
    code, output = space.bash(script, environment, "-eo", "pipefail")
    assert code == COMPLIANT, output
    baseline = tmp_path / job["cache"]["paths"][0] / "escrow-report.json"
    first = baseline.read_text(encoding="utf-8")
    space.hosts([*GOOD, "lonely"])
    code, output = space.bash(script, environment, "-eo", "pipefail")
    assert code == FINDINGS, output
    assert "Known from the baseline of" in output
    space.hosts([*GOOD, "refused"])
    code, output = space.bash(script, environment, "-eo", "pipefail")
    assert code == COULD_NOT_LOOK, output
    assert job["retry"]["exit_codes"] == [COULD_NOT_LOOK]
    assert baseline.read_text(encoding="utf-8") == first
    assert (tmp_path / job["artifacts"]["reports"]["junit"]).is_file()
    assert environment["ENTRA_TOKEN"] not in output


def test_the_variables_of_the_examples_are_those_of_the_playbook() -> None:
    known = (ROOT / "playbooks" / "compliance_gate.yml").read_text(encoding="utf-8")
    for name in workflow("keyward.yml"):
        assert f"{{{{ {name} | default(" in known or f"{name} | default('" in known, name
