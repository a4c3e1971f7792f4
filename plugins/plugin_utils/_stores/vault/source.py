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
from ..._core.vault_text import CardKey, read_body
from ..._errors import BadDataError, KeywardError, StoreDownError
from .folder import MachineFiles, card_of, digest_of, key_id_in, list_machines, read_parts, read_sealed
from .sealing import Sealer, sealer_for, sealing_of
from .settings import VaultSettings

VAULT = "vault"
CONFLICTING = "the second copy holds another value for this key ID too"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """One key of the copy: whose it is, what is known of it, and the sealed file that holds it. ``card`` None: its file was opened."""

    stem: str
    machine: Machine
    key: KeyCopy
    part: str
    card: CardKey | None = None


class Contents:
    """What a copy holds, without the values that nobody needed: read once, when first asked for.

    ``problems`` are the files that could not be used; what they hold is unknown.
    """

    def __init__(self, folder: Path, sealers: Sequence[Sealer]) -> None:
        self._folder, self._sealers = folder, sealers
        self._opened: dict[str, MachineCopies] = {}
        self.problems: list[SourceProblem] = []
        self.keys: list[Copied] = []
        self.machines: dict[str, MachineFiles] = {}

    def load(self) -> None:
        """Read the cards, and open the files that none describes.

        Raises:
            StoreDownError: the folder cannot be listed.
        """
        self.machines = list_machines(self._folder)
        for files in self.machines.values():
            self._load_machine(files)

    def open(self, part: str) -> MachineCopies:
        """One sealed file's content, opened once.

        Raises:
            KeywardError: it cannot be read or opened.
        """
        if part not in self._opened:
            data = read_sealed(self._folder, part)
            where = str(self._folder / part)
            self._opened[part] = read_body(sealer_for(self._sealers, data, where).open(data, where), where)
        return self._opened[part]

    def can_open(self, part: str) -> bool:
        """Whether something was given that opens files of this sealing."""
        try:
            name = sealing_of(read_sealed(self._folder, part))
        except BadDataError:
            return False
        return any(sealer.name == name and sealer.opens for sealer in self._sealers)

    def forget(self) -> None:
        """Let every value go."""
        self._opened.clear()

    def _load_machine(self, files: MachineFiles) -> None:
        card = card_of(self._folder, files)
        parts, problems = read_parts(self._folder, files)
        for problem in problems:
            self._note(problem.target, problem)
        known = card.parts if card is not None else {}
        told = {name for name, data in parts.items() if name in known and known[name].digest == digest_of(data)}
        if card is not None:
            for item in card.keys:
                if item.part in told:
                    self.keys.append(Copied(stem=files.stem, machine=card.machine, key=item.key, part=item.part, card=item))
            for name in sorted(set(known) - set(files.parts)):
                self.problems.append(SourceProblem(where=str(self._folder / name), text="A sealed file that the card names is not there."))
        for name in parts:
            if name not in told:
                self._load_part(files.stem, name)

    def _load_part(self, stem: str, name: str) -> None:
        try:
            copies = self.open(name)
        except KeywardError as problem:
            named = f" Its name says that it holds the key {key_id}." if (key_id := key_id_in(name)) else ""
            self._note(str(self._folder / name), problem, named)
            return
        self.keys += [Copied(stem=stem, machine=copies.machine, key=key, part=name) for key in copies.keys]

    def _note(self, where: str, problem: KeywardError, more: str = "") -> None:
        self.problems.append(SourceProblem(where=where, text=f"{problem}{more}"))


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
            location=str(self._settings.path / item.part),
            computers=item.machine.names,
            serial=item.machine.serial,
            created=item.key.created,
            volume=item.key.volume,
            volume_guid=item.key.volume_guid,
            readable=self._loaded().can_open(item.part),
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
