# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in files, through real playbooks: what Windows saves in several languages, scripts, printouts, the account's page, a USB drive."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.chromium import Chromium
from ansible_collections.keyward.bitlocker.tests.integration.finding import Asked, Questions, leaks
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player
from ansible_collections.keyward.bitlocker.tests.lab.key_files import pages, tables, texts
from ansible_collections.keyward.bitlocker.tests.lab.key_files.drives import LabDrive, write_drive
from ansible_collections.keyward.bitlocker.tests.lab.key_files.printing import text_page
from ansible_collections.keyward.bitlocker.tests.lab.key_files.texts import UTF_16, LabKey, encoded, lab_key, saved, saved_name

ENGLISH, GERMAN, JAPANESE, SCRIPT, PRINTED, ACCOUNT, ACCOUNT_PDF, EXPORTED, DAMAGED, OLD, RENAMED, TWICE = KEYS = [
    lab_key(f"file {number}", f"FILE-PC{number:02}") for number in range(12)
]
#: what the name of a file says that holds the key RENAMED
MISNAMED = lab_key("another name")
MAPPED = [lab_key(f"mapped {number}", f"MAPPED{number:02}") for number in range(3)]


def printed(browser: Chromium, folder: Path, html: str) -> bytes:
    """A page as Chromium prints it."""
    page = folder / "page.html"
    page.write_text(html, encoding="utf-8")
    browser.open(page.as_uri())
    content = browser.pdf()
    page.unlink()
    return content


def write_share(folder: Path, browser: Chromium) -> None:
    """A share with a file of each kind, one of which is damaged, one renamed, and two that disagree."""
    for name in ("users", "printouts", "exports"):
        (folder / name).mkdir()
    for key, language in ((ENGLISH, "en-US"), (GERMAN, "de-DE"), (JAPANESE, "ja-JP")):
        (folder / "users" / saved_name(key)).write_bytes(encoded(saved(key, language), UTF_16))
    (folder / "users" / "bitlocker_FILE-PC03.txt").write_bytes(encoded(texts.script_text(SCRIPT), "utf-8"))
    damaged = LabKey(DAMAGED.key_id, texts.damaged(DAMAGED.password, 2))
    (folder / "users" / saved_name(DAMAGED)).write_bytes(encoded(saved(damaged, "fr-FR"), UTF_16))
    (folder / "users" / saved_name(MISNAMED)).write_bytes(encoded(saved(RENAMED), UTF_16))
    (folder / "users" / "one.txt").write_text(saved(TWICE), encoding="utf-8")
    (folder / "users" / "two.txt").write_text(saved(LabKey(TWICE.key_id, OLD.password)), encoding="utf-8")
    (folder / "printouts" / "key.pdf").write_bytes(printed(browser, folder, text_page(saved(PRINTED, "de-DE"), width="4cm")))
    (folder / "printouts" / "account.html").write_text(pages.account_page([ACCOUNT], "cards"), encoding="utf-8")
    (folder / "printouts" / "account.pdf").write_bytes(printed(browser, folder, pages.account_page([ACCOUNT_PDF], "table", "ja-JP")))
    (folder / "exports" / "keys.csv").write_bytes(encoded(tables.export([EXPORTED], delimiter=";", excel=True), "utf-8-sig"))


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> LabDrive:
    return write_drive(tmp_path_factory.mktemp("usb"))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, drive: LabDrive) -> Questions:
    """Every question, asked once as lookup and as module."""
    pytest.importorskip("pypdf")
    share = tmp_path_factory.mktemp("share")
    with Chromium() as browser:
        write_share(share, browser)
    mapped = tmp_path_factory.mktemp("mapped") / "inventory.csv"
    mapped.write_text(
        "Asset;Owner GUID;Key GUID;Secret\n"
        + "".join(f"{key.computer};{MAPPED[-1 - place].key_id};{key.key_id};{key.password}\n" for place, key in enumerate(MAPPED)),
        encoding="cp1252",
    )
    folder = tmp_path_factory.mktemp("asked")
    player = Player(folder, None, {"KEYWARD_AUDIT_FILE": str(folder / "audit.jsonl")})
    file = {"paths": [str(share)]}
    usb = {"paths": [str(drive.bek.parent)]}
    columns = {"computer": "Asset", "key_id": "Key GUID", "recovery_password": "Secret"}
    questions: dict[str, dict[str, Any]] = {
        "English": {"terms": ENGLISH.key_id[:8].upper(), "file": file},
        "German": {"terms": GERMAN.key_id, "file": file},
        "Japanese": {"terms": f"{{{JAPANESE.key_id.upper()}}}", "file": file},
        "script": {"terms": "file-pc03", "file": file},
        "PDF": {"terms": PRINTED.key_id[:8], "file": file},
        "account": {"terms": ACCOUNT.key_id, "file": file},
        "account by name": {"terms": ACCOUNT.computer, "file": file},
        "account PDF": {"terms": ACCOUNT_PDF.key_id[:8].upper(), "file": file},
        "export": {"terms": f"host:{EXPORTED.computer}", "file": file},
        "mapping": {"terms": "mapped01", "file": {"paths": [str(mapped)], "columns": columns}},
        "no mapping": {"terms": MAPPED[1].key_id, "file": {"paths": [str(mapped)]}},
        "drive": {"terms": drive.saved.key_id, "file": usb},
        "external key": {"terms": drive.external_id, "file": usb},
        "external key by volume": {"terms": drive.volume_guid, "file": usb},
        "damaged": {"terms": DAMAGED.key_id, "file": file},
        "renamed": {"terms": RENAMED.key_id, "file": file},
        "only in a name": {"terms": MISNAMED.key_id, "file": file},
        "disagreement": {"terms": TWICE.key_id, "file": file},
        "not there": {"terms": "deadbeef", "file": file},
        "no such folder": {"terms": "deadbeef", "file": {"paths": [str(share / "gone")]}},
        "no paths": {"terms": "deadbeef", "file": {"paths": []}},
    }
    here = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    return Questions(player, questions, "-vvv", hosts=player.write("here.yml", {"all": {"hosts": here}}))


def gave(found: Asked, key: LabKey) -> None:
    """Lookup and module gave exactly this password."""
    assert found.failures == ("", "")
    assert found.passwords == [key.password]
    assert [row["recovery_password"] for row in found.rows] == [key.password]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("English", ENGLISH),
        ("German", GERMAN),
        ("Japanese", JAPANESE),
        ("script", SCRIPT),
        ("PDF", PRINTED),
        ("account", ACCOUNT),
        ("account by name", ACCOUNT),
        ("account PDF", ACCOUNT_PDF),
        ("export", EXPORTED),
        ("mapping", MAPPED[1]),
    ],
)
def test_each_kind_of_file_gives_its_key(asked: Questions, name: str, key: LabKey) -> None:
    gave(asked[name], key)


def test_a_record_says_which_file_and_where(asked: Questions) -> None:
    (row,) = asked["PDF"].rows
    (place,) = row["sources"]
    assert place["source"] == "file"
    assert place["location"].endswith("/printouts/key.pdf, page 1")
    (row,) = asked["script"].rows
    assert (row["key_id"], row["computers"], row["volume"]) == (SCRIPT.key_id, ["file-pc03"], "C:")
    assert asked["account"].rows[0]["key_id"] == ACCOUNT.key_id[:8]


def test_a_mounted_drive(asked: Questions, drive: LabDrive) -> None:
    gave(asked["drive"], drive.saved)
    for name in ("external key", "external key by volume"):
        for failure in asked[name].failures:
            assert "there is only an external key (.BEK), which has no 48 digits" in failure
            assert f"{drive.bek.name}, external key {drive.external_id} of volume {drive.volume_guid}" in failure


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("damaged", "the third group does not fit its check digit"),
        ("disagreement", "do not agree on it"),
        ("only in a name", "only the file's name holds this key ID"),
        ("no mapping", "name the right one in the option columns"),
        ("not there", "there is none in file"),
        ("no such folder", "no such file or directory"),
        ("no paths", "no file or folder is named"),
    ],
)
def test_each_failure_has_its_sentence_and_gives_no_key(asked: Questions, name: str, told: str) -> None:
    found = asked[name]
    assert found.passwords == []
    assert all(told in failure for failure in found.failures), found.failures
    assert not any(key.password in failure for failure in found.failures for key in KEYS)


def test_a_renamed_file_is_marked(asked: Questions) -> None:
    gave(asked["renamed"], RENAMED)
    assert asked["renamed"].rows[0]["defects"] == ["the file's name holds another key ID"]


def test_no_key_is_shown_anywhere(asked: Questions, drive: LabDrive) -> None:
    every = [key.password for key in (*KEYS, *MAPPED, drive.saved)]
    audit = asked.run.folder / "audit.jsonl"
    assert ENGLISH.key_id in audit.read_text(encoding="utf-8")
    assert leaks(asked.run, every, audit) == []
