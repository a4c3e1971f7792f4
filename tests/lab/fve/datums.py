# SPDX-License-Identifier: GPL-3.0-or-later
"""Datums as bytes: each function writes one, and the frame around them. Integers little-endian, GUIDs in Windows' mixed order."""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
DATASET_HEADER = 48
#: roles of datums
PROPERTY, VMK_ROLE, FVEK_ROLE, EXTERNAL_ROLE, DESCRIPTION_ROLE, VIRTUALISATION_ROLE = 0, 2, 3, 6, 7, 0xF
DIGITS_ROLE, STRETCHED_ROLE, PRF_ROLE, PRF_SALT_ROLE, PRF_ROUNDS_ROLE, VOLUME_GUID_ROLE = 0x12, 0x13, 0x14, 0x15, 0x16, 0x19
#: types of keys
PASSWORD_KEY, EXTERNAL_KEY, VMK_KEY, HASH_KEY, RECOVERY_KEY = 0x1000, 0x2002, 0x2003, 0x2005, 0x2008
#: protections
CLEAR, TPM, EXTERNAL, TPM_PIN, RECOVERY_PASSWORD, PASSPHRASE = 0, 0x100, 0x200, 0x500, 0x800, 0x2000
#: flag of a stretch: PBKDF2 in place of the rounds
PBKDF2 = 0x40


def filetime(moment: datetime) -> int:
    """100 ns since 1601."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 10


def guid(text: str) -> bytes:
    """The sixteen bytes of a GUID."""
    return uuid.UUID(text).bytes_le


def datum(role: int, kind: int, body: bytes, flags: int = 1) -> bytes:
    """One datum: size with the header, role, type, flags."""
    return struct.pack("<HHHH", 8 + len(body), role, kind, flags) + body


def text(words: str, role: int = PROPERTY) -> bytes:
    """A text, NUL-terminated."""
    return datum(role, 0x02, words.encode("utf-16-le") + b"\0\0")


def key(kind: int, value: bytes, *, role: int = PROPERTY, flags: int = 0) -> bytes:
    """A key in clear."""
    return datum(role, 0x01, struct.pack("<HH", kind, flags) + value)


def sealed_key(kind: int, value: bytes) -> bytes:
    """A key as it stands inside a box: no role, no flag of being inside a container."""
    return datum(0, 0x01, struct.pack("<HH", kind, 0) + value, flags=0)


def stretch_key(salt: bytes, nested: bytes, *, kind: int = PASSWORD_KEY, flags: int = 0) -> bytes:
    """How a key is made from a password: the salt, and what the volume master key sealed in turn."""
    return datum(PROPERTY, 0x03, struct.pack("<HH", kind, flags) + salt + nested)


def use_key(nested: bytes, *, kind: int = EXTERNAL_KEY) -> bytes:
    """A key that comes from outside, sealed by the volume master key."""
    return datum(PROPERTY, 0x04, struct.pack("<HH", kind, 0) + nested)


def box(nonce: bytes, mac: bytes, ciphertext: bytes, *, role: int = PROPERTY) -> bytes:
    """What AES-CCM sealed, in the order of the disk."""
    return datum(role, 0x05, nonce + mac + ciphertext)


def vmk_info(key_id: str, moment: datetime, protection: int, nested: bytes, *, role: int = VMK_ROLE, unknown: int = 0) -> bytes:
    """A protector."""
    return datum(role, 0x08, guid(key_id) + struct.pack("<QHH", filetime(moment), unknown, protection) + nested)


def external_info(key_id: str, moment: datetime, nested: bytes) -> bytes:
    """What a .BEK file is about."""
    return datum(EXTERNAL_ROLE, 0x09, guid(key_id) + struct.pack("<Q", filetime(moment)) + nested)


def backup_info(created: datetime, backed_up: datetime, kind: int = 8) -> bytes:
    """Where Windows saved the recovery password."""
    return datum(PROPERTY, 0x15, struct.pack("<QQHH", filetime(created), filetime(backed_up), kind, 2))


def volume_guid(text_: str) -> bytes:
    """The volume's GUID, inside a .BEK file of Windows 11."""
    return datum(VOLUME_GUID_ROLE, 0x17, guid(text_))


def large_number(value: int, role: int) -> bytes:
    """A 64-bit number."""
    return datum(role, 0x14, struct.pack("<Q", value))


def virtualisation(offset: int, size: int) -> bytes:
    """Where the first sectors were moved to."""
    return datum(VIRTUALISATION_ROLE, 0x0F, struct.pack("<QQ", offset, size) + bytes(76))


def dataset(identifier: str, datums: bytes, *, counter: int, method: int, created: datetime) -> bytes:
    """The frame: its size, version 1, the size of its header, the end of its data, a GUID, the next nonce, the cipher (twice), a time."""
    size = DATASET_HEADER + len(datums)
    return (
        struct.pack("<IIII", size, 1, DATASET_HEADER, size)
        + guid(identifier)
        + struct.pack("<IHHQ", counter, method, method, filetime(created))
        + datums
    )
