# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's guide and playbook held against the code, and against the playbook of the report that it repeats."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.gate_rules import Rules
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_policy import DEFAULT_COVERAGE, FAILABLE, MISSING, make_policy
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_report import read_report
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.gate_sample import PC, fine, report

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "docsite" / "rst" / "compliance_gate.rst").read_text(encoding="utf-8")
EXAMPLE = yaml.safe_load((ROOT / "docs" / "examples" / "ci" / "keyward.yml").read_text(encoding="utf-8"))
OBSERVE, REPORT, DECIDE = "Observe the volumes", "Write the escrow report", "Pass or fail"
#: options of the module that the playbook has no variable for
OWN = {"report", "report_file", "report_variable", "generated_at", "separate_return_codes", "max_age"}


def module_text(name: str) -> Any:
    tree = ast.parse((ROOT / "plugins" / "modules" / "compliance_gate.py").read_text(encoding="utf-8"))
    assigned = {
        node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    return yaml.safe_load(ast.literal_eval(assigned[name]))


def tasks(playbook: str) -> dict[str, Any]:
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8"))
    return {task["name"]: task for play in plays for task in play["tasks"]}


def blocks() -> list[Any]:
    found = re.findall(r"^\.\. code-block:: yaml\n\n((?:   .*\n|\n)+)", GUIDE, re.MULTILINE)
    return [yaml.safe_load("\n".join(line[3:] for line in block.splitlines())) for block in found]


def variables() -> dict[str, Any]:
    return {key: value for block in blocks() if isinstance(block, dict) for key, value in block.items()}


def rules_of(source: str) -> list[dict[str, Any]]:
    if source == "module":
        return [rule for task in module_text("EXAMPLES") for rule in task["keyward.bitlocker.compliance_gate"].get("rules", [])]
    return list((variables() if source == "guide" else EXAMPLE)["keyward_gate_rules"])


@pytest.mark.parametrize("source", ["guide", "module", "example"])
def test_the_rules_of_the_examples_can_be_asked_and_can_fire(source: str) -> None:
    document = report(
        [
            *fine(3),
            PC("srv1", {"C:": "escrowed"}),
            PC("dc1", {"C:": "escrowed"}, codes=[("KW-VOL-101", "C:")]),
            *[PC(f"old{at:02}", {"C:": "on_file"}, codes=[("KW-HST-006", None)], seen=False) for at in range(11)],
        ]
    )
    document["computers"][3]["volumes"][0]["method"] = "aes_128"
    document["computers"][0]["identities"]["joins"]["ad"] = "by_name"
    rules = [{"severity": "high", "message": None, **rule} for rule in rules_of(source)]
    assert rules
    assert [rule.name for rule in Rules(rules).ask(read_report(document, "report"), None) if not (rule.now.places or rule.now.others)] == []
    quiet = Rules(rules).ask(read_report(report(fine(3)), "report"), None)
    assert [rule.name for rule in quiet if rule.now.places or rule.now.others] == []


def test_what_the_examples_fail_on_is_understood() -> None:
    for fail_on in (variables()["keyward_gate_fail_on"], EXAMPLE["keyward_gate_fail_on"]):
        assert make_policy(fail_on, min_coverage=0.9).limits.keys() == {"not_encrypted", "at_risk"}
    assert variables()["keyward_gate_fail_on"]["verdicts"] == [word.value for word in MISSING]


def test_the_module_documents_what_the_code_takes() -> None:
    options = module_text("DOCUMENTATION")["options"]
    fail_on = options["fail_on"]["suboptions"]
    assert fail_on["verdicts"]["default"] == [word.value for word in MISSING]
    words = [word.value for word in FAILABLE]
    assert fail_on["verdicts"]["choices"] == fail_on["thresholds"]["suboptions"]["verdict"]["choices"] == words
    assert options["min_coverage"]["default"] == DEFAULT_COVERAGE


def test_the_playbook_repeats_that_of_the_report() -> None:
    ours, theirs = tasks("compliance_gate"), tasks("escrow_report")
    assert ours[OBSERVE] == theirs[OBSERVE]
    module = "keyward.bitlocker.escrow_report"
    mine, other = dict(ours[REPORT][module]), dict(theirs[REPORT][module])
    assert mine.pop("min_coverage") == "{{ keyward_min_coverage | default(0.9) }}"
    del mine["query"], other["query"], other["min_coverage"]
    assert mine == other


def test_the_playbook_has_a_variable_for_each_option_and_the_guide_has_it() -> None:
    given = tasks("compliance_gate")[DECIDE]["keyward.bitlocker.compliance_gate"]
    options = module_text("DOCUMENTATION")["options"].keys()
    assert given.keys() <= options
    for name in options - OWN:
        variable = "keyward_min_coverage" if name == "min_coverage" else f"keyward_gate_{name}"
        assert variable in given[name]
        assert f"   * - ``{variable}``\n" in GUIDE
    text = (ROOT / "playbooks" / "compliance_gate.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"\bkeyward_gate_[a-z_]+", GUIDE)) <= set(re.findall(r"\bkeyward_gate_[a-z_]+", text))


def test_the_messages_in_the_guide_are_those_of_the_code() -> None:
    texts = "\n".join(
        node.value
        for path in sorted((ROOT / "plugins" / "plugin_utils").rglob("gate_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    table = GUIDE.partition("compliance_gate.messages:")[2].partition(".. _ansible")[0]
    said = [literal for cell in re.findall(r"^   \* - (``.*)$", table, re.MULTILINE) for literal in re.findall(r"``([^`]+)``", cell)]
    assert len(said) > 10
    pieces = [piece.strip() for literal in said for piece in literal.removeprefix("its answer is ").split("…") if piece.strip()]
    assert [piece for piece in pieces if piece not in texts] == []
