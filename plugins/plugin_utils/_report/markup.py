# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""HTML put together from elements, so that text can never become markup: a string is text, and only :func:`tag` makes markup."""

from __future__ import annotations

from html import escape

from .text import visible

_VOID = frozenset({"br", "meta", "link"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Markup | None


def text(value: object) -> Markup:
    """A datum as it may stand in an element or in a quoted attribute: nothing of it is markup, invisible or turns the line round."""
    return Markup(escape(visible(value), quote=True))


def join(*children: Child) -> Markup:
    """Children one after another; None is left out."""
    return Markup("".join(child if isinstance(child, Markup) else text(child) for child in children if child is not None))


def tag(name: str, *children: Child, **attributes: object) -> Markup:
    """An element. Attributes: ``class_`` and ``for_`` lose their last underline, others become hyphens; None and False are left out."""
    given = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        given.append(f" {word}" if value is True else f' {word}="{text(value)}"')
    opening = f"<{name}{''.join(given)}>"
    return Markup(opening if name in _VOID else f"{opening}{join(*children)}</{name}>")
