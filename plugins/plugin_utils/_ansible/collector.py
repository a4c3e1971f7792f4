# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Python's cyclic garbage collector, and when it has nothing to do here."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """No passes of the cyclic collector meanwhile; afterwards it is as it was.

    An action runs in a process of its own that ends with it, and what it makes by the million (entries, volumes, findings) lives as long as
    the action and holds no cycles. The collector would look at all of it again and again, half the time of judging a large fleet, and find
    nothing. What reference counting frees is freed as ever.
    """
    active = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if active:
            gc.enable()
