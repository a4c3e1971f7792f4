# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The findings that sit on a computer, and the placing of the codes that a volume's judgement gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from . import recovery_policy
from .findings import VERDICT_CODES, make
from .joins import ENTRA, Computer
from .model import EntryState, FailureReason, Finding, Join, ReadError, StoreState, Verdict
from .requirements import Requirements
from .rows import ComputerRow, VolumeRow

_FAILURE_CODES = {
    FailureReason.UNREACHABLE: "KW-HST-001",
    FailureReason.AUTHENTICATION: "KW-HST-002",
    FailureReason.AUTHORIZATION: "KW-HST-003",
    FailureReason.TLS: "KW-HST-004",
    FailureReason.PROTOCOL: "KW-HST-005",
}

#: recovery keys of one Entra device: near the limit, and the limit itself (reference of Graph's recovery keys)
NEAR_ENTRA_LIMIT, ENTRA_LIMIT = 150, 200


def verdict_codes(word: Verdict) -> tuple[str, ...]:
    """The code of a verdict, if it has one (escrowed and recoverable have none)."""
    code = VERDICT_CODES.get(word)
    return (code,) if code else ()


def of_volumes(row: ComputerRow, requirements: Requirements, states: Mapping[str, StoreState]) -> list[Finding]:
    """One finding for each code of each volume, with what exactly was seen; ``states``: how far the reading of each store reached."""
    reached = {store: state for store, state in states.items() if store in requirements.stores}
    return [
        make(code, computer=row.name, volume=volume.volume.label, detail=_detail(code, volume, row.computer, reached))
        for volume in row.volumes
        for code in volume.judgement.codes
    ]


def _detail(code: str, row: VolumeRow, computer: Computer, reached: Mapping[str, StoreState]) -> str:
    """What exactly stands behind a volume's code, where the code alone leaves a person searching; ``reached``: the required stores."""
    listed = [(store, holding) for p in row.protectors if p.holdings for store, holding in p.holdings.items() if store in reached]
    holdings = [holding for _store, holding in listed]
    if code == VERDICT_CODES[Verdict.UNKNOWN]:
        stores = sorted({store for store, holding in listed if holding.state is EntryState.UNKNOWN})
        return "; ".join([*_failed(row.volume.errors), *(f"store {s}: {_why_unknown(computer, s, reached[s])}" for s in stores)])
    if code == "KW-ESC-004":
        return "; ".join(dict.fromkeys(defect for holding in holdings for defect in holding.defects))
    if code == "KW-ESC-006":
        return "; ".join(dict.fromkeys(entry.location for holding in holdings for entry in holding.elsewhere))
    if code == "KW-ESC-007":
        return "; ".join(dict.fromkeys(entry.location for holding in holdings for entry in holding.own if not entry.readable))
    return ""


def _why_unknown(computer: Computer, store: str, state: StoreState) -> str:
    """Why a store could not say what it holds for a computer; what a store's own trouble is stands at its KW-STO finding."""
    if state is StoreState.SEARCHED:
        return computer.joins[store].doubt or "it could not be searched for it"
    return {StoreState.DOWN: "it is down", StoreState.NO_RIGHTS: "the account may not read it"}.get(state, "it was read in part")


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
    return findings + _entries(row, requirements)


def _entries(row: ComputerRow, requirements: Requirements) -> list[Finding]:
    """What is to be said of the entries under the computer's own owners in the required stores, beside those that its volumes ask for."""
    findings = []
    unmatched = [item for item in row.unmatched if item.entry.store in requirements.stores]
    stale = sum(item.why == "stale" for item in unmatched)
    if stale:
        findings.append(make("KW-ESC-001", computer=row.name, detail=f"{stale} such entries" if stale > 1 else "1 such entry"))
    if row.computer.told_all and any(item.why == "malformed" for item in unmatched):
        defects = sorted({defect for item in unmatched if item.why == "malformed" for defect in item.entry.defects})
        findings.append(make("KW-ESC-004", computer=row.name, detail="; ".join(defects)))
    keys = row.held.get(ENTRA, 0) if ENTRA in requirements.stores else 0
    if keys >= NEAR_ENTRA_LIMIT:
        findings.append(make("KW-ESC-010" if keys >= ENTRA_LIMIT else "KW-ESC-009", computer=row.name, count=keys))
    return findings


def _policy(row: ComputerRow, requirements: Requirements) -> list[Finding]:
    seen = row.computer.seen
    if seen is None or seen.policy is None:
        return []
    conflicts = recovery_policy.conflicts(seen.policy, requirements.volume_types, ad_required="ad" in requirements.stores)
    return [make("KW-HST-010", computer=row.name, detail="; ".join(conflicts))] if conflicts else []
