# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Take typed values out of parsed JSON that anybody may have written; whatever is wrong is one error, which names the place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from .._errors import BadDataError

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
#: nothing is counted in a report that there could be more of
_MOST = 10**12
_Word = TypeVar("_Word", bound=StrEnum)


class Reader:
    """Reads one document. Every method raises BadDataError for what is missing or of another type."""

    def __init__(self, what: str, attempted: str, remedy: str) -> None:
        self._what, self._attempted, self._remedy = what, attempted, remedy

    def refuse(self, meaning: str) -> NoReturn:
        """Raise the error."""
        raise BadDataError(self._attempted, target=self._what, meaning=meaning, remedy=self._remedy)

    def mapping(self, value: object, where: str) -> Mapping[str, Any]:
        """The value, which must be an object."""
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            self.refuse(f"{where} is not an object")
        return value

    def items(self, value: object, where: str) -> Sequence[Any]:
        """The value, which must be a list."""
        if not isinstance(value, list):
            self.refuse(f"{where} is not a list")
        return value

    def of(self, parent: Mapping[str, Any], key: str, where: str = "the report") -> Any:
        """What stands under a key that must be there."""
        if key not in parent:
            self.refuse(f"{where} has no {key}")
        return parent[key]

    def text(self, parent: Mapping[str, Any], key: str, where: str) -> str:
        """The text under a key."""
        value = self.of(parent, key, where)
        if not isinstance(value, str):
            self.refuse(f"{key} of {where} is not text")
        return value

    def optional(self, parent: Mapping[str, Any], key: str, where: str) -> str | None:
        """The text under a key, or None for null."""
        return None if self.of(parent, key, where) is None else self.text(parent, key, where)

    def flag(self, parent: Mapping[str, Any], key: str, where: str = "the report") -> bool:
        """True or false under a key."""
        value = self.of(parent, key, where)
        if not isinstance(value, bool):
            self.refuse(f"{key} of {where} is neither true nor false")
        return value

    def number(self, parent: Mapping[str, Any], key: str, where: str) -> int:
        """How many, under a key."""
        value = self.of(parent, key, where)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
            self.refuse(f"{key} of {where} is not a number of things")
        return value

    def word(self, kind: type[_Word], value: object, where: str) -> _Word:
        """The value as one of the known words."""
        if not isinstance(value, str):
            self.refuse(f"{where} is not text")
        try:
            return kind(value)
        except ValueError:
            self.refuse(f"{where} is {value[:40]!r}, which this version does not know")

    def moment(self, parent: Mapping[str, Any], key: str, where: str = "the report") -> datetime:
        """The time under a key, in UTC."""
        text = self.text(parent, key, where)
        if not _STAMP.fullmatch(text):
            self.refuse(f"{key} of {where} is no time in UTC")
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            self.refuse(f"{key} of {where} is no time in UTC")

    def counts(self, parent: Mapping[str, Any], key: str) -> dict[str, int]:
        """How many of each, under a key of the summary."""
        found = self.mapping(self.of(parent, key, "the summary"), f"{key} of the summary")
        return {word: self.number(found, word, f"{key} of the summary") for word in found}

    def agree(self, name: str, stated: object, counted: object) -> None:
        """Refuse what the report states when counting comes to something else."""
        if stated != counted:
            self.refuse(f"it does not add up: {name} says {_brief(stated)}, and the rest of the report comes to {_brief(counted)}")


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
