# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator: from a seed and a size to an estate that carries every condition twice, as far as there is room.

An estate of 60 hosts is dense: 42 of them fail in their own way, and what else there is to show shares the rest. From about 150 hosts
on most machines are in good health. Small estates take the conditions in the order of their priority (conditions.py).
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.conditions import (
    COPIES,
    DIRECTORY_CONDITIONS,
    FAULT_CONDITIONS,
    HOST_CONDITIONS,
    SPARE_HOST_CONDITIONS,
    STALE_CONDITIONS,
    Condition,
)
from ansible_collections.keyward.bitlocker.tests.lab.estate.dealing import deal
from ansible_collections.keyward.bitlocker.tests.lab.estate.earlier import observation
from ansible_collections.keyward.bitlocker.tests.lab.estate.hosts import HOST_BUILDERS, fault_host, plain_host
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import CLIENT_OU, SERVER_OU, Machine, Site
from ansible_collections.keyward.bitlocker.tests.lab.estate.planting import plant
from ansible_collections.keyward.bitlocker.tests.lab.estate.plot import Plot
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenant import choose_hosts, populate_tenant, size
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabEntry

DEFAULT_HOSTS = 60
#: the least part of an estate that is left to machines that answer, to carry the conditions of volumes
PLAIN_SHARE = 15
LEAST_PLAIN = 2


def generate(seed: int, hosts: int = DEFAULT_HOSTS, *, now: datetime, copies: int = 1, proof: str = "none", entra: bool = False) -> Estate:
    """Make an estate; the same arguments always give the same one.

    Args:
        hosts: inventory hosts, at least 1. Computer objects without a host come on top.
        now: the moment it is made for, aware; ages of entries, log-ons and earlier observations count from here.
        copies, proof: the requirements it shall be judged by: at most one copy a store; ``live`` plants wrong keys beside all else.
        entra: an Entra tenant beside the directory.

    Raises:
        ValueError: the arguments cannot be met.
    """
    if hosts < 1 or now.tzinfo is None or not 1 <= copies <= (2 if entra else 1) or proof not in ("none", "live"):
        raise ValueError(f"no estate of {hosts} hosts for {now.isoformat()}, copies={copies}, proof={proof!r}")
    estate = Estate(seed=seed, now=now.astimezone(UTC).replace(microsecond=0))
    site = Site(estate=estate, rng=random.Random(f"keyward lab estate {seed} {hosts}"))
    _populate_directory(site, hosts)
    joined = choose_hosts(hosts) if entra else []
    failing, carriers = _populate_hosts(site, hosts - sum(size(condition) for condition, _unused in joined))
    site.foreign += [machine.computer.name for machine in carriers if machine.computer is not None]
    deal(site, carriers)
    _give_earlier_observations(site, failing)
    if entra:
        populate_tenant(site, joined)
    if proof == "live":
        plant(estate)
    _arrange(site)
    return estate


def _choose(hosts: int) -> list[tuple[Condition, int]]:
    """The conditions that get hosts of their own, with the number of the copy: each once in order of priority, then each again."""
    room = hosts - max(LEAST_PLAIN, hosts // PLAIN_SHARE)
    faults, others = list(FAULT_CONDITIONS), list(HOST_CONDITIONS)
    ordered: list[Condition] = []
    while faults or others:
        ordered += others[:1] + faults[:2]
        others, faults = others[1:], faults[2:]
    turns = [(condition, copy) for group in (ordered, SPARE_HOST_CONDITIONS) for copy in range(COPIES) for condition in group]
    chosen = []
    for condition, copy in turns:
        size = 2 if condition.place == "pair" else 1
        if size <= room and not (condition.place == "pair" and copy):
            chosen.append((condition, copy))
            room -= size
    return chosen


def _populate_hosts(site: Site, hosts: int) -> tuple[list[Machine], list[Machine]]:
    """Make all hosts: those that fail, and those that answer and may carry conditions of volumes."""
    failing: list[Machine] = []
    carriers: list[Machine] = []
    for condition, copy in _choose(hosts):
        if condition in FAULT_CONDITIONS:
            failing.append(fault_host(site, condition.name, copy, len(failing)))
        else:
            carriers += HOST_BUILDERS[condition.name](site, copy)
    number = 0
    while len(site.estate.hosts) < hosts:
        carriers.append(plain_host(site, number))
        number += 1
    return failing, carriers


def _give_earlier_observations(site: Site, failing: list[Machine]) -> None:
    """Give some failing hosts, all of them with keys on file, an observation that is of no use any more."""
    with_keys = {entry.computer for entry in site.estate.entries if not entry.hidden}
    free = [machine for machine in failing if machine.computer is not None and machine.computer.name in with_keys]
    site.rng.shuffle(free)
    wanted = [condition for _unused in range(COPIES) for condition in STALE_CONDITIONS]
    for condition, machine in zip(wanted, free[: max(1, len(free) // 2)], strict=False):
        if condition.name == "stale_observation":
            observed_at = values.moment_before(site.rng, site.now, days=(31, 300))
        else:
            observed_at = values.moment_before(site.rng, site.now, days=(-90, -2))
        plot = Plot(site=site, machine=machine, os=False)
        plot.protected(plot.recovery_password())
        site.estate.stale_observations[machine.host.inventory_name] = observation(machine.host, observed_at)
        site.note(machine.host, condition.name)


def _populate_directory(site: Site, hosts: int) -> None:
    """Computer objects without an inventory host."""
    rounds = COPIES if hosts >= 20 else 1
    for _unused in range(rounds + hosts // 100):
        for condition in DIRECTORY_CONDITIONS:
            _directory_computer(site, condition.name)


def _directory_computer(site: Site, condition: str) -> None:
    rng = site.rng
    name = site.fresh_name("MAC" if condition == "ad_not_windows" else rng.choice(("LT", "PC", "SRV")))
    server = name.startswith("SRV")
    fields: dict[str, Any] = {
        "name": name,
        "dns_name": f"{name}.{site.estate.realm}".lower(),
        "ou": SERVER_OU if server else CLIENT_OU,
        "operating_system": rng.choice(("Windows Server 2019 Standard", "Windows Server 2022 Datacenter"))
        if server
        else rng.choice(("Windows 10 Enterprise", "Windows 11 Enterprise", "Windows 11 Pro <b>&amp;")),
    }
    if condition == "ad_disabled":
        fields["enabled"] = False
        site.foreign.append(name)
    elif condition == "ad_idle":
        fields["last_logon"] = values.moment_before(rng, site.now, days=(100, 2000))
    elif condition == "ad_not_windows":
        fields["operating_system"] = rng.choice(("macOS", "Ubuntu", "Samba", None))
    elif condition == "ad_deleted":
        fields["delete_after"] = True
        site.deleted.append(name)
    elif rng.random() < 0.2:
        fields["last_logon"] = None
    computer = site.computer(**fields)
    if condition != "ad_only_without_entries":
        for _unused in range(1 if condition == "ad_only_hidden_entry" else rng.randrange(1, 4)):
            hidden = condition == "ad_only_hidden_entry"
            site.estate.entries.append(_lone_entry(site, computer.name, hidden=hidden))


def _lone_entry(site: Site, computer: str, *, hidden: bool) -> LabEntry:
    return LabEntry(
        computer=computer,
        key_id=values.guid(site.rng),
        password=values.recovery_password(site.rng),
        created=values.moment_before(site.rng, site.now, days=(2, 1200)),
        volume_guid=values.guid(site.rng),
        hidden=hidden,
    )


def _arrange(site: Site) -> None:
    """No condition shall be found by its place in a list."""
    site.rng.shuffle(site.estate.hosts)
    site.rng.shuffle(site.estate.computers)
    site.rng.shuffle(site.estate.entries)
    site.rng.shuffle(site.estate.entra_devices)
    site.rng.shuffle(site.estate.entra_keys)
