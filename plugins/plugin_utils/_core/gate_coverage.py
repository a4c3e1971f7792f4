# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Whether a report saw enough for a gate to pass: this is asked of every report, and no option and no baseline turns it off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from .finding_catalogue import CATALOGUE
from .gate_policy import Policy
from .gate_report import RUN_CODES, GateReport, age_of
from .gate_types import Check, Numbers, Problem, Status
from .model import StoreState, Verdict
from .verdict import FUTURE_TOLERANCE, could_not_look

COVERAGE, STORES = "coverage", "stores"
SCOPE, OBSERVED, JUDGED, COMPLETE, AGE = "something in scope", "computers observed", "verdicts judged", "report complete", "report's age"
_STORE_CODES = {StoreState.NO_RIGHTS: "KW-STO-002", StoreState.DOWN: "KW-STO-001", StoreState.PARTIAL: "KW-STO-001"}
_LOOK_AGAIN = "Observe those computers when they are on, repair what their findings say, or narrow the scope to what should be reachable."


def count(report: GateReport) -> Numbers:
    """The numbers of a report."""
    units = list(report.units)
    unseen = sum(could_not_look(unit.verdict) for unit in units)
    good = sum(unit.verdict is Verdict.RECOVERABLE or (unit.verdict is Verdict.ESCROWED and report.proof != "live") for unit in units)
    return Numbers(computers=len(report.computers), observed=report.observed, verdicts=len(units), judged=len(units) - unseen, passing=good)


def checks(report: GateReport, policy: Policy) -> list[Check]:
    """The checks of this file."""
    cases = (SCOPE, OBSERVED, JUDGED, COMPLETE) + ((AGE,) if policy.max_age is not None else ())
    return [Check(name=COVERAGE, cases=cases), Check(name=STORES, cases=tuple(report.stores))]


def problems(report: GateReport, policy: Policy, now: datetime) -> Iterator[Problem]:
    """Why this report cannot pass whatever it says."""
    numbers = count(report)
    if not numbers.computers:
        yield _unseen(SCOPE, "The report has no computer at all.", "Check the inventory, the pattern of hosts and the stores' scope.")
    elif not numbers.verdicts:
        yield _unseen(SCOPE, "No volume and no computer in the report is in scope.", "Check the volume types and the option encryption.")
    else:
        yield from _too_little(numbers, policy)
    yield from _age(report, policy, now)
    yield from _stores(report)
    yield from _run(report, seen_enough=not _short(numbers.observed, numbers.computers, policy))


def _unseen(case: str, message: str, remedy: str, *, check: str = COVERAGE, code: str = "") -> Problem:
    severity = CATALOGUE[code].severity if code in CATALOGUE else None
    return Problem(check=check, status=Status.COULD_NOT_LOOK, code=code, severity=severity, message=message, remedy=remedy, case=case)


def _short(part: int, whole: int, policy: Policy) -> bool:
    """Whether the part is too small; none at all is, whatever the option says."""
    return not part or part / whole < policy.min_coverage


def _too_little(numbers: Numbers, policy: Policy) -> Iterator[Problem]:
    wanted = f"at least {policy.min_coverage * 100:g} % must be" if policy.min_coverage else "that is none"
    if _short(numbers.observed, numbers.computers, policy):
        text = f"Only {numbers.observed} of {numbers.computers} computers were observed within age; {wanted}."
        yield _unseen(OBSERVED, text, _LOOK_AGAIN)
    if _short(numbers.judged, numbers.verdicts, policy):
        text = f"Only {numbers.judged} of {numbers.verdicts} volumes and computers could be judged; {wanted}."
        yield _unseen(JUDGED, text, _LOOK_AGAIN)


def _age(report: GateReport, policy: Policy, now: datetime) -> Iterator[Problem]:
    if policy.max_age is None:
        return
    age = age_of(report, now)
    if age > policy.max_age:
        yield _unseen(AGE, f"The report was made at {report.generated_at:%Y-%m-%d %H:%M} UTC, longer ago than max_age.", "Make it again.")
    elif age < -FUTURE_TOLERANCE:
        yield _unseen(AGE, f"The report is dated {report.generated_at:%Y-%m-%d %H:%M} UTC, which is yet to come.", "Set the clocks right.")


def _stores(report: GateReport) -> Iterator[Problem]:
    for name, store in report.stores.items():
        if (code := _STORE_CODES.get(store.state)) is not None:
            why = f": {store.reason}" if store.reason else ""
            text = f"Store {name} could not be searched to its end (state: {store.state}){why}".rstrip(". ") + "."
            yield _unseen(name, text, CATALOGUE[code].remedy, check=STORES, code=code)


def _run(report: GateReport, *, seen_enough: bool) -> Iterator[Problem]:
    """Findings of the run that nothing above has told already."""
    told = {_STORE_CODES[store.state] for store in report.stores.values() if store.state in _STORE_CODES}
    if not seen_enough:
        told.add("KW-RUN-001")
    for finding in report.findings:
        if RUN_CODES.fullmatch(finding.code) and finding.code not in told:
            yield _unseen(COMPLETE, finding.message, finding.remedy, code=finding.code)
