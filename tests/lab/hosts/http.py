# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 as far as http.sys and WinRM use it: requests with a length, answers with an empty reason phrase."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from email.utils import formatdate

_MAX_HEAD = 65536
#: octets of a request's body that the listener takes at all
MAX_BODY = 2 * 1024 * 1024
SOAP = "application/soap+xml;charset=UTF-8"


class BadRequestError(Exception):
    """What came is not a request this server takes; ``status`` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True)
class HttpRequest:
    """One request; header names in lower case, ``size`` in octets with its head."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    size: int


class Reader:
    """Requests from one socket, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def next(self) -> HttpRequest | None:
        """The next request; None at the end of the connection.

        Raises:
            BadRequestError: no HTTP, or more than this server takes.
        """
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _MAX_HEAD:
                raise BadRequestError(400)
            if not self._more():
                return None
        head, _unused, rest = self._buffer.partition(b"\r\n\r\n")
        method, path, headers = _parse_head(head)
        length = _length(headers)
        parts = [rest]
        missing = length - len(rest)
        while missing > 0:
            chunk = self._connection.recv(65536)
            if not chunk:
                return None
            parts.append(chunk)
            missing -= len(chunk)
        data = b"".join(parts)
        self._buffer = data[length:]
        return HttpRequest(method, path, headers, data[:length], len(head) + 4 + length)

    def _more(self) -> bool:
        chunk = self._connection.recv(65536)
        self._buffer += chunk
        return bool(chunk)


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    try:
        lines = head.decode("ascii").split("\r\n")
        method, path, version = lines[0].split(" ")
    except ValueError as error:
        raise BadRequestError(400) from error
    if version != "HTTP/1.1":
        raise BadRequestError(505)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name.strip() != name or name.lower() in headers:
            raise BadRequestError(400)
        headers[name.lower()] = value.strip()
    if "host" not in headers:
        raise BadRequestError(400)
    return method, path, headers


def _length(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequestError(411)
    text = headers.get("content-length", "0")
    if not text.isascii() or not text.isdigit():
        raise BadRequestError(400)
    if int(text) > MAX_BODY:
        raise BadRequestError(413)
    return int(text)


def response(status: int, body: bytes = b"", *, content_type: str = SOAP, headers: list[str] | None = None) -> bytes:
    """An answer; Windows leaves the reason phrase empty and names its HTTP listener as server."""
    lines = [f"HTTP/1.1 {status} "]
    if body:
        lines.append(f"Content-Type: {content_type}")
    lines += ["Server: Microsoft-HTTPAPI/2.0", *(headers or []), f"Date: {formatdate(usegmt=True)}", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("ascii") + body
