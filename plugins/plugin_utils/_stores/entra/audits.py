# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Who read which recovery key, as the tenant's own audit log has it (directoryAudit, v1.0).

Documented: a read of a key writes a record of category ``KeyManagement``; the service allows five requests in ten seconds for one
application and tenant. Known from detection rules only, so read with care: the activity ``Read BitLocker key``, and where in a record the
key's ID stands. The filter names the category alone: one that compared an activity's words and their case would hide reads if they changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..._core.key_reads import KeyRead
from ..._core.model import StoreState
from ..._errors import AuthorizationError, BadDataError, KeywardError, OptionError
from . import failures, parse
from .auth import TokenSource
from .graph import Graph, Outcome, Query
from .settings import EntraSettings
from .throttle import Timing
from .wire import Wire

_PATH = "auditLogs/directoryAudits"
_ATTEMPTED = "read the audit log of Entra ID"
_ACTIVITY = re.compile(r"\s*read bitlocker", re.IGNORECASE)
_GUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])", re.ASCII | re.IGNORECASE)
_MAX_TEXT = 4096
#: "Throttling limits": 5 requests in 10 seconds. Two at once, then one in so many seconds, never pass that
_QUICK_PAGES = 1
_PAUSE = 2.5


def query(since: datetime) -> Query:
    """Everything about keys since a time."""
    moment = since.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    options = {"$filter": f"category eq 'KeyManagement' and activityDateTime ge {moment}", "$top": "999"}
    return Query(path=_PATH, options=options, permission=failures.AUDIT, attempted=_ATTEMPTED)


class EntraAudit:
    """The audit log of one tenant; ``progress`` and ``timing`` as for an :class:`~.reader.EntraReader`."""

    def __init__(self, settings: EntraSettings, *, progress: Callable[[str], None] | None = None, timing: Timing | None = None) -> None:
        self._timing = timing or Timing()
        self._wire = Wire(settings, timing=timing, say=progress)
        self._tokens = TokenSource(settings, self._wire, delegated=[failures.AUDIT], say=progress)
        self._graph = Graph(settings, self._wire, self._tokens, say=progress)

    def reads(self, since: datetime) -> tuple[list[KeyRead], StoreState, str]:
        """Every read of a key since a time, oldest first; how far the log could be read, and why no further.

        Raises:
            OptionError: an option cannot be used.
        """
        outcome = Outcome()
        found: dict[str, KeyRead] = {}
        try:
            self._tokens.token()
            pages = 0
            for row in self._graph.rows(query(since), outcome, "audit records"):
                if outcome.pages > pages:
                    pages = outcome.pages
                    if pages > _QUICK_PAGES:
                        self._timing.sleep(_PAUSE)
                read = parse_read(row)
                if read is None and _ACTIVITY.match(str(row.get("activityDisplayName") or "")):
                    outcome.problem = outcome.problem or BadDataError(_ATTEMPTED, meaning="a record of a read has no ID or no time")
                if read is not None:
                    found.setdefault(read.read_id, read)
        except OptionError:
            raise
        except KeywardError as problem:
            outcome.problem = problem
        reads = sorted(found.values(), key=lambda read: (read.time, read.read_id))
        if outcome.problem is None:
            return reads, StoreState.SEARCHED, ""
        if isinstance(outcome.problem, AuthorizationError):
            return reads, StoreState.NO_RIGHTS, str(outcome.problem)
        return reads, StoreState.PARTIAL if outcome.pages else StoreState.DOWN, str(outcome.problem)

    def close(self) -> None:
        """Let the connections go; may be called twice."""
        self._wire.close()


def parse_read(row: Mapping[str, Any]) -> KeyRead | None:
    """One record of the log; None where it is not of a read that succeeded, or has no ID or time."""
    activity, result = row.get("activityDisplayName"), row.get("result")
    read_id, time = parse.text(row.get("id")), parse.moment(row.get("activityDateTime"))
    if not isinstance(activity, str) or not _ACTIVITY.match(activity) or read_id is None or time is None:
        return None
    if isinstance(result, str) and result.lower() in ("failure", "timeout"):
        return None
    details = _details(row)
    initiator = row.get("initiatedBy")
    reader, person = _reader(initiator if isinstance(initiator, Mapping) else {})
    key_id = _key_id(row) or (details[0] if details else None)
    device = next((found for found in details if found != key_id), None)
    return KeyRead(read_id=read_id, time=time, key_id=key_id, device_id=device, reader=reader, person=person)


def _key_id(row: Mapping[str, Any]) -> str | None:
    targets = row.get("targetResources")
    for target in targets if isinstance(targets, list) else []:
        if isinstance(target, Mapping):
            for name in ("displayName", "id"):
                if found := parse.guid(target.get(name)):
                    return found
    return None


def _details(row: Mapping[str, Any]) -> list[str]:
    """The IDs in the sentence of ``AdditionalInfo``: the key's, then the device's."""
    details = row.get("additionalDetails")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, Mapping) and detail.get("key") == "AdditionalInfo" and isinstance(detail.get("value"), str):
            return [found.lower() for found in _GUID.findall(detail["value"][:_MAX_TEXT])]
    return []


def _reader(initiator: Mapping[str, Any]) -> tuple[str, bool]:
    """Who read: a person goes before the application that the person used."""
    for kind, names in (("user", ("userPrincipalName", "id")), ("app", ("appId", "servicePrincipalId", "displayName"))):
        who = initiator.get(kind)
        if not isinstance(who, Mapping):
            continue
        for name in names:
            if found := parse.text(who.get(name)):
                return found.lower(), kind == "user"
    return "", False
