# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The report as a short job summary in Markdown (GitHub and GitLab show it beside a pipeline's run): numbers, what to do, the worst."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import overview
from .changes import compare, heading, sentences
from .text import counted, moment, spaced, visible

WORST = 10
TASKS = 5
#: longer names are cut: a summary is a summary
NAME_LENGTH = 80
_MARK = "<!-- keyward-content: {} -->"
#: whatever Markdown, HTML within it, or a forge (mentions, references, emoji, math, links) could take for more than text
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~&$@^\"]|[!%:](?=\S)")
#: places within text where forges find links, people, issues, emoji and the like, also when every sign of it is escaped, because they look
#: through the finished HTML (GitHub, "Autolinked references and URLs"; GitLab, "GitLab-specific references"): what stands there must part
_PARTED = re.compile(
    r"(?i)(?<=[@#~])(?=[\w.\"])|(?<=[!&$])(?=\d)|(?<=%)(?=[\w\"])|(?<=\[)(?=\w+:)|(?<=:)(?=[a-z+-][\w+-]*:|//)|(?<=\bG[HL])(?=-\d)"
    r"|(?<=\bhttp)(?=s?\b)|(?<=\bftp)\b|(?<=\bwww)\b|(?<=\bmail)(?=to\b)"
)
_JOINER = "\u2060"


def escape(value: object, length: int = 0) -> str:
    """Text that Markdown shows as it is, on one line, in a table too; cut to ``length`` characters when one is given."""
    text = visible(value)
    if length and len(text) > length:
        text = text[: length - 1] + "…"
    # a word joiner shows nothing and links nothing; no text has one of its own, because it would be invisible
    text = _PARTED.sub(_JOINER, text)
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", text).replace(_JOINER, f"&#{ord(_JOINER)};")


def render(document: Mapping[str, Any], previous: Mapping[str, Any] | None = None, *, digest: str = "") -> str:
    """The summary; ``previous`` is an earlier report, ``digest`` stands for the document's content (see :func:`digest_of`)."""
    blocks = [_head(document), _run(document), _numbers(document), _changed(document, previous), _first(document), _worst(document)]
    if digest:
        blocks.append([_MARK.format(digest)])
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def digest_of(text: str) -> str | None:
    """The digest that an earlier summary carries."""
    found = re.search(_MARK.format("([0-9a-f]{64})"), text)
    return found[1] if found else None


def _head(document: Mapping[str, Any]) -> list[str]:
    _name, word, sentence = overview.conclusion(document)
    return ["## BitLocker escrow report", "", f"**{word}.** {sentence}", "", f"{moment(document['generated_at'])}. {_coverage(document)}"]


def _coverage(document: Mapping[str, Any]) -> str:
    return " ".join(escape(line) for line in overview.coverage(document))


def _run(document: Mapping[str, Any]) -> list[str]:
    found = overview.run_findings(document)
    if not found:
        return []
    lines = ["### What could not be looked at", ""]
    return lines + [f"- **{escape(f['code'])}** {escape(f['message'], 600)} {escape(f['remedy'])}" for f in found]


def _numbers(document: Mapping[str, Any]) -> list[str]:
    lines = ["| | Volumes | | Verdicts |", "|---|---:|---:|---|"]
    for line in overview.headlines(document):
        verdicts = ", ".join(f"{spaced(word)} {count:,}" for word, count in line.verdicts)
        lines.append(f"| {line.label} | {line.count:,} | {line.share} | {verdicts} |")
    held = [f"{line.label} {line.holding}" for line in overview.stores(document) if line.holding]
    return [*lines, "", escape(" ".join([overview.counted_units(document), *held]))]


def _changed(document: Mapping[str, Any], previous: Mapping[str, Any] | None) -> list[str]:
    changes = compare(previous, document)
    if changes is None:
        return []
    return [f"### {escape(heading(changes))}", "", *(f"- {escape(text)}" for _kind, text in sentences(changes))]


def _first(document: Mapping[str, Any]) -> list[str]:
    found = [task for task in overview.tasks(document) if task.severity in ("high", "medium")]
    if not found:
        return []
    lines = ["### What to do first", ""]
    for number, task in enumerate(found[:TASKS], 1):
        where = f"{task.where}, e.g. {escape(task.example, NAME_LENGTH)}"
        lines.append(f"{number}. **{escape(task.code)}** ({task.severity}, {where}): {escape(task.message, 400)} {escape(task.remedy)}")
    if len(found) > TASKS:
        lines += ["", f"And {len(found) - TASKS} more kinds of findings of high or medium severity."]
    return lines


def _worst(document: Mapping[str, Any]) -> list[str]:
    worst, number = overview.worst_computers(document, WORST)
    if not worst:
        return []
    lines = [
        f"### Worst {len(worst)} of {counted(number, 'computer')} that do not pass" if number > 1 else "### The computer that does not pass"
    ]
    lines += ["", "| Computer | Verdict | Volumes | Flags |", "|---|---|---|---|"]
    for computer in worst:
        volumes = [escape(v["volume"], 40) for v in computer["volumes"] if v["verdict"] == computer["verdict"]]
        flags = ", ".join(spaced(flag) for flag in computer["flags"])
        more = f" and {len(volumes) - 4} more" if len(volumes) > 4 else ""
        lines.append(
            f"| {escape(computer['name'], NAME_LENGTH)} | {spaced(computer['verdict'])} | {', '.join(volumes[:4])}{more} | {flags} |"
        )
    return lines
