# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What is wrong with a recovery password that somebody copied, printed or typed, in words without a digit; pure.

The check digit of a group tells that one digit is wrong and never which one. So a damaged group is named, with the number of values that it
could have had if a single thing went wrong, and nothing is put right.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from ..recovery_password import GROUP_DIGITS, GROUP_MAXIMUM, GROUPS, ORDINALS, damaged_groups
from ..redaction import Secret

_DIGITS = "0123456789"
#: with more unreadable signs in one group the number of values says nothing
_MOST_UNREAD = 3


def judge(groups: tuple[str, ...]) -> tuple[Secret[str] | None, str]:
    """The password in its canonical form; or None, and a clause that says what is damaged."""
    if len(groups) != GROUPS:
        return None, f"it has {len(groups)} groups of digits, and not eight" if len(groups) > 1 else "its digits are not 48"
    text = "-".join(groups)
    damaged = damaged_groups(Secret(text))
    if damaged == ():
        return Secret(text), ""
    if damaged is None:
        return None, "it is not eight groups of six digits"
    return None, "; ".join(_told(ORDINALS[position], groups[position]) for position in damaged)


def _told(name: str, group: str) -> str:
    if len(group) < GROUP_DIGITS:
        what, if_one = "lacks digits", "if one is missing"
    elif len(group) > GROUP_DIGITS:
        what, if_one = "has too many digits", "if one is too many"
    elif not _is_number(group):
        what, if_one = "holds a sign that is no digit", "with digits in its place"
    elif int(group) > GROUP_MAXIMUM:
        what, if_one = "is larger than a group can be", "if one digit is wrong"
    else:
        what, if_one = "does not fit its check digit", "if one digit is wrong"
    count = possibilities(group)
    allowed = f"; the check digit allows {count or 'no'} value{'' if count == 1 else 's'} for it {if_one}" if count is not None else ""
    return f"the {name} group {what}{allowed}"


def possibilities(group: str) -> int | None:
    """How many sound groups this one may have been: one digit wrong, missing or too many, or other signs in the place of digits.

    None where more went wrong than such a number could say anything about.
    """
    unread = sum(sign not in _DIGITS for sign in group)
    if unread > _MOST_UNREAD or abs(len(group) - GROUP_DIGITS) > 1 or (unread and len(group) != GROUP_DIGITS):
        return None
    return sum(_is_sound(value) for value in set(_readings(group, unread)))


def _readings(group: str, unread: int) -> Iterator[str]:
    if unread:
        yield from ("".join(value) for value in product(*(sign if sign in _DIGITS else _DIGITS for sign in group)))
    elif len(group) == GROUP_DIGITS:
        yield from (group[:place] + digit + group[place + 1 :] for place in range(GROUP_DIGITS) for digit in _DIGITS)
    elif len(group) < GROUP_DIGITS:
        yield from (group[:place] + digit + group[place:] for place in range(GROUP_DIGITS) for digit in _DIGITS)
    else:
        yield from (group[:place] + group[place + 1 :] for place in range(len(group)))


def _is_number(group: str) -> bool:
    return all(sign in _DIGITS for sign in group)


def _is_sound(group: str) -> bool:
    return int(group) % 11 == 0 and int(group) <= GROUP_MAXIMUM
