# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What Intune says of the devices: which requests bring it, and what several enrolments of one device come to. Weak evidence, and no more.

Entity: microsoft.graph.managedDevice (Graph metadata v1.0). An enrolment belongs to the device whose deviceId is its azureADDeviceId, never
to one of its name. Intune ignores a filter that it does not support and gives everything, so each row is held against what was asked. The
national clouds USNat, USSec and GovSG do not have it, nor has a tenant without the licence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..._core.model import IntuneFacts
from . import parse
from .failures import MANAGED
from .graph import Query, literal

_PATH = "deviceManagement/managedDevices"
#: all of them are in a list; others hold defaults there
_SELECT = "id,azureADDeviceId,isEncrypted,lastSyncDateTime"
_ATTEMPTED = "read the managed devices in Intune"
_NEVER = datetime.min.replace(tzinfo=UTC)


def every() -> Query:
    """Every enrolment, phones too: the operating system's filter is not worth losing one for."""
    return Query(path=_PATH, options={"$select": _SELECT}, permission=MANAGED, attempted=_ATTEMPTED)


def of_device(device_id: str) -> Query:
    """The enrolments of one device."""
    options = {"$filter": f"azureADDeviceId eq {literal(device_id)}", "$select": _SELECT}
    return Query(path=_PATH, options=options, permission=MANAGED, attempted=_ATTEMPTED)


@dataclass(slots=True)
class _Device:
    """One device's enrolments so far: their IDs, the newest time, and what is said at that time."""

    ids: set[str] = field(default_factory=set)
    last_sync: datetime | None = None
    said: set[bool | None] = field(default_factory=set)


class Enrolments:
    """Enrolments by the device that they belong to, in whatever order and however often they come."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}

    def add(self, row: Mapping[str, Any]) -> bool:
        """Take a row in; False where it does not say whose it is. One that says it is nobody's is left out."""
        identifier, of = parse.text(row.get("id")), row.get("azureADDeviceId")
        device_id = parse.guid(of)
        if identifier is None or (device_id is None and of not in (None, "", parse.NO_GUID)):
            return False
        if device_id is None:
            return True
        device = self._devices.setdefault(device_id, _Device())
        device.ids.add(identifier.lower())
        encrypted = row.get("isEncrypted")
        last_sync = parse.moment(row.get("lastSyncDateTime"))
        if not device.said or (last_sync or _NEVER) > (device.last_sync or _NEVER):
            device.last_sync, device.said = last_sync, set()
        if last_sync == device.last_sync:
            device.said.add(encrypted if isinstance(encrypted, bool) else None)
        return True

    def facts(self, device_id: str) -> IntuneFacts | None:
        """What they come to for a device, None where there is none."""
        device = self._devices.get(device_id)
        if device is None:
            return None
        encrypted = next(iter(device.said)) if len(device.said) == 1 else None
        return IntuneFacts(encrypted=encrypted, last_sync=device.last_sync, enrolments=len(device.ids))

    def only(self, device_ids: Iterable[str]) -> bool:
        """Whether they are all of these devices: if not, the service ignored the filter."""
        return self._devices.keys() <= set(device_ids)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(len(device.ids) for device in self._devices.values())
