# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed between two reports, in words; an earlier file that is no report is none."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import changes
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._report import sample
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def before() -> dict[str, Any]:
    return sample.report(60)


def volumes(document: dict[str, Any], verdict: str) -> list[dict[str, Any]]:
    return [v for c in document["computers"] for v in c["volumes"] if v["verdict"] == verdict]


def test_nothing_changed(before: dict[str, Any]) -> None:
    found = changes.compare(before, before)
    assert found is not None
    assert (found.units, found.new_computers, found.gone_computers) == ({}, (), ())
    assert changes.sentences(found) == [("", "No verdict changed.")]
    assert changes.heading(found) == "Changed since 2026-11-22 20:00 UTC"


def test_worse_better_other_new_and_gone(before: dict[str, Any]) -> None:
    now = copy.deepcopy(before)
    volumes(now, "escrowed")[0]["verdict"] = "unescrowed"
    volumes(now, "unknown")[0]["verdict"] = "escrowed"
    volumes(now, "on_file")[0]["verdict"] = "at_risk"
    volumes(now, "recoverable")[0]["verdict"] = "escrowed"
    gone = now["computers"].pop()
    now["computers"].append(gone | {"name": "new.example"})
    found = changes.compare(before, now)
    assert found is not None
    assert [found.count(kind) for kind in ("worse", "better", "other", "new")] == [1, 1, 2, 1]
    assert changes.sentences(found) == [
        ("worse", "1 volume no longer passes: 1 unescrowed now."),
        ("better", "1 volume passes now: 1 unknown before."),
        ("other", "2 volumes have another verdict, which passes or not as before."),
        ("new", "1 computer is new in the report."),
        ("", f"1 computer is no longer in it: {gone['name']}."),
    ]


def test_many_that_are_gone_are_named_in_part_and_an_incomplete_report_is_called_so(before: dict[str, Any]) -> None:
    before["computers"][4]["name"] = "x" * 300
    before["complete"] = False
    now = before | {"complete": True, "computers": before["computers"][5:]}
    found = changes.compare(before, now)
    assert found is not None
    names = [computer["name"] for computer in before["computers"][:3]]
    assert changes.sentences(found)[-2:] == [
        ("", f"5 computers are no longer in it: {', '.join(names)} and 2 more."),
        ("", "That report was incomplete."),
    ]
    incomplete = changes.compare(before, now | {"complete": False})
    assert incomplete is not None
    assert ("", "What could not be looked at now may hide computers.") in changes.sentences(incomplete)
    found = changes.compare(before, now | {"computers": before["computers"][:4] + before["computers"][5:]})
    assert found is not None
    assert changes.sentences(found)[-2] == ("", f"1 computer is no longer in it: {'x' * 59}….")


def test_a_volume_is_known_by_its_device_not_its_letter(before: dict[str, Any]) -> None:
    now = copy.deepcopy(before)
    volumes(now, "escrowed")[0]["volume"] = "Z:"
    found = changes.compare(before, now)
    assert found is not None
    assert not found.units


def test_under_live_proof_an_escrowed_key_does_not_pass(before: dict[str, Any]) -> None:
    now = copy.deepcopy(before)
    now["requirements"]["proof"] = "live"
    volumes(now, "recoverable")[0]["verdict"] = "escrowed"
    found = changes.compare(before, now)
    assert found is not None
    assert found.count("worse") == 1
    assert ("", "The requirements were others then.") in changes.sentences(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=3),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_no_report_is_none(data: st.DataObject) -> None:
    now = sample.report(3)
    broken: dict[str, Any] = copy.deepcopy(now)
    path = data.draw(st.sampled_from(["schema_version", "generated_at", "computers", "name", "volumes", "volume", "verdict", "device_id"]))
    value = data.draw(JSON)
    target = broken if path in broken else broken["computers"][0] if path in ("name", "volumes") else None
    if target is None:
        next(c for c in broken["computers"] if c["volumes"])["volumes"][0][path] = value
    else:
        target[path] = value
    found = changes.compare(broken, now)
    assert found is None or all(text for _kind, text in changes.sentences(found))


@pytest.mark.parametrize(
    "previous", [None, {}, {"schema_version": 2}, {"schema_version": 1, "generated_at": "x"}, {"schema_version": 1, "generated_at": 1}]
)
def test_no_earlier_report(previous: Any) -> None:
    assert changes.compare(previous, sample.report(1)) is None
