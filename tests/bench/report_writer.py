# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a large fleet, in a process of its own: ``python -m …bench.report_writer FOLDER COMPUTERS`` says as JSON what it cost.

``wall`` and ``cpu``: seconds from plain observations and what was read of the stores, in memory, to JSON, CSV and HTML in the folder; where
an earlier report lies there, it is compared. ``mib``: the most memory that the process ever held, the fleet itself included.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.collector import collector_at_rest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.report_files import write_report

from .judging import Fleet

FORMATS = ("json", "csv", "html")


def main() -> int:
    """Make the fleet, report it, answer."""
    folder, fleet = Path(sys.argv[1]), Fleet(int(sys.argv[2]), entra=True)
    wall, cpu = time.monotonic(), time.process_time()
    # as the base of every action has it
    with collector_at_rest():
        write_report(fleet.document(), folder, FORMATS, check_mode=False)
    said = {"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu, "mib": _most_memory(), "protectors": fleet.protectors}
    json.dump(said, sys.stdout)
    return 0


def _most_memory() -> float:
    """MiB; not getrusage's, which counts what the process was before it became this program."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


if __name__ == "__main__":
    sys.exit(main())
