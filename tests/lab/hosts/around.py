# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of an endpoint have around them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .escrow import Escrow


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the hosts of an endpoint have around them.

    ``escrow``: where they back recovery passwords up to (in memory, one for each host, where not given). ``changed``: folder that gets
    what becomes of them, see kept.py. ``progress``: points that a conversion gains whenever somebody asks for it. ``shift``: they listen
    so many ports above their own, because something stands before them.
    """

    escrow: Escrow | None = None
    changed: Path | None = None
    progress: int = 0
    shift: int = 0
