# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs by worker processes: what they get, what they say, and how they end."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
import uuid
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import proof_pool
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proof_pool import ProofJob, prove_all
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Outcome
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

KEY = bytes(range(32))


def _datum(role: int, kind: int, body: bytes) -> bytes:
    return struct.pack("<4H", 8 + len(body), role, kind, 1) + body


def package(key_id: str, key: bytes = KEY) -> bytes:
    """An external key's protector, which needs no stretch and so is proven at once."""
    nonce = bytes(12)
    sealed = AESCCM(key, tag_length=16).encrypt(nonce, _datum(0, 1, struct.pack("<2H", 0x2003, 0) + bytes(32)), None)
    box = _datum(0, 5, nonce + sealed[-16:] + sealed[:-16])
    use = _datum(0, 4, bytes(4))
    return _datum(2, 8, uuid.UUID(key_id).bytes_le + struct.pack("<Q2H", 1, 0, 0x0200) + use + box)


def job(number: int, key: bytes = KEY) -> ProofJob:
    key_id = str(uuid.UUID(int=number + 1))
    return ProofJob(key_id=key_id, secret=Secret(key), readings=[Secret(package(key_id))] * 2)


def slow_job(number: int) -> ProofJob:
    """A recovery password's: a second of work and an honest inconclusive (nothing is wrapped)."""
    key_id = str(uuid.UUID(int=number + 1))
    stretch = _datum(0, 3, struct.pack("<2H", 0x1000, 0) + bytes(16))
    data = _datum(2, 8, uuid.UUID(key_id).bytes_le + struct.pack("<Q2H", 1, 0, 0x0800) + stretch)
    return ProofJob(key_id=key_id, secret=Secret("-".join(["000011"] * 8)), readings=[Secret(data), Secret(data)])


def children() -> dict[int, list[bytes]]:
    """This process's living proof workers with their arguments."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status, arguments = (entry / "stat").read_text(), (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == os.getpid() and b"-I" in arguments:
            found[int(entry.name)] = arguments
    return found


def test_every_job_has_its_proof() -> None:
    jobs = [job(0), job(1, key=bytes(32)), job(2), ProofJob(key_id=job(3).key_id, secret=Secret("no password"), readings=[Secret(b"")])]
    proofs = prove_all(jobs, say=lambda _text: None, workers=2)
    assert [proofs[number].outcome for number in range(4)] == [Outcome.PROVEN, Outcome.REFUTED, Outcome.PROVEN, Outcome.INCONCLUSIVE]
    assert proofs[0].digest
    assert proofs[0].digest != proofs[2].digest
    assert not children()


def test_nothing_to_prove_starts_nothing() -> None:
    assert prove_all([], say=pytest.fail) == {}


def test_a_worker_gets_no_environment_and_no_secret_in_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    seen: list[tuple[bytes, bytes]] = []

    def look() -> None:
        for _unused in range(200):
            for pid in children():
                environment = Path(f"/proc/{pid}/environ").read_bytes() if os.access(f"/proc/{pid}/environ", os.R_OK) else b""
                seen.append((environment, Path(f"/proc/{pid}/cmdline").read_bytes()))
            if seen:
                return
            time.sleep(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    prove_all([slow_job(0)], say=lambda _text: None, workers=1)
    watcher.join()
    assert seen
    assert all(b"PYTHONPATH" not in environment and b"000011" not in arguments for environment, arguments in seen)


def test_the_time_limit_keeps_what_is_proven_and_ends_the_workers() -> None:
    said: list[str] = []
    proofs = prove_all([job(0), *[slow_job(number) for number in range(1, 40)]], say=said.append, workers=1, time_limit=2.0)
    assert len(proofs) < 40
    assert "the time for proofs is up" in said[-1]
    assert not children()


def kill_a_child() -> None:
    """The first that is seen within some seconds."""
    for _unused in range(500):
        for pid in children():
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.01)


def test_a_worker_that_is_killed_costs_its_own_job_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given = threading.Event()
    to_line = ProofJob.to_line

    def watched(one: ProofJob, number: int) -> bytes:
        given.set()
        return to_line(one, number)

    def kill_one() -> None:
        assert given.wait(30)
        kill_a_child()

    monkeypatch.setattr(ProofJob, "to_line", watched)
    killer = threading.Thread(target=kill_one)
    killer.start()
    proofs = prove_all([slow_job(0), job(1), job(2)], say=lambda _text: None, workers=1)
    killer.join()
    assert (proofs[0].outcome, proofs[0].reason) == (Outcome.INCONCLUSIVE, "the process that was to prove it ended")
    assert [proofs[1].outcome, proofs[2].outcome] == [Outcome.PROVEN, Outcome.PROVEN]


def test_a_worker_that_ends_over_its_machine_code_knows_no_job_yet_and_costs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[bytes]] = []
    said: list[str] = []
    # as if LLVM had ended the process
    dying = proof_pool._PROGRAM.replace("proof_worker.main()", "('plain' in sys.argv) and proof_worker.main()")
    monkeypatch.setattr(proof_pool, "_PROGRAM", dying)
    monkeypatch.setattr(proof_pool, "_PROGRESS_SECONDS", 0.0)
    to_line = ProofJob.to_line

    def watched(one: ProofJob, number: int) -> bytes:
        started.extend(children().values())
        return to_line(one, number)

    monkeypatch.setattr(ProofJob, "to_line", watched)
    proofs = prove_all([job(0), slow_job(1), job(2)], say=said.append, workers=1)
    assert [proofs[0].outcome, proofs[2].outcome] == [Outcome.PROVEN, Outcome.PROVEN]
    assert proofs[1].reason != "the process that was to prove it ended"
    assert len(started) == 3
    assert all(b"plain" in arguments for arguments in started)
    assert said[-1].endswith("; slowly, because a process ended while it made machine code")


def test_workers_that_never_come_up_leave_honest_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_pool, "_PROGRAM", "raise SystemExit(1)")
    proofs = prove_all([job(0), job(1)], say=lambda _text: None, workers=1)
    assert {proof.outcome for proof in proofs.values()} == {Outcome.INCONCLUSIVE}
    assert not children()


def test_an_interrupt_ends_the_workers() -> None:
    class StoppedError(Exception):
        pass

    def stop(_text: str) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        prove_all([slow_job(number) for number in range(20)], say=stop, workers=2, time_limit=0.5)
    assert not children()
