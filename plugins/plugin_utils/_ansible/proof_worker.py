# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A process that proves: one job a line on its standard input, one outcome a line on its standard output, until the input ends.

It is started as ``python -I`` by :mod:`.proof_pool`, so nothing of its environment or folder reaches it, and imports nothing of Ansible.
Its first line says that it is ready, and why it is slow if it is; no job is given to it before.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from typing import Any

from .._core.key_proof.proof import Outcome, Proof, prove_external_key, prove_recovery_password
from .._core.key_proof.unsealing import Rounds, stretch
from .._core.redaction import Secret
from .._errors import BadDataError
from .hardening import harden_process
from .native_stretch import NoNativeStretchError, native_stretch

#: argument of a worker that is to make no machine code
PLAIN = "plain"


def main() -> None:
    """Prove until the input ends."""
    harden_process()
    rounds, slow = quickest_rounds() if PLAIN not in sys.argv[1:] else (stretch, "")
    _answer({"ready": True, "slow": slow})
    for line in sys.stdin:
        job = json.loads(line)
        proof = _prove(job, rounds)
        _answer({"number": job["number"], "outcome": proof.outcome.value, "reason": proof.reason, "digest": proof.digest})


def quickest_rounds() -> tuple[Rounds, str]:
    """The way through the stretch that is the quickest here, and why it is the slow one; empty where it is not."""
    try:
        return native_stretch(), ""
    except NoNativeStretchError as error:
        return stretch, str(error)


def _answer(fields: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def _prove(job: Mapping[str, Any], rounds: Rounds) -> Proof:
    readings = [base64.b64decode(reading) for reading in job["readings"]]
    try:
        if job["kind"] == "external_key":
            return prove_external_key(Secret(base64.b64decode(job["secret"])), job["key_id"], readings)
        return prove_recovery_password(Secret(str(job["secret"])), job["key_id"], readings, rounds=rounds)
    except BadDataError as error:  # no recovery password at all
        return Proof(outcome=Outcome.INCONCLUSIVE, reason=error.meaning)
