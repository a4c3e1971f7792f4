# SPDX-License-Identifier: GPL-3.0-or-later
"""The action key_proof: images and packages that the lab's own encoder wrote, real volumes where they are here, and files that are none."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.keyward.bitlocker.plugins.action import key_proof
from ansible_collections.keyward.bitlocker.plugins.modules import key_proof as documentation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import image_proof
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.contents import ListedProtector, list_protectors
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError, OptionError
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import BLOCKS, FveVolume
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.key_proof.real_volumes import (
    block,
    boot_sector,
    needs_volumes,
    package,
    unlocks,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RIGHT = "042647-302313-590458-071500-554323-116567-412181-516978"
OTHER = "000011-000022-000033-000044-000055-000066-000077-000088"
WRONG = "042647-302313-590458-071500-554323-116567-516978-412181"
FIRST, SECOND, EXTERNAL = (f"{letter * 8}-7c4e-4a0b-9a57-3c1d5e6f7a8b" for letter in "abc")


@pytest.fixture(scope="module")
def volume() -> FveVolume:
    """Two recovery passwords, one external key."""
    made = FveVolume(seed="key_proof")
    made.add_recovery_password(FIRST, RIGHT)
    made.add_recovery_password(SECOND, OTHER)
    made.add_external_key(EXTERNAL)
    return made


@pytest.fixture
def image(volume: FveVolume, tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(volume.image())
    return path


def task(**args: Any) -> dict[str, Any]:
    """Run the action as Ansible would."""
    action: Any = object.__new__(key_proof.ActionModule)
    action._task = SimpleNamespace(
        async_val=0, become=False, no_log=False, delegate_to=None, args=args, check_mode=False, diff=False, get_name=lambda: "T"
    )
    action._play_context = SimpleNamespace(become=False)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._display = SimpleNamespace(verbosity=0)
    result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "localhost"})
    shown = json.dumps(result)
    for secret in (RIGHT, OTHER, WRONG):
        assert secret not in shown
        assert secret.replace("-", "") not in shown
    return result


def damage(path: Path, salt: bytes, *copies: int) -> None:
    """Flip a bit in copies of the metadata, within a protector's salt."""
    data = bytearray(path.read_bytes())
    for copy in copies:
        data[data.index(salt, BLOCKS[copy])] ^= 1
    path.write_bytes(data)


def test_an_image_and_its_password(image: Path, volume: FveVolume) -> None:
    result = task(image=str(image), recovery_password=OTHER)
    assert {name: result[name] for name in ("changed", "outcome", "basis", "key_id", "volume_guid")} == {
        "changed": False,
        "outcome": "proven",
        "basis": "image",
        "key_id": SECOND,
        "volume_guid": volume.guid,
    }
    assert [(one["key_id"], one["outcome"]) for one in result["proofs"]] == [(FIRST, "refuted"), (SECOND, "proven")]
    assert result["protectors"] == [
        {"key_id": FIRST, "type": "recovery_password"},
        {"key_id": SECOND, "type": "recovery_password"},
        {"key_id": EXTERNAL, "type": "external_key"},
    ]
    assert result["metadata"] == {
        "copies": 3,
        "intact_copies": 3,
        "version": 2,
        "state": "encrypted",
        "method": "xts_aes_128",
        "authenticated": True,
    }


@pytest.mark.parametrize("given_id", [FIRST, "{" + FIRST.upper() + "}", FIRST[:8]])
def test_a_protector_may_be_named(image: Path, given_id: str) -> None:
    result = task(image=str(image), recovery_password=RIGHT.replace("-", " "), key_id=given_id)
    assert (result["outcome"], [one["key_id"] for one in result["proofs"]]) == ("proven", [FIRST])


def test_a_wrong_password_is_refuted_by_two_intact_copies_and_by_nothing_less(image: Path, volume: FveVolume) -> None:
    salt = volume.salt(FIRST)
    assert task(image=str(image), recovery_password=WRONG, key_id=FIRST)["outcome"] == "refuted"
    damage(image, salt, 0)
    result = task(image=str(image), recovery_password=WRONG, key_id=FIRST)
    assert (result["outcome"], result["metadata"]["intact_copies"]) == ("refuted", 2)
    damage(image, salt, 1)
    result = task(image=str(image), recovery_password=WRONG, key_id=FIRST)
    assert (result["outcome"], result["metadata"]["intact_copies"]) == ("inconclusive", 1)
    assert task(image=str(image), recovery_password=RIGHT, key_id=FIRST)["outcome"] == "proven"
    damage(image, salt, 2)
    # the right one: not a single copy is intact, and none of them calls it wrong
    result = task(image=str(image), recovery_password=RIGHT, key_id=FIRST)
    assert (result["outcome"], result["metadata"]["intact_copies"]) == ("inconclusive", 0)
    # its neighbour's datum is whole in each
    assert task(image=str(image), recovery_password=OTHER, key_id=SECOND)["outcome"] == "proven"


def test_the_first_sectors_and_a_volume_inside_a_disk(image: Path, tmp_path: Path) -> None:
    content = image.read_bytes()
    first = tmp_path / "first-sectors.bin"
    first.write_bytes(content[: BLOCKS[0] + 8192])
    result = task(image=str(first), recovery_password=RIGHT, key_id=FIRST)
    assert (result["outcome"], result["metadata"]["copies"]) == ("proven", 1)
    disk = tmp_path / "whole-disk.img"
    disk.write_bytes(bytes(1024 * 1024) + content)
    assert task(image=str(disk), recovery_password=RIGHT, key_id=FIRST, offset=1024 * 1024)["outcome"] == "proven"
    refused = task(image=str(disk), recovery_password=RIGHT)
    assert refused["failed"]
    assert "not of the whole disk" in refused["msg"]


def test_an_external_key(image: Path, volume: FveVolume, tmp_path: Path) -> None:
    bek = tmp_path / "key.BEK"
    bek.write_bytes(volume.bek(EXTERNAL, windows_11=True))
    result = task(image=str(image), bek_file=str(bek))
    assert (result["outcome"], result["key_id"], result["metadata"]["authenticated"]) == ("proven", EXTERNAL, True)
    other = FveVolume(seed="another")
    other.add_external_key(EXTERNAL)
    bek.write_bytes(other.bek(EXTERNAL))
    assert task(image=str(image), bek_file=str(bek))["outcome"] == "refuted"
    bek.write_bytes(b"no key")
    assert "too short" in task(image=str(image), bek_file=str(bek))["msg"]


def test_packages(volume: FveVolume, tmp_path: Path) -> None:
    paths = [tmp_path / "one.bin", tmp_path / "two.bin"]
    for path in paths:
        path.write_bytes(volume.package(FIRST))
    one, both = [str(paths[0])], [str(path) for path in paths]
    result = task(package_files=one, recovery_password=RIGHT)
    assert (result["outcome"], result["basis"], result["volume_guid"], result["metadata"]) == ("proven", "package", None, None)
    assert task(package_files=one, recovery_password=WRONG)["outcome"] == "inconclusive"
    assert task(package_files=both, recovery_password=WRONG)["outcome"] == "refuted"
    result = task(package_files=one, recovery_password=RIGHT, key_id=SECOND)
    assert (result["outcome"], result["reason"]) == ("inconclusive", "it does not hold the protector")
    assert "named twice" in task(package_files=one * 2, recovery_password=RIGHT)["msg"]
    paths[0].write_bytes(b"nothing of the kind")
    assert task(package_files=one, recovery_password=RIGHT)["reason"] == "it holds no protector of a recovery password"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"recovery_password": RIGHT}, "one of the following is required"),
        ({"image": "disk.img"}, "one of the following is required"),
        ({"image": "disk.img", "package_files": ["x"], "recovery_password": RIGHT}, "mutually exclusive"),
        ({"image": "/nowhere/disk.img", "recovery_password": RIGHT}, "No such file"),
        ({"image": "/dev/null", "recovery_password": RIGHT}, "no file and no disk"),
        ({"package_files": ["/tmp"], "recovery_password": RIGHT}, "/tmp"),
        ({"package_files": ["/dev/null"], "recovery_password": RIGHT}, "no regular file"),
    ],
)
def test_what_cannot_be_used_is_said(arguments: dict[str, Any], expected: str) -> None:
    result = task(**arguments)
    assert result["failed"]
    assert expected in result["msg"]


def test_a_password_that_is_none_and_a_place_that_is_none(image: Path) -> None:
    result = task(image=str(image), recovery_password="000012-" + OTHER[7:])
    assert "first group is damaged" in result["msg"]
    assert "no place in it" in task(image=str(image), recovery_password=RIGHT, offset=-1)["msg"]
    for wrong in ("xyz", "12345678", "a" * 8 + "-ffff"):
        assert "choose a protector" in task(image=str(image), recovery_password=RIGHT, key_id=wrong)["msg"]


def test_a_boot_sector_without_metadata_is_no_wrong_key(image: Path) -> None:
    with image.open("r+b") as file:
        file.truncate(512)
    assert "no copy of the metadata" in task(image=str(image), recovery_password=RIGHT)["msg"]


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "no file and no disk" in task(image=str(pipe), recovery_password=RIGHT)["msg"]


def test_the_result_is_as_documented(image: Path) -> None:
    described = yaml.safe_load(documentation.RETURN)
    result = task(image=str(image), recovery_password=RIGHT, key_id=FIRST)
    assert set(result) - {"changed"} == set(described)
    assert set(result["metadata"]) == set(described["metadata"]["contains"])


@needs_volumes
@pytest.mark.parametrize(("volume", "unlock"), unlocks("recovery_password"))
def test_real_volumes(volume: dict[str, Any], unlock: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "real.img"
    with path.open("wb") as file:
        file.write(boot_sector(volume))
        for offset in volume["all_metadata_offsets"]:
            file.seek(offset)
            file.write(block(volume))
        file.truncate(volume["image_size"])
    key_id = unlock["protector"]
    result = task(image=str(path), recovery_password=unlock["recovery_password"], key_id=key_id)
    assert (result["outcome"], result["key_id"], result["volume_guid"]) == ("proven", key_id, volume["volume_guid"])
    listed = {one["guid"]: one["type"] for one in volume["protectors"]}
    assert {one["key_id"] for one in result["protectors"]} == set(listed)
    assert (result["metadata"]["copies"], result["metadata"]["authenticated"]) == (3, unlock["metadata_sha256_ok"])
    assert task(image=str(path), recovery_password=WRONG, key_id=key_id)["outcome"] == "refuted"
    assert list_protectors(package(unlock)) == (ListedProtector(key_id, "recovery_password"),)


@given(st.binary(max_size=2048), st.integers(-1, 2**70))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused_by_our_own_errors(tmp_path_factory: pytest.TempPathFactory, data: bytes, offset: int) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.img"
    path.write_bytes(data)
    with suppress(BadDataError, OptionError):
        image_proof.read_image(str(path), offset)
    assert len(list_protectors(data)) <= 64


@given(st.integers(0, 511), st.binary(min_size=1, max_size=64), st.integers(0, 4000), st.binary(min_size=1, max_size=64))
@settings(max_examples=60, deadline=None)
def test_a_damaged_volume_is_read_or_refused(
    volume: FveVolume, tmp_path_factory: pytest.TempPathFactory, at: int, one: bytes, place: int, other: bytes
) -> None:
    data = bytearray(volume.image()[: BLOCKS[0] + 8192])
    data[at : at + len(one)] = one
    data[BLOCKS[0] + place : BLOCKS[0] + place + len(other)] = other
    path = tmp_path_factory.getbasetemp() / "damaged.img"
    path.write_bytes(data)
    try:
        material = image_proof.read_image(str(path), 0)
    except BadDataError:
        return
    assert 1 <= material.facts["copies"] <= 8
