# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The report as a person reads it in a terminal: what to do first, the worst ten, the counts. Takes the document, gives text."""

from __future__ import annotations

import textwrap
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .overview import conclusion, counted_units, proofs, worst_computers
from .text import SEVERITIES, VERDICT_WORDS, counted

WIDTH = 100


def printable(text: object, width: int = 0) -> str:
    """Text that cannot command a terminal: control, format and bidi characters become ``?``; cut to ``width`` when one is given."""
    clean = "".join("?" if unicodedata.category(char)[0] == "C" or char in "\u2028\u2029" else char for char in str(text))
    return clean if not width or len(clean) <= width else clean[: width - 1] + "…"


def render(document: Mapping[str, Any], files: Sequence[str] = ()) -> str:
    """The terminal summary of a report document, ending with where the files are."""
    blocks = [_head(document), _first(document), _worst(document), _counts(document), _stores(document), _proofs(document)]
    if files:
        blocks.append(["Written:"] + [f"  {printable(file)}" for file in files])
    blocks.append([_conclusion(document)])
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _head(document: Mapping[str, Any]) -> list[str]:
    summary = document["summary"]
    line = (
        f"{counted(summary['computers'], 'computer')} ({summary['observed']:,} observed), {counted(summary['volumes'], 'volume')}: "
        f"{summary['passing']} pass, {_failing(summary)} do not, {summary['could_not_look']} could not be looked at"
    )
    return ["BitLocker escrow report", "=" * 23, line, counted_units(document)]


def _failing(summary: Mapping[str, Any]) -> int:
    return int(sum(summary["verdicts"].values()) - summary["passing"] - summary["could_not_look"])


def _first(document: Mapping[str, Any]) -> list[str]:
    """What to do first: the gravest codes, each with how often, one example and the remedy."""
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for finding in document["findings"]:
        if finding["severity"] in ("high", "medium"):
            grouped[finding["code"]].append(finding)
    if not grouped:
        return []
    ranked = sorted(grouped.items(), key=lambda item: (SEVERITIES.index(item[1][0]["severity"]), -len(item[1]), item[0]))
    lines = ["What to do first:"]
    for number, (code, findings) in enumerate(ranked[:5], 1):
        example = findings[0]
        where = " ".join(printable(part, 60) for part in (example["computer"], example["volume"]) if part)
        lines.append(f"  {number}. {code} ({example['severity']}), {len(findings)} times{', e.g. ' + where if where else ''}")
        lines += _wrapped(example["message"], "     ")
        lines += _wrapped(example["remedy"], "     -> ")
    if len(ranked) > 5:
        lines.append(f"  and {len(ranked) - 5} more kinds of medium or high findings")
    return lines


def _wrapped(text: str, lead: str) -> list[str]:
    return textwrap.wrap(printable(text, WIDTH * 4), WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False)


def _worst(document: Mapping[str, Any]) -> list[str]:
    """The worst ten computers that do not pass and could be looked at."""
    worst, number = worst_computers(document, 10)
    if not worst:
        return []
    lines = [f"Worst {len(worst)} of {number} computers:"]
    for computer in worst:
        volumes = [v["volume"] for v in computer["volumes"] if v["verdict"] == computer["verdict"]]
        flags = f" [{', '.join(computer['flags'])}]" if computer["flags"] else ""
        where = f" {', '.join(printable(v, 50) for v in volumes[:4])}" if volumes else ""
        lines.append(f"  {printable(computer['name'], 50):<40} {computer['verdict']}{where}{flags}")
    return lines


def _counts(document: Mapping[str, Any]) -> list[str]:
    summary = document["summary"]
    lines = ["Verdicts:"]
    lines += [f"  {word:<22}{summary['verdicts'][word]:>7}" for word in VERDICT_WORDS if word in summary["verdicts"]]
    for title, counts in (("Flags: ", summary["flags"]), ("Findings: ", summary["findings"])):
        if counts:
            lines += textwrap.wrap(
                ", ".join(f"{word}\u00a0{count}" for word, count in counts.items()),
                WIDTH,
                initial_indent=title,
                subsequent_indent="  ",
                break_on_hyphens=False,
            )
    return lines


def _stores(document: Mapping[str, Any]) -> list[str]:
    lines = ["Stores:"]
    for store, facts in document["stores"].items():
        reason = f": {printable(facts['reason'], WIDTH * 2)}" if facts.get("reason") else ""
        lines.append(f"  {store}: {facts['state']}, {facts['entries']} entries{reason}")
        if "intune" in facts:
            lines.append(f"    Intune: {facts['intune']['state']}, {facts['intune']['enrolments']} enrolments (no verdict rests on them)")
    return lines


def _proofs(document: Mapping[str, Any]) -> list[str]:
    lines = [line for sentence in proofs(document) for line in _wrapped(sentence, "  ")]
    return ["Proofs:", *lines] if lines else []


def _conclusion(document: Mapping[str, Any]) -> str:
    _class, word, sentence = conclusion(document)
    return f"{word.upper()}: {sentence}"
