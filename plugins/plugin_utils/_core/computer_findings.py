# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The findings that sit on a computer, and the placing of the codes that a volume's judgement gave."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from . import recovery_policy
from .findings import VERDICT_CODES, make
from .joins import Computer
from .model import EntryState, FailureReason, Finding, Join, ReadError, Verdict
from .requirements import Requirements
from .rows import ComputerRow, VolumeRow

_FAILURE_CODES = {
    FailureReason.UNREACHABLE: "KW-HST-001",
    FailureReason.AUTHENTICATION: "KW-HST-002",
    FailureReason.AUTHORIZATION: "KW-HST-003",
    FailureReason.TLS: "KW-HST-004",
    FailureReason.PROTOCOL: "KW-HST-005",
}


def verdict_codes(word: Verdict) -> tuple[str, ...]:
    """The code of a verdict, if it has one (escrowed and recoverable have none)."""
    code = VERDICT_CODES.get(word)
    return (code,) if code else ()


def of_volumes(row: ComputerRow) -> list[Finding]:
    """One finding for each code of each volume, with what exactly was seen."""
    return [
        make(code, computer=row.name, volume=volume.volume.label, detail=_detail(code, volume, row.computer))
        for volume in row.volumes
        for code in volume.judgement.codes
    ]


def _detail(code: str, row: VolumeRow, computer: Computer) -> str:
    """What exactly stands behind a volume's code, where the code alone leaves a person searching."""
    holdings = [holding for protector in row.protectors if protector.holdings for holding in protector.holdings.values()]
    if code == VERDICT_CODES[Verdict.UNKNOWN]:
        stores = {store for p in row.protectors if p.holdings for store, h in p.holdings.items() if h.state is EntryState.UNKNOWN}
        doubts = {store: computer.joins[store].doubt for store in sorted(stores)}
        return "; ".join(
            [*_failed(row.volume.errors), *(f"store {s}: {why or 'it could not be searched for it'}" for s, why in doubts.items())]
        )
    if code == "KW-ESC-004":
        return "; ".join(dict.fromkeys(defect for holding in holdings for defect in holding.defects))
    if code == "KW-ESC-006":
        return "; ".join(dict.fromkeys(entry.location for holding in holdings for entry in holding.elsewhere))
    if code == "KW-ESC-007":
        return "; ".join(dict.fromkeys(entry.location for holding in holdings for entry in holding.own if not entry.readable))
    return ""


def _failed(errors: Iterable[ReadError]) -> list[str]:
    return [" ".join(part for part in (error.read, error.code, error.name) if part) for error in errors]


def _no_volumes(computer: Computer) -> str:
    """Why an observed computer that lists no volume could not be judged."""
    seen = computer.seen
    if seen is None:
        return ""
    told = "it lists no volume" if seen.volumes is not None else "its volumes were not read"
    return "; ".join([told, *_failed(seen.errors)])


def of_computer(row: ComputerRow, requirements: Requirements, now: datetime) -> list[Finding]:
    """Everything that sits on the computer itself, each code once."""
    computer = row.computer
    findings: list[Finding] = []
    if not row.volumes and row.verdict is not None:
        detail = _no_volumes(computer) if row.verdict is Verdict.UNKNOWN else ""
        findings += [make(code, computer=row.name, detail=detail) for code in verdict_codes(row.verdict)]
    if computer.failure is not None and computer.failure.reason is not None:
        findings.append(make(_FAILURE_CODES[computer.failure.reason], computer=row.name, detail=computer.failure.message))
    if computer.observation is not None and not computer.fresh:
        findings.append(make("KW-HST-006", computer=row.name, observed_at=computer.observation.observed_at.isoformat()))
    joins = computer.joins.values()
    if any(join.collision for join in joins):
        findings.append(make("KW-HST-007", computer=row.name))
    if computer.host is None:
        findings.append(make("KW-HST-009", computer=row.name))
    elif any(join.join is Join.BY_NAME for join in joins):
        findings.append(make("KW-HST-008", computer=row.name))
    findings += _policy(row, requirements)
    whys = {entry.why for entry in row.unmatched}
    if "stale" in whys:
        stale = sum(entry.why == "stale" for entry in row.unmatched)
        findings.append(make("KW-ESC-001", computer=row.name, detail=f"{stale} such entries" if stale > 1 else "1 such entry"))
    if "malformed" in whys:
        defects = sorted({defect for entry in row.unmatched if entry.why == "malformed" for defect in entry.entry.defects})
        findings.append(make("KW-ESC-004", computer=row.name, detail="; ".join(defects)))
    return findings


def _policy(row: ComputerRow, requirements: Requirements) -> list[Finding]:
    seen = row.computer.seen
    if seen is None or seen.policy is None:
        return []
    conflicts = recovery_policy.conflicts(seen.policy, requirements.volume_types, ad_required="ad" in requirements.stores)
    return [make("KW-HST-010", computer=row.name, detail="; ".join(conflicts))] if conflicts else []
