# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Single entries by computer or key ID, and their passwords when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..._core.model import Entry, Owner, StoreState
from ..._errors import BadDataError
from . import filters, values
from .reader import ENTRY_ATTRIBUTES, NO_RIGHTS_REASON, NO_SUCH_OBJECT, OWNER_ATTRIBUTES, DirectoryReader, judge
from .search import BASE, NAMES_ONLY, ONE_LEVEL, Outcome, Query

HIDDEN_REASON = "there are recovery objects, and the account may read none of them: it lacks the rights that the documentation lists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found. ``not_found`` are the computers and key IDs, as asked for, that nothing was found for."""

    owners: tuple[Owner, ...]
    entries: tuple[Entry, ...]
    not_found: tuple[str, ...]
    state: StoreState
    reason: str


class DirectoryLookup:
    """Looks entries up over a reader's connection."""

    def __init__(self, reader: DirectoryReader) -> None:
        self._reader = reader
        self._outcomes: list[Outcome] = []

    def everything(self) -> Found:
        """Every entry under the search bases that the account can read, with all computers."""
        reader = self._reader
        reader.read_owners(self._outcomes)
        entries = reader.read_entries(self._outcomes) + self._deleted()
        return self._found(list(reader.owners.values()), entries, [])

    def find(self, computers: Sequence[str], key_ids: Sequence[str]) -> Found:
        """Entries of these computers, of these key IDs, or where both are given those of these key IDs under these computers.

        Raises:
            OptionError: a key ID is none.
        """
        digits = {wanted: filters.key_digits(wanted) for wanted in key_ids}
        if computers:
            owners, entries, missing = self._of_computers(computers)
        else:
            owners, entries, missing = [], [], []
            for wanted in key_ids:
                entries += self._reader.read_entries(self._outcomes, filters.entries_of_key(wanted))
            entries += self._deleted()
        if key_ids:
            entries = [entry for entry in entries if any(_has(entry, wanted) for wanted in digits.values())]
            missing += [wanted for wanted, found in digits.items() if not any(_has(entry, found) for entry in entries)]
        if not computers:
            owners = [self._reader.owners[owner_id] for owner_id in dict.fromkeys(entry.owner_id for entry in entries)]
        return self._found(owners, entries, missing)

    def reveal(self, entry: Entry) -> Entry:
        """The entry with its recovery password, read from exactly this object; one that is no recovery password is a defect more.

        Raises:
            AuthorizationError: the object is there and its password is not: no right to it, or a server that never holds it.
            BadDataError: the object is another one by now, or has several passwords.
            KeywardError: the search failed.
        """
        directory = self._reader.connect()
        outcome = Outcome()
        found = list(self._reader.conversation.search(values.query(entry), outcome))
        return values.with_value(entry, found, outcome, directory)

    def _of_computers(self, computers: Sequence[str]) -> tuple[list[Owner], list[Entry], list[str]]:
        reader = self._reader
        owners: dict[str, Owner] = {}
        missing = []
        for wanted in computers:
            found = self._owners(wanted)
            owners |= {owner.owner_id: owner for owner in found}
            if not found:
                missing.append(wanted)
        entries: list[Entry] = []
        queries = [
            Query(base=owner.location, filter=filters.ENTRIES, attributes=ENTRY_ATTRIBUTES, scope=ONE_LEVEL) for owner in owners.values()
        ]
        for raws, outcome in reader.each(queries):
            self._outcomes.append(outcome)
            entries += [reader.entry(raw) for raw in raws]
        names = reader.name_hidden(owners)
        if names.not_searched:
            self._outcomes.append(Outcome(problem=BadDataError("look for unreadable entries", meaning=names.reason)))
        entries = reader.adopt(entries, self._outcomes) + list(names.entries)
        if reader.settings.include_deleted:
            deleted = self._deleted()
            gone = {
                owner.owner_id: owner
                for owner in reader.owners.values()
                if owner.deleted and any(_is_named(owner, name) for name in missing)
            }
            missing = [name for name in missing if not any(_is_named(owner, name) for owner in gone.values())]
            owners |= gone
            entries += [entry for entry in deleted if entry.owner_id in owners]
        return list(owners.values()), entries, missing

    def _owners(self, wanted: str) -> list[Owner]:
        """Computer objects by name, DNS name or DN; a DN that does not exist is an empty answer and no problem."""
        reader = self._reader
        if "\0" in wanted:
            return []  # no name holds one, and a server may read the name only as far as that
        if "=" in wanted:
            query = Query(base=wanted, filter=filters.COMPUTERS, attributes=OWNER_ATTRIBUTES, scope=BASE)
            outcome = Outcome()
            found = [reader.owner(raw) for raw in reader.conversation.search(query, outcome)]
            if outcome.problem is None or outcome.problem.code not in NO_SUCH_OBJECT:
                self._outcomes.append(outcome)
        else:
            queries = [Query(base=base, filter=filters.computer(wanted), attributes=OWNER_ATTRIBUTES) for base in reader.bases]
            found = [reader.owner(raw) for query in queries for raw in reader.search(query, self._outcomes)]
        for owner in found:
            reader.keep(owner)
        return found

    def _deleted(self) -> list[Entry]:
        return self._reader.read_deleted(self._outcomes) if self._reader.settings.include_deleted else []

    def _found(self, owners: Sequence[Owner], entries: Sequence[Entry], missing: Sequence[str]) -> Found:
        state, reason = judge(self._outcomes)
        unique = {(entry.entry_id, entry.location): entry for entry in entries}
        if state is StoreState.SEARCHED and not any(entry.readable for entry in unique.values()) and not self._can_read_any():
            state, reason = StoreState.NO_RIGHTS, HIDDEN_REASON if unique else NO_RIGHTS_REASON
        return Found(owners=tuple(owners), entries=tuple(unique.values()), not_found=tuple(missing), state=state, reason=reason)

    def _can_read_any(self) -> bool:
        """Whether the account can read any recovery object of the domain at all: asked for one, and no further."""
        query = Query(base=self._reader.connect().naming_context, filter=filters.ENTRIES, attributes=NAMES_ONLY, page_size=1)
        return any(True for _found in self._reader.conversation.search(query, Outcome()))


def _has(entry: Entry, digits: str) -> bool:
    return any(key_id.replace("-", "").startswith(digits) for key_id in entry.key_ids)


def _is_named(owner: Owner, wanted: str) -> bool:
    name = wanted.strip().removesuffix("$").lower()
    return name in {owner.name.lower(), owner.dns_name, owner.location.lower()}
