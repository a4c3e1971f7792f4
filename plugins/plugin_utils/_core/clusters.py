# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A volume that several nodes of one failover cluster list is one volume, and its owners are the nodes and the cluster's name object.

Only a fixed volume, and only with the cluster's own evidence; without it two equal volumes are a clone (DESIGN section 5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from .joins import Computer
from .model import ObservedVolume, Owner, VolumeType

#: index of a computer in the report's order -> device IDs of its volumes that are listed under another node
Hidden = Mapping[int, frozenset[str]]


def shared_volumes(computers: Sequence[Computer]) -> dict[tuple[int, str], tuple[int, ...]]:
    """Find the volumes that several nodes share: (first node, device ID there) -> every node's index, first node first.

    ``computers`` is in the order of the report, so the first node by name comes first.
    """
    groups: dict[tuple[str, str, frozenset[str]], list[tuple[int, str]]] = defaultdict(list)
    for index, computer in enumerate(computers):
        seen = computer.seen
        if seen is None or seen.cluster is None:
            continue
        for volume in seen.volumes or ():
            identity = _identity(volume)
            if identity is not None:
                groups[(f"{seen.cluster}.{seen.domain or ''}", *identity)].append((index, volume.device_id))
    return {members[0]: tuple(dict.fromkeys(index for index, _device in members)) for members in groups.values() if len(members) > 1}


def _identity(volume: ObservedVolume) -> tuple[str, frozenset[str]] | None:
    if volume.type != VolumeType.FIXED or not volume.persistent_id or not volume.protectors:
        return None
    return volume.persistent_id.lower(), frozenset(protector.key_id for protector in volume.protectors)


def listed_elsewhere(computers: Sequence[Computer], shared: Mapping[tuple[int, str], tuple[int, ...]]) -> dict[int, frozenset[str]]:
    """For each node but the first: the device IDs of its volumes that the first node lists."""
    hidden: dict[int, set[str]] = defaultdict(set)
    for (first, device_id), nodes in shared.items():
        seen = computers[first].seen
        original = next(_identity(volume) for volume in (seen.volumes if seen else None) or () if volume.device_id == device_id)
        for node in nodes[1:]:
            other = computers[node].seen
            hidden[node] |= {volume.device_id for volume in (other.volumes if other else None) or () if _identity(volume) == original}
    return {node: frozenset(devices) for node, devices in hidden.items()}


def name_object(owners: Sequence[Owner], cluster: str | None) -> Owner | None:
    """The cluster name object of a cluster among a store's owners."""
    if cluster is None:
        return None
    short = cluster.split(".")[0].lower()
    return next((owner for owner in owners if owner.cluster_name_object and not owner.deleted and owner.name.lower() == short), None)
