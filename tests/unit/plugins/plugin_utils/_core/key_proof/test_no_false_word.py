# SPDX-License-Identifier: GPL-3.0-or-later
"""Never a false word: whatever is done to a package, a right password is not called wrong, a wrong one not right, and it ends soon."""

from __future__ import annotations

import random
import struct
import time
import uuid

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.datums import HEADER
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import (
    Outcome,
    prove_external_key,
    prove_recovery_password,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.protector import MAX_SIZE
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.tests.lab.fve import datums, sealing
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import FIPS, FORMS, WINDOWS_8, FveVolume
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.key_proof.synthesised import (
    FORMER,
    KEY_ID,
    RIGHT,
    WRONG,
    cryptographic,
    lab_stretch,
    our_stretch,
    package,
    prove,
    volume,
)
from hypothesis import given, settings
from hypothesis import strategies as st

PROVEN, REFUTED, INCONCLUSIVE = Outcome.PROVEN, Outcome.REFUTED, Outcome.INCONCLUSIVE
KINDS = sorted(FORMS)


def parts(data: bytes) -> list[bytes]:
    """The datums inside the protector's, and behind the 28 bytes that are its own."""
    inside = data[36:]
    found = []
    while inside:
        size = int.from_bytes(inside[:2], "little")
        found.append(inside[:size])
        inside = inside[size:]
    return found


def protector(*inner: bytes, protection: int = datums.RECOVERY_PASSWORD, role: int = datums.VMK_ROLE, unknown: int = 0) -> bytes:
    """A protector with these datums inside."""
    return datums.vmk_info(KEY_ID, volume().created, protection, b"".join(inner), role=role, unknown=unknown)


@pytest.mark.parametrize("form", KINDS)
def test_as_it_is(form: str) -> None:
    data = package(form)
    assert (prove(RIGHT, data).outcome, prove(WRONG, data).outcome) == (PROVEN, REFUTED)
    assert prove(RIGHT, data).master_key == Secret(volume(form).vmk)


@pytest.mark.parametrize("form", KINDS)
def test_every_flipped_bit(form: str) -> None:
    data = package(form)
    sealed = cryptographic(data)
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            right, wrong = prove(RIGHT, bytes(flipped)), prove(WRONG, bytes(flipped))
            assert right.outcome is not (PROVEN if position in sealed else REFUTED), f"byte {position} bit {bit}: {right.reason}"
            assert wrong.outcome is not PROVEN, f"byte {position} bit {bit}"


@pytest.mark.parametrize("form", KINDS)
def test_truncated_anywhere(form: str) -> None:
    data = package(form)
    for length in range(len(data)):
        assert prove(RIGHT, data[:length]).outcome is not REFUTED
        assert prove(RIGHT, data[length:]).outcome is not REFUTED
        assert prove(WRONG, data[:length]).outcome is not PROVEN


def test_framed_in_any_way() -> None:
    datum = volume().protectors[KEY_ID]
    rng = random.Random(1)
    for number in range(200):
        framed = rng.randbytes(number) + datum + rng.randbytes(200 - number)
        assert (prove(RIGHT, framed).outcome, prove(WRONG, framed).outcome) == (PROVEN, REFUTED)
    assert prove(RIGHT, bytes(MAX_SIZE - len(datum)) + datum).outcome is PROVEN
    assert prove(RIGHT, bytes(MAX_SIZE - len(datum) + 1) + datum).outcome is INCONCLUSIVE


def test_frames_that_differ_refute_as_one_does() -> None:
    made = volume()
    first, second = (made.package(KEY_ID, counter=number) for number in (50, 51))
    assert first != second
    assert prove(WRONG, first, second).outcome is REFUTED


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_spliced_from_two_encryptions_of_one_volume(data: st.DataObject) -> None:
    """What is proven has the password's own salt, wrapped key and digits in it, wherever the seams are."""
    sources = {RIGHT: package(), FORMER: package(seed="formerly", password=FORMER)}
    seams = sorted(data.draw(st.lists(st.integers(0, len(package())), min_size=1, max_size=4)))
    order = [data.draw(st.sampled_from([RIGHT, FORMER])) for _unused in range(len(seams) + 1)]
    edges = [0, *seams, len(package())]
    spliced = b"".join(sources[name][edges[place] : edges[place + 1]] for place, name in enumerate(order))
    assert prove(WRONG, spliced).outcome is not PROVEN
    for password, source in sources.items():
        if prove(password, spliced).outcome is PROVEN:
            assert all(spliced[position] == source[position] for position in cryptographic(source))


@given(st.lists(st.sampled_from(range(8)), max_size=8), st.booleans())
@settings(max_examples=150, deadline=None)
def test_datums_doubled_left_out_reordered_and_unknown(chosen: list[int], other: bool) -> None:
    """Datums of two encryptions and strange ones in any order and number."""
    ours, theirs = parts(volume().protectors[KEY_ID]), parts(volume(seed="formerly", password=FORMER).protectors[KEY_ID])
    assert len(ours) == len(theirs) == 3
    strange = datums.datum(0, 0x4711, b"strange"), datums.text("a label")
    pool = [*ours, *(theirs if other else ours), *strange]
    inner = [pool[number] for number in chosen]
    for password, own in ((RIGHT, ours), (FORMER, theirs)):
        proof = prove(password, protector(*inner))
        if own[0] in inner and own[1] in inner and not (other and any(item in inner for item in (theirs if own is ours else ours)[:2])):
            assert proof.outcome is not REFUTED
        if proof.outcome is PROVEN:
            assert own[0] in inner
            assert own[1] in inner
    assert prove(WRONG, protector(*inner)).outcome is not PROVEN


def test_a_wrong_password_is_wrong_only_where_everything_is_understood() -> None:
    stretch, wrapped, backup = parts(volume().protectors[KEY_ID])
    salt, sealed = stretch[12:28], stretch[28:]
    assert prove(WRONG, protector(stretch, wrapped, backup)).outcome is REFUTED
    assert prove(WRONG, protector(stretch, wrapped)).outcome is REFUTED
    odd = {
        "no wrapped key": protector(stretch),
        "two wrapped keys": protector(stretch, wrapped, wrapped),
        "no stretch": protector(wrapped),
        "two stretches": protector(stretch, stretch, wrapped),
        "a stretch and a key from outside": protector(stretch, datums.use_key(b""), wrapped),
        "an unknown datum": protector(stretch, wrapped, datums.datum(0, 0x4711, b"?")),
        "a key in clear": protector(stretch, wrapped, datums.key(0x2000, bytes(32))),
        "another type of stretch": protector(datums.stretch_key(salt, sealed, kind=0x1001), wrapped),
        "a flag of the stretch": protector(datums.stretch_key(salt, sealed, flags=0x10), wrapped),
        "FIPS mode": protector(datums.stretch_key(salt, sealed, flags=0x40), wrapped),
        "FIPS mode by its text alone": protector(datums.stretch_key(salt, sealed + datums.text("PBKDF2_HMAC_SHA256", 0x14)), wrapped),
        "a number in the stretch": protector(datums.stretch_key(salt, sealed + datums.large_number(10_000, 0x16)), wrapped),
        "a box of another role in the stretch": protector(datums.stretch_key(salt, sealed + _box(0x18)), wrapped),
        "a wrapped key of another role": protector(stretch, _role(wrapped, 0x12)),
        "a wrapped key of another size": protector(stretch, datums.datum(0, 5, wrapped[8:] + b"\0")),
        "a word that nobody knows": protector(stretch, wrapped, unknown=1),
        "a flag of a datum": protector(stretch, wrapped[:6] + b"\x03\x00" + wrapped[8:]),
        "a flag of the protector's datum": _flags(protector(stretch, wrapped), 2),
        "a flag of a sealed datum": protector(datums.stretch_key(salt, _flags(sealed, 4)), wrapped),
        "bytes left over": protector(stretch, wrapped, b"\0\0\0"),
        "bytes left over in the stretch": protector(datums.stretch_key(salt, sealed + b"\0"), wrapped),
        "another protection": protector(stretch, wrapped, protection=0x0801),
        "twice": protector(stretch, wrapped) * 2,
        "nothing": b"",
    }
    for name, data in odd.items():
        proof = prove(WRONG, data)
        assert proof.outcome is INCONCLUSIVE, name
        assert proof.reason, name
        assert prove(RIGHT, data).outcome is not REFUTED, name


def _box(role: int) -> bytes:
    return sealing.Sealer(moment=volume().created, counter=99).seal(volume().vmk, datums.sealed_key(0x2000, bytes(16)), role=role)


def _role(datum: bytes, role: int) -> bytes:
    return datum[:2] + struct.pack("<H", role) + datum[4:]


def _flags(datum: bytes, flags: int) -> bytes:
    return datum[:6] + struct.pack("<H", flags) + datum[8:]


def test_an_odd_protector_proves_only_what_its_own_digits_say() -> None:
    """The wrapped key of an earlier encryption beside the present one: it opens, and says nothing of the volume of today."""
    stretch, wrapped, _backup = parts(volume().protectors[KEY_ID])
    bare = datums.stretch_key(stretch[12:28], b"")
    former = _wrapped(seed="formerly")
    assert prove(RIGHT, protector(stretch, former)).outcome is INCONCLUSIVE, "what it opens did not seal what is beside it"
    assert prove(RIGHT, protector(bare, former, wrapped)).outcome is INCONCLUSIVE
    assert prove(RIGHT, protector(bare, wrapped)).outcome is PROVEN, (
        "understood to its last byte, though nothing was sealed (nobody has seen one)"
    )
    assert prove(RIGHT, protector(bare, wrapped, datums.datum(0, 0x4711, b"?"))).outcome is INCONCLUSIVE


def _wrapped(seed: str) -> bytes:
    """The master key of another encryption, wrapped with the right password and salt."""
    other = volume(seed=seed, password=FORMER)
    return sealing.Sealer(moment=other.created).seal(
        lab_stretch(RIGHT, volume().salt(KEY_ID)), datums.sealed_key(datums.VMK_KEY, other.vmk)
    )


def test_digits_of_another_password_are_no_proof() -> None:
    made = volume()
    sealer = sealing.Sealer(moment=made.created, counter=40)
    digits = sealer.seal(made.vmk, datums.sealed_key(datums.PASSWORD_KEY, sealing.password_bytes(FORMER)), role=datums.DIGITS_ROLE)
    wrapped = parts(made.protectors[KEY_ID])[1]
    proof = prove(RIGHT, protector(datums.stretch_key(made.salt(KEY_ID), digits), wrapped))
    assert proof.outcome is INCONCLUSIVE
    assert "another password" in proof.reason


def test_what_is_wrapped_must_be_a_master_key() -> None:
    made = volume()
    stretch = parts(made.protectors[KEY_ID])[0]
    key = lab_stretch(RIGHT, made.salt(KEY_ID))
    for plain in (datums.sealed_key(0x2002, made.vmk), datums.sealed_key(datums.VMK_KEY, made.vmk[:16]), bytes(44), b"x"):
        wrapped = sealing.Sealer(moment=made.created).seal(key, plain)
        assert prove(RIGHT, protector(stretch, wrapped)).outcome is INCONCLUSIVE


@pytest.mark.parametrize("password", [RIGHT, WRONG])
def test_fips_mode(password: str) -> None:
    made = FveVolume(seed="fips", stretch=lab_stretch)
    made.add_recovery_password(KEY_ID, password, FIPS)
    for proven in (RIGHT, WRONG):
        assert prove(proven, made.package(KEY_ID)).outcome is INCONCLUSIVE


def test_a_suspended_volume_is_proven_as_any_other() -> None:
    made = FveVolume(seed="suspended", stretch=lab_stretch)
    made.add_clear_key("5f5c8a52-7c4e-4a0b-9a57-3c1d5e6f7a8b")
    made.add_recovery_password(KEY_ID, RIGHT, WINDOWS_8)
    assert (prove(RIGHT, made.block()).outcome, prove(WRONG, made.block()).outcome) == (PROVEN, REFUTED)
    assert prove(RIGHT, made.block(), key_id="5f5c8a52-7c4e-4a0b-9a57-3c1d5e6f7a8b").outcome is INCONCLUSIVE


@given(st.binary(max_size=300), st.integers(0, 300))
@settings(max_examples=200, deadline=None)
def test_rubbish_with_the_protectors_guid_in_it(rubbish: bytes, place: int) -> None:
    """A GUID inside ciphertext or anywhere else: found once more, it may silence a proof, and never turns one."""
    guid = uuid.UUID(KEY_ID).bytes_le
    spoiled = rubbish[:place] + guid + rubbish[place:]
    for data in (spoiled, spoiled + package(), package() + spoiled):
        assert prove(RIGHT, data).outcome is not REFUTED
        assert prove(WRONG, data).outcome is not PROVEN


@given(st.binary(min_size=1, max_size=4096), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_64_kib_of_rubbish(seed: bytes, shift: int) -> None:
    rubbish = (seed * (MAX_SIZE // len(seed) + 1))[:MAX_SIZE]
    key_id = str(uuid.UUID(bytes_le=(rubbish[shift : shift + 16] + bytes(16))[:16]))
    started = time.process_time()
    assert prove(WRONG, rubbish, key_id=key_id).outcome is INCONCLUSIVE
    assert time.process_time() - started < 2.0


def test_a_key_id_that_is_a_header_over_and_over_costs_nothing() -> None:
    """The host chooses the key ID too: made of headers that fit everywhere, it would be found eight thousand times."""
    header = HEADER.pack(0x4000, 2, 8, 1)
    started = time.process_time()
    proof = prove(WRONG, header * (MAX_SIZE // 8), key_id=str(uuid.UUID(bytes_le=header * 2)))
    assert time.process_time() - started < 0.1
    assert (proof.outcome, proof.reason) == (INCONCLUSIVE, "it holds the protector more than once")


def test_thousands_of_strange_datums_make_no_long_story() -> None:
    stretch, wrapped, _backup = parts(volume().protectors[KEY_ID])
    strange = b"".join(HEADER.pack(8, 0, 0x100 + number, 1) for number in range(7000))
    proof = prove(WRONG, protector(stretch, wrapped, strange))
    assert proof.outcome is INCONCLUSIVE
    assert len(proof.reason) < 300
    boxes = protector(stretch, *[wrapped] * 700)
    started = time.process_time()
    assert prove(WRONG, boxes).outcome is INCONCLUSIVE
    assert time.process_time() - started < 2.0


def test_what_cannot_be_asked_is_answered_all_the_same() -> None:
    for key_id, readings in ((KEY_ID, []), ("no GUID", [package()] * 2), ("", [package()] * 2)):
        proof = prove_recovery_password(Secret(RIGHT), key_id, readings, stretch=our_stretch)
        assert proof.outcome is INCONCLUSIVE
    made = FveVolume(seed="outside")
    made.add_external_key(KEY_ID)
    for key in (b"", made.external_keys[KEY_ID][:31], made.external_keys[KEY_ID] + b"\0", made.external_keys[KEY_ID][:16]):
        assert prove_external_key(Secret(key), KEY_ID, [made.package(KEY_ID)] * 2).outcome is INCONCLUSIVE
    assert prove_external_key(Secret(made.external_keys[KEY_ID]), KEY_ID, [made.package(KEY_ID)]).outcome is PROVEN


def test_broken_cryptography_refutes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof import unsealing

    monkeypatch.setattr(unsealing, "self_test", lambda _rounds: False)
    assert prove(WRONG, package()).outcome is INCONCLUSIVE
