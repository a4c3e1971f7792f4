# SPDX-License-Identifier: GPL-3.0-or-later
"""From an Estate to the objects of the directory: names, attributes, damage. Pure; ``seed_script`` writes what stands here.

A planned value is text, or bytes where the attribute is binary or the text cannot be trusted to be text.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.directory import layout
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry

#: userAccountControl bits (MS-ADTS 2.2.16)
ACCOUNT_DISABLED = 0x2
WORKSTATION_TRUST = 0x1000
SERVER_TRUST_DELEGATED = 0x82000

Value = str | bytes
#: MSFT FILETIME counts from here
FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(kw_only=True)
class PlannedObject:
    """One object to add."""

    dn: str
    attributes: dict[str, list[Value]]
    #: replaces the directory's own whenCreated
    when_created: datetime | None = None
    #: explicit security descriptor; ``{account}`` stands for that account's SID
    sddl: str | None = None
    #: GUID the object gets, lower case without braces
    object_guid: str | None = None


@dataclass(kw_only=True)
class Plan:
    """Everything that is to be written, in this order: containers, objects, deletions."""

    base_dn: str
    #: DN -> whether it is to be created; all of them get the grants
    containers: dict[str, bool] = field(default_factory=dict)
    objects: list[PlannedObject] = field(default_factory=list)
    #: DNs that are deleted with everything below them
    deletions: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The form ``seed_script`` reads: binary values are ``{"b64": …}``."""
        return {
            "base_dn": self.base_dn,
            "grants": {account: "".join(aces) for account, aces in layout.GRANTS.items()},
            "containers": self.containers,
            "objects": [_object_json(planned) for planned in self.objects],
            "deletions": self.deletions,
        }


def escape_rdn(value: str) -> str:
    """Escape a value for use in a DN (RFC 4514 2.4)."""
    escaped = "".join(f"\\{char}" if char in ',+"\\<>;=' else char for char in value).replace("\0", "\\00")
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and not escaped.endswith("\\ "):
        escaped = escaped[:-1] + "\\ "
    return escaped


def computer_dn(computer: LabComputerObject, base_dn: str) -> str:
    """The DN of a computer object."""
    return f"CN={escape_rdn(computer.name)},{computer.ou},{base_dn}"


def recovery_cn(created: datetime, key_id: str) -> str:
    """The name Windows gives a recovery object: ``2026-01-02T03:04:05-08:00{UPPER-CASE-GUID}``, in the offset of ``created``."""
    return f"{created.isoformat(timespec='seconds')}{{{key_id.upper()}}}"


def filetime(moment: datetime) -> int:
    """100 ns ticks since 1601 (MS-DTYP 2.3.3)."""
    return (moment - FILETIME_EPOCH) // timedelta(microseconds=1) * 10


def make_plan(estate: Estate) -> Plan:
    """Plan the directory of an estate.

    Raises:
        ValueError: an entry names a computer the estate does not have, or two computers share a name.
    """
    plan = Plan(base_dn=layout.base_dn(estate.realm))
    by_name: dict[str, LabComputerObject] = {}
    for computer in estate.computers:
        if computer.name.lower() in by_name:
            raise ValueError(f"two computer objects are named {computer.name}")
        by_name[computer.name.lower()] = computer
        for container, create in _containers(computer.ou, plan.base_dn):
            plan.containers.setdefault(container, create)
        plan.objects.append(_computer(computer, plan.base_dn, estate.realm))
    taken: set[str] = set()
    for entry in estate.entries:
        owner = by_name.get(entry.computer.lower())
        if owner is None:
            raise ValueError(f"entry {entry.key_id} lies under {entry.computer}, which the estate does not have")
        plan.objects.append(_entry(entry, computer_dn(owner, plan.base_dn), taken))
    plan.deletions = [computer_dn(computer, plan.base_dn) for computer in estate.computers if computer.delete_after]
    return plan


def _containers(ou: str, base_dn: str) -> Iterable[tuple[str, bool]]:
    """The containers on the way down to ``ou``, the outermost first; those of a new domain exist already."""
    steps = ou.split(",")
    for depth in range(len(steps) - 1, -1, -1):
        relative = ",".join(steps[depth:])
        exists = relative.lower().startswith("cn=") or relative.lower() == "ou=domain controllers"
        yield f"{relative},{base_dn}", not exists


def _computer(computer: LabComputerObject, base_dn: str, realm: str) -> PlannedObject:
    is_controller = computer.ou.lower().endswith("ou=domain controllers")
    control = (SERVER_TRUST_DELEGATED if is_controller else WORKSTATION_TRUST) | (0 if computer.enabled else ACCOUNT_DISABLED)
    attributes: dict[str, list[Value]] = {
        "objectClass": ["computer"],
        "sAMAccountName": [f"{computer.name}$"],
        "userAccountControl": [str(control)],
    }
    names = [computer.name] if computer.dns_name is None else [computer.name, computer.dns_name]
    # nobody can be met under a service name without a machine password, and Samba's check that it is unique is half the seeding time
    services = [f"HOST/{name}" for name in names] if computer.machine_password is not None or computer.cluster_name_object else []
    if computer.cluster_name_object:
        services += [f"{service}/{name}" for service in ("MSClusterVirtualServer", "MSServerClusterMgmtAPI") for name in names]
    if services:
        attributes["servicePrincipalName"] = list(services)
    if computer.dns_name is not None:
        attributes["dNSHostName"] = [computer.dns_name]
    if computer.operating_system is not None:
        attributes["operatingSystem"] = [computer.operating_system]
    if computer.last_logon is not None:
        attributes["lastLogonTimestamp"] = [str(filetime(computer.last_logon))]
    if computer.machine_password is not None:
        # a simple bind needs no principal name of its own: NAME$@realm is built in
        attributes["unicodePwd"] = [f'"{computer.machine_password}"'.encode("utf-16-le")]
        # RC4, AES128, AES256, as a Windows computer writes at itself: without it tickets for its services are RC4
        attributes["msDS-SupportedEncryptionTypes"] = ["28"]
    return PlannedObject(dn=computer_dn(computer, base_dn), attributes=attributes, object_guid=computer.object_guid)


def _entry(entry: LabEntry, owner_dn: str, taken: set[str]) -> PlannedObject:
    """One recovery object; two of the same second and ID would share a name, so the later planned one takes the next free second."""
    named = entry.cn_created or entry.created
    key_id = entry.cn_key_id or entry.key_id
    dn = f"CN={escape_rdn(recovery_cn(named, key_id))},{owner_dn}"
    while dn.lower() in taken:
        named += timedelta(seconds=1)
        dn = f"CN={escape_rdn(recovery_cn(named, key_id))},{owner_dn}"
    taken.add(dn.lower())
    raw = uuid.UUID(entry.key_id).bytes_le if entry.raw_recovery_guid is None else entry.raw_recovery_guid
    attributes: dict[str, list[Value]] = {
        "objectClass": ["msFVE-RecoveryInformation"],
        "msFVE-RecoveryGuid": [raw],
        "msFVE-RecoveryPassword": [entry.password],
    }
    if entry.volume_guid is not None:
        attributes["msFVE-VolumeGuid"] = [uuid.UUID(entry.volume_guid).bytes_le]
    if entry.key_package is not None:
        attributes["msFVE-KeyPackage"] = [entry.key_package]
    return PlannedObject(dn=dn, attributes=attributes, when_created=entry.created, sddl=layout.HIDDEN_SDDL if entry.hidden else None)


def _object_json(planned: PlannedObject) -> dict[str, Any]:
    return {
        "dn": planned.dn,
        "attributes": {
            name: [value if isinstance(value, str) else {"b64": base64.b64encode(value).decode("ascii")} for value in values]
            for name, values in planned.attributes.items()
        },
        "when_created": None if planned.when_created is None else planned.when_created.astimezone(UTC).strftime("%Y%m%d%H%M%S.0Z"),
        "sddl": planned.sddl,
        "object_guid": planned.object_guid,
    }
