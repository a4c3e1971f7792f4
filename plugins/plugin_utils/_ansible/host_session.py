# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A conversation with one Windows host for an action that asks or changes something beside an observation."""

from __future__ import annotations

from .._windows.wsman.session import Session
from .._windows.wsman.settings import ConnectionSettings
from .._windows.wsman.transports import open_transport


def open_session(settings: ConnectionSettings) -> Session:
    """A session with a host as its variables say; nothing is sent before the first request. Close it, or use it in ``with``."""
    return Session(
        open_transport(settings), operation_timeout=settings.operation_timeout, target=settings.endpoint, username=settings.username
    )
