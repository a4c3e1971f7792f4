# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a repair may do next: one step, or nothing more.

A repair is a loop: read the volume and the stores, decide, do one step, read again. Decisions remember nothing, so that a run which was
killed, or whose answer was lost, is taken up by the next one where it stands, and another controller's work is seen like one's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class BackUp:
    """Have the recovery password ``key_id`` written into ``store``."""

    store: str
    key_id: str


@dataclass(frozen=True, slots=True)
class AddRecoveryPassword:
    """Have the volume make a recovery password under the friendly name ``tag``."""

    tag: str


@dataclass(frozen=True, slots=True)
class RemoveProtector:
    """Remove one protector; only :func:`.removal.may_remove` lets this be decided."""

    key_id: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Do nothing and read again after a while: a store has not shown yet what it was given."""

    store: str
    key_id: str


Step: TypeAlias = BackUp | AddRecoveryPassword | RemoveProtector | LookAgain


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Something stands in the way that no step of ours may clear; what was reached stays as it is.

    ``reason`` is a clause for a person, ``remedy`` what to do; ``needs_rotation`` the key IDs whose entry in a store can only be put right
    by a new recovery password.
    """

    reason: str
    remedy: str = ""
    needs_rotation: tuple[str, ...] = ()


Decision: TypeAlias = Step | Done | Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What this run has done so far: the steps that succeeded as far as anybody said, and why those did not that failed twice."""

    done: frozenset[Step] = frozenset()
    refused: Mapping[Step, str] = field(default_factory=dict)


NOTHING_TRIED = Tried()
