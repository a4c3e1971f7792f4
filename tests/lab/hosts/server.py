# SPDX-License-Identifier: GPL-3.0-or-later
"""The listeners of all hosts of an estate in one process: a thread accepts, each connection has a thread of its own."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.x509.oid import NameOID

from ..model import LabHost
from ..pki import LabCA
from . import encryption
from .around import Surroundings
from .auth import AuthSetup, ConnectionAuth, challenge_headers, write_account_file
from .faults import CERTIFICATES, FAULTS, SLOW_SECONDS
from .http import SOAP, BadRequestError, HttpRequest, Reader, response
from .kept import Keeper
from .misbehaviour import spoil_envelope, spoil_response
from .profiles import PROFILES, WIRE_FORMS
from .record import Exchange, Recorder, log_path
from .wsman import WsmanService

_HANDSHAKE_SECONDS = 30.0
_PLAIN_STATUS = {"http_503": 503, "http_404": 404, "empty_500": 500}


class HostServer:
    """One host: its listening socket, service, log and TLS."""

    def __init__(
        self, host: LabHost, ca: LabCA, state_dir: Path, log_dir: Path, keytab: Path | None, around: Surroundings, keeper: Keeper | None
    ) -> None:
        _check(host)
        self.host = host
        changed = (lambda _host: None) if keeper is None else keeper.keep
        self.service = WsmanService(host, datetime.now(UTC), around.escrow, changed)
        if self.service.changes is not None:
            self.service.changes.progress = around.progress
        self.recorder = Recorder(log_path(log_dir, host.inventory_name), host.inventory_name)
        self.listener = socket.create_server((host.address or "127.0.0.1", host.port + around.shift), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        self.tls = tls_context(host, ca) if host.scheme == "https" else None
        account_file = state_dir / f"{host.inventory_name}.account"
        write_account_file(account_file, host)
        self.auth = AuthSetup(host, self.tls is not None, account_file, keytab)

    def close(self) -> None:
        """Stop listening and close the log."""
        self.listener.close()
        self.recorder.close()


def _check(host: LabHost) -> None:
    """Refuse an estate with words that this lab does not know, before anything listens."""
    known = (
        host.profile in PROFILES,
        host.wire_form in WIRE_FORMS,
        host.fault is None or host.fault in FAULTS,
        host.certificate in CERTIFICATES,
    )
    if not all(known) or host.scheme not in ("http", "https"):
        raise ValueError(f"{host.inventory_name}: unknown profile, wire form, fault, certificate or scheme")


def tls_context(host: LabHost, ca: LabCA) -> ssl.SSLContext:
    """What a host shows to its clients."""
    names: list[str] = [host.dns_name]
    addresses = [host.address or "127.0.0.1"]
    if host.certificate == "address_only":
        names = []
    elif host.certificate == "wrong_name":
        names, addresses = [f"other.{host.domain or 'lab.example'}"], ["127.255.255.254"]
    expired = datetime.now(UTC) - timedelta(days=3) if host.certificate == "expired" else None
    chain, key = ca.issue(
        dns_names=names, addresses=addresses, ca="untrusted" if host.certificate == "untrusted" else "lab", not_after=expired
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain, key)
    if host.transport == "certificate":
        context.load_verify_locations(ca.ca_pem)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


class HostsEndpoint:
    """All hosts of an estate, listening; made by :func:`start`."""

    def __init__(self, servers: list[HostServer]) -> None:
        self._servers = {server.host.inventory_name: server for server in servers}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        for server in servers:
            server.listener.setblocking(False)
            self._selector.register(server.listener, selectors.EVENT_READ, server)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = False
        self._acceptor = threading.Thread(target=self._accept, name="lab-hosts", daemon=True)
        self._acceptor.start()

    def __enter__(self) -> HostsEndpoint:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def port_of(self, inventory_name: str) -> int:
        """The port a host listens on (of interest where its description says 0)."""
        return self._servers[inventory_name].port

    def service_of(self, inventory_name: str) -> WsmanService:
        """A host's service with its state, for a test that changes it while it runs."""
        return self._servers[inventory_name].service

    def stop(self) -> None:
        """Close every listener and connection; returns when the acceptor has ended."""
        with self._lock:
            self._stopping = True
            open_now = list(self._connections)
        self._wake.send(b"x")
        self._acceptor.join(10)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for server in self._servers.values():
            server.close()
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _accept(self) -> None:
        while not self._stopping:
            for key, _unused in self._selector.select():
                if isinstance(key.data, HostServer):
                    # the client may be gone again before we accept
                    with contextlib.suppress(OSError):
                        self._serve(key.data, key.data.listener.accept()[0])

    def _serve(self, server: HostServer, connection: socket.socket) -> None:
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            if self._stopping:
                connection.close()
                return
            self._connections.add(connection)
        threading.Thread(target=self._converse, args=(server, connection), daemon=True).start()

    def _converse(self, server: HostServer, connection: socket.socket) -> None:
        try:
            Connection(server, connection).run()
        except OSError:
            # a client may go away at any point; the log has what was exchanged
            return
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()


class Connection:
    """One TCP connection to one host, from the handshake to the end."""

    def __init__(self, server: HostServer, raw: socket.socket) -> None:
        self._server = server
        self._raw = raw
        self._number = server.recorder.connected()

    def run(self) -> None:
        """Serve requests until the client, or a fault, ends the connection."""
        if self._server.host.fault == "blackhole":
            _drain(self._raw)
            return
        if self._server.tls is None:
            self._serve(self._raw, None)
            return
        try:
            self._raw.settimeout(_HANDSHAKE_SECONDS)
            # the raw socket stays ours, so that stop() can shut it down
            stream = self._server.tls.wrap_socket(self._raw.dup(), server_side=True)
        except OSError as error:
            self._server.recorder.tls_failed(self._number, type(error).__name__)
            return
        with stream:
            stream.settimeout(None)
            self._serve(stream, _common_name(stream))

    def _serve(self, stream: socket.socket, certificate_name: str | None) -> None:
        reader = Reader(stream)
        auth = ConnectionAuth(self._server.auth, certificate_name)
        count = 0
        while True:
            try:
                request = reader.next()
            except BadRequestError as bad:
                stream.sendall(response(bad.status, headers=["Connection: close"]))
                return
            except ssl.SSLError as error:
                self._server.recorder.tls_failed(self._number, error.reason or "")
                return
            if request is None:
                return
            count += 1
            note = Exchange(self._number, count, request.method, request.path, bytes_in=request.size)
            if self._server.host.fault == "hung":
                self._server.recorder.exchange(note)
                _drain(stream)
                return
            answer, last = self._answer(request, auth, note)
            note.bytes_out = len(answer)
            self._server.recorder.exchange(note)
            stream.sendall(answer)
            if last or request.headers.get("connection", "").lower() == "close":
                return

    def _answer(self, request: HttpRequest, auth: ConnectionAuth, note: Exchange) -> tuple[bytes, bool]:
        fault = self._server.host.fault
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
        note.status = _PLAIN_STATUS.get(fault or "", 0) or _refusal(request)
        if note.status:
            return response(note.status), False
        decision = auth.decide(request.headers.get("authorization"))
        note.account = decision.account
        if not decision.accepted:
            note.status, note.auth_exchange = 401, True
            return response(401, headers=challenge_headers(decision.challenges)), False
        if not request.body:
            note.status, note.auth_exchange = 200, True
            return response(200, headers=decision.headers), False
        try:
            protocol = encryption.protocol_of(request.headers.get("content-type", ""))
            plain = self._plain(request, auth, protocol)
        except encryption.SealError:
            note.status = 400
            return response(400), True
        if plain is None:
            note.status = 500
            return response(500), False
        if len(plain) > self._server.service.profile.max_envelope:
            note.status = 413
            return response(413), True
        note.encrypted = protocol is not None
        note.status, envelope = self._server.service.handle(plain, note)
        envelope = spoil_envelope(fault, envelope)
        content_type = SOAP
        if protocol is not None and auth.context is not None:
            content_type, envelope = encryption.seal(auth.context, protocol, envelope)
        return spoil_response(fault, response(note.status, envelope, content_type=content_type, headers=decision.headers))

    def _plain(self, request: HttpRequest, auth: ConnectionAuth, protocol: str | None) -> bytes | None:
        """The SOAP message; None where Windows refuses to read it because it came in clear (AllowUnencrypted is false)."""
        if protocol is None:
            return request.body if self._server.tls is not None else None
        if auth.context is None:
            raise encryption.SealError("no security context on this connection")
        return encryption.unseal(auth.context, request.body)


def _refusal(request: HttpRequest) -> int:
    if request.path.split("?")[0].rstrip("/") != "/wsman":
        return 404
    if request.method != "POST":
        return 405
    content_type = request.headers.get("content-type", "").lower()
    if request.body and not content_type.startswith(("application/soap+xml", "multipart/encrypted", "multipart/x-multi-encrypted")):
        return 415
    return 0


def _common_name(stream: ssl.SSLSocket) -> str | None:
    certificate = stream.getpeercert(binary_form=True)
    if not certificate:
        return None
    names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else None


def _drain(stream: socket.socket) -> None:
    while stream.recv(65536):
        pass


def start(
    hosts: Iterable[LabHost],
    ca: LabCA,
    state_dir: Path,
    log_dir: Path,
    *,
    keytab: Path | None = None,
    around: Surroundings | None = None,
) -> HostsEndpoint:
    """Let every host listen (those with the fault ``refused`` apart).

    Args:
        hosts: whom to play; each on its own address and port (port 0: any).
        ca: issues the hosts' certificates.
        state_dir: for account files (they hold the hosts' passwords, mode 0600).
        log_dir: one ``<inventory_name>.jsonl`` a host, see record.py.
        keytab: keys of the hosts' HTTP services, for Kerberos.
        around: where they back up to, and what becomes of their changes.

    Raises:
        ValueError: a host names an unknown profile, wire form, fault, certificate or scheme.
        OSError: an address is in use.
    """
    for folder in (state_dir, log_dir):
        folder.mkdir(parents=True, exist_ok=True)
    around = around or Surroundings()
    keeper = None if around.changed is None else Keeper(around.changed)
    servers: list[HostServer] = []
    try:
        for host in hosts:
            if host.fault != "refused":
                servers.append(HostServer(host, ca, state_dir, log_dir, keytab, around, keeper))
    except BaseException:
        for server in servers:
            server.close()
        raise
    return HostsEndpoint(servers)
