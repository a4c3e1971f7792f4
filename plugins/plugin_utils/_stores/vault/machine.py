# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What is known of one machine's files: what its card says of those that are as it describes them, and what opening the others tells.

A card is never believed about a file whose bytes differ from those it was written for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..._core.vault_record import Machine, MachineCopies
from ..._core.vault_text import Card, CardKey, Part, read_body
from ..._errors import KeywardError
from .folder import MachineFiles, card_of, digest_of, read_parts
from .sealing import Sealer, sealer_for, sealing_of

#: the sealing and the recipients of a file that nobody here sealed
UNTOLD = ""


@dataclass(slots=True, kw_only=True)
class MachineState:
    """One machine's files.

    ``parts`` and ``keys`` are of files that the card describes as they are, or that were opened. ``opened`` are the contents of the latter.
    ``unknown`` says of each other file, by name, why nothing is known of it. ``lost`` are files that the card names and that are not there.
    ``card_agrees``: the card describes all of it already.
    """

    stem: str
    machine: Machine
    parts: dict[str, Part] = field(default_factory=dict)
    keys: list[CardKey] = field(default_factory=list)
    opened: dict[str, MachineCopies] = field(default_factory=dict)
    unknown: dict[str, KeywardError] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    card_agrees: bool = True

    @property
    def card(self) -> Card:
        """What the card should say."""
        return Card(machine=self.machine, parts=dict(self.parts), keys=tuple(self.keys))

    def one_for_each(self) -> list[CardKey]:
        """The keys, each value once, and conflicting where a key ID has several values in whatever files."""
        values: dict[str, dict[str, CardKey]] = {}
        for item in self.keys:
            known = values.setdefault(item.key.key_id, {}).setdefault(item.key.mark, item)
            if known is not item and known.verified_at is None and item.verified_at is not None:
                values[item.key.key_id][item.key.mark] = item
        return [
            replace(item, key=replace(item.key, conflicting=len(marks) > 1)) if item.key.conflicting != (len(marks) > 1) else item
            for marks in values.values()
            for item in marks.values()
        ]


def open_part(sealers: Sequence[Sealer], data: bytes, where: str) -> MachineCopies:
    """The content of a sealed file.

    Raises:
        KeywardError: it cannot be opened, or holds something else.
    """
    return read_body(sealer_for(sealers, data, where).open(data, where), where)


def load_machine(folder: Path, files: MachineFiles, sealers: Sequence[Sealer]) -> MachineState:
    """Read a machine's card and hold it against its files; those that it does not describe are opened where that is possible."""
    card = card_of(folder, files)
    parts, problems = read_parts(folder, files)
    state = MachineState(stem=files.stem, machine=card.machine if card else Machine(), card_agrees=card is not None)
    state.unknown.update({Path(problem.target).name: problem for problem in problems})
    described = card.parts if card is not None else {}
    for name, data in parts.items():
        if name in described and described[name].digest == digest_of(data):
            state.parts[name] = described[name]
        else:
            _open(state, folder, name, data, sealers)
    if card is not None:
        state.keys += [item for item in card.keys if item.part in state.parts and item.part not in state.opened]
        state.lost = tuple(sorted(set(described) - set(files.parts)))
    state.card_agrees = state.card_agrees and not state.opened and not state.unknown and not state.lost
    return state


def _open(state: MachineState, folder: Path, name: str, data: bytes, sealers: Sequence[Sealer]) -> None:
    try:
        copies = open_part(sealers, data, str(folder / name))
    except KeywardError as problem:
        state.unknown[name] = problem
        return
    state.opened[name] = copies
    state.parts[name] = Part(digest=digest_of(data), sealing=sealing_of(data) or UNTOLD, sealed_for=UNTOLD)
    state.machine = state.machine.joined(copies.machine)
    state.keys += [CardKey(key=replace(key, value=None), part=name, run=UNTOLD) for key in copies.keys]
