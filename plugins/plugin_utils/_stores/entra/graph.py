# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Requests to Graph: one object, or a list page by page; always with the headers it wants, never to another address than was meant."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote_plus, urlsplit

from ..._errors import BadDataError, KeywardError, LimitError, ProtocolError
from . import failures
from .answer import Answer, json_object
from .auth import TokenSource
from .settings import DEVICE_CODE, EntraSettings
from .wire import Wire

VERSION = "v1.0"
CLIENT_NAME = "keyward.bitlocker"
#: this collection's version; a test compares it with galaxy.yml
CLIENT_VERSION = "0.1.0"

#: no tenant has more; a list that goes on forever ends here
MAX_PAGES = 20_000
MAX_EMPTY_PAGES = 500
MAX_ROWS = 5_000_000
_MAX_LINK = 16_384
#: refused tokens that are replaced in one run; a service that refuses more of them refuses every one
MAX_RENEWALS = 10

#: dots that lead elsewhere in a path; clients take the disguised ones for what they are (RFC 3986 2.3, 6.2.2)
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.ASCII | re.IGNORECASE)

#: a list that asks for keys themselves: it would be in the tenant's audit log
_FOR_KEYS = re.compile(r"(?:^|&)\$select=(?:[^&]*,)?\s*key\s*(?:,|&|$)", re.ASCII | re.IGNORECASE)

_CHALLENGE = re.compile(r'\bclaims="([A-Za-z0-9+/_=-]{1,8192})"', re.ASCII)
_PAGES_A_LINE = 20


@dataclass(slots=True)
class Outcome:
    """How a reading ended: ``problem`` None means at its end."""

    problem: KeywardError | None = None
    rows: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to ask for: a path below the version, its query options, and the least permission for it."""

    path: str
    options: Mapping[str, str]
    permission: str
    attempted: str

    def url(self, root: str) -> str:
        """The address, options in the order given and with a literal dollar sign, as the documentation writes them."""
        options = "&".join(f"{name}={quote(value, safe=chr(39) + ',()$-._~', errors='replace')}" for name, value in self.options.items())
        return f"{root}/{VERSION}/{self.path}" + (f"?{options}" if options else "")


def literal(value: str) -> str:
    """A string of an OData filter: in quotes, which are doubled inside (OData URL conventions 5.1.1.6.1)."""
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


class Graph:
    """One identity's requests to one Graph."""

    def __init__(self, settings: EntraSettings, wire: Wire, tokens: TokenSource, *, say: Callable[[str], None] | None = None) -> None:
        self._root = settings.graph_root
        self._delegated = settings.auth_method == DEVICE_CODE
        self._wire = wire
        self._tokens = tokens
        self._say = say
        self._renewals = 0

    def one(self, query: Query) -> dict[str, Any] | None:
        """One object, also where it comes wrapped in ``value``; None where there is none (404).

        Raises:
            KeywardError: why it could not be read.
        """
        answer = self._request(query.attempted, query.url(self._root))
        if answer.status == 404:
            # a gateway, or another service, finds nothing either
            if not isinstance((json_object(answer.body) or {}).get("error"), dict):
                raise failures.not_an_answer(answer, query.attempted, self._root)
            return None
        body = self._body(answer, query)
        inner = body.get("value")
        return inner if isinstance(inner, dict) else body

    def stranger(self, query: Query) -> BadDataError:
        """The error of an answer that is not the object that was asked for: whether that exists, nobody knows."""
        return BadDataError(query.attempted, target=self._root, meaning="what came is not what was asked for", remedy="Try again.")

    def rows(self, query: Query, outcome: Outcome, what: str = "") -> Iterator[dict[str, Any]]:
        """The objects of a list, over all pages; how it ends is written into ``outcome``. ``what`` names them for progress.

        nextLink is followed as it is given, until there is none: pages may be short or empty in between.
        """
        url: str | None = query.url(self._root)
        seen: set[str] = set()
        empty = 0
        try:
            while url is not None:
                seen.add(url)
                body = self._body(self._request(query.attempted, url), query)
                rows = body.get("value")
                if not isinstance(rows, list) or body.get("error") is not None:
                    raise BadDataError(query.attempted, target=self._root, meaning="a page holds no list of objects")
                outcome.pages += 1
                outcome.rows += len(rows)
                empty = 0 if rows else empty + 1
                if self._say and what and outcome.pages % _PAGES_A_LINE == 0:
                    self._say(f"Entra ID: {outcome.rows} {what} read")
                objects = [row for row in rows if isinstance(row, dict)]
                if len(objects) < len(rows):
                    strange = BadDataError(query.attempted, target=self._root, meaning="a list holds something that is no object")
                    outcome.problem = outcome.problem or strange
                yield from objects
                url = self._next(_link_in(body), seen, query)
                if url is not None and (outcome.pages >= MAX_PAGES or empty >= MAX_EMPTY_PAGES or outcome.rows > MAX_ROWS):
                    raise LimitError(query.attempted, target=self._root, meaning="the list does not come to an end")
        except KeywardError as problem:
            outcome.problem = problem

    def _next(self, link: object, seen: set[str], query: Query) -> str | None:
        if link is None:
            return None
        meaning = ""
        if not isinstance(link, str) or len(link) > _MAX_LINK or not link.isascii() or not link.isprintable() or " " in link:
            meaning = "the link to the next page is none"
        elif not self._is_ours(link):
            meaning = "the link to the next page leads to another address, which gets no token"
        elif _FOR_KEYS.search(unquote_plus(urlsplit(link).query)):
            meaning = "the link to the next page asks for keys themselves"
        elif link in seen:
            meaning = "the link to the next page leads back to one that was read"
        if meaning or not isinstance(link, str):
            raise ProtocolError(
                query.attempted,
                target=self._root,
                meaning=meaning,
                remedy="Try again; what is missing then counts as unknown, not as absent.",
            )
        return link

    def _is_ours(self, link: str) -> bool:
        """Whether a link keeps scheme, host, port and version."""
        try:
            there, here = urlsplit(link), urlsplit(self._root)
            same = (there.scheme, there.hostname, _port(there)) == (here.scheme, here.hostname, _port(here))
        except ValueError:
            return False
        plain = "@" not in there.netloc and "\\" not in link and not _DOTS.search(there.path)
        return same and plain and there.path.startswith(f"/{VERSION}/")

    def _body(self, answer: Answer, query: Query) -> dict[str, Any]:
        if answer.status != 200:
            raise failures.request_failure(answer, query.attempted, self._root, permission=query.permission, delegated=self._delegated)
        body = json_object(answer.body)
        if body is None:
            raise failures.not_an_answer(answer, query.attempted, self._root)
        return body

    def _request(self, attempted: str, url: str) -> Answer:
        """One request; a token that is refused is replaced once, with the claims that were asked for, and not in every request anew."""
        answer = self._get(attempted, url)
        if answer.status == 401 and self._renewals < MAX_RENEWALS:
            self._renewals += 1
            self._tokens.renew(claims_of(answer))
            answer = self._get(attempted, url)
        return answer

    def _get(self, attempted: str, url: str) -> Answer:
        return self._wire.patiently(attempted, "GET", url, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        """The documentation asks for User-Agent and both ocp-client headers on recovery keys; the rest of Graph does not mind them."""
        return {
            "Authorization": f"Bearer {self._tokens.token().reveal()}",
            "Accept": "application/json",
            "User-Agent": f"{CLIENT_NAME}/{CLIENT_VERSION}",
            "ocp-client-name": CLIENT_NAME,
            "ocp-client-version": CLIENT_VERSION,
            "client-request-id": str(uuid.uuid4()),
        }


def _port(parts: SplitResult) -> int:
    return 443 if parts.port is None else parts.port


def _link_in(body: Mapping[str, Any]) -> object:
    """The link to the next page. One of another name, as other versions of OData have it, comes back as what cannot be followed."""
    if "@odata.nextLink" in body:
        return body["@odata.nextLink"]
    return next(([link] for name, link in body.items() if name.lower().endswith("nextlink") and link is not None), None)


def claims_of(answer: Answer) -> str | None:
    """The JSON text of a claims challenge in WWW-Authenticate ("Claims challenges, claims requests, and client capabilities")."""
    found = _CHALLENGE.search(answer.headers.get("www-authenticate", "")[:16_384])
    if not found:
        return None
    encoded = found[1].replace("-", "+").replace("_", "/").rstrip("=")
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        return decoded.decode("utf-8") if json_object(decoded) is not None else None
    except (binascii.Error, ValueError):
        return None
