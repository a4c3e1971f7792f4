# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The hardening of processes that hold secrets: no core dump, not readable by other processes of the same account."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def harden_process() -> None:
    """Make this process leave no core dump and close its memory to other processes of the same account (prctl(2), setrlimit(2)).

    Children that are started by exec are dumpable again, by the kernel's rule, and inherit the limit. Where the system has no prctl the
    limit alone is set.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
