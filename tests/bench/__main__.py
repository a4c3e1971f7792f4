# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure every figure: ``python -m ansible_collections.keyward.bitlocker.tests.bench --out build/bench/bench.json``.

Prints a table with the bounds; the exit code is 1 if a figure is beyond its bound, 70 if something could not be measured. Without root
everything runs in a user and network namespace of its own, as the lab does.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.lab import namespace
from ansible_collections.keyward.bitlocker.tests.lab.cli import EXPECTED

from . import figures, powershell
from .directory import measure_directory
from .judging import measure_judging
from .ledger import measure_ledger
from .lookups import measure_lookups
from .measure import BenchError
from .proofs import measure_proofs
from .reporting import measure_reporting
from .tasks import measure_tasks
from .tenant import measure_tenant
from .wire import measure_wire

MODULE = "ansible_collections.keyward.bitlocker.tests.bench"
GROUPS = ("wire", "verdict", "report", "ledger", "proof", "tasks", "graph", "directory", "lookup")
BEYOND, NOT_MEASURED = 1, 70


def parser() -> argparse.ArgumentParser:
    """The arguments; their defaults are what the bounds are stated for."""
    top = argparse.ArgumentParser(prog=f"python -m {MODULE}", description="Measure what the collection costs.")
    top.add_argument("--out", type=Path, required=True, help="file to write; what is needed meanwhile lies beside it")
    top.add_argument("--only", choices=GROUPS, action="append", help="measure this group alone (may be given several times)")
    top.add_argument("--hosts", type=int, default=100, help="hosts of the task figures (%(default)s)")
    top.add_argument("--rounds", type=int, default=5, help="counted rounds of the task figures (%(default)s)")
    top.add_argument("--computers", type=int, default=20_000, help="computers of the other figures (%(default)s)")
    top.add_argument("--ledger-computers", type=int, default=100_000, help="computers of the ledger's figures (%(default)s)")
    top.add_argument("--proofs", type=int, default=1000, help="proofs of which none may be false (%(default)s)")
    top.add_argument("--pairs", type=int, default=5, help="pairs of the directory figures, and a third of the graph figures' (%(default)s)")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = parser().parse_args(words)
    out: Path = given.out.resolve()
    wanted = given.only or list(GROUPS)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    try:
        # before the namespace, which has no way to a package index
        collections = powershell.collections(out.parent) if "tasks" in wanted else out.parent
        namespace.enter([sys.executable, "-m", MODULE, *words])
        measured = _measure(given, wanted, out.parent, collections)
    except (BenchError, *EXPECTED) as error:
        print(f"bench: {error}", file=sys.stderr)
        return NOT_MEASURED
    out.write_text(figures.to_json(measured), encoding="utf-8")
    print(f"\n{figures.table(measured)}\n\nwritten to {out}")
    return 0 if all(figure.within for figure in measured) else BEYOND


def _measure(given: argparse.Namespace, wanted: Sequence[str], folder: Path, collections: Path) -> list[figures.Figure]:
    if {"directory", "lookup"} & set(wanted) and shutil.which("ldapsearch") is None:
        raise BenchError("ldapsearch is missing. Install with: apt-get install -y --no-install-recommends ldap-utils")
    groups: dict[str, Callable[[], list[figures.Figure]]] = {
        "wire": lambda: measure_wire(folder / "wire"),
        "verdict": lambda: measure_judging(computers=given.computers, times=3),
        "report": lambda: measure_reporting(folder / "report", computers=given.computers, times=3),
        "ledger": lambda: measure_ledger(folder / "ledger", computers=given.ledger_computers),
        "proof": lambda: measure_proofs(folder / "proof", rounds=7, jobs=64, protectors=given.proofs),
        "tasks": lambda: measure_tasks(folder / "tasks", collections, hosts=given.hosts, rounds=given.rounds),
        "graph": lambda: measure_tenant(folder / "tenant", devices=given.computers, rounds=3 * given.pairs),
        "lookup": lambda: measure_lookups(folder / "lookup", computers=given.computers, pairs=given.pairs),
        "directory": lambda: measure_directory(folder / "directory", computers=given.computers, pairs=given.pairs),
    }
    measured: list[figures.Figure] = []
    for name in GROUPS:
        if name in wanted:
            started = time.monotonic()
            print(f"== {name}", flush=True)
            measured += groups[name]()
            print(f"  measured in {time.monotonic() - started:.0f} s", flush=True)
    return measured


if __name__ == "__main__":
    sys.exit(main())
