# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a gate says: an outcome, and every problem that led to it or was let pass, each with its check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .gate_report import GateReport
from .model import Severity


class Outcome(StrEnum):
    """How the gate ended."""

    COMPLIANT = "compliant"
    FINDINGS = "findings"
    COULD_NOT_LOOK = "could_not_look"


class Status(StrEnum):
    """What a problem does, gravest first: it fails; nobody could look; it was in the baseline; the options tolerate it."""

    FAILS = "fails"
    COULD_NOT_LOOK = "could_not_look"
    KNOWN = "known"
    TOLERATED = "tolerated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was checked: on every computer, or (``cases``) on so many things of the run."""

    name: str
    cases: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as it should be. ``case`` names what was checked where that is no computer; ``code`` is empty without one."""

    check: str
    status: Status
    code: str
    message: str
    remedy: str
    severity: Severity | None = None
    computer: str | None = None
    volume: str | None = None
    case: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePlace:
    """Where a rule fired."""

    computer: str
    volume: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """What a rule said of one report: the places that it named, and how many things it gave that are no places (1 for a plain true)."""

    places: tuple[RulePlace, ...] = ()
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule of the user's own, and what it said of the report and, where there is one, of the baseline."""

    name: str
    severity: Severity
    message: str
    now: RuleAnswer
    before: RuleAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How much was looked at: computers known and observed; verdicts given, those of what was looked at, and those that pass."""

    computers: int
    observed: int
    verdicts: int
    judged: int
    passing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The gate's answer. ``problems`` are in the order of ``checks``; one place may stand under several checks."""

    outcome: Outcome
    report: GateReport = field(repr=False)
    numbers: Numbers
    min_coverage: float
    checks: tuple[Check, ...]
    problems: tuple[Problem, ...] = field(repr=False)
    baseline_at: datetime | None = None
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def of(self, status: Status) -> list[Problem]:
        """The problems with a status, each place and code once."""
        seen: dict[tuple[str, str | None, str | None, str | None], Problem] = {}
        for problem in self.problems:
            if problem.status is status:
                seen.setdefault((problem.code or problem.check, problem.computer, problem.volume, problem.case), problem)
        return list(seen.values())


def outcome_of(problems: Sequence[Problem]) -> Outcome:
    """A certain failure is never hidden behind one that may go away when the run is repeated."""
    found = {problem.status for problem in problems}
    if Status.FAILS in found:
        return Outcome.FINDINGS
    return Outcome.COULD_NOT_LOOK if Status.COULD_NOT_LOOK in found else Outcome.COMPLIANT
