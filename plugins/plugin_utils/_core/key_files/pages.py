# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The text of a saved web page, a row of a table in a line, with tabs between its cells; pure."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_START = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,4096}?-->\s*)*<(?:!doctype\s+html|html|head|body|table|div)\b", re.IGNORECASE | re.DOTALL
)
_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "title"})
_CELLS = frozenset({"td", "th"})
#: tables that are drawn with other elements say so to screen readers (WAI-ARIA)
_ROW_ROLES = frozenset({"row"})
_CELL_ROLES = frozenset({"cell", "gridcell", "columnheader", "rowheader"})
#: elements that have no end
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"})
_INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "code", "em", "font", "i", "kbd", "mark", "s", "small", "span", "strong", "sub", "sup", "u", "wbr"}
)
#: form fields show their value
_FIELDS = frozenset({"input"})


def is_page(text: str) -> bool:
    """Whether a text is HTML, by its beginning."""
    return _START.match(text[:8192].lstrip("\ufeff")) is not None


def page_text(html: str) -> str:
    """What a reader of the page sees, roughly: blocks are lines, table rows are lines, scripts and styles are not there."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    """Collects text; knows no more of HTML than where a line ends."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._silent: list[str] = []
        #: rows that are open, by their element; within one no line ends
        self._rows: list[str] = []
        self._depths: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line or a cell."""
        role = dict(attrs).get("role") or ""
        if self._rows and tag == self._rows[-1] and tag not in _VOID:
            self._depths[-1] += 1
        if tag in _SILENT:
            self._silent.append(tag)
        elif tag in _FIELDS:
            self._field(dict(attrs))
        elif tag == "tr" or role in _ROW_ROLES:
            self._parts.append("\n")
            self._rows.append(tag)
            self._depths.append(1)
        elif tag in _CELLS or role in _CELL_ROLES:
            self._parts.append("\t" if self._rows else "\n")
        else:
            self._break(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that is closed at once has no content to be silent about."""
        if tag not in _SILENT:
            self.handle_starttag(tag, attrs)
            if tag not in _VOID:
                self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """End a line."""
        if tag in _SILENT:
            if tag in self._silent:
                del self._silent[self._silent.index(tag) :]
        elif self._rows and tag == self._rows[-1]:
            self._depths[-1] -= 1
            if self._depths[-1] == 0:
                self._rows.pop()
                self._depths.pop()
                self._parts.append("\n")
        elif tag == "table":
            self._rows.clear()
            self._depths.clear()
            self._parts.append("\n")
        elif tag not in _CELLS:
            self._break(tag)

    def _field(self, given: dict[str, str | None]) -> None:
        if not self._silent and given.get("type") not in {"hidden", "password"} and given.get("value"):
            self._parts.append(f" {given['value']} ")

    def handle_data(self, data: str) -> None:
        """Keep what is shown."""
        if not self._silent:
            self._parts.append(re.sub(r"\s+", " ", data))

    def _break(self, tag: str) -> None:
        if tag not in _INLINE:
            self._parts.append(" " if self._rows else "\n")

    def text(self) -> str:
        """The lines, with what is empty left out."""
        lines = ("\t".join(cell.strip() for cell in line.split("\t")).strip() for line in "".join(self._parts).split("\n"))
        return "\n".join(line for line in lines if line)
