# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Active Directory as a store: computer objects own msFVE-RecoveryInformation objects.

What a reading can tell, and what it cannot. An object that the account may not read is not in any answer to a filter, and that looks
exactly like an object that does not exist: success, nothing found. So a domain of which not one recovery object can be read is
``no_rights``, although it may be that nothing was ever escrowed there. Where some can be read, the rights may still end at an
organisational unit or a single object: :meth:`ActiveDirectoryStore.name_hidden` looks below single computers for objects whose names can
be seen though nothing else of them can. Only what neither brings counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime

from ..._core.model import Entry, StoreReading, StoreState
from ..._errors import KeywardError, OptionError
from ..port import StoreNames, StoreValue
from . import parse
from .discovery import Resolver
from .reader import NO_RIGHTS_REASON, DirectoryReader, judge
from .search import Outcome
from .settings import DirectorySettings
from .values import read_values


class ActiveDirectoryStore:
    """One reading of one domain over one connection; see :class:`DirectoryReader` for the arguments."""

    def __init__(
        self,
        settings: DirectorySettings,
        *,
        now: datetime,
        progress: Callable[[str], None] | None = None,
        resolve: Resolver | None = None,
        versions: bool = False,
    ) -> None:
        self.reader = DirectoryReader(settings, now=now, progress=progress, resolve=resolve, versions=versions)

    def read(self) -> StoreReading:
        """Every computer object and every recovery object's metadata under the search bases.

        A directory that cannot be used is state ``down``; a search that did not come to its end is ``partial``; both with a reason.

        Raises:
            OptionError: an option cannot be used.
        """
        reader = self.reader
        try:
            directory = reader.connect()
        except OptionError:
            raise
        except KeywardError as problem:
            return StoreReading(store=parse.STORE, state=StoreState.DOWN, reason=str(problem))
        outcomes: list[Outcome] = []
        reader.read_owners(outcomes)
        entries = reader.read_entries(outcomes)
        readable = any(entry.readable for entry in entries)
        if reader.settings.include_deleted:
            entries += reader.read_deleted(outcomes)
        state, reason = judge(outcomes)
        if state is StoreState.SEARCHED and not readable:
            state, reason = StoreState.NO_RIGHTS, NO_RIGHTS_REASON
        return StoreReading(
            store=parse.STORE,
            state=state,
            reason=reason,
            owners=tuple(reader.owners.values()),
            entries=tuple(entries),
            domain=directory.domain,
            read_only=directory.read_only,
            whole=not reader.settings.search_bases
            or parse.dn_key(directory.naming_context) in map(parse.dn_key, reader.settings.search_bases),
        )

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        """Names of recovery objects below these computers that the account cannot read; see :class:`StoreNames`."""
        return self.reader.name_hidden(owner_ids)

    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        """Recovery passwords, each from its own object, and key packages; see :class:`Store`."""
        return read_values(self.reader, entries, packages)

    def close(self) -> None:
        """Let the connection go."""
        self.reader.close()
