# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who: inventory hosts, the directory's computer objects, Entra devices (DESIGN section 4), and the report's names (section 8)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime

from ansible_collections.keyward.bitlocker.tests.lab.estate.device_joins import join_devices, only_in_tenant
from ansible_collections.keyward.bitlocker.tests.lab.estate.identity import Identity
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenant_view import Tenant
from ansible_collections.keyward.bitlocker.tests.lab.estate.view import IDLE, Directory, SeenHost
from ansible_collections.keyward.bitlocker.tests.lab.model import LabComputerObject


def identify(hosts: Iterable[SeenHost], directory: Directory, now: datetime, tenant: Tenant | None = None) -> list[Identity]:
    """Join every inventory host, add the computers that only the directory or the tenant (None: no store here) knows, and name them all."""
    identities = [Identity(host=host) for host in hosts]
    for identity in identities:
        _join_by_dns_name(identity, directory)
        _join_by_device_id(identity, directory)
    held = {identity.owner.name for identity in identities if identity.owner is not None}
    for identity in identities:
        if identity.owner is None and not identity.candidates:
            _join_by_name(identity, directory, held)
    _mark_collisions(identities)
    identities += _only_in_directory(identities, directory, now)
    if tenant is not None:
        join_devices(identities, directory, tenant)
        identities += only_in_tenant(identities, directory, tenant, now)
    _name(identities)
    return identities


def in_scope(computer: LabComputerObject, now: datetime) -> bool:
    """Whether the directory alone is enough to put this computer into the report."""
    windows = (computer.operating_system or "").startswith("Windows")
    idle = computer.last_logon is not None and now - computer.last_logon > IDLE
    return computer.enabled and windows and not idle and not computer.cluster_name_object


def _one_of(matches: list[LabComputerObject]) -> LabComputerObject | None:
    """The object meant by several with one name: the only one, else the only enabled one."""
    if len(matches) > 1:
        matches = [computer for computer in matches if computer.enabled]
    return matches[0] if len(matches) == 1 else None


def _join_by_dns_name(identity: Identity, directory: Directory) -> None:
    host = identity.host
    if host is None or host.dns_name is None:
        return
    stated = host.dns_name.lower()
    matches = [computer for computer in directory.computers if computer.dns_name is not None and computer.dns_name.lower() == stated]
    identity.owner = _one_of(matches)
    if matches and identity.owner is None:
        identity.candidates = tuple(computer.name for computer in matches)
        identity.undecided = frozenset(identity.candidates)


def _join_by_device_id(identity: Identity, directory: Directory) -> None:
    """A hybrid joined host's device ID is its computer object's GUID, whatever either is called; one in no domain is not hybrid joined."""
    if identity.host is None or identity.host.device_id is None or identity.owner is not None or not identity.host.part_of_domain:
        return
    found = [computer for computer in directory.computers if computer.object_guid == identity.host.device_id]
    if found:
        identity.owner, identity.candidates, identity.undecided = found[0], (), frozenset()


def _join_by_name(identity: Identity, directory: Directory, held: set[str]) -> None:
    host = identity.host
    if host is None or not host.part_of_domain:
        return
    addresses = {host.inventory_name.lower(), host.address.lower()}
    matches = [
        computer
        for computer in directory.computers
        if computer.name.lower() == host.inventory_name.lower()
        or (computer.dns_name is not None and computer.dns_name.lower() in addresses)
    ]
    found = _one_of(matches)
    if found is not None and found.name not in held:
        identity.owner, identity.by_name = found, True


def _mark_collisions(identities: list[Identity]) -> None:
    sharing: dict[str, list[Identity]] = defaultdict(list)
    for identity in identities:
        if identity.owner is not None and identity.host is not None and identity.host.state == "fresh":
            sharing[identity.owner.name].append(identity)
    for owner, group in sharing.items():
        if len(group) > 1:
            for identity in group:
                identity.collided = True
                identity.undecided = frozenset({owner})


def _only_in_directory(identities: list[Identity], directory: Directory, now: datetime) -> list[Identity]:
    joined = {identity.owner.name for identity in identities if identity.owner is not None}
    return [
        Identity(host=None, owner=computer) for computer in directory.computers if computer.name not in joined and in_scope(computer, now)
    ]


def _name(identities: list[Identity]) -> None:
    """Names that occur twice are given up by their bearers; one taken instead may be another's, who then gives it up too."""
    for identity in identities:
        identity.name = _wanted_name(identity)
    while twice := {name for name, count in Counter(identity.name for identity in identities).items() if count > 1}:
        given_up = {index: _distinct_name(found) for index, found in enumerate(identities) if found.name in twice}
        if all(identities[index].name == name for index, name in given_up.items()):
            raise ValueError(f"the report could not tell these computers apart: {sorted(twice)}")
        for index, name in given_up.items():
            identities[index].name = name


def _wanted_name(identity: Identity) -> str:
    if identity.owner is not None and identity.owner.dns_name is not None:
        return identity.owner.dns_name.lower()
    if identity.host is None:
        if identity.owner is None and identity.device is not None:
            return f"{identity.device.display_name}/{identity.device.device_id}"
        return identity.owner.name.lower() if identity.owner is not None else ""
    return identity.host.dns_name.lower() if identity.host.dns_name is not None else identity.host.inventory_name


def _distinct_name(identity: Identity) -> str:
    if identity.host is not None:
        return identity.host.inventory_name
    if identity.owner is None or identity.owner.object_guid is None:
        raise ValueError(f"{identity.name} occurs twice and its computer object has no GUID yet")
    return f"{identity.name}/{identity.owner.object_guid}"
