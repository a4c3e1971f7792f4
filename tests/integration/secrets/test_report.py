# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in anything that observations and a fleet report leave behind, whatever fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.secrets.box import Box
from ansible_collections.keyward.bitlocker.tests.integration.secrets.checks import assert_clean
from ansible_collections.keyward.bitlocker.tests.integration.secrets.ground import (
    TIMES,
    WRONG_DIRECTORY_PASSWORD,
    WRONG_HOST_PASSWORD,
    Ground,
)
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import NO_RIGHTS, REPORT

PLAYBOOK = "keyward.bitlocker.escrow_report"
MakeBox = Callable[..., Box]


def report(box: Box, ground: Ground, *, traced: bool = False, **variables: Any) -> int:
    """Run the playbook for the lab with more variables than the lab's."""
    given = box.give("more.yml", {"keyward_dest": str(box.report), **TIMES, **variables})
    names = str(kerberos_names(box, ground))
    variable_files = [ground.lab.vars_file, given]
    return box.play(PLAYBOOK, "-i", names, inventory=ground.lab.inventory_file, variables=variable_files, traced=traced)


def kerberos_names(box: Box, ground: Ground) -> Path:
    """An inventory that says what Kerberos knows a host by: the lab's addresses it knows nothing of."""
    named = {host.inventory_name: host for host in ground.lab.estate.hosts if host.transport == "kerberos"}
    hosts = {name: {"ansible_winrm_kerberos_hostname_override": host.dns_name} for name, host in named.items()}
    return box.give("kerberos.yml", {"windows": {"hosts": hosts}})


def few(ground: Ground, count: int = 2) -> str:
    """A pattern of a few hosts that answer."""
    return ",".join(ground.with_fault(None)[:count])


def by_transport(ground: Ground) -> dict[str, str]:
    """One host that answers for each authentication of the lab."""
    return {ground.hosts[name].transport: name for name in ground.with_fault(None)}


def test_the_whole_fleet_with_every_fault(ground: Ground, box: MakeBox) -> None:
    run = box()
    formats = ["json", "csv", "html", "md"]
    subsets = ["all"]
    assert report(run, ground, keyward_gather_subset=subsets, keyward_query="@", keyward_formats=formats) == 0, run.text("stdout")[-3000:]
    assert_clean(run, ground)
    assert {path.suffix[1:] for path in run.report.iterdir()} == set(formats)
    written = json.loads((run.report / "escrow-report.json").read_text())
    assert {name: store["state"] for name, store in written["stores"].items()} == {"ad": "searched", "entra": "searched"}
    codes = {finding["code"] for finding in written["findings"]}
    assert {f"KW-HST-00{number}" for number in range(1, 6)} <= codes
    # every authentication really took place, so that its password was really there to leak
    observed = {computer["identities"]["inventory"] for computer in written["computers"] if computer["observed_at"]}
    answered = {transport for transport, name in by_transport(ground).items() if name in observed}
    assert {"basic", "ntlm", "kerberos", "credssp"} <= answered
    assert "kinit" in {note["executable"] for note in run.notes("child")}
    judge(ground, box("gate"), run.report / "escrow-report.json")


def judge(ground: Ground, run: Box, report: Path) -> None:
    """The gate, over the report with everything that can be written, and over files that are none and hold secrets."""
    gate = "keyward.bitlocker.compliance_gate"
    rule = {"name": "all of it", "expression": "computers", "severity": "high", "message": "so it is"}
    tasks: list[dict[str, Any]] = [
        {gate: {"report_file": str(report), "junit_file": str(run.report / "gate.xml"), "rules": [rule], "baseline": str(report)}},
        {gate: {"report_file": str(report), "junit_file": str(run.report / "all.xml"), "rules": [rule], "min_coverage": 0}},
        {gate: {"report_file": str(ground.lab.vars_file)}},
        {gate: {"report_file": str(ground.lab.folder / "entra.ready")}},
        {gate: {"report_file": str(report), "baseline": str(ground.lab.folder / "entra.ready")}},
        {gate: {"report": {"summary": "{{ login }}", "{{ login.password }}": "{{ login.password }}"}}},
        {gate: {"report_variable": "login"}},
        {gate: {"report_file": str(report), "rules": [{**rule, "expression": "'{{ login.password }}' ||"}]}},
    ]
    tasks = [{**task, "ignore_errors": True} for task in tasks]
    book = run.give("play.yml", [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
    assert run.play(book, variables=[run.give("variables.yml", {"login": ground.login(REPORT)})]) == 0
    assert_clean(run, ground)
    assert "testcase" in run.text("report/all.xml")
    assert run.text("stdout").count("...ignoring") >= 6


def test_what_the_lab_leaves_beside_a_report(ground: Ground) -> None:
    for path in (ground.lab.truth_file, ground.lab.folder / "lab.json"):
        assert ground.scanner.scan(path.read_bytes(), path.name) == set()
    # the inputs of a run do hold them
    assert len(ground.scanner.scan(ground.lab.inventory_file.read_bytes())) >= len(ground.lab.estate.hosts)
    assert ground.scanner.scan(ground.lab.vars_file.read_bytes())


FAILURES: dict[str, tuple[Callable[[Ground], dict[str, Any]], str]] = {
    "wrong password": (lambda ground: ground.login(REPORT, password=WRONG_DIRECTORY_PASSWORD), "ERROR_LOGON_FAILURE"),
    "ad_down": (lambda ground: ground.login(REPORT, server=[ground.lab.block.infrastructure(99)]), "refused"),
    "ad_no_rights": (lambda ground: ground.login(NO_RIGHTS), "no recovery object"),
    "a password of the wrong type": (lambda ground: ground.login(REPORT, password={"value": ground.login(REPORT)["password"]}), "password"),
    "a directory that repeats the password": (lambda ground: ground.login(REPORT, server=[ground.mirrors.directory]), "LDAP 1"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_directory_that_fails(ground: Ground, box: MakeBox, name: str) -> None:
    login, said = FAILURES[name]
    run = box()
    assert report(run, ground, keyward_ad=login(ground), keyward_hosts=few(ground)) == 2
    assert_clean(run, ground)
    assert said in run.text("stdout") + run.text("stderr")


def test_an_error_that_quotes_everything_in_the_report(ground: Ground, box: MakeBox) -> None:
    run = box(KEYWARD_SABOTAGE="bind")
    assert report(run, ground, keyward_hosts=few(ground)) == 2
    assert [note for note in run.notes("sabotage") if note["texts"]]
    # -vvv tells where it happened, in every error of the chain, and none of the texts
    assert run.text("stdout").count("HorridError (text withheld)") == 2
    assert_clean(run, ground)


@pytest.mark.parametrize(("place", "transport"), [("answer", "basic"), ("session", "ntlm")])
def test_an_error_that_quotes_everything_about_a_host(ground: Ground, box: MakeBox, place: str, transport: str) -> None:
    run = box(KEYWARD_SABOTAGE=place)
    observe(run, ground, [by_transport(ground)[transport]])
    assert [note for note in run.notes("sabotage") if note["texts"]]
    assert_clean(run, ground)


def observe(box: Box, ground: Ground, hosts: list[str], **variables: Any) -> int:
    """Observe hosts of the lab, and mirrors by their kind."""
    mirrors = {
        f"mirror-{kind}": {
            "ansible_host": address,
            "ansible_user": "svc",
            "ansible_password": ground.hosts[by_transport(ground)["basic"]].password,
        }
        for kind, address in ground.mirrors.hosts.items()
    }
    shared = {"ansible_connection": "winrm", "ansible_port": 5986, "ansible_winrm_ca_trust_path": str(ground.lab.ca_file)}
    shared |= {"ansible_winrm_transport": "basic"}
    inventory = box.give("mirrors.yml", {"mirrors": {"hosts": mirrors, "vars": shared}})
    tasks = [
        {
            "keyward.bitlocker.volume_info": {"gather_subset": ["all"]},
            "register": "seen",
            "ignore_errors": True,
            "ignore_unreachable": True,
        },
        {"ansible.builtin.debug": {"var": "seen"}},
        {"ansible.builtin.set_fact": {"kept": "{{ seen }}", "cacheable": True}},
    ]
    book = box.give("play.yml", [{"hosts": ",".join(hosts), "gather_facts": False, "tasks": tasks}])
    given = box.give("more.yml", {**TIMES, **variables})
    inventories = ["-i", str(inventory), "-i", str(kerberos_names(box, ground))]
    return box.play(book, *inventories, inventory=ground.lab.inventory_file, variables=[given])


def test_observations_in_the_fact_cache(ground: Ground, box: MakeBox) -> None:
    run = box()
    hosts = list(by_transport(ground).values())
    observe(run, ground, hosts)
    assert_clean(run, ground)
    cached = {path.name.removeprefix("s1_") for path in (run.folder / "facts").iterdir()}
    assert cached == set(hosts)


def test_hosts_that_refuse_the_password(ground: Ground, box: MakeBox) -> None:
    run = box()
    observe(run, ground, list(by_transport(ground).values()), ansible_password=WRONG_HOST_PASSWORD)
    assert_clean(run, ground)
    assert "refuses the credentials" in run.text("stdout")
    assert "KDC refuses" in run.text("stdout")


def test_hosts_that_repeat_what_they_were_told(ground: Ground, box: MakeBox) -> None:
    run = box()
    observe(run, ground, [f"mirror-{kind}" for kind in ground.mirrors.hosts])
    assert_clean(run, ground)
    assert "mirror-fault" in run.text("stdout")


BAD: dict[str, dict[str, Any]] = {
    "a dictionary": {"password": {"value": "{{ login.password }}"}},
    "a list": {"password": ["{{ login.password }}", {"again": "{{ login.password }}"}]},
    "a name that is misspelt": {"passwort": "{{ login.password }}"},
    "the port as well": {"password": "{{ login.password }}", "port": "{{ login.password }}"},
    "a choice as well": {"password": "{{ login.password }}", "tls_mode": "{{ login.password }}"},
    "a name of an option": {"password": "{{ login.password }}", "all": {"{{ login.password }}": 1}},
    "a base that does not exist": {"password": "{{ login.password }}", "search_bases": ["OU={{ login.username }},DC=nowhere"], "all": True},
}


def test_options_that_are_wrong(ground: Ground, box: MakeBox) -> None:
    run = box()
    login = {"server": "{{ login.server }}", "ca_cert": "{{ login.ca_cert }}", "username": "{{ login.username }}"}
    tasks: list[dict[str, Any]] = []
    for name, options in BAD.items():
        tasks.append({"name": f"info, {name}", "keyward.bitlocker.ad_recovery_key_info": {**login, "computer": "pc01", **options}})
        tasks.append({"name": f"report, {name}", "keyward.bitlocker.escrow_report": {"ad": {**login, **options}}})
        tasks.append({"name": f"list, {name}", "keyward.bitlocker.escrow_report": {"ad": [{**login, **options}]}})
    tasks.append({"name": "text", "keyward.bitlocker.escrow_report": {"ad": "{{ login | to_json }}"}})
    tasks.append({"name": "words", "keyward.bitlocker.escrow_report": {"ad": "server=x password={{ login.password }}"}})
    tasks.append({"name": "bare", "keyward.bitlocker.escrow_report": {"ad": "{{ login.password }}"}})
    tasks = [{**task, "ignore_errors": True} for task in tasks]
    book = run.give("play.yml", [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
    run.play(book, variables=[run.give("variables.yml", {"login": ground.login(REPORT)})])
    assert_clean(run, ground)
    assert run.text("stdout").count("...ignoring") >= len(tasks) - 3
