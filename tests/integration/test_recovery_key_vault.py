# SPDX-License-Identifier: GPL-3.0-or-later
"""The second copy in real playbooks: both sealings, sealed anew, verified, and keys restored from it by every handle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.finding import (
    REASON,
    Questions,
    directory,
    entry_of,
    finding_estate,
    host_named,
    key_of,
    leaks,
    passwords_of,
    tenant,
)
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Run, play, task
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions

MODULE = "vault_copy"
AGE = pytest.mark.skipif(shutil.which("age") is None, reason="the tools of age are not installed; make test installs them")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("vault"), LabOptions(), estate=finding_estate()) as running:
        yield running


class Copies:
    """Two folders with copies, what opens them, and the runs that wrote them."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.folder, self.lab = folder, lab
        self.audit = folder / "audit.jsonl"
        self.player = Player(folder, lab, {"KEYWARD_AUDIT_FILE": str(self.audit)})
        for name in ("old", "new"):
            self.player.write(f"{name}.password", f"{name} password of the test\n")
        pyrage = pytest.importorskip("pyrage", reason="needs pyrage, which requirements-dev.txt names")
        identity = pyrage.x25519.Identity.generate()
        self.public = str(identity.to_public())
        self.identity = self.player.write("age.key", f"{identity}\n")
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        self.hosts = self.player.inventory({"localhost": here})

    def vault(self, vault_id: str = "old", **more: Any) -> dict[str, Any]:
        return {"path": str(self.folder / "copy"), "vault_id": vault_id, "persistent": True} | more

    def sealed(self, **more: Any) -> dict[str, Any]:
        return {"path": str(self.folder / "sealed"), "recipients": [self.public], "persistent": True} | more

    def ids(self, *names: str) -> list[str]:
        return [part for name in names for part in ("--vault-id", f"{name}@{self.folder / name}.password")]

    def run(self, tasks: dict[str, dict[str, Any]], *arguments: str, **keywords: Any) -> Run:
        listed = [task(name, MODULE, {"reason": REASON, "max_reveals": 1000} | given, **keywords) for name, given in tasks.items()]
        return self.player.play([play("localhost", *listed)], *arguments, hosts=self.hosts).no_traceback()


def everywhere(lab: Lab) -> dict[str, Any]:
    return {"ad": directory(lab), "entra": tenant(lab)}


@pytest.fixture(scope="module")
def copies(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Copies:
    return Copies(tmp_path_factory.mktemp("copies"), lab)


@pytest.fixture(scope="module")
def first(copies: Copies, lab: Lab) -> Run:
    whole = {"all": True, "allow_incomplete": True, **everywhere(lab)}
    tasks = {
        "as if": whole | {"vault": copies.vault(), "check_mode": True},
        "all": whole | {"vault": copies.vault()},
        "all again": whole | {"vault": copies.vault()},
        "sealed": {"terms": ["both", "disagree"], "vault": copies.sealed(), **everywhere(lab)},
        "live": {"terms": ["no-key"], "sources": ["host"], "vault": copies.sealed(), "return_sealed": True},
    }
    as_if = task("as if", MODULE, {key: value for key, value in (tasks.pop("as if") | {"reason": REASON}).items() if key != "check_mode"})
    rest = [task(name, MODULE, {"reason": REASON, "max_reveals": 1000} | given) for name, given in tasks.items()]
    plays = [play("localhost", as_if | {"check_mode": True}, *rest)]
    run = copies.player.play(plays, "--diff", "-vvv", *copies.ids("old"), hosts=copies.hosts).no_traceback()
    assert run.code == 0, run.output
    return run


@pytest.fixture(scope="module")
def second(copies: Copies, lab: Lab, first: Run) -> Run:
    tasks = {
        "all": {"all": True, "allow_incomplete": True, "vault": copies.vault(), **everywhere(lab)},
        "cannot read": {"verify": True, "vault": copies.sealed()},
        "holder": {"verify": True, "vault": copies.sealed(identity_file=str(copies.identity))},
        "rekey": {"rekey": True, "vault": copies.vault("new")},
        "rekey again": {"rekey": True, "vault": copies.vault("new")},
    }
    run = copies.run(tasks, *copies.ids("new", "old"))
    assert run.code == 0, run.output
    return run


def test_all_of_both_directories_is_copied_once(first: Run, lab: Lab) -> None:
    expected = {entry.key_id for entry in lab.estate.entries if entry.password and " " not in entry.password and entry.computer != "GONE"}
    expected |= {key.key_id for key in lab.estate.entra_keys}
    result = first.result("all")
    assert {row["key_id"] for row in result["copied"]} == expected
    assert result["changed"] is True
    assert {row["key_id"] for row in result["conflicting"]} == {key_of(lab, "disagree")[0]}
    assert [row["computer"] for row in result["not_copied"]] == ["DAMAGED"]
    both = [row for row in result["copied"] if row["key_id"] == key_of(lab, "both")[0]]
    assert [row["sources"] for row in both] == [["ad", "entra"]]


def test_check_mode_foresees_it_and_writes_nothing(first: Run) -> None:
    as_if, done = first.result("as if"), first.result("all")
    # that a value is damaged is not known without reading it
    damaged = {row["key_id"] for row in done["not_copied"]}
    assert {row["key_id"] for row in as_if["copied"]} == {row["key_id"] for row in done["copied"]} | damaged
    assert (as_if["changed"], as_if["files"]) == (True, [])


def test_a_second_time_changes_nothing_and_reads_nothing(first: Run, second: Run, copies: Copies) -> None:
    for run in (first.result("all again"), second.result("all")):
        assert (run["changed"], run["copied"], run["files"]) == (False, [], [])
    records = [json.loads(line) for line in copies.audit.read_text(encoding="utf-8").splitlines()]
    given = [record for record in records if record.get("action") == "copy" and record["task"] != "rekey"]
    # each distinct password once: what both directories agree on is one, what they disagree on two
    assert len(given) == len({(record["key_id"], record["source"], record["task"]) for record in given})
    assert not [record for record in given if record["task"] == "all again"]
    # sealed anew, for whoever has the new password: once more, each
    assert [record["source"] for record in records if record.get("task") == "rekey"] == ["vault"] * second.result("all")["copy"]["keys"]


def test_only_a_later_run_verifies(first: Run, second: Run) -> None:
    assert first.result("all again")["newly_verified"] == 0
    assert first.result("all again")["copy"]["counted"] == 0
    assert second.result("all")["newly_verified"] == second.result("all")["copy"]["keys"] > 10
    assert second.result("all")["copy"]["counted"] == second.result("all")["copy"]["keys"]
    assert second.result("cannot read")["newly_verified"] == 0
    assert second.result("holder")["newly_verified"] == second.result("holder")["copy"]["keys"] == 4


def test_nothing_of_it_is_anywhere_in_clear(first: Run, second: Run, copies: Copies, lab: Lab) -> None:
    files = [path for name in ("copy", "sealed") for path in (copies.folder / name).iterdir()]
    assert len(files) > 20
    assert leaks(first, passwords_of(lab), copies.audit, *files) == []
    assert leaks(second, passwords_of(lab)) == []


def test_ansible_vault_views_what_was_sealed_anew(second: Run, copies: Copies, lab: Lab) -> None:
    assert len(second.result("rekey")["rekeyed"]) > 5
    assert second.result("rekey again")["changed"] is False
    (path,) = (copies.folder / "copy").glob("in-ad.lab.example--*.vault.yml")
    command = ["ansible-vault", "view", *copies.ids("new"), str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(shown.stdout)["keys"][0]["recovery_password"] == key_of(lab, "in-ad")[1]
    refused = subprocess.run(
        ["ansible-vault", "view", *copies.ids("old"), str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode != 0


@AGE
def test_age_reads_what_was_sealed_to_a_public_key(first: Run, copies: Copies, lab: Lab) -> None:
    (row,) = first.result("live")["sealed"]
    command = ["age", "-d", "-i", str(copies.identity)]
    shown = subprocess.run(command, input=row["content"], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(shown.stdout)["keys"][0]["recovery_password"] == key_of(lab, "no-key")[1]
    (path,) = (copies.folder / "sealed").glob(f"*{key_of(lab, 'both')[0]}*.age")
    shown = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(shown.stdout)["keys"][0]["recovery_password"] == key_of(lab, "both")[1]


@pytest.fixture(scope="module")
def restored(second: Run, copies: Copies, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Questions:
    folder = tmp_path_factory.mktemp("restored")
    player = Player(folder, lab, {"KEYWARD_AUDIT_FILE": str(folder / "audit.jsonl")})
    vault = {"path": str(copies.folder / "copy"), "vault_id": "new", "vault_password_file": str(copies.folder / "new.password")}
    sealed = {"path": str(copies.folder / "sealed"), "identity_file": str(copies.identity)}
    device = host_named(lab.estate, "in-entra").entra_device_id
    guid = next(computer.object_guid for computer in lab.estate.computers if computer.name == "IN-AD")
    questions: dict[str, dict[str, Any]] = {
        "host": {"terms": "in-ad", "vault": vault},
        "full name": {"terms": "in-ad.lab.example", "vault": vault},
        "8 characters": {"terms": key_of(lab, "in-ad")[0][:8].upper(), "vault": vault},
        "key ID": {"terms": key_of(lab, "in-ad")[0], "vault": vault},
        "object": {"terms": guid, "vault": vault},
        "device": {"terms": f"device_id:{device}", "vault": vault},
        "sealed": {"terms": "both", "vault": sealed},
        "sealed, serial": {"terms": "serial:SN-no-key", "vault": sealed},
        "with the directory": {"terms": "both", "ad": directory(lab), "vault": vault},
        "disagree": {"terms": "disagree", "vault": vault},
        "sealed, disagree": {"terms": "disagree", "vault": sealed},
        "nobody's": {"terms": "no-key", "vault": vault},
        "wrong password": {"terms": "in-ad", "vault": vault | {"vault_password_file": str(copies.folder / "old.password")}},
        "no private key": {"terms": "both", "vault": {"path": sealed["path"]}},
        "no folder": {"terms": "both", "vault": {"path": str(folder / "nowhere")}},
    }
    return Questions(player, questions)


@pytest.mark.parametrize(
    ("question", "host", "sources"),
    [
        ("host", "in-ad", ["vault"]),
        ("full name", "in-ad", ["vault"]),
        ("8 characters", "in-ad", ["vault"]),
        ("key ID", "in-ad", ["vault"]),
        ("object", "in-ad", ["vault"]),
        ("device", "in-entra", ["vault"]),
        ("sealed", "both", ["vault"]),
        ("sealed, serial", "no-key", ["vault"]),
        ("with the directory", "both", ["ad", "vault"]),
    ],
)
def test_restored_as_lookup_and_as_module(restored: Questions, lab: Lab, question: str, host: str, sources: list[str]) -> None:
    asked = restored[question]
    assert asked.failures == ("", "")
    key_id, password = key_of(lab, host)
    assert asked.passwords == [password]
    (row,) = asked.rows
    assert (row["key_id"], row["recovery_password"]) == (key_id, password)
    assert [place["source"] for place in row["sources"]] == sources


@pytest.mark.parametrize("question", ["disagree", "sealed, disagree"])
def test_two_values_for_one_key_id_are_handed_out_neither(restored: Questions, question: str) -> None:
    asked = restored[question]
    assert asked.passwords == []
    assert "different" in asked.module_failure
    # Ansible cuts the middle out of long messages
    for failure in asked.failures:
        assert "Prove which one opens the disk" in failure


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("nobody's", "there is none in vault"),
        ("wrong password", "none of the vault passwords opens it"),
        ("no private key", "identity_file"),
        ("no folder", "No such file or directory"),
    ],
)
def test_each_failure_has_its_own_sentence(restored: Questions, question: str, told: str) -> None:
    asked = restored[question]
    assert asked.passwords == []
    for failure in asked.failures:
        assert told in failure


def test_what_cannot_be_done_is_said_and_leaves_the_rest(copies: Copies, lab: Lab, first: Run, tmp_path: Path) -> None:
    folder: dict[str, Any] = {"path": str(tmp_path / "more")}
    tasks: dict[str, dict[str, Any]] = {
        "no password": {"terms": ["in-ad"], "ad": directory(lab), "vault": folder},
        "no key": {"terms": ["in-ad", "nobody"], "ad": directory(lab), "vault": copies.sealed(**folder)},
        "no reason": {"terms": ["in-ad", "both"], "ad": directory(lab), "vault": copies.sealed(path=str(tmp_path / "none")), "reason": ""},
        "budget": {"all": True, "ad": directory(lab), "vault": copies.sealed(path=str(tmp_path / "few")), "max_reveals": 2},
        "nothing asked": {"vault": copies.sealed(**folder)},
    }
    player = Player(tmp_path, lab, {"KEYWARD_AUDIT_FILE": str(tmp_path / "audit.jsonl")})
    listed = [
        task(name, MODULE, {"reason": REASON, "max_reveals": 1000} | given, ignore_errors=True, register=f"kept{number}")
        for number, (name, given) in enumerate(tasks.items())
    ]
    run = player.play([play("localhost", *listed)], hosts=copies.hosts).no_traceback()
    assert {name: run.event(name) for name in tasks} == dict.fromkeys(tasks, "failed")
    assert "Ansible has no password of this vault ID" in run.result("no password")["msg"]
    no_key = run.result("no key")
    assert "there is none in ad" in no_key["msg"]
    assert [row["key_id"] for row in no_key["copied"]] == [key_of(lab, "in-ad")[0]]
    assert "no reason is given" in run.result("no reason")["msg"]
    assert not list((tmp_path / "none").glob("*.age"))
    budget = run.result("budget")
    assert "max_reveals" in budget["msg"]
    # so many are not left, and none is read
    assert not list((tmp_path / "few").glob("*.age"))
    assert "nothing is asked for" in run.result("nothing asked")["msg"]
    assert leaks(run, passwords_of(lab)) == []


def test_what_a_computer_had_before_is_copied_too(copies: Copies, first: Run, lab: Lab) -> None:
    (path,) = (copies.folder / "copy").glob("reimaged.lab.example--*.card.json")
    assert {key["key_id"] for key in json.loads(path.read_text())["keys"]} == {entry_of(lab, "REIMAGED", number)[0] for number in (0, 1)}
