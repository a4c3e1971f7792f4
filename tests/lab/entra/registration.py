# SPDX-License-Identifier: GPL-3.0-or-later
"""Where devices escrow their keys: an endpoint of the lab's own, since Windows' is not documented.

    POST /lab/devices/<deviceId>/recoveryKeys   Authorization: Device <secret>   {"keyId", "key", "volumeType"}

A device proves itself by a secret that follows from the estate's seed; 201 for a new key, 200 for one that is there already. Faults of the
tenant's behaviour strike here as anywhere: give them ``match="/lab/devices/"``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
import uuid
from typing import Any

from ..hosts.http import HttpRequest
from ..model import LabEntraKey
from .behaviour import Fault
from .record import Exchange
from .spoil import spoil
from .tenant import Tenant
from .wire import Answer, json_answer

PREFIX = "/lab/devices/"
_PATH = re.compile(r"/lab/devices/(?P<id>[0-9A-Fa-f-]{36})/recoveryKeys")


def device_secret(seed: int, device_id: str) -> str:
    """What a device of an estate proves itself with."""
    return hmac.new(f"keyward lab device {seed}".encode(), device_id.lower().encode(), hashlib.sha256).hexdigest()


def escrow_path(device_id: str) -> str:
    """Where a device posts its keys."""
    return f"{PREFIX}{device_id}/recoveryKeys"


class Registration:
    """Takes keys for a tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    @staticmethod
    def claims(path: str) -> bool:
        """Whether a path is this endpoint's."""
        return path.startswith(PREFIX)

    def handle(self, request: HttpRequest, note: Exchange) -> Answer:
        """Answer one request; fills in the note."""
        fault = self._tenant.behaviour.strike(request.path)
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        answer = _struck(fault) if fault is not None and fault.kind in ("status", "expired") else self._answer(request)
        if fault is not None:
            note.fault = fault.kind
            spoil(answer, fault, self._tenant.behaviour.foreign_host)
        note.error = answer.error
        return answer

    def _answer(self, request: HttpRequest) -> Answer:
        match = _PATH.fullmatch(request.path)
        if match is None:
            return _refused(404, "not_found")
        if request.method != "POST":
            return _refused(405, "method_not_allowed")
        device_id = match["id"].lower()
        scheme, _unused, secret = request.headers.get("authorization", "").partition(" ")
        wanted = device_secret(self._tenant.estate.seed, device_id)
        if scheme != "Device" or not hmac.compare_digest(secret.encode(), wanted.encode()):
            return _refused(401, "invalid_device")
        device = next((item for item in self._tenant.visible_devices if item.device_id.lower() == device_id), None)
        if device is None or not device.account_enabled:
            return _refused(403, "device_gone" if device is None else "device_disabled")
        key = self._key(request.body, device.device_id)
        if key is None:
            return _refused(400, "malformed")
        outcome = self._tenant.escrow(key)
        return _refused(400, "limit_reached") if outcome is None else json_answer(201 if outcome else 200, {"keyId": key.key_id})

    def _key(self, body: bytes, device_id: str) -> LabEntraKey | None:
        try:
            said: Any = json.loads(body)
            key_id, password, kind = str(uuid.UUID(said["keyId"])), said["key"], said["volumeType"]
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        if not isinstance(password, str) or not password or kind not in (1, 2, 3):
            return None
        return LabEntraKey(key_id=key_id, device_id=device_id, created=self._tenant.now, volume_type=kind, password=password)


def _refused(status: int, code: str) -> Answer:
    answer = json_answer(status, {"error": code})
    answer.error = code
    return answer


def _struck(fault: Fault) -> Answer:
    answer = _refused(401 if fault.kind == "expired" else fault.status, fault.code or "struck")
    if fault.retry_after is not None and not fault.retry_after.startswith("date:"):
        answer.headers["Retry-After"] = fault.retry_after
    return answer
