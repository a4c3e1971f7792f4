# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as a source: what a walk reads and what it leaves, what terms find, and how values are read again."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_files.contents import FileContents, Reading, recognise
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import Candidate, CandidateValue, SourceAnswer, parse_term
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.files import source as file_source
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.files.source import FileSettings, FileSource
from ansible_collections.keyward.bitlocker.tests.lab.key_files import pages, tables, texts
from ansible_collections.keyward.bitlocker.tests.lab.key_files.drives import write_drive
from ansible_collections.keyward.bitlocker.tests.lab.key_files.texts import LabKey, encoded, lab_key, saved, saved_name

KEY, OTHER, THIRD = (lab_key(f"source {number}", f"PC0{number}") for number in range(3))


def source(*paths: Path | str, **options: Any) -> FileSource:
    return FileSource(FileSettings.from_options({"paths": [str(path) for path in paths], **options}))


def ask(reading: FileSource, *terms: str) -> SourceAnswer:
    return reading.find([parse_term(term) for term in terms])


def value(reading: FileSource, candidate: Candidate) -> CandidateValue:
    (answer,) = reading.values([candidate])
    return answer


def save(folder: Path, key: LabKey, language: str = "en-US") -> Path:
    path = folder / saved_name(key)
    path.write_bytes(encoded(saved(key, language), "utf-16"))
    return path


def password(reading: FileSource, term: str) -> str:
    (candidate,) = ask(reading, term).found[term]
    found = value(reading, candidate).value
    assert found is not None
    return found.reveal()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "a" / "b").mkdir(parents=True)
    save(tmp_path / "a" / "b", KEY, "ja-JP")
    save(tmp_path, OTHER, "de-DE")
    return tmp_path


def test_what_a_term_finds(tree: Path) -> None:
    (tree / "export.csv").write_text(tables.export([THIRD]), encoding="utf-8")
    reading = source(tree)
    for term in (KEY.key_id, KEY.key_id[:8].upper(), f"{{{KEY.key_id.upper()}}}", f"key_id:{KEY.key_id[:13]}"):
        assert password(reading, term) == KEY.password
    for term in ("pc02", "PC02.corp.example", "host:pc02", f"serial:{THIRD.serial}", THIRD.serial.lower()):
        assert password(reading, term) == THIRD.password
    for term in ("pc2", "deadbeef", "device_id:" + KEY.key_id, "serial:pc02", "host:" + THIRD.serial):
        assert ask(reading, term).found[term] == ()
    (candidate,) = ask(reading, "pc02").found["pc02"]
    path = str(tree / "export.csv")
    assert (candidate.source, candidate.owner, candidate.location) == ("file", path, f"{path}, line 2")


def test_a_page_that_shows_eight_digits_answers_to_the_whole_id(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(pages.account_page([KEY]), encoding="utf-8")
    reading = source(tmp_path / "page.html")
    assert password(reading, KEY.key_id) == password(reading, KEY.key_id[:8]) == password(reading, "pc00") == KEY.password
    assert ask(reading, OTHER.key_id).found[OTHER.key_id] == ()


def test_a_drive_with_an_external_key(tmp_path: Path) -> None:
    drive = write_drive(tmp_path)
    reading = source(tmp_path)
    assert password(reading, drive.saved.key_id) == drive.saved.password
    for term in (drive.external_id, drive.external_id[:8], drive.volume_guid):
        (candidate,) = ask(reading, term).found[term]
        assert (candidate.type, candidate.key_id, candidate.volume_guid) == ("external_key", drive.external_id, drive.volume_guid)
        assert not candidate.readable
        assert candidate.location == f"{drive.bek}, external key {drive.external_id} of volume {drive.volume_guid}"
        problem = value(reading, candidate).problem
        assert problem is not None
        assert "it is an external key (.BEK), which has no 48 digits" in str(problem)
    answer = ask(reading, "nothing")
    assert (answer.state, answer.problems) == (StoreState.SEARCHED, ())


def test_links_pipes_sockets_and_devices_are_not_followed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    save(outside, THIRD)
    (tree / "link").symlink_to(outside)
    (tree / "file link.txt").symlink_to(outside / saved_name(THIRD))
    (tree / "a" / "loop").symlink_to(tree)
    os.mkfifo(tree / "pipe.txt")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(tree / "socket"))
    try:
        answer = ask(source(tree), THIRD.key_id, KEY.key_id)
    finally:
        listener.close()
    assert answer.found[THIRD.key_id] == ()
    assert len(answer.found[KEY.key_id]) == 1
    assert (answer.state, answer.problems) == (StoreState.SEARCHED, ())


def test_a_named_link_is_followed(tree: Path) -> None:
    (tree / "named").symlink_to(tree / "a")
    assert password(source(tree / "named"), KEY.key_id) == KEY.password


def test_what_is_named_twice_is_read_once(tree: Path) -> None:
    path = tree / saved_name(OTHER)
    os.link(path, tree / "again.txt")
    assert len(ask(source(tree, path, tree / "a"), OTHER.key_id).found[OTHER.key_id]) == 1


def test_a_missing_path_makes_it_partial_and_all_missing_down(tree: Path) -> None:
    answer = ask(source(tree, tree / "nowhere"), KEY.key_id)
    assert (answer.state, len(answer.found[KEY.key_id])) == (StoreState.PARTIAL, 1)
    assert "nowhere could not be read: no such file or directory" in answer.reason
    answer = ask(source(tree / "nowhere"), KEY.key_id)
    assert (answer.state, answer.found[KEY.key_id]) == (StoreState.DOWN, ())


def test_an_unreadable_file_never_hides_the_others(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refusing(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("locked.txt"):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **more)

    (tree / "locked.txt").write_text("x")
    monkeypatch.setattr(os, "open", refusing)
    answer = ask(source(tree), KEY.key_id)
    assert (answer.state, len(answer.found[KEY.key_id])) == (StoreState.PARTIAL, 1)
    assert [(problem.where, problem.text) for problem in answer.problems] == [
        (str(tree / "locked.txt"), "could not be read: permission denied")
    ]


def test_what_is_named_after_its_key_does_not_carry_it_into_the_open(tmp_path: Path) -> None:
    """What is known of a key is shown without a reason and without a record."""
    for folder, key in (("a", KEY), ("b", LabKey(KEY.key_id, OTHER.password))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{key.password}.txt").write_text(saved(key), encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / f"{KEY.password}.pdf").write_bytes(b"%PDF-1.4 broken")
    row = f"{THIRD.key_id},{THIRD.password},{THIRD.password},K{THIRD.password},{THIRD.password}"
    (tmp_path / "wrong.csv").write_text(f"KeyID,RecoveryPassword,Serial,Computer,Volume\n{row}\n", encoding="utf-8")
    reading = source(tmp_path)
    answer = ask(reading, KEY.key_id, THIRD.key_id)
    assert not any(key.password[:20] in repr(answer) for key in (KEY, OTHER, THIRD))
    both = answer.found[KEY.key_id]
    # they are still two files, and each is still read
    assert len({candidate.location for candidate in both}) == 2
    assert {found.value.reveal() for found in reading.values(both) if found.value} == {KEY.password, OTHER.password}


def test_a_file_that_nobody_foresaw_never_hides_the_others(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "0-first.txt").write_text("odd", encoding="utf-8")

    def surprised(content: Secret[bytes], name: str, reading: Reading) -> FileContents:
        if name.startswith("0-"):
            raise ValueError(f"quotes {KEY.password}")
        return recognise(content, name, reading)

    monkeypatch.setattr(file_source, "recognise", surprised)
    reading = source(tree)
    answer = ask(reading, KEY.key_id, "deadbeef")
    assert [candidate.key_id for candidate in answer.found[KEY.key_id]] == [KEY.key_id]
    # what is in it nobody knows
    assert answer.state is StoreState.PARTIAL
    assert "0-first.txt: it could not be taken apart" in answer.reason
    assert KEY.password[:6] not in answer.reason + repr(answer.problems)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_files": 1}, "more than 1 files (max_files)"),
        ({"max_depth": 1}, "deeper than 1 folders (max_depth)"),
        ({"max_depth": 0}, "deeper than 0 folders (max_depth)"),
    ],
)
def test_limits_make_it_partial(tree: Path, limits: dict[str, int], told: str) -> None:
    answer = ask(source(tree, **limits), KEY.key_id, OTHER.key_id)
    assert answer.state is StoreState.PARTIAL
    assert told in answer.reason
    assert len(answer.found[KEY.key_id]) + len(answer.found[OTHER.key_id]) == 1


def test_a_folder_at_the_deepest_is_still_read(tree: Path) -> None:
    assert ask(source(tree, max_depth=2), KEY.key_id).state is StoreState.SEARCHED


def test_the_time_for_all_files_is_bounded(tree: Path) -> None:
    now = iter(range(0, 10_000, 100))
    reading = FileSource(FileSettings(paths=(str(tree),), timeout=150), clock=lambda: float(next(now)))
    answer = ask(reading, KEY.key_id)
    assert answer.state is StoreState.PARTIAL
    assert "within 150 seconds (timeout)" in answer.reason


def test_a_file_that_is_too_large(tree: Path) -> None:
    (tree / "film.mp4").write_bytes(b"\0" * (1024 * 1024 + 1))
    answer = ask(source(tree, max_file_mb=1), KEY.key_id)
    assert (answer.state, len(answer.problems)) == (StoreState.SEARCHED, 1)
    (tree / "keys.csv").write_bytes(b"\n" * (1024 * 1024 + 1))
    answer = ask(source(tree, max_file_mb=1), KEY.key_id)
    assert answer.state is StoreState.PARTIAL
    assert "keys.csv could not be read: it is larger than 1 MB (max_file_mb)" in answer.reason


def test_the_value_is_read_from_the_file_again(tree: Path) -> None:
    reading = source(tree)
    (candidate,) = ask(reading, KEY.key_id).found[KEY.key_id]
    path = Path(candidate.owner)
    path.write_bytes(encoded(saved(LabKey(KEY.key_id, OTHER.password)), "utf-16"))
    problem = value(reading, candidate).problem
    assert problem is not None
    assert "the file has changed since it was searched" in str(problem)
    path.unlink()
    assert "no such file" in str(value(reading, candidate).problem)


def test_no_value_is_kept(tree: Path) -> None:
    reading = source(tree)
    answer = ask(reading, KEY.key_id)
    (candidate,) = answer.found[KEY.key_id]
    assert KEY.password not in repr((answer, candidate.handle))
    kept = [found for place in vars(reading).values() if isinstance(place, list) for found in place]
    handles = [found.handle for found in kept if isinstance(found, Candidate)]
    assert len(handles) == 2
    assert all(getattr(handle, "key").value is None for handle in handles)  # noqa: B009  # the handle is for the source alone


def test_damage_is_told_and_no_value_given(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text(saved(LabKey(KEY.key_id, texts.damaged(KEY.password, 4))), encoding="utf-8")
    reading = source(tmp_path)
    (candidate,) = ask(reading, KEY.key_id).found[KEY.key_id]
    assert not candidate.readable
    problem = str(value(reading, candidate).problem)
    assert "the fifth group does not fit its check digit" in problem
    assert "x.txt, line" in problem


def test_files_that_contradict_each_other_are_marked(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text(saved(KEY), encoding="utf-8")
    (tmp_path / "2.txt").write_text(saved(LabKey(KEY.key_id, OTHER.password)), encoding="utf-8")
    (tmp_path / "3.txt").write_text(saved(LabKey(THIRD.key_id, OTHER.password)), encoding="utf-8")
    reading = source(tmp_path)
    first, second = ask(reading, KEY.key_id).found[KEY.key_id]
    assert first.defects == ("another recovery password has the same key ID",)
    assert "the same recovery password stands under another key ID too" in second.defects
    assert [value(reading, found).value is not None for found in (first, second)] == [True, True]


def test_equal_copies_are_not_contradictions(tmp_path: Path) -> None:
    for name in ("1.txt", "2.txt"):
        (tmp_path / name).write_text(saved(KEY), encoding="utf-8")
    assert [found.defects for found in ask(source(tmp_path), KEY.key_id).found[KEY.key_id]] == [(), ()]


def test_it_reads_once_for_all_terms_and_again_after_close(tree: Path) -> None:
    reading = source(tree)
    ask(reading, KEY.key_id)
    save(tree, THIRD)
    assert ask(reading, THIRD.key_id).found[THIRD.key_id] == ()
    reading.close()
    reading.close()
    assert len(ask(reading, THIRD.key_id).found[THIRD.key_id]) == 1


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({}, "paths"),
        ({"paths": []}, "paths"),
        ({"paths": ["a\0b"]}, "paths"),
        ({"paths": ["a"], "columns": {"key": 1}}, "columns"),
        ({"paths": ["a"], "columns": {"key_id": 1}}, "columns"),
        ({"paths": ["a"], "columns": {"key_id": 1, "recovery_password": 0}}, "columns"),
        ({"paths": ["a"], "columns": {"key_id": 1, "recovery_password": None}}, "columns"),
        ({"paths": ["a"], "max_files": 0}, "max_files"),
        ({"paths": ["a"], "timeout": 100_000}, "timeout"),
        ({"paths": ["a"], "max_depth": -1}, "max_depth"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError, match=rf"option file\.{option}"):
        FileSettings.from_options(options)


def test_numbers_as_texts_are_numbers() -> None:
    settings = FileSettings.from_options({"paths": ["a"], "columns": {"key_id": "2", "recovery_password": " PW "}})
    assert settings.columns == {"key_id": 2, "recovery_password": " PW "}
