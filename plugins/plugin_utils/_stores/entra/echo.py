# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a peer says back: answers without the credentials that it was sent.

A gateway's error page or a hostile service may repeat a token or a client secret anywhere: in an error code, a device's name, the link to
the next page. None of that belongs into a report, so it is taken out before anybody reads the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..._core.redaction import Mask, Secret
from .answer import Answer

#: fields of a token request that prove something (RFC 6749 2.3.1, RFC 7521 4.2, RFC 8628 3.4)
_FIELDS = frozenset({"client_secret", "client_assertion", "device_code", "refresh_token", "password"})
#: headers in which a managed identity's endpoint is sent its secret (App Service, Azure ML), in lower case
_HEADERS = frozenset({"x-identity-header", "secret"})
_BEARER = "Bearer "
#: what is shorter is found in any text by chance
_LEAST = 8


class Confided:
    """What peers were sent in confidence; it takes that out of their answers, as it is, percent-encoded and within base64."""

    def __init__(self) -> None:
        self._credentials = Mask()
        self._tokens = Mask()
        self._known: set[int] = set()

    def sent(self, headers: Mapping[str, str], data: Any) -> bool:
        """Learn what a request carries; whether that is a token."""
        token = ""
        for name, value in headers.items():
            if name.lower() in _HEADERS:
                self._learn(self._credentials, value)
            elif value.startswith(_BEARER):
                token = value.removeprefix(_BEARER)
                self._learn(self._tokens, token)
        for name in _FIELDS.intersection(data) if isinstance(data, Mapping) else ():
            value = data[name]
            self._learn(self._credentials, value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))
        return bool(token)

    def without(self, answer: Answer, *, tokens: bool) -> Answer:
        """The answer with a mask in place of what it repeats; ``tokens`` False where it may bring one that is known already."""
        said = answer.body.decode("latin-1")
        body = self._text(said, tokens=tokens)
        headers = {name: self._text(value, tokens=tokens) for name, value in answer.headers.items()}
        return Answer(answer.status, headers, answer.body if body is said else body.encode("latin-1"))

    def _text(self, text: str, *, tokens: bool) -> str:
        text = self._credentials.text(text)
        return self._tokens.text(text) if tokens else text

    def _learn(self, mask: Mask, value: str) -> None:
        if len(value) < _LEAST or hash(value) in self._known:
            return
        self._known.add(hash(value))
        for spelled in (value, quote(value, safe="")):
            mask.learn(Secret(spelled))
