# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""LDAP answers from bytes (RFC 4511, the definite-length part of BER), pure: what a search of the directory brings, and nothing else.

ldap3 opens the connection and encodes what we send. What comes back is taken apart here, because a reading of tens of thousands of entries
must not wait for a decoder (ldap3's costs 70 microseconds an entry, all of it while the server idles), and because a size must be refused
before memory is given to it. Everything that breaks the format is a :class:`BadDataError`, everything too large a :class:`LimitError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..._errors import BadDataError, LimitError

#: the largest LDAP message taken (a metadata entry has 300 bytes; a computer with a thousand service names some 60 KiB)
MAX_MESSAGE = 1024 * 1024

SEARCH_ENTRY = 0x64
SEARCH_DONE = 0x65
SEARCH_REFERENCE = 0x73
EXTENDED_RESPONSE = 0x78

_SEQUENCE, _SET, _INTEGER, _OCTETS, _ENUMERATED, _CONTROLS, _REFERRALS = 0x30, 0x31, 0x02, 0x04, 0x0A, 0xA0, 0xA3
_PAGED_RESULTS = b"1.2.840.113556.1.4.319"
_ATTEMPTED = "read the directory's answer"


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One found object: its DN and the values of each attribute as bytes, attribute names in lower case without options."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]

    def first(self, name: str) -> bytes | None:
        """The first value of an attribute (name in lower case), None where it has none."""
        values = self.attributes.get(name)
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Envelope:
    """One LDAP message, not yet looked into: its number, the tag of its operation, and where the operation and the controls lie."""

    message_id: int
    operation: int
    data: bytes
    start: int
    end: int
    controls_start: int
    controls_end: int


@dataclass(frozen=True, slots=True)
class Done:
    """LDAPResult of a search (RFC 4511 4.1.9) and the cookie of the paged results control (RFC 2696), None without that control."""

    code: int
    message: str
    cookie: bytes | None


def _bad(meaning: str) -> BadDataError:
    return BadDataError(_ATTEMPTED, meaning=meaning, remedy="Check that the named server and port are a domain controller's.")


def _element(data: bytes, position: int, end: int) -> tuple[int, int, int]:
    """Tag, first byte and end of the value of the element at ``position``; ``end`` bounds it."""
    if position + 2 > end:
        raise _bad("an element is cut off")
    tag = data[position]
    length = data[position + 1]
    position += 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or position + count > end:
            raise _bad("a length is written in a form that LDAP does not allow")
        length = int.from_bytes(data[position : position + count], "big")
        position += count
    if position + length > end:
        raise _bad("an element is longer than what holds it")
    return tag, position, position + length


def _expect(data: bytes, position: int, end: int, wanted: int) -> tuple[int, int]:
    tag, start, stop = _element(data, position, end)
    if tag != wanted:
        raise _bad(f"an element has tag {tag:#04x} where {wanted:#04x} belongs")
    return start, stop


def message_length(head: bytes | bytearray, position: int = 0) -> int | None:
    """Length in bytes of the LDAP message that begins at ``position``, None while too few bytes are there to tell.

    Raises:
        BadDataError: what begins there is no LDAP message.
        LimitError: it is larger than :data:`MAX_MESSAGE`.
    """
    if len(head) - position < 2:
        return None
    if head[position] != _SEQUENCE:
        raise _bad("what arrived is no LDAP message")
    length = head[position + 1]
    size = 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 8:
            raise _bad("a length is written in a form that LDAP does not allow")
        if len(head) - position < 2 + count:
            return None
        length = int.from_bytes(head[position + 2 : position + 2 + count], "big")
        size += count
    if size + length > MAX_MESSAGE:
        raise LimitError(_ATTEMPTED, meaning=f"one message has {length} bytes, more than the {MAX_MESSAGE} that are taken")
    return size + length


def open_envelope(data: bytes) -> Envelope:
    """Take the outer layer off one whole LDAP message."""
    position, end = _expect(data, 0, len(data), _SEQUENCE)
    start, stop = _expect(data, position, end, _INTEGER)
    if not 1 <= stop - start <= 4:
        raise _bad("a message number is out of its range")
    message_id = int.from_bytes(data[start:stop], "big", signed=True)
    operation, start, after = _element(data, stop, end)
    controls = (after, after)
    if after < end:
        tag, first, last = _element(data, after, end)
        if tag == _CONTROLS:
            controls = (first, last)
    return Envelope(message_id, operation, data, start, after, *controls)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def read_entry(envelope: Envelope) -> RawEntry:
    """The object of a SearchResultEntry."""
    data, end = envelope.data, envelope.end
    start, stop = _expect(data, envelope.start, end, _OCTETS)
    dn = _text(data[start:stop])
    position, end = _expect(data, stop, end, _SEQUENCE)
    attributes: dict[str, list[bytes]] = {}
    while position < end:
        start, position = _expect(data, position, end, _SEQUENCE)
        first, last = _expect(data, start, position, _OCTETS)
        # "servicePrincipalName;range=0-1499": the values that did arrive count as the attribute's
        name = _text(data[first:last]).partition(";")[0].lower()
        values = attributes.setdefault(name, [])
        inner, inner_end = _expect(data, last, position, _SET)
        while inner < inner_end:
            first, inner = _expect(data, inner, inner_end, _OCTETS)
            values.append(data[first:inner])
    return RawEntry(dn, attributes)


def read_done(envelope: Envelope) -> Done:
    """Result code, diagnostic message (at most 1000 characters) and paging cookie of a SearchResultDone or another LDAPResult."""
    data, end = envelope.data, envelope.end
    start, stop = _expect(data, envelope.start, end, _ENUMERATED)
    if not 1 <= stop - start <= 4:
        raise _bad("a result code is out of its range")
    code = int.from_bytes(data[start:stop], "big", signed=True)
    stop = _expect(data, stop, end, _OCTETS)[1]
    start, stop = _expect(data, stop, end, _OCTETS)
    return Done(code, _text(data[start:stop][:1000]).rstrip("\0"), _cookie(envelope))


def _cookie(envelope: Envelope) -> bytes | None:
    data, position, end = envelope.data, envelope.controls_start, envelope.controls_end
    while position < end:
        start, position = _expect(data, position, end, _SEQUENCE)
        first, last = _expect(data, start, position, _OCTETS)
        if data[first:last] != _PAGED_RESULTS:
            continue
        while last < position:
            tag, first, last = _element(data, last, position)
            if tag == _OCTETS:
                inner, inner_end = _expect(data, first, last, _SEQUENCE)
                inner = _expect(data, inner, inner_end, _INTEGER)[1]
                first, last = _expect(data, inner, inner_end, _OCTETS)
                return data[first:last]
        raise _bad("a paged results control has no value")
    return None
