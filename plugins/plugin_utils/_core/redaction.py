# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A type for values that must not be shown: recovery passwords, external keys, packages, client secrets, bind passwords."""

from __future__ import annotations

from typing import Any, Generic, SupportsIndex, TypeVar

T = TypeVar("T", str, bytes)

MASK = "<keyward secret>"


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
