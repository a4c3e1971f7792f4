# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Recovery keys: which requests bring their metadata, and the one that brings a key itself.

``$top``, ``$skip``, ``$orderby``, ``$count`` and ``$expand`` are declared unsupported for them and never sent. Reading a key writes an
audit record in the tenant; reading metadata does not. ``$select=key`` beside other members brings the others without the key, so it goes
alone.
"""

from __future__ import annotations

from .failures import READ, READ_BASIC
from .graph import Query, literal

_PATH = "informationProtection/bitlocker/recoveryKeys"
_SELECT = "id,createdDateTime,deviceId,volumeType"
_ATTEMPTED = "read the recovery keys in Entra ID"


def every() -> Query:
    """The metadata of every key."""
    return Query(path=_PATH, options={"$select": _SELECT}, permission=READ_BASIC, attempted=_ATTEMPTED)


def of_device(device_id: str) -> Query:
    """The metadata of one device's keys."""
    options = {"$filter": f"deviceId eq {literal(device_id)}", "$select": _SELECT}
    return Query(path=_PATH, options=options, permission=READ_BASIC, attempted=_ATTEMPTED)


def one(key_id: str) -> Query:
    """The metadata of one key."""
    return Query(path=f"{_PATH}/{key_id}", options={}, permission=READ_BASIC, attempted=_ATTEMPTED)


def secret(key_id: str) -> Query:
    """One key itself, and nothing else beside it."""
    return Query(
        path=f"{_PATH}/{key_id}", options={"$select": "key"}, permission=READ, attempted=f"read the recovery password of key {key_id}"
    )
