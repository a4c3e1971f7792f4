# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The terminal that ansible-playbook was started from: written to and read from directly, past everything of Ansible that keeps a copy.

What a task shows through Ansible reaches callbacks, ANSIBLE_LOG_PATH and the automation platform's database. So this opens the device
itself. Since ansible-core 2.19 a worker is a session of its own, without a terminal (``WorkerProcess._detach``); the terminal is then found
as that of its parent, in proc(5). A terminal that an automation platform or a pipeline made, in order to record it, is refused.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import stat
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._core.redaction import Secret
from .._errors import KeywardError

#: variables of what runs ansible-playbook in a terminal of its own and keeps all that is written there (ansible-runner's documentation and
#: sources; the variables that pipelines document)
RECORDERS: Mapping[str, str] = {
    "AWX_ISOLATED_DATA_DIR": "an automation platform",
    "AWX_PRIVATE_DATA_DIR": "an automation platform",
    "RUNNER_OMIT_EVENTS": "ansible-runner",
    "RUNNER_ONLY_FAILED_EVENTS": "ansible-runner",
    "CI": "a pipeline",
    "TF_BUILD": "a pipeline",
    "JENKINS_URL": "a pipeline",
    "TEAMCITY_VERSION": "a pipeline",
}
_NOT_SET = frozenset({"", "0", "false"})
#: terminals that cannot be cleared
_DUMB = frozenset({"", "dumb", "unknown", "emacs"})
#: xterm's second screen, which leaves nothing in what can be scrolled back to, then cleared; and the way back
_ENTER, _LEAVE = b"\x1b[?1049h\x1b[2J\x1b[H", b"\x1b[2J\x1b[H\x1b[?1049l"
#: the console of Linux has no second screen: cleared, and with it what was scrolled off (console_codes(4))
_CONSOLE_LEAVE = b"\x1b[2J\x1b[3J\x1b[H"
_ENDS = frozenset(b"\r\n\x03\x04\x1bq")
_REMEDY = (
    "Run the playbook from a terminal, or have the key sealed into a file (module recovery_sheet, or keyward_output=sealed of the playbook "
    "recover_key). output: job_log prints it where everybody who may read the job's log sees it."
)


class NoTerminalError(KeywardError):
    """There is no terminal that only a person sees."""

    def __init__(self, meaning: str, target: str = "") -> None:
        super().__init__("show a recovery key", target=target, meaning=f"{meaning}, so nothing was read", remedy=_REMEDY)


class TerminalLostError(KeywardError):
    """The terminal went away while a key was shown on it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "show a recovery key",
            code=getattr(error, "strerror", None) or type(error).__name__,
            meaning="the terminal went away after the key was handed out to it",
            remedy="Run the playbook again from a terminal that stays.",
        )


def recorder(environment: Mapping[str, str]) -> str | None:
    """What records this run's terminal, as far as the environment tells, with the variable that says so."""
    for name, what in RECORDERS.items():
        if environment.get(name, "").lower() not in _NOT_SET:
            return f"{what} runs this ({name} is set) and would record its terminal"
    return None


class ControllingTerminal:
    """One open terminal. :meth:`close` it."""

    def __init__(self, descriptor: int, kind: str) -> None:
        self._descriptor = descriptor
        self._kind = kind

    @classmethod
    def open(cls, environment: Mapping[str, str] | None = None) -> ControllingTerminal:
        """The terminal of the ansible-playbook that this process belongs to; ``environment`` is its own unless another is given.

        Raises:
            NoTerminalError: there is none, it is recorded, or it may not be used.
        """
        environment = os.environ if environment is None else environment
        if told := recorder(environment):
            raise NoTerminalError(told)
        parent = multiprocessing.parent_process()
        path = _terminal_of((parent.pid if parent else None) or os.getpid())
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise NoTerminalError(f"its terminal cannot be opened ({error.strerror})", path) from error
        os.set_blocking(descriptor, True)
        if not os.isatty(descriptor):
            os.close(descriptor)
            raise NoTerminalError("its terminal is none", path)
        return cls(descriptor, environment.get("TERM", ""))

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines; 80 and 24 where it does not know."""
        found = os.get_terminal_size(self._descriptor)
        return found.columns or 80, found.lines or 24

    @property
    def clears(self) -> bool:
        """Whether it can be cleared."""
        return self._kind not in _DUMB

    def show(self, text: Secret[str], last_line: str, *, seconds: float) -> bool:
        """Show a text until a key is pressed or the time is over, then clear it; whether a key was pressed.

        Control-C ends it like any key: as a signal it would end the worker, with the text still on the screen.

        Raises:
            TerminalLostError: it went away meanwhile.
        """
        try:
            self._forget_typed()
            with self._raw(), self._cleared():
                self._write(text)
                self._put(f"\n{last_line} ".encode())
                return self._wait(time.monotonic() + seconds)
        except (OSError, termios.error) as error:
            raise TerminalLostError(error) from error

    def close(self) -> None:
        """Let it go."""
        os.close(self._descriptor)

    # --- the inside -----------------------------------------------------------------------------------------------------------------

    def _write(self, text: Secret[str]) -> None:
        self._put(text.reveal().encode("utf-8"))

    def _put(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]

    def _forget_typed(self) -> None:
        with contextlib.suppress(termios.error):
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

    @contextmanager
    def _raw(self) -> Iterator[None]:
        """Keys come one by one, without being shown and without making signals."""
        before = termios.tcgetattr(self._descriptor)
        changed = termios.tcgetattr(self._descriptor)
        changed[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        termios.tcsetattr(self._descriptor, termios.TCSANOW, changed)
        with _at_the_end(lambda: termios.tcsetattr(self._descriptor, termios.TCSANOW, before)):
            yield

    @contextmanager
    def _cleared(self) -> Iterator[None]:
        """A screen of its own, of which nothing stays."""
        if self.clears:
            self._put(_ENTER)
        leave = b"\n" if not self.clears else _CONSOLE_LEAVE if self._kind == "linux" else _LEAVE
        with _at_the_end(lambda: self._put(leave)):
            yield

    def _wait(self, deadline: float) -> bool:
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._descriptor], [], [], left)[0]:
                break
            typed = os.read(self._descriptor, 64)
            if not typed or _ENDS & set(typed):
                return True
        return False


@contextmanager
def _at_the_end(work: Callable[[], Any]) -> Iterator[None]:
    """Do it at the end, once, also where Ansible ends the worker by a signal: its own handler leaves at once, without any ``finally``."""
    done: list[None] = []

    def once() -> None:
        if not done:
            done.append(None)
            work()

    def ending(number: int, frame: Any) -> None:
        once()
        handler = before.get(number)
        if callable(handler):
            handler(number, frame)
        else:
            os._exit(1)

    before: dict[int, Any] = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            handler = signal.getsignal(number)
            # what is ignored, as under nohup, ends nothing
            if handler is not signal.SIG_IGN:
                before[number] = handler
                signal.signal(number, ending)
    except ValueError:  # not the main thread: then there is no handler that would leave
        before.clear()
    try:
        yield
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler if handler is not None else signal.SIG_DFL)
        once()


def _terminal_of(pid: int) -> str:
    """The path of a process's controlling terminal.

    Raises:
        NoTerminalError: it has none, or is not in its foreground.
    """
    try:
        # pid (name) state ppid pgrp session tty_nr tpgid ..., and the name may hold anything (proc_pid_stat(5))
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        group, number, foreground = int(fields[2]), int(fields[4]), int(fields[5])
    except (OSError, ValueError, IndexError):
        # no Linux: a worker that was not sent away from its terminal still has it
        return "/dev/tty"
    if number <= 0:
        raise NoTerminalError("ansible-playbook has no terminal")
    if group != foreground:
        raise NoTerminalError("ansible-playbook runs in the background of its terminal")
    # as new_decode_dev() of Linux has it
    device = os.makedev((number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00))
    for path in _paths(pid, device):
        with contextlib.suppress(OSError):
            facts = os.stat(path)
            if stat.S_ISCHR(facts.st_mode) and facts.st_rdev == device:
                return path
    raise NoTerminalError("the terminal of ansible-playbook has no device here")


def _paths(pid: int, device: int) -> Iterator[str]:
    """Where a terminal may be: what the process has open, then by the numbers of Linux (devices.txt)."""
    for descriptor in range(3):
        with contextlib.suppress(OSError):
            yield os.readlink(f"/proc/{pid}/fd/{descriptor}")
    major, minor = os.major(device), os.minor(device)
    if 136 <= major <= 143:
        yield f"/dev/pts/{minor + (major - 136) * 256}"
    elif major == 4:
        yield f"/dev/tty{minor}" if minor < 64 else f"/dev/ttyS{minor - 64}"
    yield "/dev/console"
