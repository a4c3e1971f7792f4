# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What reading a whole domain and looking single keys up have in common: one connection, and which owner an entry lies under."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from ..._core.model import Entry, Owner, StoreState
from ..._errors import KeywardError
from ..port import StoreNames
from . import filters, parse
from .connect import Directory, Link, connect
from .discovery import Resolver
from .message import RawEntry
from .replication import METADATA_ATTRIBUTE
from .search import BASE, NAMES_ONLY, ONE_LEVEL, Conversation, Outcome, Query
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
_LAST_PARENT = ("lastKnownParent",)
#: owners that entries name and the search for computers did not bring (made meanwhile, of another kind): looked up one by one, so many
MAX_LOST_OWNERS = 1000

#: results of a search whose base does not exist, or may not be seen
NO_SUCH_OBJECT = ("LDAP 32", "LDAP 34")

_PAGES_A_LINE = 5

NO_RIGHTS_REASON = (
    "the account can read no recovery object at all: either it lacks the rights that the documentation lists, or nothing was ever "
    "escrowed here; the directory answers both alike"
)


class DirectoryReader:
    """One connection to one domain, made when first needed, and the computers seen over it.

    Args:
        settings: where, as whom, what.
        now: the time by which a computer is idle.
        progress: told every few pages how far a long reading is.
        resolve: finds SRV records; the default asks DNS.
        versions: ask of each entry when its password was written last, which triples its size.
    """

    def __init__(
        self,
        settings: DirectorySettings,
        *,
        now: datetime,
        progress: Callable[[str], None] | None = None,
        resolve: Resolver | None = None,
        versions: bool = False,
    ) -> None:
        self.settings = settings
        self._entry_attributes = (*ENTRY_ATTRIBUTES, METADATA_ATTRIBUTE) if versions else ENTRY_ATTRIBUTES
        self.owners: dict[str, Owner] = {}
        self._scope = parse.Scope(now=now, idle_days=settings.idle_days)
        self._progress = progress
        self._resolve = resolve
        self._link: Link | None = None
        self._by_dn: dict[str, str] = {}
        self._seen: set[str] = set()

    def _linked(self) -> Link:
        if self._link is None:
            self._link = connect(self.settings, resolve=self._resolve)
        return self._link

    def connect(self) -> Directory:
        """Connect and bind if that has not been done; what the server is.

        Raises:
            KeywardError: OptionError, or why no server could be used.
        """
        return self._linked().directory

    @property
    def conversation(self) -> Conversation:
        """The connection, made if need be; raises as :meth:`connect`."""
        return self._linked().conversation

    def close(self) -> None:
        """Let the connection go; the next request makes a new one."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    @property
    def bases(self) -> Sequence[str]:
        """The search bases, or the whole domain."""
        return self.settings.search_bases or (self.connect().naming_context,)

    def search(self, query: Query, outcomes: list[Outcome], what: str = "") -> Iterator[RawEntry]:
        """Search with the page size of the settings; how it ends is appended to ``outcomes``. ``what`` names the objects for progress."""
        outcome = Outcome()
        outcomes.append(outcome)

        def tell(state: Outcome) -> None:
            if self._progress and what and state.pages % _PAGES_A_LINE == 0:
                self._progress(f"Active Directory: {state.objects} {what} read")

        return self.conversation.search(replace(query, page_size=self.settings.page_size), outcome, on_page=tell)

    def each(self, queries: Iterable[Query]) -> Iterator[tuple[list[RawEntry], Outcome]]:
        """Many small searches, their answers in order."""
        return self.conversation.each(replace(query, page_size=self.settings.page_size) for query in queries)

    def read_owners(self, outcomes: list[Outcome]) -> None:
        """Read every computer object under the bases; how each search ended is appended to ``outcomes``."""
        for base in self.bases:
            query = Query(base=base, filter=filters.COMPUTERS, attributes=OWNER_ATTRIBUTES)
            for raw in self.search(query, outcomes, "computers"):
                self.keep(self.owner(raw))

    def read_entries(self, outcomes: list[Outcome], wanted: str = filters.ENTRIES) -> list[Entry]:
        """Read the metadata of the recovery objects under the bases, each once; how each search ended is appended to ``outcomes``."""
        entries: dict[str, Entry] = {}
        for base in self.bases:
            query = Query(base=base, filter=wanted, attributes=self._entry_attributes)
            for raw in self.search(query, outcomes, "recovery objects"):
                entries[parse.dn_key(raw.dn)] = self.entry(raw)
        return self.adopt(list(entries.values()), outcomes)

    def read_deleted(self, outcomes: list[Outcome]) -> list[Entry]:
        """Tombstones of computers and of their entries (MS-ADTS 3.1.1.5.5); lastKnownParent says whose they were.

        Only Domain Admins see any, normally. Of deleted computers those count that were under a search base.
        """
        base = self.connect().naming_context
        computers = Query(base=base, filter=filters.DELETED_COMPUTERS, attributes=OWNER_ATTRIBUTES + _LAST_PARENT, show_deleted=True)
        for raw in self.search(computers, outcomes, "deleted computers"):
            if self._was_under_a_base(raw.first("lastknownparent")):
                self.keep(self.owner(raw, deleted=True))
        entries = []
        query = Query(base=base, filter=filters.DELETED_ENTRIES, attributes=ENTRY_ATTRIBUTES + _LAST_PARENT, show_deleted=True)
        for raw in self.search(query, outcomes, "deleted recovery objects"):
            owner_id = self._by_dn.get(parse.dn_key(parse.text(raw.first("lastknownparent")) or ""))
            if owner_id is not None:
                entries.append(parse.parse_entry(raw, owner_id, deleted=True))
        return entries

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        """Names of recovery objects below these computers that the account cannot read; see :class:`StoreNames`."""
        wanted = dict.fromkeys(owner_ids)
        owners = [self.owners[owner_id] for owner_id in wanted if owner_id in self.owners and not self.owners[owner_id].deleted]
        unknown = set(wanted) - {owner.owner_id for owner in owners}
        reason = "they are not in this reading" if unknown else ""
        try:
            self.connect()
        except KeywardError as problem:
            return StoreNames(not_searched=frozenset(wanted), reason=str(problem))
        entries: list[Entry] = []
        queries = [Query(base=owner.location, filter=filters.ANYTHING, attributes=NAMES_ONLY, scope=ONE_LEVEL) for owner in owners]
        for owner, (found, outcome) in zip(owners, self.each(queries), strict=True):
            if outcome.problem:
                unknown.add(owner.owner_id)
                reason = reason or str(outcome.problem)
            names = (parse.parse_hidden(raw.dn, owner.owner_id) for raw in found if parse.dn_key(raw.dn) not in self._seen)
            entries += [entry for entry in names if entry is not None]
        return StoreNames(entries=tuple(entries), not_searched=frozenset(unknown), reason=reason)

    def owner(self, raw: RawEntry, *, deleted: bool = False) -> Owner:
        """A computer object, judged by the scope of the settings."""
        return parse.parse_owner(raw, self._scope, deleted=deleted)

    def keep(self, owner: Owner) -> None:
        """Remember an owner, so that entries find it by its DN."""
        self.owners.setdefault(owner.owner_id, owner)
        self._by_dn.setdefault(parse.dn_key(owner.location), owner.owner_id)

    def entry(self, raw: RawEntry) -> Entry:
        """An entry; while its owner is not known its ``owner_id`` is empty (see :meth:`adopt`)."""
        self._seen.add(parse.dn_key(raw.dn))
        return parse.parse_entry(raw, self._by_dn.get(parse.dn_key(parse.parent_dn(raw.dn)), ""))

    def adopt(self, entries: list[Entry], outcomes: list[Outcome]) -> list[Entry]:
        """Find the owners that are still missing; one that cannot be seen becomes an owner that is known by its DN alone.

        Searches that failed, other than by saying that there is no such object, are appended to ``outcomes``.
        """
        lost = list(dict.fromkeys(parse.parent_dn(entry.location) for entry in entries if not entry.owner_id))
        if not lost:
            return entries
        queries = [Query(base=dn, filter=filters.ANYTHING, attributes=OWNER_ATTRIBUTES, scope=BASE) for dn in lost[:MAX_LOST_OWNERS]]
        answers = []
        for found, outcome in self.each(queries):
            answers.append(found)
            if outcome.problem and outcome.problem.code not in NO_SUCH_OBJECT:
                outcomes.append(outcome)
        for number, dn in enumerate(lost):
            found = answers[number] if number < len(answers) else []
            owner = self.owner(found[0] if found else RawEntry(dn, {}))
            self.keep(owner)
            self._by_dn.setdefault(parse.dn_key(dn), owner.owner_id)
        return [
            entry if entry.owner_id else replace(entry, owner_id=self._by_dn[parse.dn_key(parse.parent_dn(entry.location))])
            for entry in entries
        ]

    def _was_under_a_base(self, parent: bytes | None) -> bool:
        key = parse.dn_key(parse.text(parent) or "")
        bases = [parse.dn_key(base) for base in self.settings.search_bases]
        return not bases or any(key == base or key.endswith("," + base) for base in bases)


def judge(outcomes: Sequence[Outcome]) -> tuple[StoreState, str]:
    """What several searches came to: all to their ends, some of them, or none at all."""
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    if not problems:
        return StoreState.SEARCHED, ""
    if not any(outcome.objects or not outcome.problem for outcome in outcomes):
        return StoreState.DOWN, str(problems[0])
    more = f" (and {len(problems) - 1} more searches ended early)" if len(problems) > 1 else ""
    return StoreState.PARTIAL, f"{problems[0]}{more}"
