# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads that Entra ID shows against records of ours: every read is ours, a duplicate, for a proof, foreign, or before the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_reads import KeyRead, OwnRead, Reconciliation, reconcile
from hypothesis import given, settings
from hypothesis import strategies as st

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
END = START + timedelta(hours=8)
WINDOW = timedelta(minutes=10)
OURS, REPORT, STRANGER = "app-ours", "app-report", "app-stranger"


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def read(number: int, minutes: float, key: str | None = "k1", reader: str = OURS) -> KeyRead:
    return KeyRead(read_id=f"r{number}", time=at(minutes), key_id=key, reader=reader)


def record(seq: int, minutes: float, key: str = "k1") -> OwnRead:
    return OwnRead(seq=seq, time=at(minutes), key_id=key)


def compare(own: list[OwnRead], reads: list[KeyRead], **more: Any) -> Reconciliation:
    given: dict[str, Any] = {"start": START, "end": END, "now": END, "window": WINDOW}
    return reconcile(own, reads, **(given | more))


def foreign(said: Reconciliation) -> list[str]:
    return [item.read.read_id for item in said.foreign]


def test_a_read_of_ours_meets_its_record() -> None:
    said = compare([record(1, 5)], [read(1, 4.9)])
    assert (said.matched, foreign(said), said.pending) == (1, [], [])


def test_a_read_without_a_record_is_foreign() -> None:
    said = compare([record(1, 5, key="k2")], [read(1, 5), read(2, 5, key="k2")])
    assert foreign(said) == ["r1"]
    assert said.foreign[0].why == "the audit file has no record of it"
    assert said.matched == 1


def test_a_read_too_far_from_its_record_is_foreign_and_the_record_pending() -> None:
    said = compare([record(1, 60)], [read(1, 20)])
    assert foreign(said) == ["r1"]
    assert [item.record.seq for item in said.pending] == [1]


def test_two_reads_need_two_records() -> None:
    assert foreign(compare([record(1, 5)], [read(1, 5), read(2, 9)])) == ["r2"]
    assert foreign(compare([record(1, 5), record(2, 9)], [read(1, 5), read(2, 9)])) == []


def test_the_nearest_read_is_the_one_of_a_record() -> None:
    said = compare([record(1, 5)], [read(1, -3), read(2, -2), read(3, 4.99)])
    assert (said.matched, said.duplicates, foreign(said)) == (1, 0, [])
    said = compare([record(1, 9)], [read(1, 2), read(2, 8.99)])
    assert foreign(said) == ["r1"]


def test_records_of_one_read_that_came_twice_are_duplicates() -> None:
    said = compare([record(1, 5)], [read(1, 5), read(2, 5.05)])
    assert (said.matched, said.duplicates, foreign(said)) == (1, 1, [])
    # by somebody else at the same time it is none
    assert foreign(compare([record(1, 5)], [read(1, 5), read(2, 5.05, reader=STRANGER)])) == ["r2"]


def test_a_reader_that_is_not_ours_is_foreign_even_where_a_record_would_fit() -> None:
    said = compare([record(1, 5)], [read(1, 5, reader=STRANGER)], readers=["App-Ours"])
    assert foreign(said) == ["r1"]
    assert "nobody that reads for these playbooks" in said.foreign[0].why
    assert len(said.pending) == 1


def test_reads_for_proofs_are_counted_apart() -> None:
    reads = [read(1, 5, reader=REPORT), read(2, 5, key=None, reader=REPORT), read(3, 6)]
    said = compare([record(1, 6)], reads, proof_readers=["APP-REPORT"])
    assert (said.proofs, said.matched, foreign(said), said.pending) == (2, 1, [], [])


def test_a_read_that_tells_no_key_is_foreign() -> None:
    said = compare([], [read(1, 5, key=None)])
    assert "does not tell which key" in said.foreign[0].why


def test_what_is_before_the_time_is_nobody_s_finding() -> None:
    said = compare([record(1, 1)], [read(1, -1), read(2, -5, key="k2")])
    assert (said.matched, foreign(said)) == (1, [])


def test_a_key_read_once_and_handed_out_twice_is_not_pending() -> None:
    said = compare([record(1, 5), record(2, 6)], [read(1, 5)])
    assert (said.matched, said.pending) == (1, [])


def test_what_entra_does_not_show_is_pending_and_late_after_a_day() -> None:
    said = compare([record(1, 5)], [], now=END)
    assert [item.late for item in said.pending] == [False]
    said = compare([record(1, 5)], [], now=at(5) + timedelta(hours=25))
    assert [item.late for item in said.pending] == [True]
    assert compare([record(1, -5), record(2, 500)], []).pending == []


KEYS = st.sampled_from(["k1", "k2", "k3"])
MINUTES = st.floats(-30, 600, allow_nan=False)
READS = st.lists(st.tuples(MINUTES, st.none() | KEYS, st.sampled_from([OURS, REPORT, STRANGER, ""])), max_size=12)


@settings(max_examples=150, deadline=None)
@given(own=st.lists(st.tuples(MINUTES, KEYS), max_size=10), reads=READS, readers=st.lists(st.sampled_from([OURS, STRANGER])))
def test_every_read_is_exactly_one_thing(
    own: list[tuple[float, str]], reads: list[tuple[float, str | None, str]], readers: list[str]
) -> None:
    records = [record(seq, minutes, key) for seq, (minutes, key) in enumerate(own)]
    theirs = [read(number, minutes, key, reader) for number, (minutes, key, reader) in enumerate(reads)]
    said = compare(records, theirs, readers=readers, proof_readers=[REPORT])
    outside = [item for item in theirs if not START <= item.time <= END]
    counted = said.matched + said.duplicates + said.proofs + len(said.foreign)
    assert len(theirs) - len(outside) <= counted <= len(theirs)
    assert said.matched <= len(records)
    assert {item.read.read_id for item in said.foreign} <= {item.read_id for item in theirs} - {item.read_id for item in outside}
    # a read whose key no record is about is never ours
    known = {item.key_id for item in records}
    strays = [item for item in theirs if item.key_id not in known and item.reader != REPORT and START <= item.time <= END]
    assert {item.read_id for item in strays} <= {item.read.read_id for item in said.foreign}
