# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Adding to a second copy: with Ansible Vault a machine's file is opened, added to and written anew; with age each key has its own file.

The sealed file comes first and the card after it: whoever is killed in between leaves a card that does not describe the file, and that the
next one writes anew. With age, whoever cannot open that file writes the key a second time then, since nothing is believed of a file that
neither a card describes nor anybody opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..._core.vault_record import KeyCopy, Machine, MachineCopies, merged
from ..._core.vault_text import CardKey, Part, body_text, card_text, read_body
from ..._errors import KeywardError
from .catalogue import Catalogue
from .folder import CARD_ENDING, digest_of, read_sealed
from .machine import MachineState, open_part
from .sealing import AGE, ENDINGS, Sealer, SealError
from .writable import WritableFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What adding came to: sealed files that were written, key IDs whose value was sealed, and those that now have several values.

    ``noted``: something else than a value was added (an origin, a name).
    """

    stem: str
    files: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    conflicting: tuple[str, ...] = ()
    noted: bool = False

    @property
    def changed(self) -> bool:
        """Whether the copy holds more than before."""
        return bool(self.files) or self.noted


class VaultWriter:
    """Writes to one folder with one sealing. ``sealers`` are all that may open what is there; ``run`` names this run of Ansible."""

    def __init__(self, folder: WritableFolder, sealer: Sealer, sealers: Sequence[Sealer], *, run: str) -> None:
        self.folder, self.sealer, self.sealers, self.run = folder, sealer, sealers, run
        self.catalogue = Catalogue(folder.path, sealers)

    def add(self, machine: Machine, keys: Sequence[KeyCopy]) -> Added:
        """Keep these keys of a machine; what is known already is left alone.

        Raises:
            KeywardError: it could not be done; what was there before is there still.
        """
        with self.folder.locked() as foreign:
            if foreign:
                self.catalogue.refresh()
            stem = self.catalogue.stem_for(machine, keys[0].key_id)
            state = self.catalogue.reload(stem)
            more = MachineCopies(machine=machine, keys=tuple(keys))
            added = self._append(state, more) if self.sealer.name == AGE else self._rewrite(state, more)
            self.catalogue.know(state)
            return added

    # --- a machine's file, written anew ---------------------------------------------------------------------------------------------------

    def _rewrite(self, state: MachineState, more: MachineCopies) -> Added:
        own = [name for name in state.parts if name.endswith(ENDINGS[self.sealer.name])]
        if hidden := [name for name in state.unknown if name.endswith(ENDINGS[self.sealer.name])]:
            raise state.unknown[hidden[0]]
        known = MachineCopies(machine=state.machine)
        for name in own:
            known = merged(known, self.opened(state, name))
        whole = merged(known, more)
        name = state.stem + ENDINGS[self.sealer.name]
        if whole == known and name in own:
            self.write_card(state)
            return Added(stem=state.stem)
        self.write_part(state, name, whole)
        before = {(item.key.key_id, item.key.mark) for item in state.keys if item.part in own}
        state.keys = _joined(state.keys, whole.keys, name, self.run)
        state.machine = whole.machine
        self.write_card(state)
        return Added(
            stem=state.stem,
            files=(name,),
            sealed=tuple(key.key_id for key in whole.keys if (key.key_id, key.mark) not in before),
            conflicting=tuple(dict.fromkeys(key.key_id for key in whole.keys if key.conflicting)),
        )

    # --- a file for each key --------------------------------------------------------------------------------------------------------------

    def _append(self, state: MachineState, more: MachineCopies) -> Added:
        known = [item for item in state.keys if item.part.endswith(ENDINGS[AGE])]
        before = MachineCopies(machine=state.machine, keys=tuple(item.key for item in known))
        whole = merged(before, more)
        state.machine = whole.machine
        files, sealed = [], []
        for key in more.keys:
            if any(item.key.is_value_of(key) for item in known):
                continue
            name = self.free_name(state, key.key_id)
            self.write_part(state, name, MachineCopies(machine=whole.machine, keys=(key,)))
            item = CardKey(key=replace(key, value=None), part=name, run=self.run)
            state.keys.append(item)
            known.append(item)
            files.append(name)
            sealed.append(key.key_id)
            # at once, so that a kill costs one file at most
            self.write_card(state)
        names = {item.part for item in known}
        state.keys = [_with(item, whole.keys) if item.part in names else item for item in state.keys]
        self.write_card(state)
        return Added(
            stem=state.stem,
            files=tuple(files),
            sealed=tuple(sealed),
            conflicting=tuple(dict.fromkeys(key.key_id for key in whole.keys if key.conflicting)),
            noted=replace(whole, keys=()) != replace(before, keys=()) or _facts(whole.keys) != _facts(before.keys),
        )

    def free_name(self, state: MachineState, key_id: str) -> str:
        """The name of the next file for this key."""
        taken = {*state.parts, *state.unknown, *state.lost}
        number = 1
        while (name := f"{state.stem}.{key_id}.{number}{ENDINGS[AGE]}") in taken or os.path.lexists(self.folder.path / name):
            number += 1
        return name

    # --- both -----------------------------------------------------------------------------------------------------------------------------

    def opened(self, state: MachineState, name: str) -> MachineCopies:
        """The content of one of a machine's files, opened once.

        Raises:
            KeywardError: it cannot be opened.
        """
        if name not in state.opened:
            state.opened[name] = open_part(self.sealers, read_sealed(self.folder.path, name), str(self.folder.path / name))
        return state.opened[name]

    def write_part(self, state: MachineState, name: str, copies: MachineCopies) -> None:
        """Seal, write, read back and, where the sealing can be opened here, open what was read back; then take the old file's place."""
        text = body_text(copies)
        try:
            # whoever seals to public keys cannot look afterwards
            read_body(text, name)
        except KeywardError as problem:
            raise SealError("seal a copy", target=name, meaning=f"it could not be read again ({problem.meaning})") from problem
        sealed = self.sealer.seal(text)

        def check(back: bytes) -> None:
            if self.sealer.opens and self.sealer.open(back, name) != text:
                raise SealError("seal a copy", target=name, meaning="what was sealed does not open to what it was made from")

        self.folder.replace(name, sealed, check)
        state.parts[name] = Part(digest=digest_of(sealed), sealing=self.sealer.name, sealed_for=self.sealer.sealed_for)
        state.opened[name] = copies

    def write_card(self, state: MachineState) -> None:
        """Write the card where it says something else than it should; what it would say of files that are unknown is left out."""
        text = card_text(state.card)
        path = self.folder.path / (state.stem + CARD_ENDING)
        try:
            same = path.read_text(encoding="ascii") == text
        except (OSError, UnicodeDecodeError):
            same = False
        if not same:
            self.folder.replace(path.name, text.encode("ascii"))


def _joined(before: Iterable[CardKey], keys: Iterable[KeyCopy], part: str, run: str) -> list[CardKey]:
    """The card's keys with one file written anew: what it held stays verified, as it was opened just now and compared."""
    listed = list(before)
    found = []
    for key in keys:
        old = next((item for item in listed if item.part == part and item.key.is_value_of(key)), None)
        facts = replace(key, value=None)
        found.append(replace(old, key=facts) if old else CardKey(key=facts, part=part, run=run))
    return found + [item for item in listed if item.part != part]


def _with(item: CardKey, keys: Iterable[KeyCopy]) -> CardKey:
    key = next(key for key in keys if key.is_value_of(item.key))
    return replace(item, key=replace(key, value=None))


def _facts(keys: Iterable[KeyCopy]) -> list[KeyCopy]:
    return [replace(key, value=None) for key in keys]
