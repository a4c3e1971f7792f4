# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of WQL that the lab understands: SELECT list FROM class [WHERE property = literal | IS [NOT] NULL [AND ...]]."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(?P<number>-?\d+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign><>|!=|[=,*]))""",
    re.DOTALL,
)


class WqlError(Exception):
    """The text is not in the lab's part of WQL."""


@dataclass(frozen=True)
class Condition:
    """One comparison; ``operator`` is =, <>, null or not_null."""

    name: str
    operator: str
    literal: str | int | bool | None = None


@dataclass(frozen=True)
class Query:
    """A parsed query; ``columns`` None stands for the asterisk."""

    columns: tuple[str, ...] | None
    class_name: str
    conditions: tuple[Condition, ...] = ()

    @property
    def equalities(self) -> dict[str, str | int | bool | None]:
        """What must be equal to what, properties in lower case: by this a provider can find instances without looking at all of them."""
        return {condition.name.lower(): condition.literal for condition in self.conditions if condition.operator == "="}

    def matches(self, values: Mapping[str, object]) -> bool:
        """Whether an instance fulfils every condition; names and strings compare without case, as WMI does."""
        lower = {name.lower(): value for name, value in values.items()}
        return all(_holds(condition, lower.get(condition.name.lower())) for condition in self.conditions)


def _holds(condition: Condition, value: object) -> bool:
    if condition.operator in ("null", "not_null"):
        return (value is None) == (condition.operator == "null")
    if value is None:
        return False
    literal = condition.literal
    if isinstance(value, str) and isinstance(literal, str):
        equal = value.lower() == literal.lower()
    else:
        equal = str(value).lower() == str(literal).lower()
    return equal == (condition.operator == "=")


def parse(text: str) -> Query:
    """Parse a query.

    Raises:
        WqlError: anything else than the part named above.
    """
    reader = _Reader(_tokens(text))
    reader.keyword("select")
    columns: tuple[str, ...] | None = None
    if not reader.take("sign", "*"):
        names = [reader.name()]
        while reader.take("sign", ","):
            names.append(reader.name())
        columns = tuple(names)
    reader.keyword("from")
    class_name = reader.name()
    conditions: list[Condition] = []
    if reader.take("name", "where"):
        conditions.append(reader.condition())
        while reader.take("name", "and"):
            conditions.append(reader.condition())
    if not reader.finished:
        raise WqlError("text after the end of the query")
    return Query(columns, class_name, tuple(conditions))


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise WqlError(f"unexpected text at {position}")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._next = 0

    @property
    def finished(self) -> bool:
        return self._next >= len(self._tokens)

    def take(self, kind: str, text: str) -> bool:
        if self.finished or self._tokens[self._next][0] != kind or self._tokens[self._next][1].lower() != text:
            return False
        self._next += 1
        return True

    def keyword(self, word: str) -> None:
        if not self.take("name", word):
            raise WqlError(f"{word} expected")

    def name(self) -> str:
        if self.finished or self._tokens[self._next][0] != "name":
            raise WqlError("a name expected")
        self._next += 1
        return self._tokens[self._next - 1][1]

    def condition(self) -> Condition:
        name = self.name()
        if self.take("name", "is"):
            operator = "not_null" if self.take("name", "not") else "null"
            self.keyword("null")
            return Condition(name, operator)
        if self.take("sign", "="):
            return Condition(name, "=", self._literal())
        if self.take("sign", "<>") or self.take("sign", "!="):
            return Condition(name, "<>", self._literal())
        raise WqlError("a comparison expected")

    def _literal(self) -> str | int | bool:
        if self.finished:
            raise WqlError("a literal expected")
        kind, text = self._tokens[self._next]
        self._next += 1
        if kind == "string":
            # the backslash escapes itself and quotes; a single one before anything else is a path that somebody forgot to escape
            if re.search(r"\\[^\\'\"]", re.sub(r"\\\\", "", text[1:-1])):
                raise WqlError("a backslash that escapes nothing")
            return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        if kind == "number":
            return int(text)
        if kind == "name" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise WqlError("a literal expected")
