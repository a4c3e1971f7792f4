# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Reading an audit file from its beginning: is the chain whole, and which of its records fit what is asked for."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from .._core.audit_chain import MAX_LINE, Head, Kind, Record
from .._core.audit_reading import ChainReader, Reading
from .._core.key_reads import OwnRead
from .._core.observation import normalise_key_id
from .._errors import OptionError
from .audit_failures import locked, no_plain_file, unreadable
from .audit_file import LOCK_SECONDS

#: members of a record that are about the chain
_PLACE = frozenset({"schema_version", "kind", "chain", "prev", "check"})


def parse_moment(option: str, text: str | None) -> datetime | None:
    """A time as a user writes it: a date, or a date and time, in UTC where no offset is given.

    Raises:
        OptionError: it is none.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise OptionError(
            "read the audit file", target=f"option {option}", meaning="it is no time", remedy="Write it like 2026-11-23T08:00:00Z."
        ) from None


def sources_of(record: Record) -> list[str]:
    """Where a key was read from: several sources that agreed stand with a plus between."""
    return str(record.fields.get("source")).split("+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for; None and empty take everything. ``key_id`` may be the beginning of one."""

    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None
    key_id: str | None = None
    owner: str | None = None
    source: str | None = None
    actions: frozenset[str] = frozenset()

    def takes(self, record: Record) -> bool:
        """Whether a record fits."""
        said = record.fields
        if (self.since and record.time < self.since) or (self.until and record.time > self.until):
            return False
        if self.actions and said.get("action") not in self.actions:
            return False
        if self.who and self.who not in (said.get("who"), said.get("on_behalf_of")):
            return False
        if self.source and self.source not in sources_of(record):
            return False
        if self.key_id and not normalise_key_id(str(said.get("key_id"))).startswith(self.key_id):
            return False
        return not self.owner or self.owner.lower() in str(said.get("owner")).lower()


@dataclass(slots=True)
class AuditAnswer:
    """What was read: the chain, the newest records that fit and how many fit in all, and ours that came from Entra ID."""

    reading: Reading
    total: int = 0
    rows: deque[dict[str, Any]] = field(default_factory=deque)
    from_entra: list[OwnRead] = field(default_factory=list)


def read_audit(path: Path, wanted: Wanted, *, limit: int, expect: Head | None = None) -> AuditAnswer:
    """Read the whole file.

    Raises:
        AuditError: it cannot be read.
    """
    answer = AuditAnswer(Reading(), rows=deque(maxlen=limit))

    def take(record: Record, line: int) -> None:
        if record.kind is not Kind.DISCLOSURE:
            return
        said = record.fields
        if "entra" in sources_of(record):
            key_id = normalise_key_id(str(said.get("key_id")))
            answer.from_entra.append(OwnRead(seq=record.head.seq, time=record.time, key_id=key_id))
        if wanted.takes(record):
            answer.total += 1
            answer.rows.append({name: value for name, value in said.items() if name not in _PLACE} | {"line": line})

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=1 << 20) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise no_plain_file(path, keys=False)
            _wait(path, descriptor)
            answer.reading = ChainReader(expect=expect, take=take).read(_lines(file))
    except OSError as error:
        raise unreadable(path, error) from error
    return answer


def _wait(path: Path, descriptor: int) -> None:
    """Until no writer is at it."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise locked(path, LOCK_SECONDS, keys=False) from None
            time.sleep(0.01)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines with their ends; of one that is too long to be a record only its beginning."""
    while line := file.readline(MAX_LINE + 2):
        end = line
        while len(end) == MAX_LINE + 2 and not end.endswith(b"\n"):
            end = file.readline(MAX_LINE + 2)
        yield line if line is end or not end.endswith(b"\n") else line + b"\n"


def head_of(answer: AuditAnswer) -> str | None:
    """The head, as ``expect_head`` takes it."""
    return str(answer.reading.head) if answer.reading.head else None


def genesis_of(answer: AuditAnswer) -> Mapping[str, Any] | None:
    """What the first record says of the chain."""
    first = answer.reading.genesis
    if first is None:
        return None
    said = first.fields
    return {"chain": first.head.chain, "time": said["time"], "node": said.get("node"), "who": said.get("who"), "former": said.get("former")}


def period(answer: AuditAnswer, wanted: Wanted, now: datetime) -> tuple[datetime, datetime]:
    """From when to when the file can answer for reads: not before its chain began, and of the last 30 days where nothing else is said."""
    first = answer.reading.genesis
    start = wanted.since or now - timedelta(days=30)
    if first is not None:
        start = max(start, first.time)
    return start, wanted.until or now
