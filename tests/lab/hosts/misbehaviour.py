# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint faults that spoil an answer: garbage, not_xml, truncated, huge, entity_bomb, lying_relates_to."""

from __future__ import annotations

import random
import re

from .faults import HUGE_OCTETS
from .http import response

_RELATES_TO = re.compile(rb"<a:RelatesTo>[^<]*</a:RelatesTo>")
_LIE = b"<a:RelatesTo>uuid:00000000-0000-4000-8000-00000000BAD0</a:RelatesTo>"

_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE bomb [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(9))
    + b'<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    + b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body>&j;&x;</s:Body></s:Envelope>'
)


def spoil_envelope(fault: str | None, envelope: bytes) -> bytes:
    """The envelope that an endpoint with this fault sends instead of the right one (before any message encryption)."""
    if fault == "lying_relates_to":
        return _RELATES_TO.sub(_LIE, envelope)
    if fault == "entity_bomb":
        return _BOMB
    if fault == "huge":
        padding = b"<!--" + b"." * (HUGE_OCTETS - len(envelope) - 7) + b"-->"
        return envelope.replace(b"<s:Body>", b"<s:Body>" + padding, 1)
    return envelope


def spoil_response(fault: str | None, answer: bytes) -> tuple[bytes, bool]:
    """The octets to send instead of a right HTTP answer, and whether the connection is closed after them."""
    if fault == "garbage":
        return b"\x00\xff\xfe" + random.Random(7).randbytes(509), True
    if fault == "not_xml":
        return response(200, b"<!doctype html><html><title>Sign in</title><p>Welcome &copy;<br></html>", content_type="text/html"), False
    if fault == "truncated":
        return answer[: len(answer) - len(answer) // 3], True
    return answer, False
