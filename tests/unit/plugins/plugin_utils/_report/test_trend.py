# SPDX-License-Identifier: GPL-3.0-or-later
"""The trend: a column for each run whose parts make a whole, the same as a table, and nothing without a ledger."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import trend


def report(runs: list[dict[str, int]], now: dict[str, int], *, hours: float | None = 4.5) -> dict[str, Any]:
    earlier = [
        {"at": f"2026-11-{day:02}T12:00:00Z", "verdicts": verdicts, "computers": 3, "observed": 3} for day, verdicts in enumerate(runs, 1)
    ]
    return {
        "generated_at": "2026-11-22T12:00:00Z",
        "requirements": Requirements(stores=("ad",)).to_dict(),
        "summary": {"verdicts": now},
        "trend": {"runs": earlier, "escrow": {"before": 1, "after": 2, "waiting": 0, "median_hours": hours}},
    }


def test_there_is_none_without_a_ledger_or_an_earlier_run() -> None:
    assert trend.section({"summary": {}}) == ""
    assert trend.section(report([], {"escrowed": 1})) == ""


def test_a_column_for_each_run_and_a_row_for_each() -> None:
    page = ET.fromstring(trend.section(report([{"escrowed": 1, "unescrowed": 3}, {}], {"escrowed": 4, "<odd word>": 1})))
    columns = page.findall("svg/g")
    assert len(columns) == 3
    heights = [[float(rect.attrib["height"]) for rect in column.findall("rect")] for column in columns]
    assert heights == [[30.0, 10.0], [], [8.0, 32.0]]
    assert columns[0].findtext("title") == ("2026-11-01 12:00 UTC: Passing 1, Could not look 0, Needs attention 0, Key missing 3")
    rows = [[cell.text for cell in row] for row in page.findall(".//tbody/tr")]
    assert rows[0] == ["2026-11-22 12:00 UTC", "4", "1", "0", "0"], "the newest first"
    assert len(rows) == 3
    svg = page.find("svg")
    assert svg is not None
    assert svg.attrib["role"] == "img"
    assert "passing 1 then, 4 now; missing 3 then, 0 now" in svg.attrib["aria-label"]
    assert "2 recovery passwords escrowed after the first observation" in "".join(page.itertext())


def test_nothing_in_it_needs_what_the_policy_forbids() -> None:
    text = trend.section(report([{"escrowed": 1}] * 200, {"escrowed": 1}, hours=None))
    assert "style=" not in text
    assert "<script" not in text
    assert "href" not in text
    assert text.count("<g>") == 60
