# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Active Directory as a source of keys: few terms are asked for exactly, for many everything is read once.

A key ID is looked for in the names of objects too, and their insides are in no index: such a search goes through all of them. So not many
of those cost as much as reading every entry. They are counted as they are made, since nobody knows how many more will be asked for; names
of computers are in an index, and cost little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from ..._core.key_index import KeyIndex, bare_name
from ..._core.key_search import Candidate, CandidateValue, SourceAnswer, Term, TermKind
from ..._core.model import Entry, Owner, StoreState
from ..._errors import BadDataError, KeywardError, OptionError
from . import filters, parse, values
from .discovery import Resolver
from .lookup import HIDDEN_REASON
from .reader import ENTRY_ATTRIBUTES, NO_RIGHTS_REASON, NO_SUCH_OBJECT, OWNER_ATTRIBUTES, DirectoryReader, judge
from .search import BASE, NAMES_ONLY, ONE_LEVEL, Outcome, Query
from .settings import DirectorySettings

#: searches through all objects that are made in one task before everything is read
FEW = 4
#: what a search in an index counts in the place of one
_INDEXED = 0.1


class DirectorySource:
    """Keys of one domain over one connection; see :class:`DirectoryReader` for the arguments.

    Deleted computers and keys are looked for where nothing else answers a term; with ``include_deleted`` always.
    """

    name = parse.STORE

    def __init__(
        self,
        settings: DirectorySettings,
        *,
        now: datetime,
        progress: Callable[[str], None] | None = None,
        resolve: Resolver | None = None,
    ) -> None:
        self._reader = DirectoryReader(settings, now=now, progress=progress, resolve=resolve)
        self._index = KeyIndex(parse.STORE, _names)
        self._asked: set[str] = set()
        self._seen_below: set[str] = set()
        self._whole = self._deleted = False
        self._owners_known = 0
        self._spent = 0.0
        self._outcomes: list[Outcome] = []
        self._can_read: bool | None = None

    def find(self, terms: Sequence[Term]) -> SourceAnswer:
        """See :class:`KeySource`. Raises OptionError for options that cannot be used."""
        try:
            self._reader.connect()
            return self._find(terms)
        except OptionError:
            raise
        except KeywardError as problem:
            return SourceAnswer(source=self.name, state=StoreState.DOWN, reason=str(problem))

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        """Recovery passwords, each from exactly its object, a few requests under way at a time."""
        entries = [_entry(candidate) for candidate in candidates]
        try:
            directory = self._reader.connect()
        except KeywardError as problem:
            yield from (CandidateValue(candidate=candidate, problem=problem) for candidate in candidates)
            return
        answers = self._reader.each(values.query(entry) for entry in entries)
        for candidate, entry, (found, outcome) in zip(candidates, entries, answers, strict=True):
            try:
                read = values.with_value(entry, found, outcome, directory)
                if read.value is None or len(read.defects) > len(entry.defects):
                    told = read.defects[-1] if read.defects else "it has none"
                    raise BadDataError(
                        "read a recovery password", target=entry.location, meaning=told, remedy="Look for another copy of this key."
                    )
            except KeywardError as problem:
                yield CandidateValue(candidate=candidate, problem=problem)
            else:
                yield CandidateValue(candidate=candidate, value=read.value)

    def close(self) -> None:
        """Let the connection go."""
        self._reader.close()

    # --- finding ------------------------------------------------------------------------------------------------------------------

    def _find(self, terms: Sequence[Term]) -> SourceAnswer:
        fresh = [term for term in terms if term.text not in self._asked]
        self._asked.update(term.text for term in fresh)
        self._spent += sum(1.0 if term.digits and term.means(TermKind.KEY_ID) else _INDEXED for term in fresh)
        if not self._whole and self._spent > FEW:
            self._read_all()
        elif not self._whole:
            self._ask(fresh)
        self._look_below(owner for term in terms for owner in self._index.owners_of(term))
        found = {term.text: self._index.find(term) for term in terms}
        if not self._deleted and (self._reader.settings.include_deleted or not all(found.values())):
            self._read_deleted()
            found = {term.text: self._index.find(term) for term in terms}
        state, reason = self._state()
        return SourceAnswer(source=self.name, found=found, state=state, reason=reason)

    def _read_all(self) -> None:
        """Every computer and every entry, once; what single searches came to before no longer counts."""
        self._whole = True
        self._outcomes = []
        self._reader.read_owners(self._outcomes)
        self._know(self._reader.read_entries(self._outcomes))

    def _ask(self, terms: Sequence[Term]) -> None:
        """Exact searches for a few terms: the objects that they may name, and the entries of each."""
        for term in terms:
            for query in self._queries(term):
                for raw in self._reader.search(query, self._outcomes):
                    self._reader.keep(self._reader.owner(raw))
            if "=" in term.word and term.means(TermKind.HOST):
                self._ask_dn(term.word)
            wanted = [filters.entries_of_key(term.digits)] if term.digits and term.means(TermKind.KEY_ID) else []
            if term.guid and term.means(TermKind.VOLUME):
                wanted.append(filters.entries_of_volume(term.guid))
            for search in wanted:
                self._know(self._reader.read_entries(self._outcomes, search))
        self._know(())

    def _queries(self, term: Term) -> Iterator[Query]:
        searches = []
        if term.means(TermKind.HOST) and "=" not in term.word:
            searches.append(filters.computer_named(bare_name(term.word)))
        if term.guid and term.means(TermKind.DEVICE_ID):
            # a hybrid joined device has the ID of its computer object
            searches.append(filters.computer_of_id(term.guid))
        for base in self._reader.bases:
            yield from (Query(base=base, filter=search, attributes=OWNER_ATTRIBUTES) for search in searches)

    def _ask_dn(self, name: str) -> None:
        outcome = Outcome()
        for raw in self._reader.conversation.search(
            Query(base=name, filter=filters.COMPUTERS, attributes=OWNER_ATTRIBUTES, scope=BASE), outcome
        ):
            self._reader.keep(self._reader.owner(raw))
        if outcome.problem is None or outcome.problem.code not in NO_SUCH_OBJECT:
            self._outcomes.append(outcome)

    def _know(self, entries: Iterable[Entry]) -> None:
        # owners are only ever added to the reader, at its end
        for owner in islice(self._reader.owners.values(), self._owners_known, None):
            self._index.add_owner(owner)
        self._owners_known = len(self._reader.owners)
        for entry in entries:
            self._index.add_entry(entry)

    def _look_below(self, owners: Iterable[Owner]) -> None:
        """The entries below computers that were asked for, also those that can only be seen by name."""
        wanted = {
            owner.owner_id: owner for owner in owners if owner.owner_id not in self._seen_below and not owner.deleted and owner.location
        }
        if self._whole:
            # everything that can be read is known: what is hidden matters where nothing is
            wanted = {owner_id: owner for owner_id, owner in wanted.items() if not self._index.entries_of(owner_id)}
        if not wanted:
            return
        self._seen_below.update(wanted)
        if not self._whole:
            queries = [
                Query(base=owner.location, filter=filters.ENTRIES, attributes=ENTRY_ATTRIBUTES, scope=ONE_LEVEL)
                for owner in wanted.values()
            ]
            for found, outcome in self._reader.each(queries):
                self._outcomes.append(outcome)
                self._know([self._reader.entry(raw) for raw in found])
        names = self._reader.name_hidden(wanted)
        if names.not_searched:
            self._outcomes.append(Outcome(problem=BadDataError("look for unreadable entries", meaning=names.reason)))
        self._know(names.entries)

    def _read_deleted(self) -> None:
        """Tombstones. Where nobody asked for them they are a help, and that they cannot be searched is nobody's loss."""
        self._deleted = True
        self._know(self._reader.read_deleted(self._outcomes if self._reader.settings.include_deleted else []))

    def _state(self) -> tuple[StoreState, str]:
        state, reason = judge(self._outcomes)
        if state is not StoreState.SEARCHED or any(entry.readable for entry in self._index.entries.values()):
            return state, reason
        if self._can_read is None:
            query = Query(base=self._reader.connect().naming_context, filter=filters.ENTRIES, attributes=NAMES_ONLY, page_size=1)
            self._can_read = any(True for _found in self._reader.conversation.search(query, Outcome()))
        if self._can_read:
            return state, reason
        return StoreState.NO_RIGHTS, HIDDEN_REASON if self._index.entries else NO_RIGHTS_REASON


def _names(owner: Owner) -> Iterator[str]:
    yield bare_name(owner.name)
    if owner.dns_name:
        yield owner.dns_name
    common = bare_name(parse.live_name(parse.split_dn(owner.location)[0]))
    if common != bare_name(owner.name):
        yield common
    yield owner.location.lower()


def _entry(candidate: Candidate) -> Entry:
    if not isinstance(candidate.handle, Entry):
        raise TypeError("a candidate of another source")
    return candidate.handle
