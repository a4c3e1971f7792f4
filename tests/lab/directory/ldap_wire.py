# SPDX-License-Identifier: GPL-3.0-or-later
"""LDAP messages (RFC 4511) as the lab's proxy and scripted peer read and write them; filters as text (RFC 4515)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.directory import ber
from ansible_collections.keyward.bitlocker.tests.lab.directory.ber import BerError, Tlv

PAGED_RESULTS = "1.2.840.113556.1.4.319"
SHOW_DELETED = "1.2.840.113556.1.4.417"
START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
BITWISE_AND, BITWISE_OR = "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804"

BASE, ONE_LEVEL, SUBTREE = 0, 1, 2
SCOPES = {BASE: "base", ONE_LEVEL: "one", SUBTREE: "sub"}

BIND, BIND_RESPONSE, UNBIND, SEARCH, SEARCH_ENTRY, SEARCH_DONE, MODIFY, MODIFY_RESPONSE, ADD, ADD_RESPONSE = range(10)
DELETE, DELETE_RESPONSE, MODIFY_DN, MODIFY_DN_RESPONSE, COMPARE, COMPARE_RESPONSE, ABANDON = range(10, 17)
SEARCH_REFERENCE, EXTENDED, EXTENDED_RESPONSE = 19, 23, 24
OPERATIONS = {
    BIND: "bind",
    UNBIND: "unbind",
    SEARCH: "search",
    MODIFY: "modify",
    ADD: "add",
    DELETE: "delete",
    MODIFY_DN: "modify_dn",
    COMPARE: "compare",
    ABANDON: "abandon",
    EXTENDED: "extended",
}


@dataclass(frozen=True)
class Control:
    """A request's or response's control."""

    oid: str
    critical: bool = False
    value: bytes | None = None


@dataclass(frozen=True)
class Page:
    """The value of the paged results control (RFC 2696): page size (or total) and cookie."""

    size: int
    cookie: bytes

    @classmethod
    def of(cls, controls: Iterable[Control]) -> Page | None:
        """The page a request asks for, None without the control."""
        for control in controls:
            if control.oid == PAGED_RESULTS and control.value is not None:
                size, cookie = ber.decode(control.value)[0].children
                return cls(size.integer, cookie.content)
        return None

    def control(self) -> Control:
        """As a response control."""
        return Control(PAGED_RESULTS, value=ber.encode(ber.SEQUENCE, ber.integer(self.size), ber.octets(self.cookie)))


@dataclass(frozen=True)
class Filter:
    """One node of a search filter.

    ``kind``: and, or, not (``children``); equal, greater, less, approx, extended (``value``); present; substring (``parts``: first, the
    middle ones, last, with empty first or last where the filter has none).
    """

    kind: str
    attribute: str = ""
    value: bytes = b""
    parts: tuple[bytes, ...] = ()
    rule: str = ""
    children: tuple[Filter, ...] = ()

    def __str__(self) -> str:
        if self.kind in ("and", "or", "not"):
            return f"({'&|!'[('and', 'or', 'not').index(self.kind)]}{''.join(map(str, self.children))})"
        if self.kind == "present":
            return f"({self.attribute}=*)"
        if self.kind == "substring":
            return f"({self.attribute}={'*'.join(_escape(part) for part in self.parts)})"
        if self.kind == "extended":
            return f"({self.attribute}:{self.rule}:={_escape(self.value)})"
        operator = {"equal": "=", "greater": ">=", "less": "<=", "approx": "~="}[self.kind]
        return f"({self.attribute}{operator}{_escape(self.value)})"


@dataclass(frozen=True)
class SearchRequest:
    """A decoded search."""

    base: str
    scope: int
    size_limit: int
    time_limit: int
    types_only: bool
    filter: Filter
    attributes: tuple[str, ...]
    controls: tuple[Control, ...] = ()

    @property
    def page(self) -> Page | None:
        """The page asked for."""
        return Page.of(self.controls)

    def to_json(self) -> dict[str, Any]:
        """For a log: nothing here is secret, a search carries no credential."""
        page = self.page
        return {
            "base": self.base,
            "scope": SCOPES.get(self.scope, str(self.scope)),
            "filter": str(self.filter),
            "attributes": list(self.attributes),
            "controls": [control.oid for control in self.controls],
            "page_size": None if page is None else page.size,
            "first_page": None if page is None else not page.cookie,
            "size_limit": self.size_limit,
            "time_limit": self.time_limit,
        }


@dataclass(frozen=True)
class BindRequest:
    """A decoded bind; ``password`` only of a simple one."""

    name: str
    method: str
    password: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Message:
    """One LDAP message."""

    id: int
    operation: int
    body: Tlv
    controls: tuple[Control, ...] = ()

    def search(self) -> SearchRequest:
        """Its search request."""
        base, scope, _deref, size, time, types, filter_, attributes = self.body.children
        return SearchRequest(
            base=base.text,
            scope=scope.integer,
            size_limit=size.integer,
            time_limit=time.integer,
            types_only=types.boolean,
            filter=_filter(filter_),
            attributes=tuple(attribute.text for attribute in attributes.children),
            controls=self.controls,
        )

    def bind(self) -> BindRequest:
        """Its bind request."""
        _version, name, choice = self.body.children
        if choice.number == 0:
            return BindRequest(name.text, "simple" if choice.content else "anonymous", choice.content)
        if choice.number == 3:
            return BindRequest(name.text, f"sasl {choice.children[0].text}")
        return BindRequest(name.text, f"choice {choice.number}")

    def extended(self) -> str:
        """The OID of its extended request."""
        return self.body.children[0].text


def decode(data: bytes) -> Message:
    """Read one message.

    Raises:
        BerError: it is none.
    """
    outer, end = ber.decode(data)
    parts = outer.children
    if outer.tag != ber.SEQUENCE or end != len(data) or not 2 <= len(parts) <= 3:
        raise BerError("no LDAP message")
    controls = []
    for raw in parts[2].children if len(parts) == 3 else ():
        fields = raw.children
        if not fields:
            raise BerError("a control without a type")
        critical = next((part.boolean for part in fields if part.tag == ber.BOOLEAN), False)
        value = next((part.content for part in fields[1:] if part.tag == ber.OCTET_STRING), None)
        controls.append(Control(fields[0].text, critical, value))
    return Message(parts[0].integer, parts[1].number, parts[1], tuple(controls))


def encode(message_id: int, operation: bytes, controls: Sequence[Control] = ()) -> bytes:
    """A whole message."""
    encoded = b""
    if controls:
        encoded = ber.encode(0xA0, *(_control(control) for control in controls))
    return ber.encode(ber.SEQUENCE, ber.integer(message_id), operation, encoded)


def result(operation: int, code: int, *, matched: str = "", message: str = "", referrals: Sequence[str] = (), extra: bytes = b"") -> bytes:
    """An operation that is an LDAPResult (RFC 4511 4.1.9)."""
    links = ber.encode(0xA3, *(ber.octets(url) for url in referrals)) if referrals else b""
    return ber.encode(0x60 | operation, ber.integer(code, ber.ENUMERATED), ber.octets(matched), ber.octets(message), links, extra)


def entry(dn: str, attributes: Mapping[str, Sequence[str | bytes]]) -> bytes:
    """A SearchResultEntry."""
    encoded = [
        ber.encode(ber.SEQUENCE, ber.octets(name), ber.encode(ber.SET, *(ber.octets(value) for value in values)))
        for name, values in attributes.items()
    ]
    return ber.encode(0x60 | SEARCH_ENTRY, ber.octets(dn), ber.encode(ber.SEQUENCE, *encoded))


def reference(urls: Sequence[str]) -> bytes:
    """A SearchResultReference."""
    return ber.encode(0x60 | SEARCH_REFERENCE, *(ber.octets(url) for url in urls))


def _control(control: Control) -> bytes:
    critical = ber.encode(ber.BOOLEAN, b"\xff") if control.critical else b""
    value = b"" if control.value is None else ber.octets(control.value)
    return ber.encode(ber.SEQUENCE, ber.octets(control.oid), critical, value)


def _filter(node: Tlv) -> Filter:
    number = node.number
    if number in (0, 1):
        return Filter(("and", "or")[number], children=tuple(_filter(child) for child in node.children))
    if number == 2:
        return Filter("not", children=(_filter(node.children[0]),))
    if number in (3, 5, 6, 8):
        attribute, value = node.children
        return Filter({3: "equal", 5: "greater", 6: "less", 8: "approx"}[number], attribute.text, value.content)
    if number == 7:
        return Filter("present", node.text)
    if number == 4:
        attribute, pieces = node.children
        found = pieces.children
        first = b"" if found[0].number != 0 else found[0].content
        last = b"" if found[-1].number != 2 else found[-1].content
        return Filter("substring", attribute.text, parts=(first, *(piece.content for piece in found if piece.number == 1), last))
    if number == 9:
        parts = {part.number: part for part in node.children}
        return Filter("extended", parts[2].text, parts[3].content, rule=parts[1].text if 1 in parts else "")
    raise BerError(f"unknown filter choice {number}")


def _escape(value: bytes) -> str:
    """A value as RFC 4515 shows it; anything that is not printable ASCII in hexadecimal."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte not in b"*()\\" else f"\\{byte:02x}" for byte in value)
