# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What the organisation asks of its volumes: the options that verdicts depend on (DESIGN section 5), checked once, then trusted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .._errors import OptionError
from .model import Method, VolumeType

#: stores that can hold a copy (DESIGN section 3)
STORES = ("ad", "entra", "file", "vault")
PROOFS = ("none", "live")
VOLUME_TYPES = tuple(word.value for word in VolumeType)
METHODS = tuple(word.value for word in Method if word is not Method.NONE)
DEFAULT_VOLUME_TYPES = ("os", "fixed")
DEFAULT_METHODS = ("aes_128", "aes_256", "xts_aes_128", "xts_aes_256")

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """The requirements of one run; a value that makes no sense raises :class:`OptionError`, which names the option.

    Args:
        stores: names of the stores that count, each once; copies anywhere else count for nothing. A store that is read though it is not
            among them adds computers, identities and states to the report, and says when it could not be searched: a computer that it
            alone knows may then be missing. It gives no verdict and no finding about entries.
        copies: in how many of them each volume's recovery password must lie.
        proof: ``live``: only a password that opened the live key package passes; ``none``: one that exists does.
        volume_types: os, fixed, removable; a volume whose type could not be read is always in scope.
        encryption: False puts decrypted volumes out of scope.
        methods: encryption methods that are good enough; any other is flagged ``weak_method``.
        max_observation_age: an observation older than this is not judged by.
        suspended_reboots_allowed: a suspension that lasts more restarts than this is a finding.
        min_coverage: computers observed within age divided by those known, 0 to 1.
    """

    stores: tuple[str, ...]
    copies: int = 1
    proof: str = "none"
    volume_types: tuple[str, ...] = DEFAULT_VOLUME_TYPES
    encryption: bool = True
    methods: tuple[str, ...] = DEFAULT_METHODS
    max_observation_age: timedelta = timedelta(days=30)
    suspended_reboots_allowed: int = 2
    min_coverage: float = 0.0

    def __post_init__(self) -> None:
        for option, known in (("stores", STORES), ("volume_types", VOLUME_TYPES), ("methods", METHODS)):
            object.__setattr__(self, option, _words(option, getattr(self, option), known))
        if self.proof not in PROOFS:
            raise _wrong("proof", f"{self.proof!r} is not known", f"Use one of {', '.join(PROOFS)}.")
        if not isinstance(self.encryption, bool):
            raise _wrong("encryption", "it must be true or false", "Give true or false.")
        _whole_number("copies", self.copies, at_least=1)
        if self.copies > len(self.stores):
            meaning = (
                f"{self.copies} copies cannot lie in {len(self.stores)} store{'s' * (len(self.stores) > 1)} ({', '.join(self.stores)})"
            )
            raise _wrong("copies", meaning, "Ask for fewer copies, or configure more stores.")
        _whole_number("suspended_reboots_allowed", self.suspended_reboots_allowed, at_least=0)
        if not isinstance(self.max_observation_age, timedelta) or self.max_observation_age <= timedelta(0):
            raise _wrong(
                "max_observation_age", "it must be longer than nothing, else no observation is young enough", "Give a number of days."
            )
        coverage = self.min_coverage
        if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 <= coverage <= 1:
            raise _wrong("min_coverage", f"{coverage!r} is not a part of one", "Give a number from 0 to 1, such as 0.9.")

    def to_dict(self) -> dict[str, Any]:
        """The requirements as the report shows them: plain data under the options' names, the age in days."""
        days = self.max_observation_age / _DAY
        return {
            "stores": list(self.stores),
            "copies": self.copies,
            "proof": self.proof,
            "volume_types": list(self.volume_types),
            "encryption": self.encryption,
            "methods": list(self.methods),
            "max_observation_age": int(days) if days.is_integer() else days,
            "suspended_reboots_allowed": self.suspended_reboots_allowed,
            "min_coverage": self.min_coverage,
        }


def _wrong(option: str, meaning: str, remedy: str) -> OptionError:
    return OptionError("use the requirements", target=f"option {option}", meaning=meaning, remedy=remedy)


def _words(option: str, given: object, known: Collection[str]) -> tuple[str, ...]:
    """The words of a list option, in the order given; at least one, all known, none twice."""
    choice = f"Use one or more of {', '.join(known)}."
    if isinstance(given, str | bytes) or not isinstance(given, Collection):
        raise _wrong(option, "it must be a list", choice)
    words = tuple(given)
    if not words:
        raise _wrong(option, "the list is empty", choice)
    for position, word in enumerate(words):
        if not isinstance(word, str) or word not in known:
            raise _wrong(option, f"{word!r} is not known", choice)
        if word in words[:position]:
            raise _wrong(option, f"{word!r} is listed twice", "List each once.")
    return tuple(str(word) for word in words)


def _whole_number(option: str, given: object, *, at_least: int) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or given < at_least:
        raise _wrong(option, f"{given!r} is not a whole number of {at_least} or more", f"Give a whole number, {at_least} or more.")
