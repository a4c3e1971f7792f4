# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The audit of disclosures as a chain of lines: how a line is made and read; pure.

A line is a JSON object with sorted keys in ASCII; its last member ``check`` is the SHA-256 of the object without it. ``chain`` is the
chain's random ID, ``seq`` counts from 0 (the genesis record), ``prev`` is the SHA-256 of the line before. So a line that is changed, left
out, moved or put in is found by whoever reads the lines. That the end was cut off, or that everything was written anew, can be found only
by who knows an earlier head (:class:`Head`) from elsewhere: nothing in a file can tell what is no longer in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from .._errors import BadDataError, OptionError

SCHEMA_VERSION = 1
#: bytes of a line, its end not counted; a longer one is none of ours
MAX_LINE = 131_072
#: what the genesis record has before it
NOTHING = "0" * 64

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CHECK = re.compile(rb',"check":"([0-9a-f]{64})"}\Z')
_HEAD = re.compile(r"([0-9a-f]{32}):([0-9]{1,15}):([0-9a-f]{64})", re.ASCII)


class Kind(StrEnum):
    """What a record is: a chain's beginning, something that was handed out, or a note that a torn line was closed."""

    GENESIS = "genesis"
    DISCLOSURE = "disclosure"
    SEAL = "seal"


class Fault(StrEnum):
    """What can be wrong with a text of lines."""

    CUT = "cut"
    REPLACED = "replaced"
    REWRITTEN = "rewritten"
    REMOVED = "removed"
    REPEATED = "repeated"
    TRUNCATED = "truncated"
    TORN = "torn"
    JOINED = "joined"
    MIXED = "mixed"
    HEADLESS = "headless"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Head:
    """A place in a chain: its ID, a record's number and the SHA-256 of that record's line. As text: ``chain:seq:digest``."""

    chain: str
    seq: int
    digest: str

    def __str__(self) -> str:
        return f"{self.chain}:{self.seq}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read what ``str`` gave.

        Raises:
            OptionError: it is no head.
        """
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise OptionError(
                "read the head of an audit chain",
                target=text[:120],
                meaning="it is none",
                remedy="Give it as disclosure_info returned it: the chain's ID, the record's number and its digest, with colons between.",
            )
        return cls(found[1], int(found[2]), found[3])


@dataclass(frozen=True, slots=True)
class Record:
    """One line that is whole: its kind, its place, the digest before it, its time, and every member as it stands there."""

    kind: Kind
    head: Head
    prev: str
    time: datetime
    fields: Mapping[str, Any]

    @property
    def former(self) -> Head | None:
        """Where the chain of the file before this one ended, as a genesis record may say."""
        said = self.fields.get("former")
        return Head.parse(said) if self.kind is Kind.GENESIS and isinstance(said, str) and _HEAD.fullmatch(said) else None

    def closes(self, line: bytes) -> bool:
        """Whether this record says of a line before it that it was torn."""
        return self.fields.get("torn_sha256") == digest(line) and self.fields.get("torn_bytes") == len(line)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in a line (from 1; 0: in none), as a sentence that names the line."""

    fault: Fault
    line: int
    text: str


class BrokenLineError(Exception):
    """A line is no record of a chain; ``meaning`` goes on from "Line 7"."""

    def __init__(self, fault: Fault, meaning: str) -> None:
        super().__init__(meaning)
        self.fault = fault
        self.meaning = meaning


def digest(line: bytes) -> str:
    """The SHA-256 of a line without its end."""
    return hashlib.sha256(line).hexdigest()


def stamp(moment: datetime) -> str:
    """A time as records write it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def genesis(chain: str, time: datetime, *, former: Head | None = None, torn: bytes = b"", **facts: str) -> bytes:
    """The first line of a chain, without its end; ``former`` is the head of the file before, ``torn`` what a crash left in this one."""
    said = {**facts, "former": str(former) if former else None, **_torn(torn)}
    return _line(Kind.GENESIS, chain, 0, NOTHING, time, said)


def successor(head: Head, kind: Kind, time: datetime, fields: Mapping[str, Any]) -> bytes:
    """The line after a head, without its end."""
    return _line(kind, head.chain, head.seq + 1, head.digest, time, fields)


def seal(head: Head, time: datetime, torn: bytes) -> bytes:
    """The line that says that the line before it is torn and no record."""
    return successor(head, Kind.SEAL, time, _torn(torn))


def _torn(torn: bytes) -> dict[str, Any]:
    return {"torn_sha256": digest(torn), "torn_bytes": len(torn)} if torn else {}


def _line(kind: Kind, chain: str, seq: int, prev: str, time: datetime, fields: Mapping[str, Any]) -> bytes:
    record = {
        **fields,
        "schema_version": SCHEMA_VERSION,
        "kind": kind.value,
        "chain": chain,
        "seq": seq,
        "prev": prev,
        "time": stamp(time),
    }
    body = json.dumps(record, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode("ascii")
    line = body[:-1] + f',"check":"{digest(body)}"}}'.encode("ascii")
    if len(line) > MAX_LINE:
        raise BadDataError("write an audit record", meaning=f"it would be longer than {MAX_LINE} bytes")
    return line


def parse(line: bytes) -> Record:
    """Read one line, without its end.

    Raises:
        BrokenLineError: it is no record, or not as it was written.
    """
    if len(line) > MAX_LINE:
        raise BrokenLineError(Fault.FOREIGN, "is longer than any record")
    found = _CHECK.search(line)
    if found is None:
        if line.startswith(b"{") and not line.endswith(b"}"):
            raise BrokenLineError(Fault.TRUNCATED, "ends in the middle of a record")
        raise BrokenLineError(Fault.FOREIGN, "is no record of an audit chain")
    if digest(line[: found.start()] + b"}") != found[1].decode("ascii"):
        raise BrokenLineError(Fault.REWRITTEN, "was changed after it was written: its check does not fit")
    try:
        return _record(json.loads(line), digest(line))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise BrokenLineError(Fault.FOREIGN, "is no record of an audit chain") from None


def _record(said: dict[str, Any], line_digest: str) -> Record:
    kind, chain, seq, prev, time = Kind(said["kind"]), said["chain"], said["seq"], said["prev"], said["time"]
    moment = datetime.fromisoformat(time)
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq < 10**15 or moment.tzinfo is None:
        raise ValueError("a number or a time of another form")
    if not (_ID.fullmatch(chain) and _DIGEST.fullmatch(prev)):
        raise ValueError("a member of another form")
    if (kind is Kind.GENESIS) != (seq == 0) or (seq == 0) != (prev == NOTHING) or said["schema_version"] != SCHEMA_VERSION:
        raise ValueError("members that do not go together")
    return Record(kind, Head(chain, seq, line_digest), prev, moment.astimezone(UTC), said)
