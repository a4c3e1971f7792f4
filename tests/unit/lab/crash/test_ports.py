# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanges of clients in this process: numbered, and each kind of trouble does what it says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.crash import fate as fates
from ansible_collections.keyward.bitlocker.tests.lab.crash.fate import (
    AD,
    DONE_KINDS,
    ERROR,
    KILLED_AFTER,
    KILLED_BEFORE,
    KINDS,
    LIED,
    LOST,
    SLOW,
    Fate,
    Mishap,
    cells,
    read_journal,
    write_control,
)
from ansible_collections.keyward.bitlocker.tests.lab.crash.ports import Forms, Killed, Meddled, MeddledTransport
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import Exchange
from ansible_collections.keyward.bitlocker.tests.lab.hosts.wsman import WsmanService
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import NOW, Answer, Message, make_host


class LostError(Exception):
    """What the client of these tests raises for a lost answer."""


class Client:
    """A client of one host that reads a lock, adds a password and reads again."""

    def __init__(self, fate: Fate) -> None:
        self.service = WsmanService(make_host(), NOW)
        self.slept: list[float] = []
        self.transport = MeddledTransport(self, fate, peer="pc01", lost=LostError, sleep=self.slept.append)
        self.answers: list[Answer] = []

    def send(self, envelope: bytes) -> bytes:
        return self.service.handle(envelope, Exchange(1, 1))[1]

    @property
    def passwords(self) -> int:
        return sum(item.type == 3 for item in self.service.host.volumes[0].protectors)

    def run(self) -> None:
        for method in ("GetLockStatus", "ProtectKeyWithNumericalPassword", "GetKeyProtectors"):
            self.answers.append(Answer(200, self.transport.send(Message.volume(method))))


def test_a_clean_run_numbers_what_is_exchanged() -> None:
    seen: list[int] = []
    fate = Fate(watch=lambda exchange: seen.append(exchange.number))
    Client(fate).run()
    assert [(item.number, item.what, item.changes) for item in fate.exchanges] == [
        (1, "Invoke GetLockStatus", False),
        (2, "Invoke ProtectKeyWithNumericalPassword", True),
        (3, "Invoke GetKeyProtectors", False),
    ]
    assert seen == [1, 2, 3]
    tried = cells(fate.exchanges)
    assert len(tried) == len(set(tried)) == 5 * 3 + 1
    assert [item.at for item in tried if item.kind == LIED] == [2]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_at_the_exchange_that_changes_something(kind: str) -> None:
    fate = Fate()
    fate.arm(Mishap(at=2, kind=kind, seconds=3.0))
    client = Client(fate)
    ends: dict[str, type[BaseException]] = {KILLED_BEFORE: Killed, KILLED_AFTER: Killed, LOST: LostError}
    if kind in ends:
        with pytest.raises(ends[kind]):
            client.run()
    else:
        client.run()
    assert client.passwords == (2 if kind in DONE_KINDS else 1)
    assert client.slept == ([3.0] if kind == SLOW else [])
    if kind == ERROR:
        assert client.answers[1].fault == ("w:InternalError", 0x80004005)
    if kind == LIED:
        claimed = client.answers[1].texts("VolumeKeyProtectorID")[0]
        assert client.answers[1].result == 0
        assert claimed not in client.answers[2].texts("VolumeKeyProtectorID")
    assert [item.mishap for item in fate.exchanges if item.number == 2] == [kind]


def test_the_dead_send_nothing_until_a_run_begins_anew() -> None:
    fate = Fate()
    fate.arm(Mishap(at=1, kind=KILLED_BEFORE))
    client = Client(fate)
    for _unused in range(2):
        with pytest.raises(Killed):
            client.run()
    assert len(fate.exchanges) == 1
    fate.arm(None)
    client.run()
    assert client.passwords == 2


def test_a_peer_can_be_away_for_a_while() -> None:
    fate = Fate()
    fate.arm(Mishap(at=1, kind=ERROR, times=2))
    client = Client(fate)
    client.run()
    assert client.passwords == 1
    assert [item.mishap for item in fate.exchanges] == [ERROR, ERROR, None]


def test_any_object_of_a_client_can_be_meddled_with() -> None:
    class Store:
        name = "ad"

        def __init__(self) -> None:
            self.written: list[str] = []

        def read(self, what: str) -> list[str]:
            return [*self.written, what]

        def close(self) -> str:
            return "closed"

    fate, real = Fate(), Store()
    forms = {"read": Forms(lost=LostError, error=LostError, lie=lambda what: ["nothing", what])}
    store: Any = Meddled(real, fate, side=AD, peer="dc1", forms=forms)
    assert (store.name, store.close(), store.read("x")) == ("ad", "closed", ["x"])
    fate.arm(Mishap(at=1, kind=LIED))
    assert store.read("y") == ["nothing", "y"]
    assert store.read("z") == ["z"]
    assert [item.peer for item in fate.exchanges] == ["dc1", "dc1"]


def test_a_file_arms_it_and_a_journal_tells(tmp_path: Path) -> None:
    control, journal = tmp_path / "control.json", tmp_path / "journal.jsonl"
    fate = Fate(control=control, journal=journal)
    assert fate.begins("host", "a", "one")[1] is None
    write_control(control, Mishap(at=2, kind=LOST))
    assert fate.begins("host", "a", "two")[1] is None
    assert fate.begins("host", "a", "three")[1] == Mishap(at=2, kind=LOST)
    assert [(item.number, item.what, item.mishap) for item in read_journal(journal)] == [(1, "two", None), (2, "three", LOST)]
    write_control(control, None)
    assert fate.begins("graph", "g", "four")[0].number == 1
    assert read_journal(tmp_path / "none") == []


@pytest.mark.parametrize("wrong", [{"at": 0, "kind": LOST}, {"at": 1, "kind": "no such"}, {"at": 1, "kind": LOST, "times": 0}])
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no mishap"):
        Mishap(**wrong)


def test_a_group_is_killed_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda group, number: killed.append((group, number)))
    fates.kill(Mishap(at=1, kind=KILLED_BEFORE))
    fates.kill(fates.in_group(Mishap(at=1, kind=KILLED_BEFORE), 4711))
    assert killed == [(4711, 9)]
