# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What one store holds for one protector of one computer: its own entries, their state, and where else the key ID turns up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .bulk import bulk_dataclass
from .model import Entry, EntryState, StoreReading, StoreState
from .verdict import combine


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One protector in one store: its state, the entries that are the computer's own, and those under another owner."""

    state: EntryState
    own: tuple[Entry, ...] = ()
    elsewhere: tuple[Entry, ...] = ()

    @property
    def duplicate(self) -> bool:
        """Whether the same key ID lies there twice."""
        return sum(not entry.defects for entry in self.own) > 1

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

    def holding(self, key_id: str, *, owners: frozenset[str], rivals: frozenset[str], disputed: bool) -> Holding:
        """What this store holds for ``key_id`` of a computer whose own objects are ``owners``; ``rivals`` are nobody's own."""
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
        states = [entry_state(entry) for entry in own]
        if lost:
            states.append(EntryState.DELETED)
        if not own and (disputed or not self._searched(owners)):
            states.append(EntryState.UNKNOWN)
        return Holding(state=combine(states), own=tuple(own), elsewhere=tuple(elsewhere))

    def _searched(self, owners: frozenset[str]) -> bool:
        """Whether "nothing found" means that there is nothing."""
        return self.reading.state is StoreState.SEARCHED and not owners & self.reading.unsearched_owners
