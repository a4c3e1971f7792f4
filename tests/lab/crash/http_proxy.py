# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS-terminating HTTP proxy before a host's service or the tenant: whole requests there, whole answers back, as it is fated."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from ..directory.ldap_server import Listener
from ..hosts.http import response
from . import soap
from .fate import ERROR, GRAPH, HOST, KILLED_AFTER, KILLED_BEFORE, LIED, LOST, SLOW, Fate, Mishap, kill

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE)
_TIMEOUT = 60.0


@dataclass(frozen=True, kw_only=True)
class HttpMessage:
    """A request or an answer: its head with the empty line, and its body."""

    head: bytes
    body: bytes

    @property
    def first_line(self) -> str:
        """As it stands."""
        return self.head.partition(b"\r\n")[0].decode("latin-1")

    @property
    def raw(self) -> bytes:
        """All of it."""
        return self.head + self.body


class Cutter:
    """Cuts messages out of a stream; one without a length has no body, or, of an answer that ends the connection, all that follows."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._buffer = b""

    def next(self) -> HttpMessage | None:
        """The next message, cut short where the stream ends in its body; None at the end."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                self._buffer = b""
                return None
        head, _unused, rest = self._buffer.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        while len(rest) < length:
            if not self._more():
                self._buffer = b""
                return HttpMessage(head=head, body=rest)
            rest = self._buffer[len(head) :]
        self._buffer = rest[length:]
        return HttpMessage(head=head, body=rest[:length])

    def _more(self) -> bool:
        data = self._stream.recv(65536)
        self._buffer += data
        return bool(data)


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How exchanges of one side look: what is asked (and whether it changes something), a refusal, a lie (None: none is known)."""

    side: str
    asked: Callable[[HttpMessage], tuple[str, bool]]
    refusal: Callable[[HttpMessage], bytes]
    lie: Callable[[HttpMessage], bytes | None]


def _host_lie(request: HttpMessage) -> bytes | None:
    asked = soap.read(request.body)
    return response(200, soap.lie(asked)) if asked.changes else None


def _host_asked(request: HttpMessage) -> tuple[str, bool]:
    asked = soap.read(request.body)
    return asked.what, asked.changes


HOST_MANNERS = Manners(
    side=HOST,
    asked=_host_asked,
    refusal=lambda request: response(500, soap.refusal(soap.read(request.body))),
    lie=_host_lie,
)


def _graph_asked(request: HttpMessage) -> tuple[str, bool]:
    method, _unused, rest = request.first_line.partition(" ")
    # keys' IDs in queries are no secret; a token is never in one
    return f"{method} {rest.rpartition(' ')[0]}", False


def _graph_refusal(request: HttpMessage) -> bytes:
    body = json.dumps({"error": {"code": "ServiceUnavailable", "message": "The lab's proxy refuses this exchange."}}).encode()
    return response(503, body, content_type="application/json")


def _graph_lie(request: HttpMessage) -> bytes | None:
    """A list without entries; a token or a single object cannot be lied about."""
    line = request.first_line
    listing = re.match(r"GET /(?:v1\.0|beta)/[^? ]*?(?:recoveryKeys|devices|managedDevices|directoryAudits)(?:\?[^ ]*)? ", line)
    return response(200, b'{"value":[]}', content_type="application/json") if listing else None


GRAPH_MANNERS = Manners(side=GRAPH, asked=_graph_asked, refusal=_graph_refusal, lie=_graph_lie)


class HttpProxy(Listener):
    """Stands before one HTTP server.

    Args:
        tls: shown to clients; None: clear on both sides.
        upstream: address and port. Its certificate is not checked: it is the lab's own, on this machine.
    """

    def __init__(
        self, fate: Fate, manners: Manners, *, peer: str, address: str, port: int, tls: ssl.SSLContext | None, upstream: tuple[str, int]
    ) -> None:
        super().__init__(address, port, tls, self._relay)
        self._fate = fate
        self._manners = manners
        self._peer = peer
        self._upstream = upstream
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE

    def _relay(self, client: socket.socket) -> None:
        with ExitStack() as open_now:
            server = open_now.enter_context(socket.create_connection(self._upstream, timeout=10))
            server.settimeout(_TIMEOUT)
            if self._context is not None:
                server = open_now.enter_context(self._context.wrap_socket(server, server_hostname=self._upstream[0]))
            requests, answers = Cutter(client), Cutter(server)
            while (request := requests.next()) is not None:
                what, changes = self._manners.asked(request)
                exchange, mishap = self._fate.begins(self._manners.side, self._peer, what, changes=changes)
                try:
                    goes_on = self._exchange(client, server, request, answers, mishap)
                finally:
                    self._fate.over(exchange)
                if not goes_on:
                    return

    def _exchange(self, client: socket.socket, server: socket.socket, request: HttpMessage, answers: Cutter, mishap: Mishap | None) -> bool:
        """One exchange; whether the connection goes on."""
        kind = None if mishap is None else mishap.kind
        if mishap is not None and kind == KILLED_BEFORE:
            kill(mishap)
            return False
        instead = self._manners.refusal(request) if kind == ERROR else self._manners.lie(request) if kind == LIED else None
        if instead is not None:
            client.sendall(instead)
            return True
        server.sendall(request.raw)
        answer = answers.next()
        if answer is None:
            return False
        if mishap is not None and kind == KILLED_AFTER:
            kill(mishap)
            return False
        if kind == LOST:
            return False
        if mishap is not None and kind == SLOW:
            time.sleep(mishap.seconds)
        client.sendall(answer.raw)
        return True
