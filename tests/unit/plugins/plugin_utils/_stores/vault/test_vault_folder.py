# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a second copy: names that no file system stumbles over, permissions, links, full disks, several writers."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import parse_term
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.vault_record import Machine
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault import writable
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.folder import list_machines, stem_of
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.writable import VaultWriteError, WritableFolder
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.vault import copies
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.vault.copies import Keys, key, machine, pairs, vault
from hypothesis import given, settings
from hypothesis import strategies as st

SEALED = vault("new")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestNames:
    def test_a_name_is_the_computers_and_a_digest(self) -> None:
        assert stem_of(machine(1), copies.guid(1)).startswith("pc01.lab.example--")

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.text(max_size=400), min_size=1, max_size=2), st.none() | st.uuids().map(str))
    def test_no_name_leaves_the_folder_or_differs_by_case_alone(self, names: list[str], guid: str | None) -> None:
        stem = stem_of(Machine(names=tuple(names), ad_guid=guid), copies.guid(1))
        assert stem == stem.lower()
        assert "/" not in stem
        assert not stem.startswith(".")
        assert set(stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
        # with a key ID, a number and the ending, and a temporary name around it
        assert len(stem) < 110

    @pytest.mark.parametrize("name", ["../../etc/passwd", "", "..", "con", "PC/01", "a\0b", "\ud800", "ﬀ" * 300, "-rf", ".hidden"])
    def test_hostile_names_become_files_of_the_folder(self, folder: Path, name: str) -> None:
        whose = Machine(names=(name.lower().replace("\ud800", "?"),), ad_guid=copies.guid(9))
        copies.writer(folder, SEALED).add(whose, [key(1)])
        assert copies.everything(folder, [SEALED], [1]) == pairs(1)
        assert sorted(path.parent for path in folder.rglob("*")) == [folder] * 3

    def test_namesakes_have_files_of_their_own(self, folder: Path) -> None:
        made = copies.writer(folder, SEALED)
        made.add(Machine(names=("pc01",), ad_guid=copies.guid(1)), [key(1)])
        made.add(Machine(names=("PC01".lower(),), ad_guid=copies.guid(2)), [key(2)])
        assert len(list_machines(folder)) == 2
        assert copies.everything(folder, [SEALED], [1, 2]) == pairs(1, 2)

    def test_a_renamed_computer_keeps_its_file(self, folder: Path) -> None:
        made = copies.writer(folder, SEALED)
        made.add(Machine(names=("old.lab.example",), ad_guid=copies.guid(1)), [key(1)])
        made.add(Machine(names=("new.lab.example",), ad_guid=copies.guid(1)), [key(2)])
        assert [stem.partition("--")[0] for stem in list_machines(folder)] == ["old.lab.example"]
        found = copies.source(folder, SEALED).find([parse_term("new"), parse_term("old")]).found
        assert {text: len(items) for text, items in found.items()} == {"new": 2, "old": 2}


class TestPermissions:
    def test_what_is_made_is_nobody_elses(self, folder: Path, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            copies.writer(folder, SEALED).add(machine(1), [key(1)])
            copies.writer(folder, Keys(tmp_path).sealer("one")).add(machine(1), [key(1)])
        finally:
            os.umask(before)
        assert mode(folder) == 0o700
        assert {mode(path) for path in folder.iterdir()} == {0o600}
        assert len(list(folder.iterdir())) == 4

    @pytest.mark.parametrize("bits", [0o770, 0o702, 0o722])
    def test_a_folder_that_others_can_write_to_is_refused(self, folder: Path, bits: int) -> None:
        folder.mkdir()
        folder.chmod(bits)
        with pytest.raises(OptionError, match="other accounts can write"):
            WritableFolder(folder).prepare()

    def test_a_folder_that_others_can_read_is_a_warning(self, folder: Path) -> None:
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        (warning,) = WritableFolder(folder).prepare()
        assert "which computers have which key IDs" in warning

    def test_a_folder_of_another_account_is_refused(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir(mode=0o700)
        if folder.stat().st_uid == 0:
            os.chown(folder, 12345, 12345)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: 12345)
        with pytest.raises(OptionError):
            WritableFolder(folder).prepare()

    def test_a_file_where_the_folder_should_be(self, folder: Path) -> None:
        folder.write_text("x")
        with pytest.raises(VaultWriteError):
            WritableFolder(folder).prepare()


class TestLinks:
    def test_a_sealed_file_that_is_a_link_is_not_followed(self, folder: Path, tmp_path: Path) -> None:
        made = copies.writer(folder, SEALED)
        (name,) = made.add(machine(1), [key(1)]).files
        (folder / name).rename(tmp_path / "elsewhere")
        (folder / name).symlink_to(tmp_path / "elsewhere")
        answer = copies.source(folder, SEALED).find([parse_term("pc01")])
        assert (answer.state, answer.found) == (StoreState.PARTIAL, {})
        assert name in answer.problems[0].where

    def test_a_lock_or_card_that_is_a_link_is_not_written_through(self, folder: Path, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_text("mine")
        folder.mkdir(mode=0o700)
        stem = stem_of(machine(1), copies.guid(1))
        (folder / f"{stem}.card.json").symlink_to(victim)
        made = copies.writer(folder, SEALED)
        made.add(machine(1), [key(1)])
        assert victim.read_text() == "mine"
        assert not (folder / f"{stem}.card.json").is_symlink()
        (folder / writable.LOCK).unlink()
        (folder / writable.LOCK).symlink_to(victim)
        with pytest.raises(VaultWriteError), WritableFolder(folder).locked():
            pass
        assert victim.read_text() == "mine"

    def test_fifos_and_folders_do_not_hang_a_reader(self, folder: Path) -> None:
        copies.writer(folder, SEALED).add(machine(1), [key(1)])
        os.mkfifo(folder / "pipe.vault.yml")
        (folder / "folder.age").mkdir()
        answer = copies.source(folder, SEALED).find([parse_term("pc01")])
        assert len(answer.found["pc01"]) == 1
        assert len(answer.problems) == 2


class TestFullDisk:
    @pytest.mark.parametrize("which", ["write", "fsync", "rename"])
    def test_what_was_there_stays(self, folder: Path, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
        made = copies.writer(folder, SEALED)
        made.add(machine(1), [key(1)])
        before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != writable.LOCK}

        def full(*_unused: Any, **_more: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, which, full)
            with pytest.raises(VaultWriteError, match="No space left on device"):
                made.add(machine(1), [key(2)])
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != writable.LOCK} == before
        # and the same writer goes on once there is room
        made.add(machine(1), [key(2)])
        assert copies.everything(folder, [SEALED], [1, 2]) == pairs(1, 2)

    def test_a_disk_that_reads_back_something_else_is_noticed(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = copies.writer(folder, SEALED)
        made.add(machine(1), [key(1)])
        monkeypatch.setattr(writable, "read_file", lambda path, limit: b"x" * limit)
        with pytest.raises(VaultWriteError, match="read back"):
            made.add(machine(1), [key(2)])
        assert copies.everything(folder, [SEALED], [1]) == pairs(1)


class TestSeveralWriters:
    def test_writers_that_take_turns_lose_nothing(self, folder: Path) -> None:
        one, two = copies.writer(folder, SEALED, run="one"), copies.writer(folder, SEALED, run="two")
        for number in range(1, 7):
            (one if number % 2 else two).add(machine(1), [key(number)])
        assert len(list_machines(folder)) == 1
        assert copies.everything(folder, [SEALED], range(1, 7)) == pairs(*range(1, 7))

    def test_writers_at_the_same_time_lose_nothing(self, folder: Path) -> None:
        def work(first: int) -> None:
            mine = copies.writer(folder, SEALED, run=str(first))
            for number in range(first, first + 4):
                mine.add(machine(number % 2), [key(number)])

        threads = [threading.Thread(target=work, args=(first,)) for first in (10, 20, 30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        numbers = [first + more for first in (10, 20, 30) for more in range(4)]
        assert copies.everything(folder, [SEALED], numbers) == pairs(*numbers)
        assert len(list_machines(folder)) == 2
        assert [path.name for path in folder.iterdir() if path.name.endswith(".tmp")] == []

    def test_a_lock_that_is_held_for_too_long_is_a_sentence(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        with (
            WritableFolder(folder).locked(),
            pytest.raises(VaultWriteError, match="another job has held it"),
            WritableFolder(folder, lock_seconds=0.05).locked(),
        ):
            pass
