# SPDX-License-Identifier: GPL-3.0-or-later
"""Every exchange of a backup and of a rotation goes wrong in every way; then the next run finishes. The rule is watched at each exchange.

Of an exchange that changes nothing it makes no difference whether its answer comes late, or whether the controller dies before it or after.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.crash.fate import (
    ERROR,
    KILLED_AFTER,
    KILLED_BEFORE,
    KINDS,
    LIED,
    LOST,
    Exchange,
    Mishap,
    cells,
)
from ansible_collections.keyward.bitlocker.tests.lab.crash.ports import Killed
from ansible_collections.keyward.bitlocker.tests.lab.fve import stretching

from .repairing import OLD, STORES, TPM_PIN_KEY, Ground, lab_stretch


@pytest.fixture(autouse=True)
def cheap_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretching, "shared", lambda: lab_stretch)


def matrix(clean: list[Exchange]) -> list[Mishap]:
    """All kinds at each exchange that changes something, those that differ at each that only reads, and whoever is asked away for long."""
    changing = {exchange.number for exchange in clean if exchange.changes}
    found = [item for item in cells(clean) if item.at in changing or item.kind in (KILLED_BEFORE, ERROR, LIED)]
    # four in a row reach whatever lies between two of these
    return found + [Mishap(at=exchange.number, kind=LOST, times=4) for exchange in clean if exchange.changes or exchange.number % 4 == 0]


def backing_up(folder: Path) -> Ground:
    return Ground(folder, escrowed={})


def rotating(folder: Path) -> Ground:
    return Ground(folder)


OPERATIONS: dict[str, tuple[Callable[[Path], Ground], Callable[[Ground], object]]] = {
    "key_backup": (backing_up, Ground.back_up),
    "recovery_key_rotate": (rotating, Ground.rotate),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_goes_wrong_no_key_is_lost_and_the_next_run_finishes(operation: str, tmp_path: Path) -> None:
    make, act = OPERATIONS[operation]
    clean = make(tmp_path / "clean")
    act(clean)
    assert finished(operation, clean)
    tried = 0
    for mishap in matrix(clean.fate.exchanges):
        ground = make(tmp_path / f"{mishap.at}-{mishap.kind}-{mishap.times}")
        ground.fate.arm(mishap)
        killed = False
        try:
            act(ground)
        except Killed:
            killed = True
        assert killed == (mishap.kind in (KILLED_BEFORE, KILLED_AFTER)), mishap
        assert ground.watched == [], mishap
        ground.fate.arm(None)
        for _again in range(2):
            if not finished(operation, ground):
                act(ground)
        assert ground.watched == [], mishap
        assert finished(operation, ground), (mishap, ground.volume.protectors)
        tried += 1
    changes = sum(exchange.changes for exchange in clean.fate.exchanges)
    assert changes == (2 if operation == "key_backup" else 4)
    assert tried >= 2 * len(clean.fate.exchanges) + (len(KINDS) - 2) * changes


def finished(operation: str, ground: Ground) -> bool:
    """Whether the volume has one recovery password, in every store and opening it, beside its TPM and PIN; and no intent is left."""
    ids = [item.key_id for item in ground.volume.protectors]
    rotated = operation == "key_backup" or (OLD not in ids and not ground.files().pending())
    return rotated and ids[0] == TPM_PIN_KEY and len(ids) == 2 and ground.opens() and ground.working() == (1, 1)


def test_the_recovery_password_is_never_asked_of_the_host(tmp_path: Path) -> None:
    for make, act in OPERATIONS.values():
        ground = make(tmp_path)
        act(ground)
        assert "Invoke GetKeyPackage" in ground.asked
        assert not [what for what in ground.asked if "NumericalPassword" in what and "ProtectKeyWith" not in what]
    assert STORES == ("ad", "entra")
