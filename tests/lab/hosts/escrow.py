# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab host writes recovery passwords to: the port, and a place that keeps them in memory (wire reference 2.4)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

from ..model import LabHost, LabProtector, LabVolume

S_OK = 0
#: ERROR_NO_SUCH_DOMAIN as an HRESULT: what a host far from its domain would say; which code Windows picks is unconfirmed
NO_SUCH_DOMAIN = 0x8007054B


class Escrow(Protocol):
    """What Windows does when a backup is asked for; each returns an HRESULT."""

    def to_directory(self, host: LabHost, volume: LabVolume, protector: LabProtector, package: bytes | None) -> int:
        """Add a recovery object below the machine's own computer object, as the machine; one of this key ID stays as it is."""

    def to_tenant(self, host: LabHost, volume: LabVolume, protector: LabProtector) -> int:
        """Post the password to Entra ID as the device."""

    def to_microsoft_account(self, host: LabHost, volume: LabVolume, protector: LabProtector) -> int:
        """Save the password to the account that somebody signed in with."""


class DirectoryPart(Protocol):
    """Of an escrow, what writes into the directory."""

    def to_directory(self, host: LabHost, volume: LabVolume, protector: LabProtector, package: bytes | None) -> int:
        """As :meth:`Escrow.to_directory`."""


class TenantPart(Protocol):
    """Of an escrow, what posts to Entra ID."""

    def to_tenant(self, host: LabHost, volume: LabVolume, protector: LabProtector) -> int:
        """As :meth:`Escrow.to_tenant`."""


@dataclass
class MemoryEscrow:
    """Keeps what was backed up: for hosts that are played without a directory and a tenant."""

    directory: dict[str, str] = field(default_factory=dict)
    tenant: dict[str, str] = field(default_factory=dict)
    account: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def to_directory(self, host: LabHost, volume: LabVolume, protector: LabProtector, package: bytes | None) -> int:
        """A member of a domain writes; the first value of a key ID stays."""
        if host.domain is None:
            return NO_SUCH_DOMAIN
        return self._keep(self.directory, protector)

    def to_tenant(self, host: LabHost, volume: LabVolume, protector: LabProtector) -> int:
        """A joined device posts; the newest value of a key ID stays."""
        if host.entra_device_id is None:
            return NO_SUCH_DOMAIN
        with self._lock:
            self.tenant[protector.key_id] = protector.password or ""
        return S_OK

    def to_microsoft_account(self, host: LabHost, volume: LabVolume, protector: LabProtector) -> int:
        """Anybody's."""
        return self._keep(self.account, protector)

    def _keep(self, place: dict[str, str], protector: LabProtector) -> int:
        with self._lock:
            place.setdefault(protector.key_id, protector.password or "")
        return S_OK


@dataclass
class Stores:
    """Each store by itself; what is not given does not exist, as for a machine of a workgroup."""

    directory: DirectoryPart | None = None
    tenant: TenantPart | None = None
    account: MemoryEscrow = field(default_factory=MemoryEscrow)

    def to_directory(self, host: LabHost, volume: LabVolume, protector: LabProtector, package: bytes | None) -> int:
        """Where there is a directory."""
        return NO_SUCH_DOMAIN if self.directory is None else self.directory.to_directory(host, volume, protector, package)

    def to_tenant(self, host: LabHost, volume: LabVolume, protector: LabProtector) -> int:
        """Where there is a tenant."""
        return NO_SUCH_DOMAIN if self.tenant is None else self.tenant.to_tenant(host, volume, protector)

    def to_microsoft_account(self, host: LabHost, volume: LabVolume, protector: LabProtector) -> int:
        """Kept in memory: nobody but the account's owner can look there."""
        return self.account.to_microsoft_account(host, volume, protector)
