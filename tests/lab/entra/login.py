# SPDX-License-Identifier: GPL-3.0-or-later
"""The sign-in side: discovery documents, the token endpoint and device codes, with AADSTS errors (OAuth 2.0, RFC 6749, 7523 and 8628)."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..hosts.http import HttpRequest
from ..model import LabEntraClient
from .aadsts import LoginRefusedError, answers_challenge, error_answer, read_form
from .assertions import Assertion, AssertionRefusedError, check_certificate, check_federated, parse
from .record import Exchange
from .tenant import Tenant
from .tokens import Token, TokenMint
from .wire import Answer, json_answer

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
#: on whatever may hold a token (RFC 6749 5.1, 5.2)
_NOT_KEPT = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}
_RESERVED = frozenset({"openid", "profile", "offline_access", "email"})


@dataclass
class _DeviceFlow:
    client: LabEntraClient
    scopes: list[str]
    polls: int = 0


class LoginService:
    """Answers what comes for the sign-in side.

    Args:
        tenant: whose applications are known.
        mint: makes the tokens.
        base: https root of this endpoint, which is the Graph's too.
    """

    def __init__(self, tenant: Tenant, mint: TokenMint, base: str) -> None:
        self._tenant = tenant
        self._mint = mint
        self._base = base
        self._flows: dict[str, _DeviceFlow] = {}
        self._lock = threading.Lock()

    def handle(self, request: HttpRequest, note: Exchange) -> Answer:
        """Answer one request; fills in the note."""
        path, _unused, query = request.path.partition("?")
        note.query = urllib.parse.unquote_plus(query)
        try:
            answer = self._route(request, path, note)
        except (LoginRefusedError, AssertionRefusedError) as refused:
            note.error = f"AADSTS{refused.number}"
            correlation = request.headers.get("client-request-id") or str(uuid.uuid4())
            answer = error_answer(refused.number, refused.why, base=self._base, now=self._tenant.now, correlation=correlation)
        if request.method == "POST":
            answer.headers |= _NOT_KEPT
        return answer

    def _route(self, request: HttpRequest, path: str, note: Exchange) -> Answer:
        if path == "/common/discovery/instance":
            configuration = f"{self._base}/{self._tenant.id}/v2.0/.well-known/openid-configuration"
            return json_answer(200, {"tenant_discovery_endpoint": configuration, "api-version": "1.1", "metadata": []})
        _unused, tenant, rest = path.split("/", 2) if path.count("/") > 1 else ("", "", "")
        routes: dict[tuple[str, str], Callable[[HttpRequest, Exchange], Answer]] = {
            ("GET", "v2.0/.well-known/openid-configuration"): lambda _request, _note: self._discovery(f"/{tenant}/v2.0"),
            ("GET", ".well-known/openid-configuration"): lambda _request, _note: self._discovery(f"/{tenant}"),
            ("GET", "discovery/v2.0/keys"): lambda _request, _note: json_answer(200, {"keys": []}),
            ("POST", "oauth2/v2.0/token"): self._token,
            ("POST", "oauth2/v2.0/devicecode"): self._begin_device_flow,
        }
        route = routes.get((request.method, rest))
        if route is None:
            return Answer(405 if any(known == rest for _method, known in routes) else 404, b"", error="not_found")
        if tenant.lower() not in (self._tenant.id, self._tenant.domain):
            raise LoginRefusedError(90002, f"Tenant '{tenant[:80]}' not found")
        return route(request, note)

    def _discovery(self, issuer_path: str) -> Answer:
        root = f"{self._base}/{self._tenant.id}"
        return json_answer(
            200,
            {
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "jwks_uri": f"{root}/discovery/v2.0/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{self._base}{issuer_path}",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
                "tenant_region_scope": None,
                "cloud_instance_name": "lab.example",
                "msgraph_host": self._base.partition("://")[2],
            },
        )

    # --- tokens ---------------------------------------------------------------------------------------------------------------

    def _token(self, request: HttpRequest, note: Exchange) -> Answer:
        form = read_form(request)
        grant = form.get("grant_type", "")
        client = self._client(form, note)
        if grant == DEVICE_CODE:
            return self._poll_device_flow(client, form, note)
        if grant != "client_credentials":
            raise LoginRefusedError(70003 if grant else 900144, "the grant type is missing or not supported")
        note.credential = self._prove(client, form)
        scope = form.get("scope", "")
        if not scope.endswith("/.default") or " " in scope:
            raise LoginRefusedError(1002012, "the scope is not valid: client credential flows need one scope with the suffix /.default")
        self._check_resource(scope.removesuffix("/.default"))
        note.roles = sorted(client.app_roles)
        return self._issue(client, roles=list(client.app_roles), claims=answers_challenge(form))

    def _client(self, form: dict[str, str], note: Exchange) -> LabEntraClient:
        client_id = form.get("client_id", "")
        if not client_id:
            raise LoginRefusedError(900144, "the request body must contain client_id")
        client = self._tenant.client(client_id)
        if client is None:
            raise LoginRefusedError(700016, f"Application with identifier '{client_id[:80]}' was not found in the directory")
        note.app = client.client_id
        if not client.enabled:
            raise LoginRefusedError(7000112, "the application is disabled")
        return client

    def _prove(self, client: LabEntraClient, form: dict[str, str]) -> str:
        """Check the one credential in a form; which kind it was."""
        if form.get("client_assertion"):
            if form.get("client_assertion_type") != JWT_BEARER or "client_secret" in form:
                raise LoginRefusedError(50027, "client_assertion needs its type, and no secret beside it")
            assertion = parse(form["client_assertion"])
            if assertion.claims.get("iss") == client.client_id:
                self._check_own_assertion(client, assertion)
                return "certificate"
            self._check_federated_assertion(client, assertion)
            return "federated"
        if not form.get("client_secret"):
            raise LoginRefusedError(7000218, "the request body must contain client_assertion or client_secret")
        if client.secret is None or not hmac.compare_digest(form["client_secret"].encode(), client.secret.encode()):
            raise LoginRefusedError(7000215, "Invalid client secret provided")
        if client.secret_expired:
            raise LoginRefusedError(7000222, "the provided client secret keys are expired")
        return "secret"

    def _check_own_assertion(self, client: LabEntraClient, assertion: Assertion) -> None:
        if assertion.text("sub") != client.client_id:
            raise LoginRefusedError(50027, "the assertion's subject is not its issuer")
        root = f"{self._base}/{self._tenant.id}"
        audiences = frozenset({f"{root}/oauth2/v2.0/token", f"{root}/v2.0"})
        check_certificate(assertion, client.certificates, audiences, self._tenant.now)

    def _check_federated_assertion(self, client: LabEntraClient, assertion: Assertion) -> None:
        check_federated(assertion, self._tenant.estate.entra_issuers, self._tenant.now)
        trusted = [known for known in client.federated if known.issuer == assertion.text("iss")]
        if not trusted:
            raise LoginRefusedError(700211, "no matching federated identity record was found for the assertion's issuer")
        trusted = [known for known in trusted if known.subject == assertion.text("sub")]
        if not trusted:
            raise LoginRefusedError(700213, "no matching federated identity record was found for the assertion's subject")
        said = assertion.claims.get("aud")
        if not any(known.audience in (said if isinstance(said, list) else [said]) for known in trusted):
            raise LoginRefusedError(700212, "no matching federated identity record was found for the assertion's audience")

    def _check_resource(self, resource: str) -> None:
        if resource != self._base:
            raise LoginRefusedError(500011, f"The resource principal named {resource[:120]} was not found in the tenant")

    def _issue(self, client: LabEntraClient, *, roles: list[str] | None = None, scopes: list[str] | None = None, claims: bool) -> Answer:
        lifetime = self._tenant.behaviour.token_lifetime
        token = Token(
            audience=self._base,
            tenant=self._tenant.id,
            app=client.client_id,
            expires=self._tenant.now.timestamp() + lifetime,
            roles=roles or [],
            scopes=scopes or [],
            user=client.user if scopes is not None else None,
            user_is_admin=client.user_is_admin,
            claims=claims,
        )
        said: dict[str, Any] = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime}
        said["access_token"] = self._mint.seal(token)
        if scopes is not None:
            said["scope"] = " ".join(f"{self._base}/{scope}" for scope in scopes)
            said["client_info"] = _client_info(client, self._tenant.id)
        return json_answer(200, said)

    # --- device codes ---------------------------------------------------------------------------------------------------------

    def _begin_device_flow(self, request: HttpRequest, note: Exchange) -> Answer:
        form = read_form(request)
        client = self._client(form, note)
        if not client.public:
            raise LoginRefusedError(7000218, "the application is no public client")
        asked = [scope for scope in form.get("scope", "").split() if scope not in _RESERVED]
        if not asked:
            raise LoginRefusedError(900144, "the request body must contain scope")
        for scope in asked:
            self._check_resource(scope.rpartition("/")[0])
        names = [scope.rpartition("/")[2] for scope in asked]
        if not set(names) <= {*client.scopes, ".default"}:
            raise LoginRefusedError(70011, "a scope was not consented to")
        device_code, user_code = secrets.token_urlsafe(40), secrets.token_hex(4).upper()
        with self._lock:
            self._flows[device_code] = _DeviceFlow(client, list(client.scopes) if ".default" in names else names)
        address = f"{self._base}/devicelogin"
        return json_answer(
            200,
            {
                "user_code": user_code,
                "device_code": device_code,
                "verification_uri": address,
                "expires_in": 900,
                "interval": self._tenant.behaviour.device_code_interval,
                "message": f"To sign in, use a web browser to open the page {address} and enter the code {user_code} to authenticate.",
            },
        )

    def _poll_device_flow(self, client: LabEntraClient, form: dict[str, str], note: Exchange) -> Answer:
        note.credential = "device_code"
        behaviour = self._tenant.behaviour
        with self._lock:
            flow = self._flows.get(form.get("device_code", ""))
            if flow is None or flow.client is not client:
                raise LoginRefusedError(70018, "the device code is not known")
            flow.polls += 1
            if flow.polls <= behaviour.device_code_polls or behaviour.device_code == "never":
                raise LoginRefusedError(70016, "the authorization is pending: the user has not finished")
            self._flows.pop(form["device_code"])
        if behaviour.device_code == "decline":
            raise LoginRefusedError(70000, "the user declined")
        if behaviour.device_code == "expire":
            raise LoginRefusedError(70020, "the device code has expired")
        note.roles = sorted(flow.scopes)
        return self._issue(client, scopes=flow.scopes, claims=answers_challenge(form))


def _client_info(client: LabEntraClient, tenant: str) -> str:
    said = {"uid": client.object_id or client.client_id, "utid": tenant}
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
