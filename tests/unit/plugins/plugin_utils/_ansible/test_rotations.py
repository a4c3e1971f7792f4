# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations over a live host of the lab: which keys, foreseen and done, kept for a while, taken up, and the order of files and changes."""

from __future__ import annotations

import json
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.intents import IntentFiles
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.choice import Wishes
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.rotation import Intent, tag_for
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.tests.lab.crash.fate import Exchange
from ansible_collections.keyward.bitlocker.tests.lab.fve import stretching
from ansible_collections.keyward.bitlocker.tests.lab.model import LabProtector

from .repairing import NOW, OLD, OTHER, STORES, TPM_PIN_KEY, WRONG, Ground, lab_stretch

TAG = tag_for(OLD, moment="20261123T031500Z", unique="0badcafe")


@pytest.fixture(autouse=True)
def cheap_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretching, "shared", lambda: lab_stretch)


def kinds(row: dict[str, Any]) -> list[list[str]]:
    return [[step["step"] for step in rotation["steps"]] for rotation in row["rotations"]]


ONE = ["add_recovery_password", "back_up", "back_up", "remove_protector"]


def test_check_mode_foresees_a_rotation_and_touches_nothing(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "state")
    before = ground.snapshot()
    foreseen = ground.rotate(check_mode=True)
    assert ground.snapshot() == before
    assert not (tmp_path / "state").exists()
    done = ground.rotate()
    assert kinds(foreseen) == kinds(done) == [ONE]
    assert (foreseen["changed"], done["changed"]) == (True, True)
    assert foreseen["rotations"][0]["new_key_id"] is None
    assert done["rotations"][0]["new_key_id"] in {item.key_id for item in ground.passwords}
    assert list((tmp_path / "state").iterdir()) == []
    again = ground.rotate()
    assert (again["changed"], again["done"], again["rotations"]) == (False, True, [])


def test_one_after_the_other_each_with_a_new_one_of_its_own(tmp_path: Path) -> None:
    ground = Ground(tmp_path, escrowed=dict.fromkeys((OLD, OTHER), STORES), extra=(OTHER,))
    row = ground.rotate(Wishes(always=True))
    assert kinds(row) == [ONE, ONE]
    assert ground.working() == (2, 2)
    assert {OLD, OTHER}.isdisjoint(item.key_id for item in ground.passwords)
    assert ground.volume.protectors[0].key_id == TPM_PIN_KEY


def test_each_condition_takes_the_keys_that_it_is_about(tmp_path: Path) -> None:
    def chosen(wishes: Wishes, **more: Any) -> dict[str, list[str]]:
        ground = Ground(tmp_path, escrowed={OLD: STORES, OTHER: ("ad",)}, extra=(OTHER,))
        return {row["key_id"]: row["why"] for row in ground.rotate(wishes, check_mode=True, **more)["keys"]}

    assert chosen(Wishes(unproven=True)) == {OLD: [], OTHER: ["unproven"]}
    assert chosen(Wishes(key_ids=(OTHER[:8],))) == {OLD: [], OTHER: ["key_id"]}
    assert chosen(Wishes(disclosed=True), disclosed=lambda key_id: key_id == OLD) == {OLD: ["disclosed"], OTHER: []}
    assert chosen(Wishes(older_than=timedelta(days=36500))) == {OLD: [], OTHER: []}
    assert chosen(Wishes(older_than=timedelta(0), unproven=True)) == {OLD: ["older_than"], OTHER: ["older_than", "unproven"]}


def test_the_age_is_that_of_the_key_package(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    (row,) = ground.rotate(Wishes(older_than=timedelta(days=36500)), check_mode=True)["keys"]
    assert row["date_from"] == "key_package"
    assert row["made_at"] < "2026-11-23"


def test_a_key_of_unknown_age_is_no_young_one(tmp_path: Path) -> None:
    ground = Ground(tmp_path, escrowed={})
    ground.volume.protectors[1].package = "refused"
    row = ground.rotate(Wishes(older_than=timedelta(days=1)))
    assert not row["done"]
    assert "nobody tells when" in row["reason"]
    assert not row["changed"]


def test_the_old_one_is_kept_for_a_while_and_a_later_run_removes_it(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    first = ground.rotate(keep_hours=4)
    assert kinds(first) == [ONE[:3]]
    assert (first["done"], first["rotations"][0]["done"]) == (True, False)
    assert first["rotations"][0]["kept_until"] == "2026-11-23T08:00:00.000Z"
    assert ground.files().pending() == [OLD]
    second = ground.rotate(Wishes(key_ids=("ffffffff",)), keep_hours=4)
    assert (second["changed"], second["done"], kinds(second)) == (False, True, [[]])
    ground.now = NOW + timedelta(hours=5)
    third = ground.rotate(Wishes(key_ids=("ffffffff",)), keep_hours=4)
    assert kinds(third) == [["remove_protector"]]
    assert (ground.working(), ground.files().pending()) == ((1, 1), [])


def test_what_a_store_holds_wrongly_is_cured_by_a_new_one(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.escrow.directory[OLD] = WRONG
    backup = ground.back_up()
    assert getattr(backup.end, "needs_rotation", ()) == (OLD,)
    assert kinds(ground.rotate(Wishes(unproven=True))) == [ONE]
    assert ground.working() == (1, 1)
    assert ground.opens()


def test_a_rotation_that_another_controller_began_is_taken_up_without_its_file(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.volume.protectors.append(LabProtector(key_id="abcdef00-0000-4000-8000-000000000000", type=3, password=WRONG, friendly_name=TAG))
    row = ground.rotate(Wishes(key_ids=("ffffffff",)))
    assert kinds(row) == [ONE[1:]]
    assert row["rotations"][0]["why"] == ["interrupted"]
    assert [item.key_id for item in ground.passwords] == ["abcdef00-0000-4000-8000-000000000000"]


def test_an_intent_about_another_volume_than_there_is_now_is_dropped(tmp_path: Path) -> None:
    ground = Ground(tmp_path, escrowed=dict.fromkeys((OLD, OTHER), STORES), extra=(OTHER,))
    ground.files().write(Intent(snapshot=frozenset({TPM_PIN_KEY, OLD}), replaced=OLD, tag=TAG))
    assert kinds(ground.rotate(Wishes(key_ids=("ffffffff",)))) == []
    assert ground.files().pending() == []
    assert len(ground.volume.protectors) == 3


def test_policy_that_stores_nothing_leaves_the_old_one_where_it_is(tmp_path: Path) -> None:
    policy = Ground(tmp_path).policy | {"OSActiveDirectoryBackup": 0}
    ground = Ground(tmp_path, policy=policy)
    for _run in range(3):
        row = ground.rotate()
        assert not row["done"]
        assert "OSActiveDirectoryBackup" in row["reason"]
    assert len(ground.passwords) == 2
    assert ground.working()[1] == 1


def test_the_intent_is_on_the_disk_before_the_first_change_and_goes_after_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(tmp_path)
    happened: list[str] = []
    real = {name: getattr(os, name) for name in ("fsync", "replace", "unlink")}

    def fsync(descriptor: int) -> None:
        happened.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        real["fsync"](descriptor)

    def renamed(*arguments: Any, **named: Any) -> None:
        happened.append("rename")
        real["replace"](*arguments, **named)

    def unlinked(*arguments: Any, **named: Any) -> None:
        happened.append("remove")
        real["unlink"](*arguments, **named)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(os, "unlink", unlinked)
    watch = ground.watch

    def watched(exchange: Exchange) -> None:
        watch(exchange)
        happened.extend([exchange.what] if exchange.changes else [])

    monkeypatch.setattr(ground.fate, "_watch", watched)
    ground.rotate()
    assert happened == [
        "fsync file",
        "rename",
        "fsync folder",
        "Invoke ProtectKeyWithNumericalPassword",
        "Invoke BackupRecoveryInformationToActiveDirectory",
        "Invoke BackupRecoveryInformationToCloudDomain",
        "Invoke DeleteKeyProtector",
        "remove",
        "fsync folder",
    ]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema_version": 1}', '{"schema_version": 1, "snapshot": 5}', "x" * 70_000])
def test_a_file_that_holds_no_intent_is_told_and_not_used(tmp_path: Path, content: str) -> None:
    told: list[str] = []
    files = IntentFiles(tmp_path, "pc01", "volume", told.append)
    files.write(Intent(snapshot=frozenset({OLD}), replaced=OLD, tag=TAG))
    (path,) = tmp_path.iterdir()
    path.write_text(content, encoding="utf-8")
    assert files.pending() == []
    assert str(path) in told[0]


def test_an_intent_is_its_own_hosts_and_volumes(tmp_path: Path) -> None:
    intent = Intent(snapshot=frozenset({OLD, OTHER}), replaced=OLD, tag=TAG)
    files = IntentFiles(tmp_path / "deep" / "down", "pc01", "volume", lambda text: None)
    files.write(intent)
    assert files.read(OLD) == intent
    for host, volume in (("pc02", "volume"), ("pc01", "another")):
        assert IntentFiles(tmp_path / "deep" / "down", host, volume, lambda text: None).pending() == []
    (path,) = (tmp_path / "deep" / "down").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "password" not in json.dumps(json.loads(path.read_text(encoding="utf-8")))
    files.remove(OLD)
    files.remove(OLD)
    assert files.pending() == []


def test_nothing_is_changed_where_the_intent_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    ground = Ground(tmp_path / "file" / "state")
    before = ground.snapshot()
    with pytest.raises(OptionError):
        ground.rotate()
    assert ground.snapshot() == before
