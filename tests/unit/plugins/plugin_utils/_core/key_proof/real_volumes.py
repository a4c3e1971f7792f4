# SPDX-License-Identifier: GPL-3.0-or-later
"""The metadata of real volumes with published secrets, where they lie beside the checkout (``../shared/vectors``)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof import unsealing
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret

FOLDER = Path(__file__).resolve().parents[7] / "shared" / "vectors"

needs_volumes = pytest.mark.skipif(
    not (FOLDER / "vectors.json").exists(),
    reason="the metadata of real volumes (shared/vectors beside the checkout) are not here, so nothing is proven against real Windows",
)

_stretched: dict[tuple[bytes, bytes], Secret[bytes]] = {}


def stretch(binary: Secret[bytes], salt: bytes) -> Secret[bytes]:
    """The product's stretch, each once."""
    key = (binary.reveal(), salt)
    if key not in _stretched:
        _stretched[key] = unsealing.recovery_password_key(binary, salt)
    return _stretched[key]


@cache
def volumes() -> list[dict[str, Any]]:
    """The volumes; none where they are not here."""
    if not (FOLDER / "vectors.json").exists():
        return []
    found: list[dict[str, Any]] = json.loads((FOLDER / "vectors.json").read_text(encoding="utf-8"))["volumes"]
    return found


def unlocks(how: str) -> list[Any]:
    """(volume, unlock) of one kind as parameters of a test, at least one, so that a missing folder is a skipped test and not none."""
    found = [
        pytest.param(volume, unlock, id=f"{volume['name']}-{unlock['protector'][:8]}")
        for volume in volumes()
        for unlock in volume["unlock"]
        if unlock["how"] == how
    ]
    return found or [pytest.param({}, {}, id="no-volumes-here")]


def block(volume: dict[str, Any]) -> bytes:
    """One copy of the volume's metadata."""
    return (FOLDER / "volumes" / f"{volume['name']}.fve.bin").read_bytes()


def boot_sector(volume: dict[str, Any]) -> bytes:
    """Its first sector."""
    return (FOLDER / "volumes" / f"{volume['name']}.boot.bin").read_bytes()


def package(unlock: dict[str, Any]) -> bytes:
    """The protector's key package, put together from the real datums."""
    return (FOLDER / unlock["reconstructed_package"]).read_bytes()
