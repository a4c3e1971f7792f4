# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The lean transport: one kept-alive HTTPS connection with Basic or a client certificate, on the standard library alone.

It imports neither requests nor winrm, which is most of what makes it cheap; answers are read by ``http.client.HTTPResponse``.
"""

from __future__ import annotations

import base64
import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final, cast

from ...._errors import KeywardError, OptionError
from ..port import MAX_ENVELOPE
from ..settings import ConnectionSettings
from . import problems
from .tls import certified_names, client_context

#: MS-WSMV 2.2.1: what tells Windows to take the client certificate for authentication
_MUTUAL: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
#: bytes of one whole HTTP answer: an envelope, and room for headers and chunk sizes
_MAX_ANSWER: Final = MAX_ENVELOPE + 256 * 1024
_SAFE: Final = re.compile(r"[!-~]+", re.ASCII)


class LeanTransport:
    """Basic or certificate authentication over HTTPS; see the port for what ``send`` does."""

    def __init__(self, settings: ConnectionSettings, method: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        if settings.scheme != "https" or method not in ("basic", "certificate"):
            raise OptionError(
                "open a connection",
                target=settings.endpoint,
                meaning="the lean adapter speaks only Basic and certificate, and only over HTTPS",
                remedy="Choose the adapter auto or pywinrm.",
            )
        self._settings = settings
        self._method = method
        self._clock = clock
        self._context = client_context(settings)
        self._head = _head(settings, method)
        self._socket: _PacedSocket | None = None
        self._names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<LeanTransport {self._settings.endpoint}>"

    @property
    def authenticated_names(self) -> tuple[str, ...]:
        """The names of the verified certificate."""
        return self._names

    def close(self) -> None:
        """Close the connection."""
        paced, self._socket = self._socket, None
        if paced is not None:
            paced.close()

    def send(self, envelope: bytes) -> bytes:
        """One exchange. A connection that the peer closed while it was idle is replaced before anything is sent on it."""
        if self._socket is not None and self._socket.is_stale():
            self.close()
        if self._socket is None:
            self._socket = self._connect()
        try:
            return self._exchange(self._socket, envelope)
        except KeywardError:
            self.close()
            raise
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            if isinstance(error, OSError):
                raise problems.socket_error(error, self._settings, connected=True) from error
            if isinstance(error, http.client.IncompleteRead):
                # not as a cause: it carries what was read
                raise problems.cut_short(self._settings) from None
            raise problems.no_http(self._settings) from error

    def _connect(self) -> _PacedSocket:
        settings = self._settings
        host = settings.host.strip("[]")
        plain: socket.socket | None = None
        try:
            plain = socket.create_connection((host, settings.port), settings.connect_timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = self._context.wrap_socket(plain, server_hostname=host)
        except (OSError, ValueError) as error:
            if plain is not None:
                plain.close()
            raise problems.socket_error(error, settings, connected=False) from error
        if self._context.verify_mode == ssl.CERT_REQUIRED:
            self._names = certified_names(tls.getpeercert(), host)
        return _PacedSocket(tls, self._clock, settings)

    def _exchange(self, paced: _PacedSocket, envelope: bytes) -> bytes:
        paced.start(self._settings.read_timeout)
        paced.send(b"%s%d\r\n\r\n%s" % (self._head, len(envelope), envelope))
        # HTTPResponse asks a socket for nothing but makefile
        answer = http.client.HTTPResponse(cast(socket.socket, paced), method="POST")
        answer.begin()
        if answer.status == 401:
            # the body is of no use, and the connection ends with the error
            raise problems.status_error(401, self._settings, method=self._method, empty=True)
        body = self._body(answer)
        if answer.will_close:
            self.close()
        if answer.status in (200, 500) and body:
            return body
        if answer.status == 200:
            raise problems.no_http(self._settings)
        raise problems.status_error(answer.status, self._settings, method=self._method, empty=not body)

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        """The body within its bound, however its length is told; a body that is shorter than told is an error."""
        if (answer.getheader("Content-Encoding") or "identity").strip().lower() != "identity":
            raise problems.no_http(self._settings)
        if (answer.length or 0) > MAX_ENVELOPE:
            raise problems.too_long(self._settings)
        body = answer.read(MAX_ENVELOPE + 1)
        if len(body) > MAX_ENVELOPE:
            raise problems.too_long(self._settings)
        if answer.length:
            raise problems.cut_short(self._settings)
        return body


def _head(settings: ConnectionSettings, method: str) -> bytes:
    """The request's head up to the number of its length; it holds the credentials."""
    authority = settings.endpoint.partition("://")[2].partition("/")[0]
    if not _SAFE.fullmatch(authority) or not _SAFE.fullmatch(settings.path):
        raise OptionError(
            "open a connection",
            meaning="host or path holds a blank, a control character or a letter beyond ASCII",
            remedy="Correct ansible_host.",
        )
    return (
        f"POST {settings.path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: {_authorization(settings, method)}\r\n"
        "Content-Type: application/soap+xml;charset=UTF-8\r\nAccept-Encoding: identity\r\nUser-Agent: keyward.bitlocker\r\nContent-Length: "
    ).encode("ascii")


def _authorization(settings: ConnectionSettings, method: str) -> str:
    if method == "certificate":
        if not settings.cert_pem:
            raise OptionError(
                "log on with a certificate",
                target=settings.endpoint,
                meaning="no client certificate is given",
                remedy="Set ansible_winrm_cert_pem and ansible_winrm_cert_key_pem.",
            )
        return _MUTUAL
    if not settings.username or settings.password is None:
        raise OptionError(
            "log on with Basic",
            target=settings.endpoint,
            meaning="user name or password is missing",
            remedy="Set ansible_user and ansible_password.",
        )
    return "Basic " + base64.b64encode(f"{settings.username}:{settings.password.reveal()}".encode()).decode("ascii")


class _PacedSocket:
    """A socket with one deadline and one bound over a whole exchange: a peer that drips bytes, or never stops, cannot hold us."""

    def __init__(self, inner: ssl.SSLSocket, clock: Callable[[], float], settings: ConnectionSettings) -> None:
        self._inner = inner
        self._clock = clock
        self._settings = settings
        self._until = 0.0
        self._room = 0

    def start(self, seconds: float) -> None:
        """Begin an exchange that must end within ``seconds``."""
        self._until = self._clock() + seconds
        self._room = _MAX_ANSWER

    def send(self, data: bytes) -> None:
        """Send all of it within the deadline."""
        self._inner.settimeout(self._left())
        self._inner.sendall(data)

    def receive_into(self, buffer: memoryview) -> int:
        """Receive within the deadline and the bound."""
        self._inner.settimeout(self._left())
        received = self._inner.recv_into(buffer)
        self._room -= received
        if self._room < 0:
            raise problems.too_long(self._settings)
        return received

    def makefile(self, mode: str) -> io.BufferedReader:
        """The reader that http.client takes one answer from."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def is_stale(self) -> bool:
        """Whether an idle connection was ended, or spoken on, by the peer. TLS session tickets that wait to be read do not count."""
        try:
            self._inner.setblocking(False)
            self._inner.recv(1)
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        except OSError:
            return True
        return True

    def _left(self) -> float:
        left = self._until - self._clock()
        if left <= 0:
            raise TimeoutError("the exchange took too long")
        return left


class _Reader(io.RawIOBase):
    def __init__(self, paced: _PacedSocket) -> None:
        self._paced = paced

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader gives nothing but a memoryview
        return self._paced.receive_into(buffer)
