# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that Graph has let in: version, path, options, and who asks."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from .odata import Query, RefusalError, bad_request
from .tokens import Token

NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, kw_only=True)
class GraphRequest:
    """``version`` is v1.0 or beta, ``path`` begins behind it, header names are in lower case. ``batch``: the ID of a $batch entry."""

    method: str
    version: str
    path: str
    query: Query
    headers: dict[str, str]
    token: Token
    batch: str | None = None

    @property
    def full_path(self) -> str:
        """The path with its version."""
        return f"/{self.version}{self.path}"

    def require(self, *permissions: str, code: str = "Authorization_RequestDenied") -> None:
        """Refuse a token with none of these permissions."""
        if self.token.permissions.isdisjoint(permissions):
            raise forbidden(code)


def forbidden(code: str) -> RefusalError:
    """403 in the usual words for its code."""
    if code == "authorization_error":
        return RefusalError(403, code, "The token in the request does not have the permissions that this call requires.")
    return RefusalError(403, code, "Insufficient privileges to complete the operation.")


def not_found(what: str, code: str = "Request_ResourceNotFound") -> RefusalError:
    """404."""
    return RefusalError(
        404, code, f"Resource '{what[:80]}' does not exist or one of its queried reference-property objects are not present."
    )


def guid(text: str) -> str:
    """A GUID as it stands in a path, in lower case.

    Raises:
        RefusalError: it is none, or in braces.
    """
    try:
        if len(text) != 36:
            raise ValueError(text)
        return str(uuid.UUID(text))
    except ValueError as error:
        raise bad_request(f"Invalid object identifier '{text[:80]}'.", "Request_BadRequest") from error


def zulu(moment: datetime | None, *, digits: int = 0) -> str | None:
    """A time in UTC with so many fractional digits."""
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}0"[: digits + 1] if digits else ""
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
