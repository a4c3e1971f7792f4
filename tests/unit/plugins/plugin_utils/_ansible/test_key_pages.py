# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a found key, and what an escrow report adds to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.action import recovery_key_show
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.key_pages import KnownProofs, facts_of, heading, page_of
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_lookup import KeyRecord
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import Candidate
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError

KEY_ID = "0123abcd-1111-2222-3333-444444444444"
NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)


def record(*, live_as_of: datetime | None = None, live: bool = False, **fields: Any) -> KeyRecord:
    here: dict[str, Any] = {
        "key_id": KEY_ID,
        "source": "ad",
        "owner": "PC01",
        "location": "CN=x",
        "computers": ("pc01", "pc01.corp.example"),
    }
    candidate = Candidate(**(here | fields))
    return KeyRecord(key_id=KEY_ID, candidates=(candidate,), live=live, live_as_of=live_as_of)


def report(**proof: Any) -> dict[str, Any]:
    held = {"ad": {"state": "proven", "proof": {"outcome": "proven", "basis": "live", "made_at": "2026-11-20T08:00:00Z"} | proof}}
    return {"computers": [{"volumes": [{"volume": "C:", "protectors": [{"key_id": KEY_ID, "stores": held}, {"key_id": "other"}]}]}]}


def test_the_fullest_name_is_the_heading() -> None:
    assert heading(record()) == "pc01.corp.example"
    assert heading(record(computers=())) == "PC01"
    assert heading(record(computers=(), owner="/mnt/usb/key.txt")) == "key.txt"
    assert heading(record(computers=(), owner="")) == "An owner without a name"


def test_no_name_commands_the_terminal_or_puts_in_a_line_of_its_own() -> None:
    hostile = record(computers=(), owner="/mnt/a\x1b[2J\nIn use  yes", location="CN=x\x1b]0;y\x07\u202e", defects=("a\nb",))
    told = [heading(hostile), *facts_of(hostile, KnownProofs()).values()]
    assert not any(char in text for text in told for char in "\x1b\x07\n\u202e")


def test_what_is_known_without_a_report() -> None:
    facts = facts_of(record(volume="os", created=NOW, serial="5CD1234", deleted_owner=True), KnownProofs())
    assert facts == {
        "Owner": "PC01",
        "Serial number": "5CD1234",
        "Drive": "operating system drive",
        "Escrowed": "2026-11-23 03:00 UTC",
        "Found in": "Active Directory, deleted (CN=x)",
        "In use": "not known, the computer was not asked",
        "Proof": "none is known",
    }
    assert facts_of(record(live=True, live_as_of=NOW), KnownProofs())["In use"] == "yes, the computer listed it 2026-11-23 03:00 UTC"
    assert facts_of(record(live_as_of=NOW), KnownProofs())["In use"] == "no, the computer did not list it 2026-11-23 03:00 UTC"


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        ({}, "it opens the volume, by the key package of the computer itself, 2026-11-20 08:00 UTC (as Active Directory had it)"),
        ({"outcome": "refuted"}, "it does not open the volume, by the key package of the computer itself, 2026-11-20 08:00 UTC"),
        ({"basis": "directory"}, "it opens the volume, by a key package of the directory, 2026-11-20"),
        ({"outcome": "inconclusive"}, "inconclusive, by"),
        ({"made_at": None, "outcome": None, "basis": None}, "inconclusive, by a key package of the unknown"),
    ],
)
def test_a_report_knows_the_drive_and_the_proof(proof: dict[str, Any], said: str) -> None:
    facts = facts_of(record(volume="os"), KnownProofs(report(**proof)))
    assert facts["Proof"].startswith(said)
    assert facts["Drive"] == "C:"
    assert facts_of(record(volume="D:"), KnownProofs(report()))["Drive"] == "D:"


@pytest.mark.parametrize("broken", [[], {"computers": 7}, {"computers": [7, {"volumes": [{"protectors": [{"key_id": 1, "stores": 2}]}]}]}])
def test_a_report_of_another_shape_says_nothing(broken: Any) -> None:
    assert facts_of(record(), KnownProofs(broken))["Proof"] == "none is known"


@pytest.mark.parametrize("content", ["", "[]", "{}", "{", '{"computers": {}}'])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(KeywardError):
        KnownProofs.of_file(str(path))
    path.write_text(json.dumps(report()))
    assert KnownProofs.of_file(str(path)).volume(KEY_ID) == "C:"
    assert KnownProofs.of_file(None).volume(KEY_ID) is None


def test_what_a_source_wrote_makes_no_lines_of_its_own() -> None:
    hostile = record(computers=(), owner="PC01\n  Proof  it opens the volume", location="CN=x\x1b[2J\u202e\nIn use  yes")
    lines = recovery_key_show._told(hostile, KnownProofs()).split("\n")
    assert [line.strip().split("  ")[0] for line in lines[1:]] == ["Key ID", "Owner", "Found in", "In use", "Proof"]
    assert "\x1b" not in "".join(lines)


def test_a_page_shows_no_digit_by_accident() -> None:
    password = "042647-302313-590458-071500-554323-116567-412181-516978"
    assert password[:6] not in repr(page_of(record(), Secret(password), KnownProofs()))
