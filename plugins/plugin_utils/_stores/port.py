# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What every store offers to those who read from it, whatever directory or service is behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from .._core.model import Entry, StoreReading
from .._core.redaction import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreNames:
    """Entries whose names alone can be seen, below the owners that were asked for.

    ``entries`` are all ``readable=False``. ``not_searched`` holds the owner IDs that could not be searched, ``reason`` says why the
    first of them could not: what those owners hold is unknown, never absent.
    """

    entries: tuple[Entry, ...] = ()
    not_searched: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreValue:
    """An entry with its value, and a defect more where that is no recovery password; or as it was, and why its value could not be read.

    ``package``: the store's own copy of the protector's key package, where one was asked for and is there.
    """

    entry: Entry
    problem: str = ""
    package: Secret[bytes] | None = None


class Store(Protocol):
    """One store of recovery passwords; only :meth:`values` ever asks for one."""

    def read(self) -> StoreReading:
        """Every owner and every entry's metadata, and how far the search reached. A store that is down is a state, not an exception."""

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        """Names of entries that this account may not read, below these owners; entries that :meth:`read` brought are left out."""

    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        """These entries with their recovery passwords, in order; one that cannot be read never takes the others along.

        ``packages``: IDs of the entries whose key package the store should give too, if it keeps any. Whoever stops asking stops the
        reading.
        """

    def close(self) -> None:
        """Let the connection go; may be called twice."""
