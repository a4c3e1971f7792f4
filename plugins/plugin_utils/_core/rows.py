# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The answer of a run as types: computers with their volumes, protectors and entries, judged. What a report is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .entries import Holding
from .joins import Computer
from .model import Entry, Finding, Flag, ObservedVolume, StoreReading, Verdict
from .proofs import ProofSums
from .requirements import Requirements
from .verdict import VolumeJudgement


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectorRow:
    """A protector in the report; ``holdings`` by store only for recovery passwords."""

    key_id: str
    type: str | None
    holdings: Mapping[str, Holding] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRow:
    """A volume in the report; ``nodes`` names every cluster node that lists it."""

    volume: ObservedVolume
    judgement: VolumeJudgement
    protectors: tuple[ProtectorRow, ...] = ()
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedEntry:
    """An entry of a computer that none of its listed protectors asks for; ``why``: stale, belongs_elsewhere, malformed, not_observed."""

    entry: Entry
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputerRow:
    """A computer in the report. ``verdict`` None: it lists volumes, none in scope. ``held``: entries under its own owner, by store."""

    name: str
    computer: Computer
    verdict: Verdict | None
    flags: tuple[Flag, ...] = ()
    volumes: tuple[VolumeRow, ...] = ()
    unmatched: tuple[UnmatchedEntry, ...] = ()
    held: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateJudgement:
    """The whole answer of a run; ``proofs`` None where none were wanted."""

    generated_at: datetime
    requirements: Requirements
    readings: Mapping[str, StoreReading]
    computers: tuple[ComputerRow, ...]
    findings: tuple[Finding, ...]
    verdicts: Mapping[str, int]
    flags: Mapping[str, int]
    volumes: int
    passing: int
    could_not_look: int
    units: int
    observed: int
    complete: bool
    passed: bool
    proofs: ProofSums | None = None
