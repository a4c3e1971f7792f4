# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One computer's part of a directory: the objects that may be its own, and what lies below one of them now."""

from __future__ import annotations

from collections.abc import Sequence

from ..._core.joins import is_guid
from ..._core.model import Owner, StoreReading, StoreState
from ..._errors import KeywardError, OptionError
from . import filters, parse
from .lookup import DirectoryLookup
from .reader import OWNER_ATTRIBUTES, judge
from .search import Outcome, Query
from .store import ActiveDirectoryStore


def possible_owners(store: ActiveDirectoryStore, names: Sequence[str], guid: str | None) -> StoreReading:
    """The computer objects of these names or this objectGUID, without entries.

    Raises:
        OptionError: an option cannot be used.
    """
    reader = store.reader
    outcomes: list[Outcome] = []
    try:
        directory = reader.connect()
        wanted = [filters.computer_named(name) for name in dict.fromkeys(names) if name and "\0" not in name]
        wanted += [filters.computer_of_id(guid)] if is_guid(guid) else []
        for base in reader.bases:
            for wish in wanted:
                for raw in reader.search(Query(base=base, filter=wish, attributes=OWNER_ATTRIBUTES), outcomes):
                    reader.keep(reader.owner(raw))
    except OptionError:
        raise
    except KeywardError as problem:
        return StoreReading(store=parse.STORE, state=StoreState.DOWN, reason=str(problem))
    state, reason = judge(outcomes)
    bases = map(parse.dn_key, reader.settings.search_bases)
    return StoreReading(
        store=parse.STORE,
        state=state,
        reason=reason,
        owners=tuple(reader.owners.values()),
        domain=directory.domain,
        read_only=directory.read_only,
        whole=not reader.settings.search_bases or parse.dn_key(directory.naming_context) in bases,
    )


def below(store: ActiveDirectoryStore, owner: Owner) -> StoreReading:
    """What lies below a computer object now. After a failure the next reading begins with a new connection.

    An account that can read no recovery object in the whole domain is told apart neither from a domain without any: the state is then
    ``no_rights``.
    """
    try:
        found = DirectoryLookup(store.reader).find([owner.location], [])
    except KeywardError as problem:
        store.close()
        return StoreReading(store=parse.STORE, state=StoreState.DOWN, reason=str(problem))
    state, reason = found.state, found.reason
    if state in (StoreState.DOWN, StoreState.PARTIAL):
        store.close()
    elif owner.owner_id not in {known.owner_id for known in found.owners}:
        state, reason = StoreState.DOWN, f"{owner.location} is not this computer's object any more"
    entries = tuple(entry for entry in found.entries if entry.owner_id == owner.owner_id)
    return StoreReading(store=parse.STORE, state=state, reason=reason, owners=(owner,), entries=entries)
