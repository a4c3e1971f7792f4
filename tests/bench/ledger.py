# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger costs: 100,000 computers with three protectors each, in SQLite, in a fresh process (ledger_writer.py).

Two runs are recorded, the second over the first; the slower counts. Then a report is made of which no computer answered: the last
observation of each is read back, a store that changed under one computer in a thousand is held against the last runs, every proof is
read, and so is when each protector and entry was seen first.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.lab import clear, python_path

from . import measure
from .figures import Figure
from .measure import BenchError

RECORD_SECONDS, REPORT_SECONDS = 60, 25
PROTECTORS = 3
MODULE = "ansible_collections.keyward.bitlocker.tests.bench.ledger_writer"


def measure_ledger(folder: Path, *, computers: int) -> list[Figure]:
    """Record twice and report.

    Raises:
        BenchError: what came back is not what was written.
    """
    clear(folder)
    environment = {"PATH": os.defpath, "PYTHONPATH": python_path()}
    said = measure.answer([sys.executable, "-m", MODULE, str(folder), str(computers)], environment)
    clear(folder)
    expected = {
        "kept": computers,
        "proofs": computers,
        "changes": computers // 1000,
        "recovery_passwords": computers * 2,
        "protectors": computers * PROTECTORS,
    }
    found = {name: said[name] for name in expected}
    if found != expected:
        raise BenchError(f"the ledger gave back {found}, not {expected}")
    return ledger_figures(said, computers)


def ledger_figures(said: dict[str, Any], computers: int) -> list[Figure]:
    """The figures of one process."""
    size = f"{computers} computers, {computers * PROTECTORS} protectors, SQLite"
    print(f"  record {said['first']:.1f} and {said['second']:.1f} s, report {said['report']:.1f} s, {said['mib']:.0f} MiB", flush=True)
    return [
        Figure(
            name="ledger_100k_record_seconds",
            value=max(said["first"], said["second"]),
            unit="s",
            bound=RECORD_SECONDS,
            note=f"{size}: one run kept, the slower of an empty ledger and one that holds a run",
        ),
        Figure(
            name="ledger_100k_report_seconds",
            value=said["report"],
            unit="s",
            bound=REPORT_SECONDS,
            note=f"{size}: what a ledger of two runs adds to a report of which no computer answered",
        ),
        Figure(name="ledger_100k_file_mib", value=said["file_mib"], unit="MiB", note="for information: the file after two runs"),
        Figure(
            name="ledger_100k_mib",
            value=said["mib"],
            unit="MiB",
            note=f"for information: the most that the process held, {said['before_mib']:.0f} of it before the ledger",
        ),
    ]
