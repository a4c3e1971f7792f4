# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""How long to wait for a service that says it is busy, and when to stop.

Graph documentation, "Throttling": 429 (also 503, 504) with Retry-After in seconds; RFC 9110 10.2.3 permits a date. Without the header:
exponentially longer, with jitter. All waiting of one run is bounded together, so a service that never has time cannot hold a play.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .answer import Answer

#: statuses that mean "later": too many requests, unavailable, gateway time-out, bandwidth limit
BUSY = frozenset({429, 503, 504, 509})
#: statuses that may be a passing fault of the service: tried again, fewer times
SHAKY = frozenset({500, 502})

#: so many short waits may fit into a run's patience, which is the real bound
_ATTEMPTS = 60
_SHAKY_ATTEMPTS = 3
_FIRST_WAIT = 1.0
_LONGEST_OWN_WAIT = 60.0
_SHORTEST_WAIT = 0.2
#: waits shorter than this are not worth a line on the terminal
_WORTH_TELLING = 5.0


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The clocks, the pause and the chance that everything here uses; tests put their own in."""

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


class Patience:
    """One run's patience with busy services; ``budget`` seconds of waiting in all."""

    def __init__(self, budget: float, timing: Timing, say: Callable[[str], None] | None = None) -> None:
        self.left = float(budget)
        self._timing = timing
        self._say = say

    def wait(self, answer: Answer, attempt: int) -> bool:
        """Wait as the answer asks, if it is of the kind that asks; False where it should be taken as it is.

        ``attempt`` counts this request's answers from 1.
        """
        if answer.status not in BUSY | SHAKY or attempt >= (_ATTEMPTS if answer.status in BUSY else _SHAKY_ATTEMPTS):
            return False
        asked = retry_after(answer.headers, self._timing.now)
        # who says "now" again and again is asked more and more seldom
        own = asked is None or (asked < _FIRST_WAIT and attempt > 1)
        seconds = self._own_wait(attempt) if asked is None or own else max(asked, _SHORTEST_WAIT)
        if seconds > self.left:
            return False
        if self._say and seconds >= _WORTH_TELLING:
            self._say(f"Entra ID: the service asks for patience (HTTP {answer.status}), waiting {seconds:.0f} seconds")
        self.pause(seconds)
        return True

    def pause(self, seconds: float) -> None:
        """Wait, on this run's account."""
        self.left -= seconds
        self._timing.sleep(seconds)

    def _own_wait(self, attempt: int) -> float:
        longest = min(_FIRST_WAIT * 2.0 ** min(attempt - 1, 10), _LONGEST_OWN_WAIT)
        return longest * (0.5 + 0.5 * self._timing.chance())


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
    """Seconds that a Retry-After header asks for: a whole number or an HTTP date (against the answer's own Date, if it has one).

    None where there is no header or nothing that can be read; never negative.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= 9 else float("inf")
    moment = _http_date(text)
    if moment is None:
        return None
    return max((moment - (_http_date(headers.get("date", "")) or now())).total_seconds(), 0.0)


def _http_date(text: str) -> datetime | None:
    if not text or len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
