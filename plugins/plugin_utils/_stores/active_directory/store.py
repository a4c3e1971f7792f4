# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Active Directory as a store: computer objects own msFVE-RecoveryInformation objects.

What a reading can tell, and what it cannot. An object that the account may not read is not in any answer to a filter, and that looks
exactly like an object that does not exist: success, nothing found. So a domain of which not one recovery object can be read is
``no_rights``, although it may be that nothing was ever escrowed there. Where some can be read, the rights may still end at an
organisational unit or a single object: :meth:`ActiveDirectoryStore.name_hidden` looks below single computers for objects whose names can be
seen though nothing else of them can. Only what neither brings counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from ..._core.model import Entry, Owner, StoreReading, StoreState
from ..._core.redaction import Secret
from ..._errors import AuthorizationError, BadDataError, KeywardError, OptionError
from ..port import StoreNames
from . import filters, parse
from .connect import Directory, Link, connect
from .discovery import Resolver
from .message import RawEntry
from .search import BASE, NAMES_ONLY, ONE_LEVEL, PASSWORD_ATTRIBUTE, Conversation, Outcome, Query
from .settings import DirectorySettings

OWNER_ATTRIBUTES = (
    "objectGUID",
    "objectSid",
    "cn",
    "sAMAccountName",
    "dNSHostName",
    "operatingSystem",
    "userAccountControl",
    "lastLogonTimestamp",
    "whenCreated",
    "servicePrincipalName",
)
ENTRY_ATTRIBUTES = ("objectGUID", "cn", "msFVE-RecoveryGuid", "msFVE-VolumeGuid", "whenCreated")
_DELETED = ("lastKnownParent",)
#: owners that entries name and the search for computers did not bring (made meanwhile, of another kind): looked up one by one, so many
MAX_LOST_OWNERS = 1000

NO_RIGHTS_REASON = (
    "the account can read no recovery object at all: either it lacks the rights that the documentation lists, or nothing was ever escrowed "
    "here; the directory answers both alike"
)


class ActiveDirectoryStore:
    """One reading of one domain over one connection.

    Args:
        settings: where, as whom, what.
        now: the time by which a computer is idle.
        progress: told, about once a page, how far a long reading is.
        resolve: finds SRV records; the default asks DNS.
    """

    def __init__(
        self, settings: DirectorySettings, *, now: datetime, progress: Callable[[str], None] | None = None, resolve: Resolver | None = None
    ) -> None:
        self.settings = settings
        self._scope = parse.Scope(now=now, idle_days=settings.idle_days)
        self._progress = progress
        self._resolve = resolve
        self._link: Link | None = None
        self._owners: dict[str, Owner] = {}
        self._by_dn: dict[str, str] = {}
        self._seen: set[str] = set()

    def connect(self) -> Directory:
        """Connect and bind if that has not been done; what the server is.

        Raises:
            KeywardError: OptionError, or why no server could be used.
        """
        if self._link is None:
            self._link = connect(self.settings, resolve=self._resolve)
        return self._link.directory

    def close(self) -> None:
        """Let the connection go."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def read(self) -> StoreReading:
        """Every computer object and every recovery object's metadata under the search bases.

        A directory that cannot be used is state ``down``; a search that did not come to its end is ``partial``; both with a reason.

        Raises:
            OptionError: an option cannot be used.
        """
        try:
            directory = self.connect()
        except OptionError:
            raise
        except KeywardError as problem:
            return StoreReading(store=parse.STORE, state=StoreState.DOWN, reason=str(problem))
        outcomes: list[Outcome] = []
        self.read_owners(outcomes)
        entries = self.read_entries(outcomes)
        if self.settings.include_deleted:
            entries += self._read_deleted(outcomes)
        state, reason = _judge(outcomes, entries)
        return StoreReading(
            store=parse.STORE,
            state=state,
            reason=reason,
            owners=tuple(self._owners.values()),
            entries=tuple(entries),
            domain=directory.domain,
            read_only=directory.read_only,
        )

    def read_owners(self, outcomes: list[Outcome]) -> None:
        """Read every computer object under the bases; how each search ended is appended to ``outcomes``."""
        for base in self._bases():
            for raw in self._search(Query(base=base, filter=filters.COMPUTERS, attributes=OWNER_ATTRIBUTES), outcomes, "computers"):
                self._keep(parse.parse_owner(raw, self._scope))

    def read_entries(self, outcomes: list[Outcome]) -> list[Entry]:
        """Read the metadata of every recovery object under the bases; how each search ended is appended to ``outcomes``."""
        entries: list[Entry] = []
        for base in self._bases():
            query = Query(base=base, filter=filters.ENTRIES, attributes=ENTRY_ATTRIBUTES)
            entries += [self._entry(raw) for raw in self._search(query, outcomes, "recovery objects")]
        return self._adopt(entries)

    def find_owners(self, wanted: str) -> tuple[Owner, ...]:
        """Computer objects by name, DNS name or DN; empty where there is none that the account can see.

        Raises:
            KeywardError: the search did not come to its end.
        """
        outcomes: list[Outcome] = []
        if "=" in wanted:
            queries = [Query(base=wanted, filter=filters.COMPUTERS, attributes=OWNER_ATTRIBUTES, scope=BASE)]
        else:
            queries = [Query(base=base, filter=filters.computer(wanted), attributes=OWNER_ATTRIBUTES) for base in self._bases()]
        found = [parse.parse_owner(raw, self._scope) for query in queries for raw in self._search(query, outcomes)]
        _raise_unless_missing(outcomes, base_given="=" in wanted)
        for owner in found:
            self._keep(owner)
        return tuple(found)

    def entries_below(self, owner: Owner) -> list[Entry]:
        """Metadata of the entries below one computer object.

        Raises:
            KeywardError: the search did not come to its end.
        """
        outcomes: list[Outcome] = []
        query = Query(base=owner.location, filter=filters.ENTRIES, attributes=ENTRY_ATTRIBUTES, scope=ONE_LEVEL)
        found = [self._entry(raw) for raw in self._search(query, outcomes)]
        _raise_unless_missing(outcomes)
        return self._adopt(found)

    def entries_of_key(self, wanted: str) -> list[Entry]:
        """Metadata of the entries of a key ID, or of one that begins so (8 or more characters), wherever under the bases they lie.

        Raises:
            OptionError: ``wanted`` is no key ID.
            KeywardError: the search did not come to its end.
        """
        outcomes: list[Outcome] = []
        queries = [Query(base=base, filter=filters.entries_of_key(wanted), attributes=ENTRY_ATTRIBUTES) for base in self._bases()]
        found = [self._entry(raw) for query in queries for raw in self._search(query, outcomes)]
        _raise_unless_missing(outcomes)
        return self._adopt(found)

    def deleted_entries(self) -> list[Entry]:
        """Metadata of every deleted entry that the account can see (normally only Domain Admins see any).

        Raises:
            KeywardError: the search did not come to its end.
        """
        outcomes: list[Outcome] = []
        found = self._read_deleted(outcomes)
        _raise_unless_missing(outcomes)
        return found

    def can_read_any(self) -> bool:
        """Whether the account can read any recovery object of the domain at all (one page of one object, then no more).

        Raises:
            KeywardError: the search failed.
        """
        query = Query(base=self.connect().naming_context, filter=filters.ENTRIES, attributes=NAMES_ONLY, page_size=1)
        outcome = Outcome()
        for _ in self._conversation().search(query, outcome):
            return True
        if outcome.problem:
            raise outcome.problem
        return False

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        """Names of recovery objects below these computers that the account cannot read; see :class:`StoreNames`."""
        wanted = dict.fromkeys(owner_ids)
        owners = [self._owners[owner_id] for owner_id in wanted if owner_id in self._owners and not self._owners[owner_id].deleted]
        unknown = set(wanted) - {owner.owner_id for owner in owners}
        reason = "they are not in this reading" if unknown else ""
        if not owners:
            return StoreNames(not_searched=frozenset(unknown), reason=reason)
        by_base = {owner.location: owner.owner_id for owner in owners}
        entries: list[Entry] = []
        try:
            self.connect()
        except KeywardError as problem:
            return StoreNames(not_searched=frozenset(wanted), reason=str(problem))
        queries = (Query(base=base, filter=filters.ANYTHING, attributes=NAMES_ONLY, scope=ONE_LEVEL) for base in by_base)
        for query, found, outcome in self._conversation().each(queries):
            owner_id = by_base[query.base]
            if outcome.problem:
                unknown.add(owner_id)
                reason = reason or str(outcome.problem)
            names = (parse.parse_hidden(raw.dn, owner_id) for raw in found if parse.dn_key(raw.dn) not in self._seen)
            entries += [entry for entry in names if entry is not None]
        return StoreNames(entries=tuple(entries), not_searched=frozenset(unknown), reason=reason)

    def reveal(self, entry: Entry) -> Entry:
        """The entry with its recovery password, read from exactly this object.

        Raises:
            AuthorizationError: the object is there and its password is not: no right to it, or a server that never holds it.
            BadDataError: the object is another one by now, or has no single password.
            KeywardError: the search failed.
        """
        directory = self.connect()
        query = Query(
            base=entry.location,
            filter=filters.ENTRIES,
            attributes=("objectGUID", PASSWORD_ATTRIBUTE),
            scope=BASE,
            show_deleted=entry.deleted,
            password=True,
        )
        outcome = Outcome()
        found = list(self._conversation().search(query, outcome))
        attempted = f"read the recovery password of {', '.join(entry.key_ids) or 'an entry'}"
        if outcome.problem:
            raise outcome.problem
        if not found:
            raise AuthorizationError(
                attempted,
                target=entry.location,
                meaning="the object cannot be read",
                remedy="Grant the account the rights that the documentation lists.",
            )
        if parse.guid(found[0].first("objectguid")) != entry.entry_id:
            raise BadDataError(attempted, target=entry.location, meaning="another object has this name now", remedy="Search again.")
        values = found[0].attributes.get(PASSWORD_ATTRIBUTE.lower(), ())
        if not values and directory.read_only:
            meaning = f"{directory.server} is a read-only domain controller or a Global Catalog and never holds passwords"
            raise AuthorizationError(
                attempted, target=entry.location, meaning=meaning, remedy="Name a writable domain controller and port 636."
            )
        if not values:
            raise AuthorizationError(
                attempted,
                target=entry.location,
                meaning="the account may read the object, but not its password",
                remedy="Grant it read and control access on msFVE-RecoveryPassword, as the documentation lists.",
            )
        if len(values) > 1:
            raise BadDataError(
                attempted, target=entry.location, meaning="the object has several passwords", remedy="Look at the object in the directory."
            )
        return replace(entry, value=Secret(values[0].decode("utf-8", "replace")))

    def _bases(self) -> Sequence[str]:
        return self.settings.search_bases or (self.connect().naming_context,)

    def _conversation(self) -> Conversation:
        self.connect()
        if self._link is None:
            raise OptionError("search the directory", meaning="the connection is closed")
        return self._link.conversation

    def _search(self, query: Query, outcomes: list[Outcome], what: str = "") -> Iterator[RawEntry]:
        query = replace(query, page_size=self.settings.page_size)
        outcome = Outcome()
        outcomes.append(outcome)

        def tell(state: Outcome) -> None:
            if self._progress and what:
                self._progress(f"Active Directory: {state.objects} {what} read")

        return self._conversation().search(query, outcome, on_page=tell)

    def _keep(self, owner: Owner) -> None:
        self._owners.setdefault(owner.owner_id, owner)
        self._by_dn.setdefault(parse.dn_key(owner.location), owner.owner_id)

    def _entry(self, raw: RawEntry) -> Entry:
        """An entry; while its owner is not known its ``owner_id`` is empty."""
        self._seen.add(parse.dn_key(raw.dn))
        parent = parse.split_dn(raw.dn)[1]
        return parse.parse_entry(raw, self._by_dn.get(parse.dn_key(parent), ""))

    def _adopt(self, entries: list[Entry]) -> list[Entry]:
        """Find the owners that are still missing; one that cannot be seen becomes an owner that is known by its DN alone."""
        lost = dict.fromkeys(parse.split_dn(entry.location)[1] for entry in entries if not entry.owner_id)
        for number, parent in enumerate(lost):
            if parse.dn_key(parent) in self._by_dn:
                continue
            query = Query(base=parent, filter=filters.ANYTHING, attributes=OWNER_ATTRIBUTES, scope=BASE)
            found = list(self._conversation().search(query, Outcome())) if number < MAX_LOST_OWNERS else []
            raw = found[0] if found else RawEntry(parent, {})
            self._keep(parse.parse_owner(raw, self._scope))
            self._by_dn.setdefault(parse.dn_key(parent), self._by_dn[parse.dn_key(raw.dn)])
        if not lost:
            return entries
        return [
            entry if entry.owner_id else replace(entry, owner_id=self._by_dn[parse.dn_key(parse.split_dn(entry.location)[1])])
            for entry in entries
        ]

    def _read_deleted(self, outcomes: list[Outcome]) -> list[Entry]:
        """Tombstones of computers and of their entries (MS-ADTS 3.1.1.5.5); lastKnownParent says whose they were."""
        base = self.connect().naming_context
        computers = Query(base=base, filter=filters.DELETED_COMPUTERS, attributes=OWNER_ATTRIBUTES + _DELETED, show_deleted=True)
        for raw in self._search(computers, outcomes, "deleted computers"):
            if self._was_under_a_base(raw.first("lastknownparent")):
                self._keep(parse.parse_owner(raw, self._scope, deleted=True))
        entries = []
        query = Query(base=base, filter=filters.DELETED_ENTRIES, attributes=ENTRY_ATTRIBUTES + _DELETED, show_deleted=True)
        for raw in self._search(query, outcomes, "deleted recovery objects"):
            owner_id = self._by_dn.get(parse.dn_key(parse.text(raw.first("lastknownparent")) or ""))
            if owner_id is not None:
                entries.append(parse.parse_entry(raw, owner_id, deleted=True))
        return entries

    def _was_under_a_base(self, parent: bytes | None) -> bool:
        key = parse.dn_key(parse.text(parent) or "")
        bases = [parse.dn_key(base) for base in self.settings.search_bases]
        return not bases or any(key == base or key.endswith("," + base) for base in bases)


def _judge(outcomes: Sequence[Outcome], entries: Sequence[Entry]) -> tuple[StoreState, str]:
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    if problems and not any(outcome.objects or not outcome.problem for outcome in outcomes):
        return StoreState.DOWN, str(problems[0])
    if problems:
        more = f" (and {len(problems) - 1} more searches ended early)" if len(problems) > 1 else ""
        return StoreState.PARTIAL, f"{problems[0]}{more}"
    if not any(entry.readable and not entry.deleted for entry in entries):
        return StoreState.NO_RIGHTS, NO_RIGHTS_REASON
    return StoreState.SEARCHED, ""


def _raise_unless_missing(outcomes: Sequence[Outcome], *, base_given: bool = False) -> None:
    """Raise the first problem; a DN that the user gave and that does not exist is no problem but an empty answer."""
    for outcome in outcomes:
        if outcome.problem and not (base_given and outcome.problem.code in ("LDAP 32", "LDAP 34")):
            raise outcome.problem
