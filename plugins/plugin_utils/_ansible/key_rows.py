# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A found key as data: the record that the lookup returns and the module lists, alike in everything but the password."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .._core.key_lookup import FoundKey
from .._core.key_search import Candidate
from .._core.recovery_password_forms import MASKED


def key_row(found: FoundKey, password: str | None = None) -> dict[str, Any]:
    """One found key; without a password its mask, or None where no account here may read it."""
    record = found.record
    return {
        "term": found.term.text,
        "key_id": record.key_id or None,
        "recovery_password": password if password is not None else MASKED if record.readable else None,
        "owner": record.owner,
        "computers": list(record.computers),
        "serial": record.serial,
        "volume": record.volume,
        "volume_guid": record.volume_guid,
        "created": moment(record.created),
        "live": record.live,
        "live_as_of": moment(record.live_as_of),
        "deleted_owner": record.deleted_owner,
        "readable": record.readable,
        "defects": list(record.defects),
        "sources": [_source_row(candidate) for candidate in record.candidates],
        "unsearched": dict(found.unsearched),
    }


def _source_row(candidate: Candidate) -> dict[str, Any]:
    return {
        "source": candidate.source,
        "owner": candidate.owner,
        "owner_id": candidate.owner_id or None,
        "location": candidate.location or None,
        "created": moment(candidate.created),
        "deleted_owner": candidate.deleted_owner,
        "readable": candidate.readable,
        "defects": list(candidate.defects),
    }


def moment(time: datetime | None) -> str | None:
    """A time as every result has it: UTC, to the second, with Z."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
