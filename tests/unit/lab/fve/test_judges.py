# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab writes is BitLocker to everybody: three independent programs open it, refuse wrong keys, and our proof agrees with each."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.external_key import parse_external_key
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import (
    Outcome,
    prove_external_key,
    prove_recovery_password,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.volume import metadata_offsets, parse_block
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.tests.lab.fve import sealing
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import BLOCKS, FIPS, FveVolume
from ansible_collections.keyward.bitlocker.tests.unit.lab.fve.judges import (
    cryptsetup_opens,
    dissect_finds_intact,
    dissect_opens,
    dissect_opens_package,
    dissect_takes_external_key,
    libbde_opens,
    needs_cryptsetup,
    needs_dissect,
    needs_libbde,
)
from ansible_collections.keyward.bitlocker.tests.unit.lab.fve.written import (
    ANOTHER,
    EXTERNAL_ID,
    KEY_ID,
    OTHER_ID,
    PASSWORD,
    SWAPPED,
    stretched,
    volume,
)

KINDS = [
    pytest.param("windows_10", sealing.XTS_128, id="windows_10-xts_128"),
    pytest.param("windows_8", sealing.XTS_256, id="windows_8-xts_256"),
    pytest.param("windows_7", sealing.CBC_128, id="windows_7-cbc_128"),
    pytest.param("labelled", sealing.CBC_256, id="labelled-cbc_256"),
]
#: a wrong password for one of the kinds: it costs every judge as much as a right one
JUDGED = [pytest.param(*kind.values, PASSWORD, True, id=f"{kind.id}-right") for kind in KINDS]
JUDGED.append(pytest.param(*KINDS[0].values, SWAPPED, False, id=f"{KINDS[0].id}-swapped"))


def our_word(image: bytes, password: str) -> bool:
    """What the product says of the same volume, from its boot sector and one copy of the metadata; it must say something."""
    blocks = [image[offset : offset + 0x10000] for offset in metadata_offsets(image[:512])]
    contents = [parse_block(block).content for block in blocks]
    assert len(contents) == len(BLOCKS)
    outcome = prove_recovery_password(Secret(password), KEY_ID, contents[:2]).outcome
    assert outcome is not Outcome.INCONCLUSIVE
    return outcome is Outcome.PROVEN


@pytest.mark.parametrize(("form", "method", "password", "opens"), JUDGED)
def test_the_product(form: str, method: int, password: str, opens: bool) -> None:
    assert our_word(volume(form, method).image(), password) is opens


@needs_cryptsetup
@pytest.mark.parametrize(("form", "method", "password", "opens"), JUDGED)
def test_cryptsetup(form: str, method: int, password: str, opens: bool, tmp_path: Path) -> None:
    assert cryptsetup_opens(volume(form, method).image(), password.encode("ascii"), tmp_path) is opens


@needs_dissect
@pytest.mark.parametrize(("form", "method", "password", "opens"), JUDGED)
def test_dissect(form: str, method: int, password: str, opens: bool) -> None:
    assert dissect_opens(volume(form, method).image(), password) is opens


@needs_libbde
@pytest.mark.parametrize(("form", "method", "password", "opens"), JUDGED)
def test_libbde(form: str, method: int, password: str, opens: bool) -> None:
    assert libbde_opens(volume(form, method).image(), password) is opens


@needs_dissect
@pytest.mark.parametrize(("form", "method"), KINDS)
def test_dissect_reads_the_key_package_down_to_the_disk_key(form: str, method: int) -> None:
    made = volume(form, method)
    salt = made.salt(KEY_ID)
    assert dissect_opens_package(made.package(KEY_ID), stretched(PASSWORD, salt)) == made.fvek
    assert dissect_opens_package(made.package(KEY_ID), bytes(32)) is None


@needs_dissect
@pytest.mark.parametrize(("form", "method"), KINDS)
def test_dissect_finds_the_metadata_intact_and_so_do_we(form: str, method: int) -> None:
    made = volume(form, method)
    assert dissect_finds_intact(made.image(), made.vmk)
    copy = parse_block(made.image()[BLOCKS[1] :])
    assert (copy.intact, copy.volume_guid, copy.method, copy.offsets) == (True, made.guid, method, BLOCKS)
    assert (copy.authenticated(Secret(made.vmk)), copy.authenticated(Secret(bytes(32)))) == (True, False)


@pytest.mark.parametrize("windows_11", [False, True])
def test_the_product_and_an_external_key(windows_11: bool) -> None:
    made = volume()
    external = parse_external_key(Secret(made.bek(EXTERNAL_ID, windows_11=windows_11)))
    assert (external.key_id, external.label) == (EXTERNAL_ID, "ExternalKey")
    assert external.volume_guid == (made.guid if windows_11 else None)
    proof = prove_external_key(external.key, EXTERNAL_ID, [made.block()])
    assert (proof.outcome, proof.master_key) == (Outcome.PROVEN, Secret(made.vmk))
    assert prove_external_key(Secret(bytes(32)), EXTERNAL_ID, [made.block()] * 2).outcome is Outcome.REFUTED


@needs_cryptsetup
def test_cryptsetup_and_an_external_key(tmp_path: Path) -> None:
    made = volume()
    stranger = FveVolume(seed="a stranger's")
    stranger.add_external_key(EXTERNAL_ID)
    assert cryptsetup_opens(made.image(), made.bek(EXTERNAL_ID), tmp_path)
    assert cryptsetup_opens(made.image(), made.bek(EXTERNAL_ID, windows_11=True), tmp_path)
    assert not cryptsetup_opens(made.image(), stranger.bek(EXTERNAL_ID), tmp_path)


@needs_dissect
def test_dissect_and_an_external_key() -> None:
    made = volume()
    stranger = FveVolume(seed="a stranger's")
    stranger.add_external_key(EXTERNAL_ID)
    assert dissect_takes_external_key(made.image(), made.bek(EXTERNAL_ID, windows_11=True))
    assert not dissect_takes_external_key(made.image(), stranger.bek(EXTERNAL_ID))


def test_the_key_of_one_protector_is_not_the_key_of_another() -> None:
    made = FveVolume(seed="two protectors", stretch=stretched)
    made.add_recovery_password(KEY_ID, PASSWORD)
    made.add_recovery_password(OTHER_ID, ANOTHER)
    assert prove_recovery_password(Secret(ANOTHER), OTHER_ID, [made.block()]).outcome is Outcome.PROVEN
    assert prove_recovery_password(Secret(PASSWORD), OTHER_ID, [made.block()] * 2).outcome is Outcome.REFUTED


def test_a_protector_of_fips_mode_is_neither_proven_nor_refuted() -> None:
    made = FveVolume(seed="fips")
    made.add_recovery_password(KEY_ID, PASSWORD, FIPS)
    for password in (PASSWORD, SWAPPED):
        proof = prove_recovery_password(Secret(password), KEY_ID, [made.package(KEY_ID)] * 2)
        assert proof.outcome is Outcome.INCONCLUSIVE
        assert "FIPS" in proof.reason
