# SPDX-License-Identifier: GPL-3.0-or-later
"""Access tokens: opaque to clients, sealed, and alike enough that a leak of any of them is found by its first letters."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

#: every token of the lab begins with this
PREFIX = "kwlabtoken."


@dataclass(frozen=True, kw_only=True)
class Token:
    """What a token says. ``audience``: root of the Graph it is for. ``scopes`` and ``user``: delegated. Times in seconds since 1970."""

    audience: str
    tenant: str
    app: str
    expires: float
    roles: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    user: str | None = None
    user_is_admin: bool = False
    #: asked for with the claims of a challenge
    claims: bool = False
    serial: str = ""

    @property
    def permissions(self) -> frozenset[str]:
        """Application or delegated permissions."""
        return frozenset(self.roles) | frozenset(self.scopes)


class TokenMint:
    """Seals and opens tokens.

    Args:
        issued: a file (mode 0600) that gets every token issued, for tests that look for leaks.
    """

    def __init__(self, issued: Path | None = None) -> None:
        self._key = secrets.token_bytes(32)
        self._issued = issued
        if issued is not None:
            issued.touch(mode=0o600)

    def seal(self, token: Token) -> str:
        """The token's text."""
        said = asdict(token) | {"serial": secrets.token_hex(8)}
        payload = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
        text = f"{PREFIX}{payload}.{self._seal(payload)}"
        if self._issued is not None:
            with self._issued.open("a", encoding="ascii") as stream:
                stream.write(text + "\n")
        return text

    def open(self, text: str) -> Token | None:
        """The token in a text; None where this mint did not make it."""
        payload, dot, seal = text.removeprefix(PREFIX).rpartition(".")
        if not text.startswith(PREFIX) or not dot or not hmac.compare_digest(seal.encode(), self._seal(payload).encode()):
            return None
        return Token(**json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))

    def _seal(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(), hashlib.sha256).hexdigest()
