# SPDX-License-Identifier: GPL-3.0-or-later
"""A small scripted HTTP(S) peer on a loopback port: what the transports are held against."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import spnego
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.answers import frozen

USER, PASSWORD = "helpdesk", "not-A-real-1"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
ANSWER = frozen("get_whole")
SOAP = "application/soap+xml;charset=UTF-8"


@dataclass
class Request:
    """One HTTP request as it came in."""

    connection: int
    line: str
    headers: dict[str, str]
    body: bytes
    #: the connection, for scripts that want to drip or break it
    wire: socket.socket
    #: kept for the life of the connection
    state: dict[str, object] = field(default_factory=dict)


#: gives the raw answer; None ends the connection without one
Script = Callable[[Request], bytes | None]


def reply(status: int, body: bytes = b"", *headers: str, kind: str = SOAP) -> bytes:
    """A plain answer with its length."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    if body:
        lines.append(f"Content-Type: {kind}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body: bytes, size: int = 100) -> bytes:
    """The same in pieces."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    wire = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return f"HTTP/1.1 200 OK\r\nContent-Type: {SOAP}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + wire + b"0\r\n\r\n"


def basic(request: Request) -> bytes:
    """What WinRM does with Basic."""
    if request.headers.get("authorization") != BASIC:
        return reply(401, b"", 'WWW-Authenticate: Basic realm="WSMAN"', "WWW-Authenticate: Negotiate")
    return reply(200, ANSWER)


class Peer:
    """Listens until closed; each connection has its own thread; ``script`` answers each request."""

    def __init__(self, script: Script = basic, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.connections = 0
        self.failures: list[str] = []
        self._tls = tls
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening and end every connection."""
        for one in (self._listener, *self._open):
            # it may not be connected, or be ended already
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _unused = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(plain, self.connections), daemon=True).start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        wire = plain
        self._open.append(plain)
        try:
            if self._tls is not None:
                wire = self._tls.wrap_socket(plain, server_side=True)
                self._open.append(wire)
            state: dict[str, object] = {}
            with wire.makefile("rb") as reader:
                while (request := self._read(reader, wire, number, state)) is not None:
                    self.requests.append(request)
                    answer = self.script(request)
                    if answer is None:
                        break
                    wire.sendall(answer)
                    if b"\r\nConnection: close\r\n" in answer[:500]:
                        break
        except OSError as error:
            self.failures.append(str(error))
        finally:
            wire.close()

    @staticmethod
    def _read(reader: Any, wire: socket.socket, number: int, state: dict[str, object]) -> Request | None:
        line = reader.readline().decode("latin-1").strip()
        if not line:
            return None
        if not line.startswith("POST "):
            # TLS, for instance
            wire.sendall(reply(400))
            return None
        headers = {}
        while field_line := reader.readline().decode("latin-1").strip():
            name, _unused, value = field_line.partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", "0")))
        return Request(number, line, headers, body, wire, state)


def ntlm_script(answer: Script, *, encrypted: bool) -> Script:
    """NTLM as WinRM speaks it: the connection is authenticated; over HTTP every message is sealed (MS-WSMV 2.2.9.1)."""

    def script(request: Request) -> bytes | None:
        context: Any = request.state.get("context")
        token = request.headers.get("authorization", "")
        if context is None or (token and not getattr(context, "complete", False)):
            scheme, _unused, data = token.partition(" ")
            if scheme not in ("Negotiate", "NTLM") or not data:
                return reply(401, b"", "WWW-Authenticate: Negotiate")
            if context is None:
                context = request.state["context"] = spnego.server(protocol="ntlm")
            try:
                out = context.step(base64.b64decode(data))
            except spnego.exceptions.SpnegoError:
                return reply(401, b"", "WWW-Authenticate: Negotiate")
            if not context.complete:
                assert out is not None
                return reply(401, b"", f"WWW-Authenticate: {scheme} {base64.b64encode(out).decode()}")
            if not request.body:
                return reply(200)
        if not encrypted:
            return answer(request)
        opened = unseal(context, request)
        inner = Request(request.connection, request.line, request.headers, opened, request.wire, request.state)
        request.state["opened"] = opened
        raw = answer(inner)
        if raw is None or b"\r\nX-In-Clear: yes" in raw:
            return raw
        head, _unused, body = raw.partition(b"\r\n\r\n")
        return reply(
            int(head.split()[1]), seal(context, body), kind=f'multipart/encrypted;protocol="{SEALED}";boundary="Encrypted Boundary"'
        )

    return script


SEALED = "application/HTTP-SPNEGO-session-encrypted"


def unseal(context: Any, request: Request) -> bytes:
    """The plain text of a sealed request; fails the peer loudly if it came in clear."""
    if SEALED not in request.headers.get("content-type", ""):
        raise OSError("a message came in clear")
    part = request.body.split(b"--Encrypted Boundary\r\n")[2].removeprefix(b"\tContent-Type: application/octet-stream\r\n")
    part = part.removesuffix(b"--Encrypted Boundary--\r\n")
    (length,) = struct.unpack("<i", part[:4])
    plain: bytes = context.unwrap_winrm(part[4 : 4 + length], part[4 + length :])
    return plain


def seal(context: Any, plain: bytes) -> bytes:
    """A sealed body."""
    wrapped = context.wrap_winrm(plain)
    header, data = bytes(wrapped.header), bytes(wrapped.data)
    head = (
        f"--Encrypted Boundary\r\n\tContent-Type: {SEALED}\r\n"
        f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(plain)}\r\n"
        "--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
    )
    return head.encode() + struct.pack("<i", len(header)) + header + data + b"--Encrypted Boundary--\r\n"


def server_context(certificate: object, key: object, client_ca: object = None) -> ssl.SSLContext:
    """A server's TLS context; with ``client_ca`` it demands a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.fspath(certificate), os.fspath(key))  # type: ignore[call-overload]  # paths
    if client_ca is not None:
        context.load_verify_locations(os.fspath(client_ca))  # type: ignore[call-overload]  # a path
        context.verify_mode = ssl.CERT_REQUIRED
    return context
