# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A process that proves: one job a line on its standard input, one outcome a line on its standard output, until the input ends.

It is started as ``python -I`` by :mod:`.proof_pool`, so nothing of its environment or folder reaches it, and imports nothing of Ansible.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

from .._core.key_proof.proof import Outcome, Proof, prove_external_key, prove_recovery_password
from .._core.redaction import Secret
from .._errors import BadDataError
from .hardening import harden_process


def main() -> None:
    """Prove until the input ends."""
    harden_process()
    for line in sys.stdin:
        job = json.loads(line)
        proof = _prove(job)
        answer = {"number": job["number"], "outcome": proof.outcome.value, "reason": proof.reason, "digest": proof.digest}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _prove(job: dict[str, Any]) -> Proof:
    readings = [base64.b64decode(reading) for reading in job["readings"]]
    try:
        if job["kind"] == "external_key":
            return prove_external_key(Secret(base64.b64decode(job["secret"])), job["key_id"], readings)
        return prove_recovery_password(Secret(str(job["secret"])), job["key_id"], readings)
    except BadDataError as error:  # no recovery password at all
        return Proof(outcome=Outcome.INCONCLUSIVE, reason=error.meaning)
