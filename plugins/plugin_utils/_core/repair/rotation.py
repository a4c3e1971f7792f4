# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Rotation: one new recovery password in the place of another.

The intent comes first: what the volume had (the snapshot), which of it goes, and the tag of what comes. The tag is the friendly name of
the new protector, so the volume itself tells every later run and every other controller that a rotation has begun; nobody then adds a
third. Removed is only what stood in the snapshot, or what another controller added under a tag for the same key, and only when
:func:`.removal.why_not_remove` has nothing against it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from .escrow import next_escrow_step
from .removal import why_not_remove
from .steps import NOTHING_TRIED, AddRecoveryPassword, Decision, Done, RemoveProtector, Stop, Tried
from .view import ProtectorView, VolumeView

_TAG = re.compile(r"keyward [0-9]{8}T[0-9]{6}Z [0-9a-f]{8} for ([0-9a-f]{8})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a rotation set out to do; written down before the first change.

    ``snapshot``: the IDs of all protectors that the volume had, of every type. ``replaced``: the recovery password that goes. ``tag``: the
    friendly name of the one that comes (:func:`tag_for`).
    """

    snapshot: frozenset[str]
    replaced: str
    tag: str


def tag_for(key_id: str, *, moment: str, unique: str) -> str:
    """The friendly name of the recovery password that replaces ``key_id``.

    Args:
        key_id: the GUID of the one that goes.
        moment: the time, as ``20261123T031500Z``.
        unique: eight random hexadecimal digits.
    """
    tag = f"keyward {moment} {unique} for {key_id[:8]}"
    if _TAG.fullmatch(tag) is None:
        raise ValueError("a tag is made of a time, eight digits and a key ID")
    return tag


def replaces(item: ProtectorView, key_id: str) -> bool:
    """Whether this recovery password was made, by whomever, to replace that one."""
    match = _TAG.fullmatch(item.name)
    return item.is_recovery_password and match is not None and key_id.startswith(match[1]) and item.key_id != key_id


def intend(view: VolumeView, key_id: str, tag: str) -> Intent | Stop:
    """The intent to replace a recovery password; a rotation of it that somebody has begun is taken up, whatever tag it has."""
    obstacle = view.obstacle()
    if obstacle is not None:
        return Stop(obstacle)
    going = view.protector(key_id)
    if going is None or not going.is_recovery_password:
        return Stop("the volume has no such recovery password now", remedy="Look at the volume again: somebody else may have rotated it.")
    begun = [item.key_id for item in view.recovery_passwords if replaces(item, key_id)]
    return Intent(snapshot=view.key_ids - frozenset(begun), replaced=key_id, tag=tag)


def is_outdated(view: VolumeView, intent: Intent) -> bool:
    """Whether an intent of an earlier run speaks of a volume that is another one now, so that it must be thought anew."""
    if view.obstacle() is not None:
        return False
    ours = frozenset(item.key_id for item in view.recovery_passwords if _is_made_for(item, intent))
    gone = intent.snapshot - view.key_ids
    return bool(view.key_ids - intent.snapshot - ours or gone - {intent.replaced} or (gone and not ours))


def next_step(view: VolumeView, intent: Intent, tried: Tried = NOTHING_TRIED) -> Decision:
    """What to do now, from what was just read, the intent, and what this run has tried."""
    obstacle = view.obstacle()
    if obstacle is not None:
        return Stop(obstacle)
    made = sorted((item for item in view.recovery_passwords if _is_made_for(item, intent)), key=lambda item: item.key_id)
    ours = frozenset(item.key_id for item in made)
    gone = intent.replaced not in view.key_ids
    if strangers := view.key_ids - intent.snapshot - ours:
        return _changed(f"it has {len(strangers)} protectors that were not there")
    if intent.snapshot - view.key_ids - {intent.replaced}:
        return _changed("protectors are gone that were to stay")
    if not made:
        return _changed("the recovery password is gone, and no other was made for it") if gone else AddRecoveryPassword(intent.tag)
    new = made[0]  # two controllers see the same two, and both keep the first
    escrow = next_escrow_step(view, new, tried)
    if not isinstance(escrow, Done):
        return escrow
    if len(made) > 1:
        return _removed(view, made[1].key_id, view.key_ids, new)
    return Done() if gone else _removed(view, intent.replaced, intent.snapshot | {new.key_id}, new)


def _is_made_for(item: ProtectorView, intent: Intent) -> bool:
    return item.key_id not in intent.snapshot and (item.name == intent.tag or replaces(item, intent.replaced))


def _removed(view: VolumeView, key_id: str, expected: Collection[str], new: ProtectorView) -> RemoveProtector | Stop:
    reason = why_not_remove(view, key_id, expected=expected, replacement=new.key_id)
    return RemoveProtector(key_id) if reason is None else Stop(f"the old recovery password stays: {reason}")


def _changed(what: str) -> Stop:
    return Stop(f"the volume was changed meanwhile: {what}", remedy="Run it again: it begins anew from what the volume has then.")
