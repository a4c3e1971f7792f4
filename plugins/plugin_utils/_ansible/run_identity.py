# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Which run of Ansible this is, so that a later one can be told from it."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import secrets
from functools import cache
from pathlib import Path


def run_identity(proc: Path = Path("/proc")) -> str:
    """The same text for every task of one ansible-playbook, and another one for any other: from its process, when it began, and the boot.

    The main process forks one for each task, so it is this one's parent there. Where the system does not tell when a process began, each
    task is a run of its own.
    """
    return _identity(os.getpid(), proc)


@cache
def _identity(_process: int, proc: Path) -> str:
    main = os.getppid() if multiprocessing.parent_process() is not None else os.getpid()
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # proc(5): the name in parentheses may hold anything; the 20th field after it is the start time in ticks since the boot
        began = (proc / str(main) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return secrets.token_hex(8)
    return hashlib.sha256(f"{boot} {main} {began} {os.uname().nodename}".encode()).hexdigest()[:16]
