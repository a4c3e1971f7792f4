# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A gate's decision as JUnit XML: a suite for each check, in it a case for each computer, or for each thing of the run.

``failure``: it fails the gate. ``error``: nobody could look, and that is why the gate does not pass. ``skipped``: out of scope, known from
the baseline, or tolerated by the options. So a file without failures and errors is that of a gate that passed, and the other way round. No
times stand in it: the same decision gives the same text. The form is that of the schema that Jenkins' xUnit plugin publishes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from .._core.gate_types import Check, Decision, Problem, Status
from .text import visible

CLASS = "keyward.bitlocker"
#: a case shows so many of its problems, and says how many more there are
MOST_PROBLEMS = 20
_LENGTH = 2000
_RANK = {status: rank for rank, status in enumerate(Status)}
_TAGS = {Status.FAILS: "failure", Status.COULD_NOT_LOOK: "error", Status.KNOWN: "skipped", Status.TOLERATED: "skipped"}
_LEAD = {Status.KNOWN: "Known from the baseline: ", Status.TOLERATED: "Tolerated: "}


def render(decision: Decision) -> str:
    """The file's text. A computer whose name XML cannot hold stands there with ``[U+202E]`` in place of such characters."""
    found: dict[str, dict[str, list[Problem]]] = defaultdict(lambda: defaultdict(list))
    for problem in decision.problems:
        found[problem.check][problem.computer if problem.computer is not None else problem.case or ""].append(problem)
    scoped = {name: bool(computer.units) for name, computer in decision.report.computers.items()}
    suites = [_suite(check, found.get(check.name, {}), scoped) for check in decision.checks]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", *suites, "</testsuites>", ""])


def render_error(message: str) -> str:
    """The file of a gate that could not decide: one error, so that no earlier file is taken for this run's."""
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            "<testsuites>",
            ' <testsuite name="gate" tests="1" failures="0" errors="1" skipped="0">',
            f'  <testcase classname="{CLASS}.gate" name="decision">',
            f'   <error type="error" message={_attribute(message)}/>',
            "  </testcase>",
            " </testsuite>",
            "</testsuites>",
            "",
        ]
    )


def _suite(check: Check, found: Mapping[str, Sequence[Problem]], scoped: Mapping[str, bool]) -> str:
    names = list(scoped) if check.cases is None else list(check.cases)
    # a check of computers may also have something to say of the run
    usual = set(names)
    names += [name for name in found if name not in usual]
    counts = {"failure": 0, "error": 0, "skipped": 0}
    lines: list[str] = []
    for name in names:
        problems = sorted(found.get(name, ()), key=lambda problem: _RANK[problem.status])
        in_scope = check.cases is not None or scoped.get(name, True)
        tag = _TAGS[problems[0].status] if problems else "" if in_scope else "skipped"
        if tag:
            counts[tag] += 1
        lines += _case(check, name, tag, problems)
    head = (
        f" <testsuite name={_attribute(check.name)} tests={_attribute(len(names))} failures={_attribute(counts['failure'])}"
        f" errors={_attribute(counts['error'])} skipped={_attribute(counts['skipped'])}>"
    )
    return "\n".join([head, *lines, " </testsuite>"])


def _case(check: Check, name: str, tag: str, problems: Sequence[Problem]) -> Iterator[str]:
    case = f"  <testcase classname={_attribute(f'{CLASS}.{check.name}')} name={_attribute(name)}"
    if not tag:
        yield f"{case}/>"
        return
    yield f"{case}>"
    message = _headline(problems) if problems else "Nothing of it is in scope."
    if tag == "skipped":
        yield f"   <skipped message={_attribute(message)}/>"
    else:
        kind = next((problem.code for problem in problems if problem.code), check.name)
        yield f"   <{tag} type={_attribute(kind)} message={_attribute(message)}>{_text(problems)}</{tag}>"
    yield "  </testcase>"


def _headline(problems: Sequence[Problem]) -> str:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _LEAD.get(first.status, "") + _where(first) + first.message + more


def _where(problem: Problem) -> str:
    # a label is mostly a letter with its colon
    return f"{problem.volume.rstrip(':')}: " if problem.volume else ""


def _text(problems: Sequence[Problem]) -> str:
    lines = []
    for problem in problems[:MOST_PROBLEMS]:
        code = f"{problem.code} " if problem.code else ""
        lines.append(f"{_LEAD.get(problem.status, '')}{code}{_where(problem)}{problem.message}")
        lines += [f"  {problem.remedy}"] if problem.remedy else []
    if len(problems) > MOST_PROBLEMS:
        lines.append(f"and {len(problems) - MOST_PROBLEMS} more")
    return "\n".join(escape(_safe(line)) for line in lines)


def _safe(value: object) -> str:
    """Text that XML 1.0 can hold and that looks like what it is: control, format, bidi characters and half surrogates are named."""
    text = visible(value)
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"


def _attribute(value: object) -> str:
    return quoteattr(_safe(value))
