# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanges are numbered over all peers, and one of them goes wrong.

A clean run first: its journal has each exchange with its number. Then the run again, once for each number and kind::

    {"number": 4, "side": "host", "peer": "pc01", "what": "Invoke DeleteKeyProtector", "changes": true, "mishap": null}

Numbers are those of requests as they begin; a run in one thread gives the same ones again.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

#: the controller dies before the request is sent, or after it was carried out; the answer is lost on its way; the peer refuses, nothing is
#: done; the answer is late; the peer says yes and has done nothing (of a search: found nothing)
KILLED_BEFORE, KILLED_AFTER, LOST, ERROR, SLOW, LIED = "killed_before", "killed_after", "lost", "error", "slow", "lied"
KINDS = (KILLED_BEFORE, KILLED_AFTER, LOST, ERROR, SLOW, LIED)
#: kinds with which the peer does what it was asked for
DONE_KINDS = frozenset({KILLED_AFTER, LOST, SLOW})
HOST, AD, GRAPH = "host", "ad", "graph"


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """What goes wrong at exchange ``at``. ``seconds``: how late an answer is. ``group``: process group that is killed with SIGKILL.

    ``times``: so many exchanges from there on go wrong (a peer that is down for a while); a killed one is killed once.
    """

    at: int
    kind: str
    seconds: float = 2.0
    group: int | None = None
    times: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.at < 1 or self.times < 1:
            raise ValueError(f"no mishap {self.kind!r} at {self.at}, {self.times} times")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One numbered exchange; ``changes``: it asks the peer to change something; ``mishap``: what befell it."""

    number: int
    side: str
    peer: str
    what: str
    changes: bool = False
    mishap: str | None = None


class Fate:
    """Numbers exchanges and decides over each.

    Args:
        journal: gets a line for each exchange; None keeps them in memory alone.
        control: a file that arms it from outside, see :func:`write_control`; looked at before each exchange.
        watch: called with each exchange when it is over, whatever befell it: for checks that hold at every moment.
    """

    def __init__(
        self, *, journal: Path | None = None, control: Path | None = None, watch: Callable[[Exchange], None] = lambda exchange: None
    ) -> None:
        self._journal = journal
        self._control = control
        self._controlled: tuple[int, int] | None = None
        self._watch = watch
        self._lock = threading.Lock()
        self.exchanges: list[Exchange] = []
        self.mishap: Mishap | None = None

    def arm(self, mishap: Mishap | None) -> None:
        """Begin a run: numbers start at 1 again."""
        with self._lock:
            self._arm(mishap)

    def _arm(self, mishap: Mishap | None) -> None:
        self.mishap, self.exchanges = mishap, []
        if self._journal is not None:
            self._journal.write_text("", encoding="utf-8")

    def begins(self, side: str, peer: str, what: str, *, changes: bool = False) -> tuple[Exchange, Mishap | None]:
        """The next exchange, and what is to befall it. To lie about what changes nothing is only meant for searches."""
        with self._lock:
            self._look()
            number, mishap = len(self.exchanges) + 1, self.mishap
            hit = mishap is not None and mishap.at <= number < mishap.at + mishap.times
            if mishap is not None and mishap.kind == LIED and not changes and side == HOST:
                hit = False
            exchange = Exchange(
                number=number, side=side, peer=peer, what=what, changes=changes, mishap=mishap.kind if hit and mishap is not None else None
            )
            self.exchanges.append(exchange)
            if self._journal is not None:
                with self._journal.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(asdict(exchange)) + "\n")
        return exchange, mishap if hit else None

    def over(self, exchange: Exchange) -> None:
        """An exchange has ended, whatever befell it."""
        self._watch(exchange)

    def _look(self) -> None:
        if self._control is None:
            return
        try:
            known = self._control.stat()
        except FileNotFoundError:
            return
        if (known.st_ino, known.st_mtime_ns) != self._controlled:
            self._controlled = known.st_ino, known.st_mtime_ns
            said = json.loads(self._control.read_text(encoding="utf-8"))
            self._arm(None if said is None else Mishap(**said))


def write_control(control: Path, mishap: Mishap | None) -> None:
    """Arm whoever watches this file, for a run that begins; whole or not at all."""
    temporary = control.with_suffix(".new")
    temporary.write_text(json.dumps(None if mishap is None else asdict(mishap)), encoding="utf-8")
    temporary.replace(control)


def read_journal(journal: Path) -> list[Exchange]:
    """The exchanges of the run so far."""
    if not journal.exists():
        return []
    rows: list[Any] = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return [Exchange(**row) for row in rows]


def cells(clean: list[Exchange], *, kinds: tuple[str, ...] = KINDS) -> list[Mishap]:
    """What is to be tried after a clean run: every kind at every exchange; a lie only where something would change, or be found."""
    return [
        Mishap(at=exchange.number, kind=kind)
        for exchange in clean
        for kind in kinds
        if kind != LIED or exchange.changes or exchange.side != HOST
    ]


def in_group(mishap: Mishap, group: int) -> Mishap:
    """The same mishap for a process group."""
    return replace(mishap, group=group)


def kill(mishap: Mishap) -> None:
    """Kill the controller's process group, as a power cut would."""
    if mishap.group is not None:
        with suppress(ProcessLookupError):
            os.killpg(mishap.group, signal.SIGKILL)
        # its sockets are closed by the kernel: nothing that is sent from here on arrives
        time.sleep(0.05)
