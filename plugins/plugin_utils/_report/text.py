# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Text from a datum made harmless to look at, and the words that the files for people use for verdicts, flags and states."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from .._core.model import Severity, Verdict

#: verdicts, worst first, and severities, gravest first
VERDICT_WORDS = tuple(word.value for word in Verdict)
SEVERITIES = tuple(word.value for word in Severity)

#: what a verdict means for whoever looks at the sum: four classes, each with one colour
CLASSES: Mapping[str, str] = MappingProxyType(
    {"missing": "Key missing", "attention": "Needs attention", "unseen": "Could not look", "pass": "Passing"}
)
_CLASS_OF = {
    Verdict.UNESCROWED: "missing",
    Verdict.NO_RECOVERY_PASSWORD: "missing",
    Verdict.WRONG_KEY: "missing",
    Verdict.AT_RISK: "attention",
    Verdict.UNPROTECTED: "attention",
    Verdict.NOT_ENCRYPTED: "attention",
    Verdict.UNAVAILABLE: "attention",
    Verdict.UNKNOWN: "unseen",
    Verdict.ON_FILE: "unseen",
    Verdict.ESCROWED: "pass",
    Verdict.RECOVERABLE: "pass",
}

#: one sentence for each verdict, for a reader who does not know the words
MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "unescrowed": "No required store holds the key. If the volume locks, its data is lost.",
        "no_recovery_password": "Encrypted, but there is no recovery password that could be escrowed.",
        "wrong_key": "What is escrowed must not be relied on.",
        "at_risk": "The key is in fewer stores than required.",
        "unprotected": "The data can be read without any key.",
        "not_encrypted": "The volume is not encrypted.",
        "unavailable": "BitLocker is not installed.",
        "unknown": "A host, a store or a read did not answer. Neither a pass nor a missing key.",
        "on_file": "A key is on file, but nobody could say whether it is the current one.",
        "escrowed": "Enough required stores hold the key.",
        "recoverable": "Enough stores hold the key, and one was proven to open the volume.",
    }
)

#: states of a key in a store: their class and one sentence
STATES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "proven": ("pass", "The escrowed password opened the live key package."),
        "conflicting": ("missing", "Entries for this ID hold different passwords."),
        "refuted": ("missing", "The escrowed password does not open the volume."),
        "present": ("pass", "There is an entry with this key ID. It was not proven to open the volume."),
        "unreadable": ("pass", "There is an entry with this key ID, and the account may not read it."),
        "malformed": ("missing", "The entry is broken."),
        "unknown": ("unseen", "The store could not be searched for it, or nobody can say which object there is this computer."),
        "deleted": ("missing", "The entry was found only among deleted objects."),
        "absent": ("missing", "The store was searched, and there is none."),
    }
)

#: states that count as a copy (DESIGN section 5)
COUNTED = frozenset({"proven", "present", "unreadable"})

#: a store's short and full name, for people; the other files keep the word itself
STORES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"ad": ("AD", "Active Directory"), "entra": ("Entra", "Entra ID"), "file": ("Files", "Key files"), "vault": ("Vault", "Vault")}
)

#: how we know that an object in a store is this computer
JOINS: Mapping[str, str] = MappingProxyType(
    {
        "authenticated": "proven by the connection itself",
        "claimed": "the computer said so",
        "by_name": "matched by name alone",
    }
)

#: why an entry under a computer matches none of its protectors
WHY_UNMATCHED: Mapping[str, str] = MappingProxyType(
    {
        "stale": "matches no protector of today",
        "belongs_elsewhere": "belongs to a protector of another computer",
        "malformed": "broken",
        "not_observed": "the computer was not observed, so nothing could be compared",
    }
)


def visible(value: object) -> str:
    """Text in which nothing is invisible or turns its neighbours round: control, format and bidi characters become ``[U+202E]``."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _marked(char) for char in text)


def _marked(char: str) -> str:
    return " " if unicodedata.category(char) == "Zs" else f"[U+{ord(char):04X}]"


def store_names(word: str) -> tuple[str, str]:
    """The short and the full name of a store."""
    return STORES.get(word) or (visible(word), visible(word))


def spaced(word: str) -> str:
    """A word of the report as a person reads it: without underscores."""
    return visible(word).replace("_", " ")


def classes_of(requirements: Mapping[str, Any]) -> dict[str, str]:
    """The class of each verdict under these requirements: with ``proof: live`` an escrowed key still needs attention."""
    found = {verdict.value: name for verdict, name in _CLASS_OF.items()}
    if requirements.get("proof") == "live":
        found[Verdict.ESCROWED.value] = "attention"
    return found


def moment(stamp: str | None) -> str:
    """A time of the report for people, to the minute, in UTC; what is no time comes back as it is, None as a dash."""
    if stamp is None:
        return "\u2013"
    try:
        return datetime.fromisoformat(stamp).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return visible(stamp)


def age(stamp: str, now: str) -> str:
    """How long ago a time of the report is by the calendar in UTC, against another: ``today``, ``yesterday``, ``3 days ago``."""
    days = (datetime.fromisoformat(now[:10]) - datetime.fromisoformat(stamp[:10])).days
    return "today" if days <= 0 else "yesterday" if days == 1 else f"{days:,} days ago"


def counted(number: int, singular: str, plural: str = "") -> str:
    """``1 volume``, ``20,000 volumes``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def percent(part: int, whole: int) -> str:
    """A part in percent, which is 100 or 0 only when it is all or nothing."""
    if not whole or not part:
        return "0 %"
    rounded = round(100 * part / whole)
    return f"{max(rounded, 1) if part >= whole else min(max(rounded, 1), 99)} %"
