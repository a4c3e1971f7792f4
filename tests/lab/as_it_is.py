# SPDX-License-Identifier: GPL-3.0-or-later
"""The estate of a running lab as it is now: its hosts after every change, its directory and its tenant as they stand.

The truth of a repaired estate is computed from this.
"""

from __future__ import annotations

import copy
import ssl
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ldap3
from ansible_collections.keyward.bitlocker.tests.lab.directory import layout
from ansible_collections.keyward.bitlocker.tests.lab.directory.plan import make_plan
from ansible_collections.keyward.bitlocker.tests.lab.entra.tenant import add_keys, kept_keys
from ansible_collections.keyward.bitlocker.tests.lab.hosts.kept import with_kept_hosts
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabEntry

#: below a lab's folder
CHANGED_HOSTS = Path("hosts") / "changed"
ESCROWED_KEYS = Path("entra") / "escrowed-keys"
_ATTRIBUTES = ["msFVE-RecoveryGuid", "msFVE-RecoveryPassword", "msFVE-VolumeGuid", "msFVE-KeyPackage", "whenCreated"]


def estate_as_it_is(estate: Estate, folder: Path, directory: str | None, ca_file: Path) -> Estate:
    """A copy of the estate with all that has happened since it was started.

    Args:
        estate: as it was when its directory was seeded.
        folder: of the lab.
        directory: address of the directory; None leaves its entries as they were.
        ca_file: the lab's authority.
    """
    now = copy.deepcopy(estate)
    with_kept_hosts(now, folder / CHANGED_HOSTS)
    add_keys(now, kept_keys(folder / ESCROWED_KEYS))
    if directory is not None:
        _take_entries(now, found_entries(now.realm, directory, ca_file))
    return now


@dataclass(frozen=True, kw_only=True)
class FoundEntry:
    """A recovery object of the directory, read by its administrator."""

    dn: str
    key_id: str | None
    password: str
    created: datetime
    volume_guid: str | None
    key_package: bytes | None


def found_entries(realm: str, directory: str, ca_file: Path, *, port: int = layout.LDAPS_PORT) -> list[FoundEntry]:
    """All recovery objects of a directory."""
    administrator = layout.accounts(realm)[layout.ADMINISTRATOR]
    tls = ldap3.Tls(ca_certs_file=str(ca_file), validate=ssl.CERT_REQUIRED)
    server = ldap3.Server(directory, port=port, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    connection: Any  # ldap3 tells no types
    with ldap3.Connection(server, administrator.principal, administrator.password, raise_exceptions=True) as connection:
        pages = connection.extend.standard.paged_search(
            layout.base_dn(realm), "(objectClass=msFVE-RecoveryInformation)", attributes=_ATTRIBUTES, paged_size=500, generator=True
        )
        return [_found(item) for item in pages if item["type"] == "searchResEntry"]


def _found(item: Any) -> FoundEntry:
    raw = {name: values[0] for name, values in item["raw_attributes"].items() if values}
    return FoundEntry(
        dn=item["dn"],
        key_id=_guid(raw.get("msFVE-RecoveryGuid")),
        password=raw.get("msFVE-RecoveryPassword", b"").decode("utf-8", "replace"),
        created=datetime.strptime(raw["whenCreated"].decode("ascii"), "%Y%m%d%H%M%S.0Z").replace(tzinfo=UTC),
        volume_guid=_guid(raw.get("msFVE-VolumeGuid")),
        key_package=raw.get("msFVE-KeyPackage"),
    )


def _guid(raw: bytes | None) -> str | None:
    return str(uuid.UUID(bytes_le=raw)) if raw is not None and len(raw) == 16 else None


def _take_entries(estate: Estate, found: list[FoundEntry]) -> None:
    """Entries that are gone go, values that were changed change, and what was written since is added."""
    deleted = {item.name for item in estate.computers if item.delete_after}
    planned = [item.dn.lower() for item in make_plan(estate).objects if item.attributes["objectClass"] == ["msFVE-RecoveryInformation"]]
    by_dn = {_unescaped(item.dn): item for item in found}
    kept: list[LabEntry] = []
    for dn, entry in zip(planned, list(estate.entries), strict=True):
        there = by_dn.pop(_unescaped(dn), None)
        if there is not None:
            entry.password = there.password
        if there is not None or entry.computer in deleted:
            kept.append(entry)
    names = {computer.name.lower(): computer.name for computer in estate.computers}
    for item in by_dn.values():
        owner = names.get(item.dn.split(",", 2)[1].partition("=")[2].lower())
        if owner is not None and item.key_id is not None:
            kept.append(
                LabEntry(
                    computer=owner,
                    key_id=item.key_id,
                    password=item.password,
                    created=item.created,
                    volume_guid=item.volume_guid,
                    key_package=item.key_package,
                )
            )
    estate.entries = kept


def _unescaped(dn: str) -> str:
    """A DN as it can be compared: escaping is up to whoever writes it."""
    return dn.replace("\\", "").lower()
