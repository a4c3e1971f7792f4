# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Many proofs on all cores: workers that are programs of their own, fed by their standard input.

A forked copy of an Ansible worker would inherit its locks and its secrets, so each proof worker is a fresh ``python -I``. What has been
proven when the time is up, or when somebody stops the run, is kept.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .._core.key_proof.proof import Outcome, Proof
from .._core.redaction import Secret
from .proof_worker import PLAIN

_PACKAGE = __name__.rpartition(".")[0]
#: the folder that holds ``ansible_collections``
_TREE = Path(__file__).parents[len(_PACKAGE.split("."))]
_PROGRAM = f"import sys; sys.path.insert(0, sys.argv[1]); from {_PACKAGE} import proof_worker; proof_worker.main()"
#: seconds between two lines of progress
_PROGRESS_SECONDS = 10.0
#: times that a worker may end by itself before its jobs are given up
_RESTARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofJob:
    """One proof to make: a recovery password (text) or an external key (bytes), the protector, and what was read of it."""

    key_id: str
    secret: Secret[str] | Secret[bytes]
    readings: Sequence[Secret[bytes]]

    def to_line(self, number: int) -> bytes:
        """The job as a worker reads it."""
        value = self.secret.reveal()
        kind, text = ("recovery_password", value) if isinstance(value, str) else ("external_key", base64.b64encode(value).decode("ascii"))
        readings = [base64.b64encode(reading.reveal()).decode("ascii") for reading in self.readings]
        job = {"number": number, "kind": kind, "secret": text, "key_id": self.key_id, "readings": readings}
        return json.dumps(job).encode("ascii") + b"\n"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prove_all(
    jobs: Sequence[ProofJob],
    *,
    say: Callable[[str], None],
    time_limit: float | None = None,
    workers: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    before: int = 0,
    of: int | None = None,
) -> dict[int, Proof]:
    """The proofs by the job's place in ``jobs``; a job that the time limit (seconds) left out is missing.

    The order of the jobs is the order of the work, so the most urgent go first. Where they are a part of more, ``before`` is how many
    came earlier and ``of`` how many there are in all, for the forecast.
    """
    if not jobs:
        return {}
    pool = _Pool(jobs, clock() + time_limit if time_limit is not None else None, clock, before, of)
    number = min(workers or cores(), len(jobs))
    threads = [threading.Thread(target=pool.work, name=f"proof-{index}", daemon=True) for index in range(number)]
    try:
        for thread in threads:
            thread.start()
        for line in pool.progress(threads):
            say(line)
    finally:
        pool.stop()
        for thread in threads:
            thread.join()
    return pool.proofs


class _Pool:
    """The jobs that wait, the proofs that are made, and the workers between."""

    def __init__(
        self, jobs: Sequence[ProofJob], deadline: float | None, clock: Callable[[], float], before: int = 0, of: int | None = None
    ) -> None:
        self.proofs: dict[int, Proof] = {}
        self._jobs = jobs
        self._before = before
        self._wanted = of if of is not None else len(jobs)
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(jobs)):
            self._waiting.put(number)
        self._deadline = deadline
        self._clock = clock
        self._started = clock()
        self._stopping = threading.Event()
        self._running: set[subprocess.Popen[bytes]] = set()
        #: why the workers are slow, and whether they are told to be
        self._slow = ""
        self._plain = False
        self._lock = threading.Lock()

    def work(self) -> None:
        """One thread: a worker of its own, a job at a time, until there are none or the time is up."""
        worker: subprocess.Popen[bytes] | None = None
        restarts = 0
        try:
            while not self._stopping.is_set():
                try:
                    number = self._waiting.get_nowait()
                except queue.Empty:
                    return
                worker = worker or self._start()
                proof = self._ask(worker, number) if worker is not None else None
                if proof is not None:
                    self.proofs[number] = proof
                    continue
                self._end(worker)
                worker = None
                if not self._stopping.is_set():
                    self.proofs[number] = Proof(outcome=Outcome.INCONCLUSIVE, reason="the process that was to prove it ended")
                    restarts += 1
                    if restarts > _RESTARTS:
                        return
        finally:
            self._end(worker)

    def progress(self, threads: Sequence[threading.Thread]) -> Iterator[str]:
        """Lines for the user while the threads work; past the deadline it stops them."""
        told = self._clock()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.05 if self._deadline is not None else 0.5)
                now = self._clock()
                if self._deadline is not None and now >= self._deadline and not self._stopping.is_set():
                    self.stop()
                    yield f"the time for proofs is up: {self._before + len(self.proofs)} of {self._wanted} made"
                if now - told >= _PROGRESS_SECONDS:
                    told = now
                    yield self._forecast(now)

    def stop(self) -> None:
        """End every worker; what is proven stays."""
        self._stopping.set()
        with self._lock:
            for worker in self._running:
                with suppress(OSError):
                    worker.kill()

    def _forecast(self, now: float) -> str:
        made, left = len(self.proofs), self._wanted - self._before - len(self.proofs)
        forecast = f", about {(now - self._started) / made * left:.0f} s left" if made else ""
        slow = f"; slowly, because {self._slow}" if self._slow else ""
        return f"proofs: {self._before + made} of {self._wanted} made{forecast}{slow}"

    def _start(self) -> subprocess.Popen[bytes] | None:
        """A worker that said that it is ready. Where it ended before, over the machine code that it made, the next ones make none."""
        while True:
            plain = self._plain
            worker = self._launch(plain=plain)
            if worker is None or self._is_ready(worker):
                return worker
            self._end(worker)
            if plain:
                return None
            self._plain, self._slow = True, "a process ended while it made machine code"

    def _is_ready(self, worker: subprocess.Popen[bytes]) -> bool:
        try:
            said = json.loads(worker.stdout.readline()) if worker.stdout is not None else {}
            self._slow = self._slow or str(said["slow"])
            return said["ready"] is True
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _launch(self, *, plain: bool) -> subprocess.Popen[bytes] | None:
        command = [sys.executable, "-I", "-c", _PROGRAM, str(_TREE), *([PLAIN] if plain else [])]
        with self._lock:
            if self._stopping.is_set():
                return None
            try:
                worker = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/", close_fds=True
                )
            except OSError:
                return None
            self._running.add(worker)
        return worker

    def _ask(self, worker: subprocess.Popen[bytes], number: int) -> Proof | None:
        if worker.stdin is None or worker.stdout is None:
            return None
        try:
            worker.stdin.write(self._jobs[number].to_line(number))
            worker.stdin.flush()
            answer = json.loads(worker.stdout.readline())
            if answer["number"] != number:
                return None
            return Proof(outcome=Outcome(answer["outcome"]), reason=str(answer["reason"]), digest=str(answer["digest"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _end(self, worker: subprocess.Popen[bytes] | None) -> None:
        """Let a worker go: its input ends, and so does it."""
        if worker is None:
            return
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        with self._lock:
            self._running.discard(worker)
        try:
            worker.wait(5.0)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
