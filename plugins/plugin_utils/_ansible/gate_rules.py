# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Rules that the user writes for a gate: JMESPath over the report, true or a list that is not empty where something is wrong.

A typing error in such an expression is quiet: JMESPath answers null, or an empty list, and a gate would pass. So an answer that is neither
a list nor true or false is an error, and so is a key that no report has, or one that stands elsewhere (:mod:`.gate_rule_checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .._core.finding_catalogue import CATALOGUE
from .._core.gate_report import GateReport
from .._core.gate_types import Rule, RuleAnswer, RulePlace
from .._core.model import Flag, Severity, Verdict
from .._core.requirements import STORES
from .._errors import OptionError
from .gate_rule_checks import compared, misplaced_key, nodes, strange_word
from .query import compile_query

#: every key of docs/escrow-report.schema.json (a test compares)
_KEY_TEXT = (
    "schema_version generated_at complete passed scope requirements stores summary computers findings copies proof volume_types "
    "encryption methods max_observation_age suspended_reboots_allowed min_coverage state entries reason observed volumes verdicts "
    "flags passing could_not_look name verdict observed_at not_observed identities inventory dns_name ad_guid entra_device_id "
    "serial hardware_uuid joins unmatched_entries key_id store why location created defects volume device_id persistent_id type "
    "in_scope method conversion protection encrypted_percent protectors nodes errors read code message severity computer remedy "
    "intune enrolments last_sync encrypted proofs wanted made remembered proven refuted inconclusive not_read values_read days_until_all "
    "directory without_package outcome basis made_at observed_from trend runs at escrow before after waiting median_hours"
)
REPORT_KEYS = frozenset(_KEY_TEXT.split())
#: those that may be missing where they belong (the same test)
OPTIONAL_KEYS = frozenset(["observed_from", "trend", "defects", "stores", "nodes", "intune", "proof", "proofs", "reason", "errors"])
#: what else can be a key in the summary and under stores, and what is text everywhere else
_WORDS = {word.value for word in (*Verdict, *Flag)} | CATALOGUE.keys() | set(STORES)
_Ask = Callable[[Mapping[str, Any]], Any]


class Rules:
    """The rules of one task, compiled before any file is read.

    Raises:
        OptionError: an expression is wrong, or two rules have one name.
    """

    def __init__(self, given: Sequence[Mapping[str, Any]]) -> None:
        self._rules = [(rule, _compiled(rule)) for rule in given]
        names = [rule["name"] for rule in given]
        for name in names:
            if not name.strip() or len(name) > 200:
                raise _wrong(name, "a name has 1 to 200 characters", "Give it a short name; it is the check's name in JUnit.")
            if names.count(name) > 1:
                raise _wrong(name, "two rules have this name", "Give each its own; with a baseline it tells them apart.")

    def ask(self, report: GateReport, earlier: GateReport | None) -> list[Rule]:
        """What they say of the report, and of the baseline.

        Raises:
            OptionError: an answer is neither a list nor true or false, or the expression names a key that no report has.
        """
        return [
            Rule(
                name=rule["name"],
                severity=Severity(rule["severity"]),
                message=rule["message"] or f"The rule {rule['name']} fired.",
                now=_answer(rule, ask, report),
                before=_answer(rule, ask, earlier) if earlier is not None else None,
            )
            for rule, ask in self._rules
        ]


def _wrong(name: str, meaning: str, remedy: str) -> OptionError:
    return OptionError("use a rule of the gate", target=f"rule {name}", meaning=meaning, remedy=remedy)


def _compiled(rule: Mapping[str, Any]) -> _Ask:
    try:
        return compile_query(rule["expression"])
    except OptionError as error:
        raise _wrong(rule["name"], error.meaning, error.remedy) from error


def _answer(rule: Mapping[str, Any], ask: _Ask, report: GateReport) -> RuleAnswer:
    _known_keys(rule, report)
    try:
        found = ask(report.raw)
    except OptionError as error:
        raise _wrong(rule["name"], error.meaning, error.remedy) from error
    if found is False or found == []:
        _looked_well(rule, report)
    if isinstance(found, bool):
        return RuleAnswer(others=int(found))
    if not isinstance(found, list):
        said = "null, which is also what a misspelt key gives" if found is None else f"a {type(found).__name__}"
        raise _wrong(
            rule["name"],
            f"its answer is {said}",
            "Let it give a list (of computers, or of computer and volume), or compare: length(findings) > `0`.",
        )
    places = dict.fromkeys(place for item in found if (place := _place(item, report)) is not None)
    return RuleAnswer(places=tuple(places), others=sum(_place(item, report) is None for item in found))


def _place(item: object, report: GateReport) -> RulePlace | None:
    """The computer, and perhaps its volume, that an answer names: as text, as a pair, as a computer or as a finding of the report."""
    if isinstance(item, Mapping):
        item = [item.get("name", item.get("computer")), item.get("volume")]
    pair = item if isinstance(item, list) else [item]
    if not 1 <= len(pair) <= 2 or not isinstance(pair[0], str) or pair[0] not in report.computers:
        return None
    volume = pair[1] if len(pair) == 2 else None
    if volume is not None and (not isinstance(volume, str) or volume not in report.computers[pair[0]].places):
        return None
    return RulePlace(computer=pair[0], volume=volume)


def _known_keys(rule: Mapping[str, Any], report: GateReport) -> None:
    """Refuse what can only be a typing error: a key that no report has, text in the wrong quotes, a word that is none."""
    import jmespath  # the action's require() saw to it

    every = list(nodes(jmespath.compile(rule["expression"]).parsed))
    named = {node["value"] for node in every if node["type"] == "key_val_pair"}
    keys = REPORT_KEYS | named | report.stores.keys() | set(_keys_in(report.raw.get("scope")))
    strangers = {node["value"] for node in every if node["type"] == "field"} - keys - _WORDS
    # to look at a whole fleet takes a second, and is needed only for what a later version added
    if strangers and (strangers := strangers - set(_keys_in(report.raw))):
        raise _wrong(rule["name"], f"no report has the key {min(strangers)!r}", "docs/escrow-report.schema.json lists the keys.")
    codes = frozenset(finding.code for finding in report.findings)
    for node in every:
        if node["type"] not in ("comparator", "function_expression"):
            continue
        bare = [child["value"] for child in node["children"] if child["type"] == "field"]
        if words := [word for word in bare if word in _WORDS - keys]:
            raise _wrong(rule["name"], f"{words[0]!r} stands there as a key", f"Text stands in single quotes: '{words[0]}'.")
        for key, text in compared(node):
            if others := strange_word(key, text, codes):
                what = "flag" if key == "flags" else key
                raise _wrong(rule["name"], f"there is no {what} {text[:40]!r}", f"Use {', '.join(others)}.")


def _looked_well(rule: Mapping[str, Any], report: GateReport) -> None:
    """Refuse a quiet rule that looked for a key where none such stands: it would be quiet whatever the report says."""
    import jmespath  # the action's require() saw to it

    key = misplaced_key(jmespath.compile(rule["expression"]).parsed, report.raw, OPTIONAL_KEYS | _WORDS)
    if key is not None:
        raise _wrong(
            rule["name"],
            f"where it looks for {key!r} there is no such key",
            "docs/escrow-report.schema.json says where each stands; a list needs brackets: volumes[?verdict=='unescrowed'].",
        )


def _keys_in(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _keys_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys_in(inner)
