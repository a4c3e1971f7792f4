# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Which protectors a key package or a block of metadata holds, and what a block says of its volume; in the words of the collection.

Facts: the BDE format documentation of libyal/libbde, "Volume master key (VMK)" and "Encryption methods".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .datums import VMK_INFO, datum_at, guid_text
from .protector import EXTERNAL_KEY_PROTECTION, MAX_SIZE, RECOVERY_PASSWORD_PROTECTION

#: a volume has no more
MAX_PROTECTORS = 64

_FIXED = struct.Struct("<16sQ2H")
_TYPE = struct.pack("<H", VMK_INFO)
_TYPE_AT = 4
_ROLES = (2, 0)
_PROTECTIONS: Mapping[int, str] = MappingProxyType(
    {
        0x0000: "clear_key",
        0x0100: "tpm",
        EXTERNAL_KEY_PROTECTION: "external_key",
        0x0500: "tpm_pin",
        RECOVERY_PASSWORD_PROTECTION: "recovery_password",
        0x2000: "passphrase",
    }
)
_METHODS: Mapping[int, str] = MappingProxyType(
    {
        0x8000: "aes_128_diffuser",
        0x8001: "aes_256_diffuser",
        0x8002: "aes_128",
        0x8003: "aes_256",
        0x8004: "xts_aes_128",
        0x8005: "xts_aes_256",
    }
)


@dataclass(frozen=True, slots=True)
class ListedProtector:
    """One protector: its ID, and what protects it (``recovery_password``, ``external_key``, ``tpm``, ...)."""

    key_id: str
    type: str


def list_protectors(data: bytes) -> tuple[ListedProtector, ...]:
    """The protectors in a key package or a block of metadata, each once, in the order of the data, whatever stands around them.

    A protection that nobody has described is passed over: what looks like a protector in the middle of a ciphertext has one of those.
    """
    found: dict[str, ListedProtector] = {}
    place = data.find(_TYPE, 0, MAX_SIZE)
    while place >= 0 and len(found) < MAX_PROTECTORS:
        datum = datum_at(data[:MAX_SIZE], place - _TYPE_AT)
        if datum is not None and datum.role in _ROLES and len(datum.body) >= _FIXED.size:
            guid, _time, _unknown, protection = _FIXED.unpack_from(datum.body)
            word = _PROTECTIONS.get(protection)
            if word is not None:
                found.setdefault(guid_text(guid), ListedProtector(guid_text(guid), word))
        place = data.find(_TYPE, place + 1, MAX_SIZE)
    return tuple(found.values())


def method_word(number: int) -> str:
    """The encryption method of a dataset's head, as observations name it; ``unknown_0x...`` for one that nobody has described."""
    return _METHODS.get(number, f"unknown_{number:#06x}")
