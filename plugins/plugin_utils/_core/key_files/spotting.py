# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Where recovery passwords and key IDs stand in a text; pure, and in time that grows with the text alone.

A recovery password is eight groups of six digits, with hyphens, blanks, line ends or nothing between them. What is nearly one is spotted
too, so that a damaged password is told of and not passed over.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..recovery_password import GROUP_DIGITS, GROUPS

#: a group between two hyphens may be broken by a line end or a blank, as printing does; the outer ones may not: a number may be beside them
_INNER = r"(?:[0-9]\s?){6}"
_WHOLE = re.compile(
    rf"(?<![0-9])(?<![0-9]-)(?:[0-9]{{6}}\s{{0,3}}(?:-\s{{0,3}}{_INNER}){{6}}\s{{0,2}}-\s{{0,3}}[0-9]{{6}}"
    r"|[0-9]{6}(?:\s{1,4}[0-9]{6}){7}|[0-9]{48})(?![0-9])(?!-[0-9])"
)
_NEARLY = re.compile(r"(?<![\w-])[\w?*#]{1,16}(?:\s{0,3}-\s{0,3}[\w?*#]{1,16}){6,9}(?![\w-])")
_BLANKS = re.compile(r"(?<![\w-])[\w?*#]{4,8}(?:[ \t]{1,4}[\w?*#]{4,8}){6,8}(?![\w-])")
_SOLID = re.compile(r"(?<!\w)\w{46,50}(?!\w)")
_SIX = re.compile(r"[0-9]{6}")
_SPLIT = re.compile(r"\s*-\s*")

_HEX = "[0-9A-Fa-f]"
_GUID_BODY = (
    rf"{_HEX}{{8}}\s{{0,2}}-\s{{0,2}}{_HEX}{{4}}(?:\s{{0,2}}-\s{{0,2}}{_HEX}{{4}}){{2}}\s{{0,2}}-\s{{0,2}}{_HEX}{{12}}(?!{_HEX})(?!-{_HEX})"
)
_GUID = re.compile(rf"(?<!{_HEX})(?<!{_HEX}-){_GUID_BODY}")
#: in an unknown code page the letter before may be the second half of a sign, as that of the full-width colon is in Shift-JIS
_GUID_LEGACY = re.compile(rf"(?:(?<!{_HEX})|(?<=[\x80-\xff]{_HEX})){_GUID_BODY}")
_VOLUME_BEFORE = re.compile(r"Volume\{\s?$", re.IGNORECASE)
_EXTERNAL_AFTER = re.compile(r"\}?\.BEK\b", re.IGNORECASE)
_SHORT = re.compile(rf"(?<![\w-]){_HEX}{{8}}(?![\w-])")
#: how many groups of a text must be sound in shape to call it a damaged password
_LEAST_GROUPS = 4
_LEAST_WITH_BLANKS = 6
_LEAST_SOLID = 40


@dataclass(frozen=True, slots=True)
class Spot:
    """Something found at ``start`` (offset in the text) up to ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class KeySpot(Spot):
    """A recovery password, or nearly one: ``groups`` as they stand there, which are not eight where it cannot be taken apart.

    ``hyphens``: written with them, so that it was meant to be one; a row of numbers may look like the other forms by chance.
    """

    groups: tuple[str, ...] = field(repr=False)
    hyphens: bool = False


@dataclass(frozen=True, slots=True)
class IdSpot(Spot):
    """A GUID in lower case, or a key ID's first eight digits (``short``). ``kind``: key, volume, or external (the name of a .BEK)."""

    guid: str
    kind: str = "key"
    short: bool = False


class Lines:
    """Which line an offset is in."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def number(self, offset: int) -> int:
        """The number of the line, from 1."""
        return bisect_right(self._starts, offset)


def spot_keys(text: str) -> list[KeySpot]:
    """Every recovery password and everything that was nearly one, in order, without overlaps."""
    found = [KeySpot(match.start(), match.end(), _cut(re.sub(r"[\s-]", "", match[0])), "-" in match[0]) for match in _WHOLE.finditer(text)]
    for more in (_nearly(text), _with_blanks(text), _solid(text)):
        taken = Spans(found)
        found += [spot for spot in more if taken.free(spot)]
    return sorted(found, key=lambda spot: spot.start)


def spot_ids(text: str, *, legacy: bool = False, taken: list[KeySpot] | None = None) -> list[IdSpot]:
    """Every GUID, in order; those of volumes and of external keys are marked."""
    pattern = _GUID_LEGACY if legacy else _GUID
    keys = Spans(taken or [])
    found = []
    for match in pattern.finditer(text):
        kind = "key"
        if _VOLUME_BEFORE.search(text, max(match.start() - 9, 0), match.start()):
            kind = "volume"
        elif _EXTERNAL_AFTER.match(text, match.end()):
            kind = "external"
        spot = IdSpot(match.start(), match.end(), re.sub(r"\s", "", match[0]).lower(), kind)
        if keys.free(spot):
            found.append(spot)
    return found


def spot_short_id(text: str, start: int, end: int) -> IdSpot | None:
    """The last word of eight hexadecimal digits within this part of the text, if nothing but words without digits is behind it."""
    found = None
    for match in _SHORT.finditer(text, start, end):
        found = match
    if found is None or re.search("[0-9]", text[found.end() : end]):
        return None
    return IdSpot(found.start(), found.end(), found[0].lower(), short=True)


class Spans:
    """Places that are taken."""

    def __init__(self, spots: list[KeySpot]) -> None:
        self._spots = sorted((spot.start, spot.end) for spot in spots)
        self._starts = [start for start, _end in self._spots]

    def free(self, spot: Spot) -> bool:
        """Whether nothing of this is taken."""
        place = bisect_right(self._starts, spot.start)
        before = place > 0 and self._spots[place - 1][1] > spot.start
        return not before and (place == len(self._spots) or self._spots[place][0] >= spot.end)


def _cut(digits: str) -> tuple[str, ...]:
    return tuple(digits[start : start + GROUP_DIGITS] for start in range(0, len(digits), GROUP_DIGITS))


def _nearly(text: str) -> Iterator[KeySpot]:
    for match in _NEARLY.finditer(text):
        groups = tuple(_SPLIT.split(match[0]))
        if sum(_SIX.fullmatch(group) is not None for group in groups) >= _LEAST_GROUPS:
            yield KeySpot(match.start(), match.end(), groups, hyphens=True)


def _with_blanks(text: str) -> Iterator[KeySpot]:
    for match in _BLANKS.finditer(text):
        groups = tuple(match[0].split())
        if sum(_SIX.fullmatch(group) is not None for group in groups) >= _LEAST_WITH_BLANKS:
            yield KeySpot(match.start(), match.end(), groups)


def _solid(text: str) -> Iterator[KeySpot]:
    for match in _SOLID.finditer(text):
        if sum(sign in "0123456789" for sign in match[0]) >= _LEAST_SOLID:
            yield KeySpot(match.start(), match.end(), _cut(match[0]) if len(match[0]) == GROUPS * GROUP_DIGITS else (match[0],))
