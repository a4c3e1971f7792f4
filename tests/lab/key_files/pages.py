# SPDX-License-Identifier: GPL-3.0-or-later
"""A Microsoft account's page with recovery keys, in the forms that it may have. Nobody here has seen its source: each form is a guess."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .texts import LabKey
from .wording import PAGES

FORMS = ("table", "cards", "grid")
_HEAD = (
    "<!DOCTYPE html>\n<html lang='{language}'><head><meta charset='utf-8'><title>Keys</title>"
    "<style>td{{padding:4px 12px}}</style></head><body>"
)
_NOISE = "<script>var s={{'id':'{noise}','k':'000000-000000'}};</script><nav><a href='#'>Account 12345678</a></nav><h1>BitLocker</h1>"


def account_page(keys: Sequence[LabKey], form: str = "table", language: str = "en-US") -> str:
    """The page with a row or a card for each key; it shows no more of a key ID than its first eight digits."""
    *heads, date = PAGES[language]
    rows = [(key.computer, key.key_id[:8].upper(), key.password, "OSV", date) for key in keys]
    body = {"table": _table, "cards": _cards, "grid": _grid}[form]([escape(head) for head in heads], rows)
    noise = keys[0].key_id[::-1]
    return f"{_HEAD.format(language=language[:2])}{_NOISE.format(noise=noise)}{body}<footer>2026 v1.20260504.3</footer></body></html>"


def pasted(keys: Sequence[LabKey], language: str = "en-US") -> str:
    """What lands in a text editor when the table is copied."""
    *heads, date = PAGES[language]
    rows = ["\t".join((key.computer, key.key_id[:8].upper(), key.password, "OSV", date)) for key in keys]
    return "\n".join(["\t".join(heads), *rows]) + "\n"


def _table(heads: list[str], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th scope='col'>{word}</th>" for word in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cards(heads: list[str], rows: Sequence[tuple[str, ...]]) -> str:
    cards = []
    for row in rows:
        fields = "".join(f"<dt>{word}</dt><dd><span>{escape(cell)}</span></dd>" for word, cell in zip(heads, row, strict=True))
        cards.append(f"<section><dl>{fields}</dl></section>")
    return "\n".join(cards)


def _grid(heads: list[str], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<div role='columnheader'>{word}</div>" for word in heads)
    body = "".join("<div role='row'>" + "".join(f"<div role='cell'>{escape(cell)}</div>" for cell in row) + "</div>" for row in rows)
    return f"<div role='table'><div role='row'>{head}</div>{body}</div>"
