# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A volume that several nodes of one failover cluster list is one volume, and its owners are the nodes and the cluster's name object.

Only a fixed volume, and only with the cluster's own evidence; without it two equal volumes are a clone (DESIGN section 5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from .joins import Computer
from .model import Observation, ObservedVolume, Owner, StoreReading, VolumeType

#: (index of the first node in the report's order, device ID there) -> each node's index and what it says of the volume, first node first
Shared = Mapping[tuple[int, str], Sequence[tuple[int, ObservedVolume]]]
#: index of a computer in the report's order -> device IDs of its volumes that are listed under another node
Hidden = Mapping[int, frozenset[str]]


def shared_volumes(computers: Sequence[Computer]) -> tuple[Shared, Hidden]:
    """Find the volumes that several nodes share, and what is therefore not listed under the others.

    ``computers`` is in the order of the report, so the first node by name comes first.
    """
    groups: dict[tuple[str, str | None, str, frozenset[str]], list[tuple[int, ObservedVolume]]] = defaultdict(list)
    for index, computer in enumerate(computers):
        seen = computer.seen
        if seen is None or seen.cluster is None:
            continue
        for volume in seen.volumes or ():
            if volume.type == VolumeType.FIXED and volume.persistent_id and volume.protectors:
                protectors = frozenset(protector.key_id for protector in volume.protectors)
                groups[seen.cluster, seen.domain, volume.persistent_id.lower(), protectors].append((index, volume))
    shared: dict[tuple[int, str], Sequence[tuple[int, ObservedVolume]]] = {}
    hidden: dict[int, set[str]] = defaultdict(set)
    for members in groups.values():
        first, volume = members[0]
        others = [(index, other) for index, other in members if index != first]
        if others:
            shared[first, volume.device_id] = [members[0], *others]
            for index, other in others:
                hidden[index].add(other.device_id)
    return shared, {index: frozenset(devices) for index, devices in hidden.items()}


def name_object(reading: StoreReading, said: Observation | None) -> Owner | None:
    """The name object of a node's cluster in a store; None where there is none, or more than one, or the store is another domain's."""
    if said is None or said.cluster is None or (said.domain and reading.domain and said.domain != reading.domain.lower()):
        return None
    short = said.cluster.split(".")[0].lower()
    found = [owner for owner in reading.owners if owner.cluster_name_object and not owner.deleted and owner.name.lower() == short]
    return found[0] if len(found) == 1 else None
