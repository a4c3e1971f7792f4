# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host's key packages is looked for when a run must not leak any, and what is made before the hosts are asked."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate
from ansible_collections.keyward.bitlocker.tests.lab.fve.played import (
    FRAMES,
    RECOVERY_PASSWORD,
    Reading,
    package,
    secret_parts,
    stretch_ahead,
)
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost, LabProtector, LabVolume

ESTATE = generate(1, 60, now=datetime(2026, 11, 22, 20, tzinfo=UTC), proof="live")
KEYS_BEHIND = {"master key", "disk key", "binary password", "stretched key"}


def cheap(password: str, salt: bytes) -> bytes:
    return hashlib.sha256(password.encode() + salt).digest()


def passwords() -> list[tuple[LabHost, LabVolume, LabProtector]]:
    return [
        (host, volume, protector)
        for host in ESTATE.hosts
        for volume in host.volumes
        for protector in volume.protectors
        if protector.type == RECOVERY_PASSWORD and protector.password
    ]


@pytest.mark.parametrize("frame", FRAMES)
def test_every_frame_holds_the_parts_and_none_of_the_keys(frame: str) -> None:
    for host, volume, protector in passwords():
        if protector.package != "sound":
            continue
        made = package(host, volume, protector, Reading(number=3, frame=frame), cheap)
        parts = secret_parts(host, volume, protector, cheap)
        assert {"salt", "box 0", "box 1", *KEYS_BEHIND} <= parts.keys()
        for name, value in parts.items():
            assert len(value) >= 16
            assert (value in made) is (name not in KEYS_BEHIND), name


def test_a_host_that_is_asked_finds_its_stretches_made() -> None:
    made: set[tuple[str, bytes]] = set()

    def remember(password: str, salt: bytes) -> bytes:
        made.add((password, salt))
        return cheap(password, salt)

    stretch_ahead(ESTATE, remember)
    assert made

    def known(password: str, salt: bytes) -> bytes:
        assert (password, salt) in made
        return cheap(password, salt)

    asked = [item for item in passwords() if item[0].fault is None and item[0].bitlocker_installed and item[2].package != "refused"]
    for host, volume, protector in asked:
        for frame in FRAMES:
            package(host, volume, protector, Reading(number=1, frame=frame), known)
