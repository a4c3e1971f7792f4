# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Windows hosts: WS-Management endpoints with a BitLocker provider, the other party of the client.

Shares no code with plugins/; follows the wire reference and is stricter than a client should need.
"""

from __future__ import annotations

from .faults import CERTIFICATES, FAULTS, expected_reason
from .profiles import PROFILES, WIRE_FORMS
from .record import Summary, read_log, summarize
from .server import HostsEndpoint, start

__all__ = [
    "CERTIFICATES",
    "FAULTS",
    "PROFILES",
    "WIRE_FORMS",
    "HostsEndpoint",
    "Summary",
    "expected_reason",
    "read_log",
    "start",
    "summarize",
]
