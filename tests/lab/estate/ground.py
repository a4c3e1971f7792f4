# SPDX-License-Identifier: GPL-3.0-or-later
"""What all judgements of a run share: the stores as they answer, the computers, and every volume where it is listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ansible_collections.keyward.bitlocker.tests.lab.estate.identity import Identity
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenant_view import Tenant
from ansible_collections.keyward.bitlocker.tests.lab.estate.view import Directory, SeenVolume


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A volume where it is listed, with everybody who owns it."""

    computer: str
    volume: SeenVolume
    owners: frozenset[str]
    devices: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all judgements of one run share."""

    directory: Directory
    #: None: Entra is no store of this run
    tenant: Tenant | None
    identities: list[Identity]
    listed: list[Listed]
    copies: int
    #: none, or live: values are read and held against the hosts' key packages
    proof: str
    #: key ID -> inventory names of the hosts that list it today
    listed_by: dict[str, set[str]]


def within_reach(directory: Directory, identities: list[Identity]) -> Directory:
    """The directory without what only a walk over every object would name.

    Entries that this account may not read are looked for below the objects of the report's computers and of their clusters alone, and of
    those computers only where something asked for is not readable (where nothing is asked for: where nothing at all is). Below a disabled
    computer, say, a name that nobody may read stays unseen, and nothing is ``held_elsewhere`` there.
    """
    clusters = {(identity.host.cluster or "").lower() for identity in identities if identity.host is not None}
    reached = {identity.owner.name for identity in identities if identity.owner is not None and _looked_below(identity, directory)}
    reached |= {computer.name for computer in directory.computers if computer.cluster_name_object and computer.name.lower() in clusters}
    return replace(directory, entries=tuple(entry for entry in directory.entries if entry.readable or entry.owner in reached))


def _looked_below(identity: Identity, directory: Directory) -> bool:
    owner = identity.owner.name if identity.owner is not None else ""
    readable = {key_id for entry in directory.of_owners({owner}) if entry.readable and entry.sound for key_id in entry.key_ids}
    volumes = identity.host.volumes if identity.host is not None else ()
    asked = {protector.key_id for volume in volumes for protector in volume.recovery_passwords}
    return bool(asked - readable) if asked else not readable


def name_holders(identities: Iterable[Identity]) -> dict[str, set[str]]:
    """Key ID -> inventory names of the hosts that list it today."""
    listed_by: dict[str, set[str]] = defaultdict(set)
    for identity in identities:
        if identity.host is not None and identity.host.state == "fresh":
            for volume in identity.host.volumes:
                for protector in volume.protectors or ():
                    listed_by[protector.key_id].add(identity.host.inventory_name)
    return listed_by


def list_volumes(identities: list[Identity], directory: Directory) -> list[Listed]:
    """Every volume once: a shared fixed volume of a cluster's nodes stands under the first of them by name."""
    listed: list[Listed] = []
    shared: dict[tuple[str, str, frozenset[str]], list[tuple[Identity, SeenVolume]]] = defaultdict(list)
    for identity in sorted(identities, key=lambda identity: identity.name):
        for volume in identity.host.volumes if identity.host is not None else ():
            key = _shared_key(identity, volume)
            if key is None:
                listed.append(Listed(computer=identity.name, volume=volume, owners=identity.owners, devices=identity.devices))
            else:
                shared[key].append((identity, volume))
    for (cluster, _volume, _keys), holders in shared.items():
        first, volume = holders[0]
        owners = frozenset().union(*(identity.owners for identity, _unused in holders))
        devices = frozenset().union(*(identity.devices for identity, _unused in holders))
        if len(holders) > 1:
            owners |= {
                computer.name for computer in directory.computers if computer.cluster_name_object and computer.name.lower() == cluster
            }
        listed.append(Listed(computer=first.name, volume=volume, owners=owners, devices=devices))
    return listed


def _shared_key(identity: Identity, volume: SeenVolume) -> tuple[str, str, frozenset[str]] | None:
    host = identity.host
    if host is None or host.state != "fresh" or host.cluster is None or volume.type != 1:
        return None
    if not volume.persistent_id or not volume.protectors:
        return None
    return host.cluster.lower(), volume.persistent_id, frozenset(protector.key_id for protector in volume.protectors)
