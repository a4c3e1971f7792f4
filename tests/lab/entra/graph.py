# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Graph, v1.0 and beta: who may come in, where a path leads, error bodies, and what goes wrong on purpose."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from ..hosts.http import HttpRequest
from . import audits, devices, managed, recovery_keys
from .batch import Batch
from .behaviour import Fault
from .collection import Pager
from .odata import RefusalError, bad_request, not_allowed, parse_query
from .record import Exchange, Recorder
from .request import GraphRequest
from .spoil import spoil
from .tenant import Tenant
from .tokens import Token, TokenMint
from .wire import Answer, json_bytes

VERSIONS = ("v1.0", "beta")
GRAPH_APP = "00000003-0000-0000-c000-000000000000"
_THROTTLE_CODES = {429: "TooManyRequests", 503: "ServiceUnavailable", 504: "GatewayTimeout", 500: "InternalServerError"}
_TARGET = re.compile(r"/(?P<version>[^/]+)(?P<path>/[^?]*)")
_ONE = r"/(?P<id>[^/()]+)"
Handler = Callable[[GraphRequest, Mapping[str, str]], Answer]


class GraphService:
    """Answers what comes for the Graph.

    Args:
        base: https root, which is also the audience of tokens.
    """

    def __init__(self, tenant: Tenant, mint: TokenMint, base: str, recorder: Recorder) -> None:
        self._tenant = tenant
        self._mint = mint
        self._base = base
        self._recorder = recorder
        pager = Pager(base, tenant.behaviour)
        keys, devs = recovery_keys.RecoveryKeys(tenant, pager), devices.Devices(tenant, pager)
        log, enrolments = audits.Audits(tenant, pager), managed.ManagedDevices(tenant, pager)
        routes: list[tuple[str, frozenset[str], Handler]] = [
            (re.escape(recovery_keys.PATH), frozenset(VERSIONS), lambda request, _found: keys.many(request)),
            (re.escape(recovery_keys.PATH) + _ONE, frozenset(VERSIONS), lambda request, found: keys.one(request, found["id"])),
            (re.escape(devices.PATH), frozenset(VERSIONS), lambda request, _found: devs.many(request)),
            (re.escape(devices.PATH) + _ONE, frozenset(VERSIONS), lambda request, found: devs.one(request, object_id=found["id"])),
            (r"/devices\(deviceId='(?P<id>[^']+)'\)", frozenset(VERSIONS), lambda request, found: devs.one(request, device_id=found["id"])),
            (re.escape(audits.PATH), frozenset(VERSIONS), lambda request, _found: log.many(request)),
            (re.escape(managed.PATH), frozenset(VERSIONS), lambda request, _found: enrolments.many(request)),
            (re.escape(managed.PATH) + _ONE, frozenset(VERSIONS), lambda request, found: enrolments.one(request, found["id"])),
            (re.escape(managed.STATES_PATH), frozenset({"beta"}), lambda request, _found: enrolments.states(request)),
        ]
        self._routes = [(re.compile(pattern), versions, handler) for pattern, versions, handler in routes]
        self._batch = Batch(self._serve_entry)

    @staticmethod
    def claims(path: str) -> bool:
        """Whether a path is the Graph's (else it is the sign-in side's)."""
        return path.split("/", 2)[1].partition("?")[0] in (*VERSIONS, "v2.0") if path.startswith("/") else False

    def handle(self, request: HttpRequest, note: Exchange) -> Answer:
        """Answer one HTTP request; fills in the note."""
        self._tenant.settle()
        target, _unused, text = request.path.partition("?")
        note.query = urllib.parse.unquote(text)
        fault = self._tenant.behaviour.strike(f"{target}?{note.query}")
        headers = self._answer_headers(request.headers)
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        try:
            answer = self._answer(request, target, text, fault, note)
        except RefusalError as refusal:
            answer = self._error(refusal, headers)
        answer.headers = headers | answer.headers
        note.error = answer.error
        if fault is not None:
            note.fault = fault.kind
            spoil(answer, fault, self._tenant.behaviour.foreign_host)
        return answer

    def _answer(self, request: HttpRequest, target: str, text: str, fault: Fault | None, note: Exchange) -> Answer:
        if fault is not None and fault.kind == "status":
            raise _status_refusal(fault)
        version, path = _split(target)
        token = self._authenticate(request.headers, expired=fault is not None and fault.kind == "expired")
        note.app, note.roles = token.app, sorted(token.permissions)
        if path == "/$batch":
            return self._batch.handle(request, version, token)
        made = GraphRequest(
            method=request.method, version=version, path=path, query=parse_query(text), headers=request.headers, token=token
        )
        return self._serve(made)

    def _serve(self, request: GraphRequest) -> Answer:
        for pattern, versions, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match is not None and request.version in versions:
                if request.method != "GET":
                    raise not_allowed("GET")
                return handler(request, match.groupdict())
        segment = next((part for part in request.path.split("/")[1:] if part), "")
        raise bad_request(f"Resource not found for the segment '{segment[:80]}'.")

    def _serve_entry(self, request: GraphRequest, raw_query: str) -> Answer:
        """One entry of a $batch: throttled, refused and recorded by itself."""
        note = Exchange(side="graph", method=request.method, path=request.full_path, batch=request.batch)
        note.query = urllib.parse.unquote(raw_query)
        note.headers, note.app, note.roles = sorted(request.headers), request.token.app, sorted(request.token.permissions)
        fault = self._tenant.behaviour.strike(f"{request.full_path}?{note.query}")
        headers = {key: value for key, value in self._answer_headers(request.headers).items() if key != "client-request-id"}
        try:
            if fault is not None and fault.kind in ("status", "expired"):
                note.fault = fault.kind
                raise _status_refusal(replace(fault, status=401 if fault.kind == "expired" else fault.status))
            answer = self._serve(replace(request, query=parse_query(raw_query)))
        except RefusalError as refusal:
            answer = self._error(refusal, headers)
        note.status, note.error, note.octets = answer.status, answer.error, len(answer.body)
        self._recorder.note(note)
        return answer

    def _authenticate(self, headers: Mapping[str, str], *, expired: bool) -> Token:
        scheme, _unused, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise self._unauthorized("Access token is empty.")
        token = self._mint.open(text.strip())
        if token is None or token.tenant != self._tenant.id:
            raise self._unauthorized("Access token validation failure. Invalid token.")
        if token.audience != self._base:
            raise self._unauthorized("Access token validation failure. Invalid audience.")
        if expired or token.expires <= self._tenant.now.timestamp():
            raise self._unauthorized("Lifetime validation failed, the token is expired.")
        if self._tenant.behaviour.claims_challenge and not token.claims:
            claims = json.dumps({"access_token": {"nbf": {"essential": True, "value": str(int(self._tenant.now.timestamp()))}}})
            encoded = base64.b64encode(claims.encode()).decode()
            raise self._unauthorized(
                "Continuous access evaluation resulted in challenge.", f', error="insufficient_claims", claims="{encoded}"'
            )
        return token

    def _unauthorized(self, message: str, more: str = "") -> RefusalError:
        challenge = f'Bearer realm="", authorization_uri="{self._base}/common/oauth2/authorize", client_id="{GRAPH_APP}"{more}'
        return RefusalError(401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": challenge})

    def _answer_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        made = {"request-id": str(uuid.uuid4())}
        asked = headers.get("client-request-id")
        # an ID is echoed where it is a GUID, otherwise the service takes its own
        made["client-request-id"] = asked if asked is not None and _is_guid(asked) else made["request-id"]
        return {**made, "OData-Version": "4.0"}

    def _error(self, refusal: RefusalError, headers: Mapping[str, str]) -> Answer:
        typed = self._tenant.behaviour.typed
        inner = {
            **({"@odata.type": "#microsoft.graph.innerError"} if typed else {}),
            "date": self._tenant.now.strftime("%Y-%m-%dT%H:%M:%S") + ("Z" if typed else ""),
            "request-id": headers["request-id"],
            "client-request-id": headers.get("client-request-id", headers["request-id"]),
        }
        name = "innererror" if self._tenant.behaviour.lower_innererror else "innerError"
        body: dict[str, Any] = {"error": {"code": refusal.code, "message": refusal.message, name: inner}}
        return Answer(refusal.status, json_bytes(body), "application/json", dict(refusal.headers), refusal.code)


def _split(target: str) -> tuple[str, str]:
    """Version and path of a target; a slash at its end counts for nothing."""
    match = _TARGET.fullmatch(target)
    if match is None or match["version"] not in VERSIONS:
        raise bad_request("Invalid version: there are v1.0 and beta.")
    return match["version"], urllib.parse.unquote(match["path"].removesuffix("/"))


def _status_refusal(fault: Fault) -> RefusalError:
    headers: dict[str, str] = {}
    if fault.retry_after is not None:
        date = fault.retry_after.startswith("date:")
        ahead = float(fault.retry_after.removeprefix("date:")) if date else 0.0
        headers["Retry-After"] = formatdate(time.time() + ahead, usegmt=True) if date else fault.retry_after
    code = _THROTTLE_CODES.get(fault.status, "UnknownError") if fault.code is None else fault.code
    return RefusalError(fault.status, code, "Please retry later.", headers=headers)


def _is_guid(text: str) -> bool:
    try:
        return len(text) == 36 and bool(uuid.UUID(text))
    except ValueError:
        return False
