# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovery passwords and a .BEK file of real volumes: all proven, nothing else proven, and no flipped bit called a wrong key."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.datums import datum_at
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.external_key import parse_external_key
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import (
    Outcome,
    Proof,
    prove_external_key,
    prove_recovery_password,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.volume import metadata_offsets, parse_block
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.key_proof.real_volumes import (
    FOLDER,
    block,
    boot_sector,
    needs_volumes,
    package,
    stretch,
    unlocks,
    volumes,
)

pytestmark = needs_volumes


def prove(unlock: dict[str, Any], *readings: bytes, password: str | None = None) -> Proof:
    return prove_recovery_password(Secret(password or unlock["recovery_password"]), unlock["protector"], readings, stretch=stretch)


@pytest.mark.parametrize(("volume", "unlock"), unlocks("recovery_password"))
def test_a_real_recovery_password_is_proven(volume: dict[str, Any], unlock: dict[str, Any]) -> None:
    for data in (package(unlock), block(volume)):
        proof = prove(unlock, data)
        assert proof.outcome is Outcome.PROVEN
        assert proof.master_key == Secret(bytes.fromhex(unlock["vmk"]))


def test_the_passwords_of_one_volume_do_not_open_each_others_protectors() -> None:
    volume = next(volume for volume in volumes() if volume["name"].endswith("two-recovery"))
    first, second = [unlock for unlock in volume["unlock"] if unlock["how"] == "recovery_password"]
    data = block(volume)
    assert prove(first, data, data, password=second["recovery_password"]).outcome is Outcome.REFUTED
    assert prove(second, data, data, password=first["recovery_password"]).outcome is Outcome.REFUTED


def test_a_wrong_password_is_wrong_only_when_read_twice_alike() -> None:
    volume = volumes()[0]
    unlock = next(unlock for unlock in volume["unlock"] if unlock["how"] == "recovery_password")
    data, wrong = package(unlock), "-".join(["000011"] * 8)
    other = bytearray(data)
    other[100] ^= 1
    assert prove(unlock, data, data, password=wrong).outcome is Outcome.REFUTED
    assert prove(unlock, data, password=wrong).outcome is Outcome.INCONCLUSIVE
    assert prove(unlock, data, bytes(other), password=wrong).outcome is Outcome.INCONCLUSIVE
    assert prove(unlock, data, b"", password=wrong).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("volume", "unlock"), unlocks("recovery_password"))
def test_every_flipped_bit(volume: dict[str, Any], unlock: dict[str, Any]) -> None:
    """In salts, nonces, MACs and ciphertexts: never proven. Anywhere else: proven or inconclusive, never refuted."""
    whole = package(unlock)
    salt = bytes.fromhex(next(p["salt"] for p in volume["protectors"] if p["guid"] == unlock["protector"]))

    def one_stretch(binary: Secret[bytes], found: bytes) -> Secret[bytes]:
        return stretch(binary, found) if found == salt else Secret(bytes(32))

    cryptographic = _cryptographic(whole, unlock["protector"])
    assert len(cryptographic) >= 16 + 72 + 56
    for position in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << bit
            readings = [bytes(flipped)] * 2
            proof = prove_recovery_password(Secret(unlock["recovery_password"]), unlock["protector"], readings, stretch=one_stretch)
            if position in cryptographic:
                assert proof.outcome is not Outcome.PROVEN, f"byte {position} bit {bit}"
            else:
                assert proof.outcome is not Outcome.REFUTED, f"byte {position} bit {bit}: {proof.reason}"


def _cryptographic(data: bytes, key_id: str) -> set[int]:
    """The positions of salt, nonces, MACs and ciphertexts of a protector, walked by hand from its GUID."""
    start = data.index(uuid.UUID(key_id).bytes_le) - 8
    found: set[int] = set()
    end = start + int.from_bytes(data[start : start + 2], "little")

    def collect(offset: int, until: int) -> None:
        while offset < until:
            datum = datum_at(data, offset)
            assert datum is not None
            size = 8 + len(datum.body)
            if datum.type == 5:
                found.update(range(offset + 8, offset + size))
            if datum.type == 3:
                found.update(range(offset + 12, offset + 28))
                collect(offset + 28, offset + size)
            offset += size

    collect(start + 36, end)
    return found


@pytest.mark.parametrize(("volume", "unlock"), unlocks("recovery_password"))
def test_a_truncated_package_is_never_a_wrong_key(volume: dict[str, Any], unlock: dict[str, Any]) -> None:
    whole = package(unlock)
    for length in range(len(whole)):
        assert prove(unlock, *[whole[:length]] * 2).outcome is not Outcome.REFUTED


@pytest.mark.parametrize(("volume", "unlock"), unlocks("recovery_password"))
def test_the_frame_does_not_matter(volume: dict[str, Any], unlock: dict[str, Any]) -> None:
    datum = package(unlock)[48:]
    for number in range(100):
        frame = bytes((number * 37 + step * 11) % 256 for step in range(number))
        assert prove(unlock, frame + datum + frame[::-1]).outcome is Outcome.PROVEN
    assert prove(unlock, datum + datum).outcome is Outcome.INCONCLUSIVE, "a protector that is there twice"


@pytest.mark.parametrize(("volume", "unlock"), unlocks("bek"))
def test_a_real_external_key_is_proven(volume: dict[str, Any], unlock: dict[str, Any]) -> None:
    external = parse_external_key(Secret((FOLDER / unlock["bek"]).read_bytes()))
    data = block(volume)
    assert (external.key_id, external.volume_guid) == (unlock["protector"], unlock["bek_volume_guid"])
    proof = prove_external_key(external.key, external.key_id, [data])
    assert (proof.outcome, proof.master_key) == (Outcome.PROVEN, Secret(bytes.fromhex(unlock["vmk"])))
    assert prove_external_key(Secret(bytes(32)), external.key_id, [data, data]).outcome is Outcome.REFUTED


@pytest.mark.parametrize(("volume", "unlock"), unlocks("recovery_password"))
def test_a_real_volume_tells_where_its_metadata_are_and_who_sealed_them(volume: dict[str, Any], unlock: dict[str, Any]) -> None:
    copy = parse_block(block(volume))
    assert metadata_offsets(boot_sector(volume)) == copy.offsets == tuple(volume["all_metadata_offsets"])
    assert (copy.volume_guid, f"{copy.method:#x}") == (volume["volume_guid"], volume["encryption_method"])
    assert (copy.intact, copy.state) == (True, "encrypted")
    assert copy.authenticated(Secret(bytes.fromhex(unlock["vmk"]))) is True
    assert copy.authenticated(Secret(bytes(32))) is False


def test_a_passphrase_is_no_recovery_password() -> None:
    volume = volumes()[0]
    passphrase = next(unlock for unlock in volume["unlock"] if unlock["how"] == "passphrase")
    proof = prove({"recovery_password": "-".join(["000011"] * 8), "protector": passphrase["protector"]}, *[block(volume)] * 2)
    assert proof.outcome is Outcome.INCONCLUSIVE
    assert "another kind" in proof.reason
