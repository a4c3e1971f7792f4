# SPDX-License-Identifier: GPL-3.0-or-later
"""/auditLogs/directoryAudits: who was given which key, and when (directoryAudit, v1.0)."""

from __future__ import annotations

import re
import threading
from collections import defaultdict, deque
from typing import Any

from .behaviour import Behaviour
from .collection import Pager, context_of, shaped, typed
from .odata import Allowed, FilterError, RefusalError, bad_request, parse_filter
from .request import GraphRequest, zulu
from .tenant import AuditRecord, Tenant
from .wire import Answer, json_bytes

PATH = "/auditLogs/directoryAudits"
PERMISSION = "AuditLog.Read.All"
KIND = "directoryAudit"
WINDOW = 10.0
FILTERS: Allowed = {
    "category": frozenset({"eq"}),
    "activityDisplayName": frozenset({"eq", "startswith"}),
    "activityDateTime": frozenset({"eq", "ge", "le", "gt", "lt"}),
    "loggedByService": frozenset({"eq"}),
    "correlationId": frozenset({"eq"}),
    "result": frozenset({"eq"}),
}
_ORDERS = {"activityDateTime": False, "activityDateTime asc": False, "activityDateTime desc": True}


class Audits:
    """Answers for the audit log of one tenant."""

    def __init__(self, tenant: Tenant, pager: Pager) -> None:
        self._tenant = tenant
        self._pager = pager
        self._lock = threading.Lock()
        self._asked: defaultdict[str, deque[float]] = defaultdict(deque)

    def many(self, request: GraphRequest) -> Answer:
        """A page of the log, newest first."""
        request.require(PERMISSION)
        self._throttle(request.token.app)
        query = request.query
        query.check_known(frozenset({"$filter", "$top", "$orderby"}))
        order = query.get("$orderby") or "activityDateTime desc"
        if order not in _ORDERS:
            raise bad_request("Sorting is supported by activityDateTime.")
        top = query.get("$top") or str(self._tenant.behaviour.audit_page)
        if not re.fullmatch(r"[0-9]{1,4}", top) or not 1 <= int(top) <= 1000:
            raise bad_request("$top is between 1 and 1000.")
        rows = sorted(
            (_entity(record, self._tenant.behaviour) for record in self._tenant.audit_records()),
            key=lambda row: str(row["activityDateTime"]),
            reverse=_ORDERS[order],
        )
        text = query.get("$filter")
        if text is not None:
            try:
                # the words of activities are compared with their case
                wanted = parse_filter(text, FILTERS, fold=False)
            except FilterError as error:
                raise bad_request(f"Invalid filter clause: {error}.") from error
            rows = [row for row in rows if wanted.holds(row)]
        place = self._pager.place(request.full_path, query)
        entries = [json_bytes(shaped(row, None, KIND, self._tenant.behaviour)) for row in rows]
        context = context_of(request.version, PATH, None)
        return Answer(200, self._pager.page(request.full_path, query, place, entries, int(top), context=context))

    def _throttle(self, app: str) -> None:
        now = self._tenant.now.timestamp()
        with self._lock:
            asked = self._asked[app]
            while asked and asked[0] <= now - WINDOW:
                asked.popleft()
            asked.append(now)
            if len(asked) > self._tenant.behaviour.audit_limit:
                wait = max(1, int(asked[0] + WINDOW - now) + 1)
                raise RefusalError(429, "TooManyRequests", "Too Many Requests", headers={"Retry-After": str(wait)})


def _entity(record: AuditRecord, behaviour: Behaviour) -> dict[str, Any]:
    def made(kind: str, **members: Any) -> dict[str, Any]:
        return typed(kind, behaviour) | members

    app = made("appIdentity", appId=record.app, displayName=None, servicePrincipalId=None, servicePrincipalName=None)
    user = made("userIdentity", id=None, displayName=None, userPrincipalName=record.user, ipAddress="127.0.0.1")
    of_key = {"id": record.key_id, "displayName": record.key_id, "type": "Other"}
    target = made("targetResource", **of_key, userPrincipalName=None, modifiedProperties=[])
    reason = f"Key ID: '{record.key_id}'. Backed up from device: '{record.device_id}'"
    return {
        "id": record.id,
        "category": "KeyManagement",
        "correlationId": record.correlation_id,
        "result": "success",
        "resultReason": "",
        "activityDisplayName": record.activity,
        "activityDateTime": zulu(record.when, digits=7),
        "loggedByService": "Device Registration Service",
        "operationType": "Read" if record.activity.startswith("Read") else "Add",
        "initiatedBy": made("auditActivityInitiator", user=user if record.user else None, app=None if record.user else app),
        "targetResources": [target],
        "additionalDetails": [made("keyValue", key="AdditionalInfo", value=f"Successfully read BitLocker recovery key. {reason}.")],
    }
