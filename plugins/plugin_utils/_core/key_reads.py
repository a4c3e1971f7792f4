# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Reads of keys that Entra ID wrote down, held against those that the audit file says were ours; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

#: one read has been reported to leave several records; they are as close together as this
DUPLICATES = timedelta(seconds=10)
#: Entra ID writes its audit within minutes, as a rule; what it does not show after so long is odd
LATE = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRead:
    """One read that Entra ID wrote down. ``key_id`` None: its record does not tell which. ``reader`` is the application's ID or the
    person's user principal name, in lower case; empty where it names neither."""

    read_id: str
    time: datetime
    key_id: str | None
    device_id: str | None = None
    reader: str = ""
    person: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRead:
    """One record of the audit file about a key that came from Entra ID."""

    seq: int
    time: datetime
    key_id: str


@dataclass(frozen=True, slots=True)
class ForeignRead:
    """A read that is in no record of ours, and why it is taken for one."""

    read: KeyRead
    why: str


@dataclass(frozen=True, slots=True)
class PendingRead:
    """A record of ours whose read Entra ID does not show; ``late``: it should by now."""

    record: OwnRead
    late: bool


@dataclass(slots=True)
class Reconciliation:
    """What the comparison came to: how many of Entra ID's reads were ours, duplicates, or for proofs; which were foreign; which of ours
    are missing there."""

    matched: int = 0
    duplicates: int = 0
    proofs: int = 0
    foreign: list[ForeignRead] = field(default_factory=list)
    pending: list[PendingRead] = field(default_factory=list)


def reconcile(
    own: Sequence[OwnRead],
    reads: Sequence[KeyRead],
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    window: timedelta,
    readers: Collection[str] = (),
    proof_readers: Collection[str] = (),
) -> Reconciliation:
    """Hold the reads against the records.

    Args:
        own: records of ours, from ``window`` before ``start`` to ``window`` after ``end`` where there are such.
        reads: what Entra ID shows, from ``window`` before ``start`` on.
        start: from when on a read without a record is foreign. Earlier ones may be in another audit file.
        end: until when.
        now: the time by which a record is late.
        window: how far the times of a read and of its record may be apart, in either direction: clocks differ, and the record is written
            after the read.
        readers: who reads on our behalf (application IDs, user principal names); with any, a read by anybody else is foreign.
        proof_readers: whose reads are made to prove keys, and so are in no record.
    """
    said = Reconciliation()
    ours, provers = {reader.lower() for reader in readers}, {reader.lower() for reader in proof_readers}
    said.proofs = sum(read.reader in provers for read in reads)
    others = [
        (read, _strange(read, ours)) for read in sorted(reads, key=lambda read: (read.time, read.read_id)) if read.reader not in provers
    ]
    pairs = _nearest(own, [read for read, why in others if not why], window)
    times: defaultdict[tuple[str | None, str], list[datetime]] = defaultdict(list)
    for read, _why in others:
        if read.read_id in pairs:
            times[read.key_id, read.reader].append(read.time)
            said.matched += 1
    for read, why in others:
        if not start <= read.time <= end or read.read_id in pairs:
            continue
        if not why and any(abs(read.time - moment) <= DUPLICATES for moment in times[read.key_id, read.reader]):
            said.duplicates += 1
        else:
            said.foreign.append(ForeignRead(read, why or "the audit file has no record of it"))
    _find_pending(said, own, {record.seq for record in pairs.values()}, start, end, now, window)
    return said


def _nearest(own: Sequence[OwnRead], reads: Sequence[KeyRead], window: timedelta) -> dict[str, OwnRead]:
    """Reads (by their ID) and records in pairs of one key, the nearest in time first; each read and each record once."""
    by_key: defaultdict[str | None, list[OwnRead]] = defaultdict(list)
    for record in own:
        by_key[record.key_id].append(record)
    near = [
        (abs(record.time - read.time), record.seq, read.read_id, record)
        for read in reads
        for record in by_key.get(read.key_id, ())
        if abs(record.time - read.time) <= window
    ]
    pairs: dict[str, OwnRead] = {}
    met: set[int] = set()
    for _distance, seq, read_id, record in sorted(near, key=lambda pair: pair[:3]):
        if seq not in met and read_id not in pairs:
            met.add(seq)
            pairs[read_id] = record
    return pairs


def _strange(read: KeyRead, ours: Collection[str]) -> str:
    if read.key_id is None:
        return "its record does not tell which key was read"
    if ours and read.reader not in ours:
        return "it was made by nobody that reads for these playbooks"
    return ""


def _find_pending(
    said: Reconciliation, own: Sequence[OwnRead], met: Collection[int], start: datetime, end: datetime, now: datetime, window: timedelta
) -> None:
    """A key that was read once may be handed out more than once: the read of one record is that of its neighbours too."""
    times: defaultdict[str, list[datetime]] = defaultdict(list)
    for record in own:
        if record.seq in met:
            times[record.key_id].append(record.time)
    for record in own:
        shared = any(abs(moment - record.time) <= window for moment in times[record.key_id])
        if record.seq not in met and not shared and start <= record.time <= end:
            said.pending.append(PendingRead(record, late=now - record.time > LATE))
