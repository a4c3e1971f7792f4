# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts: a plain one, one for each endpoint fault, and one builder for each condition that is a host's own.

A builder adds its hosts and returns those that may carry conditions of volumes beside their own.
"""

from __future__ import annotations

import copy as copying
from collections.abc import Callable

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import (
    CLIENT_PROFILES,
    CONTROLLER_OU,
    SERVER_OU,
    SERVER_PROFILES,
    TENANT,
    Machine,
    Site,
)
from ansible_collections.keyward.bitlocker.tests.lab.estate.plot import Plot
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost, LabVolume

#: the first plain hosts cover all of Windows, newest first; later ones are mostly modern clients
PLAIN_PROFILES = (
    "win11_25h2",
    "win10_1507",
    "win11_23h2",
    "ws2012r2",
    "win10_22h2",
    "ws2022",
    "ws2016",
    "win11_25h2",
    "ws2025",
    "win11_23h2",
    "ws2019",
)
NAMESPACE_FORMS = ("modern", "namespace_unreachable", "namespace_provider", "namespace_bare", "oldest")
#: what the directory holds of failing hosts, in turn
LEFT_BEHIND = ("key", "key", "nothing", "key", "stranger", "hidden", "key")


def plain_host(site: Site, number: int) -> Machine:
    """A machine that answers, still without volumes."""
    rng = site.rng
    profile = PLAIN_PROFILES[number] if number < len(PLAIN_PROFILES) else rng.choice(CLIENT_PROFILES[:3] * 3 + SERVER_PROFILES)
    machine = site.machine("SRV" if profile.startswith("ws") else rng.choice(("PC", "LT")), profile=profile)
    if rng.random() < 0.2:
        _rename(site, machine.host, machine.host.dns_name)
    return machine


def fault_host(site: Site, condition: str, copy: int, number: int) -> Machine:
    """A machine that would be in good health if it could be asked; ``number`` decides what the directory holds of it."""
    rng = site.rng
    left = LEFT_BEHIND[number % len(LEFT_BEHIND)]
    profile = rng.choice(CLIENT_PROFILES + SERVER_PROFILES)
    machine = site.machine("SRV" if profile.startswith("ws") else "LT", profile=profile, joined=left != "stranger")
    host = machine.host
    if condition.startswith("certificate_"):
        host.certificate = condition.removeprefix("certificate_")
    else:
        host.fault = condition.removeprefix("fault_")
    if host.fault == "root_sddl":
        host.wire_form = "root_sddl_401" if copy else "modern"
    elif rng.random() < 0.2 and left != "stranger":
        _rename(site, host, host.dns_name)
    site.note(host, condition)
    plot = Plot(site=site, machine=machine, os=True)
    password = plot.recovery_password(records=0)
    volume = plot.protected(password)
    if left in ("key", "hidden"):
        plot.escrow(password, volume, hidden=left == "hidden")
    return machine


def _rename(site: Site, host: LabHost, inventory_name: str) -> None:
    conditions = site.estate.conditions.pop(host.inventory_name)
    host.inventory_name = inventory_name
    site.estate.conditions[inventory_name] = conditions


def _not_installed(site: Site, copy: int) -> list[Machine]:
    machine = site.machine("SRV", profile=site.rng.choice(SERVER_PROFILES), bitlocker_installed=False)
    machine.host.wire_form = site.rng.choice(NAMESPACE_FORMS)
    site.note(machine.host, "not_installed")
    return []


def _no_volumes(site: Site, copy: int) -> list[Machine]:
    machine = site.machine("SRV", profile=site.rng.choice(SERVER_PROFILES))
    machine.host.wire_form = site.rng.choice(("modern", "empty_without_items", "late_end", "oldest"))
    site.note(machine.host, "no_volumes")
    return []


def _domain_controller(site: Site, copy: int) -> list[Machine]:
    machine = site.machine("DC", profile=site.rng.choice(("ws2025", "ws2022")), domain_role=4 if copy else 5)
    if machine.computer is not None:
        machine.computer.ou = CONTROLLER_OU
    site.note(machine.host, "domain_controller")
    data = Plot(site=site, machine=machine, os=False)
    data.escrowed()
    return [machine]


def _identity_collision(site: Site, copy: int) -> list[Machine]:
    """A machine and its image that runs beside it: one name, one computer object, two disks."""
    profile = site.rng.choice(CLIENT_PROFILES)
    first = site.machine("PC", profile=profile)
    second = site.machine("PC", profile=profile, joined=False, netbios=first.host.netbios_name)
    second.host.domain, second.host.domain_role, second.host.inventory_name = first.host.domain, first.host.domain_role, ""
    for machine, suffix in ((first, "-old"), (second, "-new")):
        # both were first noted under the name they share
        machine.host.inventory_name = first.host.netbios_name.lower() + suffix
        site.estate.conditions[machine.host.inventory_name] = ["identity_collision"]
        machine.computer = first.computer
        Plot(site=site, machine=machine, os=True).escrowed()
    site.estate.conditions.pop(first.host.netbios_name.lower())
    return []


def _cluster(site: Site, copy: int) -> list[Machine]:
    """Two nodes with a disk that has a letter and one that is mounted; one key under the cluster's name, one under the second node."""
    name = site.fresh_name("CLU")
    nodes = [site.machine("NODE", profile="ws2022", cluster_name=name) for _unused in range(2)]
    site.computer(
        name=name,
        dns_name=f"{name}.{site.estate.realm}".lower(),
        ou=SERVER_OU,
        operating_system=site.rng.choice(("Windows Server 2022 Standard", None)),
        cluster_name_object=True,
    )
    for letter, mount_point, owner in (("S:", None, name), (None, "C:\\ClusterStorage\\Volume1\\", nodes[1].host.netbios_name)):
        volume = _shared_volume(site, nodes, letter, mount_point)
        site.escrow(owner, volume.protectors[-1], volume=volume)
    for node in nodes:
        site.note(node.host, "cluster")
    return nodes


def _clone(site: Site, copy: int) -> list[Machine]:
    """Two machines with one data volume; the key is escrowed for the first."""
    pair = [site.machine("PC", profile=profile) for profile in ("win11_25h2", "win11_23h2")]
    volume = _shared_volume(site, pair, "Y:", None)
    if pair[0].computer is not None:
        site.escrow(pair[0].computer.name, volume.protectors[-1], volume=volume)
    for machine in pair:
        site.note(machine.host, "clone")
    return pair


def _shared_volume(site: Site, machines: list[Machine], letter: str | None, mount_point: str | None) -> LabVolume:
    first = Plot(site=site, machine=machines[0], os=False)
    volume = first.volume(
        first.protector(8), first.recovery_password(records=1), drive_letter=letter, mount_point=mount_point, encryption_method=7
    )
    volume.drive_letter = letter
    machines[1].host.volumes.append(copying.deepcopy(volume))
    return volume


def _left_domain(site: Site, copy: int) -> list[Machine]:
    """Its old computer object goes on, in scope, with the key that would open its disk."""
    machine = site.machine("PC", profile=site.rng.choice(CLIENT_PROFILES), joined=False)
    old = site.computer_of(machine.host, dns_name=f"{machine.host.netbios_name}.{site.estate.realm}".lower(), machine_password=None)
    plot = Plot(site=site, machine=machine, os=True)
    password = plot.recovery_password(records=1)
    volume = plot.protected(password)
    site.escrow(old.name, password, volume=volume)
    site.note(machine.host, "left_domain")
    return []


def _workgroup(site: Site, copy: int) -> list[Machine]:
    machine = site.machine("KIOSK", profile=site.rng.choice(CLIENT_PROFILES), joined=False)
    plot = Plot(site=site, machine=machine, os=True)
    plot.protected(plot.recovery_password())
    site.note(machine.host, "workgroup")
    return []


def _ambiguous_owner(site: Site, copy: int) -> list[Machine]:
    """Both objects are enabled and idle: nobody can tell which is its own, and neither is in scope by itself."""
    machine = site.machine("LT", profile=site.rng.choice(CLIENT_PROFILES))
    twin = site.computer_of(machine.host, name=site.fresh_name("LT"), dns_name=machine.host.dns_name, machine_password=None)
    for computer in filter(None, (machine.computer, twin)):
        computer.last_logon = values.moment_before(site.rng, site.now, days=(120, 400))
        # the host shall not log on to the directory, or it would be in use again
        computer.machine_password = None
    plot = Plot(site=site, machine=machine, os=True)
    plot.escrowed()
    site.note(machine.host, "ambiguous_owner")
    return []


HOST_BUILDERS: dict[str, Callable[[Site, int], list[Machine]]] = {
    "not_installed": _not_installed,
    "no_volumes": _no_volumes,
    "domain_controller": _domain_controller,
    "identity_collision": _identity_collision,
    "cluster": _cluster,
    "clone": _clone,
    "left_domain": _left_domain,
    "workgroup": _workgroup,
    "ambiguous_owner": _ambiguous_owner,
}


def join_entra(site: Site, host: LabHost) -> None:
    """Join a host to Entra ID as well."""
    host.entra_device_id, host.entra_tenant_id = values.guid(site.rng), TENANT
