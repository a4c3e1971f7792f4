# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Make findings out of codes (DESIGN section 5); what each code says is in :mod:`.finding_catalogue`."""

from __future__ import annotations

from collections.abc import Mapping

from .finding_catalogue import CATALOGUE
from .model import Finding, Flag, Verdict

#: the code of a verdict; escrowed and recoverable have none
VERDICT_CODES: Mapping[Verdict, str] = {
    Verdict.NOT_ENCRYPTED: "KW-VOL-001",
    Verdict.UNPROTECTED: "KW-VOL-002",
    Verdict.NO_RECOVERY_PASSWORD: "KW-VOL-003",
    Verdict.UNESCROWED: "KW-VOL-004",
    Verdict.AT_RISK: "KW-VOL-005",
    Verdict.WRONG_KEY: "KW-VOL-006",
    Verdict.UNKNOWN: "KW-VOL-007",
    Verdict.ON_FILE: "KW-VOL-008",
    Verdict.UNAVAILABLE: "KW-VOL-009",
}

#: the code of a flag; for ``suspended`` the code is given only above ``suspended_reboots_allowed``
FLAG_CODES: Mapping[Flag, str] = {
    Flag.SUSPENDED: "KW-VOL-101",
    Flag.LOCKED: "KW-VOL-102",
    Flag.CONVERTING: "KW-VOL-103",
    Flag.WEAK_METHOD: "KW-VOL-104",
    Flag.ACTIVATION_PENDING: "KW-VOL-105",
    Flag.OTHER_RECOVERY: "KW-VOL-106",
    Flag.SIBLING_NOT_ESCROWED: "KW-VOL-107",
}

#: a message carries at most so many characters of what a host or a directory said
MAX_DETAIL = 600


def make(code: str, *, computer: str | None = None, volume: str | None = None, **facts: object) -> Finding:
    """Make the finding of a code.

    Args:
        code: a key of the catalogue; KeyError for any other.
        computer, volume: what it sits on, in the report's names; None for the run, and for the computer itself.
        facts: what the code's message names (each has a default), and for every code ``detail`` (or ``reason``): what exactly was seen,
            put at the message's end. TypeError for a fact that the code does not know.
    """
    meaning = CATALOGUE[code]
    detail = _one_line(facts.pop("detail", None) or facts.pop("reason", None) or "")
    facts.pop("reason", None)
    strange = facts.keys() - meaning.facts.keys()
    if strange:
        raise TypeError(f"{code} has no fact {', '.join(sorted(strange))}")
    said = {name: _one_line(facts.get(name, default)) for name, default in meaning.facts.items()}
    message = meaning.message.format_map(said)
    if detail:
        message = f"{message}: {detail}"
    return Finding(
        code=code, severity=meaning.severity, message=message.rstrip(". ") + ".", remedy=meaning.remedy, computer=computer, volume=volume
    )


def _one_line(value: object) -> str:
    """A fact as part of a sentence: one line, bounded."""
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 1] + "…"
