# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One run of the gate: take the report, decide, write the JUnit file, say what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from .._core.gate import decide
from .._core.gate_baseline import Baseline
from .._core.gate_policy import make_policy
from .._core.gate_report import GateReport, read_report
from .._core.gate_types import Decision, Problem, Status
from .._errors import BadDataError, KeywardError, OptionError
from .._report import junit
from .._report.document import stamp
from .files import write_atomically
from .gate_files import load_report
from .gate_rules import Rules
from .options import plain


def judge(params: Mapping[str, Any], task_vars: Mapping[str, Any], now: datetime) -> Decision:
    """The decision on the report that the options name.

    Raises:
        OptionError: an option, a rule or a path cannot be used.
        BadDataError: the report or the baseline is none, was cut off, or does not add up.
    """
    if params["max_listed"] < 0:
        raise OptionError("decide", target="option max_listed", meaning="it is below zero", remedy="Give how many problems to list.")
    policy = make_policy(params["fail_on"], min_coverage=params["min_coverage"], max_age=params["max_age"])
    rules = Rules(params["rules"])
    report = _report(params, task_vars)
    if params["generated_at"] and params["generated_at"] != stamp(report.generated_at):
        raise BadDataError(
            "read the report",
            target=_name(params),
            meaning=f"it was made at {stamp(report.generated_at)} and not at {params['generated_at']}, so it is another run's",
            remedy="Hand over the report of this run; something else may write to the same place.",
        )
    earlier = _baseline(params["baseline"]) if params["baseline"] else None
    baseline = Baseline(earlier, report, params["baseline"]) if earlier is not None else None
    return decide(report, policy, now=now, baseline=baseline, rules=rules.ask(report, earlier))


def _name(params: Mapping[str, Any]) -> str:
    if params["report_variable"]:
        return f"variable {params['report_variable']}"
    return str(params["report_file"] or "option report")


def _report(params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> GateReport:
    document: object
    if params["report_file"]:
        document = load_report(Path(params["report_file"]), option="report_file")
    elif params["report_variable"]:
        document = _registered(params["report_variable"], task_vars)
    else:
        document = params["report"]
    return read_report(document, _name(params))


def _registered(name: str, task_vars: Mapping[str, Any]) -> object:
    """The report in a result of escrow_report with query "@"; taken as it is, since to template a large fleet's report takes minutes."""
    result = task_vars.get(name)
    if not isinstance(result, Mapping):
        raise OptionError(
            "take the report",
            target=f"variable {name}",
            meaning="no result of escrow_report is registered under this name" if result is None else "it is no result of a task",
            remedy="Register the result of keyward.bitlocker.escrow_report under it, on the same host.",
        )
    if result.get("failed") or result.get("unreachable") or result.get("skipped"):
        raise OptionError(
            "take the report",
            target=f"variable {name}",
            meaning=f"there is no report, as its task did not succeed: {plain(result.get('msg', 'it was skipped'))}",
            remedy="See that task.",
        )
    if "query_result" not in result:
        raise OptionError(
            "take the report",
            target=f"variable {name}",
            meaning="the result holds only the summary",
            remedy='Set query: "@" on the task of escrow_report, or give report_file.',
        )
    return plain(result["query_result"])


def _baseline(path: str) -> GateReport:
    remedy = "Name the report of an earlier run. Without a baseline leave the option out: then everything that fails counts as new."
    return read_report(load_report(Path(path), option="baseline"), path, attempted="use the baseline", remedy=remedy)


def write_junit(decision: Decision | KeywardError, path: Path, *, check_mode: bool) -> bool:
    """Write the JUnit file where its content differs from what lies there; returns whether it does.

    An error in place of a decision gives a file that says so. OptionError: it cannot be written.
    """
    text = junit.render_error(str(decision)) if isinstance(decision, KeywardError) else junit.render(decision)
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
    except (OSError, ValueError):
        pass  # what cannot be read is replaced, or that fails and says why
    if not check_mode:
        write_atomically(path, text)
    return True


def result_of(decision: Decision, most: int) -> dict[str, Any]:
    """The decision as a task's result, with at most so many problems of each status."""
    numbers = decision.numbers
    fails, unseen = decision.of(Status.FAILS), decision.of(Status.COULD_NOT_LOOK)
    return {
        "outcome": decision.outcome.value,
        "failures": _listed(fails, most),
        "failure_count": len(fails),
        "could_not_look_reasons": _listed(unseen, most),
        "could_not_look_count": len(unseen),
        "known_count": len(decision.of(Status.KNOWN)),
        "tolerated_count": len(decision.of(Status.TOLERATED)),
        "coverage": {
            "computers": numbers.computers,
            "observed": numbers.observed,
            "verdicts": numbers.verdicts,
            "judged": numbers.judged,
            "passing": numbers.passing,
            "min_coverage": decision.min_coverage,
        },
        "generated_at": stamp(decision.report.generated_at),
        "baseline_generated_at": stamp(decision.baseline_at),
    }


def _listed(problems: Sequence[Problem], most: int) -> list[dict[str, Any]]:
    """As many as there may be; where some are left out, one of each kind comes first."""
    if len(problems) > most:
        firsts = {problem.code or problem.check: problem for problem in reversed(problems)}
        chosen = {id(problem) for problem in firsts.values()}
        problems = sorted(problems, key=lambda problem: id(problem) not in chosen)
    return [_problem(problem) for problem in problems[:most]]


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "check": problem.check,
        "code": problem.code or None,
        "severity": problem.severity.value if problem.severity is not None else None,
        "computer": problem.computer,
        "volume": problem.volume,
        "message": problem.message,
        "remedy": problem.remedy,
    }


def sentence(decision: Decision) -> str:
    """The result's message."""
    fails, unseen = decision.of(Status.FAILS), decision.of(Status.COULD_NOT_LOOK)
    parts = []
    if fails:
        parts.append(f"{len(fails)} {'thing fails' if len(fails) == 1 else 'things fail'}, the first: {_told(fails[0])}")
    if unseen:
        parts.append(f"Too little was seen to pass: {_told(unseen[0])}" + (f" ({len(unseen) - 1} more reasons)" if len(unseen) > 1 else ""))
    return " ".join(parts) or "Compliant."


def _told(problem: Problem) -> str:
    where = " ".join(part for part in (problem.code, problem.computer, problem.volume) if part)
    return f"{where.rstrip(':')}: {problem.message}" if where else problem.message
