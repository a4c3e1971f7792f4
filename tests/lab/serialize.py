# SPDX-License-Identifier: GPL-3.0-or-later
"""An estate as JSON and back: bytes as base64, times as ISO 8601, everything else as itself."""

from __future__ import annotations

import base64
import dataclasses
import json
import types
import typing
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from .model import Estate

T = TypeVar("T")


def to_json(estate: Estate, *, indent: int | None = 1) -> str:
    """The estate as JSON text; :func:`from_json` makes an equal one of it."""
    return json.dumps(plain(estate), indent=indent, sort_keys=True)


def from_json(text: str) -> Estate:
    """The estate of :func:`to_json`'s text.

    Raises:
        ValueError: the text is no JSON, or a field of it is unknown or of another type.
    """
    return build(Estate, json.loads(text))


def build(kind: type[T], data: Any) -> T:
    """Make one dataclass of tests/lab/model.py from its plain form.

    Raises:
        ValueError: a field is unknown, missing or of another type.
    """
    made: T = _build(kind, data, kind.__name__)
    return made


def plain(value: Any) -> Any:
    """The form of a dataclass of tests/lab/model.py, or of what is in one, that JSON can hold; :func:`build` takes it back."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build(kind: Any, data: Any, where: str) -> Any:
    if kind is Any:
        return data
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _build_union(typing.get_args(kind), data, where)
    if origin is list:
        if not isinstance(data, list):
            raise ValueError(f"{where} is no list")
        return [_build(typing.get_args(kind)[0], item, f"{where}[{index}]") for index, item in enumerate(data)]
    if origin is dict:
        if not isinstance(data, dict):
            raise ValueError(f"{where} is no object")
        return {key: _build(typing.get_args(kind)[1], item, f"{where}.{key}") for key, item in data.items()}
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, data, where)
    if kind is datetime and isinstance(data, str):
        return datetime.fromisoformat(data)
    if kind is bytes and isinstance(data, str):
        return base64.b64decode(data, validate=True)
    if isinstance(kind, type) and data.__class__ is kind:
        return data
    raise ValueError(f"{where} is of another type than {kind}")


def _build_union(choices: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and type(None) in choices:
        return None
    last: ValueError | None = None
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _build(choice, data, where)
        except ValueError as error:
            last = error
    raise ValueError(f"{where} fits none of its types") from last


def _build_dataclass(kind: Any, data: Any, where: str) -> Any:
    data = _build(dict[str, Any], data, where)
    hints = _hints(kind)
    unknown = set(data) - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise ValueError(f"{where} has unknown fields: {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: _build(hints[name], item, f"{where}.{name}") for name, item in data.items()})
    except TypeError as error:
        raise ValueError(f"{where} lacks a field") from error
