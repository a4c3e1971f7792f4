# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Which recovery passwords are to be rotated, and why: any one condition is enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .rotation import replaces
from .view import ProtectorView, VolumeView


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The conditions. ``key_ids``: IDs or their first characters, in lower case."""

    key_ids: tuple[str, ...] = ()
    older_than: timedelta | None = None
    disclosed: bool = False
    unproven: bool = False
    always: bool = False

    @property
    def any(self) -> bool:
        """Whether there is a condition at all."""
        return bool(self.key_ids or self.older_than is not None or self.disclosed or self.unproven or self.always)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What is known of one recovery password beside the view; ``made_at`` None: nobody tells when it was made."""

    made_at: datetime | None = None
    disclosed: bool = False


def why_rotate(view: VolumeView, item: ProtectorView, wishes: Wishes, facts: Callable[[str], KeyFacts], now: datetime) -> tuple[str, ...]:
    """The conditions that hold for a recovery password, as words; ``facts`` is asked only where a condition needs it.

    ``interrupted``: a rotation of it has begun, by this controller or another one, and is to be finished.
    """
    why = ["interrupted"] if any(replaces(other, item.key_id) for other in view.recovery_passwords) else []
    if any(item.key_id.startswith(key_id) for key_id in wishes.key_ids):
        why.append("key_id")
    if wishes.older_than is not None or wishes.disclosed:
        known = facts(item.key_id)
        if wishes.older_than is not None and known.made_at is not None and now - known.made_at > wishes.older_than:
            why.append("older_than")
        if wishes.disclosed and known.disclosed:
            why.append("disclosed")
    if wishes.unproven and not view.is_proven(item):
        why.append("unproven")
    if wishes.always:
        why.append("always")
    return tuple(why)


def is_replacement(view: VolumeView, item: ProtectorView) -> bool:
    """Whether a recovery password was made by a rotation that is not finished: it is no candidate itself."""
    return any(replaces(item, other.key_id) for other in view.recovery_passwords)
