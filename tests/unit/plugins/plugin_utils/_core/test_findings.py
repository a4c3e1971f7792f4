# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of findings against the table of DESIGN section 5, and the sentences made from it."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import findings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.finding_catalogue import CATALOGUE
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.findings import make
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Flag, Severity, Verdict
from hypothesis import given
from hypothesis import strategies as st

TABLE = """
KW-VOL-001 not_encrypted h         KW-VOL-101 suspended m             KW-HST-001 unreachable m
KW-VOL-002 unprotected h           KW-VOL-102 locked l                KW-HST-002 authentication m
KW-VOL-003 no_recovery_password h  KW-VOL-103 converting i            KW-HST-003 authorization m
KW-VOL-004 unescrowed h            KW-VOL-104 weak_method m           KW-HST-004 tls m
KW-VOL-005 at_risk m               KW-VOL-105 activation_pending m    KW-HST-005 protocol m
KW-VOL-006 wrong_key h             KW-VOL-106 other_recovery l        KW-HST-006 observation_stale l
KW-VOL-007 unknown m               KW-VOL-107 sibling_not_escrowed l  KW-HST-007 identity_collision h
KW-VOL-008 on_file l               KW-ESC-001 stale_entries i         KW-HST-008 weak_join l
KW-VOL-009 unavailable h           KW-ESC-002 duplicate_entries i     KW-HST-009 not_in_inventory l
KW-ESC-003 conflicting_entries h   KW-ESC-004 malformed_entry h       KW-HST-010 policy_conflict m
KW-ESC-005 refuted_entry h         KW-ESC-006 held_elsewhere m        KW-STO-001 store_down m
KW-ESC-007 unreadable_entries m    KW-ESC-008 deleted_owner m         KW-STO-002 store_rights m
KW-ESC-009 near_entra_limit m      KW-ESC-010 at_entra_limit h        KW-STO-003 store_read_only_dc m
KW-ESC-011 backup_record_disagrees l  KW-ESC-012 circular_escrow h    KW-RUN-001 coverage m
KW-ESC-013 vanished_entry h        KW-ESC-014 changed_entry h
"""
SEVERITIES = {"h": Severity.HIGH, "m": Severity.MEDIUM, "l": Severity.LOW, "i": Severity.INFO}
ROWS = re.findall(r"(KW-\w+-\d+) (\w+) (\w)\b", TABLE)
PLUGINS = Path(__file__).resolve().parents[5] / "plugins"


def test_the_catalogue_is_the_table() -> None:
    assert {(code, meaning.name, meaning.severity) for code, meaning in CATALOGUE.items()} == {
        (code, name, SEVERITIES[letter]) for code, name, letter in ROWS
    }


def test_verdicts_and_flags_have_the_codes_of_their_names() -> None:
    assert {verdict: CATALOGUE[code].name for verdict, code in findings.VERDICT_CODES.items()} == {
        verdict: verdict.value for verdict in Verdict if verdict not in (Verdict.ESCROWED, Verdict.RECOVERABLE)
    }
    assert {flag: CATALOGUE[code].name for flag, code in findings.FLAG_CODES.items()} == {flag: flag.value for flag in Flag}


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_says_what_it_is_and_what_to_do(code: str) -> None:
    meaning = CATALOGUE[code]
    finding = make(code, computer="pc01.lab.example", volume="C:")
    assert (finding.code, finding.computer, finding.volume, finding.severity) == (code, "pc01.lab.example", "C:", meaning.severity)
    assert finding.message.endswith(".")
    assert "{" not in finding.message
    assert "\n" not in finding.message
    assert finding.remedy[0].isupper()
    assert finding.remedy.endswith(".")
    assert len(finding.remedy) > 40
    assert len(finding.message) < 200
    assert {name for _text, name, _spec, _conv in string.Formatter().parse(meaning.message) if name} == set(meaning.facts)


def test_facts_and_what_was_seen_go_into_the_message() -> None:
    assert make("KW-RUN-001", observed=3, known=60, min_coverage=0.9).message.startswith("Only 3 of 60 known computers")
    down = make("KW-STO-001", store="ad", state="partial", reason="page 7 failed.\n")
    assert down.message.startswith("Store ad could not be searched to its end (state: partial)")
    assert down.message.endswith(": page 7 failed.")
    assert make("KW-HST-004", computer="pc", detail="expired").message == "The computer's TLS certificate was refused: expired."
    assert make("KW-HST-004", computer="pc", detail="").message == "The computer's TLS certificate was refused."
    assert "(made 2026-01-01T00:00:00Z)" in make("KW-HST-006", observed_at="2026-01-01T00:00:00Z").message


def test_a_code_or_a_fact_that_does_not_exist_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        make("KW-VOL-010")
    with pytest.raises(TypeError, match="computre"):
        make("KW-VOL-001", computre="pc01")


@given(st.sampled_from(sorted(CATALOGUE)), st.text())
def test_whatever_a_host_says_is_one_bounded_line_and_no_template(code: str, text: str) -> None:
    finding = make(code, detail=text + "{store}{0}" + text * 100)
    assert len(finding.message) <= findings.MAX_DETAIL + 250
    assert len(finding.message.splitlines()) == 1


def _calls() -> list[tuple[str, str, set[str]]]:
    """Every call of make with a literal code in the plugins: file, code, names of its facts."""
    found = []
    for path in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or getattr(node.func, "id", getattr(node.func, "attr", "")) != "make":
                continue
            code = node.args[0]
            if isinstance(code, ast.Constant) and str(code.value).startswith("KW-"):
                found.append((path.name, str(code.value), {keyword.arg or "**" for keyword in node.keywords}))
    return found


def test_every_call_uses_a_code_and_facts_that_exist() -> None:
    calls = _calls()
    assert len(calls) > 5
    for where, code, names in calls:
        assert code in CATALOGUE, where
        assert names <= {"computer", "volume", "detail", "reason", *CATALOGUE[code].facts}, (where, code)
