# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers on the wire: JSON in Graph's dress, compressed where the client takes it."""

from __future__ import annotations

import gzip
import http
import json
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

GRAPH_JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=us-ascii"
_WORTH_PACKING = 1024


@dataclass
class Answer:
    """An HTTP answer; ``error`` is the code in its body, for the record."""

    status: int
    body: bytes = b""
    content_type: str = GRAPH_JSON
    headers: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    #: the fault it shows, and how the connection goes on: a shorter body than announced, a closed or silent connection
    fault: str | None = None
    cut: bool = False
    silent: bool = False


def json_bytes(value: Any) -> bytes:
    """JSON as the services write it: no spaces, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def json_answer(status: int, value: Any, *, content_type: str = JSON, headers: dict[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, json_bytes(value), content_type, dict(headers or {}))


def render(answer: Answer, *, accepts_gzip: bool, keep: bool) -> tuple[bytes, int]:
    """The answer's octets, and how many of them are its body."""
    body, headers = answer.body, dict(answer.headers)
    if accepts_gzip and len(body) >= _WORTH_PACKING and "Content-Encoding" not in headers:
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["Content-Encoding"] = "gzip"
        headers["Vary"] = "Accept-Encoding"
    length = len(body) + 512 if answer.cut else len(body)
    try:
        reason = http.HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Error"
    headers.setdefault("Cache-Control", "no-cache")
    lines = [f"HTTP/1.1 {answer.status} {reason}", "Strict-Transport-Security: max-age=31536000"]
    if answer.body:
        lines.append(f"Content-Type: {answer.content_type}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Date: {formatdate(usegmt=True)}", f"Content-Length: {length}", *([] if keep else ["Connection: close"]), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body, len(body)
