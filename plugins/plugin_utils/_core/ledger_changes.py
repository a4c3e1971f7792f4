# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What changed in a store since an earlier run: entries that vanished, and entries that are there but no longer the same. Pure.

Two readings are held against each other owner by owner. Only what both could see is compared: an entry whose name alone was visible to
one of them is passed over, and a version of a kind that only one of them knows says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .bulk import bulk_dataclass
from .model import Entry, StoreReading, StoreState
from .observation import parse_time

#: entries of one owner that are read back; Entra's limit is 200, and nobody has as many in AD
MAX_ENTRIES = 10_000
_MAX_TEXT = 4096
#: plain data holds no circles
_encode = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"), check_circular=False).encode


class Change(StrEnum):
    """What became of an entry."""

    VANISHED = "vanished"
    CHANGED = "changed"


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class HeldEntry:
    """An entry as the ledger remembers it: no value, no location. ``version`` None: the store did not say."""

    entry_id: str
    key_ids: tuple[str, ...]
    created: datetime | None = None
    version: str | None = None
    readable: bool = True

    @classmethod
    def of(cls, entry: Entry) -> HeldEntry:
        """From a store's entry."""
        key_ids = tuple(sorted(entry.key_ids))
        return cls(entry_id=entry.entry_id, key_ids=key_ids, created=entry.created, version=entry.version, readable=entry.readable)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryChange:
    """One change under one owner; ``why`` is a clause for a person."""

    kind: Change
    key_id: str
    entry_id: str
    why: str


def held_by_owner(reading: StoreReading) -> dict[str, list[HeldEntry]]:
    """Owner -> the entries that lie under it, in one order whatever the store's."""
    found: dict[str, list[HeldEntry]] = {}
    for entry in reading.entries:
        if not entry.deleted:
            found.setdefault(entry.owner_id, []).append(HeldEntry.of(entry))
    for entries in found.values():
        entries.sort(key=lambda entry: (entry.entry_id, entry.key_ids))
    return found


def to_data(entries: Iterable[HeldEntry]) -> list[list[Any]]:
    """As plain data for a body; :func:`from_data` reads it back."""
    return [[e.entry_id, list(e.key_ids), e.created.isoformat() if e.created is not None else None, e.version, e.readable] for e in entries]


def from_data(data: object) -> list[HeldEntry]:
    """The entries of a body; ValueError for whatever :func:`to_data` would not have written."""
    if not isinstance(data, list) or len(data) > MAX_ENTRIES:
        raise ValueError("no list of entries")
    return [_entry(item) for item in data]


def _entry(item: object) -> HeldEntry:
    if not isinstance(item, list) or len(item) != 5:
        raise ValueError("no entry")
    entry_id, key_ids, created, version, readable = item
    if not isinstance(key_ids, list) or len(key_ids) > 2 or not isinstance(readable, bool):
        raise ValueError("no entry")
    if not all(isinstance(text, str) and len(text) <= _MAX_TEXT for text in (entry_id, *key_ids, created or "", version or "")):
        raise ValueError("no text")
    return HeldEntry(
        entry_id=entry_id,
        key_ids=tuple(key_ids),
        created=parse_time(created) if created is not None else None,
        version=version,
        readable=readable,
    )


def comparable(reading: StoreReading) -> bool:
    """Whether what a reading did not bring is not there: a store that is down never makes an entry vanish."""
    return reading.state is StoreState.SEARCHED


def searched_owner(reading: StoreReading, owner_id: str, owners: frozenset[str]) -> bool:
    """Whether nothing found under an owner means that nothing is there; ``owners``: those that the reading brought.

    Where only parts of the store were searched, an owner that is not there may have been moved to another part.
    """
    return comparable(reading) and owner_id not in reading.unsearched_owners and (reading.whole or owner_id in owners)


def compare(earlier: Sequence[HeldEntry], current: Sequence[HeldEntry]) -> list[EntryChange]:
    """What became of the entries of one owner, one change for each key ID at most."""
    by_id = {entry.entry_id: entry for entry in current}
    by_key: dict[str, list[HeldEntry]] = {}
    for entry in current:
        for key_id in entry.key_ids:
            by_key.setdefault(key_id, []).append(entry)
    changes: dict[str, EntryChange] = {}
    for was in earlier:
        for key_id in was.key_ids:
            found = _change(was, key_id, by_id.get(was.entry_id), by_key.get(key_id, []))
            if found is not None:
                changes.setdefault(key_id, found)
    return list(changes.values())


def _change(was: HeldEntry, key_id: str, now: HeldEntry | None, of_key: Sequence[HeldEntry]) -> EntryChange | None:
    def change(kind: Change, why: str) -> EntryChange:
        return EntryChange(kind=kind, key_id=key_id, entry_id=was.entry_id, why=why)

    if not of_key:
        return change(Change.VANISHED, "no entry of this key ID lies under its owner any more")
    if not was.readable or not all(entry.readable for entry in of_key):
        return None
    if now is None:
        return change(Change.CHANGED, "another entry of this key ID lies in its place")
    if key_id not in now.key_ids:
        return change(Change.CHANGED, "the entry stands for another key ID now")
    if was.created is not None and now.created is not None and was.created != now.created:
        return change(Change.CHANGED, "it bears another time of creation")
    if differs(was.version, now.version):
        return change(Change.CHANGED, "its value was written again")
    return None


def differs(was: str | None, now: str | None) -> bool:
    """Whether two versions are of one kind (what stands before the colon) and not the same."""
    if not was or not now:
        return False
    return was.partition(":")[0] == now.partition(":")[0] and was != now


def body(data: object) -> bytes:
    """Plain data as bytes, always the same for the same data."""
    return _encode(data).encode("ascii")


def scope_of(reading: StoreReading, scope: Mapping[str, Any]) -> str:
    """What of which store a reading was to search, as a text that is equal where two readings can be compared."""
    parts = {name: scope[name] for name in ("search_bases", "trust_types") if scope.get(name)}
    return body({"store": reading.store, "domain": reading.domain, "tenant": reading.tenant, **parts}).decode("ascii")
