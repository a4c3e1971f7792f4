# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS-terminating LDAP proxy before the directory: each request with the answers that belong to it is one exchange."""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from ..directory import ber, ldap_wire
from ..directory.ldap_server import Listener, server_context
from .fate import AD, ERROR, KILLED_AFTER, KILLED_BEFORE, LIED, LOST, SLOW, Exchange, Fate, Mishap, kill

#: unavailable (RFC 4511 4.1.9)
_UNAVAILABLE = 52
#: what each request's last answer is
_LAST = {
    ldap_wire.BIND: ldap_wire.BIND_RESPONSE,
    ldap_wire.SEARCH: ldap_wire.SEARCH_DONE,
    ldap_wire.MODIFY: ldap_wire.MODIFY_RESPONSE,
    ldap_wire.ADD: ldap_wire.ADD_RESPONSE,
    ldap_wire.DELETE: ldap_wire.DELETE_RESPONSE,
    ldap_wire.MODIFY_DN: ldap_wire.MODIFY_DN_RESPONSE,
    ldap_wire.COMPARE: ldap_wire.COMPARE_RESPONSE,
    ldap_wire.EXTENDED: ldap_wire.EXTENDED_RESPONSE,
}
_CHANGING = frozenset({ldap_wire.MODIFY, ldap_wire.ADD, ldap_wire.DELETE, ldap_wire.MODIFY_DN})


class LdapProxy(Listener):
    """Stands before one directory.

    Args:
        certificate: (chain, key) shown to clients.
        upstream: address and port of the directory's LDAPS; ``upstream_ca`` its authority.
    """

    def __init__(
        self, fate: Fate, *, certificate: tuple[Path, Path], upstream: tuple[str, int], upstream_ca: Path, address: str, port: int = 0
    ) -> None:
        super().__init__(address, port, server_context(*certificate), self._relay)
        self._fate = fate
        self._upstream = upstream
        self._context = ssl.create_default_context(cafile=str(upstream_ca))
        self._context.check_hostname = False

    def _relay(self, client: socket.socket) -> None:
        with (
            socket.create_connection(self._upstream, timeout=10) as plain,
            self._context.wrap_socket(plain, server_hostname=self._upstream[0]) as server,
            selectors.DefaultSelector() as ready,
        ):
            talk = _Conversation(self._fate, client, server, f"{self._upstream[0]}")
            ways = {client: _Cut(client, talk.asked), server: _Cut(server, talk.answered)}
            for source in ways:
                source.settimeout(0)
                ready.register(source, selectors.EVENT_READ)
            while not self.stopping.is_set():
                for key, _events in ready.select(timeout=1.0):
                    if not isinstance(key.fileobj, socket.socket) or not ways[key.fileobj].pump():
                        return


class _Cut:
    """Cuts what arrives into messages and hands each on; ``take`` says whether the connection goes on."""

    def __init__(self, source: socket.socket, take: Callable[[bytes], bool]) -> None:
        self._source = source
        self._take = take
        self._buffer = bytearray()

    def pump(self) -> bool:
        """Take everything that has arrived; False at the end."""
        while True:
            try:
                data = self._source.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                return True
            if not data:
                return False
            self._buffer += data
            while (length := ber.element_length(self._buffer)) is not None and length <= len(self._buffer):
                whole = bytes(self._buffer[:length])
                del self._buffer[:length]
                if not self._take(whole):
                    return False


class _Conversation:
    """One client's connection: which requests are open, and what befalls their answers."""

    def __init__(self, fate: Fate, client: socket.socket, server: socket.socket, peer: str) -> None:
        self._fate = fate
        self._client = client
        self._server = server
        self._peer = peer
        self._open: dict[int, tuple[int, Exchange, Mishap | None]] = {}
        self._held: dict[int, list[bytes]] = {}

    def asked(self, raw: bytes) -> bool:
        """A request; whether the connection goes on."""
        message = ldap_wire.decode(raw)
        last = _LAST.get(message.operation)
        if last is None:
            # unbind and abandon have no answer
            _send(self._server, raw)
            return True
        what = _what(message)
        exchange, mishap = self._fate.begins(AD, self._peer, what, changes=message.operation in _CHANGING)
        if mishap is not None and mishap.kind == KILLED_BEFORE:
            kill(mishap)
            self._fate.over(exchange)
            return False
        if mishap is not None and (mishap.kind == ERROR or (mishap.kind == LIED and message.operation != ldap_wire.BIND)):
            _send(self._client, ldap_wire.encode(message.id, ldap_wire.result(last, _UNAVAILABLE if mishap.kind == ERROR else 0)))
            self._fate.over(exchange)
            return True
        self._open[message.id] = (last, exchange, mishap)
        _send(self._server, raw)
        return True

    def answered(self, raw: bytes) -> bool:
        """An answer, or a part of one; whether the connection goes on."""
        message = ldap_wire.decode(raw)
        known = self._open.get(message.id)
        if known is None:
            _send(self._client, raw)
            return True
        last, exchange, mishap = known
        self._held.setdefault(message.id, []).append(raw)
        if message.operation != last:
            return True
        del self._open[message.id]
        whole = b"".join(self._held.pop(message.id))
        if mishap is not None and mishap.kind == KILLED_AFTER:
            kill(mishap)
        if mishap is not None and mishap.kind == SLOW:
            time.sleep(mishap.seconds)
        goes_on = mishap is None or mishap.kind not in (KILLED_AFTER, LOST)
        if goes_on:
            _send(self._client, whole)
        self._fate.over(exchange)
        return goes_on


def _what(message: ldap_wire.Message) -> str:
    """The operation; of a search its base and filter, of a bind its name. Nothing of it is secret."""
    name = ldap_wire.OPERATIONS.get(message.operation, str(message.operation))
    if message.operation == ldap_wire.SEARCH:
        search = message.search()
        return f"{name} {search.base} {search.filter}"
    return f"{name} {message.bind().name}" if message.operation == ldap_wire.BIND else name


def _send(target: socket.socket, data: bytes) -> None:
    target.settimeout(30)
    target.sendall(data)
    target.settimeout(0)
