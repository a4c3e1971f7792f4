# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Reading an audit file's lines, and saying what is wrong with them: each fault its own sentence with the line's number; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from .audit_chain import BrokenLineError, Fault, Head, Kind, Problem, Record, parse

MAX_PROBLEMS = 100


@dataclass(slots=True)
class Reading:
    """What a text of lines came to.

    ``head`` is the last whole record's, ``genesis`` the first record where it is one. ``sealed`` are lines that a crash tore and that a
    later writer closed; they are no fault, but are told. ``torn`` is what stands behind the last line end. ``more`` counts problems
    beyond :data:`MAX_PROBLEMS`.
    """

    head: Head | None = None
    genesis: Record | None = None
    records: int = 0
    lines: int = 0
    problems: list[Problem] = field(default_factory=list)
    sealed: list[int] = field(default_factory=list)
    torn: bytes = b""
    more: int = 0

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def add(self, fault: Fault, line: int, text: str) -> None:
        """Note a problem."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(fault, line, text))
        else:
            self.more += 1


class ChainReader:
    """Reads lines in order and notes what is wrong with them.

    Args:
        after: the head before the first line, where it is known.
        midway: the first line may be any record: what is before it is not read.
        expect: a head that must be met, or be what the genesis record names as the former file's.
        take: is given every whole record with its line's number.
        lines_before: how many lines are before the first, so that lines have their numbers in the file.
    """

    def __init__(
        self,
        *,
        after: Head | None = None,
        midway: bool = False,
        expect: Head | None = None,
        take: Callable[[Record, int], None] | None = None,
        lines_before: int = 0,
    ) -> None:
        self.reading = Reading(head=after, lines=lines_before)
        self._places: dict[str, Head] = {after.chain: after} if after else {}
        self._current = after.chain if after else None
        self._midway = midway
        self._doubtful = 0
        self._expect = expect
        self._met: Head | None = None
        self._take = take

    def read(self, lines: Iterable[bytes]) -> Reading:
        """All lines, each with its end as a file gives them; the last may have none."""
        for line, following in _pairs(lines):
            self.reading.lines += 1
            self._one(line, following)
        self._end()
        return self.reading

    def _one(self, line: bytes, following: bytes | None) -> None:
        number = self.reading.lines
        if not line.endswith(b"\n") and following is None:
            self.reading.torn = line
            self.reading.add(
                Fault.TORN,
                number,
                f"Line {number} is torn: it has no end. A writer died or the disk was full, or somebody cut the file; "
                "the next record closes it.",
            )
            return
        body = line.removesuffix(b"\n")
        try:
            record = parse(body)
        except BrokenLineError as broken:
            if following is not None and _closed_by(body, following):
                self.reading.sealed.append(number)
                return
            self._doubtful += 1
            self.reading.add(broken.fault, number, f"Line {number} {broken.meaning}.")
            return
        self._place(record, number)
        self.reading.records += 1
        self.reading.head = record.head
        if self._take is not None:
            self._take(record, number)

    def _place(self, record: Record, number: int) -> None:
        """Compare a record with what came before it, and make it what the next one is compared with."""
        chain = record.head.chain
        known = self._places.get(chain)
        if self._current is None:
            self._first(record, number)
        elif record.kind is Kind.GENESIS:
            self.reading.add(Fault.JOINED, number, f"In line {number} another chain begins: two files were joined.")
        elif chain != self._current:
            self.reading.add(
                Fault.MIXED, number, f"Line {number} is of chain {chain}, the line before of chain {self._current}: two chains in one file."
            )
        if known is not None and record.kind is not Kind.GENESIS:
            self._follows(known, record, number)
        self._places[chain], self._current, self._doubtful = record.head, chain, 0
        expect = self._expect
        if expect is not None and ((chain, record.head.seq) == (expect.chain, expect.seq) or record.former == expect):
            self._met = record.head if record.former != expect else expect

    def _first(self, record: Record, number: int) -> None:
        if record.kind is Kind.GENESIS:
            self.reading.genesis = record
        elif not self._midway and not self._doubtful:
            self.reading.add(Fault.HEADLESS, number, f"Line {number} is record {record.head.seq} of its chain: the beginning was removed.")

    def _follows(self, known: Head, record: Record, number: int) -> None:
        expected, seq = known.seq + 1, record.head.seq
        if seq < expected:
            self.reading.add(
                Fault.REPEATED, number, f"Line {number} is record {seq} of its chain, which was there before: copied or moved."
            )
        elif seq > expected + self._doubtful:
            missing = seq - expected - self._doubtful
            what = "record is" if missing == 1 else "records are"
            self.reading.add(Fault.REMOVED, number, f"Before line {number} {missing} {what} missing: lines were removed.")
        elif seq == expected and record.prev != known.digest:
            self.reading.add(
                Fault.REWRITTEN, number, f"Line {number} does not follow from the line before it: one of the two was written anew."
            )

    def _end(self) -> None:
        expect, head = self._expect, self.reading.head
        if expect is None or self._met == expect:
            return
        if self._met is not None:
            text = f"Record {expect.seq} is another one than the head that is expected says: the chain was written anew."
            self.reading.add(Fault.REWRITTEN, 0, text)
        elif head is not None and expect.chain in self._places:
            last = self._places[expect.chain].seq
            if expect.seq > last:
                text = f"The file ends with record {last}, and the head that is expected is record {expect.seq}: the end was cut off."
            else:
                text = f"Record {expect.seq}, which is expected, is missing or damaged."
            self.reading.add(Fault.CUT, 0, text)
        elif head is None:
            self.reading.add(Fault.CUT, 0, f"The file holds no record, and record {expect.seq} is expected: everything was cut off.")
        else:
            text = f"The file holds chain {head.chain}, and chain {expect.chain} is expected: it was replaced, or it is another file."
            self.reading.add(Fault.REPLACED, 0, text)


def _closed_by(body: bytes, following: bytes) -> bool:
    try:
        record = parse(following.removesuffix(b"\n"))
    except BrokenLineError:
        return False
    return following.endswith(b"\n") and record.kind in (Kind.SEAL, Kind.GENESIS) and record.closes(body)


def _pairs(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
    """Each line with the one after it."""
    iterator = iter(lines)
    before = next(iterator, None)
    while before is not None:
        after = next(iterator, None)
        yield before, after
        before = after
