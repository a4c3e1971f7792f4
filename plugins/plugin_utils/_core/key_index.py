# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Owners and entries of a store, ready to be asked for whatever a term may mean; pure. A thousand terms cost a thousand look-ups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from .key_search import LEAST_DIGITS, Candidate, Term, TermKind
from .model import Entry, Owner

#: names of an owner that a person may ask for, in lower case
Names = Callable[[Owner], Iterable[str]]


def bare_name(word: str) -> str:
    """A computer's name as it is compared: lower case, without the dollar sign of its account and the dot at its end."""
    return word.strip().removesuffix("$").rstrip(".").lower()


class KeyIndex:
    """What is known of one store so far; more can be added at any time.

    Args:
        store: the source's name, for the candidates.
        names: an owner's names, as :func:`bare_name` gives them.
        asked: the names under which to look for what somebody typed.
    """

    def __init__(self, store: str, names: Names, asked: Callable[[str], Iterable[str]] | None = None) -> None:
        self._store = store
        self._names = names
        self._spellings = asked or (lambda word: (bare_name(word),))
        self.owners: dict[str, Owner] = {}
        self.entries: dict[tuple[str, str], Entry] = {}
        self._named: dict[str, list[str]] = defaultdict(list)
        self._of_owner: dict[str, list[Entry]] = defaultdict(list)
        self._begins: dict[str, list[Entry]] = defaultdict(list)
        self._of_volume: dict[str, list[Entry]] = defaultdict(list)
        self._other_ids: dict[str, str] = {}

    def add_owner(self, owner: Owner) -> None:
        """Know an owner; one that is known already stays as it is."""
        if owner.owner_id in self.owners:
            return
        self.owners[owner.owner_id] = owner
        for name in dict.fromkeys(self._names(owner)):
            if name:
                self._named[name].append(owner.owner_id)

    def add_id(self, other: str, owner_id: str) -> None:
        """Know an owner by another ID too."""
        self._other_ids[other] = owner_id

    def add_entry(self, entry: Entry) -> None:
        """Know an entry, once."""
        place = (entry.entry_id, entry.location)
        if place in self.entries:
            return
        self.entries[place] = entry
        self._of_owner[entry.owner_id].append(entry)
        for key_id in entry.key_ids:
            self._begins[key_id.replace("-", "")[:LEAST_DIGITS]].append(entry)
        if entry.volume_guid:
            self._of_volume[entry.volume_guid].append(entry)

    def owners_named(self, word: str) -> list[Owner]:
        """Owners of this name."""
        named = dict.fromkeys(owner_id for name in self._spellings(word) for owner_id in self._named.get(name, ()))
        return [self.owners[owner_id] for owner_id in named]

    def owners_of(self, term: Term) -> list[Owner]:
        """Owners that a term may name: by name, or by their ID in the store."""
        found = self.owners_named(term.word) if term.means(TermKind.HOST) else []
        if term.guid and term.means(TermKind.DEVICE_ID):
            owner = self.owners.get(self._other_ids.get(term.guid, term.guid))
            found += [owner] if owner is not None else []
        return found

    def entries_of(self, owner_id: str) -> list[Entry]:
        """An owner's entries."""
        return list(self._of_owner.get(owner_id, ()))

    def find(self, term: Term) -> tuple[Candidate, ...]:
        """Whatever the term may mean among what is known."""
        found: dict[tuple[str, str, str], Candidate] = {}
        for owner in self.owners_of(term):
            for entry in self._of_owner.get(owner.owner_id, ()):
                for key_id in entry.key_ids or ("",):
                    self._put(found, entry, key_id)
        if term.digits and term.means(TermKind.KEY_ID):
            for entry in self._begins.get(term.digits[:LEAST_DIGITS], ()):
                for key_id in entry.key_ids:
                    if term.has_key_id(key_id):
                        self._put(found, entry, key_id)
        if term.guid and term.means(TermKind.VOLUME):
            for entry in self._of_volume.get(term.guid, ()):
                for key_id in entry.key_ids or ("",):
                    self._put(found, entry, key_id)
        return tuple(found.values())

    def _put(self, found: dict[tuple[str, str, str], Candidate], entry: Entry, key_id: str) -> None:
        place = (key_id, entry.entry_id, entry.location)
        if place not in found:
            found[place] = self._candidate(entry, key_id)

    def _candidate(self, entry: Entry, key_id: str) -> Candidate:
        owner = self.owners.get(entry.owner_id)
        return Candidate(
            key_id=key_id,
            source=self._store,
            owner=owner.name if owner and owner.name else entry.owner_id,
            owner_id=entry.owner_id,
            location=entry.location,
            computers=tuple(name for name in self._names(owner) if "=" not in name) if owner else (),
            created=entry.created,
            volume=entry.volume_type,
            volume_guid=entry.volume_guid,
            deleted_owner=entry.deleted or bool(owner and owner.deleted),
            readable=entry.readable,
            defects=entry.defects,
            handle=entry,
        )
