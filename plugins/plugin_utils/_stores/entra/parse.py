# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""From Graph's JSON to owners and entries, pure; what is broken becomes a defect or nothing, never an exception.

Entities: microsoft.graph.bitlockerRecoveryKey and microsoft.graph.device (Graph metadata v1.0). Members beginning with ``@``, and all
others that are not named here, are ignored: ``device`` is an open type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..._core.model import Entry, Owner
from ..._core.redaction import without_recovery_passwords

STORE = "entra"

#: owner of the entries that name no device
NO_DEVICE = "no device"
#: what the owner ID of a device without a device ID begins with
BY_OBJECT = "object "

#: bitlockerRecoveryKey.volumeType: the metadata has names, the documentation's examples their numbers, as text or as numbers
VOLUME_TYPES: Mapping[str, str] = {
    "operatingsystemvolume": "os",
    "1": "os",
    "fixeddatavolume": "fixed",
    "2": "fixed",
    "removabledatavolume": "removable",
    "3": "removable",
}
#: the names as the metadata writes them
_AS_NAMED: Mapping[str, str] = {"operatingSystemVolume": "os", "fixedDataVolume": "fixed", "removableDataVolume": "removable"}

_is_guid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII).fullmatch
#: what registrationless devices and "never" look like elsewhere in Graph
NO_GUID = "00000000-0000-0000-0000-000000000000"
_NEVER = datetime(1601, 1, 2, tzinfo=UTC)
_TEXT = 1024
#: a text of so many characters is too short to hold a recovery password
_WORD = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which devices count in the report's denominator even if the inventory does not know them.

    ``trust_types`` are in lower case. ``idle_days``: a device that was last seen (or, never seen, registered) longer ago is out of scope;
    None: never for that reason.
    """

    now: datetime
    trust_types: frozenset[str] = frozenset({"azuread", "serverad"})
    idle_days: int | None = 90


def guid(value: object) -> str | None:
    """A GUID in lower case without braces, None for anything else and for the one of zeros."""
    if not isinstance(value, str):
        return None
    if _is_guid(value) and value != NO_GUID:
        return value  # as Graph writes them
    if len(value) > 40:
        return None
    found = value.strip("{}").lower()
    return found if _is_guid(found) and found != NO_GUID else None


def is_readable(row: Mapping[str, Any]) -> bool:
    """Whether a row says whose it is: an ID, and a device ID that is one or that says there is none.

    What is not readable may belong to anybody, so what such a reading does not show is unknown.
    """
    device_id = row.get("deviceId")
    return text(row.get("id")) is not None and (device_id in (None, "", NO_GUID) or guid(device_id) is not None)


def text(value: object) -> str | None:
    """A text of at most 1024 characters that can be written anywhere (lone surrogates are replaced), None for anything else.

    Recovery passwords are masked: these texts are shown.
    """
    if not isinstance(value, str) or not value:
        return None
    if len(value) <= _WORD and value.isascii():
        return value
    value = without_recovery_passwords(value[:_TEXT])
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def moment(value: object) -> datetime | None:
    """A DateTimeOffset (ISO 8601, any number of fractional digits) in UTC, None where it is none or stands for "never"."""
    if not isinstance(value, str) or not 20 <= len(value) <= 48 or value[10] not in "Tt":
        return None
    try:
        given = datetime.fromisoformat(value)
        found = given if given.tzinfo is UTC else given.astimezone(UTC) if given.tzinfo else _NEVER
    except (ValueError, OverflowError):
        return None
    return found if found > _NEVER else None


def volume_type(value: object) -> str | None:
    """The volume's type: os, fixed, removable; another value as Graph gives it; None where there is none."""
    if isinstance(value, str) and value in _AS_NAMED:
        return _AS_NAMED[value]
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    shown = text(str(value)) if isinstance(value, str) or -1000 < value < 1000 else None
    return VOLUME_TYPES.get(shown.lower(), shown[:64]) if shown else None


def parse_owner(row: Mapping[str, Any], scope: Scope) -> Owner | None:
    """One device; None for a row that has neither a device ID nor an object ID.

    In scope: enabled, its operating system a Windows, of a trust type that counts, and not idle for too long.
    """
    object_id, device_id = guid(row.get("id")), guid(row.get("deviceId"))
    if object_id is None and device_id is None:
        return None
    system = text(row.get("operatingSystem")) or ""
    trust_type = text(row.get("trustType"))
    last_seen = moment(row.get("approximateLastSignInDateTime"))
    active = last_seen or moment(row.get("registrationDateTime"))
    idle = scope.idle_days is not None and active is not None and (active - scope.now).days < -scope.idle_days
    enabled = row.get("accountEnabled") is not False
    return Owner(
        store=STORE,
        owner_id=device_id or f"{BY_OBJECT}{object_id}",
        name=text(row.get("displayName")) or "",
        location=f"device {object_id or device_id}",
        enabled=enabled,
        in_scope=enabled and system[:7].lower() == "windows" and (trust_type or "").lower() in scope.trust_types and not idle,
        last_seen=last_seen,
        trust_type=trust_type,
    )


def lost_owner(owner_id: str, *, deleted: bool) -> Owner:
    """The owner of entries whose device is not listed: deleted or hidden, or (``deleted`` False) merely not read."""
    return Owner(store=STORE, owner_id=owner_id, name="", location=f"device ID {owner_id}", in_scope=False, deleted=deleted)


def parse_entry(row: Mapping[str, Any]) -> Entry | None:
    """One recovery key, metadata only; None for a row without any ID."""
    given = row.get("id")
    key_id = guid(given)
    shown = key_id or text(given)
    if shown is None:
        return None
    entry_id, device_id = shown[:64], guid(row.get("deviceId"))
    return Entry(
        store=STORE,
        owner_id=device_id or NO_DEVICE,
        entry_id=entry_id,
        location=f"recovery key {entry_id} of device ID {device_id}" if device_id else f"recovery key {entry_id}",
        key_ids=(key_id,) if key_id else (),
        volume_type=volume_type(row.get("volumeType")),
        created=moment(row.get("createdDateTime")),
        defects=() if key_id else ("its ID is no GUID",),
    )
