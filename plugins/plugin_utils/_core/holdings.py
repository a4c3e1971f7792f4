# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What the stores hold for the protectors of a fleet: whose entries are a volume's own, and what each store says of each protector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .clusters import Shared, name_object
from .entries import StoreIndex
from .joins import Computer
from .model import ObservedVolume, ProtectorType
from .names import unique_names
from .proofs import NO_PROOFS, Place, Proofs
from .rows import ProtectorRow


def in_order(computers: Sequence[Computer]) -> tuple[list[str], list[Computer]]:
    """The computers in the order of the report, and their names there."""
    by_name = sorted(zip(unique_names(computers), computers, strict=True), key=lambda pair: pair[0])
    return [name for name, _computer in by_name], [computer for _name, computer in by_name]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetHoldings:
    """The fleet in the order of the report, and its stores; computers are named by their place in it."""

    computers: Sequence[Computer]
    indexes: Mapping[str, StoreIndex]
    shared: Shared
    proofs: Proofs = NO_PROOFS

    def members(self, index: int, volume: ObservedVolume) -> Sequence[tuple[int, ObservedVolume]]:
        """Every node that lists a volume, and what it says of it; a volume that nobody shares has one."""
        return self.shared.get((index, volume.device_id), [(index, volume)])

    def place(self, node: int, volume: ObservedVolume) -> Place:
        """Where proofs of this volume's protectors belong."""
        said = self.computers[node].observation
        return Place(said.host if said is not None else "", volume.device_id)

    def of_volume(self, nodes: Sequence[int], node: int, volume: ObservedVolume) -> tuple[ProtectorRow, ...]:
        """The protectors that ``node`` lists on a volume of ``nodes``, each recovery password with what every store holds for it."""
        sides = {store: self._owners(nodes, store) for store in self.indexes}
        place = self.place(node, volume)
        rows = []
        for protector in volume.protectors or ():
            holdings = None
            if protector.type == ProtectorType.RECOVERY_PASSWORD:
                holdings = {
                    store: self.indexes[store].holding(
                        protector.key_id, owners=owners, rivals=rivals, disputed=disputed, proofs=self.proofs, place=place
                    )
                    for store, (owners, rivals, disputed) in sides.items()
                }
            rows.append(ProtectorRow(key_id=protector.key_id, type=protector.type, holdings=holdings))
        return tuple(rows)

    def _owners(self, nodes: Sequence[int], store: str) -> tuple[frozenset[str], frozenset[str], bool]:
        """Own owners, rivals and dispute of a volume that these computers list."""
        owners: set[str] = set()
        rivals: set[str] = set()
        disputed = False
        for node in nodes:
            join = self.computers[node].joins[store]
            disputed |= join.disputed
            rivals |= join.rivals
            if join.owner is not None:
                owners.add(join.owner.owner_id)
        if len(nodes) > 1:
            cluster = name_object(self.indexes[store].reading, self.computers[nodes[0]].seen)
            if cluster is not None:
                owners.add(cluster.owner_id)
        return frozenset(owners), frozenset(rivals), disputed
