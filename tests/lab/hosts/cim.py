# SPDX-License-Identifier: GPL-3.0-or-later
"""CIM classes as the lab describes them, and their values as WS-Management writes them (wire reference 5.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from .profiles import WireForm

Value = str | int | bool | bytes | datetime | Sequence[str] | Sequence[int] | None
Values = Mapping[str, Value]

XSI = "http://www.w3.org/2001/XMLSchema-instance"
COMMON = "http://schemas.dmtf.org/wbem/wscim/1/common"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGERS = {"uint8": (0, 2**8), "uint16": (0, 2**16), "uint32": (0, 2**32), "uint64": (0, 2**64), "sint32": (-(2**31), 2**31)}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a method; ``type`` is a CIM type name, with ``[]`` for an array."""

    name: str
    type: str
    optional: bool = False


#: (the instance or None for a static method, the arguments) -> (ReturnValue, out parameters)
Handler = Callable[[Values | None, Values], tuple[int, Values]]


@dataclass(frozen=True)
class Method:
    """A method of a class; ``handler`` None: the class has it, the lab cannot do it (yet)."""

    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    handler: Handler | None = None
    static: bool = False


@dataclass(frozen=True, kw_only=True)
class WmiClass:
    """A class with its properties (name -> CIM type), keys, methods and a function that gives its instances now."""

    name: str
    properties: Mapping[str, str]
    keys: tuple[str, ...] = ()
    singleton: bool = False
    instances: Callable[[], list[Values]] = list
    #: the instances that can match a query whose conditions hold these equalities (lower-case property -> literal); None: look at all
    search: Callable[[Mapping[str, str | int | bool | None]], list[Values]] | None = None
    methods: Mapping[str, Method] = field(default_factory=dict)


_SIGNATURE = re.compile(r"^(?P<name>\w+)\((?P<inputs>[^)]*)\)(?:\s*->\s*(?P<outputs>.*))?$")


def parse_signatures(text: str) -> dict[str, Method]:
    """Methods from lines such as ``Lock(ForceDismount?:boolean)`` and ``GetVersion() -> Version:uint32``; ``?`` marks optional ones."""
    methods = {}
    for line in text.split("\n"):
        if not line.strip():
            continue
        match = _SIGNATURE.match(line.strip())
        if match is None:
            raise ValueError(line)
        methods[match["name"]] = Method(match["name"], _parameters(match["inputs"]), _parameters(match["outputs"] or ""))
    return methods


def _parameters(text: str) -> tuple[Parameter, ...]:
    found = []
    for part in filter(None, (item.strip() for item in text.split(","))):
        name, kind = part.split(":")
        found.append(Parameter(name.rstrip("?"), kind, name.endswith("?")))
    return tuple(found)


def text_of(value: str) -> str:
    """Text as XML, without the characters that XML 1.0 cannot carry."""
    return escape(_NOT_XML.sub("\ufffd", value))


def render_instance(uri: str, name: str, types: Mapping[str, str], values: Values, form: WireForm, *, type_name: str | None = None) -> str:
    """A whole instance or an output: ``p:Name`` with children in the class namespace, in alphabetical order ignoring case."""
    prefix, declaration = ("", "xmlns") if form.default_prefix else ("p:", "xmlns:p")
    typed = f' xsi:type="{prefix}{type_name or name + "_Type"}"' if form.output_type else ""
    inner = render_properties(prefix, types, values, form)
    return f'<{prefix}{name} {declaration}="{escape(uri)}" xmlns:cim="{COMMON}" xmlns:xsi="{XSI}"{typed}>{inner}</{prefix}{name}>'


def render_fragment(wsman: str, columns: Iterable[str], types: Mapping[str, str], values: Values, form: WireForm) -> str:
    """A WQL projection: ``w:XmlFragment`` with children in no namespace (wire reference 5.2)."""
    inner = render_properties("", {name: types[name] for name in columns}, values, form, datetime_tag="Datetime")
    return f'<w:XmlFragment xmlns:w="{wsman}" xmlns:xsi="{XSI}">{inner}</w:XmlFragment>'


def render_properties(prefix: str, types: Mapping[str, str], values: Values, form: WireForm, *, datetime_tag: str = "cim:Datetime") -> str:
    """The child elements of an instance, an output or a projection."""
    parts = []
    for name in sorted(types, key=str.lower):
        kind, value = types[name], values.get(name)
        tag = prefix + name
        if kind.endswith("[]"):
            members = list(value) if isinstance(value, bytes | list | tuple) else []
            if not members and form.null_array_nil:
                parts.append(f'<{tag} xsi:nil="true"/>')
            parts += [f"<{tag}>{_scalar(kind[:-2], member, form, datetime_tag)}</{tag}>" for member in members]
        elif value is not None:
            parts.append(f"<{tag}>{_scalar(kind, value, form, datetime_tag)}</{tag}>")
        elif form.null_scalar_nil:
            parts.append(f'<{tag} xsi:nil="true"/>')
    return "".join(parts)


def _scalar(kind: str, value: object, form: WireForm, datetime_tag: str) -> str:
    if form.lying_types and kind not in ("string", "datetime"):
        return "banana"
    if kind == "boolean" and isinstance(value, bool):
        return form.booleans[value]
    if kind == "datetime" and isinstance(value, datetime):
        return f"<{datetime_tag}>{_moment(value, form.fraction_digits)}</{datetime_tag}>"
    if kind in _INTEGERS and isinstance(value, int) and not isinstance(value, bool):
        low, high = _INTEGERS[kind]
        if low <= value < high:
            return str(value)
    if kind == "string" and isinstance(value, str):
        return text_of(value)
    raise TypeError(f"the lab's own value {value!r} is no {kind}")


def _moment(value: datetime, digits: int) -> str:
    utc = value.astimezone(UTC)
    # a seventh digit exists in Windows' clock (100 ns) but not in Python's
    fraction = f"{utc.microsecond:06d}7"[:digits].rstrip("0")
    return utc.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"


def read_argument(kind: str, texts: Sequence[str | None]) -> Value:
    """An argument from the texts of its elements (None for a nil one).

    Raises:
        ValueError: the texts are not of that type.
    """
    if kind.endswith("[]"):
        members = [_read_scalar(kind[:-2], text) for text in texts if text is not None]
        if kind == "uint8[]":
            return bytes(int(member) for member in members if isinstance(member, int))
        return [str(member) for member in members]
    if len(texts) != 1:
        raise ValueError("a scalar was given more than once")
    return None if texts[0] is None else _read_scalar(kind, texts[0])


def _read_scalar(kind: str, text: str) -> str | int | bool:
    if kind == "string":
        return text
    if kind == "boolean":
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError("no boolean")
        return text.lower() in ("true", "1")
    low, high = _INTEGERS[kind]
    if not re.fullmatch(r"-?[0-9]{1,20}", text) or not low <= int(text) < high:
        raise ValueError(f"no {kind}")
    return int(text)
