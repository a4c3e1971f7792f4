# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a refused token or a refused request means; pure. Status first, then code, never a peer's sentences, which may quote anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..._errors import AuthenticationError, AuthorizationError, BadDataError, KeywardError, ProtocolError, StoreDownError
from .answer import Answer, error_code, request_id, word
from .settings import CERTIFICATE, CLIENT_SECRET, FEDERATED_TOKEN, MANAGED_IDENTITY

READ_BASIC = "BitlockerKey.ReadBasic.All"
READ = "BitlockerKey.Read.All"
DEVICES = "Device.Read.All"
MANAGED = "DeviceManagementManagedDevices.Read.All"
AUDIT = "AuditLog.Read.All"

TOKEN = "get a token from Entra ID"

_AADSTS = re.compile(r"AADSTS([0-9]{4,9})\b", re.ASCII)

#: Entra sign-in error codes ("Microsoft Entra authentication and authorization error codes"): what they mean and what to do
_SIGN_IN: Mapping[int, tuple[str, str]] = {
    7000215: ("the client secret is wrong", "Set secret to the secret's value; its ID, shown beside it in the portal, is another thing."),
    7000222: (
        "the client secret has expired",
        "Make a new secret for the app registration, better a certificate or a federated credential.",
    ),
    7000218: (
        "no credential arrived",
        "Give the credential of auth_method; for device_code let the app registration allow public client flows.",
    ),
    7000216: ("no credential arrived", "Give the credential of auth_method."),
    7000112: ("the application is disabled", "Enable the enterprise application."),
    700016: ("the tenant has no such application", "Check client_id and tenant, and that the app is consented to in this tenant."),
    700027: (
        "the signature by the certificate was not accepted",
        "Upload the certificate to the app registration, and check its dates and thumbprint.",
    ),
    700021: ("the assertion is not from an issuer that the application trusts", "Check the federated credential of the app registration."),
    70021: ("no federated credential fits the token", "Compare issuer, subject and audience of the token with the federated credential."),
    700211: ("no federated credential fits the token's issuer", "Compare the token's issuer with the federated credential."),
    700212: ("no federated credential fits the token's audience", "The audience is normally api://AzureADTokenExchange."),
    700213: ("no federated credential fits the token's subject", "Compare the token's subject with the federated credential."),
    700024: ("the assertion is outside its time", "Check the clock of this machine, and that the token file is fresh."),
    90002: ("there is no such tenant", "Check tenant and cloud_environment."),
    900023: ("there is no such tenant", "Check tenant."),
    900382: ("the tenant is in another cloud", "Set cloud_environment to the tenant's cloud."),
    900439: ("the tenant is in another cloud", "Set cloud_environment to the tenant's cloud."),
    1002012: ("the scope does not fit", "Check graph_url and cloud_environment."),
    70011: ("the scope does not fit", "Check graph_url and cloud_environment."),
    500011: ("the tenant does not know this Graph", "Check graph_url and cloud_environment."),
    53003: ("Conditional Access forbids it", "Look into the sign-in logs of Entra ID for the policy."),
    53000: ("Conditional Access wants a compliant device", "Use another auth_method than device_code."),
    530003: ("Conditional Access wants a managed device", "Use another auth_method than device_code."),
    50076: ("multi-factor authentication is needed", "Use another auth_method than device_code, or sign in with it."),
    50079: ("multi-factor authentication must be set up", "Sign in once in a browser."),
    65001: ("nobody consented to the permissions", "Let an administrator consent to the permissions that the documentation lists."),
    70016: ("nobody has signed in yet", "Open the page that was named, and enter the code."),
    70020: ("the code has expired", "Run the task again and sign in sooner."),
    50105: ("the account is not assigned to the application", "Assign it in the enterprise application."),
    50034: ("there is no such account in this tenant", "Check tenant."),
}
_WITHOUT = "Without it set intune to false; no verdict rests on it."
_SECRET_OF = {
    CLIENT_SECRET: "Check client_id, secret and tenant.",
    CERTIFICATE: "Check client_id, x509_certificate_path and tenant.",
    FEDERATED_TOKEN: "Check client_id, federated_token_file and tenant.",
    MANAGED_IDENTITY: "Check that this machine has a managed identity, and for a user-assigned one client_id.",
}


def sign_in_failure(result: Mapping[str, Any], auth_method: str, target: str) -> KeywardError:
    """The error of a token service's refusal (RFC 6749 5.2 with Entra's ``error_codes``), any part of which may be missing."""
    number = _number(result)
    name = word(result.get("error"))
    code = f"AADSTS{number}" if number else ""
    if found := word(result.get("correlation_id")):
        name = f"{name} (correlation ID {found})".strip()
    meaning, remedy = _SIGN_IN.get(number or 0, ("the token service refused", _SECRET_OF.get(auth_method, "Check client_id and tenant.")))
    if number is None and result.get("error") == "authorization_declined":
        meaning, remedy = "the sign-in was declined", "Run the task again and accept."
    return AuthenticationError(TOKEN, target=target, code=code, name=name, meaning=meaning, remedy=remedy)


def _number(result: Mapping[str, Any]) -> int | None:
    codes = result.get("error_codes")
    if isinstance(codes, list) and codes and isinstance(codes[0], int) and not isinstance(codes[0], bool) and 0 < codes[0] < 10**9:
        return codes[0]
    text = result.get("error_description")
    found = _AADSTS.search(text[:500]) if isinstance(text, str) else None
    return int(found[1]) if found else None


def busy_token_service(answer: Answer, target: str) -> KeywardError:
    """The token service had no time, for longer than we wait."""
    return StoreDownError(
        TOKEN,
        target=target,
        code=f"HTTP {answer.status}",
        meaning="the token service is busy or out of order" if answer.status >= 500 else "the token service limits our requests",
        remedy="Try again later, or raise throttle_wait.",
    )


def no_token_service(answer: Answer, target: str) -> KeywardError:
    """What answered is no token service, or does not know the tenant."""
    if answer.status in (400, 404):
        return AuthenticationError(
            TOKEN,
            target=target,
            code=f"HTTP {answer.status}",
            meaning="the token service does not know the tenant",
            remedy="Check tenant, cloud_environment and authority.",
        )
    return ProtocolError(
        TOKEN,
        target=target,
        code=f"HTTP {answer.status}",
        meaning=_what_came(answer),
        remedy="Check authority, and whether a proxy stands between.",
    )


def request_failure(answer: Answer, attempted: str, target: str, *, permission: str, delegated: bool) -> KeywardError:
    """The error of Graph's answer to a request that ``permission`` is the least privilege for."""
    status = answer.status
    came = {"target": target, "code": f"HTTP {status}", "name": _name(answer)}
    if status == 401:
        return AuthenticationError(
            attempted,
            **came,
            meaning="Graph does not accept the token",
            remedy="Check cloud_environment, graph_url and the clock of this machine.",
        )
    if status == 403:
        kind = "delegated" if delegated else "application"
        remedy = f"Give the app registration the {kind} permission {permission}, and let an administrator consent to it."
        if permission == MANAGED:
            remedy += f" The tenant needs a licence for Intune too. {_WITHOUT}"
        elif delegated and permission != DEVICES:
            remedy += " The user must also own the device or hold a role that reads BitLocker keys, like Cloud Device Administrator."
        if answer.media_type == "text/html":
            return ProtocolError(attempted, **came, meaning=_what_came(answer), remedy="Check the proxy and graph_url.")
        return AuthorizationError(attempted, **came, meaning=f"the permission {permission} is missing", remedy=remedy)
    if status in (429, 503, 504, 509):
        return StoreDownError(
            attempted,
            **came,
            meaning="Graph limits our requests or is busy, for longer than is waited",
            remedy="Try later, or raise throttle_wait.",
        )
    if status >= 500:
        return StoreDownError(attempted, **came, meaning="Graph is out of order", remedy="Try later.")
    if 300 <= status < 400:
        return ProtocolError(attempted, **came, meaning="it points to another address, where no token is sent", remedy="Check graph_url.")
    if status in (400, 404) and permission == MANAGED:
        return ProtocolError(
            attempted, **came, meaning="this tenant has no licence for Intune, or its cloud has no Intune", remedy=_WITHOUT
        )
    if status == 404:
        return ProtocolError(attempted, **came, meaning="there is no such thing", remedy="Check graph_url; or it was deleted meanwhile.")
    return ProtocolError(attempted, **came, meaning="Graph refuses the request", remedy="Check graph_url and cloud_environment.")


def not_an_answer(answer: Answer, attempted: str, target: str) -> KeywardError:
    """HTTP 200 whose body is no JSON object."""
    return BadDataError(
        attempted,
        target=target,
        code=f"HTTP {answer.status}",
        name=_name(answer),
        meaning=_what_came(answer),
        remedy="Check graph_url, and whether a proxy or a sign-in page stands between.",
    )


def _what_came(answer: Answer) -> str:
    if not answer.body.strip():
        return "the answer is empty"
    if answer.media_type == "text/html" or answer.body.lstrip()[:1] == b"<":
        return "the answer is a web page"
    return "the answer is not what such a service says"


def _name(answer: Answer) -> str:
    code, request = error_code(answer), request_id(answer)
    return f"{code} (request ID {request})".strip() if request else code
