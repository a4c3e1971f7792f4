# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as text: its policy names its own script and style, its data come back, and no name becomes markup or turns the line round."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.report_files import load_assets
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import html, payload
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report.markup import Markup, join, text
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report.markup import tag as element
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report.text import visible
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._report import sample
from hypothesis import given, settings
from hypothesis import strategies as st

ASSETS = load_assets()


class Reader(HTMLParser):
    """The elements of a page with their attributes, and the text of its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.text = ""
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        self._inside = f"{tag} {given.get('type', '')}".strip() if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data
        else:
            self.text += data


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return sample.report(60, hostile=True, complete=False)


@pytest.fixture(scope="module")
def page(document: dict[str, Any]) -> str:
    return html.render(document, ASSETS, digest="0" * 64)


def test_the_policy_names_the_script_and_the_style_and_nothing_else(page: str) -> None:
    read = Reader(page)
    (policy,) = [given["content"] for name, given in read.elements if given.get("http-equiv") == "Content-Security-Policy"]
    assert policy
    for kind, directive in (("script", "script-src"), ("style", "style-src")):
        digest = base64.b64encode(hashlib.sha256(read.raw[kind].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_nothing_in_the_page_leads_elsewhere(page: str) -> None:
    addresses = [
        value for _name, given in Reader(page).elements for key, value in given.items() if key in ("href", "src", "action", "xlink:href")
    ]
    assert {str(address)[:1] for address in addresses} <= {"#", "d"}
    assert [address for address in addresses if not str(address).startswith(("#", "data:,"))] == []
    assert [name for name, _given in Reader(page).elements if name in ("img", "iframe", "object", "base", "form")] == []
    assert [given for _name, given in Reader(page).elements if any(key.startswith("on") or key == "style" for key in given)] == []


def test_the_data_stand_in_the_page_unharmed(document: dict[str, Any], page: str) -> None:
    data = json.loads(Reader(page).raw["script application/json"])
    assert sorted(computer[0] for computer in data["computers"]) == sorted(visible(computer["name"]) for computer in document["computers"])
    strings = data["strings"]
    assert len(set(strings)) == len(strings)
    held = {
        (visible(p["key_id"]), visible(e["location"]))
        for c in document["computers"]
        for v in c["volumes"]
        for p in v["protectors"]
        for s in p.get("stores", {}).values()
        for e in s["entries"]
    }
    there = {
        (p[0], e[0] + ("" if e[1] is None else strings[e[1]]))
        for c in data["computers"]
        for v in c[7]
        for p in v[11]
        for s in p[2]
        for e in s[2]
    }
    assert there == held
    assert held


def test_no_character_of_the_page_is_invisible_or_turns_the_line_round(page: str) -> None:
    assert {char for char in page if not char.isprintable()} <= {"\n"}


def test_the_sums_are_in_the_markup(document: dict[str, Any], page: str) -> None:
    said = " ".join(Reader(page).text.split())
    summary = document["summary"]
    assert f"{summary['observed']} of {summary['computers']} computers" in said
    assert "Incomplete" in said
    asked = [
        p["stores"]["entra"]["state"]
        for c in document["computers"]
        for v in c["volumes"]
        for p in v["protectors"]
        if v["in_scope"] and "stores" in p
    ]
    unknown = asked.count("unknown")
    assert unknown
    assert f"Holds {asked.count('present')} of {len(asked)} recovery passwords in scope, {unknown} unknown." in said
    bare = sum(not c["volumes"] for c in document["computers"])
    assert f"Counted: {summary['volumes']} volumes in scope, and {bare} computer" in said
    assert f"{summary['verdicts']['unescrowed']} unescrowed" in said
    first = next(finding for finding in document["findings"] if finding["code"] == "KW-VOL-004")
    assert first["remedy"] in said


def test_the_bar_is_as_long_as_its_parts(document: dict[str, Any], page: str) -> None:
    drawn = page[page.index('class="bar"') :].partition("</section>")[0]
    widths = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)%"', drawn)]
    assert len(widths) == len(document["summary"]["verdicts"])
    assert sum(widths) == pytest.approx(100, abs=0.1)


def test_one_missing_key_among_many_is_seen_in_the_bar() -> None:
    document = sample.report(1)
    document["summary"]["verdicts"] = {"escrowed": 50_000, "unescrowed": 1}
    drawn = html.render(document, ASSETS).partition('class="bar"')[2].partition("</section>")[0]
    assert min(float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)%"', drawn)) > 0.3


def test_a_store_that_is_down_is_said_once() -> None:
    document = sample.report(8, complete=False)
    reason = "dc1.corp.example:636: no connection within 10 s"
    document["stores"]["ad"] = {"state": "down", "entries": 0, "reason": reason}
    document["stores"]["entra"]["intune"] = {"state": "down", "enrolments": 0, "reason": reason}
    for computer in document["computers"]:
        for volume in computer["volumes"]:
            for protector in volume["protectors"]:
                if "stores" in protector:
                    protector["stores"]["ad"] = {"state": "unknown", "entries": []}
    document["findings"][-1]["message"] = f"Store ad could not be searched to its end (state: down): {reason}."
    document["findings"] = document["findings"][-1:]
    said = Reader(html.render(document, ASSETS)).text
    assert said.count(reason) == 1
    assert "Active Directorydown" in said
    assert "Intune: down. No verdict rests on it." in said
    assert "Active Directorydown0 entries" not in said
    assert "Nothing but what is said above." in said


@pytest.mark.parametrize("computers", [0, 1])
def test_a_small_report_is_a_page(computers: int) -> None:
    page = html.render(sample.report(computers), ASSETS, sample.report(computers))
    assert page.startswith("<!doctype html>")
    assert "nan" not in Reader(page).text.lower().split()
    assert ('class="bar"' in page) == (computers > 0)


def test_the_digest_comes_back(page: str) -> None:
    assert html.digest_of(page) == "0" * 64
    assert html.digest_of(page[:8192]) == "0" * 64
    assert html.digest_of("<html></html>") is None


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_stays_text(one: str, other: str) -> None:
    made = element("p", one, element("b", other, title=one))
    read = Reader(made)
    assert [name for name, _given in read.elements] == ["p", "b"]
    assert read.text == visible(one) + visible(other)
    assert read.elements[1][1]["title"] == visible(one)
    assert join(one, None, Markup("<br>")) == text(one) + "<br>"


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.text(max_size=30) | st.none() | st.integers(), lambda inner: st.lists(inner, max_size=4), max_leaves=8))
def test_any_data_fit_into_a_script(value: Any) -> None:
    script = payload.to_script({"x": value})
    assert not set(script) & set("<>&\u2028\u2029")
    assert json.loads(script) == {"x": value}


def test_names_sort_as_people_count() -> None:
    names = ["pc10", "pc2", "PC1", "pc", "9" * 30 + "x", "10", "", "a1b2", "a1b10"]
    ordered = sorted(names, key=payload.natural)
    assert ordered.index("PC1") < ordered.index("pc2") < ordered.index("pc10")
    assert ordered.index("a1b2") < ordered.index("a1b10")


def test_the_scripts_make_no_markup() -> None:
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", 'setAttribute("style"'):
        assert word not in ASSETS.script
