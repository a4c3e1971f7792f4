# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A recovery password as a QR code and as a Code 128 bar code, as plain geometry; reportlab makes both, for the page and for the PDF.

What is encoded are the 48 digits alone: a scanner that acts as a keyboard types them into the recovery screen, which sets the hyphens.
A picture of the digits is as secret as they are, so both are made here and drawn at once, and nothing of them is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .._core.recovery_password_forms import digits
from .._core.redaction import Secret

try:
    from reportlab.graphics.barcode import code128, qrencoder
except ImportError:  # reported by the action's require()
    code128 = qrencoder = None  # type: ignore[assignment]  # never used then

#: white around a code, in modules: ISO/IEC 18004 asks four of a QR code, ISO/IEC 15417 ten of Code 128
QR_QUIET = 4
BARS_QUIET = 10


@dataclass(frozen=True, slots=True)
class Square:
    """A QR code: ``size`` modules wide and high; ``runs`` are dark ones side by side, as row, first column and length."""

    size: int
    runs: tuple[tuple[int, int, int], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar code: ``width`` modules; ``runs`` are the bars, as first module and width."""

    width: int
    runs: tuple[tuple[int, int], ...] = field(repr=False)


def square_of(password: Secret[str]) -> Square:
    """The QR code of the digits, which a quarter of the symbol may be lost of (level Q)."""
    code = qrencoder.QRCode(None, qrencoder.QRErrorCorrectLevel.Q)
    code.addData(digits(password).reveal())
    code.make()
    rows = [[bool(module) for module in row] for row in code.modules or ()]
    return Square(len(rows), tuple((number, *run) for number, row in enumerate(rows) for run in _dark(row)))


def bars_of(password: Secret[str]) -> Bars:
    """The Code 128 of the digits, two in each symbol (code set C)."""
    code = code128.Code128(digits(password).reveal(), quiet=0)
    code.validate()
    code.encode()
    at, runs = 0, []
    # a letter is a width from one, upper case for a bar and lower case for the space after it
    for letter in code.decompose():
        width = ord(letter.lower()) - ord("a") + 1
        if letter.isupper():
            runs.append((at, width))
        at += width
    return Bars(at, tuple(runs))


def _dark(row: list[bool]) -> Iterator[tuple[int, int]]:
    start: int | None = None
    for column, dark in enumerate([*row, False]):
        if dark and start is None:
            start = column
        elif not dark and start is not None:
            yield start, column - start
            start = None
