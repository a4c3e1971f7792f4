# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""From a recovery password or an external key to the volume master key: the stretch, and the unwrap that is the proof.

Facts: the BDE format documentation of libyal/libbde, "Recovery key protected VMK" and "AES-CCM encrypted key"; checked against volumes
that Windows made.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from functools import cache

from ..redaction import Secret
from .datums import Box

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM
except ImportError:  # reported by the action's require()
    pass

#: rounds of SHA-256; the format has no other number
ROUNDS = 0x100000
SALT_SIZE = 16
KEY_SIZE = 32

_COUNTER = struct.Struct("<Q")
_COUNTERS_AT_ONCE = 0x1000


#: makes an AES key from an intermediate key (32 bytes) and a salt, as :func:`stretch` does and nothing else
Rounds = Callable[[bytes, bytes], bytes]


def stretch(intermediate: bytes, salt: bytes, *, start: int = 0, stop: int = ROUNDS) -> bytes:
    """A million rounds over the last hash, the intermediate key, the salt and a counter, 88 bytes in all.

    ``start`` and ``stop``: a part of the counters, for what is held against this; it begins with a hash of zeros too.
    """
    check_sizes(intermediate, salt)
    last = bytes(32)
    tail = intermediate + salt
    sha256 = hashlib.sha256
    for first in range(start, stop, _COUNTERS_AT_ONCE):
        for suffix in [tail + _COUNTER.pack(number) for number in range(first, min(first + _COUNTERS_AT_ONCE, stop))]:
            last = sha256(last + suffix).digest()
    return last


def check_sizes(intermediate: bytes, salt: bytes) -> None:
    """Refuse what cannot be stretched.

    Raises:
        ValueError: an intermediate key or a salt of another size.
    """
    if len(salt) != SALT_SIZE or len(intermediate) != KEY_SIZE:
        raise ValueError(f"an intermediate key has {KEY_SIZE} bytes and a salt {SALT_SIZE}")


def recovery_password_key(binary: Secret[bytes], salt: bytes, *, rounds: Rounds = stretch) -> Secret[bytes]:
    """The AES key of a recovery password in its binary form and a protector's salt. About 0.5 s of one core: it cannot be split.

    ``rounds``: another way to the same result.
    """
    return Secret(rounds(hashlib.sha256(binary.reveal()).digest(), salt))


class NoKeyError(ValueError):
    """What is given as a key is none: nothing follows from it that it opens nothing."""


def unwrap(key: Secret[bytes], box: Box) -> bytes | None:
    """What the box holds, None where this key did not seal it: a MAC of sixteen bytes leaves no room for chance.

    Raises:
        NoKeyError: the key has other than 32 bytes.
    """
    value = key.reveal()
    if len(value) != KEY_SIZE:
        raise NoKeyError(f"a key has {KEY_SIZE} bytes, and this one has {len(value)}")
    try:
        return AESCCM(value, tag_length=16).decrypt(box.nonce, box.ciphertext + box.mac, None)
    except (InvalidTag, ValueError):
        return None


@cache
def self_test(rounds: Rounds) -> bool:
    """Whether these rounds and unwrap give here what a published Windows 10 recovery password gives (John the Ripper's test vector).

    Asked for before anybody is told that a key does not open: a broken library must not make good keys look wrong.
    """
    binary = bytes.fromhex("a9271227a6f2584a3ba649e6dccac576")
    sealed = bytes.fromhex(
        "3e57c68216ef3d2b8139fdb0ec74254bdf453e688401e89b41cae7c250739a8b36edd4fe86a597b5823cf3e0f41c98f623b528960a4bee00c42131ef"
    )
    box = Box(0, bytes.fromhex("a0da3fc75f6cd30106000000"), sealed[:16], sealed[16:])
    salt = bytes.fromhex("432dd19f37dd413a88552225628c8ae5")
    plain = unwrap(recovery_password_key(Secret(binary), salt, rounds=rounds), box)
    expected = bytes.fromhex("2c000000010000000320000057adebffd7770bf878ed0752a9daa1cfdcaeb2fd29d764a1dd4388424ab16ddf")
    return plain == expected
