# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One host's reads: a read that fails becomes an item in the observation, and never loses its neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from .._errors import AuthenticationError, KeywardError, TlsError, UnreachableError

T = TypeVar("T")

#: after this long nothing more is asked of a host; what is missing by then is listed as not read
MAX_DURATION: Final = timedelta(minutes=10)
#: so many lost connections one after the other mean that the host is gone
MAX_LOST: Final = 2
MAX_ERRORS: Final = 1000
MAX_MESSAGE: Final = 1000


@dataclass
class _Shared:
    """What all reads of one observation have in common."""

    now: Callable[[], datetime]
    started: datetime
    lost: int = 0
    noted: int = 0


@dataclass
class Reads:
    """Makes reads, keeps the errors of those that fail; :meth:`scope` gives a volume its own list."""

    shared: _Shared
    errors: list[dict[str, str]] = dataclasses.field(default_factory=list)

    @classmethod
    def begin(cls, now: Callable[[], datetime]) -> Reads:
        """Reads of one observation, that begins now."""
        return cls(_Shared(now, now()))

    def scope(self) -> Reads:
        """Reads with a list of errors of their own, and the same bounds."""
        return Reads(self.shared)

    def ask(self, read: str, call: Callable[[], T], *, fatal: tuple[type[KeywardError], ...] = ()) -> T | None:
        """Make a read that speaks to the host; None if it failed, and then an item in :attr:`errors`.

        A refused login or certificate, and a host that is gone, are raised, as are errors of the ``fatal`` classes: they concern the
        whole observation.
        """
        if self.shared.now() - self.shared.started > MAX_DURATION:
            self.note(read, _too_late(read))
            return None
        try:
            value = call()
        except UnreachableError as error:
            self.shared.lost += 1
            if self.shared.lost >= MAX_LOST:
                raise
            self.note(read, error)
            return None
        except KeywardError as error:
            if isinstance(error, (AuthenticationError, TlsError, *fatal)):
                raise
            self.note(read, error)
            return None
        self.shared.lost = 0
        return value

    def field(self, read: str, take: Callable[[], T]) -> T | None:
        """Take one value out of an answer that is already here; None if it is broken, and then an item in :attr:`errors`."""
        try:
            return take()
        except KeywardError as error:
            self.note(read, error)
            return None

    def note(self, read: str, error: KeywardError) -> None:
        """Keep one failure as an item; after a thousand of them only the last one says that there are more."""
        self.shared.noted += 1
        if self.shared.noted > MAX_ERRORS:
            return
        message = str(error)
        if self.shared.noted == MAX_ERRORS:
            read, message = "", "More reads failed than are listed."
        self.errors.append({"read": read, "code": error.code, "name": error.name, "message": message[:MAX_MESSAGE]})


def _too_late(read: str) -> KeywardError:
    return KeywardError(
        f"read {read}",
        meaning=f"the host had been answering for {int(MAX_DURATION.total_seconds() // 60)} minutes by then, and was not asked",
        remedy="Find out why its WMI service answers so slowly.",
    )
