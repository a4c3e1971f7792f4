# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What stands on a recovery sheet, whatever its format: one page a key, and the words that are on every page."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.redaction import Secret

TITLE = "BitLocker recovery key"
WARNING = "Whoever holds this page can open the drive. Keep it in the safe."
#: what to do with a page, in order
STEPS = (
    "Compare the first eight characters of the key ID with those on the recovery screen. If they differ, this is the wrong page.",
    "Type the 48 digits. The screen sets the hyphens itself and tells at once which group was mistyped.",
    "Or scan one of the codes with a scanner that acts as a keyboard. Both hold the 48 digits and nothing else.",
    "Afterwards have the key changed and this page destroyed.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetKey:
    """One page: ``computer`` is its heading, ``facts`` are pairs of a word and what is known, in the order in which they are shown."""

    key_id: str
    password: Secret[str]
    computer: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All pages, and what stands below each: ``made_at`` a time for people, ``made_by`` an account, ``reason`` what it was made for."""

    keys: tuple[SheetKey, ...]
    made_at: str
    made_by: str
    reason: str


def key_id_parts(key_id: str) -> tuple[str, str]:
    """A key ID as the recovery screen writes it, upper case, cut behind the eight characters that it always shows."""
    shown = key_id.upper()
    return shown[:8], shown[8:]


def footing(sheet: Sheet, number: int) -> str:
    """The line at the end of a page; ``number`` counts from one."""
    return f"Made {sheet.made_at} by {sheet.made_by}, for: {sheet.reason}. Page {number} of {len(sheet.keys)}."
