# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the tenant that no inventory host is: each shows one condition."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenancy import Tenancy
from ansible_collections.keyward.bitlocker.tests.lab.model import LabComputerObject, LabEntraDevice


def lone_device(tenancy: Tenancy, condition: str) -> None:
    """Add the device, or the devices, of a condition, with keys where it is one of those that have some."""
    name = tenancy.site.fresh_name("AAD")
    if condition in _BUILDERS:
        _BUILDERS[condition](tenancy, name)
        return
    site, rng = tenancy.site, tenancy.site.rng
    if condition == "device_hostile_name":
        name = rng.choice((*values.HOSTILE_TEXTS, "long-" * 60))
    device = tenancy.device(name)
    if condition == "device_never_seen":
        device.approximate_last_sign_in, device.registered = None, tenancy.lately()
    elif condition == "device_disabled":
        device.account_enabled = False
    elif condition == "device_idle":
        device.approximate_last_sign_in = values.moment_before(rng, site.now, days=(100, 1000))
    elif condition == "device_not_windows":
        device.operating_system = rng.choice(("iOS", "Android", "macOS", "Linux"))
    elif condition == "device_workplace":
        device.trust_type = "Workplace"
    elif condition == "device_soft_deleted":
        device.soft_deleted = True
    if condition != "device_without_keys" and device.operating_system == "Windows":
        _some_keys(tenancy, device)


def _some_keys(tenancy: Tenancy, device: LabEntraDevice) -> None:
    for _unused in range(tenancy.site.rng.randrange(1, 4)):
        tenancy.old_key(device.device_id)


def _computer(tenancy: Tenancy, name: str) -> LabComputerObject:
    return tenancy.site.computer(name=name, dns_name=f"{name}.{tenancy.site.estate.realm}".lower())


def _hybrid(tenancy: Tenancy, name: str) -> None:
    tenancy.old_key(tenancy.join_hybrid(_computer(tenancy, name), None).device_id)


def _pending(tenancy: Tenancy, name: str) -> None:
    computer = _computer(tenancy, name)
    tenancy.pending(computer)
    tenancy.site.old_entry(computer.name)


def _same_name(tenancy: Tenancy, name: str) -> None:
    for _unused in range(2):
        _some_keys(tenancy, tenancy.device(name))


def _twice(tenancy: Tenancy, name: str) -> None:
    device = tenancy.device(name)
    tenancy.twin(device)
    _some_keys(tenancy, device)


_BUILDERS: dict[str, Callable[[Tenancy, str], None]] = {
    "device_hybrid": _hybrid,
    "device_pending": _pending,
    "device_same_name": _same_name,
    "device_twice_alone": _twice,
}
