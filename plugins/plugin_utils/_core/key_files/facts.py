# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a file says beside a recovery password: computer, drive, date, and the key ID within a file's name; pure.

Only what is clear is taken. A date without its zone, or in the order of somebody's country, is left out: "newest" would rest on a guess.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import datetime

from .pairing import Pair
from .spotting import spot_ids

#: how the account page names the kind of a drive: operating system, fixed and removable data volume
_DRIVE_CODES = {"OSV": "os", "FDV": "fixed", "RDV": "removable"}
_CODE = re.compile(r"(?<![A-Za-z0-9])(OSV|FDV|RDV)(?![A-Za-z0-9])")
_LETTER = re.compile(r"(?:Mount ?Point|Volume|Drive)[ \t]{0,20}:?[ \t]{0,8}([A-Z]:)(?![\w\\])", re.IGNORECASE)
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=[^\n]*[A-Za-z]){_NAME}")
_COMPUTER = re.compile(
    rf"^[ \t]*(?:computer|device|host)[ _]?(?:name)?[ \t]*(?:[:=][ \t]*|\n[ \t\n]{{0,8}})({_NAME})[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_ISO = re.compile(
    r"(?<![\d:])(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d{1,9})? ?(Z|[+-]\d{2}:?\d{2})(?![\d:])"
)  # ISO 8601 with its zone
_DIRECTORY_TIME = re.compile(r"(?<!\d)(\d{14})(?:\.\d)?Z(?!\w)")
_SHORTENED = re.compile(r"(?<![0-9A-Fa-f-])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){1,3}(?:-[0-9A-Fa-f]{1,12})?(?![0-9A-Fa-f-])")


class Surroundings:
    """What stands around the pairs of one text."""

    def __init__(self, text: str, pairs: tuple[Pair, ...]) -> None:
        self._text = text
        self._pairs = pairs
        self._computers = [(match.start(), match[1]) for match in _COMPUTER.finditer(text)]
        self._letters = [(match.start(), match[1].upper()) for match in _LETTER.finditer(text)]

    def computer(self, place: int) -> str | None:
        """The name that a label gives before the password, or that begins its row of an account page."""
        found = self._pairs[place]
        if found.id is not None and (found.id.short or _CODE.search(self._line(found.key.end))):
            start = self._text.rfind("\n", 0, found.id.start) + 1
            first = self._text[start : found.id.start].strip(" \t|")
            if is_host_name(first):
                return first
        return _nearest(self._computers, found.key.start)

    def volume(self, place: int) -> str | None:
        """The drive's letter that was named last, or the account page's word for the kind of drive."""
        found = self._pairs[place]
        following = self._pairs[place + 1] if place + 1 < len(self._pairs) else None
        end = len(self._text) if following is None else min(following.key.start, following.id.start if following.id else len(self._text))
        codes = set(_CODE.findall(self._line(found.key.start))) or set(_CODE.findall(self._text[found.key.end : max(end, found.key.end)]))
        if len(codes) == 1:
            return _DRIVE_CODES[codes.pop()]
        return _nearest(self._letters, found.key.start)

    def created(self, place: int) -> datetime | None:
        """A moment in the password's own line, if it is the only one."""
        return moment(self._line(self._pairs[place].key.start))

    def volume_guid(self, place: int, guids: list[tuple[int, str]]) -> str | None:
        """The volume's GUID that stands last before the password and behind the one before it."""
        found = self._pairs[place]
        return next((guid for start, guid in reversed(guids) if found.since <= start < found.key.start), None)

    def _line(self, offset: int) -> str:
        end = self._text.find("\n", offset)
        return self._text[self._text.rfind("\n", 0, offset) + 1 : end if end >= 0 else len(self._text)]


def is_host_name(text: str) -> bool:
    """Whether this can be a computer's name: one word with a letter in it."""
    return _HOST.fullmatch(text) is not None


def drive_word(text: str) -> str | None:
    """A drive as a table names it; the account page's codes as our words for the kind of volume."""
    return _DRIVE_CODES.get(text, text[:256]) or None


def moment(text: str) -> datetime | None:
    """The only moment in a text, where it is written with its zone (ISO 8601, or a directory's generalized time)."""
    found = {f"{day}T{time}{'+00:00' if zone == 'Z' else zone}" for day, time, zone in _ISO.findall(text)}
    found |= {f"{digits}+0000" for digits in _DIRECTORY_TIME.findall(text)}
    if len(found) != 1:
        return None
    written = found.pop()
    try:
        return datetime.strptime(written, "%Y%m%d%H%M%S%z") if "T" not in written else datetime.fromisoformat(written)
    except (ValueError, OverflowError):
        return None


def id_of_name(name: str) -> str | None:
    """The key ID in a file's name, lower case; Windows may shorten it, and people do."""
    whole = spot_ids(name)
    if whole:
        return whole[-1].guid
    short = _SHORTENED.findall(name)
    return str(short[-1]).lower() if short else None


def _nearest(found: list[tuple[int, str]], offset: int) -> str | None:
    place = bisect_left(found, (offset, ""))
    return found[place - 1][1] if place else None
