# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab that stays up: one supervising process, known by its ID and its start time, so that nobody else's process is ever stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.lab.lab import LabError


class NotRunningError(RuntimeError):
    """There is no lab to stop."""


class Background:
    """The supervising process of the lab in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._file = self._folder / "lab.pid"

    @property
    def pid(self) -> int:
        """Its process ID, 0 where none is known."""
        return self._read()[0]

    @property
    def running(self) -> bool:
        """Whether it is that very process that still runs."""
        pid, started = self._read()
        return pid != 0 and _start_time(pid) == started

    def refuse_if_running(self) -> None:
        """Raise LabError if a lab runs in this folder."""
        if self.running:
            raise LabError(f"a lab runs in {self._folder} (process {self.pid}): stop it with down, or give another folder")

    def announce(self) -> None:
        """Called by the supervising process once the lab is up."""
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps([os.getpid(), _start_time(os.getpid())]), encoding="utf-8")
        temporary.replace(self._file)

    def withdraw(self) -> None:
        """Called by the supervising process when it ends."""
        self._file.unlink(missing_ok=True)

    def launch(self, command: Sequence[str], python_path: str, *, timeout: float) -> None:
        """Start the supervising process and wait until it announces itself.

        Raises:
            LabError: it ended or took too long; the text is what it said.
        """
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        # beside the folder until it is up: the lab clears the folder
        log = self._folder.with_name(f".{self._folder.name}.log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": python_path},
            )
        deadline = time.monotonic() + timeout
        while not self.running:
            if process.poll() is not None:
                said = log.read_text(encoding="utf-8", errors="replace").strip()
                log.unlink()
                raise LabError(said.removeprefix("lab: ") or f"the lab ended with status {process.returncode}")
            if time.monotonic() > deadline:
                process.terminate()
                process.wait(60)
                raise LabError(f"the lab was not up within {timeout:.0f} s; see {log}")
            time.sleep(0.05)
        log.replace(self._folder / "logs" / "lab.log")

    def stop(self, *, timeout: float) -> None:
        """Stop it and wait until everything it started has ended.

        Raises:
            NotRunningError: there is none.
            LabError: it did not end in time.
        """
        if not self.running:
            self._file.unlink(missing_ok=True)
            raise NotRunningError(f"no lab runs in {self._folder}")
        pid, started = self._read()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while _start_time(pid) == started:
            if time.monotonic() > deadline:
                raise LabError(f"process {pid} did not end within {timeout:.0f} s; see {self._folder / 'logs'}")
            time.sleep(0.05)

    def _read(self) -> tuple[int, int]:
        try:
            pid, started = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0, 0
        return int(pid), int(started)


def _start_time(pid: int) -> int:
    """When a process started, in ticks since boot (proc(5), field 22); 0 if there is no such process, or it only waits to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in ("Z", "X") else int(fields[19])
