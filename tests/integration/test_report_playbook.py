# SPDX-License-Identifier: GPL-3.0-or-later
"""How the playbook behaves: what ends it and what does not, what it writes, and what it makes of wrong options and odd plays."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import ldap3
import pytest
from ansible_collections.keyward.bitlocker.tests.integration.playing import (
    OBSERVE,
    REPORT,
    REPORT_PLAYBOOK,
    ROOT,
    Player,
    Run,
    Watch,
    play,
    task,
)
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import ADMINISTRATOR, accounts
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab
from jsonschema import Draft202012Validator

SCHEMA = json.loads((ROOT / "docs" / "escrow-report.schema.json").read_text(encoding="utf-8"))
SAY_SO = "Say so when something could not be looked at"
#: hosts of the fleet that answer, and one that does not
FEW = ["pc01", "pc02", "pc03"]
GOOD_BASE = {"search_bases": ["OU=Good,DC=lab,DC=example"]}


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {str(computer["identities"]["inventory"] or computer["name"]): computer["verdict"] for computer in report["computers"]}


def findings(report: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [finding for finding in report["findings"] if finding["code"] == code]


def dead(lab: Lab) -> str:
    """An address of the lab at which nothing listens."""
    return lab.block.infrastructure(200)


# --- its end -------------------------------------------------------------------------------------------------------------------------


def test_dead_hosts_are_reported_and_end_nothing(player: Player) -> None:
    run = player.report(hosts=player.inventory(only=["pc03"])).no_traceback()
    assert run.code == 0, run.output
    assert run.event(OBSERVE, "pc03") == "unreachable"
    assert run.report["complete"] is True
    assert verdicts(run.report)["pc03"] == "on_file"
    assert [finding["computer"] for finding in findings(run.report, "KW-HST-001")] == ["pc03.lab.example"]


def test_a_dead_directory_is_said_at_the_end(player: Player, fleet: Lab) -> None:
    run = player.report(hosts=player.inventory(only=FEW), keyward_ad={"server": [dead(fleet)]}).no_traceback()
    assert run.code == 2, run.output
    assert run.event(REPORT) == "ok"
    message = run.result(SAY_SO)["msg"]
    assert "report is incomplete" in message
    assert dead(fleet) in message
    assert "keyward_allow_incomplete" in message
    report = run.report
    assert (report["complete"], report["passed"]) == (False, False)
    assert report["stores"]["ad"]["state"] == "down"
    assert set(verdicts(report).values()) == {"unknown"}
    assert len(findings(report, "KW-STO-001")) == 1
    assert "KW-VOL-004" not in report["summary"]["findings"]


def test_a_dead_directory_and_dead_hosts_are_accepted_when_asked(player: Player, fleet: Lab) -> None:
    run = player.report(hosts=player.inventory(only=FEW), keyward_ad={"server": [dead(fleet)]}, keyward_allow_incomplete=True)
    assert run.no_traceback().code == 0, run.output
    assert run.report["complete"] is False
    assert run.event(SAY_SO) == "skipped"


def test_a_refused_account_is_said_at_the_end(player: Player) -> None:
    run = player.report(hosts=player.inventory(only=["pc01"]), keyward_ad={"password": "wrong-for-sure"}).no_traceback()
    assert run.code == 2
    assert "password is wrong" in run.result(SAY_SO)["msg"]
    assert "wrong-for-sure" not in run.output + json.dumps(run.record)


def test_coverage_ends_the_run_and_accepting_what_is_incomplete_ends_that(player: Player) -> None:
    few = player.inventory(only=FEW)
    run = player.report(hosts=few, keyward_min_coverage=0.99).no_traceback()
    assert run.code == 2, run.output
    assert [finding["code"] for finding in run.result(REPORT)["findings"]] == ["KW-RUN-001"]
    assert "incomplete" in run.result(SAY_SO)["msg"]
    assert player.report(hosts=few, keyward_min_coverage=0.1).code == 0
    assert player.report(hosts=few, keyward_min_coverage=0.99, keyward_allow_incomplete="yes").code == 0


def test_a_fleet_that_passes_passes(player: Player) -> None:
    run = player.report(hosts=player.inventory(only=["pc01"]), keyward_ad=GOOD_BASE).no_traceback()
    assert run.code == 0
    assert (run.result(REPORT)["complete"], run.result(REPORT)["passed"]) == (True, True)
    assert run.result(REPORT)["summary"]["verdicts"] == {"escrowed": 1}
    assert "NOT PASSED" not in run.output


# --- who is asked, who is accounted for ------------------------------------------------------------------------------------------


def test_a_limit_leaves_the_others_in_the_report(player: Player, fleet: Lab) -> None:
    watch = Watch(fleet)
    run = player.report("--limit", "pc01", hosts=player.inventory(only=FEW)).no_traceback()
    assert run.code == 0, run.output
    assert [name for name, rows in watch.hosts().items() if rows] == ["pc01"]
    found = verdicts(run.report)
    assert (found["pc01"], found["pc02"], found["pc03"]) == ("escrowed", "unknown", "on_file")
    assert run.report["summary"]["observed"] == 1
    assert findings(run.report, "KW-HST-001") == []


def test_a_limit_that_names_localhost_is_no_different(player: Player) -> None:
    run = player.report("--limit", "pc01,localhost", hosts=player.inventory(only=FEW)).no_traceback()
    assert run.code == 0, run.output
    assert verdicts(run.report)["pc01"] == "escrowed"


def test_a_limit_to_a_dead_host_still_reports(player: Player) -> None:
    run = player.report("--limit", "pc03", hosts=player.inventory(only=FEW)).no_traceback()
    assert run.code == 0, run.output
    assert verdicts(run.report)["pc03"] == "on_file"
    assert len(findings(run.report, "KW-HST-001")) == 1


def test_a_pattern_is_the_fleet(player: Player) -> None:
    run = player.report(hosts=player.inventory(only=FEW), keyward_hosts="pc01:pc02").no_traceback()
    assert run.code == 0
    assert {entry["host"] for entry in run.events(OBSERVE)} == {"pc01", "pc02"}
    # the directory knows the third
    assert findings(run.report, "KW-HST-009")
    assert "pc03" not in verdicts(run.report)


def test_an_empty_inventory_reports_what_the_directory_knows(player: Player) -> None:
    run = player.report(hosts=player.write("empty.yml", {"windows": {"hosts": {}}})).no_traceback()
    assert run.code == 0, run.output
    assert run.report["summary"]["observed"] == 0
    assert set(verdicts(run.report).values()) <= {"unknown", "on_file"}
    assert len(findings(run.report, "KW-HST-009")) == run.report["summary"]["computers"] > 5


def test_hosts_that_are_no_windows_are_told_and_harm_nobody(player: Player) -> None:
    others = {
        "linux": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1"},
        "here": {"ansible_connection": "local"},
        "templated": {"ansible_user": "{{ no_such_variable }}"},
        "no-port": {"ansible_port": "many"},
    }
    run = player.report(hosts=player.inventory(others, only=["pc01", *others])).no_traceback()
    assert run.code == 0, run.output
    told = {finding["computer"]: finding["message"] for finding in findings(run.report, "KW-HST-005")}
    assert set(told) == set(others)
    assert "reached by WS-Management only" in told["linux"]
    assert "'local'" in told["here"]
    assert "no_such_variable" in told["templated"]
    assert "port" in told["no-port"]
    assert verdicts(run.report)["pc01"] == "escrowed"


@pytest.mark.parametrize("change", [{"strategy": "free"}, {"serial": 2}, {"strategy": "host_pinned"}, {"serial": ["1", "50%"]}])
def test_strategies_and_batches_bring_the_same_report(player: Player, reported: tuple[Run, Watch], change: dict[str, Any]) -> None:
    observe = task(
        OBSERVE,
        "volume_info",
        {"gather_subset": ["escrow", "backup_records", "policy"]},
        register="keyward_observation",
        ignore_errors=True,
        ignore_unreachable=True,
    )
    report = task(REPORT, "escrow_report", {"ad": "{{ keyward_ad }}", "hosts": "{{ groups.windows }}", "dest": "{{ keyward_dest }}"})
    variables = player.variables()
    run = player.play([play("windows", observe, **change), play("localhost", report)], "-e", f"@{variables}").no_traceback()
    assert run.code == 0, run.output
    assert verdicts(run.report) == verdicts(reported[0].report)
    assert run.report["summary"] == reported[0].report["summary"]


# --- what is refused -----------------------------------------------------------------------------------------------------------------


def test_the_playbook_does_not_become_anybody_by_a_default(player: Player) -> None:
    run = player.report("--become", hosts=player.inventory(only=["pc01"])).no_traceback()
    assert run.code == 0, run.output
    assert verdicts(run.report)["pc01"] == "escrowed"


def test_become_is_refused_for_each_host_and_for_the_report(player: Player) -> None:
    by_variable = player.report("-e", "ansible_become=true", hosts=player.inventory(only=["pc01"])).no_traceback()
    tasks = [task(OBSERVE, "volume_info", ignore_errors=True), task(REPORT, "escrow_report", {"ad": {"server": "192.0.2.1"}})]
    by_keyword = player.play([play("pc01", tasks[0], become=True), play("localhost", tasks[1], become=True)]).no_traceback()
    for run in (by_variable, by_keyword):
        assert run.code == 2
        for name, host in ((OBSERVE, "pc01"), (REPORT, "localhost")):
            assert run.event(name, host) == "failed"
            assert "Set become: false" in run.result(name, host)["msg"]


def test_async_is_refused(player: Player) -> None:
    background: dict[str, Any] = {"async": 10, "poll": 1, "ignore_errors": True}
    tasks = [
        task("slow", "volume_info") | background,
        task("slow report", "escrow_report", {"ad": {"server": "192.0.2.1"}}) | background,
    ]
    run = player.play([play("pc01", *tasks)]).no_traceback()
    for name in ("slow", "slow report"):
        assert run.event(name, "pc01") == "failed"
        assert "Remove async" in run.result(name, "pc01")["msg"]


def test_a_delegated_task_observes_the_other_host(player: Player) -> None:
    observe = task("elsewhere", "volume_info", delegate_to="pc01", register="keyward_observation")
    refused = task("in vain", "volume_info", delegate_to="pc03", ignore_errors=True, ignore_unreachable=True)
    run = player.play([play("pc02", observe, refused)]).no_traceback()
    assert run.code == 0, run.output
    observation = run.observation("pc02", "elsewhere")
    assert (observation["host"], observation["computer"]["dns_name"]) == ("pc01", "pc01.lab.example")
    assert run.observation("pc02", "in vain")["host"] == "pc03"
    assert run.observation("pc02", "in vain")["reason"] == "unreachable"


# --- what it writes ------------------------------------------------------------------------------------------------------------------


def test_the_report_is_written_with_sane_modes_and_is_valid(player: Player) -> None:
    folder = player.folder / "deep" / "er"
    run = player.report(hosts=player.inventory(only=["pc01"]), keyward_dest=str(folder))
    files = [Path(name) for name in run.result(REPORT)["files"]]
    assert folder / "escrow-report.json" in files
    assert sorted(folder.iterdir()) == sorted(files)
    assert [path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o137] == []
    assert [path for path in (folder, folder.parent) if stat.S_IMODE(path.stat().st_mode) & 0o022] == []
    Draft202012Validator(SCHEMA).validate(json.loads((folder / "escrow-report.json").read_text(encoding="utf-8")))


def test_check_mode_computes_and_writes_nothing(player: Player) -> None:
    few = player.inventory(only=FEW)
    run = player.report("--check", hosts=few).no_traceback()
    assert run.code == 0, run.output
    assert run.result(REPORT)["changed"] is True
    assert run.result(REPORT)["summary"]["verdicts"]["escrowed"] == 1
    assert not (player.folder / "report").exists()
    before = player.report(hosts=few).report
    again = player.report("--check", "--diff", hosts=few).no_traceback()
    assert again.result(REPORT)["changed"] is False
    assert again.report == before


def test_changed_is_about_content(player: Player, fleet: Lab) -> None:
    few = player.inventory(only=["pc01"])
    first = player.report(hosts=few)
    second = player.report(hosts=few)
    assert [run.result(REPORT)["changed"] for run in (first, second)] == [True, False]
    administrator = accounts()[ADMINISTRATOR]
    tls = ldap3.Tls(ca_certs_file=str(fleet.ca_file), validate=2)
    server = ldap3.Server(fleet.block.directory, port=636, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    new = "CN=ARRIVED,OU=Clients,DC=lab,DC=example"
    with ldap3.Connection(server, administrator.principal, administrator.password, auto_bind=True) as connection:
        attributes = {"sAMAccountName": "ARRIVED$", "userAccountControl": 4096, "operatingSystem": "Windows 11 Enterprise"}
        connection.add(new, "computer", attributes)  # type: ignore[no-untyped-call]  # its stubs leave it out
        assert connection.result["result"] == 0, connection.result
        try:
            third = player.report(hosts=few)
        finally:
            connection.delete(new)  # type: ignore[no-untyped-call]  # as above
    assert third.result(REPORT)["changed"] is True
    assert third.report["summary"]["computers"] == second.result(REPORT)["summary"]["computers"] + 1


def test_the_formats_are_the_files_and_a_missing_one_is_a_change(player: Player) -> None:
    few = player.inventory(only=["pc01"])
    first = player.report(hosts=few, keyward_formats=["md", "json"]).no_traceback()
    assert [Path(file).name for file in first.result(REPORT)["files"]] == ["escrow-report.json", "escrow-report.md"]
    same, more = (player.report(hosts=few, keyward_formats=formats) for formats in (["json", "md"], ["json", "md", "html"]))
    assert [run.result(REPORT)["changed"] for run in (first, same, more)] == [True, False, True]
    page = (player.folder / "report" / "escrow-report.html").read_text(encoding="utf-8")
    assert "No verdict changed." in page
    assert "pc01.lab.example" in page
    refused = player.report(hosts=few, keyward_formats=["xlsx"]).no_traceback()
    assert refused.event(REPORT) == "failed"


def test_without_a_place_nothing_is_written(player: Player) -> None:
    run = player.report(hosts=player.inventory(only=["pc01"]), keyward_dest=None).no_traceback()
    assert run.code == 0
    assert "files" not in run.result(REPORT)
    assert run.result(REPORT)["changed"] is False
    assert not list(player.folder.rglob("escrow-report.json"))


def test_a_place_that_cannot_be_written_is_a_clear_failure(player: Player) -> None:
    (player.folder / "file").touch()
    run = player.report(hosts=player.inventory(only=["pc01"]), keyward_dest=str(player.folder / "file" / "below")).no_traceback()
    assert run.code == 2
    assert str(player.folder / "file") in run.result(REPORT)["msg"]
    assert "Not a directory" in run.result(REPORT)["msg"]


def test_a_broken_earlier_report_is_replaced(player: Player) -> None:
    broken = ["", "no JSON", "[]", '{"schema_version": 99}', '{"computers": 3}', '{"computers": [{"name": []}], "findings": {}}']
    places = [player.folder / f"{number}" / "escrow-report.json" for number in range(len(broken))]
    for place, before in zip(places, broken, strict=True):
        place.parent.mkdir()
        place.write_text(before, encoding="utf-8")
    run = direct(player, *[{"dest": str(place.parent)} for place in places])
    for number, place in enumerate(places):
        assert run.event(str(number)) == "ok", run.output
        assert run.result(str(number))["changed"] is True
        Draft202012Validator(SCHEMA).validate(json.loads(place.read_text(encoding="utf-8")))


# --- options -------------------------------------------------------------------------------------------------------------------------


def direct(player: Player, *arguments: dict[str, Any], only: list[str] | None = None) -> Run:
    """Several report tasks in one run, each with its own arguments, each allowed to fail."""
    content = player.lab and {"ad": "{{ keyward_ad }}"}
    tasks = [
        task(f"{number}", "escrow_report", {key: value for key, value in ((content or {}) | given).items() if value != "(none)"})
        | {"ignore_errors": True}
        for number, given in enumerate(arguments)
    ]
    inventory = player.inventory(only=only or FEW)
    return player.play([play("localhost", *tasks)], "-e", f"@{player.variables(keyward_ad=GOOD_BASE)}", hosts=inventory).no_traceback()


def test_a_query_is_answered(player: Player) -> None:
    run = player.report(
        hosts=player.inventory(only=FEW), keyward_query="findings[?code=='KW-VOL-004'].[computer, volume]", keyward_dest=None
    )
    # pc02 is the inventory's only one; the directory's others were not asked
    assert run.no_traceback().result(REPORT)["query_result"] == [["pc02.lab.example", "C:"]]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"query": "findings[?code=="}, "query the report"),
    ({"query": "unknown_function(@)"}, "unknown_function"),
    ({"query": "length(`5`)"}, "length"),
    ({"copies": 2}, "copies"),
    ({"copies": 0}, "copies"),
    ({"copies": "many"}, "copies"),
    ({"stores": []}, "no store is configured"),
    ({"stores": ["ad", "vault"]}, "stores"),
    ({"stores": ["ad"], "ad": "(none)"}, "no options are given for ad"),
    ({"ad": "(none)"}, "no store is configured"),
    ({"ad": {}}, "server"),
    ({"ad": ["dc1"]}, "ad"),
    ({"ad": {"server": "dc1", "port": "x"}}, "port"),
    ({"ad": {"server": "ldaps://dc1"}}, "server"),
    ({"proof": "image"}, "proof"),
    ({"volume_types": ["floppy"]}, "volume_types"),
    ({"volume_types": []}, "volume_types"),
    ({"methods": ["rot13"]}, "methods"),
    ({"max_observation_age": -1}, "max_observation_age"),
    ({"max_observation_age": 1e300}, "max_observation_age"),
    ({"max_observation_age": "nan"}, "max_observation_age"),
    ({"suspended_reboots_allowed": -1}, "suspended_reboots_allowed"),
    ({"min_coverage": 1.5}, "min_coverage"),
    ({"min_coverage": "nan"}, "min_coverage"),
    ({"hosts": ["pc01", "stranger"]}, "stranger"),
    ({"hosts": {"a": 1}}, "hosts"),
    ({"observations": "many"}, "observations"),
    ({"observations": ["pc01"]}, "observations"),
    ({"nonsense": True}, "nonsense"),
]


def test_wrong_options_are_refused_in_a_sentence(player: Player) -> None:
    run = direct(player, *[given for given, _said in REFUSED])
    assert run.code == 0, run.output
    wrong = []
    for number, (given, said) in enumerate(REFUSED):
        result = run.result(str(number))
        if run.event(str(number)) != "failed" or said not in result["msg"] or not result.get("error", {}).get("remedy"):
            wrong.append((given, said, result.get("msg")))
    assert wrong == []


OBSERVATION: dict[str, Any] = {"schema_version": 1, "host": "pc02", "observed_at": "2099-01-01T00:00:00Z", "state": "observed"}
#: not malformed, and no more to be judged by
DATED_AHEAD = OBSERVATION | {"volumes": []}
MALFORMED: list[Any] = [
    "text",
    17,
    [],
    {},
    {"schema_version": 2},
    DATED_AHEAD,
    OBSERVATION | {"observed_at": "yesterday"},
    OBSERVATION | {"observed_at": "9999-12-31T23:59:59-14:00"},
    OBSERVATION | {"observed_at": "0001-01-01T00:00:00+14:00"},
    OBSERVATION | {"volumes": {"C:": 1}},
    OBSERVATION | {"volumes": ["C:"]},
    OBSERVATION | {"volumes": [{"letter": "C:"}] * 65},
    OBSERVATION | {"computer": "PC02"},
    OBSERVATION | {"channel": {"authenticated_names": "all"}},
    OBSERVATION | {"policy": {"values": {"OSRecovery": [1, {"a": 2}]}}},
    OBSERVATION | {"state": "failed", "reason": "tired"},
    OBSERVATION | {"state": "perhaps"},
]


def test_a_malformed_observation_is_a_finding_of_its_host_alone(player: Player, reported: tuple[Run, Watch]) -> None:
    good = reported[0].observation("pc01")
    tasks = [
        {"observations": {"pc01": good, "pc02": observation, "gone-by-now": good}, "dest": str(player.folder / f"{number}")}
        for number, observation in enumerate(MALFORMED)
    ]
    run = direct(player, *tasks)
    assert "gone-by-now" in run.output
    for number, observation in enumerate(MALFORMED):
        assert run.event(str(number)) == "ok", (observation, run.output)
        report = json.loads((player.folder / f"{number}" / "escrow-report.json").read_text(encoding="utf-8"))
        Draft202012Validator(SCHEMA).validate(report)
        assert verdicts(report)["pc01"] == "escrowed", observation
        assert verdicts(report)["pc02"] == "unknown", observation
        told = "KW-HST-006" if observation is DATED_AHEAD else "KW-HST-005"
        assert [finding["computer"] for finding in findings(report, told)] == [name_of(report, "pc02")], observation


def name_of(report: dict[str, Any], inventory: str) -> str:
    return next(str(computer["name"]) for computer in report["computers"] if computer["identities"]["inventory"] == inventory)


def test_a_malformed_registered_result_is_a_finding_of_its_host_alone(player: Player) -> None:
    broken: dict[str, Any] = {"observation": {"volumes": 1}, "failed": "perhaps", "unreachable": []}
    variables: dict[str, dict[str, Any]] = {"pc02": {"keyward_observation": broken}, "pc03": {"keyward_observation": "skipped"}}
    run = player.play(
        [
            play("pc01", task(OBSERVE, "volume_info", register="keyward_observation")),
            play("localhost", task(REPORT, "escrow_report", {"ad": "{{ keyward_ad }}", "dest": "{{ keyward_dest }}"})),
        ],
        "-e",
        f"@{player.variables()}",
        hosts=player.inventory(variables, only=FEW),
    ).no_traceback()
    assert run.code == 0, run.output
    assert verdicts(run.report)["pc01"] == "escrowed"
    assert {finding["computer"] for finding in findings(run.report, "KW-HST-005")} == {"pc02.lab.example", "pc03.lab.example"}


def test_the_schema_of_the_report_refuses_another(reported: tuple[Run, Watch]) -> None:
    """Positive control of the validation."""
    broken = reported[0].report
    broken["computers"][0]["verdict"] = "fine"
    assert list(Draft202012Validator(SCHEMA).iter_errors(broken))


def test_the_playbook_is_found_by_its_name(player: Player) -> None:
    run = player.run(REPORT_PLAYBOOK, "--list-tasks", hosts=player.inventory())
    assert run.code == 0
    for name in (OBSERVE, REPORT, SAY_SO):
        assert name in run.output


def test_nothing_is_left_beside_the_report(player: Player) -> None:
    player.report(hosts=player.inventory(only=["pc01"]))
    left = {path.relative_to(player.folder).parts[0] for path in player.folder.rglob("*") if path.is_file()}
    assert left <= {"ansible.cfg", "home", "inventory.yml", "record.jsonl", "report", "variables.yml"}
    assert [path for path in Path(player.folder / "home").rglob("*") if path.is_file() and "keyward" in path.name] == []
