# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the user's own: where they fire, and that no typing error in one lets a gate pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.gate_rules import OPTIONAL_KEYS, REPORT_KEYS, Rules
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_report import GateReport, read_report
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_types import Rule
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.gate_sample import EARLIER, PC, fine, report

SCHEMA = Path(__file__).resolve().parents[5] / "docs" / "escrow-report.schema.json"
WHOLE = read_report(
    report(
        [*fine(2), PC("srv1", {"C:": "unescrowed", "D:": "escrowed"}, identities={"serial": "S1"})],
        stores={"ad": "searched", "x": "searched"},
    ),
    "report",
)


def asked(expression: str, report: GateReport = WHOLE, earlier: GateReport | None = None, **more: Any) -> Rule:
    (rule,) = Rules([{"name": "own", "severity": "high", "message": None, "expression": expression} | more]).ask(report, earlier)
    return rule


def places(expression: str) -> list[tuple[str, str | None]]:
    return [(place.computer, place.volume) for place in asked(expression).now.places]


@pytest.mark.parametrize(
    ("expression", "found", "others"),
    [
        ("computers[?verdict=='unescrowed'].name", [("srv1", None)], 0),
        ("computers[?verdict=='unescrowed']", [("srv1", None)], 0),
        ("findings[?code=='KW-VOL-004']", [("srv1", "C:")], 0),
        ("findings[?code=='KW-VOL-004'].[computer, volume]", [("srv1", "C:")], 0),
        ("findings[?code=='KW-VOL-004'].{computer: computer, volume: volume}", [("srv1", "C:")], 0),
        ("computers[?verdict=='unescrowed'].[name]", [("srv1", None)], 0),
        ("computers[?verdict=='wrong_key'].name", [], 0),
        ("computers[].volumes[?verdict=='unescrowed'][].volume", [], 1),
        ("computers[?verdict=='unescrowed'].identities.serial", [], 1),
        ("['nobody', 'srv1', 'srv1', ['srv1', 'Z:']]", [("srv1", None)], 2),
        ("summary.passing < `4`", [], 1),
        ("summary.passing > `4`", [], 0),
        ("summary.verdicts.unescrowed > `0`", [], 1),
        ("stores.ad.state != 'searched'", [], 0),
        ("stores.x.state != 'searched'", [], 0),
        ("length(computers[?starts_with(name, 'srv')]) > `1`", [], 0),
        ("!contains(keys(stores), 'entra')", [], 1),
        ("scope.ad.search_bases[?@!='DC=corp,DC=example']", [], 0),
        ("computers[?!observed_at].name", [], 0),
        ("findings[?code=='KW-VOL-104'].computer", [], 0),
        ("computers[?volumes[?method=='unknown_9']].name", [], 0),
        ("computers[].volumes[].errors[?code=='0x80070005'][]", [], 0),
        ("computers[?identities.joins.entra=='by_name'].name", [], 0),
        ("computers[?volumes[?protectors[?type=='recovery_password']]].name", [], 0),
        ("computers[?intune.encrypted==`false`].name", [], 0),
        ("length(computers[?volumes[?contains(flags, 'locked')]]) > `0`", [], 0),
        ("computers[?length(volumes[?verdict=='escrowed']) > `0`].{pc: name, all: volumes} | [?pc=='srv1'].pc", [("srv1", None)], 0),
        ("summary.computers != sum(values(summary.verdicts))", [], 1),
    ],
)
def test_what_a_rule_says(expression: str, found: list[tuple[str, str | None]], others: int) -> None:
    assert places(expression) == found
    assert asked(expression).now.others == others


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("computers[?", "rule own"),
        ("computers[", "rule own"),
        ("", "rule own"),
        ("computer[?verdict=='unescrowed'].name", "its answer is null"),
        ("computers[?verdcit=='unescrowed'].name", "no report has the key 'verdcit'"),
        ('computers[?verdict=="unescrowed"].name', "'unescrowed' stands there as a key"),
        ('computers[?contains(flags, "suspended")].name', "'suspended' stands there as a key"),
        ("computers[?verdict=='unescrwed'].name", "there is no verdict 'unescrwed'"),
        ("findings[?'High'==severity]", "there is no severity 'High'"),
        ("findings[?code=='KW-VOL-04'].computer", "there is no code 'KW-VOL-04'"),
        ("findings[?code=='kw-vol-004'].computer", "there is no code 'kw-vol-004'"),
        ("computers[?volumes[?method=='xts_aes_265']].name", "there is no method 'xts_aes_265'"),
        ("computers[?volumes[?type=='OS' && verdict=='unescrowed']].name", "there is no type 'OS'"),
        ("computers[?contains(flags, 'weak')].name", "there is no flag 'weak'"),
        ("stores.ad.state=='partail'", "there is no state 'partail'"),
        ("computers[?severity=='high'].name", "where it looks for 'severity' there is no such key"),
        ("findings[?verdict=='unescrowed'].computer", "where it looks for 'verdict' there is no such key"),
        ("computers[?volumes.verdict=='unescrowed'].name", "where it looks for 'verdict' there is no such key"),
        ("computers[?joins.ad=='by_name'].name", "where it looks for 'joins' there is no such key"),
        ("computers[?verdict=='wrong_key' || volumes.flags[?@=='locked']].name", "where it looks for 'flags' there is no such key"),
        ("length(computers.volumes[?verdict=='unescrowed'] || `[]`) > `0`", "where it looks for 'volumes' there is no such key"),
        ("summary.verdicts.wrong_key", "null"),
        ("summary.verdicts.wrong_key > `0`", "null"),
        ("summary.passing", "a int"),
        ("computers[0].name", "a str"),
        ("summary", "a dict"),
        ("nope(computers)", "rule own"),
        ("length(`1`)", "rule own"),
        ("&name", "rule own"),
        ("@" + "[0]" * 5000, "rule own"),
    ],
)
def test_a_rule_that_can_only_be_a_mistake_is_an_error(expression: str, named: str) -> None:
    with pytest.raises(OptionError, match=r"^Could not use a rule of the gate \(rule own\)") as caught:
        asked(expression)
    assert named in str(caught.value)


@pytest.mark.parametrize("names", [["a", "a"], [""], [" "], ["x" * 201]])
def test_names_tell_rules_apart(names: list[str]) -> None:
    with pytest.raises(OptionError, match="use a rule"):
        Rules([{"name": name, "severity": "high", "message": "m", "expression": "`true`"} for name in names])


def test_a_rule_has_a_message_of_its_own_if_none_is_given() -> None:
    assert asked("`true`").message == "The rule own fired."
    assert asked("`true`", message="Mend it.").message == "Mend it."


def test_the_baseline_is_asked_too_with_its_own_keys() -> None:
    earlier = read_report(report(fine(2), at=EARLIER, stores={"ad": "searched"}), "baseline")
    rule = asked("computers[?verdict=='unescrowed'].name", earlier=earlier)
    assert rule.before is not None
    assert rule.before.places == ()
    assert asked("`true`").before is None


def test_the_keys_of_a_report_are_those_of_its_schema() -> None:
    def keys(schema: Any) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(keys, schema))
        if not isinstance(schema, dict):
            return set()
        own = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
        return own.union(*map(keys, schema.values()))

    def optional(schema: Any) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(optional, schema))
        if not isinstance(schema, dict):
            return set()
        own = set(schema.get("properties", ())) - set(schema.get("required", ()))
        return own.union(*map(optional, schema.values()))

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert keys(schema) <= REPORT_KEYS
    assert optional(schema) <= OPTIONAL_KEYS
