# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Escrow: recovery passwords into every required store, read back and proven.

What stands in the way of one store or one key does not keep the others waiting: whatever can be done is done first, then what may yet
show is waited for, and only then an obstacle is told.
"""

from __future__ import annotations

from collections.abc import Collection

from ..model import EntryState
from .steps import NOTHING_TRIED, BackUp, Decision, Done, LookAgain, Stop, Tried
from .view import MISSING, WRONG, ProtectorView, VolumeView


def next_step(view: VolumeView, chosen: Collection[str] | None = None, tried: Tried = NOTHING_TRIED) -> Decision:
    """What to do now for the chosen recovery passwords (None: all of the volume)."""
    obstacle = view.obstacle()
    if obstacle is not None:
        return Stop(obstacle)
    wanted = [item for item in view.recovery_passwords if chosen is None or item.key_id in chosen]
    if not wanted:
        return Stop("the volume has no recovery password to back up", remedy="Add one first: see keyward.bitlocker.key_protector.")
    return _foremost([next_escrow_step(view, item, tried) for item in wanted])


def next_escrow_step(view: VolumeView, item: ProtectorView, tried: Tried = NOTHING_TRIED) -> Decision:
    """What brings one recovery password into every required store, proven."""
    return _foremost([_barred(view, store) or _in_store(item, store, tried) for store in view.stores])


def _foremost(decisions: Collection[Decision]) -> Decision:
    """What to do before all else; of obstacles the first, with the key IDs of all that need a rotation."""
    for kind in (BackUp, LookAgain):
        for decision in decisions:
            if isinstance(decision, kind):
                return decision
    stops = [decision for decision in decisions if isinstance(decision, Stop)]
    if not stops:
        return Done()
    rotate = tuple(dict.fromkeys(key_id for stop in stops for key_id in stop.needs_rotation))
    return Stop(stops[0].reason, remedy=stops[0].remedy, needs_rotation=rotate)


def _barred(view: VolumeView, store: str) -> Stop | None:
    reason = view.barred.get(store)
    return Stop(f"nothing in {store} can be told to be this computer's: {reason}") if reason is not None else None


def _in_store(item: ProtectorView, store: str, tried: Tried) -> Decision:
    state = item.state(store)
    if state is EntryState.PROVEN:
        return Done()
    if state in MISSING:
        step = BackUp(store, item.key_id)
        if step in tried.refused:
            return Stop(f"the recovery password {item.key_id} could not be backed up to {store}: {tried.refused[step]}")
        # a store may take a while to show what it was given (replication, Entra's delay)
        return LookAgain(store, item.key_id) if step in tried.done else step
    if state in WRONG:
        return Stop(
            f"{store} holds under the key ID {item.key_id} what does not open the volume ({state})",
            remedy="A store keeps what it has under a key ID: rotate this recovery password, and find out who wrote the other one.",
            needs_rotation=(item.key_id,),
        )
    if state is EntryState.PRESENT:
        return Stop(
            f"{store} holds the recovery password {item.key_id}, and it could not be proven",
            remedy="See the reason beside the proof. Without a proof nothing is removed.",
        )
    if state is EntryState.UNREADABLE:
        return Stop(
            f"{store} does not let this account read the entry of {item.key_id}",
            remedy="Give the account the right to read recovery passwords.",
        )
    return LookAgain(store, item.key_id)
