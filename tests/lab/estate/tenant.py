# SPDX-License-Identifier: GPL-3.0-or-later
"""The Entra side of an estate: machines for its own conditions, devices without a machine, and second copies for what the directory has."""

from __future__ import annotations

import copy as copying
from collections.abc import Callable, Iterable

from ansible_collections.keyward.bitlocker.tests.lab.entra import accounts
from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.conditions import (
    COPIES,
    ENTRA_DEVICE_CONDITIONS,
    ENTRA_HOST_CONDITIONS,
    Condition,
)
from ansible_collections.keyward.bitlocker.tests.lab.estate.earlier import observation
from ansible_collections.keyward.bitlocker.tests.lab.estate.enrolments import muddle
from ansible_collections.keyward.bitlocker.tests.lab.estate.lone_devices import lone_device
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import CLIENT_PROFILES, TENANT, Machine, Site
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenancy import ENTRA_RECORD, Tenancy
from ansible_collections.keyward.bitlocker.tests.lab.model import LabComputerObject, LabEntry, LabHost

#: the part of an estate's hosts, in hundredths, that the conditions of the tenant may take
SHARE = 30
#: hosts whose condition speaks of one computer object or of the only copy: they stay in the directory alone
_DIRECTORY_ALONE = frozenset(
    {"identity_collision", "ambiguous_owner", "left_domain", "domain_controller", "weak_join", "twin_disabled", "workgroup"}
)
_HYBRID, _SECOND_COPY = 0.85, 0.85


def size(condition: Condition) -> int:
    """How many hosts a condition takes."""
    return 2 if condition.place == "pair" else 1


def choose_hosts(hosts: int) -> list[tuple[Condition, int]]:
    """The conditions that get hosts, with the number of the copy: in order of priority, pairs once, as far as the share reaches."""
    room, chosen = hosts * SHARE // 100, []
    for copy in range(COPIES):
        for condition in ENTRA_HOST_CONDITIONS:
            if size(condition) <= room and not (condition.place == "pair" and copy):
                chosen.append((condition, copy))
                room -= size(condition)
    return chosen


def populate_tenant(site: Site, chosen: Iterable[tuple[Condition, int]]) -> None:
    """Make the tenant: applications, hybrid joins and second copies of what is there, then the chosen hosts and devices without a host."""
    estate = site.estate
    estate.entra_tenant_id, estate.entra_clients = TENANT, accounts.clients(estate.seed)
    tenancy = Tenancy(site=site)
    _join_members(tenancy)
    for condition, copy in chosen:
        HOSTS[condition.name](tenancy, condition.name, copy)
    for _unused in range(1 + len(estate.hosts) // 50):
        for condition in ENTRA_DEVICE_CONDITIONS:
            lone_device(tenancy, condition.name)
    # one that names no device at all
    tenancy.old_key(None)
    muddle(estate)


def _join_members(tenancy: Tenancy) -> None:
    """Most members of the domain are hybrid joined, and most of their keys lie in both stores."""
    site = tenancy.site
    objects = {computer.name: computer for computer in site.estate.computers}
    entries: dict[tuple[str, str], LabEntry] = {}
    for entry in site.estate.entries:
        if not entry.hidden and entry.raw_recovery_guid is None and entry.cn_key_id is None:
            entries.setdefault((entry.computer, entry.key_id), entry)
    for host in list(site.estate.hosts):
        computer = objects.get(host.netbios_name)
        if host.domain is None or computer is None or not _may_be_hybrid(site, host):
            continue
        # a host that says it is joined is
        if not host.entra_device_id and site.rng.random() > _HYBRID:
            continue
        device = tenancy.join_hybrid(computer, host)
        for volume in host.volumes:
            for protector in volume.protectors:
                copy = entries.get((computer.name, protector.key_id))
                if copy is not None and site.rng.random() < _SECOND_COPY:
                    tenancy.escrow(device, protector, volume, password=copy.password)


def _may_be_hybrid(site: Site, host: LabHost) -> bool:
    return _DIRECTORY_ALONE.isdisjoint(site.estate.conditions[host.inventory_name])


def _entra_only(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine = tenancy.standalone(condition)
    tenancy.escrowed(machine, tenancy.join(machine.host))


def _entra_unescrowed(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine = tenancy.standalone(condition)
    tenancy.join(machine.host)
    tenancy.protected(machine)


def _member(tenancy: Tenancy, condition: str, profile: str | None = None) -> tuple[Machine, LabComputerObject]:
    machine = tenancy.site.machine("PC", profile=profile or tenancy.site.rng.choice(CLIENT_PROFILES))
    tenancy.site.note(machine.host, condition)
    if machine.computer is None:
        raise ValueError("a member of the domain has no computer object")
    return machine, machine.computer


def _hybrid_key_in_entra(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine, computer = _member(tenancy, condition)
    tenancy.escrowed(machine, tenancy.join_hybrid(computer, machine.host))


def _hybrid_unreachable(tenancy: Tenancy, condition: str, copy: int) -> None:
    """Known by its name in the directory alone, and by that object's GUID in the tenant."""
    machine, computer = _member(tenancy, condition)
    machine.host.fault = "refused"
    tenancy.escrowed(machine, tenancy.join_hybrid(computer, machine.host))


def _device_deleted(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine, computer = _member(tenancy, condition)
    device = tenancy.join_hybrid(computer, machine.host, soft_deleted=True)
    password, volume = tenancy.protected(machine)
    tenancy.escrow(device, password, volume)
    tenancy.site.escrow(computer.name, password, volume=volume)


def _only_copy_deleted(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine = tenancy.standalone(condition)
    tenancy.escrowed(machine, tenancy.join(machine.host, soft_deleted=True))


def _renamed(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine = tenancy.standalone(condition)
    device = tenancy.join(machine.host)
    device.display_name = tenancy.site.fresh_name("DESKTOP")
    tenancy.escrowed(machine, device)


def _renamed_in_ad(tenancy: Tenancy, condition: str, copy: int) -> None:
    """What the directory and the tenant know of a machine whose new name did not arrive: only the GUID is still right."""
    machine, computer = _member(tenancy, condition)
    computer.name = tenancy.site.fresh_name("OLD")
    computer.dns_name = f"{computer.name}.{tenancy.site.estate.realm}".lower()
    device = tenancy.join_hybrid(computer, machine.host)
    password, volume = tenancy.protected(machine)
    if copy:
        tenancy.escrow(device, password, volume)
    tenancy.site.escrow(computer.name, password, volume=volume)


def _ad_object_gone(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine, computer = _member(tenancy, condition)
    device = tenancy.join_hybrid(computer, machine.host)
    computer.delete_after = True
    password, volume = tenancy.protected(machine)
    tenancy.escrow(device, password, volume)
    tenancy.site.escrow(computer.name, password, volume=volume)


def _rejoined(tenancy: Tenancy, condition: str, copy: int) -> None:
    site = tenancy.site
    machine, computer = _member(tenancy, condition)
    former = site.computer_of(machine.host, name=site.fresh_name("OLD"), machine_password=None, delete_after=True)
    device = tenancy.join_hybrid(former, machine.host)
    password, volume = tenancy.protected(machine)
    tenancy.escrow(device, password, volume)
    site.escrow(computer.name, password, volume=volume)


def _pending_device(tenancy: Tenancy, condition: str, copy: int) -> None:
    """The directory was synchronised, the machine has not joined yet and knows of no device."""
    machine, computer = _member(tenancy, condition)
    tenancy.pending(computer)
    password, volume = tenancy.protected(machine)
    tenancy.site.escrow(computer.name, password, volume=volume)


def _device_twice(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine = tenancy.standalone(condition)
    device = tenancy.join(machine.host)
    tenancy.twin(device)
    tenancy.escrowed(machine, device)


def _device_removed(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine, computer = _member(tenancy, condition)
    device = tenancy.join_hybrid(computer, machine.host)
    tenancy.remove(device)
    password, volume = tenancy.protected(machine)
    tenancy.site.escrow(computer.name, password, volume=volume)


def _other_tenant(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine = tenancy.standalone(condition)
    rng = tenancy.site.rng
    machine.host.entra_device_id, machine.host.entra_tenant_id = values.guid(rng), values.guid(rng)
    tenancy.protected(machine)


def _reimaged(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine = tenancy.standalone(condition)
    tenancy.escrowed(machine, tenancy.join(machine.host))
    tenancy.old_key(tenancy.device(machine.host.netbios_name).device_id)


def _device_clone(tenancy: Tenancy, condition: str, copy: int) -> None:
    first, second = tenancy.standalone(condition), tenancy.standalone(condition)
    device = tenancy.join(first.host)
    second.host.entra_device_id, second.host.entra_tenant_id = device.device_id, TENANT
    tenancy.escrowed(first, device)
    tenancy.protected(second)


def _moved_drive(tenancy: Tenancy, condition: str, copy: int) -> None:
    """The data drive of the first is in the second now."""
    first, second = tenancy.standalone(condition), tenancy.standalone(condition)
    device = tenancy.join(first.host)
    for machine, own in ((first, device), (second, tenancy.join(second.host))):
        tenancy.escrowed(machine, own)
    password, volume = tenancy.protected(second, os=False, records=ENTRA_RECORD)
    tenancy.escrow(device, password, volume)


def _moved_disk(tenancy: Tenancy, condition: str, copy: int) -> None:
    """The second says it is the device that the first said it was when it was last heard."""
    first, second = tenancy.standalone(condition), tenancy.standalone(condition)
    device = tenancy.join(first.host)
    tenancy.escrowed(first, device)
    second.host.volumes = copying.deepcopy(first.host.volumes)
    second.host.entra_device_id, second.host.entra_tenant_id = device.device_id, TENANT
    first.host.fault = "refused"
    heard = values.moment_before(tenancy.site.rng, tenancy.now, days=(31, 300))
    tenancy.site.estate.stale_observations[first.host.inventory_name] = observation(first.host, heard)


def _same_name(tenancy: Tenancy, condition: str, copy: int) -> None:
    first = tenancy.standalone(condition)
    name = first.host.netbios_name
    second = tenancy.standalone(condition, netbios=name, inventory_name=f"{name.lower()}-other")
    for machine in (first, second):
        tenancy.escrowed(machine, tenancy.join(machine.host))


def _many_keys(tenancy: Tenancy, condition: str, keys: int) -> None:
    machine = tenancy.standalone(condition)
    device = tenancy.join(machine.host)
    tenancy.escrowed(machine, device)
    for _unused in range(keys - 1):
        tenancy.old_key(device.device_id)


def _near_entra_limit(tenancy: Tenancy, condition: str, copy: int) -> None:
    _many_keys(tenancy, condition, 199 if copy else 150)


def _at_entra_limit(tenancy: Tenancy, condition: str, copy: int) -> None:
    _many_keys(tenancy, condition, 207 if copy else 200)


def _workplace(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine = tenancy.standalone(condition)
    device = tenancy.device(machine.host.netbios_name, trust_type="Workplace")
    tenancy.escrowed(machine, device)


def _entra_record_disagrees(tenancy: Tenancy, condition: str, copy: int) -> None:
    machine, computer = _member(tenancy, condition, profile="win11_25h2")
    tenancy.join_hybrid(computer, machine.host)
    password, volume = tenancy.protected(machine, records=ENTRA_RECORD | 1)
    tenancy.site.escrow(computer.name, password, volume=volume)


HOSTS: dict[str, Callable[[Tenancy, str, int], None]] = {
    "entra_only": _entra_only,
    "hybrid_key_in_entra": _hybrid_key_in_entra,
    "device_deleted": _device_deleted,
    "renamed": _renamed,
    "renamed_in_ad": _renamed_in_ad,
    "ad_object_gone": _ad_object_gone,
    "rejoined": _rejoined,
    "pending_device": _pending_device,
    "device_twice": _device_twice,
    "device_removed": _device_removed,
    "other_tenant": _other_tenant,
    "reimaged": _reimaged,
    "device_clone": _device_clone,
    "moved_drive": _moved_drive,
    "moved_disk": _moved_disk,
    "at_entra_limit": _at_entra_limit,
    "hybrid_unreachable": _hybrid_unreachable,
    "entra_unescrowed": _entra_unescrowed,
    "same_name": _same_name,
    "only_copy_deleted": _only_copy_deleted,
    "near_entra_limit": _near_entra_limit,
    "workplace": _workplace,
    "entra_record_disagrees": _entra_record_disagrees,
}
