# SPDX-License-Identifier: GPL-3.0-or-later
"""A report that was cut off, edited, or is none: refused, with its place, and never anything but our own error."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.gate_report import read_report
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.gate_sample import PC, fine, report
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._report import sample
from hypothesis import given, settings
from hypothesis import strategies as st


def whole() -> dict[str, Any]:
    return report(
        [
            *fine(3),
            PC("bad", {"C:": "unescrowed", "D:": "escrowed", "E:": None}, codes=[("KW-VOL-104", "C:")], identities={"ad_guid": "g"}),
            PC("old", {"C:": "on_file"}, codes=[("KW-HST-006", None)]),
            PC("srv", verdict="unavailable"),
            PC("kiosk", {"C:": None}),
        ],
        stores={"ad": "searched", "entra": "partial"},
        run=["KW-STO-001"],
    )


def test_a_report_comes_back() -> None:
    found = read_report(whole(), "report")
    assert [unit.verdict for unit in found.units] == ["escrowed"] * 3 + ["unescrowed", "escrowed", "on_file", "unavailable"]
    assert (found.observed, found.complete, found.proof) == (6, False, "none")
    assert found.computers["bad"].identities == {"ad_guid": "g"}
    assert found.stores["entra"].state == "partial"


@pytest.mark.parametrize("hostile", [False, True])
def test_so_does_any_report_of_the_sample(hostile: bool) -> None:
    found = read_report(json.loads(json.dumps(sample.report(300, hostile=hostile, complete=not hostile))), "report")
    assert len(found.computers) == 300 + (len(sample.HOSTILE_NAMES) if hostile else 0)


def test_more_keys_than_known_do_no_harm() -> None:
    document = whole()
    document["more"] = document["computers"][0]["more"] = document["stores"]["ad"]["more"] = [1]
    read_report(document, "report")


Path = tuple[Any, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def changed(path: Path, change: Callable[[Any, Any], None]) -> dict[str, Any]:
    document = copy.deepcopy(whole())
    parent: Any = document
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return document


#: what the gate does not look at
UNREAD = {
    "scope", "copies", "volume_types", "encryption", "methods", "max_observation_age", "suspended_reboots_allowed", "min_coverage",
    "entries", "inventory", "dns_name", "joins", "unmatched_entries", "persistent_id", "type", "method", "conversion", "protection",
    "encrypted_percent", "protectors", "not_observed",
}  # fmt: skip
READ = [path for path in paths(whole()) if not UNREAD.intersection(path)]


def test_nothing_that_the_gate_reads_can_be_left_out() -> None:
    passed = []
    for path in READ:
        # a computer's flags stand there for people, those of its volumes count; with one store less the rest is still whole
        if (path[-1] == "flags" and len(path) == 3) or path[:2] == ("requirements", "stores") != path:
            continue
        document = changed(path, lambda parent, key: parent.pop(key))
        try:
            read_report(document, "report")
        except BadDataError:
            continue
        passed.append(path)
    assert passed == []


@pytest.mark.parametrize("value", [None, True, -1, 10**13, 1.5, "no", [], {}, [[]], {"": None}])
def test_no_other_type_passes_for_what_is_read(value: Any) -> None:
    def put(parent: Any, key: Any) -> None:
        parent[key] = value

    for path in READ:
        document = changed(path, put)
        if document == whole():
            continue
        try:
            found = read_report(document, "report")
        except BadDataError:
            continue
        # text for text, and null where there may be none
        assert isinstance(value, str | None) or path[-1] == "flags", path
        assert found.raw == document


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda d: d["computers"].pop(), "computers of the summary"),
        (lambda d: d["computers"].append(copy.deepcopy(d["computers"][0])), "name of an earlier one"),
        (lambda d: d["computers"][3]["volumes"].pop(1), "volumes of the summary"),
        (lambda d: d["computers"][3].update(verdict="escrowed"), "not the worst of its volumes"),
        (lambda d: d["computers"][3]["volumes"][0].update(verdict="escrowed"), "not the worst of its volumes"),
        (lambda d: d["computers"][0]["volumes"][0].update(verdict=None), "out of scope"),
        (lambda d: d["computers"][3]["volumes"][2].update(flags=["locked"]), "out of scope"),
        (lambda d: d["computers"][3]["volumes"][1].update(d["computers"][3]["volumes"][0]), "lists a volume twice"),
        (
            lambda d: d["computers"][4].update(observed_at="2026-11-22T19:00:00Z") or d["findings"].pop(-2),
            "observed of the summary|findings",
        ),
        (lambda d: d["summary"].update(passing=7), "passing of the summary says 7"),
        (lambda d: d["summary"]["verdicts"].pop("unescrowed"), "verdicts of the summary"),
        (lambda d: d["summary"]["findings"].pop("KW-VOL-104"), "findings of the summary"),
        (lambda d: d["summary"]["flags"].update(locked=1), "flags of the summary"),
        (lambda d: d["findings"].clear() or d["summary"]["findings"].clear(), "KW-VOL-00|observed"),
        (lambda d: d.update(complete=True), "complete says True"),
        (lambda d: d.update(passed=True), "passed says True"),
        (lambda d: d["stores"].pop("entra"), "requires a store"),
        (lambda d: d["requirements"].update(stores=[]), "requires no store"),
        (lambda d: d["requirements"].update(proof="no"), "proof"),
        (lambda d: d["findings"][1].update(computer="stranger"), "not in the report"),
        (lambda d: d["findings"][1].update(volume="Z:"), "not in the report"),
        (lambda d: d["findings"][0].update(volume="C:"), "not in the report"),
        (lambda d: d.update(generated_at="2026-11-22 20:00"), "generated_at"),
        (lambda d: d.update(generated_at="2026-13-45T99:00:00Z"), "generated_at"),
        (lambda d: d.update(schema_version=2), "newer keyward.bitlocker"),
        (lambda d: d.update(schema_version=0), "none such"),
        (lambda d: d.update(schema_version=True), "schema_version"),
        (lambda d: d.update(schema_version="1"), "schema_version"),
        (lambda d: d.pop("schema_version"), "no escrow report"),
        (lambda d: d["stores"]["ad"].update(state="fine"), "state of store ad is 'fine'"),
        (lambda d: d["computers"][0].update(verdict="good"), "'good'"),
        (lambda d: d["findings"][0].update(severity="fatal"), "'fatal'"),
        (lambda d: d["findings"][0].update(code="KW-STO"), "code of finding 1"),
    ],
)
def test_what_was_edited_does_not_add_up(edit: Callable[[dict[str, Any]], Any], named: str) -> None:
    document = whole()
    edit(document)
    with pytest.raises(BadDataError, match=named) as caught:
        read_report(document, "there/report.json")
    assert "there/report.json" in str(caught.value)


@pytest.mark.parametrize("document", [None, [], "x", 1, {}, {"schema_version": None}, {"schema_version": 1}, {"schema_version": 10**400}])
def test_what_is_no_report_is_refused(document: object) -> None:
    with pytest.raises(BadDataError):
        read_report(document, "report")


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["escrowed", "unknown", "ad", "C:"])
)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(list(paths(whole()))), value=anything)
def test_whatever_is_written_anywhere_it_is_read_or_refused(path: Path, value: Any) -> None:
    def put(parent: Any, key: Any) -> None:
        parent[key] = value

    with contextlib.suppress(BadDataError):
        read_report(changed(path, put), "report")
