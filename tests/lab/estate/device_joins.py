# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Entra device is which computer: by the host's own word, or by the GUID of its AD object; never by a display name.

Display names are nobody's identity (a re-imaged machine leaves a namesake behind), so an inventory host that says nothing and has no AD
object has no device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from ansible_collections.keyward.bitlocker.tests.lab.estate.identity import Identity
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenant_view import Tenant, in_scope
from ansible_collections.keyward.bitlocker.tests.lab.estate.view import Directory
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntraDevice


def join_devices(identities: list[Identity], directory: Directory, tenant: Tenant) -> None:
    """Give every identity its device, and take it away again from live hosts that share one."""
    guids = {computer.name: computer.object_guid for computer in directory.computers}
    for identity in identities:
        claimed = identity.host.device_id if identity.host is not None else None
        identity.device = tenant.device(claimed)
        if identity.device is None and identity.owner is not None and identity.owner_known:
            identity.device = tenant.hybrid_device(identity.owner.object_guid)
        # an object and its hybrid device are one identity: what is nobody's own there is nobody's own here, whoever states it
        found = [tenant.hybrid_device(guids.get(name)) for name in identity.undecided]
        doubtful = frozenset(device.device_id for device in found if device is not None)
        if identity.device is None or identity.device.device_id in doubtful:
            identity.undecided_devices = doubtful
        elif identity.owner is not None and identity.owner_known:
            identity.undecided_devices = _contradiction(identity.owner.object_guid, identity.device, set(guids.values()), tenant)
    sharing: dict[str, list[Identity]] = defaultdict(list)
    for identity in identities:
        if identity.device is not None and identity.host is not None and identity.host.state == "fresh":
            sharing[identity.device.device_id].append(identity)
    for device_id, group in sharing.items():
        if len(group) > 1:
            for identity in group:
                identity.device_collided = True
                identity.undecided_devices |= {device_id}


def _contradiction(guid: str | None, device: LabEntraDevice, guids: Collection[str | None], tenant: Tenant) -> frozenset[str]:
    """Devices between which nobody can decide: the one that a host states, and what the hard join of its computer object says instead."""
    own = tenant.hybrid_device(guid)
    if device.device_id == guid or (own is None and (tenant.hybrid_device(device.device_id) is None or device.device_id not in guids)):
        return frozenset()
    return frozenset({device.device_id} | ({own.device_id} if own is not None else set()))


def only_in_tenant(identities: list[Identity], directory: Directory, tenant: Tenant, now: datetime) -> list[Identity]:
    """The devices in scope that nobody joined; with the AD object that is theirs, if it is not in scope by itself."""
    taken = {identity.device.device_id for identity in identities if identity.device is not None}
    for identity in identities:
        taken |= identity.undecided_devices
    held = {identity.owner.name for identity in identities if identity.owner is not None}
    found = []
    for device in tenant.devices:
        if device.device_id not in taken and in_scope(device, now):
            objects = [
                computer
                for computer in directory.computers
                if computer.object_guid == device.device_id and tenant.hybrid_device(device.device_id) and computer.name not in held
            ]
            found.append(Identity(host=None, owner=objects[0] if objects else None, device=device))
    return found
