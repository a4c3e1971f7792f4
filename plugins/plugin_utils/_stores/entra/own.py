# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One computer's part of a tenant: the devices that may be its own, and what lies below one of them now."""

from __future__ import annotations

from collections.abc import Sequence

from ..._core.joins import ENTRA
from ..._core.model import StoreReading, StoreState
from ..._errors import KeywardError, OptionError
from . import parse
from .lookup import EntraLookup
from .store import EntraStore


def devices_and_keys(store: EntraStore, device_ids: Sequence[str]) -> StoreReading:
    """These devices, by device ID, and the metadata of their keys.

    Raises:
        OptionError: an option cannot be used.
    """
    tenant = parse.guid(store.reader.settings.tenant)
    if not device_ids:
        return StoreReading(store=ENTRA, state=StoreState.SEARCHED, tenant=tenant)
    try:
        found = EntraLookup(store.reader).find(list(device_ids), [])
    except OptionError:
        raise
    except KeywardError as problem:
        return StoreReading(store=ENTRA, state=StoreState.DOWN, reason=str(problem), tenant=tenant)
    return StoreReading(store=ENTRA, state=found.state, reason=found.reason, owners=found.owners, entries=found.entries, tenant=tenant)
