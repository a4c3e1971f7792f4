# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Other forms of a recovery password for people: a mask, its groups, and how it is read out over the telephone; pure.

What holds digits, in figures or in words, is a secret again. Everything here raises :class:`~.recovery_password.MalformedPasswordError`
for a text that is no recovery password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .._errors import OptionError
from .recovery_password import GROUP_DIGITS, GROUPS, parse
from .redaction import Secret

#: what stands for every recovery password where none may be seen: its shape, and nothing of it
MASKED = "-".join(["*" * GROUP_DIGITS] * GROUPS)


@dataclass(frozen=True, slots=True)
class Language:
    """How a language reads digits: ``digits`` from zero to nine, ``group`` the word for a group, ``numbers`` those of the groups."""

    digits: tuple[str, ...]
    group: str
    numbers: tuple[str, ...]


#: "zwo" is what German speakers say on the telephone, since "zwei" and "drei" are easily confused
LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "en": Language(
            ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
            "Group",
            ("one", "two", "three", "four", "five", "six", "seven", "eight"),
        ),
        "de": Language(
            ("null", "eins", "zwo", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
            "Gruppe",
            ("eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht"),
        ),
    }
)


def masked(password: Secret[str]) -> str:
    """The shape of a recovery password without any digit of it; no group is left to be seen."""
    parse(password)
    return MASKED


def groups(password: Secret[str]) -> tuple[Secret[str], ...]:
    """Its eight groups of six digits."""
    return tuple(Secret(group) for group in parse(password).reveal().split("-"))


def digits(password: Secret[str]) -> Secret[str]:
    """Its 48 digits without separators, as a keyboard or a scanner of bar codes types them."""
    return Secret(parse(password).reveal().replace("-", ""))


def spoken(password: Secret[str], language: str = "en") -> tuple[Secret[str], ...]:
    """How each of its groups is read out: ``Group one: five one seven, zero one three.``; a comma is a short pause, an end a long one.

    Raises:
        OptionError: it is not known how that language reads digits.
    """
    words = language_of(language)
    return tuple(
        Secret(f"{words.group} {number}: {_said(group, words)}.") for number, group in zip(words.numbers, groups(password), strict=True)
    )


def language_of(name: str) -> Language:
    """The words of a language, by its code; OptionError where there are none."""
    found = LANGUAGES.get(name)
    if found is None:
        raise OptionError(
            "read out a recovery key",
            target=f"language {name[:16]}",
            meaning="its words for the digits are not known",
            remedy=f"Choose one of {', '.join(LANGUAGES)}.",
        )
    return found


def _said(group: Secret[str], words: Language) -> str:
    spelt = [words.digits[int(digit)] for digit in group.reveal()]
    half = GROUP_DIGITS // 2
    return f"{' '.join(spelt[:half])}, {' '.join(spelt[half:])}"
