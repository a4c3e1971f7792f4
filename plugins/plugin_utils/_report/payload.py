# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The report's data as the page carries it: arrays instead of objects, and each repeated text once.

A number in the place of a text is its index in ``strings``; assets/model.js reads it all back. The order of the fields below is the
agreement between the two files. Texts are made visible here, so the page and its exports hold nothing invisible.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.finding_catalogue import CATALOGUE
from .._core.model import Flag
from . import csv_table
from .changes import Change, Changes, unit_of
from .text import CLASSES, COUNTED, JOINS, MEANINGS, SEVERITIES, STATES, VERDICT_WORDS, WHY_UNMATCHED, classes_of, store_names, visible

_DIGITS = re.compile(r"(\d+)")


class _Strings:
    """Each text once, by its index."""

    def __init__(self) -> None:
        self._places: dict[object, int] = {}
        self.found: dict[str, int] = {}

    def __call__(self, value: object) -> int | None:
        if value is None:
            return None
        place = self._places.get(value)
        if place is None:
            place = self._places[value] = self.found.setdefault(visible(value), len(self.found))
        return place

    def all(self, values: Sequence[object]) -> list[int | None]:
        return [self(value) for value in values]


def build(document: Mapping[str, Any], changes: Changes | None = None) -> dict[str, Any]:
    """The page's data: ``words`` (what the words mean), ``strings``, ``computers`` in natural order, each with its volumes and findings."""
    strings = _Strings()
    findings: dict[tuple[str, str | None], list[Any]] = defaultdict(list)
    for item in document["findings"]:
        if item["computer"] is not None:
            found = [strings(item["code"]), strings(item["severity"]), strings(item["message"]), strings(item["remedy"])]
            findings[item["computer"], item["volume"]].append(found)
    units: Mapping[Any, Change] = changes.units if changes is not None else {}
    ordered = sorted(document["computers"], key=lambda computer: natural(computer["name"]))
    computers = [_computer(computer, findings, units, strings) for computer in ordered]
    return {
        "generated_at": document["generated_at"],
        "since": visible(changes.since) if changes is not None else None,
        "columns": list(csv_table.COLUMNS),
        "stores": [_store(store, facts, document["requirements"]) for store, facts in document["stores"].items()],
        "copies": document["requirements"]["copies"],
        "words": _words(document),
        "strings": list(strings.found),
        "computers": computers,
    }


def to_script(payload: Mapping[str, Any]) -> str:
    """The payload as JSON that can stand in a script element: no sign in it that HTML or an old JavaScript would read otherwise."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def natural(name: str) -> tuple[Any, ...]:
    """Sorts pc2 before pc10."""
    parts = _DIGITS.split(name.casefold())
    return tuple((int(part), "") if number % 2 and len(part) < 20 else (-1, part) for number, part in enumerate(parts))


def _store(store: str, facts: Mapping[str, Any], requirements: Mapping[str, Any]) -> list[Any]:
    return [visible(store), *store_names(store), 1 if store in requirements["stores"] else 0, visible(facts["state"])]


def _words(document: Mapping[str, Any]) -> dict[str, Any]:
    belongs = classes_of(document["requirements"])
    return {
        "classes": dict(CLASSES),
        "verdicts": [[word, belongs[word], MEANINGS[word]] for word in VERDICT_WORDS],
        "flags": [flag.value for flag in Flag],
        "severities": list(SEVERITIES),
        "states": {word: [*value, 1 if word in COUNTED else 0] for word, value in STATES.items()},
        "joins": dict(JOINS),
        "why": dict(WHY_UNMATCHED),
        "codes": {code: meaning.name for code, meaning in CATALOGUE.items()},
    }


def _computer(computer: Mapping[str, Any], findings: Mapping[Any, list[Any]], units: Mapping[Any, Change], s: _Strings) -> list[Any]:
    name, ids = computer["name"], computer["identities"]
    change = units.get(unit_of(computer, None)) if not computer["volumes"] else None
    return [
        visible(name),
        s(computer["verdict"]),
        s.all(computer["flags"]),
        computer["observed_at"],
        s(computer["not_observed"]),
        [_text(ids[key]) for key in ("inventory", "dns_name", "ad_guid", "entra_device_id", "serial", "hardware_uuid")],
        [[s(store), s(join)] for store, join in ids["joins"].items()],
        [
            _volume(volume, findings.get((name, volume["volume"]), []), units.get(unit_of(computer, volume)), s)
            for volume in computer["volumes"]
        ],
        [[_text(e["key_id"]), s(e["store"]), s(e["why"]), _entry(e, s)] for e in computer["unmatched_entries"]],
        findings.get((name, None), []),
        _change(change, s),
        _intune(computer.get("intune")),
    ]


def _intune(facts: Mapping[str, Any] | None) -> Any:
    return 0 if facts is None else [facts["encrypted"], facts["last_sync"], facts["enrolments"]]


def _volume(volume: Mapping[str, Any], findings: list[Any], change: Change | None, s: _Strings) -> list[Any]:
    return [
        visible(volume["volume"]),
        visible(volume["device_id"]),
        _text(volume["persistent_id"]),
        s(volume["type"]),
        1 if volume["in_scope"] else 0,
        s(volume["verdict"]),
        s.all(volume["flags"]),
        s(volume["method"]),
        s(volume["conversion"]),
        s(volume["protection"]),
        volume["encrypted_percent"],
        [_protector(protector, s) for protector in volume["protectors"]],
        findings,
        _change(change, s),
        s.all(volume.get("nodes", [])),
        [s.all([e["read"], e["code"], e["name"], e["message"]]) for e in volume.get("errors", [])],
    ]


def _protector(protector: Mapping[str, Any], s: _Strings) -> list[Any]:
    stores = protector.get("stores", {})
    held = [
        [s(store), s(holding["state"]), [_entry(entry, s) for entry in holding["entries"]], *_proof(holding.get("proof"), s)]
        for store, holding in stores.items()
    ]
    return [visible(protector["key_id"]), s(protector["type"]), held]


def _proof(proof: Mapping[str, Any] | None, s: _Strings) -> list[Any]:
    """Nothing where none was tried, so that a report without proofs is no longer for it."""
    return [] if proof is None else [[s(proof["outcome"]), s(proof["basis"]), proof["made_at"], s(proof["reason"])]]


def _entry(entry: Mapping[str, Any], s: _Strings) -> list[Any]:
    """Location in two pieces, because the rest of a DN is the same for thousands: its first two names, and what follows."""
    location = visible(entry["location"])
    cut = location.find(",", location.find(",") + 1) if "," in location else -1
    head, tail = (location, None) if cut < 0 else (location[:cut], s(location[cut:]))
    return [head, tail, entry["created"], s.all(entry.get("defects", []))]


def _change(change: Change | None, s: _Strings) -> Any:
    return 0 if change is None else [s(change.kind), s(change.was)]


def _text(value: object) -> str | None:
    return None if value is None else visible(value)
