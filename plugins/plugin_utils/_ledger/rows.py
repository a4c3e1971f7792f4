# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Between the ledger's columns and Python: times, texts that every database takes, and which columns a row's seal covers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from .schema import MAX_TEXT
from .seal import Seal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: table -> its key without the run, and the columns besides it that the seal covers: all there are
KEYS: Mapping[str, tuple[str, ...]] = {
    "observations": ("host",),
    "holdings": ("store", "owner_id"),
    "verdicts": ("computer",),
    "protectors": ("host", "key_id"),
    "entries": ("store", "entry_id", "key_id"),
    "proofs": ("store", "entry_id", "key_id", "datum"),
}
FACTS: Mapping[str, tuple[str, ...]] = {
    "observations": ("observed_at", "digest"),
    "holdings": ("computer", "digest"),
    "verdicts": ("host", "verdict", "digest"),
    "protectors": ("type", "first_seen"),
    "entries": ("owner_id", "created", "first_seen"),
    "proofs": ("owner_id", "version", "value_mark", "outcome", "basis", "reason", "made_at"),
}
_DIGEST = "digest"
_SEALED = {name: (*KEYS[name], *FACTS[name]) for name in KEYS}


def micros(moment: datetime) -> int:
    """A time as a column holds it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(number: int) -> datetime:
    """A time from a column; ValueError for one that no calendar holds."""
    try:
        return _EPOCH + timedelta(microseconds=number)
    except OverflowError as error:
        raise ValueError("a time that no calendar holds") from error


def text(value: str) -> str:
    """A text that can stand in a column: bounded, without the one character that PostgreSQL refuses, and without halves of others.

    It is a plain one, as it comes back: a member of an enumeration is spelled otherwise in a seal.
    """
    if len(value) <= MAX_TEXT and value.isascii() and "\0" not in value:
        return str(value)
    return value[:MAX_TEXT].replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def seal_row(seal: Seal, table: str, run_id: str, row: Mapping[str, Any]) -> bytes:
    """The seal of a row, over its table, its run and every column."""
    return seal.of(table, run_id, *(row[name].hex() if name == _DIGEST else row[name] for name in _SEALED[table]))


def checker(seal: Seal, table: str, names: Sequence[str]) -> Callable[[Sequence[Any], str], bool]:
    """What says of a row that was read, its columns in the order of ``names``, and of its run's ID whether the row bears its seal."""
    fields, at = itemgetter(*map(names.index, _SEALED[table])), names.index("seal")
    with_digest = _SEALED[table][-1] == _DIGEST

    def is_sealed(row: Sequence[Any], run_id: str) -> bool:
        values = fields(row)
        if with_digest:
            if not isinstance(values[-1], bytes):  # a kind that nobody writes, which SQLite permits
                return False
            values = (*values[:-1], values[-1].hex())
        return seal.fits(row[at], table, run_id, *values)

    return is_sealed
