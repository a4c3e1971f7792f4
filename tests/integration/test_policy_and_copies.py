# SPDX-License-Identifier: GPL-3.0-or-later
"""recovery_policy and local_copy_info through ansible-playbook: check mode foresees, the second run changes nothing, the diff is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.estates import Drawing, recovery
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Run, Watch, play, task
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabFile

INTENDED = {"recovery_password_use": "required", "store_in_ad": True, "key_package": True, "require_backup": True}
VALUES = {
    "OSActiveDirectoryBackup": 1,
    "OSActiveDirectoryInfoToStore": 1,
    "OSRecovery": 1,
    "OSRecoveryKey": 2,
    "OSRecoveryPassword": 1,
    "OSRequireActiveDirectoryBackup": 1,
}
FOREIGN = {"UseTPM": 2, "EncryptionMethodWithXtsOs": 7}
WRITES = frozenset({"CreateKey", "SetDWORDValue", "DeleteValue"})
POLICY = {"gather_subset": ["policy"]}


def estate() -> Estate:
    """A computer with saved keys, one whose policy forbids passwords, one that Intune manages, one that is not there."""
    drawing = Drawing(4760)
    bare = drawing.host("bare", volumes=2, fve_policy=dict(FOREIGN), profiles=[r"C:\Users\ada"])
    bare.files += [
        LabFile(path=f"C:\\Users\\ada\\Documents\\BitLocker Recovery Key {recovery(bare).key_id.upper()}.TXT"),
        LabFile(path=f"D:\\{drawing.another_guid().upper()}.BEK", hidden=True),
    ]
    drawing.host("forbids", fve_policy={"OSRecovery": 1, "OSRecoveryPassword": 0}, domain=None, domain_role=0, computer=False)
    drawing.host("intune", mdm_policy={"SystemDrivesRecoveryOptions": "<enabled/>"}, profile="win10_22h2")
    drawing.host("gone", fault="refused")
    return drawing.estate


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("policy"), LabOptions(entra=False), estate=estate()) as lab:
        yield lab


@pytest.fixture(scope="module")
def played(ground: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Watch]:
    """One play over all of it, and what the hosts saw."""
    wanted = {"os": INTENDED}
    tasks = [
        task("foreseen", "recovery_policy", wanted, check_mode=True, diff=True, ignore_errors=True, ignore_unreachable=True),
        task("unchanged by check mode", "volume_info", POLICY, ignore_unreachable=True),
        task("set", "recovery_policy", wanted, diff=True, ignore_errors=True, ignore_unreachable=True),
        task("again", "recovery_policy", wanted, diff=True, ignore_errors=True, ignore_unreachable=True),
        task("seen", "volume_info", POLICY, ignore_unreachable=True),
        task("copies", "local_copy_info", ignore_unreachable=True),
        task("taken back", "recovery_policy", wanted | {"state": "absent"}, ignore_errors=True, ignore_unreachable=True),
        task("seen at the end", "volume_info", POLICY, ignore_unreachable=True),
    ]
    watch = Watch(ground)
    run = Player(tmp_path_factory.mktemp("played"), ground).play([play("bare:intune:gone", *tasks)], "-v")
    return run.no_traceback(), watch.stop()


def values(run: Run, name: str, host: str) -> Any:
    return run.result(name, host)["observation"]["policy"]["values"]


@pytest.mark.parametrize("host", ["bare", "intune"])
def test_check_mode_foresees_the_run_and_the_second_run_changes_nothing(played: tuple[Run, Watch], host: str) -> None:
    run, _watch = played
    foreseen, done, again = (run.result(name, host) for name in ("foreseen", "set", "again"))
    for name in ("changed", "changes", "before", "after", "policy", "overwritten_by", "diff"):
        assert foreseen[name] == done[name], name
    assert done["changed"] is True
    assert (again["changed"], again["changes"], again["diff"]["before"]) == (False, [], again["diff"]["after"])
    foreign = FOREIGN if host == "bare" else {}
    assert values(run, "unchanged by check mode", host) == foreign
    assert values(run, "seen", host) == foreign | VALUES
    assert run.result("taken back", host)["changed"] is True
    assert values(run, "seen at the end", host) == foreign


def test_what_was_written_and_how_often(played: tuple[Run, Watch]) -> None:
    _run, watch = played
    methods = [row["method"] for row in watch.host("bare") if row.get("method") in WRITES]
    assert methods == ["CreateKey", *["SetDWORDValue"] * 6, *["DeleteValue"] * 6]


def test_the_difference_is_shown(played: tuple[Run, Watch]) -> None:
    run, _watch = played
    assert "+OSRequireActiveDirectoryBackup = 1" in run.output
    assert r"HKLM\SOFTWARE\Policies\Microsoft\FVE" in run.output
    assert "Where a Group Policy sets the same values" in run.output.replace("\n", " ")
    assert "Intune (or another MDM) delivers recovery options" in run.output.replace("\n", " ")
    assert run.result("set", "bare")["overwritten_by"] == ["group_policy"]
    assert run.result("set", "intune")["overwritten_by"] == ["group_policy", "mdm"]


def test_a_host_that_is_not_there_is_unreachable(played: tuple[Run, Watch]) -> None:
    run, _watch = played
    assert run.event("foreseen", "gone") == "unreachable"
    assert run.event("copies", "gone") == "unreachable"


def test_saved_keys(played: tuple[Run, Watch], ground: Lab) -> None:
    run, watch = played
    result = run.result("copies", "bare")
    key_id = recovery(ground.estate.hosts[0]).key_id
    found = {one["path"]: (one["kind"], one["current"], one["unlocks"], one["on_volume_it_unlocks"]) for one in result["files"]}
    text = f"c:\\users\\ada\\documents\\bitlocker recovery key {key_id}.txt"
    (bek,) = set(found) - {text}
    assert found == {text: ("recovery_text", True, ["C:"], True), bek: ("external_key", False, [], False)}
    assert (result["changed"], result["not_searched"]) == (False, [])
    assert run.result("copies", "intune")["files"] == []
    queries = [row.get("query") or "" for row in watch.host("bare")]
    assert all("Drive='" in query and "Path='" in query for query in queries if "CIM_DataFile" in query)


def test_a_contradiction_with_what_is_there(ground: Lab, tmp_path: Path) -> None:
    watch = Watch(ground)
    intended = {"os": {"store_in_ad": True, "require_backup": True}}
    run = Player(tmp_path, ground).play([play("forbids", task("refused", "recovery_policy", intended))])
    assert run.code == 2
    result = run.result("refused", "forbids")
    assert "FVE_E_POLICY_CONFLICT_OSV_RP_OFF_ADB_ON (0x80310090)" in result["msg"]
    assert result["changed"] is False
    assert [row for row in watch.host("forbids") if row.get("method") in WRITES] == []
