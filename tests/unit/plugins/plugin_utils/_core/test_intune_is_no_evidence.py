# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever Intune says, and whether it says it: every verdict, flag and finding is the same without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import IntuneFacts, IntuneReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.test_estate_properties import Fleet, fleets
from hypothesis import given, settings
from hypothesis import strategies as st

facts = st.builds(
    IntuneFacts,
    encrypted=st.sampled_from([True, False, None]),
    last_sync=st.sampled_from([None, datetime(2026, 11, 20, tzinfo=UTC)]),
    enrolments=st.integers(1, 3),
)
readings = st.builds(IntuneReading, state=st.sampled_from(StoreState), reason=st.sampled_from(["", "No."]), enrolments=st.integers(0, 9))


@settings(max_examples=150, deadline=None)
@given(fleets(), st.lists(facts | st.none(), min_size=4, max_size=4), readings)
def test_no_judgement_rests_on_it(fleet: Fleet, said: list[IntuneFacts | None], reading: IntuneReading) -> None:
    owners = tuple(replace(owner, intune=told) for owner, told in zip(fleet.reading.owners, said, strict=False))
    told = Fleet(fleet.inventory, fleet.said, replace(fleet.reading, owners=owners, intune=reading)).judged()
    without = fleet.judged()
    assert (told.findings, told.verdicts, told.flags) == (without.findings, without.verdicts, without.flags)
    assert (told.complete, told.passed) == (without.complete, without.passed)
    shown, plain = document.build(told, {}), document.build(without, {})
    for store in shown["stores"].values():
        assert store.pop("intune")["state"] == reading.state
    for row, computer in zip(told.computers, shown["computers"], strict=True):
        if computer.pop("intune", None) is not None:
            assert row.computer.seen is None
    assert shown == plain
