# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A type for values that must not be shown: recovery passwords, external keys, packages, client secrets, bind passwords."""

from __future__ import annotations

import base64
import re
from typing import Any, Generic, SupportsIndex, TypeVar

T = TypeVar("T", str, bytes)

MASK = "<keyward secret>"
#: eight groups of six digits, however they are kept apart
_RECOVERY_PASSWORD = re.compile(r"(?<![0-9])[0-9]{6}(?:[^0-9A-Za-z]{0,3}[0-9]{6}){7}(?![0-9])", re.ASCII)
_SHORTEST = 48


def without_recovery_passwords(text: str) -> str:
    """A text of somebody else's that is to be shown, with a mask in place of what looks like a recovery password.

    A device or a file whose name somebody made its recovery password must not carry it into every report.
    """
    return _RECOVERY_PASSWORD.sub(MASK, text) if len(text) >= _SHORTEST else text


class Secret(Generic[T]):
    """Holds one secret; everything that shows, stores or compares it in passing sees only a mask without digits.

    The value leaves by :meth:`reveal` alone, which only the disclosure gate and the code that must speak to a peer may call
    (a test reads the sources for that).
    """

    __slots__ = ("_hidden",)
    _hidden: T

    def __init__(self, value: T) -> None:
        self._hidden = value

    def reveal(self) -> T:
        """Return the secret itself."""
        return self._hidden

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._hidden)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self._hidden == other._hidden)

    def __hash__(self) -> int:
        return hash(Secret)

    def __copy__(self) -> Secret[T]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret[T]:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[str], tuple[str]]:
        """A pickle of a secret holds the mask."""
        return (str, (MASK,))


#: keys of results and reports under which a peer's own words may stand
PROSE = frozenset({"msg", "message", "messages", "meaning", "remedy", "reason", "problem", "error", "errors", "warning", "warnings"})
#: a shorter secret is found in any text by chance, and every text would be blots
LEAST_MASKED = 4


class Mask:
    """Takes secrets out of texts that a peer had a part in: a host, a proxy or a directory may repeat what it was told in confidence.

    It knows a secret as it is and within base64, as HTTP's Basic authentication sends it. It is a net below careful texts, not a reason to
    be careless with them: other spellings pass, and data that are not prose are left alone, since a mask would falsify them.
    """

    def __init__(self) -> None:
        self._needles: list[str] = []

    def learn(self, secret: Secret[str]) -> None:
        """Mask this one too."""
        value = secret.reveal()
        if len(value) < LEAST_MASKED:
            return
        found = {value, *_within_base64(value.encode("utf-8", "surrogatepass"))}
        # the longest first: a secret may be a part of another one
        self._needles = sorted(found.union(self._needles), key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text with every known secret replaced."""
        for needle in self._needles:
            text = text.replace(needle, MASK)
        return text

    def prose(self, value: Any, *, inside: bool = False) -> Any:
        """A copy of a result in which the texts under the keys of :data:`PROSE` are masked, at any depth; ``inside``: every text."""
        if not self._needles:
            return value
        if isinstance(value, str):
            return self.text(value) if inside else value
        if isinstance(value, dict):
            return {key: self.prose(item, inside=inside or key in PROSE) for key, item in value.items()}
        if isinstance(value, list):
            return [self.prose(item, inside=inside) for item in value]
        return value


def _within_base64(value: bytes) -> list[str]:
    """The characters that stand for the value, and for nothing beside it, in base64 of whatever it is a part of."""
    found = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + value).decode("ascii")
        # the first and the last characters also hold bits of the neighbours
        inner = encoded[(0, 2, 3)[offset] : len(encoded) - (0, 3, 2)[(offset + len(value)) % 3]]
        found += [inner] if len(inner) >= LEAST_MASKED else []
    return found
