# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Which key ID belongs to which recovery password of a text; pure.

By place alone, as the words around them are in any language: in one line with it (a row of a table), else the nearest one before it. Where
the order of the text is in doubt nothing is paired: a wrong ID is worse than none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .spotting import IdSpot, KeySpot, Lines, spot_ids, spot_keys, spot_short_id

NO_ID = "it has no key ID beside it"
IDS_IN_DOUBT = "key IDs stand before and behind the passwords, and which belongs to which cannot be told"
TWO_IDS = "its line has several key IDs"
NEXT_TO_ID = "another recovery password has the same key ID"


@dataclass(frozen=True, slots=True)
class Pair:
    """A recovery password and its key ID; or None, and why. ``since``: where what is said of it may begin in the text."""

    key: KeySpot
    id: IdSpot | None
    why: str = ""
    since: int = 0


@dataclass(frozen=True, slots=True)
class Pairs:
    """All of a text: the pairs in order, and the key IDs that have no password."""

    pairs: tuple[Pair, ...]
    lone: tuple[IdSpot, ...]
    volumes: tuple[IdSpot, ...] = ()
    external: tuple[IdSpot, ...] = ()


def pair(text: str, *, legacy: bool = False) -> Pairs:
    """Take a text apart."""
    keys = spot_keys(text)
    every = spot_ids(text, legacy=legacy, taken=keys)
    ids = [spot for spot in every if spot.kind == "key"]
    lines = Lines(text)
    rows = _rows(keys, ids, lines)
    pairs = _merge(keys, rows, _by_order(text, [key for key in keys if key not in rows], ids, lines))
    used = {found.id.guid for found in pairs if found.id is not None}
    lone = {spot.guid: spot for spot in ids if spot.guid not in used}
    return Pairs(
        tuple(found for found in pairs if found.key.hyphens or found.id is not None or _is_sound(found.key)),
        tuple(lone.values()),
        tuple(spot for spot in every if spot.kind == "volume"),
        tuple(spot for spot in every if spot.kind == "external"),
    )


def _rows(keys: list[KeySpot], ids: list[IdSpot], lines: Lines) -> dict[KeySpot, Pair]:
    """Passwords that share their line with key IDs and with no other password."""
    in_line: dict[int, list[IdSpot]] = {}
    for spot in ids:
        in_line.setdefault(lines.number(spot.start), []).append(spot)
        in_line.setdefault(lines.number(spot.end), []).append(spot)
    count: dict[int, int] = {}
    for key in keys:
        count[lines.number(key.start)] = count.get(lines.number(key.start), 0) + 1
    found = {}
    for key in keys:
        line = lines.number(key.start)
        near = {spot.guid: spot for spot in in_line.get(line, ())}
        if near and count[line] == 1:
            found[key] = Pair(key, next(iter(near.values()))) if len(near) == 1 else Pair(key, None, TWO_IDS)
    return found


def _by_order(text: str, keys: list[KeySpot], ids: list[IdSpot], lines: Lines) -> dict[KeySpot, Pair]:
    """The nearest key ID before each password; none at all where the text begins with a password or ends with an ID behind one."""
    found: dict[KeySpot, Pair] = {}
    previous: IdSpot | None = None
    end, place = 0, 0
    for key in keys:
        own = None
        while place < len(ids) and ids[place].start < key.start:
            own = ids[place] if ids[place].start >= end else own
            place += 1
        own = own or spot_short_id(text, end, key.start)
        if own is None and previous is not None:
            found[key] = Pair(key, previous, NEXT_TO_ID)
        else:
            found[key] = Pair(key, own, "" if own else NO_ID)
        previous, end = own or previous, key.end
    if keys and ids and (found[keys[0]].id is None or _follows(text, keys[-1], ids[place:], lines)):
        return {key: Pair(key, None, IDS_IN_DOUBT) for key in keys}
    return found


def _follows(text: str, key: KeySpot, ids: list[IdSpot], lines: Lines) -> bool:
    """Whether a key ID stands in the line after a password, or in that line behind it, so that it may be its own."""
    if not ids or lines.number(ids[0].start) - lines.number(key.end) > 1:
        return False
    return re.search(r"\n[ \t]*\n", text[key.end : ids[0].start]) is None


def _merge(keys: list[KeySpot], rows: dict[KeySpot, Pair], others: dict[KeySpot, Pair]) -> list[Pair]:
    found = []
    since = 0
    for key in keys:
        made = rows.get(key) or others[key]
        found.append(Pair(made.key, made.id, made.why, since))
        since = key.end
    return found


def _is_sound(key: KeySpot) -> bool:
    # "²" is a digit too, and no number
    return all(len(group) == 6 and group.isascii() and group.isdigit() and int(group) % 11 == 0 for group in key.groups)
