# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Which Entra device is which computer, and how we know (DESIGN section 4).

By the host's own word, or by its AD object: a hybrid joined device (trust type ServerAd) bears the GUID of its AD object (general
knowledge). What is known of that object, its dispute too, is then known of the device. A display name is nobody's identity: anybody may
register a device under any name, and a new installation leaves a namesake behind; so it joins nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from .joins import AD, ENTRA, NO_JOIN, Computer, StoreJoin, collide, is_a_computer, stated_device
from .model import Join, Observation, Owner, StoreReading

#: microsoft.graph.device trustType of a hybrid joined device (Graph documentation of the device resource)
_HYBRID = "serverad"
#: how the reads are called by which a host tells its device
_READS = "CloudDomainJoin"


class _Devices:
    """The devices of a tenant and the computer objects of the directory (None: no directory was read)."""

    def __init__(self, tenant: StoreReading, directory: StoreReading | None) -> None:
        self.tenant = tenant
        self.listed = {owner.owner_id: owner for owner in tenant.owners if not owner.deleted}
        self.objects = {owner.owner_id: owner for owner in (directory.owners if directory is not None else ()) if is_a_computer(owner)}

    def stated(self, observation: Observation | None) -> Owner | None:
        """The device that a host says it is, if this tenant lists it and is not another than the host says."""
        theirs = observation.entra_tenant_id if observation is not None else None
        if theirs is not None and self.tenant.tenant is not None and theirs != self.tenant.tenant:
            return None
        return self.listed.get(stated_device(observation) or "")

    def hybrid(self, guid: str | None) -> Owner | None:
        """The hybrid joined device of an AD object."""
        device = self.listed.get(guid or "")
        return device if device is not None and (device.trust_type or "").lower() == _HYBRID else None

    def join(self, computer: Computer) -> StoreJoin:
        """What a computer's device is."""
        known = computer.joins.get(AD, NO_JOIN)
        stated, own = self.stated(computer.observation), self.hybrid(known.owner_id)
        rivals = frozenset(device.owner_id for guid in known.rivals if (device := self.hybrid(guid)) is not None)
        if rivals and (stated is None or stated.owner_id in rivals):
            return StoreJoin(rivals=rivals, doubt=f"its device is that of its AD object: {known.doubt}")
        if stated is None:
            return StoreJoin(owner=own, join=known.join) if own is not None else _unread(computer.observation)
        if own is stated:
            return StoreJoin(owner=stated, join=Join.AUTHENTICATED if known.join is Join.AUTHENTICATED else Join.CLAIMED)
        other = self.objects.get(stated.owner_id) if known.owner is not None and self.hybrid(stated.owner_id) is not None else None
        if own is None and other is None:
            return StoreJoin(owner=stated, join=Join.CLAIMED)
        told = f"that of {other.location}" if other is not None else "not the one of its AD object"
        rivals = frozenset(device.owner_id for device in (stated, own) if device is not None)
        return StoreJoin(rivals=rivals, doubt=f"the device that it says it is is {told}")

    def alone(self, device: Owner) -> Computer:
        """A device that is nobody's so far as a computer, with its AD object, which then is nobody's either."""
        joins = {ENTRA: StoreJoin(owner=device)}
        if self.hybrid(device.owner_id) is not None and device.owner_id in self.objects:
            joins[AD] = StoreJoin(owner=self.objects[device.owner_id])
        return Computer(joins=joins)


def _unread(observation: Observation | None) -> StoreJoin:
    """A host that told no device: whether it has none, or could not tell."""
    failed = observation is not None and observation.entra_device_id is None and any(e.read.startswith(_READS) for e in observation.errors)
    return StoreJoin(doubt="the host could not tell which device it is") if failed else NO_JOIN


def join_devices(tenant: StoreReading, directory: StoreReading | None, computers: Sequence[Computer]) -> list[Computer]:
    """Join every computer to its Entra device, in place; returns a computer for each device in scope that is none of these computers'.

    Args:
        tenant: the reading of Entra ID.
        directory: the reading of AD that the computers are joined to; None where it is no store of this run.
        computers: all that are known so far, those of the directory alone too.
    """
    devices = _Devices(tenant, directory)
    for computer in computers:
        computer.joins[ENTRA] = devices.join(computer)

    def held(computer: Computer) -> str | None:
        """What a host says holds even where its other names contradict it: two that say the same are a collision."""
        stated = devices.stated(computer.observation)
        return stated.owner_id if stated is not None else computer.joins[ENTRA].owner_id

    collide(ENTRA, computers, held, "another live computer is the same device")
    taken = {owner_id for computer in computers for owner_id in (*computer.joins[ENTRA].rivals, computer.joins[ENTRA].owner_id)}
    return [devices.alone(device) for device in devices.listed.values() if device.in_scope and device.owner_id not in taken]
