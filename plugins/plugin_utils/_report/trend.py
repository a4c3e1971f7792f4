# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The trend of a report with a ledger: a column for each run, and a table that says the same to who does not see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .markup import Markup, join, tag
from .text import CLASSES, classes_of, counted, moment

#: runs in the chart, and the chart's height; a column is as wide as two units with one between
_RUNS, _HEIGHT, _STEP, _WIDTH = 60, 40, 3, 2
_ORDER = ("pass", "unseen", "attention", "missing")


def section(document: Mapping[str, Any]) -> Markup:
    """The section; nothing where there is no ledger, or no earlier run."""
    trend = document.get("trend")
    if not trend or not trend["runs"]:
        return Markup("")
    this = {"at": document["generated_at"], "verdicts": document["summary"]["verdicts"]}
    belongs = classes_of(document["requirements"])
    runs = [(run["at"], _sums(run["verdicts"], belongs)) for run in [*trend["runs"], this][-_RUNS:]]
    title = tag("h2", "Trend", id="trend-title")
    return tag(
        "section", title, _chart(runs), tag("p", _sentence(runs)), _escrow(trend["escrow"]), _table(runs), aria_labelledby="trend-title"
    )


def _sums(verdicts: Mapping[str, int], belongs: Mapping[str, str]) -> dict[str, int]:
    sums = dict.fromkeys(_ORDER, 0)
    for word, count in verdicts.items():
        # a word of another release could not be looked at
        sums[belongs.get(word, "unseen")] += count
    return sums


def _chart(runs: Sequence[tuple[str, Mapping[str, int]]]) -> Markup:
    columns = []
    for number, (at, sums) in enumerate(runs):
        whole, top = sum(sums.values()), 0.0
        parts: list[Markup] = []
        for name in reversed(_ORDER):
            height = _HEIGHT * sums[name] / whole if whole else 0.0
            if height:
                parts.append(tag("rect", x=number * _STEP, y=f"{top:.2f}", width=_WIDTH, height=f"{height:.2f}", class_=f"of-{name}"))
            top += height
        columns.append(tag("g", tag("title", f"{moment(at)}: {_words(sums)}"), *parts))
    return tag(
        "svg",
        *columns,
        viewBox=f"0 0 {len(runs) * _STEP} {_HEIGHT}",
        width=f"{len(runs) * 12}",
        height="120",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"Verdicts over {counted(len(runs), 'run')}. {_sentence(runs)}",
        class_="trend",
    )


def _words(sums: Mapping[str, int]) -> str:
    return ", ".join(f"{CLASSES[name]} {sums[name]:,}" for name in _ORDER)


def _sentence(runs: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    (first, before), (_last, now) = runs[0], runs[-1]
    passing = f"passing {before['pass']:,} then, {now['pass']:,} now"
    return f"Since {moment(first)}: {passing}; missing {before['missing']:,} then, {now['missing']:,} now."


def _escrow(times: Mapping[str, Any]) -> Markup | None:
    if times["median_hours"] is None:
        return None
    return tag(
        "p",
        f"{counted(times['after'], 'recovery password')} escrowed after the first observation, half of them within "
        f"{times['median_hours']:,} hours.",
        class_="quiet",
    )


def _table(runs: Sequence[tuple[str, Mapping[str, int]]]) -> Markup:
    head = tag("tr", tag("th", "Run", scope="col"), *(tag("th", CLASSES[name], scope="col") for name in _ORDER))
    rows = [
        tag("tr", tag("th", moment(at), scope="row"), *(tag("td", f"{sums[name]:,}") for name in _ORDER)) for at, sums in reversed(runs)
    ]
    return tag("details", tag("summary", "As a table"), tag("table", tag("thead", head), tag("tbody", join(*rows))))
