# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The recovery sheet as a PDF, by reportlab: A4, one page a key, the fonts that every reader of PDF has.

Those fonts know Western European letters. Other characters of a name or a path are written as their code points, like ``[U+30B3]``; the
page in HTML shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from .._core.recovery_password_forms import groups
from .._core.redaction import Secret
from .key_codes import BARS_QUIET, QR_QUIET, bars_of, square_of
from .sheet import STEPS, TITLE, WARNING, Sheet, SheetKey, footing, key_id_parts
from .text import visible

try:
    from reportlab.lib.utils import simpleSplit
    from reportlab.pdfbase.pdfmetrics import stringWidth
    from reportlab.pdfgen.canvas import Canvas
except ImportError:  # reported by the action's require()
    pass

MM = 72 / 25.4
WIDTH, HEIGHT = 210 * MM, 297 * MM
MARGIN = 15 * MM
INNER = WIDTH - 2 * MARGIN
TEXT, BOLD, DIGITS = "Helvetica", "Helvetica-Bold", "Courier-Bold"
_SQUARE = 46 * MM
_BARS, _BARS_HEIGHT = 140 * MM, 20 * MM
_GREY = 0.27
#: lines of one fact at most, and the room that all of them have beside the QR code
_FACT_LINES = 6
_FACTS_HEIGHT = 100 * MM
#: longer texts have no place anyway
_LONGEST = 500


def render(sheet: Sheet) -> Secret[bytes]:
    """The document, which holds every key of the sheet."""
    target = BytesIO()
    canvas = Canvas(target, pagesize=(WIDTH, HEIGHT), pageCompression=1, lang="en")
    canvas.setTitle(TITLE)
    canvas.setCreator("keyward.bitlocker")
    for number, key in enumerate(sheet.keys, 1):
        _Page(canvas, sheet, number, key).draw()
        canvas.showPage()
    canvas.save()
    return Secret(target.getvalue())


class _Page:
    """One page, drawn from its top downwards; ``_at`` is how far it has come."""

    def __init__(self, canvas: Any, sheet: Sheet, number: int, key: SheetKey) -> None:
        self._canvas = canvas
        self._sheet = sheet
        self._number = number
        self._key = key
        self._at = HEIGHT - MARGIN

    def draw(self) -> None:
        """All of it."""
        self._head()
        self._groups()
        self._middle()
        self._bars()
        self._steps()
        self._foot()

    def _line(self, text: str, x: float, font: str, size: float, *, grey: float = 0) -> None:
        self._canvas.setFillGray(grey)
        self._canvas.setFont(font, size)
        self._canvas.drawString(x, self._at, text)

    def _head(self) -> None:
        canvas = self._canvas
        self._at -= 12
        self._line(TITLE, MARGIN, BOLD, 13)
        canvas.setFont(TEXT, 9.5)
        canvas.drawRightString(WIDTH - MARGIN, self._at, WARNING)
        self._at -= 6
        canvas.setLineWidth(1.5)
        canvas.line(MARGIN, self._at, WIDTH - MARGIN, self._at)
        for line in list(_wrapped(self._key.computer, BOLD, 22, INNER))[:2]:
            self._at -= 30
            self._line(line, MARGIN, BOLD, 22)
        first, rest = key_id_parts(self._key.key_id)
        self._at -= 28
        self._line("Key ID", MARGIN, TEXT, 9, grey=_GREY)
        self._line(first, MARGIN + 36, DIGITS, 20)
        self._line(_known(rest), MARGIN + 36 + canvas.stringWidth(first, DIGITS, 20), "Courier", 12)

    def _groups(self) -> None:
        canvas = self._canvas
        self._at -= 18
        height = 34 * MM
        canvas.setLineWidth(1.5)
        canvas.rect(MARGIN, self._at - height, INNER, height)
        column = INNER / 4
        for position, group in enumerate(groups(self._key.password)):
            x = MARGIN + column * (position % 4) + column / 2
            y = self._at - 14 - (position // 4) * 15.5 * MM
            canvas.setFillGray(_GREY)
            canvas.setFont(TEXT, 9)
            canvas.drawCentredString(x, y, str(position + 1))
            canvas.setFillGray(0)
            canvas.setFont(DIGITS, 25)
            canvas.drawCentredString(x, y - 23, group.reveal())
        self._at -= height

    def _middle(self) -> None:
        canvas = self._canvas
        self._at -= 16
        top = self._at
        code = square_of(self._key.password)
        module = _SQUARE / (code.size + 2 * QR_QUIET)
        canvas.setFillGray(0)
        for row, column, length in code.runs:
            canvas.rect(
                MARGIN + (column + QR_QUIET) * module, top - (row + QR_QUIET + 1) * module, length * module, module, stroke=0, fill=1
            )
        left = MARGIN + _SQUARE + 8 * MM
        for word, lines in self._facts(WIDTH - MARGIN - left):
            self._at -= 10
            self._line(_known(word), left, TEXT, 8.5, grey=_GREY)
            for line in lines:
                self._at -= 12.5
                self._line(line, left, TEXT, 10)
            self._at -= 3
        self._at = min(self._at, top - _SQUARE)

    def _facts(self, width: float) -> list[tuple[str, list[str]]]:
        """The facts in lines, cut so that all of them have a place; a cut one ends with an ellipsis."""
        whole = [(word, list(_wrapped(fact, TEXT, 10, width))) for word, fact in self._key.facts]
        for most in range(_FACT_LINES, 0, -1):
            cut = [(word, lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1][:-1]}\u2026"]) for word, lines in whole]
            if sum(13 + 12.5 * len(lines) for _word, lines in cut) <= _FACTS_HEIGHT:
                break
        return cut

    def _bars(self) -> None:
        canvas = self._canvas
        code = bars_of(self._key.password)
        module = _BARS / (code.width + 2 * BARS_QUIET)
        left = (WIDTH - _BARS) / 2 + BARS_QUIET * module
        self._at -= 16 + _BARS_HEIGHT
        canvas.setFillGray(0)
        for at, width in code.runs:
            canvas.rect(left + at * module, self._at, width * module, _BARS_HEIGHT, stroke=0, fill=1)

    def _steps(self) -> None:
        self._at -= 14
        for number, step in enumerate(STEPS, 1):
            for place, line in enumerate(_wrapped(step, TEXT, 10, INNER - 18)):
                self._at -= 13.5
                if not place:
                    self._line(f"{number}.", MARGIN, TEXT, 10)
                self._line(line, MARGIN + 18, TEXT, 10)

    def _foot(self) -> None:
        canvas = self._canvas
        lines = list(_wrapped(footing(self._sheet, self._number), TEXT, 8.5, INNER))[:4]
        self._at = MARGIN + 11 * len(lines)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, self._at + 4, WIDTH - MARGIN, self._at + 4)
        for line in lines:
            self._at -= 11
            self._line(line, MARGIN, TEXT, 8.5, grey=_GREY)


def _known(text: object) -> str:
    """Text in the letters of the fonts; nothing of it is invisible or lost."""
    return "".join(char if _has_glyph(char) else f"[U+{ord(char):04X}]" for char in visible(text))


def _has_glyph(char: str) -> bool:
    try:
        char.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _wrapped(text: object, font: str, size: float, width: float) -> Iterator[str]:
    """Lines that fit; a word that does not is cut."""
    for line in simpleSplit(_known(str(text)[:_LONGEST]), font, size, width):
        while len(line) > 1 and _width(line, font, size) > width:
            cut = 1
            while _width(line[: cut + 1], font, size) <= width:
                cut += 1
            yield line[:cut]
            line = line[cut:]
        yield line


def _width(text: str, font: str, size: float) -> float:
    return float(stringWidth(text, font, size))
