# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What sources have to copy: the keys of chosen computers, or all of them, grouped by machine; their values are read later, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from .._core.key_lookup import Match
from .._core.key_search import Candidate, CandidateValue, KeySource, SourceAnswer, parse_term
from .._core.model import Entry, Owner, StoreState
from .._core.vault_record import Machine, is_guid, kept
from .._errors import BadDataError
from .._stores.active_directory import settings as ad
from .._stores.active_directory.store import ActiveDirectoryStore
from .._stores.entra import settings as entra
from .._stores.entra.store import EntraStore
from .._stores.files.source import FileSource
from .._stores.port import Store
from .key_finding import KeyFinder
from .key_sources import AD, ENTRA, FILE, HOST, KeyOptions, Surroundings

#: what tells most about who a machine is, first
_ORDER = (AD, ENTRA, HOST, FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcoming:
    """Something that could not be copied: whose, which key ID, from which source (each empty where none), and why."""

    text: str
    computer: str = ""
    key_id: str = ""
    source: str = ""


@dataclass(slots=True, kw_only=True)
class Offers:
    """Candidates of one machine after another, and what is missing from them."""

    machines: list[tuple[Machine, list[Candidate]]] = field(default_factory=list)
    missing: list[Shortcoming] = field(default_factory=list)


class StoreSource:
    """A whole store as a source of keys: every entry, with its owner. ``owners`` by ID."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self._store = store

    def everything(self) -> SourceAnswer:
        """All entries of the store under the empty text; one that stands for several key IDs, or none, keeps its defects."""
        reading = self._store.read()
        owners = {owner.owner_id: owner for owner in reading.owners}
        found = [
            _candidate(self.name, entry, owners.get(entry.owner_id), key_id)
            for entry in reading.entries
            for key_id in entry.key_ids or ("",)
        ]
        return SourceAnswer(source=self.name, found={"": tuple(found)}, state=reading.state, reason=reading.reason)

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        """The values of these, in order."""
        entries = [candidate.handle for candidate in candidates if isinstance(candidate.handle, Entry)]
        for candidate, read in zip(candidates, self._store.values(entries), strict=True):
            told = read.problem or next(iter(read.entry.defects[len(candidate.defects) :]), "")
            if read.entry.value is None or told:
                problem = BadDataError("read a recovery password", target=candidate.location, meaning=told or "it has none")
                yield CandidateValue(candidate=candidate, problem=problem)
            else:
                yield CandidateValue(candidate=candidate, value=read.entry.value)

    def close(self) -> None:
        """Let the connection go."""
        self._store.close()


def _candidate(source: str, entry: Entry, owner: Owner | None, key_id: str) -> Candidate:
    names = [owner.dns_name, owner.name] if owner else []
    return Candidate(
        key_id=key_id,
        source=source,
        owner=(owner.name if owner else "") or entry.owner_id,
        owner_id=entry.owner_id,
        location=entry.location,
        computers=tuple(dict.fromkeys(name.lower() for name in names if name)),
        created=entry.created,
        volume=entry.volume_type,
        volume_guid=entry.volume_guid,
        deleted_owner=entry.deleted or bool(owner and owner.deleted),
        readable=entry.readable,
        defects=entry.defects,
        handle=entry,
    )


class CopySources:
    """The sources of one task. ``every``: all that they have, else what the terms stand for."""

    def __init__(self, options: KeyOptions, around: Surroundings, terms: Sequence[str], *, every: bool) -> None:
        self._options, self._around, self._terms, self._every = options, around, terms, every
        self._open = ExitStack()
        self._sources: dict[str, KeySource | StoreSource] = {}

    def __enter__(self) -> CopySources:
        return self

    def __exit__(self, *_unused: object) -> None:
        self._open.close()

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        """The values of candidates, source by source."""
        for name, source in self._sources.items():
            if wanted := [candidate for candidate in candidates if candidate.source == name]:
                yield from source.values(wanted)

    def offers(self) -> Offers:
        """Everything that there is to copy, by machine.

        Raises:
            OptionError: an option of a source, or a term, cannot be used.
        """
        offers = Offers()
        found = self._all(offers) if self._every else self._chosen(offers)
        offers.machines = grouped(found, self._device_ids())
        return offers

    def _chosen(self, offers: Offers) -> list[Candidate]:
        finder = self._open.enter_context(KeyFinder(self._options, self._around))
        self._sources.update(finder.sources)
        found, problems = finder.find_each(self._terms, match=Match.ALL)
        offers.missing += [Shortcoming(computer=term, text=str(problem)) for term, problem in problems.items()]
        unsearched = {source: reason for key in found for source, reason in key.unsearched.items()}
        offers.missing += [Shortcoming(source=source, text=reason) for source, reason in unsearched.items()]
        return [candidate for key in found for candidate in key.record.candidates]

    def _all(self, offers: Offers) -> list[Candidate]:
        candidates: list[Candidate] = []
        for answer in self._everything():
            candidates += [candidate for found in answer.found.values() for candidate in found]
            if answer.state is not StoreState.SEARCHED:
                offers.missing.append(Shortcoming(source=answer.source, text=answer.reason or str(answer.state)))
            offers.missing += [Shortcoming(source=answer.source, text=f"{problem.where}: {problem.text}") for problem in answer.problems]
        return candidates

    def _everything(self) -> Iterator[SourceAnswer]:
        params, around = self._options.params, self._around
        for name in self._options.sources:
            if name in (AD, ENTRA):
                store: Store = (
                    ActiveDirectoryStore(ad.DirectorySettings.from_options(params[AD]), now=around.clock(), progress=around.say)
                    if name == AD
                    else EntraStore(entra.EntraSettings.from_options(params[ENTRA]), now=around.clock(), progress=around.say, values=True)
                )
                whole = self._open.enter_context(closing(StoreSource(name, store)))
                self._sources[name] = whole
                yield whole.everything()
                continue
            source = self._open.enter_context(closing(self._options.open_one(name, around)))
            self._sources[name] = source
            if name == FILE and isinstance(source, FileSource):
                yield source.everything()
            else:
                yield source.find([parse_term(f"host:{host}") for host in around.inventory.hosts.values()])

    def _device_ids(self) -> Mapping[str, str]:
        """What hosts said of their own device IDs in this play, by name: a claim, which only brings a host's own keys to its file."""
        found: dict[str, str] = {}
        for name, host in self._around.inventory.hosts.items():
            observation = self._around.inventory.observation(host)
            if observation is not None and is_guid(observation.entra_device_id):
                found[name] = str(observation.entra_device_id)
        return found


def machine_of(candidate: Candidate, device_ids: Mapping[str, str]) -> Machine:
    """Who a candidate's computer is, as far as its source says."""
    names = tuple(dict.fromkeys(kept(name.lower()) for name in candidate.computers if name))
    guid = candidate.owner_id.lower() if is_guid(candidate.owner_id.lower()) else None
    machine = Machine(
        ad_guid=guid if candidate.source == AD else None,
        entra_device_id=guid
        if candidate.source == ENTRA
        else device_ids.get(candidate.owner_id.lower())
        if candidate.source == HOST
        else None,
        serial=None if candidate.serial is None else kept(candidate.serial),
    )
    return Machine().joined(Machine(names=names)).joined(machine)


def grouped(candidates: Iterable[Candidate], device_ids: Mapping[str, str]) -> list[tuple[Machine, list[Candidate]]]:
    """Candidates by machine. One that no name and no ID tells goes to the machine that has its key ID, if only one has."""
    ranked = sorted(dict.fromkeys(candidates), key=lambda candidate: _ORDER.index(candidate.source))
    groups: list[tuple[Machine, list[Candidate]]] = []
    known: dict[str, list[int]] = {}
    for candidate in ranked:
        machine = machine_of(candidate, device_ids)
        tags = [*machine.guids, *(name for name in machine.names if "." in name)]
        rivals = dict.fromkeys(number for tag in tags for number in known.get(tag, ()))
        place = next((number for number in rivals if groups[number][0].is_the_same(machine)), None)
        if place is None and not machine.names and not machine.guids:
            holders = dict.fromkeys(known.get(f"key {candidate.key_id}", ()))
            place = next(iter(holders)) if len(holders) == 1 else None
        if place is None:
            place = len(groups)
            groups.append((machine, []))
        joined = groups[place][0].joined(machine)
        groups[place] = (joined, [*groups[place][1], candidate])
        for tag in (*tags, f"key {candidate.key_id}"):
            known.setdefault(tag, []).append(place)
    return groups
