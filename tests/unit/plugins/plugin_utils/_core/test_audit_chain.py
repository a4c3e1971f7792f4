# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit chain: whatever is done to closed lines is found, each fault by its own sentence with the line's number."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.audit_chain import (
    MAX_LINE,
    BrokenLineError,
    Fault,
    Head,
    Kind,
    digest,
    genesis,
    parse,
    seal,
    successor,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.audit_reading import MAX_PROBLEMS, ChainReader, Reading
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError, KeywardError, OptionError
from hypothesis import example, given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
ID, OTHER = "0" * 31 + "1", "0" * 31 + "2"


def chain(number: int = 5, *, chain_id: str = ID, text: str = "x", former: Head | None = None) -> list[bytes]:
    """A genesis record and some more, as lines without their ends."""
    lines = [genesis(chain_id, NOW, former=former, node="controller")]
    for seq in range(1, number):
        fields = {"who": "operator", "key_id": f"k{seq}", "reason": text}
        lines.append(successor(parse(lines[-1]).head, Kind.DISCLOSURE, NOW + timedelta(seconds=seq), fields))
    return lines


def text_of(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def read(text: bytes, expect: Head | None = None) -> Reading:
    *whole, torn = text.split(b"\n")
    return ChainReader(expect=expect).read([line + b"\n" for line in whole] + ([torn] if torn else []))


def faults(reading: Reading) -> list[tuple[Fault, int]]:
    return [(problem.fault, problem.line) for problem in reading.problems]


def test_a_chain_is_intact() -> None:
    lines = chain()
    reading = read(text_of(lines), parse(lines[2]).head)
    assert reading.intact
    assert (reading.records, reading.lines, reading.head) == (5, 5, parse(lines[-1]).head)
    assert reading.genesis == parse(lines[0])


def test_a_line_is_canonical_json_with_its_place() -> None:
    first, second, *_rest = chain()
    said = json.loads(second)
    assert list(said) == [*sorted(set(said) - {"check"}), "check"]
    assert (said["chain"], said["seq"], said["kind"], said["schema_version"]) == (ID, 1, "disclosure", 1)
    assert said["prev"] == parse(first).head.digest
    assert said["time"] == "2026-11-23T03:00:01.000Z"
    assert second.isascii()


def test_fields_cannot_take_the_place_of_the_chain_s_own() -> None:
    first = genesis(ID, NOW)
    record = parse(successor(parse(first).head, Kind.DISCLOSURE, NOW, {"seq": 7, "prev": "x", "kind": "genesis", "chain": OTHER}))
    assert (record.head.chain, record.head.seq, record.kind) == (ID, 1, Kind.DISCLOSURE)


@pytest.mark.parametrize("text", ["", "x", f"{ID}:1", f"{ID}:-1:{'0' * 64}", f"{ID}:1:{'0' * 63}", f"{ID}:1:{'G' * 64}", "1" * 400])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="head of an audit chain"):
        Head.parse(text)


def test_a_head_is_read_as_it_is_written() -> None:
    head = parse(chain()[3]).head
    assert Head.parse(f" {head}\n") == head


# --- what may be wrong, each for itself ---------------------------------------------------------------------------------------------------


def test_a_changed_record_is_named_by_its_line() -> None:
    lines = chain()
    lines[2] = lines[2].replace(b'"operator"', b'"somebody"')
    reading = read(text_of(lines))
    assert faults(reading) == [(Fault.REWRITTEN, 3)]
    assert reading.problems[0].text == "Line 3 was changed after it was written: its check does not fit."


def test_a_record_written_anew_with_a_right_check_is_found_by_the_next_one() -> None:
    lines = chain()
    lines[2] = successor(parse(lines[1]).head, Kind.DISCLOSURE, NOW, {"who": "somebody"})
    reading = read(text_of(lines))
    assert faults(reading) == [(Fault.REWRITTEN, 4)]
    assert "one of the two was written anew" in reading.problems[0].text


def test_an_end_written_anew_is_found_only_by_who_knows_the_head() -> None:
    lines = chain()
    head = parse(lines[4]).head
    lines[4] = successor(parse(lines[3]).head, Kind.DISCLOSURE, NOW, {"who": "somebody"})
    assert read(text_of(lines)).intact
    reading = read(text_of(lines), head)
    assert faults(reading) == [(Fault.REWRITTEN, 0)]
    assert reading.problems[0].text.startswith("Record 4 is another one than the head that is expected says")


def test_a_cut_end_is_found_only_by_who_knows_the_head() -> None:
    lines = chain()
    assert read(text_of(lines[:3])).intact
    reading = read(text_of(lines[:3]), parse(lines[4]).head)
    assert faults(reading) == [(Fault.CUT, 0)]
    assert reading.problems[0].text == "The file ends with record 2, and the head that is expected is record 4: the end was cut off."


def test_an_empty_file_is_a_cut_one_for_who_knows_the_head() -> None:
    assert read(b"").intact
    assert faults(read(b"", parse(chain()[4]).head)) == [(Fault.CUT, 0)]


def test_another_chain_is_found_only_by_who_knows_the_head() -> None:
    reading = read(text_of(chain(chain_id=OTHER)), parse(chain()[2]).head)
    assert faults(reading) == [(Fault.REPLACED, 0)]
    assert "replaced, or it is another file" in reading.problems[0].text


def test_the_head_of_the_former_file_is_met_by_a_chain_that_names_it() -> None:
    former = parse(chain()[-1]).head
    assert read(text_of(chain(chain_id=OTHER, former=former)), former).intact


def test_removed_lines_are_counted() -> None:
    lines = chain(8)
    reading = read(text_of(lines[:2] + lines[4:]))
    assert faults(reading) == [(Fault.REMOVED, 3)]
    assert reading.problems[0].text == "Before line 3 2 records are missing: lines were removed."


def test_a_removed_beginning_is_told() -> None:
    reading = read(text_of(chain()[2:]))
    assert faults(reading) == [(Fault.HEADLESS, 1)]
    assert reading.problems[0].text == "Line 1 is record 2 of its chain: the beginning was removed."


def test_repeated_lines_are_told() -> None:
    lines = chain()
    assert faults(read(text_of(lines[:3] + lines[1:]))) == [(Fault.REPEATED, 4)]


def test_swapped_lines_are_told() -> None:
    lines = chain()
    assert Fault.REPEATED in {fault for fault, _line in faults(read(text_of([lines[0], lines[2], lines[1], *lines[3:]])))}


def test_a_truncated_line_in_the_middle_is_told() -> None:
    lines = chain()
    lines[2] = lines[2][:50]
    reading = read(text_of(lines))
    assert faults(reading) == [(Fault.TRUNCATED, 3)]
    assert reading.problems[0].text == "Line 3 ends in the middle of a record."


def test_a_torn_end_is_told() -> None:
    lines = chain()
    reading = read(text_of(lines)[:-20])
    assert faults(reading) == [(Fault.TORN, 5)]
    assert reading.head == parse(lines[3]).head
    assert lines[4].startswith(reading.torn)


def test_a_torn_line_that_was_closed_is_no_fault_and_is_told() -> None:
    lines = chain()
    torn = lines[4][:40]
    closing = seal(parse(lines[3]).head, NOW, torn)
    after = successor(parse(closing).head, Kind.DISCLOSURE, NOW, {"who": "operator"})
    reading = read(text_of([*lines[:4], torn, closing, after]))
    assert reading.intact
    assert reading.sealed == [5]
    assert reading.head == parse(after).head
    assert faults(read(text_of([*lines[:4], torn + b"x", closing, after]))) == [(Fault.TRUNCATED, 5)]


def test_a_torn_beginning_is_closed_by_the_genesis_record() -> None:
    torn = genesis(ID, NOW)[:30]
    reading = read(text_of([torn, genesis(OTHER, NOW, torn=torn)]))
    assert (reading.intact, reading.sealed) == (True, [1])


def test_joined_files_are_told() -> None:
    reading = read(text_of(chain() + chain(chain_id=OTHER)))
    assert faults(reading) == [(Fault.JOINED, 6)]
    assert reading.problems[0].text == "In line 6 another chain begins: two files were joined."


def test_two_chains_in_one_file_are_told() -> None:
    first, second = chain(), chain(chain_id=OTHER)
    reading = read(text_of([*first[:2], second[1], first[2], second[2]]))
    assert faults(reading) == [(Fault.MIXED, 3), (Fault.MIXED, 4), (Fault.MIXED, 5)]
    assert "two chains in one file" in reading.problems[0].text


@pytest.mark.parametrize(
    "line", [b"", b"x", b"{}", b"[]", b'{"schema_version": 1, "key_id": "k"}', b"\xff", b'{"a":' * 9000 + b"}" * 9000, b"9" * 9000 + b"}"]
)
def test_what_is_no_record_is_told(line: bytes) -> None:
    lines = chain()
    reading = read(text_of([*lines[:2], line, *lines[2:]]))
    assert faults(reading) == [(Fault.FOREIGN, 3)]


ODD = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=5) | st.lists(st.none(), max_size=2)
TIMES = st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-23", "2026-11-23T00:00:00"])
MEMBERS = st.sampled_from(["kind", "chain", "seq", "prev", "time", "schema_version", "former"])


@settings(max_examples=150, deadline=None)
@given(changes=st.dictionaries(MEMBERS, ODD | TIMES, min_size=1, max_size=2))
@example(changes={"time": "0001-01-01T00:00:00+23:59"})
@example(changes={"seq": True})
def test_whatever_a_line_with_a_right_check_says_it_is_read_or_refused(changes: dict[str, object]) -> None:
    said = {name: value for name, value in json.loads(chain()[1]).items() if name != "check"} | changes
    body = json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")
    line = body[:-1] + f',"check":"{digest(body)}"}}'.encode("ascii")
    reading = read(text_of([line, *chain()]))
    assert not reading.intact


def test_a_line_that_is_too_long_is_none() -> None:
    with pytest.raises(BrokenLineError, match="longer than any record"):
        parse(b"x" * (MAX_LINE + 1))
    with pytest.raises(BadDataError, match="longer than"):
        successor(parse(genesis(ID, NOW)).head, Kind.DISCLOSURE, NOW, {"reason": "x" * MAX_LINE})


def test_problems_are_bounded() -> None:
    reading = read(b"x\n" * (MAX_PROBLEMS + 50))
    assert (len(reading.problems), reading.more) == (MAX_PROBLEMS, 50)


# --- and all of it ------------------------------------------------------------------------------------------------------------------------

_LINES = chain(6, text="Ä\n\0 \U0001f511")
_TORN = _LINES[5][:60]
_SEAL = seal(parse(_LINES[4]).head, NOW, _TORN)
WHOLE = [*_LINES[:5], _TORN, _SEAL, successor(parse(_SEAL).head, Kind.DISCLOSURE, NOW, {"who": "operator"})]
TEXT = text_of(WHOLE)
HEAD = parse(WHOLE[-1]).head


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, len(TEXT) - 1), value=st.integers(0, 255))
@example(at=len(TEXT) - 1, value=0)
def test_any_change_of_any_byte_of_a_closed_line_is_found(at: int, value: int) -> None:
    changed = TEXT[:at] + bytes([value]) + TEXT[at + 1 :]
    assert read(changed).intact == (changed == TEXT)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, len(TEXT) - 1), piece=st.binary(min_size=1, max_size=20))
def test_anything_put_in_is_found(at: int, piece: bytes) -> None:
    assert not read(TEXT[:at] + piece + TEXT[at:]).intact


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, len(TEXT) - 1))
def test_any_cut_is_found_by_who_knows_the_head(cut: int) -> None:
    assert not read(TEXT[:cut], HEAD).intact
    assert read(TEXT, HEAD).intact


@settings(max_examples=100, deadline=None)
@given(order=st.lists(st.integers(0, len(WHOLE) - 1), max_size=12))
def test_no_other_order_or_choice_of_lines_is_the_same(order: list[int]) -> None:
    reading = read(text_of([WHOLE[at] for at in order]), HEAD)
    assert reading.intact == (order == list(range(len(WHOLE))))


@settings(max_examples=150, deadline=None)
@given(text=st.binary(max_size=300))
@example(text=b"\r\n\r\n")
def test_any_bytes_are_read(text: bytes) -> None:
    reading = read(text, HEAD)
    assert not reading.intact


FIELDS = st.dictionaries(st.text(max_size=8), st.none() | st.text(max_size=30) | st.integers(), max_size=5)


@settings(max_examples=100, deadline=None)
@given(records=st.lists(FIELDS, max_size=5))
def test_any_fields_make_lines_that_are_read_again(records: list[dict[str, str | int | None]]) -> None:
    lines = [genesis(ID, NOW)]
    for fields in records:
        try:
            lines.append(successor(parse(lines[-1]).head, Kind.DISCLOSURE, NOW, fields))
        except KeywardError:
            return
    reading = read(text_of(lines))
    assert reading.intact
    assert reading.records == len(records) + 1
