# SPDX-License-Identifier: GPL-3.0-or-later
"""Dealing the conditions of volumes, and those beside volumes, to the hosts that answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.conditions import COPIES, OVERLAY_CONDITIONS, VOLUME_CONDITIONS, Condition
from ansible_collections.keyward.bitlocker.tests.lab.estate.hosts import join_entra
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import Machine, Site, gpo_policy, keeps_records
from ansible_collections.keyward.bitlocker.tests.lab.estate.plot import Plot
from ansible_collections.keyward.bitlocker.tests.lab.estate.volumes import BUILDERS, healthy
from ansible_collections.keyward.bitlocker.tests.lab.model import LabComputerObject

#: more volumes than this nobody would believe
MOST_VOLUMES = 12
#: machines that answer, in an estate that is small
FEW = 6
#: policies that contradict the requirements
CONFLICTS: tuple[dict[str, int | str], ...] = (
    gpo_policy(OSRecoveryPassword=0),
    gpo_policy(FDVRecoveryPassword=0, FDVActiveDirectoryBackup=1),
    gpo_policy(OSActiveDirectoryBackup=0),
    {"FDVRecovery": 1, "FDVRecoveryPassword": 2},
)


def deal(site: Site, carriers: list[Machine]) -> None:
    """Give every carrier its volumes, and what lies beside them."""
    if not carriers:
        return
    order = list(carriers)
    site.rng.shuffle(order)
    has_os: set[str] = set()
    wanted = [condition for _unused in range(COPIES) for condition in VOLUME_CONDITIONS]
    for condition in sorted(wanted, key=lambda condition: (condition.where != "os", not condition.records)):
        _place(site, order, has_os, condition)
    for machine in carriers:
        if machine.host.inventory_name not in has_os:
            healthy(Plot(site=site, machine=machine, os=True))
        if not site.estate.conditions[machine.host.inventory_name] and site.rng.random() < 0.3:
            healthy(Plot(site=site, machine=machine, os=False))
        machine.host.volumes.sort(key=lambda volume: (volume.volume_type, volume.drive_letter or "~"))
    _overlay(site, order)


def _place(site: Site, order: list[Machine], has_os: set[str], condition: Condition) -> None:
    """Put one volume on the carrier with the fewest conditions; nowhere, if none has room for it."""
    conditions = site.estate.conditions
    free = [
        machine
        for machine in order
        if condition.name not in conditions[machine.host.inventory_name]
        and len(machine.host.volumes) < MOST_VOLUMES
        and (condition.where != "os" or machine.host.inventory_name not in has_os)
        and (not condition.records or keeps_records(machine.host))
    ]
    if not free:
        return
    machine = min(free, key=lambda machine: len(conditions[machine.host.inventory_name]))
    name = machine.host.inventory_name
    os_volume = condition.where == "os" or (condition.where == "any" and name not in has_os and site.rng.random() < 0.7)
    if os_volume:
        has_os.add(name)
    BUILDERS[condition.name](Plot(site=site, machine=machine, os=os_volume))
    site.note(machine.host, condition.name)


def _overlay(site: Site, order: list[Machine]) -> None:
    given: dict[str, set[str]] = defaultdict(set)
    for _unused in range(COPIES):
        for condition in OVERLAY_CONDITIONS:
            free = [
                machine
                for machine in order
                if condition.name not in given[machine.host.inventory_name] and _fits(site, machine, condition.name, given)
            ]
            # a late answer to each of many reads would make every run wait; where few carry all volumes there is none
            if not free or (condition.name == "slow" and len(order) < FEW):
                continue
            load = _volumes if condition.name == "slow" else lambda machine: len(given[machine.host.inventory_name])
            machine = min(free, key=load)
            given[machine.host.inventory_name].add(condition.name)
            if machine.computer is not None:
                OVERLAYS[condition.name](site, machine, machine.computer)
            site.note(machine.host, condition.name)


def _fits(site: Site, machine: Machine, condition: str, given: dict[str, set[str]]) -> bool:
    host = machine.host
    taken = given[host.inventory_name]
    if condition in ("stale_entries", "malformed_stray"):
        # where a list of protectors cannot be read, no entry can be called unmatched
        return all("GetKeyProtectors" not in volume.failing_methods for volume in host.volumes)
    if condition in ("weak_join", "twin_disabled"):
        by_short_name = host.inventory_name == host.netbios_name.lower()
        return by_short_name and host.cluster_name is None and taken.isdisjoint({"weak_join", "twin_disabled"})
    return True


def _volumes(machine: Machine) -> int:
    return len(machine.host.volumes)


def _stale_entries(site: Site, machine: Machine, computer: LabComputerObject) -> None:
    for _unused in range(site.rng.randrange(1, 5)):
        site.old_entry(computer.name)


def _malformed_stray(site: Site, machine: Machine, computer: LabComputerObject) -> None:
    changes: dict[str, Any] = site.rng.choice(({"raw_recovery_guid": b"\x00"}, {"cn_key_id": values.guid(site.rng)}))
    site.old_entry(computer.name, **changes)


def _policy_conflict(site: Site, machine: Machine, computer: LabComputerObject) -> None:
    machine.host.fve_policy = dict(site.rng.choice(CONFLICTS))


def _weak_join(site: Site, machine: Machine, computer: LabComputerObject) -> None:
    computer.dns_name = None


def _twin_disabled(site: Site, machine: Machine, computer: LabComputerObject) -> None:
    """What a re-imaged machine leaves behind: its former object, disabled, with an old key."""
    twin = site.computer_of(machine.host, name=site.fresh_name("OLD"), dns_name=machine.host.dns_name, enabled=False, machine_password=None)
    computer.dns_name = machine.host.dns_name
    site.old_entry(twin.name)


def _slow(site: Site, machine: Machine, computer: LabComputerObject) -> None:
    machine.host.fault = "slow"


def _certificate_address_only(site: Site, machine: Machine, computer: LabComputerObject) -> None:
    machine.host.certificate = "address_only"


def _hostile_names(site: Site, machine: Machine, computer: LabComputerObject) -> None:
    host, rng = machine.host, site.rng
    host.manufacturer, host.model, host.serial = (rng.choice(values.HOSTILE_TEXTS) for _unused in range(3))
    computer.operating_system = f"Windows {rng.choice(values.HOSTILE_TEXTS)}"
    for volume in host.volumes:
        for protector in volume.protectors:
            protector.friendly_name = rng.choice(values.HOSTILE_TEXTS)


def _entra_joined(site: Site, machine: Machine, computer: LabComputerObject) -> None:
    join_entra(site, machine.host)


OVERLAYS: dict[str, Callable[[Site, Machine, LabComputerObject], None]] = {
    "stale_entries": _stale_entries,
    "malformed_stray": _malformed_stray,
    "policy_conflict": _policy_conflict,
    "weak_join": _weak_join,
    "twin_disabled": _twin_disabled,
    "slow": _slow,
    "certificate_address_only": _certificate_address_only,
    "hostile_names": _hostile_names,
    "entra_joined": _entra_joined,
}
