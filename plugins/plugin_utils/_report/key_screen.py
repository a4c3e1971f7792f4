# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A recovery password as it is read from a terminal: in large digits, in groups, and in words; 80 columns and 24 lines are enough.

The groups in words come after the picture, one on a line. The plain form has no picture, for screen readers and small windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._core.recovery_password_forms import groups, spoken
from .._core.redaction import Secret
from .sheet import SheetKey, key_id_parts
from .terminal import printable

WIDTH, HEIGHT = 80, 24
#: digits as three columns and five rows of dots, a row's dots as the bits of a figure
_DOTS = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71111", "75757", "75717")
#: an upper and a lower dot as one character
_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
_IN_A_ROW = 3


def screen(key: SheetKey, *, language: str = "en", large: bool = True) -> Secret[str]:
    """The whole screen but its last line, without colours or movements of the cursor."""
    first, rest = key_id_parts(printable(key.key_id))
    lines = [
        printable(f"{key.computer}{_drive(key)}", WIDTH - 1),
        f"Key ID {first}{rest}. Compare the first 8 characters.",
        "",
    ]
    said = [line.reveal().partition(": ")[2] for line in spoken(key.password, language)]
    plain = [group.reveal() for group in groups(key.password)]
    if large:
        for start in range(0, len(plain), _IN_A_ROW):
            lines += [*_large(plain[start : start + _IN_A_ROW], start + 1), ""]
    lines += [f"{number}  {' '.join(group)}   {words}" for number, (group, words) in enumerate(zip(plain, said, strict=True), 1)]
    return Secret("\n".join(lines))


def _drive(key: SheetKey) -> str:
    drive = dict(key.facts).get("Drive")
    return f", {drive}" if drive else ""


def _large(row: Sequence[str], number: int) -> list[str]:
    """Groups side by side as three lines, each with its number before it."""
    lines = []
    for half in range(3):
        parts = []
        for place, group in enumerate(row):
            label = str(number + place) if half == 1 else " "
            parts.append(f"{label} " + " ".join(_slice(int(digit), half) for digit in group))
        lines.append("  ".join(parts).rstrip())
    return lines


def _slice(digit: int, half: int) -> str:
    """Three characters, which are two rows of dots of a digit."""
    rows = [int(row) for row in _DOTS[digit]] + [0]
    upper, lower = rows[2 * half], rows[2 * half + 1]
    return "".join(_HALVES[bool(upper & bit), bool(lower & bit)] for bit in (4, 2, 1))
