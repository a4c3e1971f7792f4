# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Which AD object is which computer, and how we know (DESIGN section 4); Entra's devices are :mod:`.device_joins`'.

A host's own name is a claim; it becomes authenticated when the channel proved the same name. The ID of a host's Entra device is a claim
too: a hybrid joined device bears the GUID of its AD object (general knowledge), so that such a host is found whatever it or its object is
called. A name in the inventory alone is the weakest join. Two live hosts that hold the same owner hold nothing: nobody can say whose
entries lie there. A member of a domain whose object the reading could not have brought has no owner here, but that is no reason to say
that nothing is escrowed for it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeGuard

from .model import Join, Observation, Owner, StoreReading
from .requirements import Requirements
from .verdict import is_too_old

#: the stores whose owners are computers
AD = "ad"
ENTRA = "entra"

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NO_GUID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryHost:
    """A host of the inventory and the address it is reached at (``ansible_host``)."""

    name: str
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreJoin:
    """Where a computer's entries lie in one store; ``owner`` None: it has none there.

    ``doubt``: why it cannot be said which entries are its own (two live hosts hold one owner, several objects answer to one name, the
    object may lie where nobody searched); empty where it can. ``rivals``: owners, by ID, that might be its own.
    """

    owner: Owner | None = None
    rivals: frozenset[str] = frozenset()
    join: Join | None = None
    doubt: str = ""
    collision: bool = False

    @property
    def owner_id(self) -> str | None:
        """The owner's ID in the store."""
        return self.owner.owner_id if self.owner is not None else None

    @property
    def disputed(self) -> bool:
        """Whether what was not found among its own entries may be its own all the same."""
        return bool(self.doubt)


NO_JOIN = StoreJoin()


@dataclass(slots=True, kw_only=True)
class Computer:
    """One computer of the report: whoever knows it (inventory, directory), with what it said and where its entries lie.

    ``observation`` is the newest successful one, ``fresh`` whether it is young enough to judge by, ``failure`` this run's failed attempt.
    """

    host: InventoryHost | None = None
    observation: Observation | None = None
    fresh: bool = False
    failure: Observation | None = None
    joins: dict[str, StoreJoin] = field(default_factory=dict)

    @property
    def seen(self) -> Observation | None:
        """The observation that verdicts may rest on."""
        return self.observation if self.fresh else None

    @property
    def told_all(self) -> bool:
        """Whether it told of every protector, so that an entry that none of them asks for is asked for by none.

        A host that lists no volume is unknown, and says nothing of what its entries open.
        """
        volumes = self.seen.volumes if self.seen is not None else None
        return bool(volumes) and all(volume.protectors is not None for volume in volumes or ())


def inventory_computers(
    hosts: Sequence[InventoryHost], observations: Mapping[str, Sequence[Observation]], *, now: datetime, requirements: Requirements
) -> list[Computer]:
    """One computer for each inventory host, with the newest of its successful observations and its failed attempt, if any."""
    computers = []
    for host in hosts:
        given = observations.get(host.name, ())
        observed = _best([item for item in given if item.reason is None], now, requirements)
        failed = max((item for item in given if item.reason is not None), key=lambda item: item.observed_at, default=None)
        fresh = observed is not None and not is_too_old(observed.observed_at, now, requirements)
        if observed and fresh and failed and failed.observed_at <= observed.observed_at:
            failed = None
        computers.append(Computer(host=host, observation=observed, fresh=fresh, failure=failed))
    return computers


def _best(observed: Sequence[Observation], now: datetime, requirements: Requirements) -> Observation | None:
    """The newest observation young enough to judge by, else the newest: one dated in the future must not hide a good one."""
    young = [item for item in observed if not is_too_old(item.observed_at, now, requirements)]
    return max(young or observed, key=lambda item: item.observed_at, default=None)


def is_guid(text: str | None) -> TypeGuard[str]:
    """Whether a text is a GUID in lower case without braces, and not the one of zeros: what identifies a device or a computer object."""
    return text is not None and text != _NO_GUID and _GUID.fullmatch(text) is not None


def stated_device(observation: Observation | None) -> str | None:
    """The ID of the Entra device that a host says it is; None for what is no ID, so that no text of a host's names an owner without one."""
    stated = observation.entra_device_id if observation is not None else None
    return stated if is_guid(stated) else None


def is_a_computer(owner: Owner) -> bool:
    """Whether an AD object can be a computer's own: it exists, and is not a cluster's name."""
    return not owner.deleted and not owner.cluster_name_object


class _Index:
    """The computer objects of AD by what they can be known by."""

    def __init__(self, owners: Iterable[Owner]) -> None:
        self.by_dns: dict[str, list[Owner]] = defaultdict(list)
        self.by_name: dict[str, list[Owner]] = defaultdict(list)
        self.by_guid: dict[str, Owner] = {}
        for owner in owners:
            if not is_a_computer(owner):
                continue
            self.by_guid[owner.owner_id] = owner
            if owner.dns_name:
                self.by_dns[owner.dns_name.lower()].append(owner)
            self.by_name[owner.name.lower()].append(owner)

    @staticmethod
    def only(candidates: Sequence[Owner], join: Join) -> StoreJoin:
        """The one candidate, joined as said; of several the only enabled one; else a dispute."""
        if len(candidates) > 1:
            candidates = [owner for owner in candidates if owner.enabled] or candidates
        if len(candidates) > 1:
            return _disputed(candidates, "several objects answer to its name")
        return StoreJoin(owner=candidates[0], join=join) if candidates else NO_JOIN


def _disputed(rivals: Sequence[Owner], why: str) -> StoreJoin:
    listed = ", ".join(owner.location for owner in rivals[:3]) + (" and more" if len(rivals) > 3 else "")
    return StoreJoin(rivals=frozenset(owner.owner_id for owner in rivals), doubt=f"{why}: {listed}")


def _hard(index: _Index, observation: Observation, *, fresh: bool) -> StoreJoin:
    """By the host's own word; one that says it is in no domain has no object there, whatever it calls itself."""
    if observation.part_of_domain is False:
        return NO_JOIN
    candidates = index.by_dns.get(observation.dns_name or "", [])
    named = index.only(candidates, Join.CLAIMED)
    if named.owner is not None and fresh and (named.owner.dns_name or "").lower() in observation.authenticated_names:
        return StoreJoin(owner=named.owner, join=Join.AUTHENTICATED)
    return _by_guid(index, named, observation)


def _by_guid(index: _Index, named: StoreJoin, observation: Observation) -> StoreJoin:
    """The object whose GUID is the host's device ID. It tells namesakes apart; where it contradicts the host's name, nobody can say."""
    stated = index.by_guid.get(stated_device(observation) or "")
    if stated is None or named.owner is stated:
        return named
    rivals = [named.owner] if named.owner is not None else [index.by_guid[owner_id] for owner_id in sorted(named.rivals)]
    if rivals and stated not in rivals:
        return _disputed([*rivals, stated], "its name and its Entra device ID are those of different objects")
    return StoreJoin(owner=stated, join=Join.CLAIMED)


def _soft(index: _Index, host: InventoryHost) -> StoreJoin:
    names = [text.lower().rstrip(".") for text in (host.name, host.address) if text]
    candidates = [owner for name in names for owner in index.by_dns.get(name, ())] or index.by_name.get(host.name.lower(), [])
    return index.only(list({owner.owner_id: owner for owner in candidates}.values()), Join.BY_NAME)


def _beyond(index: _Index, reading: StoreReading, said: Observation) -> StoreJoin:
    """A member of a domain without an owner: whether its object may be one that this reading did not bring, or brought unrecognised."""
    if said.part_of_domain is False:
        return NO_JOIN
    if said.part_of_domain is None or not said.domain:
        return StoreJoin(doubt="the host did not tell which domain it is in")
    if reading.domain and said.domain != reading.domain.lower():
        return StoreJoin(doubt=f"it is a member of {said.domain}, and {reading.domain} was searched")
    if namesakes := index.by_name.get(said.name.lower(), []) if said.name else []:
        return _disputed(namesakes, "an object has its name, but not its DNS name")
    return NO_JOIN if reading.whole else StoreJoin(doubt="it has no object under the search bases, and may have one elsewhere")


def join_directory(reading: StoreReading, computers: Sequence[Computer]) -> list[Owner]:
    """Join every computer to its object in AD, in place; returns the objects in scope that no computer joined.

    Order: what a host says (its DNS name, its Entra device ID), then its inventory name. A join by name alone never takes an owner that a
    host's own word holds.
    """
    index = _Index(reading.owners)
    for computer in computers:
        found = _hard(index, computer.observation, fresh=computer.fresh) if computer.observation is not None else NO_JOIN
        computer.joins[AD] = found
    held = {computer.joins[AD].owner_id for computer in computers}
    for computer in computers:
        said = computer.seen
        if computer.joins[AD] is not NO_JOIN or computer.host is None or (said is not None and said.part_of_domain is False):
            continue
        found = _soft(index, computer.host)
        if found.owner is not None and found.owner.owner_id in held:
            found = NO_JOIN
        if found is NO_JOIN and said is not None:
            found = _beyond(index, reading, said)
        computer.joins[AD] = found
    taken = {computer.joins[AD].owner_id for computer in computers}
    collide(reading.store, computers, lambda computer: computer.joins[AD].owner_id, "another live computer holds the same object")
    return [owner for owner in reading.owners if owner.in_scope and not owner.deleted and owner.owner_id not in taken]


def collide(store: str, computers: Iterable[Computer], held: Callable[[Computer], str | None], why: str) -> None:
    """Take the owner that live hosts share from all of them; ``held`` gives the ID of the owner that a computer holds or says it holds."""
    holders: dict[str, list[Computer]] = defaultdict(list)
    for computer in computers:
        if computer.fresh and (owner_id := held(computer)) is not None:
            holders[owner_id].append(computer)
    for owner_id, sharers in holders.items():
        for computer in sharers if len(sharers) > 1 else ():
            before = computer.joins[store]
            computer.joins[store] = StoreJoin(join=before.join, rivals=before.rivals | {owner_id}, doubt=why, collision=True)
