# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Which entries are to be proven against which key packages, and in which order; pure.

Only a recovery password of a computer that is observed now, only the computer's own entries, only in the required stores: what lies
elsewhere is never read. What was proven longest ago comes first, what never was before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from .clusters import shared_volumes
from .entries import StoreIndex
from .holdings import FleetHoldings, in_order
from .joins import AD, Computer
from .key_proof.protector import NoProtectorError, find_protector
from .model import Entry, ObservedVolume, ProtectorType, StoreReading
from .proofs import Place
from .redaction import Secret
from .requirements import Requirements
from .volume_state import VolumeState

#: (store, entry ID, digest of the protector's datum) -> when that entry was last proven to open it
LastProven = Mapping[tuple[str, str, str], datetime]

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One recovery password's protector as one volume lists it, with the entries that should open it.

    ``packages`` are the readings of its live key package, none where no host gave one: then the entries are the directory's alone, which
    may have a package of its own. ``observed_at`` is when the packages were read.
    """

    key_id: str
    place: Place
    packages: tuple[Secret[bytes], ...]
    observed_at: datetime
    in_scope: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPlan:
    """The targets in their turn, their entries cut down to the budgets; what was left out of those, and what had no live package.

    ``wanted``: pairs of an entry and a live package before the cut; ``over_budget``: those beyond it; ``reads``: by store with a budget,
    how many entries there are to read in all.
    """

    targets: tuple[Target, ...]
    wanted: int
    over_budget: int
    without_package: int
    reads: Mapping[str, int]


def make_plan(
    computers: Sequence[Computer],
    readings: Sequence[StoreReading],
    requirements: Requirements,
    *,
    budgets: Mapping[str, int],
    last_proven: LastProven | None = None,
) -> ProofPlan:
    """What to prove in this run; ``budgets``: by store, how many values of it may be read."""
    found = list(_targets(computers, readings, requirements))
    wanted = [target for target in found if target.entries]
    turns = {id(target): _turn(target, last_proven or {}) for target in wanted}
    wanted.sort(key=lambda target: (min(turns[id(target)]), not target.in_scope, target.place, target.key_id))
    allowed: dict[str, set[str]] = {}
    reads: dict[str, int] = {}
    for store, budget in budgets.items():
        ranked = dict.fromkeys(_ranked(wanted, turns, store))
        reads[store] = len(ranked)
        allowed[store] = set(list(ranked)[:budget])
    cut = [
        replace(target, entries=tuple(e for e in target.entries if e.store not in allowed or e.entry_id in allowed[e.store]))
        for target in wanted
    ]
    pairs = [sum(len(target.entries) for target in targets if target.packages) for targets in (wanted, cut)]
    return ProofPlan(
        targets=tuple(target for target in cut if target.entries),
        wanted=pairs[0],
        over_budget=pairs[0] - pairs[1],
        without_package=sum(not target.packages for target in found),
        reads=reads,
    )


def _targets(computers: Sequence[Computer], readings: Sequence[StoreReading], requirements: Requirements) -> Iterator[Target]:
    _names, ordered = in_order(computers)
    shared, hidden = shared_volumes(ordered)
    indexes = {reading.store: StoreIndex(reading) for reading in readings if reading.store in requirements.stores}
    holdings = FleetHoldings(computers=ordered, indexes=indexes, shared=shared)
    for index, computer in enumerate(ordered):
        for volume in (computer.seen.volumes if computer.seen else None) or ():
            if volume.device_id not in hidden.get(index, frozenset()):
                yield from _of_volume(holdings, index, volume, requirements)


def _of_volume(holdings: FleetHoldings, index: int, volume: ObservedVolume, requirements: Requirements) -> Iterator[Target]:
    members = holdings.members(index, volume)
    nodes = list(dict.fromkeys(node for node, _told in members))
    for node, told in members:
        in_scope = VolumeState(told).in_scope(requirements)
        for row in holdings.of_volume(nodes, node, told):
            if row.type != ProtectorType.RECOVERY_PASSWORD or row.holdings is None:
                continue
            packages, giver = _packages(row.key_id, [(node, told), *members])
            seen = holdings.computers[giver].seen
            if seen is None:
                continue
            entries = [entry for holding in row.holdings.values() for entry in holding.own if entry.readable and not entry.defects]
            yield Target(
                key_id=row.key_id,
                place=holdings.place(node, told),
                packages=packages,
                observed_at=seen.observed_at,
                in_scope=in_scope,
                entries=tuple(entry for entry in entries if packages or entry.store == AD),
            )


def _packages(key_id: str, members: Iterable[tuple[int, ObservedVolume]]) -> tuple[tuple[Secret[bytes], ...], int]:
    """The readings of a protector's package, and the node that gave them: its own word first, then that of a node that shares the volume.

    Only the node that coordinates a cluster's volume can read its packages.
    """
    members = list(members)
    for node, told in members:
        for protector in told.protectors or ():
            if protector.key_id == key_id and protector.key_packages:
                return protector.key_packages, node
    return (), members[0][0]


def _turn(target: Target, last_proven: LastProven) -> list[datetime]:
    """When each entry of the target was last proven to open this very wrapping of the key."""
    if not last_proven or not target.packages:
        return [_NEVER] * len(target.entries)
    digest = datum_digest(target)
    return [last_proven.get((entry.store, entry.entry_id, digest), _NEVER) for entry in target.entries]


def datum_digest(target: Target) -> str:
    """The digest of the protector's datum in the target's package; empty where it is not found."""
    try:
        return find_protector(target.packages[0].reveal(), target.key_id).digest if target.packages else ""
    except (NoProtectorError, ValueError):
        return ""


def _ranked(targets: Sequence[Target], turns: Mapping[int, Sequence[datetime]], store: str) -> list[str]:
    """The IDs of a store's entries, the most urgent first: of two in the same turn, the one whose protector has no entry elsewhere."""
    ranked = []
    for place, target in enumerate(targets):
        elsewhere = any(entry.store != store for entry in target.entries)
        for entry, turn in zip(target.entries, turns[id(target)], strict=True):
            if entry.store == store:
                ranked.append((turn, not target.in_scope, elsewhere, place, entry.entry_id))
    return [entry_id for *_rank, entry_id in sorted(ranked)]
