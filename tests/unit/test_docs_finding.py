# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide to finding a key is held against the code: messages, sources, choices, kinds of terms."""

from __future__ import annotations

import re

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.key_sources import SOURCES
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.lookups import spec_of
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_lookup import Match, Search
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import TermKind
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import source as directory
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import source as tenant
from ansible_collections.keyward.bitlocker.tests.unit.test_docs import first_words, guide, table_rows, texts_of_the_code

GUIDE = guide("finding_a_key")


def heading(title: str) -> str:
    """What stands under a heading, up to the next one."""
    return re.split(r"\n.+\n-{4,}\n", GUIDE.partition(f"\n{title}\n")[2], maxsplit=1)[0]


def test_every_message_is_one_that_the_code_makes() -> None:
    rows = [row for row in table_rows(heading("If there is none")) if row[0].startswith("``")]
    assert len(rows) >= 6
    pieces = [piece.strip() for row in rows for literal in re.findall("``([^`]+)``", row[0]) for piece in literal.split("…")]
    assert [piece for piece in pieces if piece and piece not in texts_of_the_code()] == []


def test_every_source_and_every_choice_is_explained_and_documented() -> None:
    assert first_words(heading("Where it is looked for")) == set(SOURCES)
    assert [row[0].strip("`") for row in table_rows(heading("Which key is the right one"))][1:] == [str(match) for match in Match]
    spec = spec_of("recovery_key").argument_spec
    assert spec["sources"]["choices"] == list(SOURCES)
    assert set(spec["match"]["choices"]) == set(Match)
    assert set(spec["search"]["choices"]) == set(Search)
    for word in Search:
        assert f"- ``{word}``" in GUIDE


def test_every_kind_of_term_is_explained() -> None:
    for kind in TermKind:
        assert kind is TermKind.ANY or f"``{kind}:``" in GUIDE


def test_how_many_terms_are_asked_for_one_by_one() -> None:
    names = round(directory.FEW / directory._INDEXED)
    assert f"{directory.FEW} key IDs or {names} names in Active Directory, {tenant.FEW} terms in Entra ID" in " ".join(GUIDE.split())
