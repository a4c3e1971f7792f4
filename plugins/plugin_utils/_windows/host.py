# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One host from connection settings to observation: open, ask, close."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .._errors import KeywardError
from .observe import failed_observation, observe
from .wsman.port import Transport
from .wsman.session import Session
from .wsman.settings import ConnectionSettings
from .wsman.transports import adapter_for, open_transport


def observe_host(
    settings: ConnectionSettings,
    *,
    subsets: frozenset[str],
    now: Callable[[], datetime],
    host: str,
    opener: Callable[[ConnectionSettings], Transport] = open_transport,
) -> dict[str, Any]:
    """Reach a host as its settings say and observe it over one connection; see :func:`observe.observe` for the rest.

    Raises:
        KeywardError: only what does not concern the host, such as a missing library.
    """
    channel: dict[str, Any] = {"endpoint": settings.endpoint, "transport": ",".join(settings.transport)}
    try:
        channel["adapter"] = ",".join(dict.fromkeys(adapter_for(settings, method) for method in settings.transport))
        transport = opener(settings)
    except KeywardError as error:
        return failed_observation(error, host=host, observed_at=now(), subsets=subsets, channel=channel)
    with Session(transport, operation_timeout=settings.operation_timeout, target=settings.endpoint, username=settings.username) as session:
        return observe(session, subsets=subsets, now=now, host=host, channel=channel)
