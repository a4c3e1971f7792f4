# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a report: whole or not at all, whatever lies at its place, and a clear sentence where it cannot be."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import files
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.files import write_atomically
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.report_files import load_previous, write_report
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError

REPORT: dict[str, Any] = {"generated_at": "2026-11-22T20:00:00Z", "computers": [{"name": "pc01", "observed_at": "x"}], "findings": []}
NAME = "escrow-report.json"


def test_a_file_is_whole_readable_by_its_group_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "report"
    for text in ("one", "two \u00e9\n"):
        write_atomically(path, text)
        assert path.read_bytes() == text.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == ["report"]


def test_a_link_at_the_place_is_replaced_and_its_target_left(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("precious")
    link.symlink_to(target)
    write_atomically(link, "report")
    assert (target.read_text(), link.is_symlink(), link.read_text()) == ("precious", False, "report")


@pytest.mark.parametrize("place", ["file/below", "folder", "nul\0byte", "x" * 300])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OptionError, match="write a file") as caught:
        write_atomically(tmp_path / place, "text")
    assert str(tmp_path) in caught.value.target
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_full_disk_leaves_the_old_text_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report"
    write_atomically(path, "old")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OptionError, match="No space left"):
        write_atomically(path, "new")
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["report"])


@pytest.mark.parametrize(
    "before",
    [b"", b"no JSON", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b'{"computers": [1, {}]}', b"1" * 5000],
    ids=range(9),
)
def test_an_earlier_report_that_is_none_is_replaced(tmp_path: Path, before: bytes) -> None:
    (tmp_path / NAME).write_bytes(before)
    changed, _written = write_report(REPORT, tmp_path, check_mode=False)
    assert changed
    assert json.loads((tmp_path / NAME).read_text(encoding="utf-8")) == REPORT


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    assert load_previous(tmp_path / NAME) is None
    assert write_report(REPORT, tmp_path, check_mode=False)[0]
    assert load_previous(tmp_path / NAME) == REPORT


def test_only_content_is_a_change(tmp_path: Path) -> None:
    assert [write_report(REPORT | {"generated_at": at}, tmp_path, check_mode=False)[0] for at in "abc"] == [True, False, False]
    assert write_report(REPORT | {"computers": []}, tmp_path, check_mode=True)[0]
    assert load_previous(tmp_path / NAME) == REPORT | {"generated_at": "c"}


def test_half_a_character_in_a_name_is_written_as_json_spells_it(tmp_path: Path) -> None:
    odd = REPORT | {"computers": [{"name": "pc\udce9 \u00e9 \U0001f511"}]}
    assert [write_report(odd, tmp_path, check_mode=False)[0] for _again in range(2)] == [True, False]
    assert load_previous(tmp_path / NAME) == odd
