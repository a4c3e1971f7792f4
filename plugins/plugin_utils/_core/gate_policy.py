# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a gate fails on: the options of compliance_gate, checked once, then trusted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from .._errors import OptionError
from .finding_catalogue import CATALOGUE
from .model import Severity, Verdict
from .verdict import could_not_look

#: verdicts of volumes that were looked at and whose key is missing, wrong or unneeded: each one fails by default
MISSING = tuple(verdict for verdict in Verdict if verdict not in (Verdict.ESCROWED, Verdict.RECOVERABLE) and not could_not_look(verdict))
#: what may be given as a verdict to fail on
FAILABLE = tuple(verdict for verdict in Verdict if verdict is not Verdict.RECOVERABLE)
#: codes that say that nobody looked; where they fail, the outcome is that, not a finding
UNSEEN_CODES = frozenset(
    {"KW-VOL-007", "KW-VOL-008", *(f"KW-HST-{number:03}" for number in range(1, 7))}
    | {code for code in CATALOGUE if code.startswith(("KW-STO-", "KW-RUN-"))}
)
DEFAULT_COVERAGE = 0.9

_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much of one word is tolerated, counted in computers: so many, or this part of all computers in the report."""

    most: int | None = None
    share: float | None = None

    def exceeded(self, computers: int, known: int) -> bool:
        """Whether so many of the known computers are too many."""
        if self.most is not None:
            return computers > self.most
        # a quotient is rounded as the option was read, a product is not: 0.29 * 100 is less than 29
        return computers > 0 and computers / known > (self.share or 0.0)

    def __str__(self) -> str:
        return f"{self.most} computers" if self.most is not None else f"{(self.share or 0.0) * 100:g} % of the computers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The criteria of one gate.

    ``verdicts``, ``severities``, ``codes``: a single one fails. ``limits``: a word of any of the three -> how much of it is tolerated; it
    takes that word, and only that word, out of the three. ``max_age``: a report older than this was looked at too long ago.
    """

    verdicts: frozenset[Verdict] = frozenset(MISSING)
    severities: frozenset[Severity] = frozenset()
    codes: frozenset[str] = frozenset()
    limits: Mapping[str, Limit] = field(default_factory=dict)
    min_coverage: float = DEFAULT_COVERAGE
    max_age: timedelta | None = None

    def failing_verdicts(self, proof: str) -> frozenset[Verdict]:
        """The verdicts that fail, one by one or above a limit; where a proof is required, an unproven key always does."""
        named = {Verdict(word) for word in self.limits if word in Verdict.__members__.values()}
        return self.verdicts | named | ({Verdict.ESCROWED} if proof == "live" else set())


def make_policy(fail_on: Mapping[str, Any] | None, *, min_coverage: float, max_age: float | None = None) -> Policy:
    """The policy from the module's options; ``max_age`` is in hours, a key of ``fail_on`` that is None was not given.

    Raises:
        OptionError: a word is not known, a threshold is none or stands twice, a number makes no sense.
    """
    given = fail_on or {}
    if isinstance(min_coverage, bool) or not isinstance(min_coverage, int | float) or not 0 <= min_coverage <= 1:
        raise _wrong("min_coverage", f"{min_coverage!r} is not a part of one", "Give a number from 0 to 1, such as 0.9.")
    verdicts = given.get("verdicts")
    return Policy(
        verdicts=frozenset(MISSING if verdicts is None else _words(Verdict, "verdicts", verdicts, FAILABLE)),
        severities=frozenset(_words(Severity, "severities", given.get("severities") or (), tuple(Severity))),
        codes=frozenset(_code("fail_on.codes", code) for code in given.get("codes") or ()),
        limits=_limits(given.get("thresholds") or ()),
        min_coverage=min_coverage,
        max_age=_hours(max_age),
    )


def _wrong(option: str, meaning: str, remedy: str) -> OptionError:
    return OptionError("use the gate's options", target=f"option {option}", meaning=meaning, remedy=remedy)


def _words(kind: type[_Word], option: str, given: Collection[object], known: Sequence[_Word]) -> list[_Word]:
    for word in given:
        if word not in known:
            raise _wrong(f"fail_on.{option}", f"{word!r} is not among them", f"Use {', '.join(known)}.")
    return [kind(str(word)) for word in given]


def _code(option: str, given: object) -> str:
    if not isinstance(given, str) or given not in CATALOGUE:
        raise _wrong(option, f"there is no finding {given!r}", "The guide Reading the report lists every code.")
    return given


def _limits(given: Sequence[Mapping[str, Any]]) -> dict[str, Limit]:
    limits: dict[str, Limit] = {}
    for threshold in given:
        option = "fail_on.thresholds"
        word = _limited(threshold)
        most, share = threshold.get("max"), threshold.get("max_share")
        if (most is None) == (share is None):
            raise _wrong(
                option, f"{word} must have either max or max_share", "Give max as a number of computers, or max_share as a part of one."
            )
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 0):
            raise _wrong(option, f"max of {word} is {most!r}", "Give a number of computers, 0 or more.")
        if share is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1):
            raise _wrong(option, f"max_share of {word} is {share!r}", "Give a part of one, such as 0.02 for 2 % of the computers.")
        if word in limits:
            raise _wrong(option, f"{word} stands there twice", "Give one threshold for it.")
        limits[word] = Limit(most=most, share=share)
    return limits


def _limited(threshold: Mapping[str, Any]) -> str:
    """The one word that a threshold is about."""
    named = [(kind, threshold[kind]) for kind in ("verdict", "severity", "code") if threshold.get(kind) is not None]
    if len(named) != 1:
        raise _wrong("fail_on.thresholds", "a threshold must name one verdict, severity or code", "Give a threshold for each.")
    kind, word = named[0]
    if kind == "code":
        code = _code("fail_on.thresholds", word)
        if code.startswith(("KW-STO-", "KW-RUN-")):
            raise _wrong("fail_on.thresholds", f"{code} is about the run and not about computers", "Leave it out; such a run never passes.")
        return code
    if kind == "verdict":
        return _words(Verdict, "thresholds", [word], FAILABLE)[0].value
    return _words(Severity, "thresholds", [word], tuple(Severity))[0].value


def _hours(number: float | None) -> timedelta | None:
    if number is None:
        return None
    try:
        age = timedelta(hours=number)
    except (TypeError, ValueError, OverflowError) as error:
        raise _wrong("max_age", f"{number!r} is not a number of hours", "Give a number of hours, such as 24.") from error
    if age <= timedelta(0):
        raise _wrong("max_age", "no report is that young", "Give a number of hours, such as 24.")
    return age
