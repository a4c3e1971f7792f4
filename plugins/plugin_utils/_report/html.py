# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The report as one HTML file that asks for nothing else: the sums are markup, the table and each computer's page are made by its script.

The page forbids itself every request and every script and style but its own, by hash (Content Security Policy Level 3), and every way from
text to markup in the script (Trusted Types).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from types import MappingProxyType
from typing import Any

from . import overview, payload, trend
from .changes import Changes, compare, heading, sentences
from .markup import Markup, join, tag
from .overview import Headline, Task
from .text import MEANINGS, counted, moment, spaced

#: the files beside this one that make up the page; the scripts run in this order, in one scope
TEMPLATE, STYLE = "report.html", "report.css"
SCRIPTS = ("base.js", "model.js", "table.js", "computer.js", "main.js")
ASSET_NAMES = (TEMPLATE, STYLE, *SCRIPTS)
FIRST_TASKS = 5
_DIGEST = re.compile(r'<meta name="keyward-content" content="([0-9a-f]{64})">')


@dataclass(frozen=True, slots=True)
class Assets:
    """The page's own files, read by the caller."""

    template: str
    style: str
    script: str

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Assets:
        """From the texts of :data:`ASSET_NAMES`."""
        script = "\n".join(texts[name] for name in SCRIPTS)
        return cls(texts[TEMPLATE], texts[STYLE], f'(() => {{\n"use strict";\n{script}}})();\n')


def render(document: Mapping[str, Any], assets: Assets, previous: Mapping[str, Any] | None = None, *, digest: str = "") -> str:
    """The whole page; ``previous`` is an earlier report to tell what changed, ``digest`` stands for the document's content."""
    changes = compare(previous, document)
    return Template(assets.template).substitute(
        csp=_policy(assets),
        digest=digest,
        generated=moment(document["generated_at"]),
        subtitle=_subtitle(document),
        conclusion=_conclusion(document),
        alerts=_alerts(document),
        headlines=join(*(_headline(line) for line in overview.headlines(document))),
        bar=_bar(overview.headlines(document), overview.judged(document)),
        units=tag("p", overview.counted_units(document), class_="units"),
        coverage=_coverage(document),
        changed=_changed(changes),
        stores=_stores(document),
        tasks=_tasks(document),
        trend=trend.section(document),
        requirements=_requirements(document),
        style=assets.style,
        data=payload.to_script(payload.build(document, changes)),
        script=assets.script,
    )


def digest_of(text: str) -> str | None:
    """The digest that an earlier page carries."""
    found = _DIGEST.search(text)
    return found[1] if found else None


def _policy(assets: Assets) -> str:
    """The page's Content-Security-Policy."""

    def hashed(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"

    return (
        f"default-src 'none'; script-src {hashed(assets.script)}; style-src {hashed(assets.style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _subtitle(document: Mapping[str, Any]) -> Markup:
    summary = document["summary"]
    about = f"{counted(summary['computers'], 'computer')}, {counted(summary['volumes'], 'volume')}"
    return join(tag("time", moment(document["generated_at"]), datetime=document["generated_at"]), tag("span", about))


def _conclusion(document: Mapping[str, Any]) -> Markup:
    name, word, sentence = overview.conclusion(document)
    return tag("p", tag("strong", word), tag("span", sentence), class_=f"conclusion of-{name}")


def _alerts(document: Mapping[str, Any]) -> Markup | None:
    found = overview.run_findings(document)
    if not found:
        return Markup("")
    items = [tag("li", tag("p", tag("strong", f["message"])), tag("p", f["remedy"]), tag("p", f["code"], class_="code")) for f in found]
    title = tag("h2", "What could not be looked at", id="alerts-title")
    return tag("section", title, tag("ul", *items), class_="alerts", aria_labelledby="alerts-title")


def _headline(line: Headline) -> Markup:
    number = tag("a", f"{line.count:,}", href=f"#verdict=class:{line.name}", aria_label=f"{line.label}: {counted(line.count, 'volume')}")
    words = [
        tag("li", tag("a", f"{count:,} {spaced(word)}", href=f"#verdict={word}", title=MEANINGS[word])) for word, count in line.verdicts
    ]
    return tag(
        "div",
        tag("dt", line.label),
        tag("dd", number, tag("span", line.share, class_="share"), class_="number"),
        tag("dd", tag("ul", *words)) if words else None,
        class_=f"headline of-{line.name}",
    )


#: the narrowest piece of the bar, and the narrowest class that has room for its mark, in percent
_SLIVER, _ROOM = 0.35, 5.0
#: a class's mark, as the page draws it everywhere: it differs by shape as well as by colour
_MARKS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "pass": {"d": "M4 0a4 4 0 1 0 0 8a4 4 0 1 0 0-8"},
        "missing": {"d": "M0 0h8v8h-8z"},
        "attention": {"d": "M4 0l4 8h-8z"},
        "unseen": {"d": "M4 0a4 4 0 1 0 0 8a4 4 0 1 0 0-8M4 2a2 2 0 1 1 0 4a2 2 0 1 1 0-4", "fill_rule": "evenodd"},
    }
)


def _bar(lines: list[Headline], whole: int) -> Markup:
    """One bar of all verdicts, nothing where there is none. Widths are attributes of SVG, as the policy forbids style attributes."""
    if not whole:
        return Markup("")
    # one missing key among 20,000 is still to be seen
    shares = {word: max(100 * count / whole, _SLIVER) for line in lines for word, count in line.verdicts}
    scale = 100 / sum(shares.values())
    pieces, at = [], 0.0
    for line in lines:
        begin = at
        for word, count in line.verdicts:
            width = shares[word] * scale
            label = f"{spaced(word)}: {counted(count, 'volume')}"
            rect = tag("rect", x=f"{at:.3f}%", y="0", width=f"{width:.3f}%", height="20", class_=f"of-{line.name}")
            pieces.append(tag("g", tag("title", label), rect))
            at += width
        if at - begin >= _ROOM:
            mark = tag("path", **_MARKS[line.name], transform="translate(7 6)", class_="mark")
            pieces.append(tag("svg", mark, x=f"{begin:.3f}%", y="0", width="20", height="20"))
    said = "; ".join(f"{line.label} {line.share}" for line in lines)
    return tag("svg", *pieces, role="img", aria_label=f"Verdicts: {said}", class_="bar")


def _coverage(document: Mapping[str, Any]) -> Markup:
    summary = document["summary"]
    width = 1000 * summary["observed"] / summary["computers"] if summary["computers"] else 0
    meter = tag(
        "svg",
        tag("rect", x="0", y="0", width="1000", height="6", class_="rest"),
        tag("rect", x="0", y="0", width=f"{width:.2f}", height="6", class_="part"),
        viewBox="0 0 1000 6",
        preserveAspectRatio="none",
        aria_hidden="true",
        class_="meter",
    )
    return join(meter, *(tag("p", line) for line in overview.coverage(document)))


def _changed(changes: Changes | None) -> Markup:
    if changes is None:
        return join(tag("h2", "What changed"), tag("p", "There is no earlier report to compare with.", class_="quiet"))
    items = [tag("li", tag("a", text, href=f"#change={kind}") if kind else text) for kind, text in sentences(changes)]
    return join(tag("h2", heading(changes)), tag("ul", *items))


def _stores(document: Mapping[str, Any]) -> Markup:
    rows = []
    said_above = " ".join(finding["message"] for finding in overview.run_findings(document))
    for line in overview.stores(document):
        state = tag("span", spaced(line.state), class_=f"dot of-{'pass' if line.state == 'searched' else 'unseen'}")
        facts = ([] if line.state == "down" else [counted(line.entries, "entry", "entries")]) + ([] if line.required else ["not required"])
        said = [tag("p", state, *(tag("span", fact) for fact in facts))]
        if line.holding:
            said.append(tag("p", f"{line.holding[:1].upper()}{line.holding[1:]}"))
        if line.reason and line.reason not in said_above:
            said.append(tag("p", line.reason, class_="quiet"))
        said += _intune(document["stores"][line.name].get("intune"), f"{said_above} {line.reason}")
        rows.append(join(tag("dt", line.label), tag("dd", *said)))
    return tag("dl", *rows)


def _intune(facts: Mapping[str, Any] | None, said_above: str) -> list[Markup]:
    if facts is None:
        return []
    enrolments = "" if facts["state"] == "down" else f", {counted(facts['enrolments'], 'enrolment')}"
    reason = facts.get("reason") or ""
    lines = [f"Intune: {spaced(facts['state'])}{enrolments}. No verdict rests on it.", "" if reason in said_above else reason]
    return [tag("p", line, class_="quiet") for line in lines if line]


def _tasks(document: Mapping[str, Any]) -> Markup:
    found = overview.tasks(document)
    if not found:
        nothing = "Nothing but what is said above." if overview.run_findings(document) else "Nothing: there are no findings."
        return tag("p", nothing, class_="quiet")
    first, rest = found[:FIRST_TASKS], found[FIRST_TASKS:]
    listed = tag("ol", *(_task(task) for task in first), class_="tasks")
    if not rest:
        return listed
    more = tag("summary", f"{counted(len(rest), 'more kind')} of findings")
    return join(listed, tag("details", more, tag("ol", *(_task(task) for task in rest), class_="tasks")))


def _task(task: Task) -> Markup:
    where = tag("a", task.where, href=f"#code={task.code}", aria_label=f"Show {task.where} of {task.code}")
    return tag(
        "li",
        tag("p", task.severity, class_=f"severity is-{task.severity}"),
        tag("div", tag("p", tag("strong", task.message)), tag("p", task.remedy, class_="remedy"), class_="what"),
        tag("p", where, tag("span", f"{task.code} {spaced(task.name)}", class_="code"), class_="where"),
    )


def _requirements(document: Mapping[str, Any]) -> Markup:
    rows = [join(tag("dt", name), tag("dd", value)) for name, value in overview.requirement_words(document)]
    return tag("dl", *rows)
