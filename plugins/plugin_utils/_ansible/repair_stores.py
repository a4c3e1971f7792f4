# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Where one live computer's entries lie in each required store, and what lies there now.

Only what the host itself says joins it to an owner; the channel may prove its name. A name of the inventory alone is not enough to judge
by whether a key may go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from .._core.estate import known_computers
from .._core.joins import AD, ENTRA, Computer, StoreJoin, stated_device
from .._core.model import Entry, Observation, StoreReading, StoreState
from .._stores.active_directory import own as own_in_directory
from .._stores.active_directory.store import ActiveDirectoryStore
from .._stores.entra.own import devices_and_keys
from .._stores.entra.store import EntraStore
from .._stores.port import Store


class OwnStore(Protocol):
    """One store's part of one computer."""

    def read(self) -> StoreReading:
        """What lies there now."""

    def values(self, entries: Iterable[Entry]) -> Mapping[str, Entry | str]:
        """By entry ID: the entry with its recovery password, or why it could not be read."""


class OwnPart:
    """The part of a store below one owner; ``look`` reads its metadata."""

    def __init__(self, store: Store, look: Callable[[], StoreReading]) -> None:
        self._store = store
        self._look = look
        self._known: dict[tuple[str, datetime | None], Entry] = {}

    def read(self) -> StoreReading:
        """What lies below the owner now."""
        reading = self._look()
        unseen = reading.store == AD and reading.state is StoreState.NO_RIGHTS and not reading.entries
        # nothing readable in the whole domain, and not even a hidden name here: else the first backup of all would be waited for, for ever
        return replace(reading, state=StoreState.SEARCHED) if unseen else reading

    def values(self, entries: Iterable[Entry]) -> Mapping[str, Entry | str]:
        """See :class:`OwnStore`. Entra ID, which writes down who reads a key, is asked for the same one once."""
        found: dict[str, Entry | str] = {}
        asked: list[Entry] = []
        for entry in entries:
            known = self._known.get((entry.entry_id, entry.created)) if entry.store == ENTRA else None
            if known is None:
                asked.append(entry)
            else:
                found[entry.entry_id] = known
        for value in self._store.values(asked):
            entry = value.entry
            found[entry.entry_id] = entry if entry.value is not None else value.problem or "it came without a value"
            if entry.value is not None:
                self._known[entry.entry_id, entry.created] = entry
        return found


class OwnStores:
    """The required stores of one computer, as far as its entries there can be told from others'.

    ``joins``: how it was joined to each. ``barred``: why the part of a store cannot be told.
    """

    def __init__(self, stores: Mapping[str, Store], observation: Observation) -> None:
        self.parts: dict[str, OwnStore] = {}
        self.barred: dict[str, str] = {}
        self.joins: dict[str, StoreJoin] = {}
        readings: dict[str, StoreReading] = {}
        directory, tenant = stores.get(AD), stores.get(ENTRA)
        device_id = stated_device(observation)
        if isinstance(directory, ActiveDirectoryStore):
            names = [name for name in (observation.dns_name, observation.name) if name]
            readings[AD] = own_in_directory.possible_owners(directory, names, device_id)
        if isinstance(tenant, EntraStore):
            objects = [owner.owner_id for owner in readings[AD].owners] if AD in readings else []
            ids = dict.fromkeys([*([device_id] if device_id else []), *objects])
            readings[ENTRA] = devices_and_keys(tenant, list(ids))
        computer = Computer(observation=observation, fresh=True)
        known_computers([computer], readings.values())
        for name, reading in readings.items():
            self._take(name, stores[name], reading, computer.joins[name])

    def _take(self, name: str, store: Store, reading: StoreReading, join: StoreJoin) -> None:
        self.joins[name] = join
        if join.owner is None or join.disputed:
            told = join.doubt or reading.reason
            self.barred[name] = told or f"{'no computer object' if name == AD else 'no device'} is known to be this computer's"
            return
        owner = join.owner
        if isinstance(store, ActiveDirectoryStore):
            directory = store
            self.parts[name] = OwnPart(store, lambda: own_in_directory.below(directory, owner))
        elif isinstance(store, EntraStore):
            tenant = store
            self.parts[name] = OwnPart(store, lambda: devices_and_keys(tenant, [owner.owner_id]))
