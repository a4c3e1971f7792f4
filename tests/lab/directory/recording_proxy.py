# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS-terminating LDAP proxy that writes down what clients ask for, as JSON lines.

So tests can assert on the requests themselves: Samba answers an unpaged search and a search for everything as gladly as a proper one.
Lines: ``{"operation": "search", "base", "scope", "filter", "attributes", "controls", "page_size", …}``, ``{"operation": "bind", "name",
"method"}``, other operations by their name alone. No credential is written. With each search's end: ``{"operation": "result", "of":
message ID, "entries", "code"}``.
"""

from __future__ import annotations

import json
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.directory import ber, ldap_wire
from ansible_collections.keyward.bitlocker.tests.lab.directory.ldap_server import Listener, server_context


class RecordingProxy(Listener):
    """Stands between a client and a directory; a context manager.

    Args:
        log: file the lines are appended to.
        certificate: (chain, key) shown to clients; it should name the directory and the proxy's address.
        upstream: address and port of the directory's LDAPS.
        upstream_ca: authority of the directory's certificate (chain verified; the name is not, it is an address of ours).
        address: loopback address to listen on.
        port: 0 takes a free one.
    """

    def __init__(
        self, log: Path, certificate: tuple[Path, Path], upstream: tuple[str, int], upstream_ca: Path, *, address: str, port: int = 0
    ) -> None:
        super().__init__(address, port, server_context(*certificate), self._relay)
        self.log = log
        self._upstream = upstream
        self._client_context = ssl.create_default_context(cafile=str(upstream_ca))
        self._client_context.check_hostname = False
        self._write_lock = threading.Lock()

    def records(self) -> list[dict[str, Any]]:
        """All lines so far."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def searches(self) -> list[dict[str, Any]]:
        """The lines of searches."""
        return [record for record in self.records() if record["operation"] == "search"]

    def _relay(self, client: socket.socket) -> None:
        """Carry messages both ways in one thread: a TLS socket must not be read and written by two at once."""
        with (
            socket.create_connection(self._upstream, timeout=10) as plain,
            self._client_context.wrap_socket(plain, server_hostname=self._upstream[0]) as server,
            selectors.DefaultSelector() as ready,
        ):
            counts: dict[int, int] = {}
            ways = {
                client: _Way(client, server, self._record_request),
                server: _Way(server, client, lambda raw: self._record_answer(raw, counts)),
            }
            for source in ways:
                source.settimeout(0)
                ready.register(source, selectors.EVENT_READ)
            while not self.stopping.is_set():
                for key, _events in ready.select(timeout=1.0):
                    if not isinstance(key.fileobj, socket.socket) or not ways[key.fileobj].pump():
                        return

    def _record_answer(self, raw: bytes, counts: dict[int, int]) -> None:
        message = ldap_wire.decode(raw)
        if message.operation == ldap_wire.SEARCH_ENTRY:
            counts[message.id] = counts.get(message.id, 0) + 1
        elif message.operation == ldap_wire.SEARCH_DONE:
            code = message.body.children[0].integer
            self._write({"operation": "result", "of": message.id, "entries": counts.pop(message.id, 0), "code": code})

    def _record_request(self, raw: bytes) -> None:
        try:
            message = ldap_wire.decode(raw)
            record: dict[str, Any] = {"operation": ldap_wire.OPERATIONS.get(message.operation, str(message.operation)), "id": message.id}
            if message.operation == ldap_wire.SEARCH:
                record |= message.search().to_json()
            elif message.operation == ldap_wire.BIND:
                bind = message.bind()
                record |= {"name": bind.name, "method": bind.method}
        except (ber.BerError, ValueError, IndexError, KeyError) as error:
            record = {"operation": "undecodable", "why": str(error)}
        self._write(record)

    def _write(self, record: dict[str, Any]) -> None:
        with self._write_lock, self.log.open("a", encoding="utf-8") as out:
            out.write(json.dumps(record, sort_keys=True) + "\n")


class _Way:
    """One direction of a connection: cuts what arrives into messages, shows each to ``record``, passes it on."""

    def __init__(self, source: socket.socket, target: socket.socket, record: Callable[[bytes], None]) -> None:
        self._source = source
        self._target = target
        self._record = record
        self._buffer = bytearray()

    def pump(self) -> bool:
        """Carry everything that has arrived; False at the end of the stream.

        A readable TLS socket need not hold data of its user (session tickets), so it is read without waiting.
        """
        while True:
            try:
                data = self._source.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                return True
            if not data:
                return False
            self._buffer += data
            if whole := self._take_messages():
                self._target.settimeout(30)
                self._target.sendall(whole)
                self._target.settimeout(0)

    def _take_messages(self) -> bytes:
        """All whole messages of the buffer, recorded; the rest stays."""
        taken = 0
        while (length := ber.element_length(self._buffer, taken)) is not None and taken + length <= len(self._buffer):
            self._record(bytes(self._buffer[taken : taken + length]))
            taken += length
        whole = bytes(self._buffer[:taken])
        del self._buffer[:taken]
        return whole
