# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The second copy as a source of keys: found by what its cards say, and by opening what no card describes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._core.key_search import Candidate, CandidateValue, SourceAnswer, SourceProblem, Term, TermKind
from ..._core.model import StoreState
from ..._core.vault_record import KeyCopy, Machine, MachineCopies
from ..._errors import BadDataError, KeywardError, StoreDownError
from .folder import key_id_in, list_machines, read_sealed
from .machine import MachineState, load_machine, open_part
from .sealing import Sealer
from .settings import VaultSettings

VAULT = "vault"
CONFLICTING = "the second copy holds another value for this key ID too"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """One key of the copy: whose it is, what is known of it, and the sealed file that holds it.

    ``opens``: something was given that opens files of its sealing.
    """

    stem: str
    machine: Machine
    key: KeyCopy
    part: str
    opens: bool


class Contents:
    """What a copy holds, without the values that nobody needed: read once, when first asked for.

    ``problems`` are the files that could not be used; what they hold is unknown.
    """

    def __init__(self, folder: Path, sealers: Sequence[Sealer]) -> None:
        self._folder, self._sealers = folder, sealers
        self._opened: dict[str, MachineCopies] = {}
        self._kinds = {sealer.name for sealer in sealers if sealer.opens}
        self.problems: list[SourceProblem] = []
        self.keys: list[Copied] = []

    def load(self) -> None:
        """Read the cards, and open the files that none describes.

        Raises:
            StoreDownError: the folder cannot be listed.
        """
        for files in list_machines(self._folder).values():
            state = load_machine(self._folder, files, self._sealers)
            self._opened.update(state.opened)
            opens = {name: part.sealing in self._kinds for name, part in state.parts.items()}
            state.keys.sort(key=lambda item: not opens[item.part])
            self.keys += [
                Copied(stem=state.stem, machine=state.machine, key=item.key, part=item.part, opens=opens[item.part])
                for item in state.one_for_each()
            ]
            self._note(state)

    def open(self, part: str) -> MachineCopies:
        """One sealed file's content, opened once.

        Raises:
            KeywardError: it cannot be read or opened.
        """
        if part not in self._opened:
            self._opened[part] = open_part(self._sealers, read_sealed(self._folder, part), str(self._folder / part))
        return self._opened[part]

    def forget(self) -> None:
        """Let every value go."""
        self._opened.clear()

    def _note(self, state: MachineState) -> None:
        for name, problem in state.unknown.items():
            named = f" Its name says that it holds the key {key_id}." if (key_id := key_id_in(name)) else ""
            self.problems.append(SourceProblem(where=str(self._folder / name), text=f"{problem}{named}"))
        for name in state.lost:
            self.problems.append(SourceProblem(where=str(self._folder / name), text="A sealed file that the card names is not there."))


class VaultSource:
    """The source ``vault`` of the port :class:`~..._core.key_search.KeySource`."""

    name = VAULT

    def __init__(self, settings: VaultSettings, sealers: Sequence[Sealer]) -> None:
        self._settings, self._sealers = settings, sealers
        self._contents: Contents | None = None

    def find(self, terms: Sequence[Term]) -> SourceAnswer:
        """Keys of the machine, or with the key ID, that each term may mean."""
        try:
            contents = self._loaded()
        except StoreDownError as down:
            return SourceAnswer(source=VAULT, state=StoreState.DOWN, reason=str(down))
        found = {term.text: tuple(self._candidate(item) for item in contents.keys if _meant(term, item)) for term in terms}
        problems = tuple(contents.problems)
        return SourceAnswer(
            source=VAULT,
            found={text: items for text, items in found.items() if items},
            state=StoreState.PARTIAL if problems else StoreState.SEARCHED,
            reason=problems[0].text if problems else "",
            problems=problems,
        )

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        """Open what is asked for."""
        for candidate in candidates:
            try:
                yield CandidateValue(candidate=candidate, value=self._value(candidate).value)
            except KeywardError as problem:
                yield CandidateValue(candidate=candidate, problem=problem)

    def close(self) -> None:
        """Forget what was opened."""
        if self._contents is not None:
            self._contents.forget()
        self._contents = None

    def _loaded(self) -> Contents:
        if self._contents is None:
            contents = Contents(self._settings.path, self._sealers)
            contents.load()
            self._contents = contents
        return self._contents

    def _candidate(self, item: Copied) -> Candidate:
        return Candidate(
            key_id=item.key.key_id,
            source=VAULT,
            owner=item.machine.label,
            owner_id=item.stem,
            location=str(self._settings.path / item.part) + (f", value {item.key.mark}" if item.key.conflicting else ""),
            computers=item.machine.names,
            serial=item.machine.serial,
            created=item.key.created,
            volume=item.key.volume,
            volume_guid=item.key.volume_guid,
            readable=item.opens,
            defects=(CONFLICTING,) if item.key.conflicting else (),
            handle=item,
        )

    def _value(self, candidate: Candidate) -> KeyCopy:
        item = candidate.handle
        if not isinstance(item, Copied):
            raise BadDataError("read a copy", target=candidate.location, meaning="it was not found in this copy")
        for key in self._loaded().open(item.part).keys:
            if key.is_value_of(item.key):
                return key
        raise BadDataError(
            "read a copy",
            target=candidate.location,
            meaning="its card names a key that the sealed file does not hold",
            remedy="Run vault_copy with verify: true, which writes the card anew, and find out who changed these files.",
        )


def _meant(term: Term, item: Copied) -> bool:
    machine = item.machine
    if term.has_key_id(item.key.key_id):
        return True
    if term.guid is not None:
        if term.means(TermKind.DEVICE_ID) and term.guid in machine.guids:
            return True
        if term.means(TermKind.VOLUME) and term.guid == item.key.volume_guid:
            return True
        if term.kind is TermKind.ANY and term.guid == machine.hardware_uuid:
            return True
    if term.means(TermKind.SERIAL) and machine.serial is not None and machine.serial.casefold() == term.word.casefold():
        return True
    return term.means(TermKind.HOST) and _is_name_of(term.word.lower().rstrip("."), machine)


def _is_name_of(word: str, machine: Machine) -> bool:
    """A full name is itself; a bare one is the first label of any."""
    return any(word == name or ("." not in word and word == name.partition(".")[0]) for name in machine.names)
