# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What changed between two reports, volume by volume. The earlier one is a file that anybody may have edited: nothing in it is trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .text import VERDICT_WORDS, classes_of, counted, moment, spaced

#: a computer, and one of its volumes or None for a computer that lists none
Unit = tuple[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one volume changed. ``kind``: worse (passes no more), better (passes now), other, new; ``was`` is the verdict before."""

    kind: str
    was: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Everything that changed since the report of ``since``; ``units`` holds only what changed."""

    since: str
    since_complete: bool = True
    asked_otherwise: bool = False
    complete: bool = True
    units: Mapping[Unit, Change] = field(default_factory=dict)
    now: Mapping[Unit, str] = field(default_factory=dict)
    new_computers: tuple[str, ...] = ()
    gone_computers: tuple[str, ...] = ()

    def count(self, kind: str) -> int:
        """How many volumes changed in this way."""
        return sum(change.kind == kind for change in self.units.values())


def unit_of(computer: Mapping[str, Any], volume: Mapping[str, Any] | None) -> Unit:
    """What a volume is known by in two reports: its device ID, which stays when a letter moves."""
    return (str(computer["name"]), str(volume["device_id"]) if volume is not None else None)


def compare(previous: Mapping[str, Any] | None, document: Mapping[str, Any]) -> Changes | None:
    """What changed; None when there is no earlier report, or what lies there is none that this version understands."""
    before = _verdicts(previous)
    if previous is None or before is None:
        return None
    now = _verdicts(document) or {}
    passing = {word for word, name in classes_of(document["requirements"]).items() if name == "pass"}
    units = {unit: _change(before.get(unit), verdict, passing) for unit, verdict in now.items() if before.get(unit) != verdict}
    known, today = {name for name, _volume in before}, {name for name, _volume in now}
    return Changes(
        since=str(previous["generated_at"]),
        since_complete=previous.get("complete") is not False,
        complete=document.get("complete") is not False,
        asked_otherwise=previous.get("requirements") != document["requirements"],
        units=units,
        now=now,
        new_computers=tuple(sorted(today - known)),
        gone_computers=tuple(sorted(known - today)),
    )


def _change(was: str | None, verdict: str, passing: set[str]) -> Change:
    if was is None:
        return Change(kind="new")
    if (was in passing) == (verdict in passing):
        return Change(kind="other", was=was)
    return Change(kind="better" if verdict in passing else "worse", was=was)


def _verdicts(document: Mapping[str, Any] | None) -> dict[Unit, str] | None:
    """The verdict of every unit that was judged, or None for what is no report."""
    if document is None or document.get("schema_version") != 1 or not isinstance(document.get("generated_at"), str):
        return None
    try:
        found = dict(_judged(document))
    except (KeyError, TypeError, AttributeError):
        return None
    return found if all(isinstance(verdict, str) and verdict in VERDICT_WORDS for verdict in found.values()) else None


def _judged(document: Mapping[str, Any]) -> Iterator[tuple[Unit, str]]:
    for computer in document["computers"]:
        for volume in computer["volumes"]:
            if volume["verdict"] is not None:
                yield unit_of(computer, volume), volume["verdict"]
        if not computer["volumes"] and computer["verdict"] is not None:
            yield unit_of(computer, None), computer["verdict"]


def sentences(changes: Changes) -> list[tuple[str, str]]:
    """What changed in words: (kind, sentence), the gravest first; kind is empty where no volume stands behind it."""
    out = []
    if number := changes.count("worse"):
        ends = Counter(changes.now[unit] for unit, change in changes.units.items() if change.kind == "worse")
        out.append(("worse", f"{counted(number, 'volume')} no longer pass{'es' * (number == 1)}: {_tally(ends)} now."))
    if number := changes.count("better"):
        starts = Counter(change.was or "" for change in changes.units.values() if change.kind == "better")
        out.append(("better", f"{counted(number, 'volume')} pass{'es' * (number == 1)} now: {_tally(starts)} before."))
    if number := changes.count("other"):
        out.append(
            ("other", f"{counted(number, 'volume')} {'has' if number == 1 else 'have'} another verdict, which passes or not as before.")
        )
    if not any(kind for kind, _text in out):
        out.append(("", "No verdict changed."))
    if changes.new_computers:
        number = len(changes.new_computers)
        out.append(("new", f"{counted(number, 'computer')} {'is' if number == 1 else 'are'} new in the report."))
    if changes.gone_computers:
        number = len(changes.gone_computers)
        out.append(
            ("", f"{counted(number, 'computer')} {'is' if number == 1 else 'are'} no longer in it: {_named(changes.gone_computers)}.")
        )
        if not changes.complete:
            out.append(("", "What could not be looked at now may hide computers."))
    if changes.asked_otherwise:
        out.append(("", "The requirements were others then."))
    if not changes.since_complete:
        out.append(("", "That report was incomplete."))
    return out


def heading(changes: Changes) -> str:
    """Since when."""
    return f"Changed since {moment(changes.since)}"


def _named(names: Sequence[str]) -> str:
    """The first few names and how many more there are."""
    shown = [name if len(name) <= 60 else f"{name[:59]}…" for name in names[:3]]
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(shown) + more


def _tally(counts: Counter[str]) -> str:
    ordered = sorted(counts, key=VERDICT_WORDS.index)
    return ", ".join(f"{counts[word]:,} {spaced(word)}" for word in ordered)
