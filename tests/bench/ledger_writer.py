# SPDX-License-Identifier: GPL-3.0-or-later
"""A large fleet's ledger, in a process of its own: ``python -m …bench.ledger_writer FOLDER COMPUTERS`` says as JSON what it cost.

``first``, ``second``: seconds to keep a run in an empty ledger, and one more. ``report``: seconds that the ledger takes in a report of
which no computer answered: last observations, proofs, what changed in the store, first seen. ``kept``, ``proofs``, ``changes`` and
``recovery_passwords`` count what came back. ``mib``: the most memory that the process ever held, the fleet included, ``before_mib`` what
that had been without a ledger.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.collector import collector_at_rest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.ledger_run import LedgerRun, ledger_run
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.report_run import judge_fleet
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.rows import EstateJudgement

from .judging import NOW, Fleet
from .report_writer import _most_memory as most_memory

SCOPE: Mapping[str, object] = {}
#: one computer in so many lost its entries
LOST = 1000


def main() -> int:
    """Make the fleet, keep it twice, report it, answer."""
    folder, fleet = Path(sys.argv[1]), Fleet(int(sys.argv[2]))
    observations = {name: [parse_observation(name, data)] for name, data in fleet.observations.items()}
    judgement = _stamped(judge_fleet(fleet.hosts, observations, fleet.stores, fleet.requirements, now=NOW, say=_nothing))
    params = {
        "ledger": {"path": str(folder / "ledger" / "ledger.db"), "hmac_key_file": str(folder / "key"), "keep_days": 400, "compare_days": 7}
    }
    moment = [NOW]
    said: dict[str, float] = {"protectors": fleet.protectors, "before_mib": most_memory()}
    for name in ("first", "second"):
        with ledger_run(params, check_mode=False, say=_nothing, warn=_fail, clock=lambda: moment[0]) as run:
            run.with_earlier(fleet.hosts, observations)
            run.compared(judgement, SCOPE)
            if name == "first":
                _prove(run, judgement)
            started = time.monotonic()
            with collector_at_rest():
                run.record(judgement, SCOPE)
            said[name] = time.monotonic() - started
        moment[0] += timedelta(days=1)
    del observations
    later = _later(judgement, fleet)
    with ledger_run(params, check_mode=False, say=_nothing, warn=_fail, clock=lambda: moment[0]) as run:
        started = time.monotonic()
        with collector_at_rest():
            run.with_earlier(fleet.hosts, {})
            compared = run.compared(later, SCOPE)
        said["report"] = time.monotonic() - started
        said |= {
            "kept": len(run.kept),
            "proofs": len(run.memory),
            "recovery_passwords": sum(run.times[name] for name in ("before", "after", "waiting")),
        }
    said["changes"] = len({finding.computer for finding in compared.findings if finding.code == "KW-ESC-013"})
    files = sum(path.stat().st_size for path in (folder / "ledger").iterdir())
    json.dump({**said, "file_mib": files / 1024**2, "mib": most_memory()}, sys.stdout)
    return 0


def _prove(run: LedgerRun, judgement: EstateJudgement) -> None:
    """One proof a computer, as a run with proofs would keep it."""
    entries: dict[str, Entry] = {}
    for entry in judgement.readings["ad"].entries:
        entries.setdefault(entry.owner_id, entry)
    for row in judgement.computers:
        owner_id = row.computer.joins["ad"].owner_id or ""
        entry = entries.get(owner_id) or Entry(store="ad", owner_id=owner_id, entry_id=f"none-{row.name}", location="")
        known = replace(entry, value=Secret("a value"))
        run.remember(known, row.name, "ab" * 32, "proven", "live", NOW, "")


def _stamped(judgement: EstateJudgement) -> EstateJudgement:
    """Every entry with a version of a usual length."""
    reading = judgement.readings["ad"]
    entries = tuple(replace(entry, version=f"repl:1:13439876953:{'ab' * 16}:{number}") for number, entry in enumerate(reading.entries))
    return replace(judgement, readings={"ad": replace(reading, entries=entries)})


def _later(judgement: EstateJudgement, fleet: Fleet) -> EstateJudgement:
    """The same estate after one computer in a thousand lost what lay under it."""
    reading = judgement.readings["ad"]
    holders = sorted({entry.owner_id for entry in reading.entries if not entry.defects})
    lost = set(holders[: len(fleet.hosts) // LOST])
    left = tuple(entry for entry in reading.entries if entry.owner_id not in lost)
    return replace(judgement, readings={"ad": replace(reading, entries=left)})


def _nothing(_text: str) -> None:
    return


def _fail(text: str) -> None:
    raise SystemExit(text)


if __name__ == "__main__":
    sys.exit(main())
