# SPDX-License-Identifier: GPL-3.0-or-later
"""Key packages that the lab's own encoder writes, for proofs without a real volume beside the checkout; every stretch is made once."""

from __future__ import annotations

import hashlib
from functools import cache

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Proof, prove_recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.tests.lab.fve import datums, sealing
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import FORMS, FveVolume

KEY_ID = "0f5c8a52-7c4e-4a0b-9a57-3c1d5e6f7a8b"
RIGHT = "042647-302313-590458-071500-554323-116567-412181-516978"
#: of an earlier encryption of the same volume
FORMER = "000011-000022-000033-000044-000055-000066-000077-000088"
WRONG = "042647-302313-590458-071500-554323-116567-516978-412181"


def lab_stretch(password: str, salt: bytes) -> bytes:
    """A stand-in for the stretch that costs nothing: what is proven here is what is made of its result, for which any will do."""
    return hashlib.sha256(b"stand-in" + sealing.password_bytes(password) + salt).digest()


def our_stretch(binary: Secret[bytes], salt: bytes) -> Secret[bytes]:
    """The same for the product."""
    return Secret(hashlib.sha256(b"stand-in" + binary.reveal() + salt).digest())


@cache
def volume(form: str = "windows_10", seed: str = "now", password: str = RIGHT) -> FveVolume:
    """A volume with one recovery password; not to be changed."""
    made = FveVolume(seed=seed, stretch=lab_stretch)
    made.add_recovery_password(KEY_ID, password, FORMS[form])
    return made


def package(form: str = "windows_10", seed: str = "now", password: str = RIGHT) -> bytes:
    """Its key package."""
    return volume(form, seed, password).package(KEY_ID)


def prove(password: str, *readings: bytes, key_id: str = KEY_ID) -> Proof:
    """The product's word; one reading counts as two that are alike."""
    return prove_recovery_password(Secret(password), key_id, readings if len(readings) > 1 else readings * 2, stretch=our_stretch)


def cryptographic(data: bytes) -> set[int]:
    """The positions of salts, nonces, MACs and ciphertexts of the protector, walked from its GUID."""
    start = data.index(datums.guid(KEY_ID)) - 8
    if data[start + 4 : start + 6] != b"\x08\x00":
        start = data.index(datums.guid(KEY_ID), start + 9) - 8
    found: set[int] = set()

    def collect(offset: int, until: int) -> None:
        while offset < until:
            size, _role, kind, _flags = (int.from_bytes(data[offset + step : offset + step + 2], "little") for step in (0, 2, 4, 6))
            if size < 8:
                raise ValueError("no datum")
            if kind == 5:
                found.update(range(offset + 8, offset + size))
            if kind == 3:
                found.update(range(offset + 12, offset + 28))
                collect(offset + 28, offset + size)
            offset += size

    collect(start + 36, start + int.from_bytes(data[start : start + 2], "little"))
    return found
