# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Which files of a copy are which machine's: read once, and again when another job wrote in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..._core.vault_record import Machine
from .folder import MachineFiles, files_now, list_machines, stem_of
from .machine import MachineState, load_machine
from .sealing import Sealer


class Catalogue:
    """The machines of a folder by what tells them apart. ``states`` is by stem."""

    def __init__(self, folder: Path, sealers: Sequence[Sealer]) -> None:
        self._folder, self._sealers = folder, sealers
        self.states: dict[str, MachineState] = {}
        self._by_guid: dict[str, str] = {}
        self._by_name: dict[str, list[str]] = {}
        self._by_key: dict[str, list[str]] = {}

    def refresh(self) -> None:
        """Read the machines that are new since the last time, the first time all.

        Raises:
            StoreDownError: the folder cannot be listed.
        """
        for stem, files in list_machines(self._folder).items():
            if stem not in self.states:
                self.know(load_machine(self._folder, files, self._sealers))

    def reload(self, stem: str) -> MachineState:
        """One machine as its files are now; a new one has none."""
        known = self.states.get(stem)
        parts = [*known.parts, *known.unknown] if known else []
        return load_machine(self._folder, files_now(self._folder, MachineFiles(stem, parts)), self._sealers)

    def learn(self, stem: str, machine: Machine, key_ids: Iterable[str]) -> None:
        """What will soon be in this machine's files."""
        for guid in machine.guids:
            self._by_guid.setdefault(guid, stem)
        for name in machine.names:
            if "." in name:
                _once(self._by_name, name, stem)
        for key_id in key_ids:
            _once(self._by_key, key_id, stem)

    def stem_for(self, machine: Machine, key_id: str) -> str:
        """Where this machine's copies are or go: by its ID in a directory, its full name, else by the key ID if nobody named it."""
        known = [self._by_guid[guid] for guid in sorted(machine.guids) if guid in self._by_guid]
        known += [stem for name in machine.names for stem in self._by_name.get(name, ())]
        for stem in known:
            state = self.states.get(stem)
            if state is None or state.machine.is_the_same(machine):
                return stem
        if not machine.names and not machine.guids and len(holders := self._by_key.get(key_id, [])) == 1:
            return holders[0]
        return stem_of(machine, key_id)

    def know(self, state: MachineState) -> None:
        """Keep what is known of a machine, without the values that were opened for it."""
        state.opened.clear()
        self.states[state.stem] = state
        self.learn(state.stem, state.machine, (item.key.key_id for item in state.keys))


def _once(index: dict[str, list[str]], name: str, stem: str) -> None:
    stems = index.setdefault(name, [])
    if stem not in stems:
        stems.append(stem)
