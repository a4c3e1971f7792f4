# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A gate's decision as a person reads it in a terminal: the outcome, the numbers, what fails and what to do, where the files are."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Sequence

from .._core.gate_types import Decision, Outcome, Problem, Status
from .terminal import WIDTH, printable
from .text import SEVERITIES, counted, percent

KINDS, PLACES = 8, 3
_SAYS = {
    Outcome.COMPLIANT: "COMPLIANT: enough could be looked at, and nothing in it fails.",
    Outcome.FINDINGS: "FINDINGS: what is listed above fails, whatever else could not be looked at.",
    Outcome.COULD_NOT_LOOK: "COULD NOT LOOK: nothing that was seen fails, but too little was seen to pass.",
}
_TITLE = "BitLocker compliance gate"


def render(decision: Decision, files: Sequence[str] = ()) -> str:
    """The terminal summary, ending with the outcome."""
    blocks = [
        _head(decision),
        _kinds("Fails:", decision.of(Status.FAILS)),
        _kinds("Could not look:", decision.of(Status.COULD_NOT_LOOK)),
        _let_pass(decision),
    ]
    if files:
        blocks.append(["Files:"] + [f"  {printable(file)}" for file in files])
    blocks.append([_SAYS[decision.outcome]])
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _head(decision: Decision) -> list[str]:
    numbers = decision.numbers
    wanted = f", {decision.min_coverage * 100:g} % wanted"
    return [
        _TITLE,
        "=" * len(_TITLE),
        f"Report of {decision.report.generated_at:%Y-%m-%d %H:%M} UTC: {counted(numbers.computers, 'computer')}, "
        f"{counted(numbers.verdicts, 'verdict')}, {numbers.passing:,} pass",
        f"Observed {numbers.observed:,} of {numbers.computers:,} ({percent(numbers.observed, numbers.computers)}), "
        f"judged {numbers.judged:,} of {numbers.verdicts:,} ({percent(numbers.judged, numbers.verdicts)}){wanted}",
    ]


def _kinds(title: str, problems: Sequence[Problem]) -> list[str]:
    """Problems by code or check, each kind with how often, the first places and what to do."""
    if not problems:
        return []
    kinds: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        kinds[problem.code or problem.check].append(problem)
    # what has no severity is about the run as a whole
    ranked = sorted(kinds.items(), key=lambda item: (SEVERITIES.index(item[1][0].severity) if item[1][0].severity else -1, -len(item[1])))
    lines = [title]
    for number, (kind, found) in enumerate(ranked[:KINDS], 1):
        first = found[0]
        severity = f" ({first.severity})" if first.severity else ""
        lines.append(f"  {number}. {printable(kind, 60)}{severity}, {counted(len(found), 'time')}: {_places(found)}")
        lines += _wrapped(first.message, "     ")
        lines += _wrapped(first.remedy, "     -> ")
    if len(kinds) > KINDS:
        lines.append(f"  and {len(kinds) - KINDS} more kinds")
    return lines


def _wrapped(text: str, lead: str) -> list[str]:
    return textwrap.wrap(printable(text, WIDTH * 4), WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False)


def _places(found: Sequence[Problem]) -> str:
    places = [" ".join(printable(part, 60) for part in (problem.computer or problem.case, problem.volume) if part) for problem in found]
    return ", ".join(places[:PLACES]) + (f" and {len(places) - PLACES:,} more" if len(places) > PLACES else "")


def _let_pass(decision: Decision) -> list[str]:
    lines = []
    if decision.baseline_at is not None:
        known = len(decision.of(Status.KNOWN))
        lines.append(f"Known from the baseline of {decision.baseline_at:%Y-%m-%d %H:%M} UTC: {known:,}")
    if tolerated := len(decision.of(Status.TOLERATED)):
        lines.append(f"Tolerated by the options: {tolerated:,}")
    return lines
