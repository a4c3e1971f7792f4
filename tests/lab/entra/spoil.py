# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are not what they should be: gateways' pages, cut and swollen bodies, other types, silence."""

from __future__ import annotations

import json
import zlib
from functools import cache
from typing import Any

from .behaviour import Fault
from .wire import HTML, Answer, json_bytes

_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr>lab gateway</body></html>\r\n"
_BOMB_SIZE = 64 * 1024 * 1024


def spoil(answer: Answer, fault: Fault, foreign_host: str) -> None:
    """Change an answer as the fault wants it; ``status``, ``expired`` and ``slow`` were already dealt with."""
    answer.fault = fault.kind
    if fault.kind == "html":
        answer.status, answer.body, answer.content_type = fault.status if fault.status != 429 else 502, _PAGE, HTML
    elif fault.kind == "truncated":
        answer.body, answer.cut = answer.body[: len(answer.body) // 2], True
    elif fault.kind == "empty":
        answer.body = b""
    elif fault.kind == "not_json":
        answer.body = b'{"value":[' + answer.body[: len(answer.body) // 3]
    elif fault.kind == "array":
        answer.body = b"[[]]"
    elif fault.kind == "wrong_types":
        answer.body = json_bytes(_twisted(json.loads(answer.body)))
    elif fault.kind == "bomb":
        answer.body, answer.headers["Content-Encoding"] = _bomb(), "gzip"
    elif fault.kind == "redirect":
        answer.status, answer.body = 307, b""
        answer.headers["Location"] = f"https://{foreign_host}/v1.0/devices"
    elif fault.kind in ("hang", "reset", "endless"):
        answer.silent = True


def _twisted(value: Any) -> Any:
    """The same shape with every leaf of another type."""
    if isinstance(value, dict):
        return {key: item if key.startswith("@") else _twisted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_twisted(item) for item in value]
    if isinstance(value, str):
        return [len(value)]
    return {"value": value} if isinstance(value, bool | int | float) else 17


@cache
def _bomb() -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    chunk = b" " * (1024 * 1024)
    parts = [packer.compress(b'{"value":[')]
    parts += [packer.compress(chunk) for _unused in range(_BOMB_SIZE // len(chunk))]
    parts += [packer.compress(b"]}"), packer.flush()]
    return b"".join(parts)
