# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The form of a recovery password: eight groups of six digits, each divisible by 11 and at most 720885 (11 x 65535).

Sources: Win32_EncryptableVolume.IsNumericalPasswordValid and ProtectKeyWithNumericalPassword; the BitLocker format notes of libbde. Windows
takes hyphens, spaces or nothing between the groups and gives hyphens. A group of six zeros is legal. Divided by 11, each group is a 16-bit
number; the eight of them, little-endian, are the 128 bits that the key is made from.

The check finds any single wrong digit and any swap of neighbours, group by group; it says nothing about the volume that it opens.
Nothing here puts a digit of a password into an error: groups are named in words.
"""

from __future__ import annotations

import re
import struct

from .._errors import BadDataError
from .redaction import Secret

GROUPS = 8
GROUP_DIGITS = 6
GROUP_MAXIMUM = 11 * 0xFFFF
#: longer texts are refused unread: 48 digits, their separators and some white space around
MAX_LENGTH = 128

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")

_SHAPE = re.compile(r"[0-9]{6}(?:[- ]?[0-9]{6}){7}")
_BINARY = struct.Struct("<8H")
_REMEDY = "Take the password from its source again; it has eight groups of six digits."


class MalformedPasswordError(BadDataError):
    """A text is no recovery password. ``groups`` are the positions (0 to 7) of damaged groups; empty where there are no eight groups."""

    def __init__(self, meaning: str, groups: tuple[int, ...] = ()) -> None:
        super().__init__("use a recovery password", meaning=meaning, remedy=_REMEDY)
        self.groups = groups


def parse(password: Secret[str]) -> Secret[str]:
    """The canonical form of a recovery password (hyphens between the groups); :class:`MalformedPasswordError` names what is damaged."""
    damaged = damaged_groups(password)
    if damaged is None:
        raise MalformedPasswordError("the text is not eight groups of six digits")
    if damaged:
        raise MalformedPasswordError(describe_damage(damaged), damaged)
    return Secret("-".join(_groups(password.reveal())))


def is_valid(password: Secret[str]) -> bool:
    """Whether this is a recovery password in any of the forms that Windows takes."""
    return damaged_groups(password) == ()


def damaged_groups(password: Secret[str]) -> tuple[int, ...] | None:
    """The positions (0 to 7) of the groups that cannot be right, so that a person can read just those again.

    None where the text cannot be taken apart into eight groups. With separators, a group with a wrong number of digits, or with
    something that is no digit, is a damaged group.
    """
    groups = _groups(password.reveal())
    if len(groups) != GROUPS:
        return None
    return tuple(position for position, group in enumerate(groups) if not _is_sound(group))


def describe_damage(groups: tuple[int, ...]) -> str:
    """A clause that names damaged groups in words, without a digit: ``the third group is damaged``."""
    names = [ORDINALS[position] for position in groups]
    if len(names) == 1:
        return f"the {names[0]} group is damaged"
    return f"the {', '.join(names[:-1])} and {names[-1]} groups are damaged"


def to_binary(password: Secret[str]) -> Secret[bytes]:
    """The sixteen bytes that a recovery password stands for; raises as :func:`parse`."""
    groups = parse(password).reveal().split("-")
    return Secret(_BINARY.pack(*(int(group) // 11 for group in groups)))


def from_binary(binary: Secret[bytes]) -> Secret[str]:
    """The canonical recovery password of sixteen bytes; :class:`MalformedPasswordError` for any other length."""
    if len(binary.reveal()) != _BINARY.size:
        raise MalformedPasswordError("its binary form is not sixteen bytes long")
    return Secret("-".join(f"{number * 11:06d}" for number in _BINARY.unpack(binary.reveal())))


def _groups(text: str) -> list[str]:
    """The groups of a text; eight of them unless it cannot be taken apart. A wrong group stays as it is, for the caller to judge."""
    if len(text) > MAX_LENGTH:
        return []
    text = text.strip()
    if _SHAPE.fullmatch(text):
        digits = text.replace("-", "").replace(" ", "")
        return [digits[start : start + GROUP_DIGITS] for start in range(0, GROUPS * GROUP_DIGITS, GROUP_DIGITS)]
    return re.split("[- ]", text)


def _is_sound(group: str) -> bool:
    if len(group) != GROUP_DIGITS or not (group.isascii() and group.isdigit()):
        return False
    number = int(group)
    return number % 11 == 0 and number <= GROUP_MAXIMUM
