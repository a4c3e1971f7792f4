# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host writes recovery objects into the real directory, as its own machine account (wire reference 2.4)."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ldap3
from ldap3.core import exceptions

from ..directory import layout
from ..directory.plan import escape_rdn, recovery_cn
from ..model import LabComputerObject, LabHost, LabProtector, LabVolume
from .escrow import NO_SUCH_DOMAIN, S_OK

#: ERROR_TRUSTED_RELATIONSHIP_FAILURE: the domain does not know this computer, or not with this password
NO_TRUST = 0x800706FD
#: ERROR_DS_SERVER_DOWN, ERROR_DS_OPERATIONS_ERROR, ERROR_ACCESS_DENIED
SERVER_DOWN, OPERATIONS_ERROR, ACCESS_DENIED = 0x8007203A, 0x80072020, 0x80070005
_TIMEOUT = 10
#: LDAP results (RFC 4511 4.1.9)
_INVALID_CREDENTIALS, _INSUFFICIENT_ACCESS, _EXISTS, _SUCCESS = 49, 50, 68, 0


@dataclass(kw_only=True)
class DirectoryEscrow:
    """Writes as each host's own account.

    ``computers``: those with a machine password can write. ``server``: the directory's address. ``ca_file``: the lab's authority, PEM.
    Which code Windows picks for which trouble is not documented; these say it in Windows' own words.
    """

    server: str
    realm: str
    ca_file: Path
    computers: Mapping[str, LabComputerObject]
    port: int = layout.LDAPS_PORT
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def to_directory(self, host: LabHost, volume: LabVolume, protector: LabProtector, package: bytes | None) -> int:
        """Add a recovery object below the machine's computer object; one of this key ID stays as it is. An HRESULT."""
        if host.domain is None or host.domain.lower() != self.realm.lower():
            return NO_SUCH_DOMAIN
        own = self.computers.get(host.netbios_name.lower())
        if own is None or own.machine_password is None:
            return NO_TRUST
        try:
            connection = self._bind(own)
        except exceptions.LDAPException:
            return SERVER_DOWN
        if connection.result["result"] != _SUCCESS:
            return NO_TRUST if connection.result["result"] == _INVALID_CREDENTIALS else OPERATIONS_ERROR
        try:
            return self._write(connection, own.name, volume, protector, package)
        except exceptions.LDAPException:
            return SERVER_DOWN
        finally:
            connection.unbind()

    def _bind(self, own: LabComputerObject) -> Any:
        tls = ldap3.Tls(ca_certs_file=str(self.ca_file), validate=ssl.CERT_REQUIRED)
        server = ldap3.Server(self.server, port=self.port, use_ssl=True, tls=tls, get_info=ldap3.NONE, connect_timeout=_TIMEOUT)
        connection = ldap3.Connection(server, f"{own.name}$@{self.realm}", own.machine_password, receive_timeout=_TIMEOUT)
        connection.bind()
        return connection

    def _write(self, connection: Any, name: str, volume: LabVolume, protector: LabProtector, package: bytes | None) -> int:
        connection.search(layout.base_dn(self.realm), f"(sAMAccountName={name}$)", attributes=["1.1"])
        found = [entry["dn"] for entry in connection.response or [] if entry["type"] == "searchResEntry"]
        if len(found) != 1:
            return NO_TRUST
        # who may not read an object's attributes still sees its name, and that holds the key's ID
        connection.search(found[0], "(objectClass=*)", ldap3.LEVEL, attributes=["1.1"])
        mark = f"{{{protector.key_id}}}".lower()
        children = [entry["dn"].lower() for entry in connection.response or [] if entry["type"] == "searchResEntry"]
        if any(mark in child.partition(",")[0] for child in children):
            return S_OK
        attributes: dict[str, Any] = {
            "msFVE-RecoveryPassword": protector.password or "",
            "msFVE-RecoveryGuid": uuid.UUID(protector.key_id).bytes_le,
        }
        if volume.persistent_id is not None:
            attributes["msFVE-VolumeGuid"] = uuid.UUID(volume.persistent_id).bytes_le
        if package is not None:
            attributes["msFVE-KeyPackage"] = package
        named = recovery_cn(self.clock(), protector.key_id)
        connection.add(f"CN={escape_rdn(named)},{found[0]}", "msFVE-RecoveryInformation", attributes)
        return {_SUCCESS: S_OK, _EXISTS: S_OK, _INSUFFICIENT_ACCESS: ACCESS_DENIED}.get(connection.result["result"], OPERATIONS_ERROR)


def own_computers(computers: Iterable[LabComputerObject]) -> dict[str, LabComputerObject]:
    """The computer objects that can write as themselves, by name in lower case."""
    return {item.name.lower(): item for item in computers if item.machine_password is not None and not item.delete_after}
