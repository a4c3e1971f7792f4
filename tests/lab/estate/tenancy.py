# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices, keys and enrolments of an estate's Entra tenant in the making."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import CLIENT_PROFILES, TENANT, Machine, Site
from ansible_collections.keyward.bitlocker.tests.lab.estate.plot import Plot
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenant_view import HYBRID
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES
from ansible_collections.keyward.bitlocker.tests.lab.model import (
    LabComputerObject,
    LabEntraDevice,
    LabEntraKey,
    LabHost,
    LabManagedDevice,
    LabProtector,
    LabVolume,
)

ENTRA_RECORD = 4


@dataclass(kw_only=True)
class Tenancy:
    """A site with its tenant."""

    site: Site

    @property
    def now(self) -> datetime:
        """The moment the estate is made for."""
        return self.site.now

    def lately(self) -> datetime:
        """A time when somebody in use was last seen."""
        return values.moment_before(self.site.rng, self.now, days=(1, 60))

    def device(self, name: str, **fields: Any) -> LabEntraDevice:
        """Add a device; unless said otherwise it is joined, in use and managed as often as not."""
        rng = self.site.rng
        settings: dict[str, Any] = {
            "object_id": values.guid(rng),
            "device_id": values.guid(rng),
            "approximate_last_sign_in": self.lately(),
            "registered": values.moment_before(rng, self.now, days=(100, 1500)),
            "is_managed": rng.choice((True, True, False, None)),
            "physical_ids": [f"[USER-GID]:{values.guid(rng)}:{rng.randrange(10**9)}"],
            "registered_owners": [f"{name.lower()[:20].strip()}.owner@{self.site.estate.realm}"],
        }
        device = LabEntraDevice(display_name=name, **(settings | fields))
        self.site.estate.entra_devices.append(device)
        if device.is_managed:
            self._enrol(device)
        return device

    def _enrol(self, device: LabEntraDevice) -> None:
        rng = self.site.rng
        enrolment = LabManagedDevice(
            intune_id=values.guid(rng),
            azure_ad_device_id=device.device_id,
            device_name=device.display_name,
            operating_system=device.operating_system,
            is_encrypted=rng.random() < 0.9,
            last_sync=rng.choice((self.lately(), self.lately(), None)),
            enrolled=device.registered,
        )
        self.site.estate.entra_managed.append(enrolment)

    def join(self, host: LabHost, **fields: Any) -> LabEntraDevice:
        """Join a host to the tenant alone; it knows so."""
        profile = PROFILES[host.profile]
        system = "Windows Server" if profile.server else "Windows"
        device = self.device(host.netbios_name, **({"operating_system": system, "operating_system_version": profile.version} | fields))
        host.entra_device_id, host.entra_tenant_id = device.device_id, TENANT
        return device

    def join_hybrid(self, computer: LabComputerObject, host: LabHost | None, **fields: Any) -> LabEntraDevice:
        """Join a member of the domain to the tenant too: its device ID is its computer object's GUID."""
        guid = host.entra_device_id if host is not None and host.entra_device_id else values.guid(self.site.rng)
        computer.object_guid = guid
        settings = {"device_id": guid, "trust_type": HYBRID, "on_premises_sync_enabled": True}
        if host is not None:
            host.entra_device_id, host.entra_tenant_id = guid, TENANT
        return self.device(computer.name, **(settings | fields))

    def pending(self, computer: LabComputerObject) -> LabEntraDevice:
        """The device that the directory's synchronisation makes of a computer object, before the machine itself has joined."""
        computer.object_guid = values.guid(self.site.rng)
        unset: dict[str, Any] = {"trust_type": None, "profile_type": None, "approximate_last_sign_in": None, "registered": None}
        return self.device(computer.name, device_id=computer.object_guid, on_premises_sync_enabled=True, is_managed=None, **unset)

    def twin(self, device: LabEntraDevice) -> LabEntraDevice:
        """Another object with a device's ID: disabled, idle, and under another name."""
        last = values.moment_before(self.site.rng, self.now, days=(100, 1000))
        name = self.site.fresh_name("DESKTOP")
        return self.device(name, device_id=device.device_id, account_enabled=False, approximate_last_sign_in=last, is_managed=None)

    def remove(self, device: LabEntraDevice) -> None:
        """Delete a device for good."""
        estate = self.site.estate
        estate.entra_devices.remove(device)
        estate.entra_managed = [item for item in estate.entra_managed if item.azure_ad_device_id != device.device_id]

    def escrow(self, device: LabEntraDevice, protector: LabProtector, volume: LabVolume | None = None, **changes: Any) -> LabEntraKey:
        """Add the key of a recovery password under a device."""
        rng = self.site.rng
        if rng.random() < 0.8:
            protector.backup_types |= ENTRA_RECORD
        fields: dict[str, Any] = {
            "key_id": protector.key_id,
            "password": protector.password or values.recovery_password(rng),
            "created": values.moment_before(rng, self.now, days=(2, 900)),
            "volume_type": volume.volume_type + 1 if volume is not None else 1,
        }
        key = LabEntraKey(device_id=device.device_id, **(fields | changes))
        self.site.estate.entra_keys.append(key)
        return key

    def old_key(self, device_id: str | None) -> LabEntraKey:
        """Add a key that belongs to nothing any more."""
        rng = self.site.rng
        key = LabEntraKey(
            key_id=values.guid(rng),
            device_id=device_id,
            created=values.moment_before(rng, self.now, days=(900, 2500)),
            volume_type=rng.choice((1, 1, 2, 3)),
            password=values.recovery_password(rng),
        )
        self.site.estate.entra_keys.append(key)
        return key

    def standalone(self, condition: str, **changes: Any) -> Machine:
        """Add a machine that is in no domain."""
        profile = self.site.rng.choice(CLIENT_PROFILES)
        machine = self.site.machine(self.site.rng.choice(("AAD", "LT")), profile=profile, joined=False, **changes)
        self.site.note(machine.host, condition)
        return machine

    def protected(self, machine: Machine, *, os: bool = True, records: int = 0) -> tuple[LabProtector, LabVolume]:
        """Add a volume whose recovery password lies nowhere yet."""
        plot = Plot(site=self.site, machine=machine, os=os)
        password = plot.recovery_password(records=records)
        return password, plot.protected(password)

    def escrowed(self, machine: Machine, device: LabEntraDevice) -> LabVolume:
        """Add an OS volume whose recovery password lies under a device."""
        password, volume = self.protected(machine)
        self.escrow(device, password, volume)
        return volume
