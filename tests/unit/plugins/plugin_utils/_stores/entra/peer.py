# SPDX-License-Identifier: GPL-3.0-or-later
"""A small scripted HTTPS peer: token endpoint and Graph on one port, everything that came in written down."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "99999999-8888-7777-6666-555555555555"
#: made up, like all that follows
CLIENT_SECRET = "made~up.client-Secret_0815"
PASSWORD = "123453-123453-123453-123453-123453-123453-123453-123453"
DEVICES = "/v1.0/devices"
KEYS = "/v1.0/informationProtection/bitlocker/recoveryKeys"
MANAGED = "/v1.0/deviceManagement/managedDevices"


@dataclass
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        pairs = (part.partition("=") for part in urlsplit(self.target).query.split("&") if part)
        return {unquote(name): unquote(value) for name, _mark, value in pairs}

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Reply:
    """One answer: ``body`` is JSON unless it is bytes. ``pace`` seconds between single bytes; ``cut`` promises more than is sent."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pace: float = 0.0
    cut: bool = False
    hang: float = 0.0
    drop: bool = False


Handler = Callable[[Request], Reply | None]


class Peer:
    """Answers by path; ``on`` gives a path a script: replies used up one by one, the last one for good, or a function."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.scripts: dict[str, list[Reply] | Handler] = {}
        self.tokens = 0
        self.roles = "ReadBasic"
        self.lock = threading.Lock()

    def on(self, path: str, *script: Reply | Handler) -> None:
        """Script a path."""
        if len(script) == 1 and callable(script[0]):
            self.scripts[path] = script[0]
        else:
            self.scripts[path] = [item for item in script if isinstance(item, Reply)]

    def graph(self, path: str | None = None) -> list[Request]:
        """The requests to Graph, or to one path of it."""
        return [item for item in self.requests if (item.path == path if path else item.path.startswith("/v1.0/"))]

    def token_requests(self) -> list[Request]:
        """The requests for a token."""
        return [item for item in self.requests if item.path.endswith("/token")]

    def answer(self, request: Request) -> Reply:
        """What to answer: the script of the path, else an ordinary service."""
        with self.lock:
            self.requests.append(request)
            script = self.scripts.get(request.path)
            if callable(script):
                found = script(request)
                if found is not None:
                    return found
            elif script:
                return script.pop(0) if len(script) > 1 else script[0]
            return self._ordinary(request)

    def _ordinary(self, request: Request) -> Reply:
        base = f"{self.url}/{TENANT}"
        if request.path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            return Reply(
                body={
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                }
            )
        if request.path == f"/{TENANT}/oauth2/v2.0/token":
            self.tokens += 1
            return Reply(body={"token_type": "Bearer", "expires_in": 3600, "access_token": token(self.tokens)})
        if request.path in (DEVICES, KEYS, MANAGED):
            return Reply(body={"value": []})
        return Reply(404, {"error": {"code": "ResourceNotFound", "message": "none", "innerError": {"request-id": "r-1"}}})


def token(number: int) -> str:
    """The token that the peer gives out as its n-th."""
    return f"made-up-token-{number}-xyzzy"


def error(code: str, message: str = "no") -> dict[str, Any]:
    """A Graph error body."""
    return {"error": {"code": code, "message": message, "innerError": {"date": "x", "request-id": "req-4711", "client-request-id": "c"}}}


@contextmanager
def running(certificate: Path, key: Path, *, host: str = "localhost") -> Iterator[Peer]:
    """A peer on a port of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = _Server(("127.0.0.1", 0), _Conversation)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.peer = Peer(f"https://{host}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.peer
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    peer: Peer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is part of the tests."""


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # headers and body in one packet: two would wait for each other's acknowledgement
    wbufsize = -1
    server: _Server

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self._converse()

    def do_POST(self) -> None:
        self._converse()

    def _converse(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.peer.answer(Request(self.command, self.path, headers, body))
        if reply.hang:
            time.sleep(reply.hang)
        if reply.drop:
            self.close_connection = True
            return
        data = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else json.dumps(reply.body).encode()
        # without a Date header of its own: a test may give one
        self.send_response_only(reply.status)
        given = {name.lower() for name in reply.headers}
        if "content-type" not in given:
            self.send_header("Content-Type", "application/json; odata.metadata=minimal")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) + (10 if reply.cut else 0)))
        self.end_headers()
        if reply.cut:
            self.close_connection = True
        if not reply.pace:
            self.wfile.write(data)
            return
        for octet in data:
            self.wfile.write(bytes([octet]))
            self.wfile.flush()
            time.sleep(reply.pace)
