# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages sealed by the security context of the connection: multipart/encrypted (MS-WSMV 2.2.9.1)."""

from __future__ import annotations

import re
import struct

from spnego.exceptions import SpnegoError

from .kerberos import KerberosError, SecurityContext

_BOUNDARY = b"--Encrypted Boundary"
_HEAD = re.compile(rb"\r\n\tContent-Type: (?P<protocol>[^\r\n]+)\r\n\tOriginalContent: type=[^;]+;charset=UTF-8;Length=(?P<length>\d+)\r\n")
_OCTETS = b"\r\n\tContent-Type: application/octet-stream\r\n"
_PROTOCOL = re.compile(r'protocol="(application/HTTP-(?:SPNEGO|Kerberos|CredSSP)-session-encrypted)"')
_CHUNK = 16384


class SealError(Exception):
    """The message is not sealed as it should be."""


def protocol_of(content_type: str) -> str | None:
    """The encryption protocol that a Content-Type names; None for a message in clear."""
    if not content_type.lower().startswith(("multipart/encrypted", "multipart/x-multi-encrypted")):
        return None
    match = _PROTOCOL.search(content_type)
    if match is None:
        raise SealError("the content type names no known protocol")
    return match[1]


def unseal(context: SecurityContext, data: bytes) -> bytes:
    """The message in a sealed body.

    Raises:
        SealError: it is malformed, of another context, or of another length than it says.
    """
    message, position = b"", 0
    while True:
        if not data.startswith(_BOUNDARY, position):
            raise SealError("no boundary")
        position += len(_BOUNDARY)
        if data[position:].strip() == b"--":
            return message
        head = _HEAD.match(data, position)
        if head is None or not data.startswith(_BOUNDARY + _OCTETS, head.end()):
            raise SealError("a part is malformed")
        start = head.end() + len(_BOUNDARY + _OCTETS)
        end = data.find(_BOUNDARY, start)
        if end < 0:
            raise SealError("no closing boundary")
        message += _open(context, data[start:end], int(head["length"]))
        position = end


def _open(context: SecurityContext, sealed: bytes, length: int) -> bytes:
    if len(sealed) < 4:
        raise SealError("a part is too short")
    (size,) = struct.unpack("<I", sealed[:4])
    try:
        plain = context.unwrap_winrm(sealed[4 : 4 + size], sealed[4 + size :])
    except (SpnegoError, KerberosError, ValueError) as error:
        raise SealError("a part does not open") from error
    if len(plain) != length:
        raise SealError("a part is of another length")
    return bytes(plain)


def seal(context: SecurityContext, protocol: str, message: bytes) -> tuple[str, bytes]:
    """A sealed message: its Content-Type and its body."""
    size = _CHUNK if "CredSSP" in protocol else max(len(message), 1)
    chunks = [message[start : start + size] for start in range(0, len(message), size)]
    body = b""
    for chunk in chunks:
        sealed = context.wrap_winrm(chunk)
        original = len(chunk) + sealed.padding_length
        body += (
            _BOUNDARY
            + f"\r\n\tContent-Type: {protocol}\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={original}\r\n".encode()
            + _BOUNDARY
            + _OCTETS
            + struct.pack("<I", len(sealed.header))
            + sealed.header
            + sealed.data
        )
    kind = "multipart/x-multi-encrypted" if len(chunks) > 1 else "multipart/encrypted"
    return f'{kind};protocol="{protocol}";boundary="Encrypted Boundary"', body + _BOUNDARY + b"--\r\n"
