# SPDX-License-Identifier: GPL-3.0-or-later
"""Stretched keys made by processes of their own, each once: in memory, and in a file that outlives the lab.

A stretch is half a second of one core, and an estate has hundreds of passwords: they are made when a package is asked for, on all cores,
and a lab of the same seed, or another process meanwhile, finds them made already. The file holds keys that only the lab's own made-up
passwords have.
"""

from __future__ import annotations

import hashlib
import os
import queue
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.lab.surroundings import python_path

_WORKER = "ansible_collections.keyward.bitlocker.tests.lab.fve.stretch_worker"
CACHE_FILE = "stretched-keys"


class Stretcher:
    """Makes stretched keys; may be called from many threads.

    Args:
        cache_file: keys made earlier, one a line; made where missing. None: nothing is kept.
        workers: processes at most, all cores where not given; they start when they are needed and end with this process.
    """

    def __init__(self, cache_file: Path | None = None, *, workers: int | None = None) -> None:
        self._file = cache_file
        self._lock = threading.Lock()
        self._made: dict[str, Future[bytes]] = {}
        self._idle: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        self._started: list[subprocess.Popen[bytes]] = []
        for _unused in range(workers or os.cpu_count() or 1):
            self._idle.put(None)
        #: how far the file was read
        self._position = 0
        with self._lock:
            self._read()

    def __call__(self, password: str, salt: bytes) -> bytes:
        """The key of a recovery password with a salt."""
        name = hashlib.sha256(password.encode("ascii") + salt).hexdigest()
        with self._lock:
            if name not in self._made:
                self._read()
            known = self._made.get(name)
            mine = known or self._made.setdefault(name, Future())
        if known is None:
            try:
                mine.set_result(self._make(password, salt))
            except BaseException as error:
                with self._lock:
                    del self._made[name]
                mine.set_exception(error)
                raise
            self._keep(name, mine.result())
        return mine.result(timeout=300)

    def close(self) -> None:
        """End the workers."""
        for worker in self._started:
            worker.kill()
            worker.communicate()

    def _make(self, password: str, salt: bytes) -> bytes:
        worker = self._idle.get()
        try:
            worker = worker or self._start()
            if worker.stdin is None or worker.stdout is None:
                raise RuntimeError("a worker without pipes")
            worker.stdin.write(f"{password} {salt.hex()}\n".encode("ascii"))
            worker.stdin.flush()
            made = bytes.fromhex(worker.stdout.readline().decode("ascii"))
            if len(made) != 32:
                raise RuntimeError("a worker that stretches keys has ended")
            return made
        except BaseException:
            if worker is not None:
                worker.kill()
            worker = None
            raise
        finally:
            self._idle.put(worker)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": python_path()}
        command = [sys.executable, "-m", _WORKER]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        with self._lock:
            self._started.append(worker)
        return worker

    def _read(self) -> None:
        """Take in what the file has got since the last time."""
        if self._file is None or not self._file.exists() or self._file.stat().st_size <= self._position:
            return
        with self._file.open("rb") as stream:
            stream.seek(self._position)
            written = stream.read()
        whole = written[: written.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.decode("ascii", "replace").splitlines():
            name, _blank, value = line.partition(" ")
            # a line that a killed lab did not finish is made again
            with suppress(ValueError):
                if len(name) == 64 and len(made := bytes.fromhex(value)) == 32:
                    known: Future[bytes] = Future()
                    known.set_result(made)
                    self._made.setdefault(name, known)

    def _keep(self, name: str, made: bytes) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # one write, so that two labs do not mix their lines
            os.write(descriptor, f"\n{name} {made.hex()}\n".encode("ascii"))
        finally:
            os.close(descriptor)


@cache
def shared() -> Stretcher:
    """The one of this process; it keeps its keys beside the provisioned directories."""
    from ansible_collections.keyward.bitlocker.tests.lab.directory.domain_controller import cache_folder

    return Stretcher(cache_folder() / CACHE_FILE)
