# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The end of an audit file, read and held against what came before it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

from .._core.audit_chain import BrokenLineError, Fault, Head, Problem, Record, parse
from .._core.audit_reading import ChainReader

#: read back when a process begins, doubled until enough is in it
WINDOW = 262_144


class Part:
    """A part of the file from ``start`` on, at the beginning of a line, and how it reads after a head (None: whatever is before it)."""

    def __init__(self, start: int, data: bytes, *, after: Head | None = None, before: int = 0) -> None:
        self.start = start
        self.data = data
        self.after = after
        self.records: list[Record] = []
        reader = ChainReader(after=after, midway=start > 0, take=self._take, lines_before=before)
        self.reading = reader.read(_lines(data))

    def _take(self, record: Record, _line: int) -> None:
        self.records.append(record)

    @property
    def wrong(self) -> Problem | None:
        """The first thing wrong; a torn end is none, as the next writer closes it."""
        return next((problem for problem in self.reading.problems if problem.fault is not Fault.TORN), None)


def _lines(data: bytes) -> list[bytes]:
    *whole, torn = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([torn] if torn else [])


def completes(head: Head, torn: bytes) -> Record | None:
    """The record that what has no line end is, where nothing but that is missing."""
    try:
        last = parse(torn)
    except BrokenLineError:
        return None
    follows = (last.head.chain, last.head.seq, last.prev) == (head.chain, head.seq + 1, head.digest)
    return last if follows else None


def compare(kept: Head, head: Head, records: Sequence[Record]) -> Problem | None:
    """What the head that was kept says of the file's."""
    if kept.chain != head.chain:
        if any(record.former == kept for record in records):
            return None
        text = f"The file holds chain {head.chain}, and the chain that was written last is {kept.chain}: the file was replaced."
        return Problem(Fault.REPLACED, 0, text)
    if kept.seq > head.seq:
        text = f"The file ends with record {head.seq}, and the last that was written is record {kept.seq}: the end was cut off."
        return Problem(Fault.CUT, 0, text)
    if any(record.head.seq == kept.seq and record.head != kept for record in records if record.head.chain == kept.chain):
        return Problem(Fault.REWRITTEN, 0, f"Record {kept.seq} is another one than was written: the file was rewritten.")
    return None


def window(descriptor: int, size: int, since: datetime) -> Part:
    """The end of the file, from a record on that is older than ``since``, or all of it."""
    want = WINDOW
    while True:
        start = max(0, size - want)
        data = read_whole(descriptor, start, size)
        if start:
            cut = data.find(b"\n") + 1
            data, start = data[cut:], start + cut
        part = Part(start, data)
        if start == 0 or part.wrong is not None or (part.records and part.records[0].time < since):
            return part
        want *= 2


def read_whole(descriptor: int, start: int, end: int) -> bytes:
    """What stands between two offsets; less where the file is shorter."""
    parts = []
    while start < end and (part := os.pread(descriptor, min(end - start, 1 << 24), start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def count_lines(descriptor: int, end: int) -> int:
    step = 1 << 20
    return sum(read_whole(descriptor, at, min(at + step, end)).count(b"\n") for at in range(0, end, step))
