# SPDX-License-Identifier: GPL-3.0-or-later
"""The cryptography of a volume: password arithmetic, the stretch, boxes, and sectors."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.keyward.bitlocker.tests.lab.fve import datums
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

ROUNDS = 1 << 20
#: cipher of a volume -> length of its key
XTS_128, XTS_256, CBC_128, CBC_256 = 0x8004, 0x8005, 0x8002, 0x8003
FVEK_LENGTHS = {XTS_128: 32, XTS_256: 64, CBC_128: 16, CBC_256: 32, 0x8000: 64, 0x8001: 64}
SECTOR = 512


def password_bytes(password: str) -> bytes:
    """The 128 bits of a recovery password: each group over eleven is 16 of them."""
    numbers = [divmod(int(group), 11) for group in password.split("-")]
    if len(numbers) != 8 or any(rest for _number, rest in numbers):
        raise ValueError("no recovery password")
    return struct.pack("<8H", *(number for number, _rest in numbers))


def password_text(data: bytes) -> str:
    """The recovery password of 128 bits."""
    return "-".join(f"{11 * number:06d}" for number in struct.unpack("<8H", data))


def stretched(password: str, salt: bytes) -> bytes:
    """The AES key that a recovery password gives with a salt; about half a second."""
    rest = hashlib.sha256(password_bytes(password)).digest() + salt
    state = bytes(32)
    for turn in range(ROUNDS):
        state = hashlib.sha256(b"".join((state, rest, turn.to_bytes(8, "little")))).digest()
    return state


@dataclass(kw_only=True)
class Sealer:
    """Seals with one session's nonces: the session's time, and a counter that never repeats."""

    moment: datetime
    counter: int = 2
    #: what was sealed: check and ciphertext of each box
    sealed: list[bytes] = field(default_factory=list)

    def seal(self, key: bytes, plain: bytes, *, role: int = datums.PROPERTY) -> bytes:
        """A box around ``plain``."""
        nonce = struct.pack("<QI", datums.filetime(self.moment), self.counter)
        self.counter += 1
        sealed = AESCCM(key, tag_length=16).encrypt(nonce, plain, None)
        self.sealed.append(sealed[-16:] + sealed[:-16])
        return datums.box(nonce, sealed[-16:], sealed[:-16], role=role)


def encrypt_sectors(method: int, key: bytes, offset: int, data: bytes) -> bytes:
    """Sectors as they stand on the disk from ``offset`` on."""
    return b"".join(_encrypt_sector(method, key, offset + place, data[place : place + SECTOR]) for place in range(0, len(data), SECTOR))


def _encrypt_sector(method: int, key: bytes, offset: int, data: bytes) -> bytes:
    if method in (XTS_128, XTS_256):
        encryptor = Cipher(algorithms.AES(key), modes.XTS((offset // SECTOR).to_bytes(16, "little"))).encryptor()
    elif method in (CBC_128, CBC_256):
        first = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # the format's way to an initialisation vector
        encryptor = Cipher(algorithms.AES(key), modes.CBC(first.update(offset.to_bytes(16, "little")))).encryptor()
    else:
        raise ValueError(f"the lab writes no sectors of cipher {method:#x}")
    return encryptor.update(data) + encryptor.finalize()
