# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Entra ID as a store: devices own recovery keys.

Graph answers an application either with every key of the tenant or with 403, so what it does not list is not there, unlike in Active
Directory. Two things are not so plain: a person who signs in may be shown only the keys of own devices (such a reading is ``partial``),
and a deleted device is hidden for 30 days while its keys may still be listed (their owner is deleted, and they do not count).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime

from ..._core.model import Entry, IntuneReading, StoreReading, StoreState
from ..._errors import BadDataError, KeywardError, OptionError
from ..port import StoreNames, StoreValue
from . import parse
from .graph import Outcome
from .lookup import EntraLookup
from .reader import EntraReader
from .settings import EntraSettings
from .throttle import Timing

#: so many keys in a row that cannot be read, not for their own sake: then the service, or the permission, is what is wrong
_GIVE_UP = 3
#: requests between two lines of progress
_READS_A_LINE = 100


class EntraStore:
    """One reading of one tenant; see :class:`EntraReader` for the arguments."""

    def __init__(
        self,
        settings: EntraSettings,
        *,
        now: datetime,
        progress: Callable[[str], None] | None = None,
        values: bool = False,
        timing: Timing | None = None,
    ) -> None:
        self.reader = EntraReader(settings, now=now, progress=progress, values=values, timing=timing)
        self._progress = progress

    def read(self) -> StoreReading:
        """Every device, and the metadata of every recovery key.

        A service that cannot be used is state ``down``, a missing permission ``no_rights``, a list that did not come to its end
        ``partial``; each with a reason. What Intune says comes beside it where that is asked for, and changes none of these.

        Raises:
            OptionError: an option cannot be used.
        """
        reader = self.reader
        try:
            reader.connect()
        except OptionError:
            raise
        except KeywardError as problem:
            reason = str(problem)
            intune = IntuneReading(state=StoreState.DOWN, reason=reason) if reader.settings.intune else None
            return StoreReading(store=parse.STORE, state=StoreState.DOWN, reason=reason, intune=intune)
        of_keys, of_devices = Outcome(), Outcome()
        # keys first: a device that comes in between is then listed with its keys unread, instead of keys whose device seems deleted
        entries = reader.read_entries(of_keys)
        reader.read_owners(of_devices)
        entries = reader.adopt(entries, all_devices_known=of_devices.problem is None)
        state, reason = reader.judge([of_keys, of_devices])
        # last: whatever patience a busy service leaves is for it
        intune = None
        if reader.settings.intune:
            intune = IntuneReading(state=state, reason=reason) if state is StoreState.DOWN else reader.add_intune()
        return StoreReading(
            store=parse.STORE,
            state=state,
            reason=reason,
            owners=tuple(reader.owners.values()),
            entries=tuple(entries),
            # a domain's name does not tell it, nor does a managed identity
            tenant=parse.guid(reader.settings.tenant),
            intune=intune,
        )

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        """Nothing: Graph has no key whose name alone can be seen."""
        return StoreNames()

    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        """Recovery keys one by one, as Graph has no other way; Entra ID writes each down and keeps no packages. See :class:`Store`.

        Where several in a row fail for the service's sake or the permission's, the rest is not asked for.
        """
        lookup = EntraLookup(self.reader)
        failures, reason = 0, ""
        for number, entry in enumerate(entries, 1):
            if failures >= _GIVE_UP:
                yield StoreValue(entry=entry, problem=reason)
                continue
            if self._progress and number % _READS_A_LINE == 0:
                self._progress(f"Entra ID: {number} recovery keys read to be proven")
            try:
                value = lookup.reveal(entry)
            except KeywardError as problem:
                failures = 0 if isinstance(problem, BadDataError) else failures + 1
                reason = str(problem)
                yield StoreValue(entry=entry, problem=reason)
            else:
                failures = 0
                yield StoreValue(entry=value)

    def close(self) -> None:
        """Let the connections go."""
        self.reader.close()
