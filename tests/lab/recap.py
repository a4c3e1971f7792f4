# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-playbook says, with its recap of one line a host made short, so that what comes before it stays in sight.

Hosts that ended the play with a failure keep their lines: those are what a recap is read for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_HEAD = re.compile(r"PLAY RECAP \*+")
_ROW = re.compile(r"(?P<host>\S+)\s*:\s*(?P<counts>ok=\d+(?:\s+\w+=\d+)+)\s*")
#: more rows than this push a summary off the screen
FEW = 5


def condensed(lines: Iterable[bytes], log: BinaryIO, *, where: Path) -> Iterator[str]:
    """Every line as text; all of it goes into ``log`` (at ``where``) as it came, without colours."""
    held: list[str] | None = None
    for line in lines:
        text = line.decode("utf-8", "replace")
        plain = _COLOUR.sub("", text)
        log.write(plain.encode())
        if held is None and _HEAD.match(plain):
            held = []
        if held is None:
            yield text
        elif plain.strip() and not _HEAD.match(plain):
            if _ROW.fullmatch(plain.rstrip("\n")):
                held.append(text)
            else:
                yield text
    if held is not None:
        yield from _short(held, where)


def _short(rows: list[str], where: Path) -> Iterator[str]:
    if len(rows) <= FEW:
        yield "PLAY RECAP\n"
        yield from rows
        return
    totals: Counter[str] = Counter()
    failed = []
    for row in rows:
        counts = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", _COLOUR.sub("", row).rpartition(":")[2])}
        totals.update(name for name, number in counts.items() if number)
        if counts.get("failed") or counts.get("unreachable"):
            failed.append(row)
    said = ", ".join(f"{totals[name]} with {name}" for name in ("unreachable", "failed", "ignored") if totals[name])
    yield f"PLAY RECAP of {len(rows)} hosts{': ' + said if said else ''}; a line for each is in {where}\n"
    yield from failed
