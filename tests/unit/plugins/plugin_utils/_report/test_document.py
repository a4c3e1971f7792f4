# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON document fits its published schema and its text, a time stamp is no change, and the terminal text is safe."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.estate import judge_estate, known_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost, inventory_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    Entry,
    FailureReason,
    Observation,
    ObservedProtector,
    ObservedVolume,
    Owner,
    ReadError,
    StoreReading,
    StoreState,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document, terminal

SCHEMA = json.loads((Path(__file__).parents[5] / "docs" / "escrow-report.schema.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 22, 12, 0, 30, 999, tzinfo=UTC)
KEY = "0123abcd-1111-2222-3333-444444444444"
HOSTILE = "\x1b[2J</script>\u202e=cmd()\n::error::"


def report(now: datetime = NOW, *, letter: str = "C:", state: StoreState = StoreState.SEARCHED) -> dict[str, Any]:
    volume = ObservedVolume(
        device_id="\\\\?\\Volume{1}\\",
        letter=letter,
        type="os",
        conversion="fully_encrypted",
        encrypted_percent=100,
        method="aes_128_diffuser",
        protection="on",
        locked=False,
        protectors=(ObservedProtector(key_id=KEY, type="recovery_password"), ObservedProtector(key_id="bitlocker", type="tpm")),
        errors=(ReadError(read="GetVersion", code="0x80310000", name="FVE_E_LOCKED_VOLUME", message="locked"),),
    )
    said = Observation(
        host="pc01", observed_at=now, dns_name="pc01.corp.example", part_of_domain=True, bitlocker_installed=True, volumes=(volume,)
    )
    failed = Observation(host="pc02", observed_at=now, reason=FailureReason.TLS, message=HOSTILE)
    requirements = Requirements(stores=("ad",))
    computers = inventory_computers(
        [InventoryHost(name="pc01"), InventoryHost(name="pc02")], {"pc01": [said], "pc02": [failed]}, now=now, requirements=requirements
    )
    reading = StoreReading(
        store="ad",
        state=state,
        reason=HOSTILE if state is not StoreState.SEARCHED else "",
        owners=(
            Owner(store="ad", owner_id="g1", name="PC01", location="CN=PC01", dns_name="PC01.corp.example"),
            Owner(store="ad", owner_id="g9", name="PC09", location="CN=PC09", dns_name=None),
        ),
        entries=(
            Entry(store="ad", owner_id="g1", entry_id="e1", location="CN=e1", key_ids=(KEY,), created=now),
            Entry(store="ad", owner_id="g1", entry_id="e2", location="CN=e2", defects=("no ID can be read",)),
        ),
    )
    return document.build(judge_estate(known_computers(computers, [reading]), [reading], requirements, now=now), {"hosts": 2})


@pytest.mark.parametrize("state", list(StoreState))
def test_the_document_fits_its_schema_and_its_text(state: StoreState) -> None:
    built = report(state=state)
    jsonschema.Draft202012Validator(SCHEMA).validate(built)
    assert json.loads(document.to_json(built)) == built


def test_the_schema_is_not_blind() -> None:
    built = report()
    built["computers"][0]["volumes"][0]["verdict"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(built)


def test_names_counts_and_findings() -> None:
    built = report()
    assert [computer["name"] for computer in built["computers"]] == ["pc01.corp.example", "pc02", "pc09"]
    assert built["summary"]["verdicts"] == {"escrowed": 1, "unknown": 2}
    assert built["summary"]["passing"] + built["summary"]["could_not_look"] == 3
    assert built["generated_at"] == "2026-11-22T12:00:30Z"
    assert {finding["code"] for finding in built["findings"] if finding["computer"] == "pc01.corp.example"} == {"KW-VOL-104", "KW-ESC-004"}
    assert all(finding["message"] and finding["remedy"] for finding in built["findings"])


def test_another_time_is_no_change_and_another_verdict_is() -> None:
    later = report(datetime(2026, 11, 22, 13, 0, tzinfo=UTC))
    first = report()
    for computer in (*first["computers"], *later["computers"]):
        for volume in computer["volumes"]:
            for protector in volume["protectors"]:
                for holding in protector.get("stores", {}).values():
                    holding["entries"] = []
    assert document.same_content(first, later)
    assert first["computers"][0]["observed_at"] != later["computers"][0]["observed_at"]
    later["computers"][0]["verdict"] = "unescrowed"
    assert not document.same_content(first, later)


def test_the_terminal_text_says_what_to_do_first_and_commands_no_terminal() -> None:
    text = terminal.render(report(letter=HOSTILE, state=StoreState.DOWN), files=["/tmp/\x1b[31mreport.json"])
    assert "What to do first:" in text
    assert "INCOMPLETE" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not any(line.startswith("::") for line in text.splitlines())


def test_a_terminal_text_that_passes_says_so() -> None:
    built = report()
    built.update(passed=True)
    assert terminal.render(built).endswith("PASSED: Everything in scope could be looked at, and every key is escrowed.")
    built["summary"]["verdicts"] = {}
    assert terminal.render(built).endswith("PASSED: Nothing that was found is in scope, so nothing could fail.")


def test_the_terminal_names_what_does_not_pass_under_a_proof() -> None:
    built = report()
    assert "Worst" not in terminal.render(built)
    assert (
        "3 computers (1 observed), 1 volume: 1 pass, 0 do not, 2 could not be looked at\nCounted: 1 volume in scope, and 2 computers"
        in terminal.render(built)
    )
    built["requirements"]["proof"] = "live"
    assert "Worst 1 of 1 computers:\n  pc01.corp.example" in terminal.render(built)
    assert terminal.render(built).endswith("NOT PASSED: 1 of 3 verdicts passes.")
