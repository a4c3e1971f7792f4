# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report's account can see of the estate's directory, and what a host says of itself, before anything is judged."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.hosts.faults import expected_reason
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry, LabHost, LabProtector, LabVolume

#: observations older than this, or further ahead than the second, say nothing of today
MAX_AGE = timedelta(days=30)
MAX_AHEAD = timedelta(minutes=5)
#: a computer object whose last logon is longer ago is idle: not in scope
IDLE = timedelta(days=90)

#: the stores a run may look into
STORES = (("ad",), ("ad", "entra"))

RECOVERY_PASSWORD = 3
VOLUME_TYPES = ("os", "fixed", "removable")
BACKUP_BITS = ((1, "ad"), (4, "entra"))


@dataclass(frozen=True, kw_only=True)
class SeenEntry:
    """A recovery object as the account sees it; ``sound`` False: broken metadata that the account was able to read."""

    owner: str
    key_ids: tuple[str, ...]
    readable: bool
    sound: bool
    #: the text where a recovery password belongs
    value: str | None = None


@dataclass(frozen=True, kw_only=True)
class Directory:
    """The directory as it answers: ``state`` is searched, no_rights or down."""

    state: str
    domain: str
    computers: tuple[LabComputerObject, ...] = ()
    entries: tuple[SeenEntry, ...] = ()

    def of_owners(self, owners: Iterable[str]) -> list[SeenEntry]:
        """The entries that lie under one of these owners."""
        wanted = set(owners)
        return [entry for entry in self.entries if entry.owner in wanted]


@dataclass(frozen=True, kw_only=True)
class SeenProtector:
    """A protector as the host lists it; type None: its type could not be read."""

    key_id: str
    type: int | None
    #: stores that Windows says it was backed up to
    said_backed_up: frozenset[str] = frozenset()
    #: the recovery password that opens its key package; None where there is no package, or one of which nothing can be said
    opened_by: str | None = None
    #: two readings of its package are alike
    steady: bool = True


@dataclass(frozen=True, kw_only=True)
class SeenVolume:
    """A volume as the host describes it, in Windows' numbers; None where the read failed."""

    label: str
    type: int
    persistent_id: str | None
    protectors: tuple[SeenProtector, ...] | None
    conversion: int | None = None
    protection: int = 1
    locked: bool = False
    method: int = 0
    #: None: not offered
    suspend_count: int | None = None
    suspend_unreadable: bool = False
    hardware_test_pending: bool = False
    auto_unlock_key_id: str | None = None

    @property
    def recovery_passwords(self) -> list[SeenProtector]:
        """Its recovery-password protectors, those that are known to be."""
        return [protector for protector in self.protectors or () if protector.type == RECOVERY_PASSWORD]


@dataclass(frozen=True, kw_only=True)
class SeenHost:
    """One inventory host: ``state`` is fresh, stale or failed; ``reason`` says why today's attempt brought nothing."""

    inventory_name: str
    address: str
    state: str
    reason: str | None = None
    dns_name: str | None = None
    part_of_domain: bool = True
    domain: str | None = None
    domain_controller: bool = False
    cluster: str | None = None
    bitlocker_installed: bool = True
    volumes: tuple[SeenVolume, ...] = ()
    policy: dict[str, int | str] | None = None
    #: as a member of the estate's tenant
    device_id: str | None = None


def see_directory(estate: Estate, fault: str | None) -> Directory:
    """The directory through the eyes of the report's account (or of one without rights, or not at all)."""
    if fault == "ad_down":
        return Directory(state="down", domain=estate.realm)
    computers = tuple(computer for computer in estate.computers if not computer.delete_after)
    alive = {computer.name for computer in computers}
    rights = fault != "ad_no_rights"
    entries = tuple(_see_entry(entry, rights=rights) for entry in estate.entries if entry.computer in alive)
    state = "searched" if any(entry.readable for entry in entries) else "no_rights"
    return Directory(state=state, domain=estate.realm, computers=computers, entries=entries)


def _see_entry(entry: LabEntry, *, rights: bool) -> SeenEntry:
    named = (entry.cn_key_id or entry.key_id).lower()
    if entry.hidden or not rights:
        return SeenEntry(owner=entry.computer, key_ids=(named,), readable=False, sound=True)
    raw = entry.raw_recovery_guid
    if raw is None:
        held = entry.key_id.lower()
    elif len(raw) == 16:
        held = str(uuid.UUID(bytes_le=raw))
    else:
        return SeenEntry(owner=entry.computer, key_ids=(named,), readable=True, sound=False)
    if held == named:
        return SeenEntry(owner=entry.computer, key_ids=(held,), readable=True, sound=True, value=entry.password)
    return SeenEntry(owner=entry.computer, key_ids=(held, named), readable=True, sound=False)


def see_host(host: LabHost, estate: Estate) -> SeenHost:
    """What the run knows of an inventory host: today's answer, else an earlier observation, else only that there is none."""
    reason = expected_reason(host)
    if reason is None:
        return SeenHost(
            inventory_name=host.inventory_name,
            address=host.address,
            state="fresh",
            dns_name=host.dns_name,
            part_of_domain=host.domain is not None,
            domain=host.domain,
            domain_controller=host.domain_role in (4, 5),
            cluster=host.cluster_name,
            bitlocker_installed=host.bitlocker_installed,
            volumes=tuple(see_volume(volume, host.profile) for volume in host.volumes) if host.bitlocker_installed else (),
            policy=host.fve_policy,
            device_id=_device_id(host.entra_device_id, host.entra_tenant_id, estate),
        )
    earlier = estate.stale_observations.get(host.inventory_name)
    if earlier is None:
        return SeenHost(inventory_name=host.inventory_name, address=host.address, state="failed", reason=reason)
    age = estate.now - datetime.fromisoformat(earlier["observed_at"])
    if -MAX_AHEAD <= age <= MAX_AGE:
        raise ValueError(f"the observation given for {host.inventory_name} is not stale")
    return _see_earlier(host, reason, earlier, estate)


def see_volume(volume: LabVolume, profile: str) -> SeenVolume:
    """What a host that answers says about one volume."""
    failing = volume.failing_methods
    records = "GetNumericalPasswordBackupType" not in failing and "GetNumericalPasswordBackupType" not in PROFILES[profile].missing_methods
    protectors: tuple[SeenProtector, ...] | None = None
    if "GetKeyProtectors" not in failing:
        protectors = tuple(
            SeenProtector(
                key_id=protector.key_id,
                type=None if "GetKeyProtectorType" in failing else protector.type,
                said_backed_up=frozenset(store for bit, store in BACKUP_BITS if records and protector.backup_types & bit),
                opened_by=protector.password if _gives_package(volume, protector) else None,
                steady=protector.package != "unsteady",
            )
            for protector in volume.protectors
        )
    conversion = None if volume.locked or "GetConversionStatus" in failing else volume.conversion_status
    return SeenVolume(
        label=volume.drive_letter or (volume.mount_point or "").rstrip("\\") or f"\\\\?\\Volume{{{volume.device_guid}}}\\",
        type=volume.volume_type,
        persistent_id=volume.persistent_id,
        protectors=protectors,
        conversion=conversion,
        protection=2 if volume.locked else volume.protection_status,
        locked=volume.locked,
        method=volume.encryption_method,
        suspend_count=volume.suspend_count,
        suspend_unreadable="GetSuspendCount" in failing,
        hardware_test_pending=volume.hardware_test_status == 2,
        auto_unlock_key_id=volume.auto_unlock_key_id,
    )


def _gives_package(volume: LabVolume, protector: LabProtector) -> bool:
    """Whether GetKeyPackage gives a package that can be understood; the one of a drive that encrypts by itself gives none."""
    if volume.locked or volume.encryption_method == 5 or "GetKeyPackage" in volume.failing_methods:
        return False
    return protector.type == RECOVERY_PASSWORD and protector.package in ("sound", "unsteady")


def _device_id(device_id: str | None, tenant_id: str | None, estate: Estate) -> str | None:
    """The device ID that a host states, if it is one of the estate's tenant."""
    ours = estate.entra_tenant_id is not None and tenant_id is not None and tenant_id.lower() == estate.entra_tenant_id.lower()
    return device_id.lower() if device_id is not None and ours else None


def _see_earlier(host: LabHost, reason: str, earlier: dict[str, Any], estate: Estate) -> SeenHost:
    computer, joined = earlier["computer"], earlier["join"]["entra"] or {}
    return SeenHost(
        inventory_name=host.inventory_name,
        address=host.address,
        state="stale",
        reason=reason,
        dns_name=computer["dns_name"],
        part_of_domain=computer["part_of_domain"],
        domain=computer["domain"],
        volumes=tuple(_see_earlier_volume(volume) for volume in earlier["volumes"] or ()),
        device_id=_device_id(joined.get("device_id"), joined.get("tenant_id"), estate),
    )


def _see_earlier_volume(volume: dict[str, Any]) -> SeenVolume:
    protectors = tuple(
        SeenProtector(key_id=protector["key_id"], type=RECOVERY_PASSWORD if protector["type"] == "recovery_password" else 0)
        for protector in volume["protectors"] or ()
    )
    return SeenVolume(
        label=volume["letter"] or volume["mount_point"] or volume["device_id"],
        type=VOLUME_TYPES.index(volume["type"]),
        persistent_id=volume["persistent_id"],
        protectors=protectors,
    )
