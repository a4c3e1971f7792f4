# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Packed answers, a bounded piece at a time; pure.

HTTP libraries unpack whatever a peer names, in whatever depth, and a piece of it whole before anybody can count. Here gzip is asked for and
nothing else is unpacked, and no more of it than there is room for.
"""

from __future__ import annotations

import zlib

#: what is asked for
ACCEPTED = "gzip"
#: RFC 9110 8.4.1.3: a recipient takes x-gzip for gzip
_GZIP = frozenset({"gzip", "x-gzip"})
#: zlib's window bits for the gzip format
_WINDOW = 16 + zlib.MAX_WBITS


class Unpacker:
    """Turns the pieces of one body into what they stand for.

    Args:
        encoding: the answer's Content-Encoding.

    Raises:
        ValueError: it is none that was asked for.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in _GZIP | {"", "identity"}:
            raise ValueError("an encoding that was not asked for")
        self._packed = name in _GZIP
        self._member = zlib.decompressobj(_WINDOW)
        self._begun = False

    def feed(self, data: bytes, room: int) -> bytes:
        """What a piece stands for; more than ``room`` bytes, but not many more, where it stands for too many.

        Raises:
            ValueError: it is not packed as the answer says.
        """
        if not self._packed:
            return data
        parts: list[bytes] = []
        while data and room >= 0:
            # a body may have several members (RFC 1952 2.2)
            if self._member.eof:
                self._member = zlib.decompressobj(_WINDOW)
            self._begun = True
            try:
                parts.append(self._member.decompress(data, room + 1))
            except zlib.error as error:
                raise ValueError("it is not packed as it says") from error
            room -= len(parts[-1])
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return b"".join(parts)

    @property
    def ended(self) -> bool:
        """Whether nothing is missing at the end of what was fed so far."""
        return self._member.eof or not self._begun
