# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Who a host says it is: Win32_ComputerSystem, Win32_OperatingSystem, Win32_ComputerSystemProduct, and a failover cluster's name.

Projections keep the answers small; every name in them exists since Windows Server 2003 (MicrosoftDocs/win32 "CIMWin32Prov").
"""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from .._errors import BadDataError, ProtocolError
from . import words
from .calls import bounded, is_absent, take
from .reads import Reads
from .wsman.faults import FaultError
from .wsman.instance import Instance
from .wsman.session import Session

NAMESPACE: Final = "root/cimv2"
CLUSTER_NAMESPACE: Final = "root/mscluster"

COMPUTER_SYSTEM: Final = "SELECT Name,DNSHostName,Domain,Workgroup,PartOfDomain,DomainRole,Manufacturer,Model FROM Win32_ComputerSystem"
OPERATING_SYSTEM: Final = "SELECT Caption,Version,BuildNumber,ProductType,SystemDrive,LastBootUpTime FROM Win32_OperatingSystem"
PRODUCT: Final = "SELECT UUID,IdentifyingNumber FROM Win32_ComputerSystemProduct"
CLUSTER: Final = "SELECT Name FROM MSCluster_Cluster"

_DOMAIN_MEMBERS: Final = frozenset({1, 3, 4, 5})


def single(session: Session, namespace: str, wql: str, class_name: str) -> Instance:
    """The one instance that a query must give; BadDataError for none. What follows a first one is left to the host."""
    for instance in take(session.query(namespace, wql), 1):
        return instance
    raise BadDataError(f"read {class_name}", meaning="the host lists no instance of it")


def computer_facts(instance: Instance, reads: Reads) -> dict[str, Any]:
    """The ``computer`` section of an observation, without serial and hardware UUID.

    PartOfDomain NULL (seen on workgroup machines) is settled by DomainRole. ``dns_name`` is host name and domain in lower case; a primary
    DNS suffix that differs from the domain is not visible in this class. ProtocolError if none of its two typed values can be read.
    """
    before = len(reads.errors)
    role = reads.field("Win32_ComputerSystem.DomainRole", lambda: instance.integer("DomainRole"))
    part = reads.field("Win32_ComputerSystem.PartOfDomain", lambda: instance.boolean("PartOfDomain"))
    if len(reads.errors) - before == 2:
        raise ProtocolError(
            "read Win32_ComputerSystem",
            meaning="the host sends values of other types than the class has, so nothing it says can be used",
            remedy="Check what answers at this address, and the WMI repository of the host (winmgmt /verifyrepository).",
        )
    if part is None and role is not None:
        part = role in _DOMAIN_MEMBERS
    name = _text(instance, reads, "Name")
    domain = _text(instance, reads, "Domain")
    workgroup = _text(instance, reads, "Workgroup")
    return {
        "name": name,
        "dns_name": dns_name(_text(instance, reads, "DNSHostName") or name, domain if part else None),
        "domain": domain.lower() if domain and part else None,
        "workgroup": (workgroup or domain) if part is False else None,
        "part_of_domain": part,
        "domain_role": None if role is None else words.word(words.DOMAIN_ROLE, role),
        "manufacturer": _text(instance, reads, "Manufacturer"),
        "model": _text(instance, reads, "Model"),
    }


def dns_name(host_name: str | None, domain: str | None) -> str | None:
    """The full DNS name in lower case: a host name that already has dots is one, otherwise the domain is appended where there is one."""
    if not host_name:
        return None
    name = host_name.lower().rstrip(".")
    return f"{name}.{domain.lower()}" if domain and "." not in name else name


def product_facts(instance: Instance, reads: Reads) -> dict[str, Any]:
    """Serial number of the chassis and the SMBIOS UUID: hints, not identities (makers leave placeholders)."""
    uuid = _text(instance, reads, "UUID", "Win32_ComputerSystemProduct")
    return {
        "serial": _text(instance, reads, "IdentifyingNumber", "Win32_ComputerSystemProduct"),
        "hardware_uuid": uuid.lower() if uuid else uuid,
    }


def os_facts(instance: Instance, reads: Reads) -> dict[str, Any]:
    """The ``os`` section of an observation."""
    kind = reads.field("Win32_OperatingSystem.ProductType", lambda: instance.integer("ProductType"))
    boot = reads.field("Win32_OperatingSystem.LastBootUpTime", lambda: instance.timestamp("LastBootUpTime"))
    drive = _text(instance, reads, "SystemDrive", "Win32_OperatingSystem")
    return {
        "caption": _text(instance, reads, "Caption", "Win32_OperatingSystem"),
        "version": _text(instance, reads, "Version", "Win32_OperatingSystem"),
        "build": _text(instance, reads, "BuildNumber", "Win32_OperatingSystem"),
        "product_type": None if kind is None else words.word(words.PRODUCT_TYPE, kind),
        "system_drive": drive.upper() if drive else drive,
        "last_boot": None if boot is None else boot.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def cluster_name(session: Session) -> str | None:
    """The failover cluster this node belongs to; None where the namespace or class does not exist, or no cluster runs."""
    try:
        instance = single(session, CLUSTER_NAMESPACE, CLUSTER, "MSCluster_Cluster")
    except FaultError as error:
        if is_absent(error):
            return None
        raise
    name = bounded(instance.string("Name"), "Name")
    return name.lower() if name else None


def _text(instance: Instance, reads: Reads, name: str, class_name: str = "Win32_ComputerSystem") -> str | None:
    text = reads.field(f"{class_name}.{name}", lambda: bounded(instance.string(name), name))
    return text.strip() if text is not None else None
