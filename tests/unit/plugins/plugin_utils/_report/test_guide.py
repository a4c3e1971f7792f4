# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide explains every column and every link that the files for people have."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.report_files import load_assets
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import csv_table
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report.text import CLASSES

GUIDE = (Path(__file__).resolve().parents[5] / "docs/docsite/rst/reading_the_report.rst").read_text(encoding="utf-8")


def part(title: str) -> str:
    """The text below a heading, up to the next one of its kind."""
    return re.split(r"\n[^\n]+\n~~~+\n", GUIDE.split(f"\n{title}\n")[1].partition("\n")[2])[0]


def words(text: str) -> list[str]:
    """The literals in the first cells of a table."""
    cells = re.findall(r"^   \* - (.+)$", text, re.MULTILINE)
    return [literal for cell in cells for literal in re.findall(r"``([^`]+)``", cell)]


def test_every_column_of_the_spreadsheet_is_explained_once_and_in_order() -> None:
    assert words(part("The table for spreadsheets")) == list(csv_table.COLUMNS)


def test_every_heading_of_the_page_is_explained() -> None:
    headings = re.findall(r'\["\w+", "(\w+)"\]', load_assets().script.partition("const COLUMNS")[2].partition("];")[0])
    explained = re.findall(r"^   \* - (\w+)(?:, \w+)?$", part("The table of volumes"), re.MULTILINE)
    assert [heading for heading in explained if heading not in ("Heading", "AD")] == headings
    assert "   * - AD, Entra" in part("The table of volumes")


def test_every_word_of_an_address_is_explained() -> None:
    text = part("Links into the page")
    filters = re.search(r"const FILTERS = \[([^\]]+)\]", load_assets().script)
    assert filters
    named = {name for address in words(text) for name in re.findall(r"[#&](\w+)=", address)}
    assert named == {*re.findall(r'"(\w+)"', filters[1]), "sort", "computer"}
    assert all(f"``class:{name}``" in text for name in CLASSES)
