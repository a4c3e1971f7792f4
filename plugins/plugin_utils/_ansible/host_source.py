# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The live computer as a source: what recovery passwords it lists now, and one itself where it was chosen.

Only computers of the inventory are asked, and only those that a term names: a key ID is never looked for on a whole fleet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from .._core.key_lookup import ProtectorList
from .._core.key_search import Candidate, CandidateValue, SourceAnswer, SourceProblem, Term
from .._core.model import StoreState
from .._errors import KeywardError, OptionError
from .._windows import live_keys
from .._windows.reads import Reads
from .._windows.wsman.session import Session
from .._windows.wsman.settings import ConnectionSettings
from .._windows.wsman.transports import open_transport
from .inventory import Inventory

SOURCE = "host"


class HostSource:
    """Each host is asked once; its connection stays open for the values that are chosen.

    ``lists``: what the hosts that were asked list, to mark what other sources have.
    """

    name = SOURCE

    def __init__(self, inventory: Inventory, *, now: Callable[[], datetime], warn: Callable[[str], None]) -> None:
        self._inventory = inventory
        self._now = now
        self._warn = warn
        self._sessions: dict[str, Session] = {}
        self._answers: dict[str, SourceAnswer] = {}
        self.lists: dict[str, ProtectorList] = {}

    def find(self, terms: Sequence[Term]) -> SourceAnswer:
        """The protectors of the hosts that the terms name. One that does not answer makes the state partial, or down where none does."""
        hosts = {term.text: host for term in terms if (host := self._inventory.host_of(term)) is not None}
        answers = {host: self._answer(host) for host in dict.fromkeys(hosts.values())}
        states = {answer.state for answer in answers.values()}
        return SourceAnswer(
            source=self.name,
            found={text: answers[host].found[""] for text, host in hosts.items() if answers[host].found.get("")},
            state=StoreState.SEARCHED if not states else next(iter(states)) if len(states) == 1 else StoreState.PARTIAL,
            reason=next((answer.reason for answer in answers.values() if answer.reason), ""),
            problems=tuple(problem for answer in answers.values() for problem in answer.problems),
            asked=bool(hosts),
        )

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        """GetKeyProtectorNumericalPassword of each, over the connection that its host was asked over."""
        for candidate in candidates:
            protector = candidate.handle
            if not isinstance(protector, live_keys.LiveProtector):
                raise TypeError("a candidate of another source")
            try:
                value = live_keys.read(self._session(candidate.owner_id), protector)
            except KeywardError as problem:
                yield CandidateValue(candidate=candidate, problem=problem)
            else:
                yield CandidateValue(candidate=candidate, value=value)

    def close(self) -> None:
        """Let the connections go."""
        while self._sessions:
            self._sessions.popitem()[1].close()

    def _session(self, host: str) -> Session:
        if host not in self._sessions:
            settings = self._inventory.connection(host)
            for warning in settings.warnings:
                self._warn(warning)
            if _in_clear(settings):
                raise OptionError(
                    "ask a host for its recovery key",
                    target=host,
                    meaning="the connection is not encrypted, and the key would travel in clear text",
                    remedy="Use HTTPS (port 5986), or Kerberos with message encryption.",
                )
            self._sessions[host] = Session(
                open_transport(settings),
                operation_timeout=settings.operation_timeout,
                target=settings.endpoint,
                username=settings.username,
            )
        return self._sessions[host]

    def _answer(self, host: str) -> SourceAnswer:
        if host not in self._answers:
            self._answers[host] = self._ask(host)
        return self._answers[host]

    def _ask(self, host: str) -> SourceAnswer:
        """One host's answer; what it found stands under the empty text."""
        now = self._now()
        try:
            listed = live_keys.read_list(self._session(host), Reads.begin(self._now))
        except KeywardError as problem:
            # a transport whose first exchange failed would send its next message in clear
            if host in self._sessions:
                self._sessions.pop(host).close()
            return SourceAnswer(source=self.name, state=StoreState.DOWN, reason=f"{host}: {problem}")
        names = (host.lower(), *(name for name in listed.names if name != host.lower()))
        found = tuple(
            Candidate(
                key_id=protector.key_id,
                source=self.name,
                owner=host,
                owner_id=host,
                location=f"{host} {protector.volume or protector.device_id}",
                computers=names,
                serial=listed.serial,
                volume=protector.volume,
                live=True,
                handle=protector,
            )
            for protector in listed.protectors
        )
        whole = not listed.problems
        self.lists[host] = ProtectorList(
            computers=frozenset(names) if whole else frozenset(),
            key_ids=frozenset(candidate.key_id for candidate in found),
            as_of=now,
        )
        return SourceAnswer(
            source=self.name,
            found={"": found},
            state=StoreState.SEARCHED if whole else StoreState.PARTIAL,
            reason="" if whole else f"{host}: {listed.problems[0]}",
            problems=tuple(SourceProblem(where=host, text=str(problem)) for problem in listed.problems),
        )


def _in_clear(settings: ConnectionSettings) -> bool:
    """Whether nobody encrypts: plain HTTP, with an authentication that cannot or a message encryption that is switched off."""
    return settings.scheme == "http" and (
        settings.message_encryption == "never" or bool({"basic", "certificate"} & set(settings.transport))
    )
