# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""BitLocker's metadata as datums: a size, a role, a type, and what is inside; read by size alone, so that unknown ones are passed over.

Facts: the BDE format documentation of libyal/libbde, sections "Metadata entry" and "Metadata value". All integers are little-endian, GUIDs
in Windows' mixed order.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

#: types of datums
KEY, UNICODE, STRETCH_KEY, USE_KEY, AES_CCM_BOX, VMK_INFO, EXTERNAL_INFO, BACKUP_INFO, GUID = 1, 2, 3, 4, 5, 8, 9, 0x15, 0x17
#: key types, inside a key datum
STRETCHED_PASSWORD, EXTERNAL_KEY, VOLUME_MASTER_KEY, STRETCHED_RECOVERY_KEY = 0x1000, 0x2002, 0x2003, 0x2008

HEADER = struct.Struct("<4H")
_KEY_HEADER = struct.Struct("<2H")
NONCE_SIZE, MAC_SIZE = 12, 16


class BrokenDatumError(ValueError):
    """The sizes of datums do not fit into what holds them; the text names no content."""


@dataclass(frozen=True, slots=True)
class Datum:
    """One datum: ``body`` is what stands behind its eight bytes of size, role, type and flags."""

    role: int
    type: int
    flags: int
    body: bytes

    def nested(self, fixed: int) -> Iterator[Datum]:
        """The datums inside, behind ``fixed`` bytes that belong to this type; raises as :func:`walk`."""
        if len(self.body) < fixed:
            raise BrokenDatumError("a datum is shorter than its type needs")
        return walk(self.body[fixed:])


def walk(data: bytes) -> Iterator[Datum]:
    """The datums that stand one behind the other and fill ``data`` to its end.

    Raises:
        BrokenDatumError: a size does not fit, or bytes are left over; what came before was yielded.
    """
    offset = 0
    while offset < len(data):
        datum = datum_at(data, offset)
        if datum is None:
            raise BrokenDatumError("the size of a datum does not fit")
        yield datum
        offset += HEADER.size + len(datum.body)


def datum_at(data: bytes, offset: int) -> Datum | None:
    """The datum whose header stands at ``offset``; None where none fits there."""
    if not 0 <= offset <= len(data) - HEADER.size:
        return None
    size, role, kind, flags = HEADER.unpack_from(data, offset)
    if size < HEADER.size or offset + size > len(data):
        return None
    return Datum(role, kind, flags, bytes(data[offset + HEADER.size : offset + size]))


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A key with its type; shown nowhere."""

    type: int
    flags: int
    value: bytes


def key_of(datum: Datum) -> Key | None:
    """The key in a key datum, None where it is none."""
    if datum.type != KEY or len(datum.body) <= _KEY_HEADER.size:
        return None
    kind, flags = _KEY_HEADER.unpack_from(datum.body)
    return Key(kind, flags, datum.body[_KEY_HEADER.size :])


def only_key(plain: bytes) -> Key | None:
    """The key in a plaintext that is one key datum to its last byte, None for anything else."""
    datum = datum_at(plain, 0)
    return key_of(datum) if datum is not None and HEADER.size + len(datum.body) == len(plain) else None


@dataclass(frozen=True, slots=True)
class Box:
    """What AES-CCM sealed: the nonce, the MAC and the ciphertext, in the order of the disk."""

    role: int
    nonce: bytes
    mac: bytes
    ciphertext: bytes


def box_of(datum: Datum) -> Box | None:
    """The box in a datum, None where it is none or holds nothing."""
    start = NONCE_SIZE + MAC_SIZE
    if datum.type != AES_CCM_BOX or len(datum.body) <= start:
        return None
    return Box(datum.role, datum.body[:NONCE_SIZE], datum.body[NONCE_SIZE:start], datum.body[start:])


def guid_text(data: bytes) -> str:
    """A GUID of the disk in lower case without braces."""
    return str(uuid.UUID(bytes_le=data))


def guid_bytes(text: str) -> bytes:
    """The sixteen bytes of a GUID as they stand on the disk; ValueError where the text is none."""
    return uuid.UUID(text).bytes_le
