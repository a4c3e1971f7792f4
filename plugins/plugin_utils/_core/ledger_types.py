# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What goes into the ledger and comes out of it, as types. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .bulk import bulk_dataclass
from .ledger_changes import differs
from .model import Observation


class RunState(StrEnum):
    """``open``: somebody writes it. ``closed``: whole. ``aborted``: it never got to its end, and nobody reads it."""

    OPEN = "open"
    CLOSED = "closed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a closed run says of itself; sealed with it.

    ``stores``: store -> ``{"state", "scope"}``. ``verdicts``: how often each was given. ``observed``, ``computers``: for the trend.
    """

    complete: bool
    passed: bool
    computers: int = 0
    observed: int = 0
    stores: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    verdicts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run. ``facts`` None unless it is closed and its seal is right (``sealed``). ``tables``: rows and sum of seals, by table."""

    number: int
    run_id: str
    state: RunState
    node: str
    started_at: datetime
    closed_at: datetime | None = None
    batches: int = 0
    sealed: bool = False
    facts: RunFacts | None = None
    tables: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class ProofRecord:
    """A proof as it is remembered.

    Args:
        datum: the digest of the protector's datum, :attr:`key_proof.proof.Proof.digest`.
        version: the entry's version in its store where that is known, else empty.
        value_mark: a keyed digest of the value that was proven (:meth:`_ledger.seal.Seal.value_mark`).
        outcome: proven or refuted; nothing else is worth remembering.
        basis: live, or what else the package came from.
    """

    store: str
    owner_id: str
    entry_id: str
    key_id: str
    datum: str
    version: str
    value_mark: str
    outcome: str
    basis: str
    made_at: datetime
    reason: str = ""


class ProofMemory:
    """The proofs that earlier runs made, ready to be asked whether one must be made again."""

    def __init__(self, records: Sequence[ProofRecord] = ()) -> None:
        self._by_entry: dict[tuple[str, str, str], list[ProofRecord]] = {}
        for record in records:
            self.add(record)

    def __len__(self) -> int:
        return sum(len(records) for records in self._by_entry.values())

    def records(self) -> Iterator[ProofRecord]:
        """All of them."""
        for records in self._by_entry.values():
            yield from records

    def add(self, record: ProofRecord) -> None:
        """Remember one more."""
        self._by_entry.setdefault((record.store, record.entry_id, record.key_id), []).append(record)

    def of_entry(self, store: str, entry_id: str, key_id: str) -> Sequence[ProofRecord]:
        """Every proof of one entry, in whatever state it then was."""
        return self._by_entry.get((store, entry_id, key_id), ())

    def find(
        self, store: str, owner_id: str, entry_id: str, key_id: str, *, datum: str, version: str = "", value_mark: str = ""
    ) -> ProofRecord | None:
        """The newest proof of this value against this very datum, or None: then it must be made.

        With ``value_mark`` (the value was read) that must be the same one. Without it the version must be known, and the same.
        A version that is known on both sides and differs is never passed over.
        """
        fitting = [
            record
            for record in self.of_entry(store, entry_id, key_id)
            if record.owner_id == owner_id
            and datum
            and record.datum == datum
            and not differs(record.version, version)
            and (record.value_mark == value_mark if value_mark else bool(version) and record.version == version)
        ]
        return max(fitting, key=lambda record: record.made_at, default=None)

    def last_made(self, store: str, entry_id: str, key_id: str) -> datetime | None:
        """When an entry was last proven or refuted, whatever it then held; None: never. The oldest are to be proven first."""
        return max((record.made_at for record in self.of_entry(store, entry_id, key_id)), default=None)

    def changed_value(self, store: str, entry_id: str, key_id: str, value_mark: str) -> bool:
        """Whether the value that was read now is another than the one that was last examined."""
        records = self.of_entry(store, entry_id, key_id)
        return bool(records) and max(records, key=lambda record: record.made_at).value_mark != value_mark


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An observation that the ledger kept, and the run that it was judged in."""

    observation: Observation
    run: Run


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class OwnerRecord:
    """What lay under one owner in one run, by digest; ``computer``: the report's name of the owner then."""

    owner_id: str
    computer: str | None
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSeen:
    """When something was seen first; ``created`` and ``owner_id`` of an entry, ``type`` of a protector."""

    at: datetime
    created: datetime | None = None
    owner_id: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the ledger holds of one computer. ``verdicts``: run, word, and ``[[volume, verdict], ...]``; newest first, as observations."""

    name: str
    hosts: tuple[str, ...]
    verdicts: tuple[tuple[Run, str | None, Any], ...]
    observations: tuple[Kept, ...]
