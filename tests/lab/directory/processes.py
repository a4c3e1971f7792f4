# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and stop children by their process ID, and wait: nothing of the lab outlives the lab."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ChildError(RuntimeError):
    """A child could not be started, or ended before it was ready; carries the end of its log."""


def _die_with_parent() -> None:
    """So that a killed test run leaves no server behind."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Child:
    """One background process with a log file."""

    def __init__(self, name: str, command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self) -> int:
        """Process ID, of the child and of its group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_for_port(self, address: str, port: int, timeout: float) -> None:
        """Return once the port accepts.

        Raises:
            ChildError: the child ended, or the port did not accept in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            if not self.running:
                raise ChildError(
                    f"{self.name} ended with status {self._process.returncode} before {address}:{port} listened:\n{self.log_tail()}"
                )
            with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1.0):
                return
            if time.monotonic() > deadline:
                raise ChildError(f"{self.name}: {address}:{port} did not listen within {timeout:g} s:\n{self.log_tail()}")
            time.sleep(0.02)

    def wait_for_file(self, path: Path, timeout: float) -> None:
        """Return once the file exists.

        Raises:
            ChildError: the child ended, or the file did not appear in time.
        """
        deadline = time.monotonic() + timeout
        while not path.exists():
            if not self.running:
                raise ChildError(f"{self.name} ended with status {self._process.returncode} before it was ready:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ChildError(f"{self.name} was not ready within {timeout:g} s:\n{self.log_tail()}")
            time.sleep(0.02)

    def stop(self, timeout: float = 10.0) -> None:
        """Terminate and wait; kill its group when it does not listen."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                self._process.wait(timeout)

    def log_tail(self, size: int = 2000) -> str:
        """The end of its log."""
        try:
            data = self.log.read_bytes()
        except OSError as error:
            return f"(no log: {error})"
        return data[-size:].decode("utf-8", "replace")
