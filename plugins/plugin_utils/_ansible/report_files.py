# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The files of a report: which there are, what they say, and whether that differs from what lay there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._report import csv_table, document, html, markdown
from .files import write_atomically

REPORT_NAME = "escrow-report"
#: formats of the report, as the option knows them; each is also its file's ending
FORMATS = ("json", "csv", "html", "md")
#: what stands before the digest in a page or a summary is shorter than this
_HEAD = 8192


def load_previous(path: Path) -> Mapping[str, Any] | None:
    """The report that lies at ``path``, or None where there is none that can be read; a pipe is not waited for."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, Mapping) else None


def load_assets() -> html.Assets:
    """The files of the page, which lie beside the code that puts them together."""
    folder = Path(html.__file__).with_name("assets")
    return html.Assets.of({name: (folder / name).read_text(encoding="utf-8") for name in html.ASSET_NAMES})


def write_report(
    report: Mapping[str, Any], folder: Path, formats: Sequence[str] = ("json",), *, check_mode: bool
) -> tuple[bool, list[str]]:
    """Write the report's files; returns whether the content of any differs from what lay there, and the files.

    A report in JSON that lies there already is the earlier one, against which the page and the job summary tell what changed.
    """
    paths = {name: folder / f"{REPORT_NAME}.{name}" for name in FORMATS if name in formats}
    previous = load_previous(folder / f"{REPORT_NAME}.json")
    digest = document.digest(report)
    texts = {name: _text(name, report, previous, digest) for name in paths}
    same_report = previous is not None and document.same_content(previous, report)
    changed = not all(same_report if name == "json" else _same(name, path, texts[name], digest) for name, path in paths.items())
    if not check_mode:
        for name, path in paths.items():
            write_atomically(path, texts[name])
    return changed, [str(path) for path in paths.values()]


def _text(name: str, report: Mapping[str, Any], previous: Mapping[str, Any] | None, digest: str) -> str:
    if name == "csv":
        return csv_table.render(report)
    if name == "html":
        return html.render(report, load_assets(), previous, digest=digest)
    if name == "md":
        return markdown.render(report, previous, digest=digest)
    return document.to_json(report)


def _same(name: str, path: Path, text: str, digest: str) -> bool:
    """Whether the file at that path says the same as the new text, whenever it was made; what cannot be read does not."""
    try:
        if not path.is_file():
            return False
        with path.open(encoding="utf-8", newline="") as file:
            lies_there = file.read(_HEAD if name == "html" else -1)
    except (OSError, ValueError):
        return False
    if name == "csv":
        return csv_table.same_content(lies_there, text)
    return (html.digest_of if name == "html" else markdown.digest_of)(lies_there) == digest
