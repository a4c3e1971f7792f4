# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Finding keys and reading the chosen ones: what the lookup, the module and everything that hands out keys have in common.

Metadata first, from every source once; then a choice; then each chosen key by its exact place; then the disclosure gate, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, runtime_checkable

from .._core.key_lookup import (
    RECOVERY_PASSWORD,
    AgreedValue,
    AmbiguousKeyError,
    CouldNotLookError,
    FoundKey,
    KeyRecord,
    Match,
    NoSuchKeyError,
    ProtectorList,
    Search,
    agree,
    choose,
    merge,
)
from .._core.key_search import Candidate, CandidateValue, KeySource, SourceAnswer, Term, parse_term
from .._core.model import StoreState
from .._core.redaction import Secret
from .._errors import KeywardError
from .key_sources import HOST, KeyOptions, Surroundings


@runtime_checkable
class ListsProtectors(KeySource, Protocol):
    """The source ``host``: beside candidates it has what each host that was asked lists."""

    lists: dict[str, ProtectorList]


class Gate(Protocol):
    """The disclosure gate."""

    def disclose(self, secret: Secret[str], *, key_id: str, owner: str, source: str, action: str = "reveal") -> str:
        """Record one disclosure, then return the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKey:
    """A chosen key whose value every source that was read agrees on; the value is still secret."""

    found: FoundKey
    value: AgreedValue

    def disclose(self, gate: Gate, action: str) -> str:
        """The recovery password, after its audit record. Raises what the gate raises."""
        record = self.found.record
        sources = "+".join(self.value.sources)
        return gate.disclose(self.value.secret, key_id=record.key_id, owner=owner_of(self.value.given[0]), source=sources, action=action)


def owner_of(candidate: Candidate) -> str:
    """An owner as audit records name it: a DN or path where the source has one, a device's name and ID."""
    if candidate.source == "entra":
        return f"{candidate.owner or 'device'} {candidate.owner_id or 'unknown'}"
    return candidate.location or candidate.owner


class KeyFinder:
    """One task's search; sources, connections and what was read of them are kept until :meth:`close` and never longer.

    Raises:
        OptionError: the options, or those of a source, cannot be used.
    """

    def __init__(self, options: KeyOptions, surroundings: Surroundings) -> None:
        self.options = options
        self._around = surroundings
        self._sources = options.open(surroundings)
        self._warned: set[str] = set()

    def __enter__(self) -> KeyFinder:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let every source go; may be called twice."""
        for source in self._sources.values():
            source.close()

    @property
    def sources(self) -> Mapping[str, KeySource]:
        """The open sources by name, for who needs every value and not the one that all agree on."""
        return self._sources

    def find(self, terms: Sequence[str], *, match: Match | None = None) -> list[FoundKey]:
        """The keys that the terms stand for, in their order (a term that is given twice stands for its keys twice); metadata only.

        Raises:
            OptionError: a term, or an option of a source, cannot be used.
            KeywardError: a term stands for no key, or for several; with several such terms, one error tells of each.
        """
        found, problems = self.find_each(terms, match=match)
        if problems:
            raise _combined(list(problems.values()))
        return found

    def find_each(self, terms: Sequence[str], *, match: Match | None = None) -> tuple[list[FoundKey], dict[str, KeywardError]]:
        """As :meth:`find`, with the terms that stand for no key, or for several, beside those that were found."""
        parsed = [parse_term(text) for text in dict.fromkeys(terms)]
        answers = self._ask(parsed)
        chosen: dict[str, tuple[FoundKey, ...]] = {}
        problems: dict[str, KeywardError] = {}
        for term in parsed:
            records = self._records(term, answers[term.text])
            try:
                chosen[term.text] = choose(term, records, answers[term.text], match or self.options.match)
            except (NoSuchKeyError, CouldNotLookError, AmbiguousKeyError) as problem:
                problems[term.text] = problem
        found = [key for text in terms for key in chosen.get(text, ())]
        self._warn_of_unsearched(found)
        return found, problems

    def read(self, found: Sequence[FoundKey]) -> Iterator[ReadKey | KeywardError]:
        """For each found key its value, or why it cannot be handed out; each is read once, from each source that has it."""
        records = {_place(key.record): key.record for key in found}
        values: dict[tuple[str, ...], list[CandidateValue]] = {place: [] for place in records}
        for name, source in self._sources.items():
            wanted = [
                (place, candidate) for place, record in records.items() for candidate in record.candidates if candidate.source == name
            ]
            if wanted:
                read = source.values([candidate for _place_of, candidate in wanted])
                for (place, _candidate), value in zip(wanted, read, strict=True):
                    values[place].append(value)
        for key in found:
            try:
                agreed = agree(key.record, values[_place(key.record)])
            except KeywardError as problem:
                yield problem
            else:
                self._warn_of_doubts(key.record, agreed)
                yield ReadKey(found=key, value=agreed)

    # --- asking -------------------------------------------------------------------------------------------------------------------

    def _ask(self, terms: Sequence[Term]) -> dict[str, list[SourceAnswer]]:
        """Each term's answers, in the order of the sources; of a term that was found already with ``search: first`` no more are asked."""
        answers: dict[str, list[SourceAnswer]] = {term.text: [] for term in terms}
        for name, source in self._sources.items():
            open_terms = [term for term in terms if self.options.search is Search.ALL or not _has(answers[term.text], term)]
            if not open_terms:
                continue
            if name == HOST:
                for term in open_terms:
                    answers[term.text].append(source.find([term]))
                continue
            answer = self._with_other_names(source, open_terms)
            for term in open_terms:
                answers[term.text].append(answer)
        return answers

    def _with_other_names(self, source: KeySource, terms: Sequence[Term]) -> SourceAnswer:
        """What a source has for the terms; for those that it has nothing for, what it has for other names of the same computers."""
        answer = source.find(terms)
        others = {term.text: more for term in terms if not answer.found.get(term.text) and (more := self._around.inventory.others(term))}
        if not others:
            return answer
        again = source.find(list({term.text: term for more in others.values() for term in more}.values()))
        found = dict(answer.found)
        for text, more in others.items():
            found[text] = tuple(dict.fromkeys(candidate for term in more for candidate in again.found.get(term.text, ())))
        # a source that came back meanwhile has still not been asked the first question
        worse = again if answer.state is StoreState.SEARCHED else answer
        return replace(worse, found=found, problems=tuple(dict.fromkeys((*answer.problems, *again.problems))))

    def _records(self, term: Term, answers: Sequence[SourceAnswer]) -> tuple[KeyRecord, ...]:
        names = dict.fromkeys(name for answer in answers for found in answer.found.get(term.text, ()) for name in found.computers)
        lists: list[ProtectorList] = self._around.inventory.lists(term, names)
        host = self._sources.get(HOST)
        if isinstance(host, ListsProtectors):
            if self._around.inventory.host_of(term) and not any(answer.source == HOST for answer in answers):
                # found elsewhere already; the computer still knows best which of its keys are in use
                host.find([term])
            # any host may claim any key ID: each is believed about itself alone
            lists += [host.lists[name] for name in self._around.inventory.hosts_for(term, names) if name in host.lists]
        return merge(term, answers, lists)

    def _warn_of_unsearched(self, found: Sequence[FoundKey]) -> None:
        for source, reason in ((source, reason) for key in found for source, reason in key.unsearched.items()):
            if source not in self._warned:
                self._warned.add(source)
                self._around.warn(f"The source {source} could not be searched to its end, so it may hold other keys too. {reason}")

    def _warn_of_doubts(self, record: KeyRecord, agreed: AgreedValue) -> None:
        """What a caller would not learn from the password alone: a place that was not compared, and an entry that is not sound."""
        whose = f"The key {record.key_id or 'without an ID'}"
        told = [
            f"{whose} could not be read from {unread.candidate.source}, so what is there was not compared. {unread.problem or ''}".rstrip()
            for unread in agreed.problems
        ]
        told += [f"{whose} of {record.owner} is marked: {'; '.join(record.defects)}."] if record.defects else []
        for text in told:
            if text not in self._warned:
                self._warned.add(text)
                self._around.warn(text)


def _has(answers: Sequence[SourceAnswer], term: Term) -> bool:
    """Whether a source has something that it can hand out: a .BEK file, or a key that this account may not read, ends no search."""
    found = (candidate for answer in answers for candidate in answer.found.get(term.text, ()))
    return any(candidate.type == RECOVERY_PASSWORD and candidate.readable for candidate in found)


def _place(record: KeyRecord) -> tuple[str, ...]:
    """What tells a record from others: its key ID with its places, as two terms may have found different places of one key."""
    return (record.key_id, *sorted(f"{found.source} {found.owner_id} {found.location}" for found in record.candidates))


def _combined(problems: Sequence[KeywardError]) -> KeywardError:
    if len(problems) == 1:
        return problems[0]
    told = " ".join(str(problem) for problem in problems[:5])
    more = f" And {len(problems) - 5} more." if len(problems) > 5 else ""
    return KeywardError("find every recovery key", meaning=f"{len(problems)} terms have no single key: {told}{more}")
