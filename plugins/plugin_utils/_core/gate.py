# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The gate: a report, what to fail on and an earlier report in; one outcome with its reasons out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from . import gate_coverage
from .findings import VERDICT_CODES
from .gate_baseline import Baseline
from .gate_policy import UNSEEN_CODES, Limit, Policy
from .gate_report import GateReport, ReportedFinding, Unit
from .gate_types import Check, Decision, Problem, Rule, RuleAnswer, RulePlace, Status, outcome_of
from .model import Severity, Verdict
from .verdict import could_not_look

VERDICTS = "verdicts"
_UNPROVEN = "The key is escrowed, and nothing proves that it opens the volume, which proof: live asks for."
_PROVE = "Prove it, or set proof: none in the report's requirements."


def decide(report: GateReport, policy: Policy, *, now: datetime, baseline: Baseline | None = None, rules: Sequence[Rule] = ()) -> Decision:
    """Judge a report. ``rules`` come with their answers, also about the baseline where there is one."""
    seen = list(gate_coverage.problems(report, policy, now))
    judge = _Judge(report, policy, baseline, too_little=bool(seen))
    found = [*seen, *judge.verdicts()]
    checks = [*gate_coverage.checks(report, policy), Check(name=VERDICTS)]
    for name, criterion, limit in judge.criteria():
        checks.append(Check(name=name))
        found += judge.findings(name, criterion, limit)
    for rule in rules:
        checks.append(Check(name=f"rule {rule.name}"))
        found += judge.rule(rule)
    return Decision(
        outcome=outcome_of(found),
        report=report,
        numbers=gate_coverage.count(report),
        min_coverage=policy.min_coverage,
        checks=tuple(checks),
        problems=tuple(found),
        baseline_at=baseline.generated_at if baseline is not None else None,
        rules={rule.name: rule for rule in rules},
    )


class _Judge:
    """What the checks share."""

    def __init__(self, report: GateReport, policy: Policy, baseline: Baseline | None, *, too_little: bool) -> None:
        self._report, self._policy, self._baseline = report, policy, baseline
        #: with enough seen, what could not be looked at is tolerated
        self._unseen = Status.COULD_NOT_LOOK if too_little else Status.TOLERATED
        self._told = {(finding.code, finding.computer, finding.volume): finding for finding in report.findings}

    def verdicts(self) -> Iterator[Problem]:
        """Every verdict that does not pass, with what that means here."""
        failing = self._policy.failing_verdicts(self._report.proof)
        limited = {word for word in failing if word.value in self._policy.limits}
        excess = {word for word in limited if self._exceeds(self._policy.limits[word.value], self._computers_with(word))}
        for unit in self._report.units:
            word = unit.verdict
            if word is Verdict.RECOVERABLE or (word is Verdict.ESCROWED and word not in failing):
                continue
            strict = word in excess or (word in failing and word not in limited)
            if not strict:
                status = self._unseen if could_not_look(word) else Status.TOLERATED
            elif could_not_look(word):
                status = Status.COULD_NOT_LOOK
            else:
                status = Status.KNOWN if self._baseline is not None and self._baseline.knows_unit(unit) else Status.FAILS
            yield self._of_unit(unit, status)

    def _computers_with(self, word: Verdict) -> set[str]:
        return {unit.computer for unit in self._report.units if unit.verdict is word}

    def _exceeds(self, limit: Limit, computers: Iterable[str]) -> bool:
        return limit.exceeded(len(set(computers)), len(self._report.computers))

    def _of_unit(self, unit: Unit, status: Status) -> Problem:
        code = VERDICT_CODES.get(unit.verdict, "")
        finding = self._told.get((code, unit.computer, unit.volume))
        if finding is not None:
            return _of_finding(VERDICTS, finding, status)
        return Problem(
            check=VERDICTS,
            status=status,
            code=code,
            severity=Severity.HIGH,
            computer=unit.computer,
            volume=unit.volume,
            message=_UNPROVEN if unit.verdict is Verdict.ESCROWED else f"The verdict is {unit.verdict}.",
            remedy=_PROVE if unit.verdict is Verdict.ESCROWED else "",
        )

    def criteria(self) -> Iterator[tuple[str, str, Limit | None]]:
        """The codes and severities that fail: the check's name, the word, and how much of it is tolerated."""
        policy = self._policy
        codes = policy.codes | {word for word in policy.limits if word.startswith("KW-")}
        for code in sorted(codes):
            yield f"code {code}", code, policy.limits.get(code)
        for severity in Severity:
            if severity in policy.severities or severity.value in policy.limits:
                yield f"severity {severity}", severity.value, policy.limits.get(severity.value)

    def findings(self, check: str, word: str, limit: Limit | None) -> Iterator[Problem]:
        """Every finding with this code or severity."""
        found = [finding for finding in self._report.findings if word in (finding.code, finding.severity.value)]
        tolerated = limit is not None and not self._exceeds(limit, (finding.computer for finding in found if finding.computer is not None))
        for finding in found:
            if finding.code in UNSEEN_CODES:
                # a store that failed is none of the computers that a limit counts
                status = Status.TOLERATED if tolerated and finding.computer is not None else Status.COULD_NOT_LOOK
            elif tolerated:
                status = Status.TOLERATED
            else:
                status = Status.KNOWN if self._baseline is not None and self._baseline.knows_finding(finding) else Status.FAILS
            yield _of_finding(check, finding, status)

    def rule(self, rule: Rule) -> Iterator[Problem]:
        """Every place where a rule of the user's own fired; one of severity info only informs."""
        before = rule.before if self._baseline is not None and rule.before is not None else RuleAnswer()
        shown = rule.severity is not Severity.INFO or Severity.INFO in self._policy.severities
        bad = Status.FAILS if shown else Status.TOLERATED
        known = frozenset(before.places)
        for place in rule.now.places:
            status = Status.KNOWN if shown and self._knows(place, known) else bad
            yield _of_rule(rule, status, place)
        if rule.now.others:
            yield _of_rule(rule, Status.KNOWN if shown and rule.now.others <= before.others else bad, None)

    def _knows(self, place: RulePlace, before: frozenset[RulePlace]) -> bool:
        return self._baseline is not None and place in before and self._baseline.same_place(place.computer, place.volume)


def _of_finding(check: str, finding: ReportedFinding, status: Status) -> Problem:
    return Problem(
        check=check,
        status=status,
        code=finding.code,
        severity=finding.severity,
        computer=finding.computer,
        volume=finding.volume,
        message=finding.message,
        remedy=finding.remedy,
        # what the run is about has no computer, and one case of the check for all of it
        case=None if finding.computer is not None else finding.code,
    )


def _of_rule(rule: Rule, status: Status, place: RulePlace | None) -> Problem:
    problem = Problem(check=f"rule {rule.name}", status=status, code="", severity=rule.severity, message=rule.message, remedy="")
    if place is None:
        return replace(problem, case="the report")
    return replace(problem, computer=place.computer, volume=place.volume)
