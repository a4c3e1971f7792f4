# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One run of ``vault_copy``: what is not in the second copy yet is read, disclosed to it and sealed; then copies are looked after.

An entry that was copied before is not read again: its key ID never gets another value (a new recovery password is a new protector). So a
second run reads no value at all. Where two sources have one key ID, each is read, and values that differ are both kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from .._core.key_search import Candidate
from .._core.redaction import Secret
from .._core.vault_record import KeyCopy, Machine, MachineCopies, Origin, is_guid, kept, key_copy, merged, whole_seconds
from .._core.vault_text import CardKey
from .._errors import KeywardError
from .._stores.vault.machine import MachineState
from .._stores.vault.sealing import ENDINGS
from .._stores.vault.upkeep import rekey, verify, wants_verifying
from .._stores.vault.writer import VaultWriter
from .copy_offers import CopySources, Offers, Shortcoming
from .key_finding import Gate

#: machines whose values are read together, so that a directory is not asked for one after the other
_TOGETHER = 50
_UNTOUCHED = Machine()


class CopyGate(Gate, Protocol):
    """The disclosure gate, which can say beforehand that it will not open."""

    def prepare(self, number: int) -> None:
        """Raise what it would raise for so many keys."""


class StoppedError(KeywardError):
    """The gate hands out nothing more; ``cause`` says why."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a run came to. Paths are names in the copy's folder. ``before`` and ``after`` are what the cards say, by machine."""

    copied: list[dict[str, Any]] = field(default_factory=list)
    noted: bool = False
    files: list[str] = field(default_factory=list)
    conflicting: list[dict[str, str]] = field(default_factory=list)
    rekeyed: list[str] = field(default_factory=list)
    verified: int = 0
    missing: list[Shortcoming] = field(default_factory=list)
    stems: dict[str, str] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    after: dict[str, list[str]] = field(default_factory=dict)
    stopped: KeywardError | None = None

    @property
    def changed(self) -> bool:
        """Whether the copy holds something else than before; what was verified is no content."""
        return bool(self.copied or self.files or self.rekeyed or self.noted)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRun:
    """How to copy. ``now`` is the time that the copies bear."""

    writer: VaultWriter
    gate: CopyGate
    now: datetime
    check_mode: bool

    def copy(self, sources: CopySources, offers: Offers, outcome: Outcome) -> None:
        """Copy what is offered and not there yet; one machine that fails never takes the others along.

        Raises:
            KeywardError: the gate will not let so many keys pass, so none was read.
        """
        outcome.missing += offers.missing
        due = [planned for machine, found in offers.machines if (planned := self._plan(machine, found, outcome))]
        if self.check_mode:
            for machine, stem, wanted in due:
                self._foresee(machine, stem, wanted, outcome)
            return
        fresh = {(stem, candidate.key_id) for _machine, stem, wanted in due for candidate in wanted} - self._known(due)
        if fresh:
            self.gate.prepare(len(fresh))
        for start in range(0, len(due), _TOGETHER):
            batch = due[start : start + _TOGETHER]
            values = self._read(sources, [candidate for _machine, _stem, wanted in batch for candidate in wanted], outcome)
            for machine, stem, wanted in batch:
                keys = [values[candidate] for candidate in wanted if candidate in values]
                try:
                    if keys:
                        self._seal(machine, stem, keys, outcome)
                except StoppedError as stopped:
                    outcome.stopped = stopped.__cause__ if isinstance(stopped.__cause__, KeywardError) else stopped
                    return
                except KeywardError as problem:
                    outcome.missing.append(Shortcoming(computer=machine.label, text=str(problem)))

    # --- what is not there yet ------------------------------------------------------------------------------------------------------------

    def _plan(self, machine: Machine, found: Sequence[Candidate], outcome: Outcome) -> tuple[Machine, str, list[Candidate]] | None:
        usable = [candidate for candidate in found if _is_usable(machine, candidate, outcome)]
        if not usable:
            return None
        stem = self.writer.catalogue.stem_for(machine, usable[0].key_id)
        outcome.stems[stem] = machine.label
        self.writer.catalogue.learn(stem, machine, (candidate.key_id for candidate in usable))
        known = {(item.key.key_id, *origin.place) for item in self._own(stem) for origin in item.key.origins}
        wanted = [candidate for candidate in usable if (candidate.key_id, *self._origin(candidate).place) not in known]
        return (machine, stem, wanted) if wanted else None

    def _known(self, due: Sequence[tuple[Machine, str, list[Candidate]]]) -> set[tuple[str, str]]:
        return {(stem, item.key.key_id) for _machine, stem, _wanted in due for item in self._own(stem)}

    def _own(self, stem: str) -> list[CardKey]:
        """The keys that files of this run's sealing hold."""
        state = self.writer.catalogue.states.get(stem)
        return [item for item in state.keys if item.part.endswith(ENDINGS[self.writer.sealer.name])] if state else []

    def _origin(self, candidate: Candidate) -> Origin:
        return Origin(
            source=candidate.source,
            owner=kept(candidate.owner),
            owner_id=kept(candidate.owner_id),
            location=kept(candidate.location),
            created=whole_seconds(candidate.created),
            copied_at=self.now,
        )

    def _foresee(self, machine: Machine, stem: str, wanted: Sequence[Candidate], outcome: Outcome) -> None:
        known = {item.key.key_id for item in self._own(stem)}
        outcome.noted = True
        before = outcome.before[stem] = lines_of(self._own(stem))
        fresh = {candidate.key_id: candidate for candidate in reversed(wanted) if candidate.key_id not in known}
        outcome.copied += [_row(machine, key_id, [candidate.source]) for key_id, candidate in fresh.items()]
        outcome.after[stem] = [*before, *(f"{candidate.key_id} from {candidate.source}" for candidate in wanted)]

    # --- reading and sealing --------------------------------------------------------------------------------------------------------------

    def _read(self, sources: CopySources, wanted: Sequence[Candidate], outcome: Outcome) -> dict[Candidate, KeyCopy]:
        found: dict[Candidate, KeyCopy] = {}
        for read in sources.values(wanted):
            candidate = read.candidate
            try:
                if read.value is None:
                    raise read.problem or KeywardError("read a recovery password", target=candidate.location)
                found[candidate] = key_copy(
                    candidate.key_id,
                    read.value,
                    self._origin(candidate),
                    volume=None if candidate.volume is None else kept(candidate.volume),
                    volume_guid=candidate.volume_guid if is_guid(candidate.volume_guid) else None,
                )
            except KeywardError as problem:
                outcome.missing.append(_shortcoming(candidate, str(problem)))
        return found

    def _seal(self, machine: Machine, stem: str, keys: Sequence[KeyCopy], outcome: Outcome) -> None:
        before = lines_of(self._own(stem))
        known = [item.key for item in self._own(stem)]
        distinct = merged(MachineCopies(machine=_UNTOUCHED), MachineCopies(machine=machine, keys=tuple(keys))).keys
        disclosed = [key if any(old.is_value_of(key) for old in known) else self._disclosed(key, machine) for key in distinct]
        added = self.writer.add(machine, disclosed)
        sources = {(key.key_id, key.mark): key for key in distinct}
        for key_id in added.sealed:
            from_ = dict.fromkeys(origin.source for key in sources.values() if key.key_id == key_id for origin in key.origins)
            outcome.copied.append(_row(machine, key_id, list(from_)))
        outcome.files += added.files
        outcome.noted = outcome.noted or added.noted
        outcome.conflicting += [{"computer": machine.label, "key_id": key_id} for key_id in added.conflicting]
        outcome.stems[added.stem] = machine.label
        if added.changed:
            outcome.before[added.stem], outcome.after[added.stem] = before, lines_of(self._own(added.stem))

    def _disclosed(self, key: KeyCopy, machine: Machine) -> KeyCopy:
        if key.value is None:
            return key
        first = key.origins[0]
        sources = "+".join(dict.fromkeys(origin.source for origin in key.origins))
        return replace(key, value=self._pass(key, key.value, owner=first.location or machine.label, source=sources))

    def _pass(self, key: KeyCopy, value: Secret[str], *, owner: str, source: str) -> Secret[str]:
        try:
            return Secret(self.gate.disclose(value, key_id=key.key_id, owner=owner, source=source, action="copy"))
        except KeywardError as problem:
            raise StoppedError("copy a recovery password", target=key.key_id) from problem

    # --- looking after what is there ------------------------------------------------------------------------------------------------------

    def rekey(self, outcome: Outcome) -> None:
        """Seal anew what is not sealed as the options say: for others than before, so each key passes the gate once more."""
        for stem, state in list(self.writer.catalogue.states.items()):
            try:
                outcome.rekeyed += rekey(self.writer, stem, check_mode=self.check_mode, passing=self._passed_on).files
            except StoppedError as stopped:
                outcome.stopped = stopped.__cause__ if isinstance(stopped.__cause__, KeywardError) else stopped
                return
            except KeywardError as problem:
                outcome.missing.append(Shortcoming(computer=state.machine.label, text=str(problem)))

    def _passed_on(self, copies: MachineCopies, name: str) -> None:
        for key in copies.keys:
            if key.value is not None:
                self._pass(key, key.value, owner=f"{copies.machine.label}, {name}", source="vault")

    def verify(self, outcome: Outcome, *, again: bool) -> None:
        """Open what earlier runs wrote and nobody opened since."""
        if self.check_mode:
            return
        for stem, state in list(self.writer.catalogue.states.items()):
            if not wants_verifying(self.writer, state, again=again):
                continue
            try:
                checked = verify(self.writer, stem, again=again, now=self.now)
            except KeywardError as problem:
                outcome.missing.append(Shortcoming(computer=state.machine.label, text=str(problem)))
                continue
            outcome.verified += len(checked.verified)
            outcome.missing += [Shortcoming(computer=state.machine.label, text=str(problem)) for problem in checked.problems.values()]


def _is_usable(machine: Machine, candidate: Candidate, outcome: Outcome) -> bool:
    """Whether it can be copied; says why not, except of what is no recovery password."""
    if candidate.type != "recovery_password":
        return False
    if not candidate.readable:
        text = "This account may not read its value."
    elif candidate.defects:
        text = f"It is malformed: {'; '.join(candidate.defects)}."
    elif not is_guid(candidate.key_id):
        text = "Its source does not tell the whole key ID."
    else:
        return True
    outcome.missing.append(_shortcoming(candidate, text, machine.label))
    return False


def _shortcoming(candidate: Candidate, text: str, computer: str = "") -> Shortcoming:
    return Shortcoming(computer=computer or candidate.owner, key_id=candidate.key_id, source=candidate.source, text=text)


def _row(machine: Machine, key_id: str, sources: list[str]) -> dict[str, Any]:
    return {"computer": machine.label, "key_id": key_id, "sources": sources}


def lines_of(keys: Sequence[CardKey]) -> list[str]:
    """What a card says of its keys, for a diff; no value and nothing that is made from one."""
    listed = []
    for item in keys:
        sources = " and ".join(dict.fromkeys(origin.source for origin in item.key.origins))
        listed.append(f"{item.key.key_id} from {sources}" + (", conflicting" if item.key.conflicting else ""))
    return listed


def standing(states: Mapping[str, MachineState], *, persistent: bool) -> dict[str, int]:
    """How many keys the copy has, how many of them a later run opened, and how many count."""
    keys = [item for state in states.values() for item in state.one_for_each()]
    verified = sum(item.verified_at is not None for item in keys)
    return {
        "computers": len(states),
        "keys": len(keys),
        "verified": verified,
        "counted": verified if persistent else 0,
        "unopened_files": sum(len(state.unknown) for state in states.values()),
    }


def diffs(outcome: Outcome) -> Iterator[dict[str, str]]:
    """What changed, as Ansible shows it with --diff."""
    for stem, rows in sorted(outcome.after.items()):
        before = outcome.before.get(stem, [])
        yield {
            "before_header": f"second copy of {outcome.stems.get(stem, stem)}",
            "after_header": f"second copy of {outcome.stems.get(stem, stem)}",
            "before": "".join(f"{line}\n" for line in before),
            "after": "".join(f"{line}\n" for line in rows),
        }


def by_computer(missing: Sequence[Shortcoming]) -> list[dict[str, str]]:
    """What could not be copied, as data; each once."""
    ranked = sorted(set(missing), key=lambda item: (item.computer, item.source, item.key_id, item.text))
    return [{"computer": item.computer, "key_id": item.key_id, "source": item.source, "reason": item.text} for item in ranked]
