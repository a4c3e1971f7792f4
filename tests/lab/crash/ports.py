# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients in this process: whatever they send through is wrapped, so that one exchange goes wrong.

The client's own errors are not known here; a test gives them::

    transport = MeddledTransport(real, fate, peer="pc01", lost=lambda: ConnectionLostError(...))
    store = Meddled(real, fate, side=AD, peer="dc1", forms={"read": Forms(lost=..., error=..., lie=lambda *_unused: empty)})

A killed controller is :class:`Killed`, which no ``except Exception`` catches; from then on everything that it still tries dies as well,
until :meth:`Fate.arm`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from . import soap
from .fate import ERROR, HOST, KILLED_AFTER, KILLED_BEFORE, LIED, LOST, SLOW, Fate, Mishap

T = TypeVar("T")


class Killed(BaseException):
    """The controller is dead. No error: nothing may handle it."""


class Sender(Protocol):
    """A transport: one message there, one back."""

    def send(self, envelope: bytes) -> bytes:
        """One exchange."""


@dataclass(frozen=True, kw_only=True)
class Forms:
    """How a client meets trouble, and what a liar would answer (given the call's arguments).

    ``error``: the client's error where the peer refuses. ``lie``: None where nothing can be lied about. ``changes``: as in the journal.
    """

    lost: Callable[[], BaseException]
    error: Callable[[], BaseException]
    lie: Callable[..., Any] | None = None
    changes: bool = False


class Gate:
    """One exchange through a fate; ``sleep`` is how a slow answer takes its time."""

    def __init__(self, fate: Fate, *, side: str, peer: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._fate = fate
        self._side = side
        self._peer = peer
        self._sleep = sleep

    def carry(self, what: str, do: Callable[[], T], forms: Forms, lie: Callable[[], T] | None = None) -> T:
        """Do it, or not, as it is fated. Raises what ``forms`` says, or Killed."""
        self._refuse_the_dead()
        exchange, mishap = self._fate.begins(self._side, self._peer, what, changes=forms.changes)
        try:
            return do() if mishap is None else self._befall(mishap, do, forms, lie)
        finally:
            self._fate.over(exchange)

    def _refuse_the_dead(self) -> None:
        if any(item.mishap in (KILLED_BEFORE, KILLED_AFTER) for item in self._fate.exchanges):
            raise Killed

    def _befall(self, mishap: Mishap, do: Callable[[], T], forms: Forms, lie: Callable[[], T] | None) -> T:
        if mishap.kind == KILLED_BEFORE:
            raise Killed
        if mishap.kind == ERROR:
            raise forms.error()
        if mishap.kind == LIED and lie is not None:
            return lie()
        made = do()
        if mishap.kind == KILLED_AFTER:
            raise Killed
        if mishap.kind == LOST:
            raise forms.lost()
        if mishap.kind == SLOW:
            self._sleep(mishap.seconds)
        return made


class MeddledTransport:
    """A host's transport (``send`` of one SOAP envelope); everything else of it is the real one's.

    ``error`` None: the peer refuses with a SOAP fault, as the body of a status 500 would be given to the client.
    """

    def __init__(
        self,
        real: Sender,
        fate: Fate,
        *,
        peer: str,
        lost: Callable[[], BaseException],
        error: Callable[[], BaseException] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._real = real
        self._gate = Gate(fate, side=HOST, peer=peer, sleep=sleep)
        self._lost = lost
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def send(self, envelope: bytes) -> bytes:
        """One exchange."""
        asked = soap.read(envelope)
        if self._error is not None:
            forms = Forms(lost=self._lost, error=self._error, changes=asked.changes)
        else:
            forms = Forms(lost=self._lost, error=lambda: _RefusedError(soap.refusal(asked)), changes=asked.changes)
        try:
            return self._gate.carry(asked.what, lambda: self._real.send(envelope), forms, lambda: soap.lie(asked))
        except _RefusedError as refused:
            return refused.answer


class _RefusedError(Exception):
    """Carries the answer of a peer that refuses."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("refused")
        self.answer = answer


class Meddled:
    """Any object: each call of a method that has forms is an exchange; everything else is the real object's."""

    def __init__(
        self, real: object, fate: Fate, *, side: str, peer: str, forms: Mapping[str, Forms], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._real = real
        self._gate = Gate(fate, side=side, peer=peer, sleep=sleep)
        self._forms = forms

    def __getattr__(self, name: str) -> Any:
        real, forms = getattr(self._real, name), self._forms.get(name)
        if forms is None:
            return real
        liar = forms.lie

        def called(*arguments: Any, **named: Any) -> Any:
            lie = None if liar is None else lambda: liar(*arguments, **named)
            return self._gate.carry(name, lambda: real(*arguments, **named), forms, lie)

        return called
