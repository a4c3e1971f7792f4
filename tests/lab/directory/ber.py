# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of BER (X.690) as LDAP uses: definite lengths, one-byte tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BOOLEAN, INTEGER, OCTET_STRING, NULL, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x05, 0x0A, 0x30, 0x31
#: no message of the lab is longer
MAX_LENGTH = 64 * 1024 * 1024


class BerError(ValueError):
    """The bytes are not what this module reads."""


@dataclass(frozen=True)
class Tlv:
    """One decoded element; ``children`` reads its content as elements."""

    tag: int
    content: bytes

    @property
    def number(self) -> int:
        """The tag without class and form."""
        return self.tag & 0x1F

    @property
    def children(self) -> list[Tlv]:
        """The content as a list of elements.

        Raises:
            BerError: the content is no list of elements.
        """
        found = []
        offset = 0
        while offset < len(self.content):
            element, offset = decode(self.content, offset)
            found.append(element)
        return found

    @property
    def integer(self) -> int:
        """The content as a signed number."""
        return int.from_bytes(self.content, "big", signed=True)

    @property
    def boolean(self) -> bool:
        """The content as a truth value."""
        return any(self.content)

    @property
    def text(self) -> str:
        """The content as UTF-8; what is none is shown with escapes."""
        return self.content.decode("utf-8", "backslashreplace")


def decode(data: bytes, offset: int = 0) -> tuple[Tlv, int]:
    """Read one element: (element, offset behind it).

    Raises:
        BerError: truncated, of indefinite or enormous length, or with a long tag.
    """
    head = data[offset : offset + 2]
    if len(head) < 2 or head[0] & 0x1F == 0x1F:
        raise BerError("truncated or long tag")
    length, start = head[1], offset + 2
    if length & 0x80:
        count = length & 0x7F
        raw = data[start : start + count]
        if not 1 <= count <= 4 or len(raw) < count:
            raise BerError("length is indefinite, too long or truncated")
        length, start = int.from_bytes(raw, "big"), start + count
    if length > MAX_LENGTH or start + length > len(data):
        raise BerError("content is enormous or truncated")
    return Tlv(head[0], data[start : start + length]), start + length


def read_element(receive: Callable[[int], bytes]) -> bytes | None:
    """Read the bytes of one whole element from a stream; None at its clean end.

    Args:
        receive: returns up to that many bytes, nothing at the end (``socket.recv``).

    Raises:
        BerError: the stream ends within the element, or the element is not readable.
    """
    head = receive(1)
    if not head:
        return None
    head += _exactly(receive, 1)
    length = head[1]
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise BerError("length is indefinite or too long")
        raw = _exactly(receive, count)
        head, length = head + raw, int.from_bytes(raw, "big")
    if length > MAX_LENGTH:
        raise BerError("content is enormous")
    return head + _exactly(receive, length)


def element_length(data: bytes | bytearray, offset: int = 0) -> int | None:
    """The whole length of the element at ``offset``, None while its head has not arrived.

    Raises:
        BerError: the length is indefinite or enormous.
    """
    if len(data) < offset + 2:
        return None
    length = data[offset + 1]
    if length < 0x80:
        return 2 + length
    count = length & 0x7F
    if not 1 <= count <= 4:
        raise BerError("length is indefinite or too long")
    if len(data) < offset + 2 + count:
        return None
    content = int.from_bytes(data[offset + 2 : offset + 2 + count], "big")
    if content > MAX_LENGTH:
        raise BerError("content is enormous")
    return 2 + count + content


def _exactly(receive: Callable[[int], bytes], count: int) -> bytes:
    parts = []
    while count:
        part = receive(min(count, 65536))
        if not part:
            raise BerError("the stream ended within an element")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def encode(tag: int, *contents: bytes) -> bytes:
    """One element of the joined contents."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    raw = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(raw))) + raw + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A signed number, also as ENUMERATED."""
    return encode(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: str | bytes, tag: int = OCTET_STRING) -> bytes:
    """An octet string; text as UTF-8."""
    return encode(tag, value.encode("utf-8") if isinstance(value, str) else value)
