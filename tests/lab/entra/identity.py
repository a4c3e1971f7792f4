# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed identities over loopback http: the instance metadata service of a virtual machine, and App Service's endpoint.

Forms of Azure's documentation for IMDS (api-version 2018-02-01) and App Service (2019-08-01).
"""

from __future__ import annotations

import hmac
import urllib.parse
from typing import Any

from ..hosts.http import HttpRequest
from ..model import LabEntraClient
from .record import Exchange
from .tenant import Tenant
from .tokens import Token, TokenMint
from .wire import Answer, json_answer

IMDS_PATH = "/metadata/identity/oauth2/token"
APP_SERVICE_PATH = "/msi/token"


class IdentityService:
    """Answers what comes over http.

    Args:
        secret: value of X-IDENTITY-HEADER that App Service's endpoint wants.
        graph: root of the Graph that tokens are for.
    """

    def __init__(self, tenant: Tenant, mint: TokenMint, graph: str, secret: str) -> None:
        self._tenant = tenant
        self._mint = mint
        self._graph = graph
        self._secret = secret

    def handle(self, request: HttpRequest, note: Exchange) -> Answer:
        """Answer one request; fills in the note."""
        path, _unused, text = request.path.partition("?")
        pairs = urllib.parse.parse_qsl(text, keep_blank_values=True)
        query = dict(pairs)
        note.query = urllib.parse.unquote_plus(text)
        note.credential = "managed_identity"
        if path not in (IMDS_PATH, APP_SERVICE_PATH):
            return Answer(404, error="not_found")
        if request.method != "GET" or len(query) != len(pairs):
            return self._refuse(note, 400, "invalid_request", "the request is malformed")
        app_service = path == APP_SERVICE_PATH
        if app_service and not hmac.compare_digest(request.headers.get("x-identity-header", "").encode(), self._secret.encode()):
            return self._refuse(note, 401, "unauthorized", "X-IDENTITY-HEADER is missing or wrong")
        if not app_service and (request.headers.get("metadata") != "true" or "x-forwarded-for" in request.headers):
            return self._refuse(note, 400, "bad_request_102", "Required metadata header not specified")
        version = "2019-08-01" if app_service else "2018-02-01"
        if query.get("api-version") != version:
            return self._refuse(note, 400, "invalid_request", f"api-version must be {version}")
        if query.get("resource") != self._graph:
            return self._refuse(note, 400, "invalid_resource", "AADSTS500011: The resource principal was not found in the tenant")
        client = self._choose(query, app_service=app_service)
        if client is None:
            return self._refuse(note, 400, "invalid_request", "Identity not found")
        return self._issue(client, note, app_service=app_service)

    def _choose(self, query: dict[str, str], *, app_service: bool) -> LabEntraClient | None:
        resource_field = "mi_res_id" if app_service else "msi_res_id"
        identities = [client for client in self._tenant.clients.values() if client.managed_identity]
        for name, attribute in (("client_id", "client_id"), ("object_id", "object_id"), (resource_field, "resource_id")):
            if name in query:
                wanted = query[name].lower()
                return next((one for one in identities if wanted and getattr(one, attribute).lower() == wanted), None)
        return next((one for one in identities if one.managed_identity == "system"), None)

    def _issue(self, client: LabEntraClient, note: Exchange, *, app_service: bool) -> Answer:
        lifetime = self._tenant.behaviour.token_lifetime
        expires = self._tenant.now.timestamp() + lifetime
        note.app, note.roles = client.client_id, sorted(client.app_roles)
        token = Token(audience=self._graph, tenant=self._tenant.id, app=client.client_id, expires=expires, roles=list(client.app_roles))
        said: dict[str, Any] = {
            "access_token": self._mint.seal(token),
            "client_id": client.client_id,
            "expires_on": str(int(expires)),
            "resource": self._graph,
            "token_type": "Bearer",
        }
        if not app_service:
            said |= {"expires_in": str(lifetime), "ext_expires_in": str(lifetime), "not_before": str(int(expires - lifetime))}
        return json_answer(200, said)

    def _refuse(self, note: Exchange, status: int, error: str, why: str) -> Answer:
        note.error = error
        return json_answer(status, {"error": error, "error_description": why})
