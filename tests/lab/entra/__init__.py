# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Entra ID for the lab: token endpoint, managed identity endpoint and the part of Microsoft Graph that the collection uses.

Built from Microsoft's public documentation alone; no tenant was ever looked at. Where that is silent or contradicts itself, each
plausible form is a setting of behaviour.py. ``start`` (server.py) plays the tenant of an estate; record.py says what it was asked.
"""

from __future__ import annotations

from .behaviour import Behaviour, Fault
from .record import read_log
from .server import EntraEndpoint, start
from .tenant import Tenant

__all__ = ["Behaviour", "EntraEndpoint", "Fault", "Tenant", "read_log", "start"]
