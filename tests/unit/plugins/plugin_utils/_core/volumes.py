# SPDX-License-Identifier: GPL-3.0-or-later
"""Builders of volumes, protectors, standings and requirements for the tests of the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    EntryState,
    ObservedProtector,
    ObservedVolume,
    ProtectorStanding,
    ReadError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.verdict import VolumeEvidence, VolumeJudgement, judge_volume


def key(number: int) -> str:
    """A key ID."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def protectors(*types: str | None) -> tuple[ObservedProtector, ...]:
    """One protector of each type, key IDs 0, 1, 2 …"""
    return tuple(ObservedProtector(key_id=key(number), type=kind) for number, kind in enumerate(types))


def volume(*types: str | None, failed: Sequence[str] = (), **fields: Any) -> ObservedVolume:
    """A sound, protected, fully encrypted OS volume with these protectors; ``failed`` names reads among its errors."""
    given: dict[str, Any] = {
        "device_id": "\\\\?\\Volume{00000000-0000-4000-8000-000000000000}\\",
        "letter": "C:",
        "type": "os",
        "conversion": "fully_encrypted",
        "encrypted_percent": 100,
        "method": "xts_aes_256",
        "protection": "on",
        "locked": False,
        "protectors": protectors(*types),
        "errors": tuple(ReadError(read=read, code="0x80310000") for read in failed),
    }
    return ObservedVolume(**(given | fields))


def standing(number: int, **states: str) -> ProtectorStanding:
    """The standing of protector ``number``, stores as keywords."""
    return ProtectorStanding(key_id=key(number), states={store: EntryState(state) for store, state in states.items()})


def evidence(what: ObservedVolume, *rows: Mapping[str, str], **fields: Any) -> VolumeEvidence:
    """Evidence for a volume: the rows are the states of its recovery passwords in their order."""
    passwords = [protector for protector in what.protectors or () if protector.type == "recovery_password"]
    standings = tuple(
        ProtectorStanding(key_id=protector.key_id, states={store: EntryState(state) for store, state in row.items()})
        for protector, row in zip(passwords, rows, strict=True)
    )
    return VolumeEvidence(volume=what, standings=standings, **fields)


def requirements(*stores: str, **options: Any) -> Requirements:
    """Requirements over these stores, ``ad`` when none is named."""
    return Requirements(stores=stores or ("ad",), **options)


def judge(what: ObservedVolume, *rows: Mapping[str, str], needs: Requirements | None = None, **fields: Any) -> VolumeJudgement:
    """Judge a volume; the stores are ``ad`` alone unless ``needs`` says otherwise."""
    return judge_volume(evidence(what, *rows, **fields), needs or requirements())
