# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures with their bounds, and the little arithmetic between measurements and figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure.

    ``bound`` is the most it may be; None: for information. ``exact``: it must be the bound itself; ``least``: it is the least it may be.
    ``note`` says how it was measured.
    """

    name: str
    value: float
    unit: str
    bound: float | None = None
    exact: bool = False
    least: bool = False
    note: str = ""

    @property
    def within(self) -> bool:
        """Whether it keeps its bound; a value that is no number does not."""
        if self.bound is None:
            return True
        if self.least:
            return self.value >= self.bound
        return self.value == self.bound if self.exact else self.value <= self.bound


def ratio_of_rounds(rounds: Sequence[Mapping[str, float]], numerator: str, denominator: str, baseline: str | None = None) -> float:
    """The median over interleaved rounds of ``numerator / denominator``, each less its round's ``baseline``.

    Ratios are taken within a round, so that a machine that grows slower from round to round changes both sides alike.

    Raises:
        ValueError: there is no round, or in one of them the denominator is not above the baseline.
    """
    ratios = []
    for costs in rounds:
        ground = costs[baseline] if baseline else 0.0
        below = costs[denominator] - ground
        if below <= 0:
            raise ValueError(f"{denominator} cost no more than {baseline or 'nothing'} in one round")
        ratios.append((costs[numerator] - ground) / below)
    if not ratios:
        raise ValueError("no round was measured")
    return median(ratios)


def median_of(rounds: Sequence[Mapping[str, float]], what: str, baseline: str | None = None) -> float:
    """The median over rounds of one cost, less its round's ``baseline``."""
    return median(costs[what] - (costs[baseline] if baseline else 0.0) for costs in rounds)


def to_json(figures: Iterable[Figure]) -> str:
    """The file: ``{"figures": [{"name", "value", "unit"}]}``, with bound and note where there are any."""
    rows: list[dict[str, Any]] = []
    for figure in figures:
        row: dict[str, Any] = {"name": figure.name, "value": figure.value, "unit": figure.unit}
        if figure.bound is not None:
            row |= {"bound": figure.bound, "within": figure.within}
        if figure.note:
            row["note"] = figure.note
        rows.append(row)
    return json.dumps({"figures": rows}, indent=1, ensure_ascii=False) + "\n"


def table(figures: Sequence[Figure]) -> str:
    """The figures for a person: value, bound, and whether it is kept."""
    rows = [("figure", "value", "", "bound", "")]
    for figure in figures:
        sign = "= " if figure.exact else ">= " if figure.least else "<= "
        bound = "" if figure.bound is None else sign + _number(figure.bound)
        verdict = "" if figure.bound is None else "ok" if figure.within else "BEYOND ITS BOUND"
        rows.append((figure.name, _number(figure.value), figure.unit, bound, verdict))
    width = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        f"{name:<{width[0]}}  {value:>{width[1]}} {unit:<{width[2]}}  {bound:<{width[3]}}  {verdict}".rstrip()
        for name, value, unit, bound, verdict in rows
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3f}"
