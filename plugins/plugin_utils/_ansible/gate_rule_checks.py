# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Mistakes in a rule of which JMESPath says nothing: words that no report has, and keys that stand elsewhere than the rule looks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._core.finding_catalogue import CATALOGUE
from .._core.model import Conversion, EntryState, Flag, Method, Protection, ProtectorType, Severity, StoreState, Verdict, VolumeType

#: a number that a later Windows gives, as observations write it
_UNKNOWN = re.compile(r"unknown_\d+", re.ASCII)
#: key -> the words that its value can be
_VALUES: Mapping[str, frozenset[str]] = {
    key: frozenset(word.value for kind in kinds for word in kind)
    for key, kinds in {
        "verdict": (Verdict,),
        "severity": (Severity,),
        "flags": (Flag,),
        "type": (VolumeType, ProtectorType),
        "conversion": (Conversion,),
        "protection": (Protection,),
        "method": (Method,),
        "state": (StoreState, EntryState),
    }.items()
}


def strange_word(key: str, text: str, known_codes: frozenset[str]) -> Sequence[str]:
    """The words that a key's value can be, where this text is none of them; empty where it is one, or where that cannot be told.

    ``known_codes``: codes of findings in the report, which may be younger than this version.
    """
    if key == "code":
        # errors have codes of Windows' own
        wrong = text.upper().startswith("KW") and text not in CATALOGUE and text not in known_codes
        return sorted(CATALOGUE) if wrong else ()
    words = _VALUES.get(key, frozenset())
    return sorted(words) if words and text not in words and not _UNKNOWN.fullmatch(text) else ()


def nodes(parsed: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every node of a parsed expression."""
    waiting = [parsed]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in node["children"] if isinstance(child, Mapping)]


def compared(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each key that a comparison, or ``contains``, holds against a text, with that text."""
    if node["type"] != "comparator" and (node["type"], node["value"]) != ("function_expression", "contains"):
        return
    texts = [child["value"] for child in node["children"] if child["type"] == "literal" and isinstance(child["value"], str)]
    for child in node["children"]:
        while child["type"] == "subexpression":
            child = child["children"][-1]
        if child["type"] == "field" and (node["type"] == "comparator" or child["value"] == "flags"):
            yield from ((child["value"], text) for text in texts)


def misplaced_key(parsed: Any, document: object, optional: frozenset[str]) -> str | None:
    """A key for which an expression looked in this document, and never where it stands; None where there is none.

    ``optional``: keys that may be missing where they belong. Nothing is said of a place that nothing led to, such as behind a filter that
    let nothing through.
    """
    from jmespath.visitor import TreeInterpreter  # the action's require() saw to it

    looked: dict[int, str] = {}
    found: set[int] = set()

    class Watcher(TreeInterpreter):
        """Notes where keys were looked for."""

        def visit_field(self, node: Any, value: object) -> object:
            """A key of ``value``, which is a list where the expression forgot its brackets."""
            if isinstance(value, Mapping):
                if node["value"] in value or node["value"] in optional:
                    found.add(id(node))
                else:
                    looked[id(node)] = node["value"]
            elif value is not None:
                looked[id(node)] = node["value"]
            return super().visit_field(node, value)

    Watcher().visit(parsed, document)
    return min((name for node, name in looked.items() if node not in found), default=None)
