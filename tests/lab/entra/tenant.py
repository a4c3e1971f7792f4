# SPDX-License-Identifier: GPL-3.0-or-later
"""The tenant: what exists in it, the log it keeps of itself, and how it behaves. Shared by the threads of all connections."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .. import serialize
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
        kept: file that gets every key that a device escrows, a line each, and is read at the beginning: see :func:`kept_keys`.

    Raises:
        ValueError: the estate has no tenant, or settings that nobody knows.
    """

    def __init__(self, estate: Estate, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC), kept: Path | None = None) -> None:
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
        self._lock = threading.RLock()
        self._kept = kept
        #: escrowed, and not to be seen yet
        self._waiting: list[LabEntraKey] = []
        add_keys(estate, kept_keys(kept))

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

    def escrow(self, key: LabEntraKey) -> bool | None:
        """What a device posts: True, kept; False, it was there already, and its newest value stays; None, the device has too many."""
        self.settle()
        with self._lock:
            known = [item for item in (*self.estate.entra_keys, *self._waiting) if item.device_id == key.device_id]
            same = next((item for item in known if item.key_id.lower() == key.key_id.lower()), None)
            if same is None and len(known) >= self.behaviour.key_limit:
                return None
            if same is not None and same.password == key.password:
                return False
            self._keep(key)
            if same is not None:
                same.password = key.password
                self.revision += 1
                return False
            self._waiting.append(key)
        self.settle()
        return True

    def settle(self) -> None:
        """Let those keys be seen whose delay is over."""
        with self._lock:
            if not self._waiting:
                return
            due = self.now - timedelta(seconds=self.behaviour.key_delay)
            ready = [key for key in self._waiting if key.created <= due]
            self._waiting = [key for key in self._waiting if key.created > due]
        for key in ready:
            self.add_key(key)

    def _keep(self, key: LabEntraKey) -> None:
        if self._kept is not None:
            with os.fdopen(os.open(self._kept, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as out:
                out.write(json.dumps(serialize.plain(key)) + "\n")

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


def kept_keys(file: Path | None) -> list[LabEntraKey]:
    """The keys of a file of :class:`Tenant`, oldest first; none where there is no file. A line that is not finished is left out."""
    if file is None or not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    return [serialize.build(LabEntraKey, json.loads(line)) for line in lines]


def add_keys(estate: Estate, keys: Iterable[LabEntraKey]) -> None:
    """Add keys to an estate; the newest value of a device's key stays."""
    known = {(key.device_id, key.key_id.lower()): key for key in estate.entra_keys}
    for key in keys:
        same = known.setdefault((key.device_id, key.key_id.lower()), key)
        if same is key:
            estate.entra_keys.append(key)
        else:
            same.password = key.password
