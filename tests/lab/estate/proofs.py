# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that proves finds: which entries open the live key package of a protector, and what follows for a store (DESIGN section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.keyward.bitlocker.tests.lab.estate.values import is_recovery_password
from ansible_collections.keyward.bitlocker.tests.lab.estate.view import SeenEntry, SeenProtector

#: of several own entries the first of these holds
BEST_ENTRY_FIRST = ("proven", "conflicting", "refuted", "present", "unreadable", "malformed")


@dataclass(frozen=True, kw_only=True)
class Held:
    """The own entries of one protector in one store, judged: its state (None without entries), and what else is to be said of them."""

    state: str | None
    duplicate: bool
    conflicting: bool
    malformed: bool


def hold(entries: Sequence[SeenEntry], live: SeenProtector | None, *, values_read: bool) -> Held:
    """Judge own entries with one key ID.

    Args:
        live: the protector as its host lists it now; None where nothing is proven.
        values_read: the values are read. Those of Entra are only where there is something to hold them against.
    """
    words = [_word(entry, live, values_read=values_read) for entry in entries]
    sound = [entry for entry, word in zip(entries, words, strict=True) if word != "malformed"]
    read = {entry.value for entry in sound if entry.readable and entry.value is not None} if values_read else set()
    if len(read) > 1 and "proven" not in words:
        words.append("conflicting")
    return Held(
        state=next((word for word in BEST_ENTRY_FIRST if word in words), None),
        duplicate=len(sound) > max(1, len(read)),
        conflicting=len(read) > 1,
        malformed="malformed" in words,
    )


def _word(entry: SeenEntry, live: SeenProtector | None, *, values_read: bool) -> str:
    if not entry.readable:
        return "unreadable"
    if not entry.sound or (values_read and not is_recovery_password(entry.value or "")):
        return "malformed"
    if not values_read or live is None or live.opened_by is None:
        return "present"
    if entry.value == live.opened_by:
        return "proven"
    # two readings that differ refute nothing
    return "refuted" if live.steady else "present"
