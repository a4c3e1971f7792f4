# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook in a terminal of its own (a pty), answer what it asks, and keep what was on the screen and what was elsewhere."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, clean_environment

ENTER_SCREEN, LEAVE_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
#: variables of the machine that the tests run on which say that a terminal is recorded
_RECORDERS = ("CI", "TF_BUILD", "JENKINS_URL", "TEAMCITY_VERSION", "AWX_ISOLATED_DATA_DIR", "AWX_PRIVATE_DATA_DIR", "RUNNER_OMIT_EVENTS")
SECONDS = 120.0


@dataclass(frozen=True)
class Seen:
    """What a run left: its code, everything that the terminal got, everything that went elsewhere, and what callbacks saw."""

    code: int
    terminal: str
    elsewhere: str
    record: list[dict[str, Any]]

    @property
    def screens(self) -> list[str]:
        """What stood on the terminal's second screen, each time that it was entered."""
        return [part.partition(LEAVE_SCREEN)[0] for part in self.terminal.split(ENTER_SCREEN)[1:]]

    @property
    def beside(self) -> str:
        """What the terminal got outside of its second screen, and everything that did not go to it."""
        first, *others = self.terminal.split(ENTER_SCREEN)
        return first + "".join(part.partition(LEAVE_SCREEN)[2] for part in others) + self.elsewhere + json.dumps(self.record)

    @property
    def keys(self) -> list[str]:
        """The recovery passwords that stood on the screens, read from the lines of groups."""
        found = []
        for screen in self.screens:
            groups = re.findall(r"^[1-8]  ((?:[0-9] ){5}[0-9])   ", screen.replace("\r", ""), re.MULTILINE)
            found.append("-".join(group.replace(" ", "") for group in groups))
        return found

    def result(self, task: str) -> dict[str, Any]:
        """The last result of a task."""
        return dict([entry for entry in self.record if entry["task"] == task][-1]["result"])


class Typist:
    """One running ansible-playbook in its terminal. ``answers``: what is typed when a text comes up, each as often as it does."""

    def __init__(
        self,
        player: Player,
        command: Sequence[str],
        answers: Mapping[str, str],
        *,
        size: tuple[int, int] = (80, 24),
        redirected: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._answers = answers
        self._answered = dict.fromkeys(answers, 0)
        self._folder = player.folder
        self.text = ""
        self._record = player.folder / "record.jsonl"
        self._record.unlink(missing_ok=True)
        here = clean_environment(player.folder) | {"TERM": "xterm-256color", "ANSIBLE_NOCOLOR": "1"} | player.environment
        here = {name: value for name, value in here.items() if name not in _RECORDERS} | dict(environment or {})
        self._out = player.folder / "redirected"
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            self._become(command, here, redirected=redirected)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def _become(self, command: Sequence[str], environment: Mapping[str, str], *, redirected: bool) -> None:
        """In the child: the command; nothing of the test may go on here."""
        try:
            os.chdir(self._folder)
            # so that the window has its size before anybody asks
            time.sleep(0.05)
            if redirected:
                out = os.open(self._out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                for descriptor in (1, 2):
                    os.dup2(out, descriptor)
            os.execvpe(shutil.which(command[0], path=environment["PATH"]) or command[0], list(command), dict(environment))
        finally:
            os._exit(127)

    def read_until(self, text: str, seconds: float = SECONDS) -> None:
        """Answer until a text has come up."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < deadline, f"waited in vain for {text!r}:\n{self.text}"
            assert self._step(), f"ended before {text!r}:\n{self.text}"

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def finish(self, seconds: float = SECONDS) -> Seen:
        """Answer until it has ended."""
        deadline = time.monotonic() + seconds
        while self._step():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"it did not end:\n{self.text}")
        status = os.waitpid(self.pid, 0)[1]
        os.close(self._master)
        lines = self._record.read_text(encoding="utf-8").splitlines() if self._record.exists() else []
        elsewhere = self._out.read_text(encoding="utf-8") if self._out.exists() else ""
        return Seen(os.waitstatus_to_exitcode(status), self.text, elsewhere, [json.loads(line) for line in lines])

    def _step(self) -> bool:
        """Take what comes within a moment and answer it; False at the end."""
        if not select.select([self._master], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has it open any more
            return False
        self.text += data.decode("utf-8", "replace")
        for text, answer in self._answers.items():
            while self.text.count(text) > self._answered[text]:
                self._answered[text] += 1
                self.type(answer)
        return bool(data)


def shown(player: Player, playbook: str, *arguments: str, answers: Mapping[str, str] | None = None, **more: Any) -> Seen:
    """Run a playbook in a terminal, and press Enter whenever a key is on the screen."""
    hosts = player.inventory() if player.lab is not None else player.write("here.yml", {"all": {"hosts": {}}})
    command = ["ansible-playbook", "-i", str(hosts), *arguments, playbook]
    return Typist(player, command, {"clears the screen": "\r", "Enter goes on.": "\r"} | dict(answers or {}), **more).finish()


def without_terminal(player: Player, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook in a session that has no terminal, as cron and pipelines do."""
    hosts = player.inventory() if player.lab is not None else player.write("here.yml", {"all": {"hosts": {}}})
    environment = clean_environment(player.folder) | player.environment
    command = ["ansible-playbook", "-i", str(hosts), *arguments, playbook]
    executable = shutil.which(command[0], path=environment["PATH"])
    return subprocess.run(
        [str(executable), *command[1:]],
        cwd=player.folder,
        env={name: value for name, value in environment.items() if name not in _RECORDERS},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        start_new_session=True,
    )


def spellings(password: str) -> list[str]:
    """A recovery password as it may stand in a text: whole, in digits alone, each of its groups in figures apart."""
    groups = password.split("-")
    return [password, password.replace("-", ""), password.replace("-", " "), *(" ".join(group) for group in groups), *groups]


__all__ = ["Seen", "Typist", "shown", "spellings", "without_terminal"]
