# SPDX-License-Identifier: GPL-3.0-or-later
"""Forms that come to the token endpoint, and the errors that go back: OAuth's words with Entra's AADSTS numbers."""

from __future__ import annotations

import json
import urllib.parse
import uuid
from datetime import datetime

from ..hosts.http import HttpRequest
from .wire import Answer, json_answer

#: OAuth error and status of the AADSTS numbers answered here
_ERRORS = {
    7000218: ("invalid_client", 401),
    7000215: ("invalid_client", 401),
    7000222: ("invalid_client", 401),
    7000112: ("unauthorized_client", 400),
    700027: ("invalid_client", 401),
    700023: ("invalid_client", 401),
    700024: ("invalid_client", 401),
    700016: ("unauthorized_client", 400),
    700211: ("invalid_request", 400),
    700212: ("invalid_request", 400),
    700213: ("invalid_request", 400),
    50013: ("invalid_grant", 400),
    50027: ("invalid_request", 400),
    1002012: ("invalid_scope", 400),
    70011: ("invalid_scope", 400),
    500011: ("invalid_resource", 400),
    70003: ("unsupported_grant_type", 400),
    70016: ("authorization_pending", 400),
    70018: ("bad_verification_code", 400),
    70020: ("expired_token", 400),
    70000: ("authorization_declined", 400),
    900144: ("invalid_request", 400),
    90002: ("invalid_tenant", 400),
    90014: ("invalid_request", 400),
}


class LoginRefusedError(Exception):
    """The answer is an error of this AADSTS number."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number
        self.why = why


def error_answer(number: int, why: str, *, base: str, now: datetime, correlation: str) -> Answer:
    """The answer of an AADSTS number."""
    error, status = _ERRORS[number]
    moment = now.strftime("%Y-%m-%d %H:%M:%SZ")
    trace = str(uuid.uuid4())
    description = f"AADSTS{number}: {why}. Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"
    return json_answer(
        status,
        {
            "error": error,
            "error_description": description,
            "error_codes": [number],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{base}/error?code={number}",
        },
    )


def read_form(request: HttpRequest) -> dict[str, str]:
    """The fields of a form, each at most once."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise LoginRefusedError(900144, "the request body must be a form")
    try:
        pairs = urllib.parse.parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise LoginRefusedError(90014, "the form is malformed") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise LoginRefusedError(90014, "a field of the form occurs twice")
    return form


def answers_challenge(form: dict[str, str]) -> bool:
    """Whether the request answers a claims challenge (or states what the client can do, which alone answers nothing)."""
    try:
        asked = json.loads(form.get("claims") or "{}")
    except ValueError as error:
        raise LoginRefusedError(90014, "claims is no JSON") from error
    access = asked.get("access_token") if isinstance(asked, dict) else None
    return isinstance(access, dict) and "nbf" in access
