# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Tables that were exported as text: any delimiter, Excel's ways of quoting, columns by mapping, by known header or by content; pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .facts import drive_word, is_host_name, moment
from .spotting import spot_ids, spot_keys

FIELDS = ("key_id", "recovery_password", "computer", "serial", "volume", "volume_guid", "created")
#: headers of exports that are known, without blanks and case: Windows' and the directories' own names, which no language changes
_KNOWN = {
    "key_id": {"keyid", "keyprotectorid", "recoverykeyid", "recoveryguid", "msfve-recoveryguid", "bitlockerkeyid", "protectorid"},
    "recovery_password": {"recoverypassword", "recoverykey", "msfve-recoverypassword", "bitlockerrecoverykey", "bitlockerkey"},
    "computer": {"computer", "computername", "devicename", "device", "hostname", "pscomputername"},
    "serial": {"serial", "serialnumber"},
    "volume": {"volume", "mountpoint", "drive", "driveletter", "volumetype"},
    "volume_guid": {"volumeguid", "msfve-volumeguid"},
    "created": {"created", "whencreated", "createddatetime"},
}
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 20
_MOST_FIELDS = 256
#: a GUID with its hyphens is the shortest of what is looked for in cells
_LEAST_CELL = 36
_EXCEL = re.compile(r'="(.*)"|\'(.*)', re.DOTALL)
_SEP = re.compile(r"sep=(.)\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: ``key_id`` as a key ID in lower case, or empty; the password as it stands there."""

    line: int
    key_id: str
    recovery_password: str
    computer: str | None = None
    serial: str | None = None
    volume: str | None = None
    volume_guid: str | None = None
    created: datetime | None = None

    def __repr__(self) -> str:
        """Where it is, and nothing of what it says."""
        return f"Row(line={self.line})"


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that have a key ID or a password, and what could not be told apart."""

    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()


def read_table(text: str, columns: Mapping[str, str | int]) -> Table | None:
    """The table that a text is; None where it is none, or has neither the columns that are asked for nor any that are clear."""
    given = _SEP.match(text)
    body, skipped = (text[given.end() :], 1) if given else (text, 0)
    delimiter = given[1] if given else _delimiter(body)
    if delimiter is None:
        return None
    try:
        numbered = [(number + skipped, row) for number, row in _records(body, delimiter) if any(cell.strip() for cell in row)]
    except csv.Error:
        return None
    if not numbered or max(len(row) for _line, row in numbered) > _MOST_FIELDS:
        return None
    header = [_bare(cell) for cell in numbered[0][1]]
    places, body_from = _mapped(header, columns) if columns else (None, 0)
    if places is None:
        places, body_from = _known(header), 1
    if not _fits(numbered[body_from:], places):
        clear, body_from = _by_content([row for _line, row in numbered]), 0
        if clear is None:
            return None
        places = {**places, **clear} if clear else {}
    if not places:
        return Table((), ("it is a table with several columns of key IDs: name the right one in the option columns",))
    return Table(tuple(_rows(numbered[body_from:], places)))


def _delimiter(text: str) -> str | None:
    """What cuts the first lines into the same number of cells each, two at least."""
    lines = [line for line in text[:65536].split("\n")[: _SAMPLE * 2] if line.strip()][:_SAMPLE]
    for delimiter in _DELIMITERS:
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
        except csv.Error:
            continue
        if len(widths) == 1 and widths.pop() > 1:
            return delimiter
    return None


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text.split("\n"), delimiter=delimiter)
    before = 0
    for row in reader:
        yield before + 1, row
        before = reader.line_num


def _mapped(header: list[str], columns: Mapping[str, str | int]) -> tuple[dict[str, int] | None, int]:
    """Where the columns are that somebody named; None where this table has not all of them."""
    names = {name.casefold(): place for place, name in reversed(list(enumerate(header)))}
    places = {}
    for field, wanted in columns.items():
        if isinstance(wanted, int):
            places[field] = wanted - 1
        elif (place := names.get(wanted.strip().casefold())) is not None:
            places[field] = place
        else:
            return None, 0
    by_name = any(isinstance(wanted, str) for wanted in columns.values())
    return places, 1 if by_name or not any(spot_keys(cell) for cell in header) else 0


def _fits(numbered: Sequence[tuple[int, list[str]]], places: Mapping[str, int]) -> bool:
    """Whether both columns that matter are there, and the one of key IDs holds any: some exports write a GUID as a row of numbers."""
    if "key_id" not in places or "recovery_password" not in places:
        return False
    return any(_key_id(_bare(row[places["key_id"]])) for _line, row in numbered if places["key_id"] < len(row))


def _known(header: list[str]) -> dict[str, int]:
    squeezed = [re.sub(r"[\s_]", "", cell).casefold() for cell in header]
    found: dict[str, int] = {}
    for field, names in _KNOWN.items():
        places = [place for place, name in enumerate(squeezed) if name in names]
        if len(places) == 1:
            found[field] = places[0]
    return found


def _by_content(rows: Sequence[list[str]]) -> dict[str, int] | None:
    """The only column that holds passwords and the only one that holds GUIDs; without the first where there are several of the second."""
    ids: set[int] = set()
    keys: set[int] = set()
    for row in rows:
        for place, cell in enumerate(row):
            if len(cell) < _LEAST_CELL:
                continue
            bare = _bare(cell)
            if spot_keys(bare):
                keys.add(place)
            elif any(spot.kind == "key" for spot in spot_ids(bare)):
                ids.add(place)
    if len(keys) != 1 or not ids:
        return None
    return {"key_id": ids.pop(), "recovery_password": keys.pop()} if len(ids) == 1 else {}


def _rows(numbered: Sequence[tuple[int, list[str]]], places: Mapping[str, int]) -> Iterator[Row]:
    for line, row in numbered:
        cells = {field: _bare(row[place]) for field, place in places.items() if 0 <= place < len(row)}
        key_id = _key_id(cells.get("key_id", ""))
        password = cells.get("recovery_password", "")
        if not key_id and not spot_keys(password):
            continue
        computer = cells.get("computer", "")
        volumes = spot_ids(cells.get("volume_guid", ""))
        yield Row(
            line=line,
            key_id=key_id,
            recovery_password=password,
            computer=computer if is_host_name(computer) else None,
            serial=cells.get("serial") or None,
            volume=drive_word(cells.get("volume", "")),
            volume_guid=volumes[0].guid if len(volumes) == 1 else None,
            created=moment(cells.get("created", "")),
        )


def _key_id(cell: str) -> str:
    found = spot_ids(cell)
    if len(found) == 1:
        return found[0].guid
    digits = cell.strip("{} ").lower()
    if re.fullmatch("[0-9a-f]{32}", digits):
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return digits if re.fullmatch("[0-9a-f]{8}", digits) else ""


def _bare(cell: str) -> str:
    """A cell without what Excel puts around a text that looks like a number."""
    cell = cell.strip()
    quoted = _EXCEL.fullmatch(cell)
    return (quoted[1] or quoted[2] or "").strip() if quoted else cell
