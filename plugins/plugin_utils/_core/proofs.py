# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a run proved, laid over what the stores hold: the value of an entry opened the live key package, or not, or nobody could say.

An overlay can take a state from ``present`` to ``proven``, ``refuted``, ``conflicting`` or ``malformed``, and changes no other: what was
not found or not searched stays so. It holds neither a value nor a package nor a digest of one, only which values were equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from .key_proof.proof import Outcome
from .model import Entry, EntryState


class Basis(StrEnum):
    """Where the key package came from that a value was held against (DESIGN section 4); only ``live`` makes a key proven."""

    LIVE = "live"
    DIRECTORY = "directory"
    IMAGE = "image"


class EntryRef(NamedTuple):
    """One entry: its store and its ID there."""

    store: str
    entry_id: str


class Place(NamedTuple):
    """One volume as one host listed it: two volumes may have one protector (a clone, a shared one), and each has a package of its own."""

    host: str
    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProof:
    """One proof. ``made_at``: when what the value was held against was read (live: by the observation); ``reason`` is a clause."""

    outcome: Outcome
    basis: Basis
    made_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadValue:
    """What reading an entry's value told: equal values of one run have equal numbers; ``defects`` say why it is no recovery password."""

    number: int
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofSums:
    """How far the proofs of a run came. All but the last four count pairs of an entry and a protector with a live key package.

    Args:
        wanted: pairs that were to be proven.
        made: proofs that hold; the sum of ``proven``, ``refuted`` and ``inconclusive``.
        remembered: of those, how many an earlier run had made, so that this one did not repeat them.
        not_read: pairs whose value was not read: beyond the budget or the time, without the right, or gone.
        values_read: recovery passwords that were read, each once.
        days_until_all: after how many more runs, one a day, each pair is proven once; None where no number of them will do.
        directory: proofs against the directory's own key package, where the computer gave none.
        without_package: recovery passwords of computers observed now for which no live key package is there.
    """

    wanted: int = 0
    made: int = 0
    remembered: int = 0
    proven: int = 0
    refuted: int = 0
    inconclusive: int = 0
    not_read: int = 0
    values_read: int = 0
    days_until_all: int | None = 0
    directory: int = 0
    without_package: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """All that a run proved. ``asked``: the stores of which values were asked; ``sums`` None where no proofs were wanted."""

    values: Mapping[EntryRef, ReadValue] = field(default_factory=dict)
    made: Mapping[tuple[EntryRef, str, Place], EntryProof] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    sums: ProofSums | None = None

    def overlay(self, own: Iterable[Entry], key_id: str, place: Place) -> Overlay:
        """What the proofs say of a protector's own entries in one store, as the volume at ``place`` lists it."""
        entries: list[Entry] = []
        found: dict[int, EntryProof] = {}
        numbers: set[int] = set()
        for number, entry in enumerate(own):
            ref = EntryRef(entry.store, entry.entry_id)
            value = self.values.get(ref)
            entries.append(entry if value is None or not value.defects else replace(entry, defects=(*entry.defects, *value.defects)))
            if value is None or entries[-1].defects:
                continue
            numbers.add(value.number)
            proof = self.made.get((ref, key_id, place))
            if proof is not None:
                found[number] = proof
        return Overlay(own=tuple(entries), proofs=found, distinct=len(numbers))


NO_PROOFS = Proofs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """The own entries, with the defects of their values; the proof of each by its place among them; how many different values were read."""

    own: tuple[Entry, ...]
    proofs: Mapping[int, EntryProof] = field(default_factory=dict)
    distinct: int = 0

    def state(self, number: int, unread: EntryState) -> EntryState:
        """The state that one of the own entries gives its protector; ``unread`` is the one that it gives by its metadata alone."""
        proof = self.proofs.get(number)
        if unread is not EntryState.PRESENT or proof is None or proof.basis is not Basis.LIVE:
            return unread
        return {Outcome.PROVEN: EntryState.PROVEN, Outcome.REFUTED: EntryState.REFUTED}.get(proof.outcome, unread)

    @property
    def best(self) -> EntryProof | None:
        """The proof to show for the store: a live one before others, proven before refuted before inconclusive."""
        order = list(Outcome)
        return min(self.proofs.values(), key=lambda proof: (proof.basis is not Basis.LIVE, order.index(proof.outcome)), default=None)
