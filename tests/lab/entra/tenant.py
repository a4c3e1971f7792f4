# SPDX-License-Identifier: GPL-3.0-or-later
"""The tenant: what exists in it, the log it keeps of itself, and how it behaves. Shared by the threads of all connections."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..model import Estate, LabEntraClient, LabEntraDevice, LabEntraKey
from .behaviour import Behaviour
from .tokens import Token

READ_ACTIVITY = "Read BitLocker key"
ADD_ACTIVITY = "Add BitLocker key"


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """One record of the directory audit."""

    id: str
    correlation_id: str
    when: datetime
    activity: str
    key_id: str
    device_id: str | None
    app: str | None
    user: str | None


class Tenant:
    """The state.

    Args:
        estate: whose tenant this is; ``entra_tenant_id`` must be set. Its lists are read where they are: a test may change them through
            :meth:`add_key` and :meth:`changed`.
        clock: the current time, aware.

    Raises:
        ValueError: the estate has no tenant, or settings that nobody knows.
    """

    def __init__(self, estate: Estate, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        if estate.entra_tenant_id is None:
            raise ValueError("the estate has no Entra tenant")
        self.estate = estate
        self.id = estate.entra_tenant_id.lower()
        self.domain = estate.realm.lower()
        self.behaviour = Behaviour.of(estate.entra_behaviour)
        self.clock = clock
        self.clients = {client.client_id.lower(): client for client in estate.entra_clients}
        self.audit: list[AuditRecord] = []
        #: counts changes of devices and keys, so that prepared answers are made again
        self.revision = 0
        self._lock = threading.Lock()

    @property
    def now(self) -> datetime:
        """The current time."""
        return self.clock()

    @property
    def visible_devices(self) -> list[LabEntraDevice]:
        """The devices that a request may find."""
        return [device for device in self.estate.entra_devices if not device.soft_deleted]

    def client(self, client_id: str) -> LabEntraClient | None:
        """An application by its client ID."""
        return self.clients.get(client_id.lower())

    def add_key(self, key: LabEntraKey) -> None:
        """Escrow a key, as a device's own registration would; leaves an audit record."""
        with self._lock:
            self.estate.entra_keys.append(key)
            self.revision += 1
        self._record(ADD_ACTIVITY, key, None, None)

    def changed(self) -> None:
        """Say that devices or keys were changed from outside."""
        with self._lock:
            self.revision += 1

    def key_was_read(self, key: LabEntraKey, token: Token) -> None:
        """Note that somebody was given a key."""
        for _unused in range(2 if self.behaviour.duplicate_audit else 1):
            self._record(READ_ACTIVITY, key, token.app, token.user)

    def _record(self, activity: str, key: LabEntraKey, app: str | None, user: str | None) -> None:
        record = AuditRecord(
            id=f"DRS_{uuid.uuid4()}",
            correlation_id=str(uuid.uuid4()),
            when=self.now,
            activity=activity,
            key_id=key.key_id,
            device_id=key.device_id,
            app=app,
            user=user,
        )
        with self._lock:
            self.audit.append(record)

    def audit_records(self) -> list[AuditRecord]:
        """The records that show by now."""
        shown = self.now - timedelta(seconds=self.behaviour.audit_delay)
        with self._lock:
            return [record for record in self.audit if record.when <= shown]
