# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What later runs do with copies that are there: open them to see that they are still good, and seal them anew.

Sealing anew leaves no gap: the new file is written, read back, opened and compared before it takes the old one's place; where it has
another name, the old one goes last. Whoever is killed at any moment leaves every key in a file that the old or the new secret opens. So
only who can open the new sealing may seal anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..._core.vault_record import MachineCopies, merged
from ..._core.vault_text import CardKey
from ..._errors import KeywardError
from .folder import digest_of, read_sealed
from .machine import UNTOLD, MachineState, open_part
from .sealing import AGE, ENDINGS, NoOpenerError, Sealer, SealError, sealing_of
from .writer import VaultWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What looking after one machine's files came to.

    ``verified``: key IDs of what was opened and found good. ``unverified``: of what nobody has opened yet since it was written. ``files``:
    sealed anew. ``problems`` by name of the file.
    """

    stem: str
    verified: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    problems: Mapping[str, KeywardError] = field(default_factory=dict)


def verify(writer: VaultWriter, stem: str, *, again: bool, now: datetime) -> Checked:
    """Open what an earlier run wrote and nobody opened since, with ``again`` everything, and note it on the card.

    Raises:
        VaultWriteError: the card could not be written.
    """
    with writer.folder.locked():
        state = writer.catalogue.reload(stem)
        checked = _verified(writer, state, again=again, now=now)
        writer.write_card(state)
        writer.catalogue.know(state)
    return checked


def wants_verifying(writer: VaultWriter, state: MachineState, *, again: bool) -> bool:
    """Whether :func:`verify` would find anything to do."""
    return again or not state.card_agrees or any(_is_due(writer, item) for item in state.keys)


def _is_due(writer: VaultWriter, item: CardKey) -> bool:
    return item.verified_at is None and item.run != writer.run


def _verified(writer: VaultWriter, state: MachineState, *, again: bool, now: datetime) -> Checked:
    unknown = {name: problem for name, problem in state.unknown.items() if not isinstance(problem, NoOpenerError)}
    problems: dict[str, KeywardError] = {**unknown, **{name: _lost(writer, name) for name in state.lost}}
    good: list[str] = []
    opening = {sealer.name for sealer in writer.sealers if sealer.opens}
    for name in sorted(state.parts):
        here = [item for item in state.keys if item.part == name]
        if state.parts[name].sealing not in opening or not any(again or _is_due(writer, item) for item in here):
            continue
        try:
            held = writer.opened(state, name).keys
        except KeywardError as problem:
            problems[name] = problem
            held = ()
        fine = [item for item in here if any(key.is_value_of(item.key) for key in held)]
        if len(fine) < len(here) and name not in problems:
            problems[name] = SealError("verify a copy", target=name, meaning="it does not hold what its card says")
        due = [item for item in fine if item.run != writer.run]
        good += [item.key.key_id for item in due]
        state.keys = [replace(item, verified_at=_when(item, due, fine, now)) if item.part == name else item for item in state.keys]
    return Checked(
        stem=state.stem,
        verified=tuple(good),
        unverified=tuple(item.key.key_id for item in state.keys if item.verified_at is None),
        problems=problems,
    )


def _when(item: CardKey, due: Iterable[CardKey], fine: Iterable[CardKey], now: datetime) -> datetime | None:
    if item in due:
        return now
    return item.verified_at if item in fine else None


def _lost(writer: VaultWriter, name: str) -> SealError:
    return SealError(
        "verify a copy",
        target=str(writer.folder.path / name),
        meaning="the card names this file, and it is not there",
        remedy="Bring it back from a backup; or remove the card, and copy the keys again.",
    )


#: told what of which file is to be sealed for others than before; whatever it raises leaves the file as it is
Passing = Callable[[MachineCopies, str], None]


def _unseen(_copies: MachineCopies, _name: str) -> None:
    return None


def rekey(writer: VaultWriter, stem: str, *, check_mode: bool = False, passing: Passing = _unseen) -> Checked:
    """Seal anew what is not sealed as the options say now. The copies then count as unverified, until a later run opened them.

    Raises:
        KeywardError: a file could not be opened, sealed or written; what was there before is there still.
    """
    if not writer.sealer.opens:
        raise SealError(
            "seal copies anew",
            target=writer.sealer.sealed_for,
            meaning="the new sealing cannot be opened here, so nothing may take the old one's place",
            remedy="Give identity_file too, with the private key of one of the recipients.",
        )
    with writer.folder.locked():
        state = writer.catalogue.reload(stem)
        stale = [name for name in sorted({*state.parts, *state.unknown}) if not _is_current(writer, state, name)]
        if not check_mode:
            for name in stale:
                _reseal(writer, state, name, passing)
            writer.write_card(state)
        writer.catalogue.know(state)
    return Checked(stem=stem, files=tuple(stale), unverified=tuple(item.key.key_id for item in state.keys if item.verified_at is None))


def _is_current(writer: VaultWriter, state: MachineState, name: str) -> bool:
    if name in state.unknown:
        return False
    data = read_sealed(writer.folder.path, name)
    sealer: Sealer = writer.sealer
    if sealing_of(data) != sealer.name:
        return False
    opens = sealer.opens_with_current(data, name)
    return state.parts[name].sealed_for == sealer.sealed_for if opens is None else opens


def _reseal(writer: VaultWriter, state: MachineState, name: str, passing: Passing) -> None:
    where = str(writer.folder.path / name)
    data = read_sealed(writer.folder.path, name)
    copies = state.opened.get(name) or open_part(writer.sealers, data, where)
    passing(copies, name)
    if name.endswith(ENDINGS[writer.sealer.name]) and sealing_of(data) == writer.sealer.name:
        state.unknown.pop(name, None)
        writer.write_part(state, name, copies)
        state.keys = [item for item in state.keys if item.part != name] + _anew(writer, name, copies)
        return
    _move(writer, state, name, copies)
    if digest_of(read_sealed(writer.folder.path, name)) == digest_of(data):
        writer.write_card(state)
        writer.folder.remove(name)
        state.parts.pop(name, None)
        state.keys = [item for item in state.keys if item.part != name]


def _anew(writer: VaultWriter, name: str, copies: MachineCopies) -> list[CardKey]:
    return [CardKey(key=replace(key, value=None), part=name, run=writer.run or UNTOLD) for key in copies.keys]


def _move(writer: VaultWriter, state: MachineState, name: str, copies: MachineCopies) -> None:
    """What a file of the other sealing holds, into files of this one."""
    whole = MachineCopies(machine=state.machine.joined(copies.machine))
    if writer.sealer.name == AGE:
        groups = [(writer.free_name(state, key.key_id), MachineCopies(machine=whole.machine, keys=(key,))) for key in copies.keys]
    else:
        target = state.stem + ENDINGS[writer.sealer.name]
        known = writer.opened(state, target) if target in state.parts else whole
        groups = [(target, merged(known, copies))]
    for target, content in groups:
        writer.write_part(state, target, content)
        state.keys = [item for item in state.keys if item.part != target] + _anew(writer, target, content)
