# SPDX-License-Identifier: GPL-3.0-or-later
"""The listeners: https for sign-in and Graph, http for managed identities; a thread for each connection."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from ..hosts.http import BadRequestError, HttpRequest, Reader
from ..model import Estate
from ..pki import LabCA
from .graph import GraphService
from .identity import IdentityService
from .login import LoginService
from .record import Exchange, Recorder
from .registration import Registration
from .tenant import Tenant
from .tokens import TokenMint
from .wire import Answer, render

_HANDSHAKE_SECONDS = 10.0
_IDLE_SECONDS = 120.0
#: what an endless body sends each time
_DRIP = b" " * 65536


class EntraEndpoint:
    """A running tenant; stop it, or use it as a context manager."""

    def __init__(
        self,
        tenant: Tenant,
        ca: LabCA,
        logs: Path,
        *,
        address: str,
        port: int,
        identity_port: int,
        issued: Path | None = None,
        public_port: int | None = None,
    ) -> None:
        self.tenant = tenant
        self.address = address
        self.logs = logs
        self._recorder = Recorder(logs)
        self._listener = _listen(address, port)
        self._identity_listener = _listen(address, identity_port)
        self.port: int = self._listener.getsockname()[1]
        self._public_port = public_port or self.port
        self.identity_port: int = self._identity_listener.getsockname()[1]
        chain, key = ca.issue(addresses=[address])
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._tls.load_cert_chain(chain, key)
        mint = TokenMint(issued)
        #: value of IDENTITY_HEADER for App Service's form
        self.identity_secret = secrets.token_hex(16)
        self._graph = GraphService(tenant, mint, self.url, self._recorder)
        self._login = LoginService(tenant, mint, self.url)
        self._registration = Registration(tenant)
        self._identity = IdentityService(tenant, mint, self.url, self.identity_secret)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = False
        for listener, secure in ((self._listener, True), (self._identity_listener, False)):
            threading.Thread(target=self._accept, args=(listener, secure), daemon=True).start()

    @property
    def url(self) -> str:
        """https root of the Graph and of the sign-in side, without a slash at its end."""
        return f"https://{self.address}" + ("" if self._public_port == 443 else f":{self._public_port}")

    @property
    def authority(self) -> str:
        """The tenant's authority for msal."""
        return f"{self.url}/{self.tenant.id}"

    @property
    def identity_url(self) -> str:
        """http root of the managed identity endpoints."""
        return f"http://{self.address}" + ("" if self.identity_port == 80 else f":{self.identity_port}")

    def __enter__(self) -> EntraEndpoint:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Close listeners and connections."""
        with self._lock:
            self._stopping = True
            open_now = list(self._connections)
        for listener in (self._listener, self._identity_listener):
            # wakes a thread that waits in accept
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._recorder.close()

    def _accept(self, listener: socket.socket, secure: bool) -> None:
        while not self._stopping:
            try:
                connection, _unused = listener.accept()
            except OSError:
                if self._stopping:
                    return
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._stopping:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._converse, args=(connection, secure), daemon=True).start()

    def _converse(self, connection: socket.socket, secure: bool) -> None:
        try:
            if not secure:
                self._serve(connection, self._identity.handle, "identity")
                return
            try:
                connection.settimeout(_HANDSHAKE_SECONDS)
                # the raw socket stays ours, so that stop() can shut it down
                stream = self._tls.wrap_socket(connection.dup(), server_side=True)
            except OSError as error:
                self._recorder.tls_failed(getattr(error, "reason", None) or type(error).__name__)
                return
            with stream:
                self._serve(stream, self._dispatch, "")
        except OSError:
            # a client may go away at any point; the log has what was exchanged
            return
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _serve(self, stream: socket.socket, handle: Callable[[HttpRequest, Exchange], Answer], side: str) -> None:
        stream.settimeout(_IDLE_SECONDS)
        reader = Reader(stream)
        while True:
            try:
                request = reader.next()
            except BadRequestError as bad:
                stream.sendall(render(Answer(bad.status), accepts_gzip=False, keep=False)[0])
                return
            except ssl.SSLError as error:
                # with TLS 1.3 a client's refusal of our certificate comes after our side of the handshake
                self._recorder.tls_failed(error.reason or type(error).__name__)
                return
            if request is None:
                return
            note = Exchange(side=side, method=request.method, path=request.path.partition("?")[0], headers=sorted(request.headers))
            if request.headers["host"].lower() not in self._hosts(secure=side != "identity"):
                answer = Answer(421, error="misdirected")
            else:
                answer = handle(request, note)
            keep = request.headers.get("connection", "").lower() != "close" and not answer.cut
            packed = self.tenant.behaviour.gzip and bool(re.search(r"\bgzip\b", request.headers.get("accept-encoding", "")))
            data, note.octets = render(answer, accepts_gzip=packed, keep=keep)
            note.status, note.error = answer.status, note.error or answer.error
            self._recorder.note(note)
            if answer.silent:
                self._be_silent(stream, answer.fault)
                return
            stream.sendall(data)
            if not keep:
                return

    def _hosts(self, *, secure: bool) -> list[str]:
        """What clients may call this: by the port they know, and by the one it listens on."""
        ports, usual = ((self._public_port, self.port), 443) if secure else ((self.identity_port,), 80)
        return [self.address if port == usual else f"{self.address}:{port}" for port in ports]

    def _dispatch(self, request: HttpRequest, note: Exchange) -> Answer:
        if GraphService.claims(request.path):
            note.side = "graph"
            return self._graph.handle(request, note)
        if Registration.claims(request.path):
            note.side = "registration"
            return self._registration.handle(request, note)
        note.side = "login"
        return self._login.handle(request, note)

    def _be_silent(self, stream: socket.socket, fault: str | None) -> None:
        """Close, never answer, or never stop answering."""
        if fault == "hang":
            while stream.recv(65536):
                pass
        elif fault == "endless":
            stream.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"value":[')
            while not self._stopping:
                stream.sendall(_DRIP)


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def start(
    estate: Estate,
    ca: LabCA,
    logs: Path,
    *,
    address: str,
    port: int = 443,
    identity_port: int = 80,
    issued: Path | None = None,
    public_port: int | None = None,
    kept: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> EntraEndpoint:
    """Play an estate's tenant.

    Args:
        ca: issues the certificate, for the address alone.
        logs: gets ``entra-requests.jsonl``, see record.py.
        address: loopback; ports 0 mean any.
        issued: file that gets every token issued, mode 0600, for tests that look for leaks.
        public_port: the port that clients know, where something stands before this one.
        kept: file of the keys that devices escrow, see tenant.py.

    Raises:
        ValueError: the estate has no tenant, or settings that nobody knows.
        OSError: the address is in use.
    """
    tenant = Tenant(estate, clock=clock, kept=kept)
    ports = {"port": port, "identity_port": identity_port}
    return EntraEndpoint(tenant, ca, logs, address=address, issued=issued, public_port=public_port, **ports)
