# SPDX-License-Identifier: GPL-3.0-or-later
"""The one loader of the frozen WS-Man answers, and a transport that plays them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.xml_reader import Element, read_xml

FOLDER = Path(__file__).resolve().parents[4] / "fixtures" / "wsman"
#: the message that every frozen answer relates to
MESSAGE_ID = "uuid:11111111-1111-4111-8111-111111111111"
NAMESPACE = "root/cimv2/Security/MicrosoftVolumeEncryption"
CLASS = "Win32_EncryptableVolume"

Step = bytes | str | Exception | Callable[[bytes], bytes]


def frozen(name: str) -> bytes:
    """One frozen answer by its name without the extension."""
    return (FOLDER / f"{name}.xml").read_bytes()


def names(prefix: str) -> list[str]:
    """The names of all frozen answers that begin so."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.xml"))


def tree(data: bytes) -> Element:
    """Any XML as elements."""
    return read_xml(data, attempted="read a test's XML")


class ScriptedTransport:
    """Plays answers in order (a name of a frozen one, bytes, an exception, or a function of the request) and keeps the requests."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.steps = list(steps)
        self.sent: list[bytes] = []
        self.closed = 0

    def send(self, envelope: bytes) -> bytes:
        self.sent.append(envelope)
        if not self.steps:
            raise AssertionError(f"a request too many: {action_of(envelope)}")
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, str):
            return frozen(step)
        return step if isinstance(step, bytes) else step(envelope)

    def close(self) -> None:
        self.closed += 1

    @property
    def authenticated_names(self) -> tuple[str, ...]:
        return ("pc01.lab.example",)

    @property
    def actions(self) -> list[str]:
        """The last part of each request's action."""
        return [action_of(envelope) for envelope in self.sent]


def action_of(envelope: bytes) -> str:
    """The last part of a request's action."""
    action = tree(envelope).find("Header", "Action")
    assert action is not None
    return action.text.rpartition("/")[2]


class Clock:
    """A clock that moves only when it is told to, or by a step at each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 1000.0
        self.step = step
        self.slept: list[float] = []

    def __call__(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def session(*steps: Step, clock: Clock | None = None, **options: Any) -> tuple[Session, ScriptedTransport]:
    """A session over a scripted transport, with the message ID of the frozen answers."""
    transport = ScriptedTransport(steps)
    clock = clock or Clock()
    fixed: dict[str, Any] = {"sleep": clock.sleep, "new_id": lambda: MESSAGE_ID, "target": "https://pc01:5986/wsman"}
    return Session(transport, clock=clock, **fixed, **options), transport
