# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One HTTP answer, read to its end within a bound, and the JSON in it; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..._core.redaction import without_recovery_passwords

#: error codes and request IDs are shown only in this form: whatever else a peer writes there is none
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
#: objects and lists in one answer; a page has a few thousand, and each takes many times its two bytes once it is read
_MOST_CONTAINERS = 400_000


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body of one HTTP answer. ``repr`` shows the status alone: a body may hold a token."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.body)} bytes>"

    @property
    def media_type(self) -> str:
        """The media type that the answer says it is, in lower case; empty where it says none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in a body, None for anything else: not JSON (NaN is none), another type, nested too deep, too many objects."""
    if body.count(b"{") + body.count(b"[") > _MOST_CONTAINERS:
        return None
    try:
        found = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def word(value: object) -> str:
    """A code or ID from a peer, empty where it is not a plain word, or looks like a recovery password."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) and without_recovery_passwords(value) == value else ""


def error_code(answer: Answer) -> str:
    """``error.code`` of a Graph error body (Graph documentation, "Error responses"), empty where there is none."""
    error = (json_object(answer.body) or {}).get("error")
    return word(error.get("code")) if isinstance(error, dict) else ""


def request_id(answer: Answer) -> str:
    """The service's own ID of this request, from the headers or the error body; empty where there is none."""
    if found := word(answer.headers.get("request-id")) or word(answer.headers.get("x-ms-request-id")):
        return found
    error = (json_object(answer.body) or {}).get("error")
    if not isinstance(error, dict):
        return ""
    inner = error.get("innerError") or error.get("innererror")  # the documentation spells it both ways
    return word(inner.get("request-id")) if isinstance(inner, dict) else ""
