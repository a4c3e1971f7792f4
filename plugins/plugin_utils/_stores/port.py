# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What every store offers to those who read from it, whatever directory or service is behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from .._core.model import Entry, StoreReading


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreNames:
    """Entries whose names alone can be seen, below the owners that were asked for.

    ``entries`` are all ``readable=False``. ``not_searched`` holds the owner IDs that could not be searched, ``reason`` says why the
    first of them could not: what those owners hold is unknown, never absent.
    """

    entries: tuple[Entry, ...] = ()
    not_searched: frozenset[str] = frozenset()
    reason: str = ""


class Store(Protocol):
    """One store of recovery passwords; reading it never asks for a value."""

    def read(self) -> StoreReading:
        """Every owner and every entry's metadata, and how far the search reached. A store that is down is a state, not an exception."""

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        """Names of entries that this account may not read, below these owners; entries that :meth:`read` brought are left out."""

    def close(self) -> None:
        """Let the connection go; may be called twice."""
