# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of JUnit file that the gate writes, against the schema that Jenkins' xUnit plugin publishes: hostile names too."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import xmlschema
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_types import Rule, RuleAnswer, RulePlace
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Severity
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import junit
from ansible_collections.keyward.bitlocker.tests.integration.published import JUNIT, published
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.gate_sample import EARLIER, PC, fine, report
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._report.test_junit import HOSTILE, decided


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(published(*JUNIT))


def valid(schema: xmlschema.XMLSchema, text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text.encode("utf-8"))
    schema.validate(root)
    return root


def test_the_schema_finds_what_is_wrong(schema: xmlschema.XMLSchema) -> None:
    wrong = junit.render(decided(report(fine(2)))).replace("<testcase", "<surprise").replace("</testcase", "</surprise")
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        schema.validate(ElementTree.fromstring(wrong.encode("utf-8")))


def test_failures_errors_and_what_is_skipped(schema: xmlschema.XMLSchema) -> None:
    bad = [PC("bad", {"C:": "unescrowed", "E:": None}), PC("off", {"C:": "on_file"})]
    earlier = report([PC("bad", {"C:": "unescrowed"})], at=EARLIER)
    found = set()
    for decision in (
        decided(report(fine(3))),
        decided(report([*fine(3), *bad])),
        decided(report(bad, stores={"ad": "down"}, run=["KW-STO-001"])),
        decided(report([*fine(30), bad[0]]), baseline=earlier),
    ):
        found |= {element.tag for element in valid(schema, junit.render(decision)).iter()}
    assert {"failure", "error", "skipped"} <= found


def test_a_gate_that_could_not_decide(schema: xmlschema.XMLSchema) -> None:
    valid(schema, junit.render_error("The report cannot be read: <&> ]]> \u202e"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(schema: xmlschema.XMLSchema, name: str) -> None:
    pc = PC(name, {name: "unescrowed", "D:": "escrowed"}, codes=[("KW-VOL-104", name)])
    rule = Rule(name=name, severity=Severity.HIGH, message=name, now=RuleAnswer(places=(RulePlace(computer=name),), others=1))
    valid(schema, junit.render(decided(report([pc]), {"severities": ["medium"]}, rules=[rule])))
