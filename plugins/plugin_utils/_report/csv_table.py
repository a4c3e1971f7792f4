# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The report as a table for a spreadsheet: a row for each protector and store, and one for what has no protectors.

UTF-8 with a byte order mark (Excel takes it as UTF-8 only then), CRLF (RFC 4180), and no cell that a spreadsheet would take for a formula
(OWASP, "CSV Injection").
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from .text import visible

#: what begins a formula, in wide and small forms too, which some spreadsheets make plain
_SIGNS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
#: also behind spaces and quotes; a spreadsheet that splits at semicolons would begin a cell after each one
_FORMULA = re.compile(rf"(?:^|(?<=;))(?=[\s\"']*[{re.escape(_SIGNS)}])")
#: what a cell must be quoted for (RFC 4180)
_QUOTED = re.compile(r"[,\"\r\n]")
_QUOTE = '"'
_BEGINNINGS = frozenset(" \"'" + _SIGNS)

COLUMNS = (
    "computer",
    "computer_verdict",
    "volume",
    "volume_type",
    "in_scope",
    "verdict",
    "flags",
    "protector_type",
    "key_id",
    "store",
    "state",
    "entries",
    "newest_entry",
    "location",
    "join",
    "method",
    "conversion",
    "protection",
    "encrypted_percent",
    "findings",
    "observed_at",
    "not_observed",
    "inventory_name",
    "device_id",
    "intune_encrypted",
    "intune_last_sync",
    "proof",
    "proof_basis",
    "proof_made_at",
)
#: columns that tell of the moment of the run, not of the estate
VOLATILE_COLUMNS = ("observed_at", "intune_last_sync", "proof_made_at")


def cell(value: object) -> str:
    """One cell's text: nothing invisible in it, and an apostrophe before what would begin a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if text.isprintable() and text[:1] not in _BEGINNINGS and ";" not in text:
        return text
    return _FORMULA.sub("'", visible(text))


class _Cells(dict[object, str]):
    """The cell of each value as the file has it, made once: most values come again and again. Not for truth values: True is 1 here."""

    def __missing__(self, value: object) -> str:
        text = cell(value)
        made = self[value] = f'"{text.replace(_QUOTE, _QUOTE * 2)}"' if _QUOTED.search(text) else text
        return made


def render(document: Mapping[str, Any]) -> str:
    """The whole file's text, beginning with the byte order mark."""
    written = _Cells().__getitem__
    lines = [",".join(map(written, map(row.get, COLUMNS))) for row in rows(document)]
    return "\ufeff" + "\r\n".join([",".join(COLUMNS), *lines, ""])


def same_content(one: str, other: str) -> bool:
    """Whether two tables say the same, whenever they were made; what is no table says something else."""
    try:
        # row by row: all of them at once are hundreds of megabytes in a large fleet
        return all(row == lies_there for row, lies_there in zip_longest(_lasting(one), _lasting(other)))
    except csv.Error:
        return False


def _lasting(text: str) -> Iterator[list[str]]:
    places = sorted((COLUMNS.index(name) for name in VOLATILE_COLUMNS), reverse=True)
    for row in csv.reader(io.StringIO(text, newline="")):
        for place in places:
            del row[place : place + 1]
        yield row


def rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows as mappings from column to value; a column that says nothing there is absent."""
    codes: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    for finding in document["findings"]:
        if finding["computer"] is not None:
            codes[finding["computer"], finding["volume"]].add(finding["code"])
    for computer in document["computers"]:
        shared = {
            "computer": computer["name"],
            "computer_verdict": computer["verdict"],
            "observed_at": computer["observed_at"],
            "not_observed": computer["not_observed"],
            "inventory_name": computer["identities"]["inventory"],
            **_intune(computer.get("intune")),
        }
        of_computer = codes[computer["name"], None]
        if not computer["volumes"]:
            yield shared | {"verdict": computer["verdict"], "flags": _list(computer["flags"]), "findings": _list(sorted(of_computer))}
        for volume in computer["volumes"]:
            found = sorted(codes[computer["name"], volume["volume"]] | of_computer)
            yield from _volume(shared | {"findings": _list(found)}, volume, computer["identities"]["joins"])


def _volume(shared: dict[str, Any], volume: Mapping[str, Any], joins: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    row = shared | {
        "volume": volume["volume"],
        "volume_type": volume["type"],
        "in_scope": cell(volume["in_scope"]),
        "verdict": volume["verdict"],
        "flags": _list(volume["flags"]),
        "method": volume["method"],
        "conversion": volume["conversion"],
        "protection": volume["protection"],
        "encrypted_percent": volume["encrypted_percent"],
        "device_id": volume["device_id"],
    }
    for protector in volume["protectors"]:
        named = row | {"protector_type": protector["type"], "key_id": protector["key_id"]}
        for store, holding in protector.get("stores", {}).items():
            yield {**named, **_holding(holding), "store": store, "join": joins.get(store)}
        if not protector.get("stores"):
            yield named
    if not volume["protectors"]:
        yield row


def _holding(holding: Mapping[str, Any]) -> dict[str, Any]:
    entries, proof = holding["entries"], holding.get("proof")
    row = {
        "state": holding["state"],
        "entries": len(entries),
        "newest_entry": max((entry["created"] for entry in entries if entry["created"]), default=None),
        "location": _list([entry["location"] for entry in entries], " | "),
    }
    if proof is None:
        return row
    return row | {"proof": proof["outcome"], "proof_basis": proof["basis"], "proof_made_at": proof["made_at"]}


def _intune(facts: Mapping[str, Any] | None) -> dict[str, Any]:
    if facts is None:
        return {}
    return {
        "intune_encrypted": "unknown" if facts["encrypted"] is None else cell(facts["encrypted"]),
        "intune_last_sync": facts["last_sync"],
    }


def _list(words: Sequence[str], between: str = " ") -> str | None:
    return between.join(words) or None
