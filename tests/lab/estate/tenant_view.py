# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report's application can see of the estate's Entra tenant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.keyward.bitlocker.tests.lab.estate.proofs import Held
from ansible_collections.keyward.bitlocker.tests.lab.estate.view import IDLE, SeenEntry
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabEntraDevice

FAULTS = ("entra_down", "entra_throttled")
#: registered personal devices are nobody's to account for
SCOPE_TRUST_TYPES = ("AzureAd", "ServerAd")
HYBRID = "ServerAd"
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """The tenant as it answers: ``state`` is searched or down."""

    state: str
    devices: tuple[LabEntraDevice, ...] = ()
    #: of the devices that a request finds; owners are device IDs
    entries: tuple[SeenEntry, ...] = ()
    #: key IDs that lie under devices that no request finds
    lost: frozenset[str] = frozenset()

    def of_owners(self, owners: Iterable[str]) -> list[SeenEntry]:
        """The entries that lie under one of these devices."""
        wanted = set(owners)
        return [entry for entry in self.entries if entry.owner in wanted]

    def device(self, device_id: str | None) -> LabEntraDevice | None:
        """The device with this device ID."""
        return next((device for device in self.devices if device_id is not None and device.device_id == device_id.lower()), None)

    def hybrid_device(self, object_guid: str | None) -> LabEntraDevice | None:
        """The hybrid joined device of an AD computer object: its device ID is the object's GUID."""
        device = self.device(object_guid)
        return device if device is not None and device.trust_type == HYBRID else None


def see_tenant(estate: Estate, fault: str | None) -> Tenant:
    """The tenant through the eyes of an application that may read devices and metadata of keys."""
    if fault in FAULTS:
        return Tenant(state="down")
    devices = _once(device for device in estate.entra_devices if not device.soft_deleted)
    found = {device.device_id for device in devices}
    entries = tuple(
        SeenEntry(owner=key.device_id, key_ids=(key.key_id,), readable=True, sound=True, value=key.password)
        for key in estate.entra_keys
        if key.device_id is not None and key.device_id in found
    )
    lost = frozenset(key.key_id for key in estate.entra_keys if key.device_id not in found)
    return Tenant(state="searched", devices=devices, entries=entries, lost=lost)


def _once(devices: Iterable[LabEntraDevice]) -> tuple[LabEntraDevice, ...]:
    """Each device ID once: of several objects the enabled one, then the one seen last."""
    kept: dict[str, LabEntraDevice] = {}
    for device in sorted(devices, key=lambda device: (device.account_enabled, device.approximate_last_sign_in or _NEVER)):
        kept[device.device_id] = device
    return tuple(kept.values())


def in_scope(device: LabEntraDevice, now: datetime) -> bool:
    """Whether the tenant alone is enough to put this device into the report; one that was never seen is as old as its registration."""
    active = device.approximate_last_sign_in or device.registered
    idle = active is not None and now - active > IDLE
    windows = device.operating_system.lower().startswith("windows")
    return device.account_enabled and windows and device.trust_type in SCOPE_TRUST_TYPES and not idle


def device_state(tenant: Tenant, held: Held, key_id: str, *, owner_known: bool) -> str:
    """State of one protector in the tenant; ``held`` are its own entries there."""
    if tenant.state == "down":
        return "unknown"
    if held.state is not None:
        return held.state
    if not owner_known:
        return "unknown"
    return "deleted" if key_id in tenant.lost else "absent"
