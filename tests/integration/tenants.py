# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fleet drawn by hand with a tenant beside its directory: every way to be in one, the other or both, in a handful of hosts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ansible_collections.keyward.bitlocker.tests.integration.estates import Drawing, recovery
from ansible_collections.keyward.bitlocker.tests.lab.entra import accounts
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import TENANT
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabEntraDevice, LabEntraKey, LabHost

#: applications beside the lab's usual ones, each without one of the two permissions that a report needs
NO_KEYS, NO_DEVICES = "no keys", "no devices"


class TenantDrawing(Drawing):
    """An estate in the making with a tenant; small pages, so that every list has several."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        estate = self.estate
        estate.entra_tenant_id = TENANT
        estate.entra_clients = accounts.clients(seed)
        # tests ask for the audit more often than anybody should
        estate.entra_behaviour = {"key_page": 2, "audit_limit": 1000}
        for name, missing in ((NO_KEYS, "BitlockerKey.ReadBasic.All"), (NO_DEVICES, "Device.Read.All")):
            client = accounts.clients(seed + len(name))[0]
            client.display_name, client.app_roles = name, [role for role in accounts.METADATA_ROLES if role != missing]
            estate.entra_clients.append(client)

    def device(self, name: str, **fields: Any) -> LabEntraDevice:
        """A joined device that was used yesterday."""
        settings: dict[str, Any] = {
            "object_id": self.another_guid(),
            "device_id": self.another_guid(),
            "approximate_last_sign_in": self.estate.now - timedelta(days=1),
            "registered": self.estate.now - timedelta(days=400),
        }
        device = LabEntraDevice(display_name=name, **(settings | fields))
        self.estate.entra_devices.append(device)
        return device

    def key(self, device: LabEntraDevice, host: LabHost | None = None) -> LabEntraKey:
        """A recovery key under a device: of a host's first volume, or of nothing any more."""
        protector = recovery(host) if host is not None else None
        key = LabEntraKey(
            key_id=protector.key_id if protector else self.another_guid(),
            device_id=device.device_id,
            created=self.estate.now - timedelta(days=30),
            password=(protector.password if protector else None) or self.another_password(),
        )
        self.estate.entra_keys.append(key)
        return key

    def alone(self, name: str, *, joined: bool = True) -> tuple[LabHost, LabEntraDevice | None]:
        """A machine in no domain, joined to the tenant or to nothing."""
        host = self.host(name, computer=False, domain=None, domain_role=0)
        return host, self._registered(host, self.device(host.netbios_name)) if joined else None

    def hybrid(self, name: str, *, in_ad: bool = True, in_entra: bool = True, former: str = "", **fields: Any) -> LabEntraDevice:
        """A member of the domain whose device has its computer object's GUID; ``former``: what both are called still."""
        host = self.host(name, computer=False, **fields)
        known_as = former.upper() or host.netbios_name
        computer = self.computer(known_as, object_guid=self.another_guid())
        device = self.device(known_as, device_id=computer.object_guid, trust_type="ServerAd", on_premises_sync_enabled=True)
        if in_ad:
            self.escrow(host, under=known_as)
        if in_entra:
            self.key(device, host)
        return self._registered(host, device)

    @staticmethod
    def _registered(host: LabHost, device: LabEntraDevice) -> LabEntraDevice:
        host.entra_device_id, host.entra_tenant_id = device.device_id, TENANT
        return device


def hybrid_fleet() -> Estate:
    """Hosts in AD alone, in Entra ID alone, in both and in neither; one renamed, one whose device was deleted, one that does not answer."""
    drawing = TenantDrawing(4713)
    drawing.hybrid("both")
    drawing.hybrid("in-ad", in_entra=False)
    drawing.hybrid("in-entra", in_ad=False)
    drawing.hybrid("neither", in_ad=False, in_entra=False)
    drawing.hybrid("newname", former="oldname")
    drawing.hybrid("gone").soft_deleted = True
    drawing.hybrid("dead", in_ad=False, fault="refused")
    drawing.escrow(drawing.host("ad-only"))
    joined, device = drawing.alone("cloud")
    if device is not None:
        drawing.key(device, joined)
    drawing.alone("cloud-bare")
    drawing.alone("kiosk", joined=False)
    # nobody in the inventory is these
    drawing.key(drawing.device("TABLET"))
    drawing.device("PHONE", operating_system="iOS")
    return drawing.estate
