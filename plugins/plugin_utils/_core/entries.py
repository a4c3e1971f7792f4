# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What one store holds for one protector of one computer: its own entries, their state, and where else the key ID turns up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .bulk import bulk_dataclass
from .model import Entry, EntryState, StoreReading, StoreState
from .proofs import NO_PROOFS, EntryProof, Place, Proofs
from .verdict import combine

_NOWHERE = Place("", "")


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One protector in one store: its state, the entries that are the computer's own, and those under another owner.

    ``proof``: the one to show, where one was tried. ``distinct``: how many different recovery passwords were read from the own entries.
    """

    state: EntryState
    own: tuple[Entry, ...] = ()
    elsewhere: tuple[Entry, ...] = ()
    proof: EntryProof | None = None
    distinct: int = 0

    @property
    def duplicate(self) -> bool:
        """Whether the same key ID lies there twice, with the same value as far as anybody read it."""
        return sum(not entry.defects for entry in self.own) > max(self.distinct, 1)

    @property
    def conflicting(self) -> bool:
        """Whether the own entries hold different values, be one of them proven or not."""
        return self.distinct > 1

    @property
    def defects(self) -> tuple[str, ...]:
        """What is malformed in the own entries."""
        return tuple(dict.fromkeys(defect for entry in self.own for defect in entry.defects))


def entry_state(entry: Entry) -> EntryState:
    """The state that a single own entry gives its protector, its value unread."""
    if entry.deleted:
        return EntryState.DELETED
    if entry.defects:
        return EntryState.MALFORMED
    return EntryState.PRESENT if entry.readable else EntryState.UNREADABLE


class StoreIndex:
    """A store's reading, ready to be asked by key ID and by owner."""

    def __init__(self, reading: StoreReading) -> None:
        self.reading = reading
        self.by_owner: dict[str, list[Entry]] = defaultdict(list)
        self._by_key: dict[str, list[Entry]] = defaultdict(list)
        for entry in reading.entries:
            self.by_owner[entry.owner_id].append(entry)
            for key_id in entry.key_ids:
                self._by_key[key_id].append(entry)
        self._deleted_owners = {owner.owner_id for owner in reading.owners if owner.deleted}

    def entries_of(self, owner_ids: Iterable[str]) -> list[Entry]:
        """Every live entry under these owners."""
        return [entry for owner_id in owner_ids for entry in self.by_owner.get(owner_id, ()) if not entry.deleted]

    def holding(
        self,
        key_id: str,
        *,
        owners: frozenset[str],
        rivals: frozenset[str],
        disputed: bool,
        proofs: Proofs = NO_PROOFS,
        place: Place = _NOWHERE,
    ) -> Holding:
        """What this store holds for ``key_id`` of a computer whose own objects are ``owners``; ``rivals`` are nobody's own.

        ``proofs`` are laid over it, as those of the volume at ``place``.
        """
        own: list[Entry] = []
        elsewhere: list[Entry] = []
        lost = False
        for entry in self._by_key.get(key_id, ()):
            if entry.deleted or entry.owner_id in self._deleted_owners:
                lost = True
            elif entry.owner_id in owners:
                own.append(entry)
            elif entry.owner_id not in rivals:
                elsewhere.append(entry)
        over = proofs.overlay(own, key_id, place) if own and proofs.values else None
        if over is None:
            states = [entry_state(entry) for entry in own]
        else:
            states = [over.state(number, entry_state(entry)) for number, entry in enumerate(over.own)]
            if over.distinct > 1 and EntryState.PROVEN not in states:
                states.append(EntryState.CONFLICTING)
        if lost:
            states.append(EntryState.DELETED)
        if not own and (disputed or not self._searched(owners)):
            states.append(EntryState.UNKNOWN)
        if over is None:
            return Holding(state=combine(states), own=tuple(own), elsewhere=tuple(elsewhere))
        return Holding(state=combine(states), own=over.own, elsewhere=tuple(elsewhere), proof=over.best, distinct=over.distinct)

    def _searched(self, owners: frozenset[str]) -> bool:
        """Whether "nothing found" means that there is nothing."""
        return self.reading.state is StoreState.SEARCHED and not owners & self.reading.unsearched_owners
