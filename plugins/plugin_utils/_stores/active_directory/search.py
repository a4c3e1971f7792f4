# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Searches over one bound connection: paged, bounded in size and time, and never for what metadata does not need.

Three promises hold for whatever passes here, whoever the account is: every search that is not of base scope carries the paged results
control (RFC 2696); attributes are named one by one (``1.1`` for names alone, never ``*`` or an empty list); a recovery password or a key
package is asked for only by a base-scope search that says so.

The next page is asked for before the last one is taken apart, so the directory works while we do. Referrals and continuation references
are never followed.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ..._errors import AuthorizationError, KeywardError, LimitError, ProtocolError, StoreDownError, UnreachableError
from . import message

BASE, ONE_LEVEL, SUBTREE = 0, 1, 2
#: "no attributes" (RFC 4511 4.5.1.8): the DN alone
NAMES_ONLY = ("1.1",)
SHOW_DELETED = "1.2.840.113556.1.4.417"
PASSWORD_ATTRIBUTE = "msFVE-RecoveryPassword"
PACKAGE_ATTRIBUTE = "msFVE-KeyPackage"

#: pages of one search, empty ones included
MAX_PAGES = 20_000
#: a page may take this many times the time that is given to one receipt
_PAGE_PATIENCE = 5
_RECEIVE = 256 * 1024
_PAGE_OCTETS = 64 * 1024 * 1024
_SECRETS = frozenset({PASSWORD_ATTRIBUTE.lower(), PACKAGE_ATTRIBUTE.lower()})
_FORBIDDEN = _SECRETS | {"*", "+"}

#: names of LDAP result codes that a search can bring (RFC 4511 appendix A)
RESULT_NAMES = {
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
}
_MEANINGS = {
    1: ("the connection is not authenticated, or the directory failed", "Check the account and the directory's event log."),
    3: ("the directory gave up for time", "Narrow search_bases, or raise the directory's MaxQueryDuration."),
    4: ("the directory cut the answer at its size limit", "Lower page_size to the directory's MaxPageSize (normally 1000) or less."),
    10: (
        "what was asked for lies in another domain, and referrals are never followed",
        "Name a server of that domain, or take the base out.",
    ),
    11: ("an administrative limit of the directory was reached", "Narrow search_bases or lower page_size."),
    12: ("the server does not know paged results", "Check that the named server and port are a domain controller's."),
    32: ("the search base does not exist there, or the account may not see it", "Check search_bases."),
    34: ("the search base is no valid distinguished name", "Check search_bases."),
    50: ("the account may not do this", "Grant it the rights that the documentation lists."),
    51: ("the directory is busy", "Try again later, or name another server first."),
    52: ("the directory is shutting down or not ready", "Try again later, or name another server first."),
    53: ("the directory is unwilling, for example because a paging cookie was lost", "Try again; lower page_size if it stays."),
}


class Socket(Protocol):
    """What is needed of a connected TLS socket."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""

    def recv(self, size: int, /) -> bytes:
        """Receive up to ``size`` bytes, none at the end."""

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound each receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One search. ``attributes`` are exactly what is asked for.

    ``password`` permits the recovery password (base scope only), and a key package beside it.
    """

    base: str
    filter: str
    attributes: tuple[str, ...]
    scope: int = SUBTREE
    page_size: int = 1000
    show_deleted: bool = False
    password: bool = False

    def __post_init__(self) -> None:
        """Hold the promises of this module, also against our own mistakes."""
        names = {name.lower() for name in self.attributes}
        if self.password and self.scope == BASE and PASSWORD_ATTRIBUTE.lower() in names:
            names -= _SECRETS
        if not self.attributes or names & _FORBIDDEN:
            raise ValueError("a search must name its attributes, and none that holds a secret")


@dataclass(slots=True)
class Outcome:
    """How a search ended: ``problem`` None means to the end. ``objects`` counts what it brought."""

    problem: KeywardError | None = None
    objects: int = 0
    pages: int = 0


@dataclass(slots=True)
class _Page:
    limit: int
    entries: list[message.Envelope] = field(default_factory=list)
    messages: int = 0
    octets: int = 0
    done: message.Done | None = None


class Conversation:
    """Requests and answers over one socket that is connected, verified and bound.

    Args:
        sock: the socket; its time-out is set here.
        encode: makes the bytes of a search request from its number, the query and the paging cookie.
        timeout: seconds for each receipt.
        server: name of the server, for messages.
        monotonic: clock that bounds how long a page may take.
    """

    def __init__(
        self,
        sock: Socket,
        encode: Callable[[int, Query, bytes], bytes],
        *,
        timeout: float,
        server: str,
        first_message_id: int = 1000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket = sock
        self._encode = encode
        self._timeout = timeout
        self._server = server
        self._monotonic = monotonic
        self._next_id = first_message_id
        self._buffer = b""
        self._pages: dict[int, _Page] = {}
        self._failed: KeywardError | None = None
        sock.settimeout(timeout)

    def search(self, query: Query, outcome: Outcome, *, on_page: Callable[[Outcome], None] | None = None) -> Iterator[message.RawEntry]:
        """Yield what the search finds, page after page; ``outcome`` says afterwards how it ended. Never raises for what the peer does."""
        cookie = b""
        try:
            message_id = self._send(query, cookie)
            while True:
                page, done = self._page(message_id)
                outcome.pages += 1
                cookie = done.cookie or b""
                more = done.code == 0 and bool(cookie) and query.scope != BASE
                if more and outcome.pages >= MAX_PAGES:
                    outcome.problem = LimitError(
                        "search the directory", target=self._server, meaning=f"the answer has more than {MAX_PAGES} pages"
                    )
                    more = False
                if more:
                    message_id = self._send(query, cookie)
                for envelope in page.entries:
                    entry = message.read_entry(envelope)
                    outcome.objects += 1
                    yield entry
                if on_page:
                    on_page(outcome)
                if done.code:
                    outcome.problem = result_error(done, self._server, query)
                if not more:
                    return
        except KeywardError as error:
            outcome.problem = error

    def each(self, queries: Iterable[Query], *, window: int = 8) -> Iterator[tuple[list[message.RawEntry], Outcome]]:
        """Many small searches, ``window`` of them under way at a time so that the way to the server is not waited for each; in order."""
        waiting: deque[tuple[Query, int | None]] = deque()
        for query in queries:
            waiting.append((query, self._try_send(query)))
            if len(waiting) >= window:
                yield self._finish(*waiting.popleft())
        while waiting:
            yield self._finish(*waiting.popleft())

    def _try_send(self, query: Query) -> int | None:
        try:
            return self._send(query, b"")
        except KeywardError:
            # remembered in self._failed; _finish reports it for this query and all that follow
            return None

    def _finish(self, query: Query, message_id: int | None) -> tuple[list[message.RawEntry], Outcome]:
        outcome = Outcome()
        found: list[message.RawEntry] = []
        try:
            if message_id is None:
                raise self._failed or ProtocolError("search the directory", target=self._server, meaning="the request could not be sent")
            page, done = self._page(message_id)
            found = [message.read_entry(envelope) for envelope in page.entries]
            outcome.pages, outcome.objects = 1, len(found)
            if done.code:
                outcome.problem = result_error(done, self._server, query)
            elif done.cookie and query.scope != BASE:
                # more than a page of children, or an empty page with a cookie: read it by itself, from its beginning
                outcome = Outcome()
                found = list(self.search(query, outcome))
        except KeywardError as error:
            outcome.problem = error
        return found, outcome

    def _send(self, query: Query, cookie: bytes) -> int:
        if self._failed:
            raise self._failed
        message_id, self._next_id = self._next_id, self._next_id + 1
        try:
            self._socket.sendall(self._encode(message_id, query, cookie))
        except OSError as error:
            raise self._fail(_lost(self._server, error)) from error
        self._pages[message_id] = _Page(limit=2 * query.page_size + 100)
        return message_id

    def _page(self, message_id: int) -> tuple[_Page, message.Done]:
        """All of one answer; what arrives for other requests meanwhile is put by for them."""
        page = self._pages[message_id]
        deadline = self._monotonic() + _PAGE_PATIENCE * self._timeout
        while page.done is None:
            if self._failed:
                raise self._failed
            try:
                self._receive()
            except KeywardError as error:
                raise self._fail(error) from error
            if page.done is None and self._monotonic() > deadline:
                meaning = f"one answer was not complete after {_PAGE_PATIENCE * self._timeout:g} seconds"
                raise self._fail(
                    UnreachableError(
                        "search the directory", target=self._server, meaning=meaning, remedy="Raise timeout, or lower page_size."
                    )
                )
        del self._pages[message_id]
        return page, page.done

    def _fail(self, error: KeywardError) -> KeywardError:
        """What arrives after a broken answer cannot be trusted: every later request fails with the same error, at once."""
        self._failed = error
        return error

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE)
        except OSError as error:
            raise _lost(self._server, error) from error
        if not data:
            raise UnreachableError(
                "search the directory", target=self._server, meaning="the server closed the connection", remedy="Look into its event log."
            )
        buffer, position = self._buffer + data, 0
        while (length := message.message_length(buffer, position)) is not None and position + length <= len(buffer):
            self._route(message.open_envelope(buffer[position : position + length]))
            position += length
        self._buffer = buffer[position:]

    def _route(self, envelope: message.Envelope) -> None:
        if envelope.message_id == 0:
            notice = message.read_done(envelope)
            raise UnreachableError(
                "search the directory",
                target=self._server,
                code=_code(notice.code),
                name=RESULT_NAMES.get(notice.code, ""),
                meaning="the server ended the session",
            )
        page = self._pages.get(envelope.message_id)
        if page is None or page.done is not None:
            raise ProtocolError("search the directory", target=self._server, meaning="the server answered what was not asked")
        page.messages += 1
        page.octets += len(envelope.data)
        if page.messages > page.limit or page.octets > _PAGE_OCTETS:
            raise LimitError("search the directory", target=self._server, meaning="one page holds far more than was asked for")
        if envelope.operation == message.SEARCH_ENTRY:
            page.entries.append(envelope)
        elif envelope.operation == message.SEARCH_DONE:
            page.done = message.read_done(envelope)
        elif envelope.operation != message.SEARCH_REFERENCE:
            raise ProtocolError(
                "search the directory", target=self._server, meaning=f"an answer of kind {envelope.operation:#04x} to a search"
            )


def _code(code: int) -> str:
    return f"LDAP {code}"


def _lost(server: str, error: OSError) -> UnreachableError:
    meaning, remedy = f"the connection broke ({error})", "Try again, or name another server first."
    if isinstance(error, TimeoutError):
        meaning, remedy = "it did not answer in time", "Raise timeout, or name another server first."
    elif isinstance(error, ssl.SSLEOFError | ConnectionError):
        meaning = "the server closed the connection"
    return UnreachableError("search the directory", target=server, meaning=meaning, remedy=remedy)


def result_error(done: message.Done, server: str, query: Query) -> KeywardError:
    """The error of a search's result code; ``done.message`` is the server's own text and kept short."""
    meaning, remedy = _MEANINGS.get(done.code, ("the directory refused", "See the directory's event log."))
    kind = {50: AuthorizationError, 51: StoreDownError, 52: StoreDownError}.get(done.code, ProtocolError)
    told = " ".join(done.message.split())[:200]
    return kind(
        f"search {query.base or 'the root'}",
        target=server,
        code=_code(done.code),
        name=RESULT_NAMES.get(done.code, ""),
        meaning=meaning + (f" (the server says: {told})" if told else ""),
        remedy=remedy,
    )
