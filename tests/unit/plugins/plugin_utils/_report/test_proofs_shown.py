# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs in every format of the report: outcome, basis and age, and how far the run came."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import csv_table, document, overview, payload, terminal
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report.text import age

from .sample import report

SUMS: dict[str, Any] = {
    "wanted": 9,
    "made": 4,
    "remembered": 0,
    "proven": 2,
    "refuted": 1,
    "inconclusive": 1,
    "not_read": 5,
    "values_read": 4,
    "days_until_all": 3,
    "directory": 1,
    "without_package": 2,
}


def proven(**sums: Any) -> dict[str, Any]:
    """A report with a proof for the first store of some recovery passwords."""
    made = report(12)
    made["summary"]["proofs"] = SUMS | sums
    holdings = [
        next(iter(protector["stores"].values()))
        for computer in made["computers"]
        for volume in computer["volumes"]
        for protector in volume["protectors"]
        if protector.get("stores")
    ]
    words = (("proven", "live", "22"), ("refuted", "live", "21"), ("inconclusive", "live", "19"), ("proven", "directory", "22"))
    for holding, (outcome, basis, day) in zip(holdings, words, strict=False):
        holding["proof"] = {"outcome": outcome, "basis": basis, "made_at": f"2026-11-{day}T19:00:00Z", "reason": "so it was"}
    return made


def test_the_sums_in_words_with_the_age_of_what_was_proven() -> None:
    assert overview.proofs(proven()) == [
        "2 of 9 escrowed passwords opened the live key package, taken 3 days ago to today; 1 did not.",
        "1 proof came to no result.",
        "5 passwords were not read.",
        "2 protectors gave no live key package.",
        "All are proven within 3 more days of one run each.",
    ]
    assert overview.proofs(report(3)) == []
    assert overview.proofs(proven(days_until_all=None))[-1] == "With this budget and time not all of them will ever be proven."
    quiet = proven(inconclusive=0, not_read=0, without_package=0, days_until_all=0)
    assert len(overview.proofs(quiet)) == 1
    assert overview.proofs(proven(remembered=3))[1] == "3 of these proofs were remembered from earlier runs."


def test_the_terminal_and_the_page_say_them() -> None:
    shown = terminal.render(proven())
    assert "Proofs:\n  2 of 9 escrowed passwords opened the live key package, taken 3 days ago to today" in shown
    assert "Proofs:" not in terminal.render(report(3))
    assert overview.proofs(proven())[0] in overview.coverage(proven())


def test_the_table_has_a_proof_where_there_is_one() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_table.render(proven()).removeprefix("\ufeff"), newline="")))
    found = [(row["proof"], row["proof_basis"], row["proof_made_at"]) for row in rows if row["proof"]]
    assert found == [
        ("proven", "live", "2026-11-22T19:00:00Z"),
        ("refuted", "live", "2026-11-21T19:00:00Z"),
        ("inconclusive", "live", "2026-11-19T19:00:00Z"),
        ("proven", "directory", "2026-11-22T19:00:00Z"),
    ]


def test_the_page_carries_each_proof_and_nothing_for_none() -> None:
    made = payload.build(proven())
    held = [held for c in made["computers"] for v in c[7] for p in v[11] for held in p[2]]
    strings = made["strings"]
    told = [[strings[one[3][0]], strings[one[3][1]], one[3][2], strings[one[3][3]]] for one in held if len(one) == 4]
    assert ["refuted", "live", "2026-11-21T19:00:00Z", "so it was"] in told
    assert len(told) == 4
    assert all(len(one) == 3 for c in payload.build(report(12))["computers"] for v in c[7] for p in v[11] for one in p[2])


def test_when_a_proof_was_made_is_no_change_and_what_it_came_to_is() -> None:
    one, later, other = proven(), proven(), proven()
    for made, key, value in ((later, "made_at", "2026-11-20T00:00:00Z"), (other, "outcome", "inconclusive")):
        holding = next(
            held
            for c in made["computers"]
            for v in c["volumes"]
            for p in v["protectors"]
            for held in p.get("stores", {}).values()
            if "proof" in held
        )
        holding["proof"][key] = value
    assert document.same_content(one, later)
    assert not document.same_content(one, other)
    assert document.same_content(one, proven(remembered=4))
    assert csv_table.same_content(csv_table.render(one), csv_table.render(later))


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        ("2026-11-22T00:00:00Z", "today"),
        ("2026-11-23T00:00:00Z", "today"),
        ("2026-11-21T23:59:59Z", "yesterday"),
        ("2026-11-01T12:00:00Z", "21 days ago"),
    ],
)
def test_an_age_is_by_the_calendar(stamp: str, words: str) -> None:
    assert age(stamp, "2026-11-22T20:00:00Z") == words
