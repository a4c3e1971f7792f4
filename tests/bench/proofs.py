# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proof costs, beside cryptsetup's of the same volume; what a second worker brings; that a ledger spares the proofs of an earlier
run; and that of a thousand none is false.

The volumes and packages are the lab's own, with real cryptography (tests/lab/fve). A proof is one recovery password against one protector:
the stretch, the unwrap, and what the master key opens in turn.
"""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proof_pool import ProofJob, prove_all
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proof_worker import quickest_rounds
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Outcome, prove_recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.unsealing import Rounds
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.fve.stretching import Stretcher
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import FORMS, FveVolume
from ansible_collections.keyward.bitlocker.tests.lab.lab import clear

from .figures import Figure, median_of, ratio_of_rounds
from .measure import BenchError
from .remembered import measure_second_run

RATIO_BOUND, SPEEDUP_BOUND = 2.0, 1.8
#: different passwords and salts among the thousand protectors: the lab's own stretches cost as much as the proofs
STRETCHES = 60
WRONG = 0.1
_CRYPTSETUP = shutil.which("cryptsetup") or shutil.which("cryptsetup", path="/usr/sbin:/sbin")


def measure_proofs(folder: Path, *, rounds: int, jobs: int, protectors: int) -> list[Figure]:
    """The figures of proofs.

    Args:
        folder: for the volume and the password that cryptsetup reads.
        rounds: interleaved rounds of each ratio.
        jobs: proofs that one worker makes in a round, and then two.
        protectors: how many are proven for the count of false ones.

    Raises:
        BenchError: cryptsetup is not there, or something was not proven that should have been.
    """
    if _CRYPTSETUP is None:
        raise BenchError("cryptsetup is missing. Install with: apt-get install -y --no-install-recommends cryptsetup-bin")
    folder.mkdir(parents=True, exist_ok=True)
    clear(folder / "remembered")
    stretcher = Stretcher(folder / "stretched-keys")
    try:
        return [
            *_cost(folder, stretcher, rounds),
            _speedup(stretcher, rounds=max(rounds // 2, 1), jobs=jobs),
            measure_second_run(folder / "remembered", stretcher),
            *_false_words(stretcher, protectors),
        ]
    finally:
        stretcher.close()


def _cost(folder: Path, stretcher: Stretcher, rounds: int) -> list[Figure]:
    rng = random.Random("keyward bench proof")
    password, key_id = values.recovery_password(rng), values.guid(rng)
    volume = FveVolume(seed="bench", stretch=stretcher)
    volume.add_recovery_password(key_id, password)
    image, key = folder / "volume.img", folder / "key"
    image.write_bytes(volume.image())
    key.write_text(password, encoding="ascii")
    package = volume.package(key_id)
    costs = []
    # as a worker does
    quickest, slow = quickest_rounds()
    for _unused in range(rounds):
        costs.append({"ours": _our_proof(password, key_id, package, quickest), "cryptsetup": _theirs(image, key)})
    ratio = ratio_of_rounds(costs, "ours", "cryptsetup")
    start = median(_start() for _unused in range(rounds))
    means = f"hashlib, because {slow}" if slow else "machine code by llvmlite"
    return [
        Figure(
            name="proof_cpu_ratio_to_cryptsetup",
            value=round(ratio, 2),
            unit="x",
            bound=RATIO_BOUND,
            note=f"CPU of one proof in a worker that has started ({means}) over that of cryptsetup open --test-passphrase of the volume, "
            f"median of {rounds} interleaved rounds; a worker's start costs {start:.2f} s once",
        ),
        Figure(name="proof_cpu_seconds", value=round(median_of(costs, "ours"), 3), unit="s", note="one recovery password, one core"),
        Figure(name="proof_worker_start_seconds", value=round(start, 3), unit="s", note="CPU of a worker that has nothing to prove"),
    ]


def _start() -> float:
    """CPU of a worker from its start to its end, with a job that there is nothing for."""
    before = _children_cpu()
    job = ProofJob(key_id=str(uuid.UUID(int=1)), secret=Secret(bytes(32)), readings=[])
    proofs = prove_all([job], say=lambda _line: None, workers=1)
    if proofs[0].outcome is not Outcome.INCONCLUSIVE:
        raise BenchError("something was proven of nothing")
    return _children_cpu() - before


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _our_proof(password: str, key_id: str, package: bytes, rounds: Rounds) -> float:
    begun = time.process_time()
    proof = prove_recovery_password(Secret(password), key_id, [package, package], rounds=rounds)
    spent = time.process_time() - begun
    if proof.outcome is not Outcome.PROVEN:
        raise BenchError(f"the right password was not proven: {proof.reason}")
    return spent


def _theirs(image: Path, key: Path) -> float:
    before = _children_cpu()
    command = [str(_CRYPTSETUP), "open", "--type", "bitlk", "--test-passphrase", "--key-file", str(key), str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    spent = _children_cpu() - before
    if done.returncode != 0:
        raise BenchError(f"cryptsetup does not open the lab's volume: {done.stderr.strip()}")
    return spent


def _speedup(stretcher: Stretcher, *, rounds: int, jobs: int) -> Figure:
    work = [job for job, _right in _work(stretcher, protectors=jobs, stretches=2, wrong=0.0)]
    costs = []
    for _unused in range(rounds):
        costs.append({"one": _elapsed(work, workers=1), "two": _elapsed(work, workers=2)})
    return Figure(
        name="proof_speedup_two_workers",
        value=round(ratio_of_rounds(costs, "one", "two"), 2),
        unit="x",
        bound=SPEEDUP_BOUND,
        least=True,
        note=f"time of {jobs} proofs with one worker over that with two, their start included; needs two cores that do nothing else",
    )


def _elapsed(work: Sequence[ProofJob], *, workers: int) -> float:
    begun = time.monotonic()
    proofs = prove_all(work, say=lambda _line: None, workers=workers)
    spent = time.monotonic() - begun
    if [proof.outcome for proof in proofs.values()] != [Outcome.PROVEN] * len(work):
        raise BenchError("a right password was not proven by a worker")
    return spent


def _false_words(stretcher: Stretcher, protectors: int) -> list[Figure]:
    work = _work(stretcher, protectors=protectors, stretches=STRETCHES, wrong=WRONG)
    begun = time.monotonic()
    proofs = prove_all([job for job, _right in work], say=lambda line: print(f"  {line}", flush=True))
    spent = time.monotonic() - begun
    false = 0
    for number, (_job, right) in enumerate(work):
        proof = proofs.get(number)
        false += proof is None or proof.outcome is not (Outcome.PROVEN if right else Outcome.REFUTED)
    return [
        Figure(
            name="proofs_false_or_missing",
            value=false,
            unit="proofs",
            bound=0,
            exact=True,
            note=f"of {protectors} protectors, for {WRONG:.0%} of which a well-formed wrong password is on file",
        ),
        Figure(name="proofs_per_hour", value=round(len(work) / spent * 3600), unit="1/h", note="on all cores of this machine"),
    ]


def _work(stretcher: Stretcher, *, protectors: int, stretches: int, wrong: float) -> list[tuple[ProofJob, bool]]:
    """Jobs, and whether each holds the right password: volumes of their own, in every form that a Windows writes."""
    rng = random.Random(f"keyward bench proofs {protectors}")
    pairs = [(values.recovery_password(rng), rng.randbytes(16)) for _unused in range(stretches)]
    work = []
    for number in range(protectors):
        password, salt = pairs[number % len(pairs)]
        key_id = values.guid(rng)
        volume = FveVolume(seed=f"bench {number}", stretch=stretcher)
        volume.add_recovery_password(key_id, password, rng.choice(list(FORMS.values())), salt=salt)
        right = rng.random() >= wrong
        filed = password if right else rng.choice((values.swapped_groups(password), values.recovery_password(rng)))
        frames = [volume.package(key_id, counter=20 + reading) for reading in range(2)]
        work.append((ProofJob(key_id=key_id, secret=Secret(filed), readings=[Secret(frame) for frame in frames]), right))
    return work
