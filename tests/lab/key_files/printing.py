# SPDX-License-Identifier: GPL-3.0-or-later
"""What a browser or an editor prints: a text as a page, to be made a PDF."""

from __future__ import annotations

from html import escape


def text_page(text: str, *, width: str = "100%", font: str = "monospace") -> str:
    """A text as a page of its own; a narrow ``width`` breaks lines within keys, as a small paper does."""
    style = f"width:{width};font-family:{font};white-space:pre-wrap;overflow-wrap:anywhere"
    return f"<!DOCTYPE html><meta charset='utf-8'><div style='{style}'>{escape(text)}</div>"
