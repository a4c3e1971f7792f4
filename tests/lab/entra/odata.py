# SPDX-License-Identifier: GPL-3.0-or-later
"""Query options and the part of OData's filter language that the documentation promises (OData 4.01 part 2, Graph's "query parameters")."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Predicate = Callable[[Mapping[str, Any]], bool]
#: property -> operators and functions that may be used on it
Allowed = Mapping[str, frozenset[str]]
_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<moment>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<guid>[0-9a-fA-F]{8}-[0-9a-fA-F-]{27})|(?P<number>-?\d+)|(?P<word>[A-Za-z_@$][A-Za-z0-9_./$]*)|(?P<mark>[(),]))"
)
_COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_FUNCTIONS = frozenset({"startswith", "endswith", "contains"})
#: what needs ConsistencyLevel: eventual and $count=true
_ADVANCED = frozenset({"ne", "not", "endswith"})
_DEPTH = 20


class RefusalError(Exception):
    """Graph answers an error."""

    def __init__(self, status: int, code: str, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def bad_request(message: str, code: str = "BadRequest") -> RefusalError:
    """400."""
    return RefusalError(400, code, message)


def not_allowed(method: str) -> RefusalError:
    """405, with the method that is allowed (RFC 9110 15.5.6)."""
    message = "Specified HTTP method is not allowed for the request target."
    return RefusalError(405, "Request_BadRequest", message, headers={"Allow": method})


class FilterError(Exception):
    """The filter is not one that may be used here."""


@dataclass(frozen=True)
class Query:
    """The query options of a request, decoded; ``raw`` as they came."""

    options: dict[str, str]
    raw: str = ""

    def get(self, name: str) -> str | None:
        """An option's value."""
        return self.options.get(name)

    @property
    def select(self) -> tuple[str, ...] | None:
        """The properties that $select names."""
        text = self.options.get("$select")
        if text is None:
            return None
        names = tuple(part.strip() for part in text.split(","))
        if not all(names):
            raise bad_request("$select names an empty property")
        return names

    def check_known(self, known: frozenset[str]) -> None:
        """Refuse options that are none of these; a $skiptoken may always be there."""
        for name in self.options:
            if name not in known and name != "$skiptoken":
                raise bad_request(f"Query option '{name}' is not supported here.")

    def check_select(self, known: Mapping[str, Any], kind: str) -> None:
        """Refuse a $select of properties that the type has not."""
        for name in self.select or ():
            if name not in known:
                raise bad_request(f"Could not find a property named '{name}' on type 'microsoft.graph.{kind}'.")


def parse_query(text: str) -> Query:
    """The options of a query string.

    Raises:
        RefusalError: one occurs twice, or is not encoded as a URL's query has to be.
    """
    if re.search(r"[^!-~]", text):
        raise bad_request("The query is not encoded.")
    pairs = urllib.parse.parse_qsl(text, keep_blank_values=True)
    options = dict(pairs)
    if len(options) != len(pairs):
        raise bad_request("A query option occurs more than once.")
    return Query(options, text)


@dataclass
class Filter:
    """A parsed filter and what it uses."""

    holds: Predicate
    advanced: bool = False


@dataclass
class _Parser:
    tokens: list[tuple[str, str]]
    allowed: Allowed
    fold: bool
    used: set[str] = field(default_factory=set)
    position: int = 0
    depth: int = 0

    def peek(self, word: str) -> bool:
        return self.position < len(self.tokens) and self.tokens[self.position] in (("word", word), ("mark", word))

    def take(self, kind: str | None = None, text: str | None = None) -> str:
        if self.position >= len(self.tokens):
            raise FilterError("the filter ends early")
        found_kind, found = self.tokens[self.position]
        if (kind is not None and found_kind != kind) or (text is not None and found != text):
            raise FilterError(f"unexpected {found!r}")
        self.position += 1
        return found

    def either(self) -> Predicate:
        self.depth += 1
        if self.depth > _DEPTH:
            raise FilterError("nested too deeply")
        terms = [self.both()]
        while self.peek("or"):
            self.take()
            terms.append(self.both())
        self.depth -= 1
        return terms[0] if len(terms) == 1 else lambda row: any(term(row) for term in terms)

    def both(self) -> Predicate:
        terms = [self.single()]
        while self.peek("and"):
            self.take()
            terms.append(self.single())
        return terms[0] if len(terms) == 1 else lambda row: all(term(row) for term in terms)

    def single(self) -> Predicate:
        if self.peek("not"):
            self.take()
            self.used.add("not")
            self.depth += 1
            if self.depth > _DEPTH:
                raise FilterError("nested too deeply")
            inner = self.single()
            return lambda row: not inner(row)
        if self.peek("("):
            self.take()
            inner = self.either()
            self.take("mark", ")")
            return inner
        name = self.take("word")
        if name.lower() in _FUNCTIONS and self.peek("("):
            return self.function(name.lower())
        operator = self.take("word")
        self.note(name, operator)
        if operator == "in":
            return self.member(name)
        if operator not in _COMPARISONS:
            raise FilterError(f"unknown operator {operator!r}")
        return _compare(name, operator, self.literal(), fold=self.fold)

    def note(self, name: str, operator: str) -> None:
        if operator not in self.allowed.get(name, frozenset()):
            raise FilterError(f"{operator} is not supported on {name}")
        self.used.add(operator)

    def function(self, name: str) -> Predicate:
        self.take("mark", "(")
        prop = self.take("word")
        self.note(prop, name)
        self.take("mark", ",")
        wanted = self.literal()
        self.take("mark", ")")
        if not isinstance(wanted, str):
            raise FilterError(f"{name} takes a text")
        sought = _folded(wanted) if self.fold else wanted
        methods: dict[str, Callable[[str], bool]] = {
            "startswith": lambda text: text.startswith(sought),
            "endswith": lambda text: text.endswith(sought),
            "contains": lambda text: sought in text,
        }
        check = methods[name]
        return lambda row: any(check(_folded(text) if self.fold else text) for text in _texts(row.get(prop)))

    def member(self, name: str) -> Predicate:
        self.take("mark", "(")
        literals = [self.literal()]
        while self.peek(","):
            self.take()
            literals.append(self.literal())
        self.take("mark", ")")
        checks = [_compare(name, "eq", literal, fold=self.fold) for literal in literals]
        return lambda row: any(check(row) for check in checks)

    def literal(self) -> Any:
        if self.position >= len(self.tokens):
            raise FilterError("the filter ends early")
        kind, text = self.tokens[self.position]
        self.position += 1
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if kind == "moment":
            return _moment(text)
        if kind == "number":
            return int(text)
        if kind == "guid":
            return text
        if kind == "word" and text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text]
        raise FilterError(f"unexpected {text!r}")


def parse_filter(text: str, allowed: Allowed, *, fold: bool = True) -> Filter:
    """Parse a filter.

    Args:
        fold: texts compare without regard to case, as in the directory.

    Raises:
        FilterError: it is malformed, or uses what ``allowed`` has not.
    """
    tokens: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None or len(tokens) > 500:
            raise FilterError(f"cannot read {text[position : position + 20]!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    parser = _Parser(tokens, allowed, fold)
    holds = parser.either()
    if parser.position != len(tokens):
        raise FilterError(f"unexpected {tokens[parser.position][1]!r}")
    return Filter(holds, advanced=not parser.used.isdisjoint(_ADVANCED))


def _texts(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def _folded(text: str) -> str:
    return text.casefold()


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise FilterError(f"{text!r} is no time") from error


def _compare(name: str, operator: str, wanted: Any, *, fold: bool) -> Predicate:
    if operator in ("eq", "ne"):

        def equal(row: Mapping[str, Any]) -> bool:
            value = row.get(name)
            if isinstance(wanted, datetime) and isinstance(value, str):
                return _moment(value) == wanted
            if isinstance(value, str) and isinstance(wanted, str) and fold:
                return _folded(value) == _folded(wanted)
            return value is wanted if isinstance(wanted, bool) or wanted is None else bool(value == wanted)

        return equal if operator == "eq" else lambda row: not equal(row)
    if not isinstance(wanted, datetime):
        raise FilterError(f"{operator} takes a time here")
    sought = wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)

    def ordered(row: Mapping[str, Any]) -> bool:
        value = row.get(name)
        if not isinstance(value, str):
            return False
        held = _moment(value)
        return {"gt": held > sought, "ge": held >= sought, "lt": held < sought, "le": held <= sought}[operator]

    return ordered
