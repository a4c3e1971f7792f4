# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The recovery sheet as one HTML file for a printer: no script, no request, no style but its own (Content Security Policy Level 3)."""

from __future__ import annotations

import base64
import hashlib
from string import Template

from .._core.recovery_password import ORDINALS
from .._core.recovery_password_forms import groups
from .._core.redaction import Secret
from .key_codes import BARS_QUIET, QR_QUIET, bars_of, square_of
from .markup import Markup, join, tag, text
from .sheet import STEPS, TITLE, WARNING, Sheet, SheetKey, footing, key_id_parts

#: the file beside this one, under assets
STYLE = "sheet.css"
#: height of a bar code in modules
_BARS_HEIGHT = 40
_HEAD = Template("""<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>$title</title>
""")


def render(sheet: Sheet, style: str) -> Secret[bytes]:
    """The page in UTF-8, which holds every key of the sheet; ``style`` is the text of :data:`STYLE`."""
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = join(
        # as in the report; without script there is nothing to trust
        Markup(_HEAD.substitute(policy=text(policy), title=text(TITLE))),
        tag("style", Markup(style)),
    )
    pages = [_page(sheet, number, key) for number, key in enumerate(sheet.keys, 1)]
    return Secret(f"<!doctype html>\n{tag('html', tag('head', head), tag('body', *pages), lang='en')}\n".encode())


def _page(sheet: Sheet, number: int, key: SheetKey) -> Markup:
    first, rest = key_id_parts(key.key_id)
    label = f"title-{number}"
    return tag(
        "article",
        tag("header", tag("p", TITLE, class_="kind"), tag("p", WARNING, class_="warning")),
        tag("h1", key.computer, id=label),
        tag("p", tag("span", "Key ID", class_="word"), tag("strong", first), rest, class_="key-id"),
        _groups(key),
        tag("div", _square(key), _facts(key), class_="middle"),
        _bars(key),
        tag("ol", *(tag("li", step) for step in STEPS)),
        tag("footer", footing(sheet, number)),
        aria_labelledby=label,
    )


def _groups(key: SheetKey) -> Markup:
    """An ordered list: a screen reader says which group it is."""
    items = [tag("li", group.reveal(), title=f"{ordinal} group") for ordinal, group in zip(ORDINALS, groups(key.password), strict=True)]
    return tag("ol", *items, class_="groups", aria_label="Recovery key, eight groups of six digits")


def _facts(key: SheetKey) -> Markup:
    return tag("dl", *(tag("div", tag("dt", word), tag("dd", fact)) for word, fact in key.facts))


def _square(key: SheetKey) -> Markup:
    code = square_of(key.password)
    path = "".join(f"M{column + QR_QUIET} {row + QR_QUIET}h{length}v1h-{length}z" for row, column, length in code.runs)
    side = code.size + 2 * QR_QUIET
    return _drawn("QR code of the 48 digits", path, side, side, "square")


def _bars(key: SheetKey) -> Markup:
    code = bars_of(key.password)
    path = "".join(f"M{at + BARS_QUIET} 0h{width}v{_BARS_HEIGHT}h-{width}z" for at, width in code.runs)
    return _drawn("Bar code (Code 128) of the 48 digits", path, code.width + 2 * BARS_QUIET, _BARS_HEIGHT, "bars")


def _drawn(label: str, path: str, width: int, height: int, kind: str) -> Markup:
    white = tag("rect", width=width, height=height, fill="#fff")
    shape = tag("path", d=path, fill="#000")
    return tag(
        "svg",
        white,
        shape,
        viewBox=f"0 0 {width} {height}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
        class_=kind,
    )
