# SPDX-License-Identifier: GPL-3.0-or-later
"""What Intune says is shown for computers that were not observed, in every format, and is taken for no proof in any."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.report_files import load_assets
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.estate import judge_estate, known_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost, inventory_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    FailureReason,
    IntuneFacts,
    IntuneReading,
    Observation,
    Owner,
    StoreReading,
    StoreState,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import csv_table, document, html, payload, terminal

SCHEMA = json.loads((Path(__file__).parents[5] / "docs" / "escrow-report.schema.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SYNC = datetime(2026, 11, 20, 8, 15, 30, 999, tzinfo=UTC)


def guid(number: int) -> str:
    return f"d0000000-0000-4000-8000-{number:012x}"


def said(number: int, age: timedelta = timedelta()) -> Observation:
    name = f"pc{number}"
    at = NOW - age
    return Observation(
        host=name, observed_at=at, name=name.upper(), dns_name=name, part_of_domain=False, entra_device_id=guid(number), volumes=()
    )


def report(intune: IntuneReading | None, facts: IntuneFacts | None, last_sync: datetime | None = SYNC) -> dict[str, Any]:
    """pc1 was observed, pc2 long ago, pc3 refused; pc4 is known to Entra ID alone."""
    requirements = Requirements(stores=("entra",))
    failed = Observation(host="pc3", observed_at=NOW, reason=FailureReason.UNREACHABLE)
    told = {"pc1": [said(1)], "pc2": [said(2, timedelta(days=99))], "pc3": [said(3, timedelta(days=98)), failed]}
    computers = inventory_computers([InventoryHost(name=name) for name in told], told, now=NOW, requirements=requirements)
    owners = tuple(
        Owner(store="entra", owner_id=guid(n), name=f"PC{n}", location=f"device {n}", trust_type="AzureAd", intune=facts)
        for n in range(1, 5)
    )
    reading = StoreReading(store="entra", state=StoreState.SEARCHED, owners=owners, intune=intune)
    return document.build(judge_estate(known_computers(computers, [reading]), [reading], requirements, now=NOW), {"hosts": 3})


READ = IntuneReading(state=StoreState.SEARCHED, enrolments=4)


def short(name: str) -> str:
    return name.partition("/")[0].lower()


def shown(built: dict[str, Any]) -> dict[str, Any]:
    return {short(computer["name"]): computer.get("intune") for computer in built["computers"]}


@pytest.mark.parametrize("encrypted", [True, False, None])
@pytest.mark.parametrize("last_sync", [SYNC, None])
def test_it_is_shown_where_no_host_spoke_lately(encrypted: bool | None, last_sync: datetime | None) -> None:
    built = report(READ, IntuneFacts(encrypted=encrypted, last_sync=last_sync, enrolments=2))
    jsonschema.Draft202012Validator(SCHEMA).validate(built)
    facts = {"encrypted": encrypted, "last_sync": "2026-11-20T08:15:30Z" if last_sync else None, "enrolments": 2}
    assert shown(built) == {"pc1": None, "pc2": facts, "pc3": facts, "pc4": facts}
    assert built["stores"]["entra"]["intune"] == {"state": "searched", "enrolments": 4}
    assert document.asides(built) == []
    rows = list(csv.DictReader(io.StringIO(csv_table.render(built).removeprefix("\ufeff"), newline="")))
    word = {True: "true", False: "false", None: "unknown"}[encrypted]
    cells = {short(row["computer"]): (row["intune_encrypted"], row["intune_last_sync"]) for row in rows}
    assert cells == {"pc1": ("", "")} | dict.fromkeys(("pc2", "pc3", "pc4"), (word, facts["last_sync"] or ""))
    packed = {short(computer[0]): computer[11] for computer in payload.build(built)["computers"]}
    assert packed == {"pc1": 0} | {name: [encrypted, facts["last_sync"], 2] for name in ("pc2", "pc3", "pc4")}
    assert "Intune: searched, 4 enrolments (no verdict rests on them)" in terminal.render(built)


def test_the_page_says_how_far_the_reading_reached() -> None:
    assets, reason = load_assets(), "No <b>licence</b>."
    assert "Intune: searched, 4 enrolments. No verdict rests on it." in html.render(report(READ, None), assets)
    page = html.render(report(IntuneReading(state=StoreState.NO_RIGHTS, reason=reason), None), assets)
    assert "Intune: no rights, 0 enrolments. No verdict rests on it." in page
    assert "No &lt;b&gt;licence" in page
    assert reason not in page
    assert "Intune:" not in html.render(report(None, None), assets)


def test_nothing_of_it_where_it_was_not_asked_or_knows_nothing() -> None:
    unasked, unknown = report(None, None), report(READ, None)
    assert shown(unasked) == shown(unknown) == dict.fromkeys(("pc1", "pc2", "pc3", "pc4"))
    assert "intune" not in unasked["stores"]["entra"]
    assert "Intune" not in terminal.render(unasked)
    assert "intune" in unknown["stores"]["entra"]


@pytest.mark.parametrize("state", [StoreState.DOWN, StoreState.NO_RIGHTS, StoreState.PARTIAL])
def test_a_reading_that_fell_short_is_told_and_changes_nothing(state: StoreState) -> None:
    built = report(IntuneReading(state=state, reason="HTTP 403."), None)
    jsonschema.Draft202012Validator(SCHEMA).validate(built)
    assert document.asides(built) == [f"Intune, {state}: HTTP 403."]
    without = report(None, None)
    assert (built["complete"], built["passed"], built["findings"]) == (without["complete"], without["passed"], without["findings"])


def test_a_later_sync_is_no_change_and_another_word_is() -> None:
    first = report(READ, IntuneFacts(encrypted=True, last_sync=SYNC))
    later = report(READ, IntuneFacts(encrypted=True, last_sync=SYNC + timedelta(days=1)))
    other = report(READ, IntuneFacts(encrypted=False, last_sync=SYNC))
    assert document.same_content(first, later)
    assert document.digest(first) == document.digest(later)
    assert csv_table.same_content(csv_table.render(first), csv_table.render(later))
    assert not document.same_content(first, other)
    assert not csv_table.same_content(csv_table.render(first), csv_table.render(other))
