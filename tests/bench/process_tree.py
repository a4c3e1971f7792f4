# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command and say what it and all its descendants cost: ``python process_tree.py RESULT COMMAND…``; RESULT becomes JSON.

``{"status", "wall", "cpu"}``: exit status, seconds passed, seconds of user and system time. This process is the subreaper of what it
starts (prctl(2)), so workers that their parent never waited for are counted too; its own time is not.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the command of the arguments."""
    result, command = Path(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started = time.monotonic()
    status = subprocess.run(command, check=False).returncode
    wall = time.monotonic() - started
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result.write_text(json.dumps({"status": status, "wall": wall, "cpu": used.ru_utime + used.ru_stime}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
