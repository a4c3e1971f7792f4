# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The devices of a tenant: which requests bring them."""

from __future__ import annotations

from .failures import DEVICES
from .graph import Query, literal

_SELECT = "id,deviceId,displayName,operatingSystem,trustType,accountEnabled,approximateLastSignInDateTime,registrationDateTime"
#: objects a page; Graph's most for directory objects
_TOP = "999"
_ATTEMPTED = "read the devices in Entra ID"


def every() -> Query:
    """Every device, phones too: a key whose device is none of all is under a deleted one, and only a whole list can tell."""
    return Query(path="devices", options={"$select": _SELECT, "$top": _TOP}, permission=DEVICES, attempted=_ATTEMPTED)


def named(name: str) -> Query:
    """Devices of this display name; there may be several."""
    return _where(f"displayName eq {literal(name)}")


def registered(device_id: str) -> Query:
    """The device of this device ID, which is not its object ID."""
    return _where(f"deviceId eq {literal(device_id)}")


def object_of(object_id: str) -> Query:
    """The device of this object ID."""
    return Query(path=f"devices/{object_id}", options={"$select": _SELECT}, permission=DEVICES, attempted=_ATTEMPTED)


def _where(condition: str) -> Query:
    return Query(path="devices", options={"$filter": condition, "$select": _SELECT}, permission=DEVICES, attempted=_ATTEMPTED)
