# SPDX-License-Identifier: GPL-3.0-or-later
"""CSV and Markdown: complete, harmless in a spreadsheet and on a forge, and the same whenever they are made."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import csv_table, markdown
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report.text import percent, visible
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._report import sample
from hypothesis import given, settings
from hypothesis import strategies as st

#: what a spreadsheet might take for a formula once it has taken off quotes and spaces, or has made wide and small forms plain
FORMULA = re.compile(r"[\s\"]*[=+\-@\t\r＝＋－＠﹦﹢﹣﹫\u2212]")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return sample.report(60, hostile=True, complete=False)


#: what GitHub or GitLab would link to: users, e-mail, issues, merge requests, milestones, epics, labels, snippets, emoji, addresses
REFERENCE = re.compile(r"(?i)@[\w.]|[#!%&~$][\w\"]|\bG[HL]-\d|:[\w+-]+:|\[\w+:|\w://")


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


# --- CSV -----------------------------------------------------------------------------------------------------------------------------


def test_a_row_for_each_protector_and_store_and_one_for_what_has_none(document: dict[str, Any]) -> None:
    text = csv_table.render(document)
    assert text.startswith("\ufeffcomputer,")
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    rows = read(text)
    expected = 0
    for computer in document["computers"]:
        expected += not computer["volumes"]
        for volume in computer["volumes"]:
            expected += max(1, sum(max(1, len(p.get("stores", {}))) for p in volume["protectors"]))
    assert len(rows) == expected
    pc = next(c for c in document["computers"] if c["volumes"] and c["volumes"][0]["verdict"] == "wrong_key")
    key = next(p for p in pc["volumes"][0]["protectors"] if "stores" in p)
    row = next(row for row in rows if row["key_id"] == key["key_id"])
    assert (row["computer"], row["volume"], row["verdict"], row["store"], row["state"]) == (
        pc["name"],
        "C:",
        "wrong_key",
        "ad",
        "malformed",
    )
    assert (row["entries"], row["newest_entry"]) == ("1", "2026-01-02T03:04:05Z")
    assert "KW-VOL-006" in row["findings"].split()
    assert row["location"] == key["stores"]["ad"]["entries"][0]["location"]


def test_no_cell_is_a_formula_at_commas_or_at_semicolons(document: dict[str, Any]) -> None:
    text = csv_table.render(document)
    for row in csv.reader(io.StringIO(text, newline="")):
        assert [cell for cell in row if FORMULA.match(cell)] == []
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=";"):
        assert [cell for cell in row if FORMULA.match(cell)] == []
    assert "'=cmd|" in text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_any_cell_is_harmless(value: str) -> None:
    cell = csv_table.cell(value)
    assert [part for part in cell.split(";") if FORMULA.match(part)] == []
    assert [part for part in cell.replace('"', '""').split(";") if FORMULA.match(part)] == []
    assert cell.isprintable()
    assert cell.replace("'", "") == visible(value).replace("'", "")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "true"),
        (0, "0"),
        ("a;b", "a;b"),
        ("a; =1", "a;' =1"),
        ("", ""),
        ('"=1', "'\"=1"),
        ("' =1", "'' =1"),
        ('a;"=1', "a;'\"=1"),
        ("\ufe66 1", "'\ufe66 1"),
        ("\u22121", "'\u22121"),
        ('"a"', '"a"'),
    ],
)
def test_cells(value: object, cell: str) -> None:
    assert csv_table.cell(value) == cell


def test_only_content_makes_another_table(document: dict[str, Any]) -> None:
    text = csv_table.render(document)
    later = text.replace("2026-11-22T19:00:00Z", "2026-11-23T19:00:00Z")
    assert later != text
    assert csv_table.same_content(text, later)
    assert not csv_table.same_content(text, text.replace("unescrowed", "escrowed", 1))
    assert not csv_table.same_content(text, "")
    assert not csv_table.same_content("x" * 200_000, text)
    assert not csv_table.same_content('"\x00', text)


# --- Markdown --------------------------------------------------------------------------------------------------------------------------


def test_the_summary_says_the_numbers_and_what_to_do(document: dict[str, Any]) -> None:
    text = markdown.render(document, digest="a" * 64)
    summary = document["summary"]
    assert "**Incomplete.**" in text
    assert "### What could not be looked at" in text
    assert "**KW-STO-001**" in text
    assert f"| Passing | {summary['passing']} |" in text
    assert re.search(r"1\. \*\*KW-[A-Z]{3}-\d{3}\*\* \(high, \d+ (volume|computer|place)s?, e\.g\. ", text)
    assert len(re.findall(r"^\| .* \| unescrowed \|", text, re.MULTILINE)) >= 1
    assert len(text) < 12_000
    assert re.search(r"Counted: \d+ volumes in scope, .* Active Directory holds \d+ of \d+ recovery passwords in scope", text)
    assert markdown.digest_of(text) == "a" * 64
    assert markdown.digest_of("nothing") is None


def test_no_name_is_more_than_text_in_the_summary() -> None:
    document = sample.report(0, hostile=True)
    for computer in document["computers"]:
        computer["verdict"] = "unescrowed"
    text = markdown.render(document)
    for line in text.splitlines():
        assert not line.startswith(("::", "    "))
    for sign in ("<img", "<svg", "](", "`", "@everyone", "https://", "www.", "**bold**", "\u202e"):
        assert sign not in text, sign
    rows = [line for line in text.splitlines() if line.endswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {5}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_escaped(value: str) -> None:
    escaped = markdown.escape(value)
    assert escaped.isprintable()
    assert not set(re.sub(r"&#\d+;", "", escaped)) & set('\\`*_{}[]<>|~$@^"')
    assert not re.search(r"(?i)\b(https?|ftp|www|mailto)\b", re.sub(r"&#\d+;", "", escaped)) or "&#8288;" in escaped


@pytest.mark.parametrize(
    "text",
    [
        "@everyone",
        "a@example.com",
        "#1",
        "owner/name#9",
        "!2",
        "%3",
        "&4",
        "~5",
        "$6",
        "GH-7",
        "gl-7",
        ":+1:",
        "[issue:8]",
        "^alert#1",
        "smb://h/x",
    ],
)
def test_no_reference_is_left_once_a_forge_has_made_its_html(text: str) -> None:
    # GitHub and GitLab look for references in the text of the finished HTML, where an entity is a sign again
    seen = html.unescape(markdown.escape(f"x {text} y"))
    assert seen.replace("\u2060", "") == f"x {text} y"
    assert text not in seen
    assert not REFERENCE.search(seen)


def test_times_sizes_and_places_stay_as_they_are() -> None:
    for text in ("2026-11-22 23:51 UTC", "C:", "50 %", "dc1.corp.example:636: no answer", "CN=pc1,OU=a & b,DC=x", "R&D!", "KW-VOL-004"):
        assert "\u2060" not in html.unescape(markdown.escape(text)), text


def test_a_passed_report_and_an_empty_one_have_a_summary() -> None:
    empty = sample.report(0)
    assert "**Not passed.** Nothing was found to judge." in markdown.render(empty)
    assert "**Passed.**" in markdown.render(empty | {"passed": True})
    assert "What to do first" not in markdown.render(empty)


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 0, "0 %"), (0, 9, "0 %"), (1, 100_000, "1 %"), (99_999, 100_000, "99 %"), (5, 5, "100 %"), (1, 3, "33 %")],
)
def test_only_all_is_a_hundred_percent(part: int, whole: int, said: str) -> None:
    assert percent(part, whole) == said


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("a\u202eb", "a[U+202E]b"),
        ("\x1b[2J", "[U+001B][2J"),
        ("a\u00a0b", "a b"),
        ("\udce9", "[U+DCE9]"),
        ("שלום é 日本", "שלום é 日本"),
        ("\u200b", "[U+200B]"),
    ],
)
def test_what_is_invisible_is_shown(raw: str, seen: str) -> None:
    assert visible(raw) == seen
