# SPDX-License-Identifier: GPL-3.0-or-later
"""How a secret could be written down: every spelling as a function, for the positive controls. The scanner shares nothing with this."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import io
import json
import lzma
import quopri
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise

Spelling = Callable[[str], bytes]


def _utf8(text: str) -> bytes:
    return text.encode()


def _shifted_base64(offset: int) -> Spelling:
    """As base64 of a longer text in which the secret begins ``offset`` bytes after a boundary."""
    return lambda text: base64.b64encode(b"pad"[:offset] + text.encode() + b" and more")


def _utf16_base64(text: str) -> bytes:
    return base64.b64encode(f"Set-It '{text}'".encode("utf-16-le"))


def _wrapped_base64(text: str) -> bytes:
    return base64.encodebytes(b"0123456789" * 6 + text.encode() + b"9876543210" * 6)


def _zip(method: int) -> Spelling:
    def write(text: str) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            archive.writestr("args.json", json.dumps({"value": text}))
        return b"#!/usr/bin/python\n" + stream.getvalue()

    return write


def _zip_in_base64(text: str) -> bytes:
    """The form in which Ansible sends a module with its arguments."""
    return b'ZIPDATA = """' + base64.b64encode(_zip(zipfile.ZIP_DEFLATED)(text)) + b'"""'


def _numbers(text: str) -> bytes:
    return json.dumps(list(text.encode())).encode()


def _elements(text: str) -> bytes:
    """As WS-Management writes an array of octets."""
    return "".join(f"<p:KeyPackage>{octet}</p:KeyPackage>" for octet in text.encode()).encode()


#: of any secret
GENERAL: dict[str, Spelling] = {
    "as it is": _utf8,
    "UTF-16LE": lambda text: text.encode("utf-16-le"),
    "UTF-16BE": lambda text: text.encode("utf-16-be"),
    "base64, alignment 0": _shifted_base64(0),
    "base64, alignment 1": _shifted_base64(1),
    "base64, alignment 2": _shifted_base64(2),
    "base64, URL alphabet": lambda text: base64.urlsafe_b64encode(b"??>" + text.encode() + b"??>"),
    "base64 behind a word": lambda text: b"credential-" + base64.b64encode(text.encode()),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).rstrip(b"="),
    "base64 of UTF-16": _utf16_base64,
    "base64, wrapped": _wrapped_base64,
    "base64, wrapped in JSON": lambda text: json.dumps(_wrapped_base64(text).decode()).encode(),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())),
    "Basic authentication": lambda text: b"Authorization: Basic " + base64.b64encode(f"svc:{text}".encode()),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "hex behind a digit": lambda text: b"f" + text.encode().hex().encode(),
    "hex with colons": lambda text: text.encode().hex(":").encode(),
    "hex with spaces": lambda text: text.encode().hex(" ").encode(),
    "hex in words": lambda text: ", ".join(f"0x{octet:02x}" for octet in text.encode()).encode(),
    "hex of UTF-16": lambda text: text.encode("utf-16-le").hex().encode(),
    "backslash x": lambda text: "".join(f"\\x{octet:02x}" for octet in text.encode()).encode(),
    "backslash u": lambda text: "".join(f"\\u{ord(char):04x}" for char in text).encode(),
    "JSON": lambda text: json.dumps({"value": text}).encode(),
    "JSON in JSON": lambda text: json.dumps({"value": json.dumps({"value": text})}).encode(),
    "JSON, punctuation escaped": lambda text: json.dumps(text).replace("-", "\\u002d").encode(),
    "URL": lambda text: urllib.parse.quote(text, safe="").encode(),
    "URL, all of it": lambda text: "".join(f"%{octet:02X}" for octet in text.encode()).encode(),
    "URL, hyphens too": lambda text: urllib.parse.quote(text, safe="").replace("-", "%2D").encode(),
    "quoted-printable": lambda text: quopri.encodestring(b"x" * 60 + text.encode()),
    "HTML": lambda text: html.escape(text).encode(),
    "HTML, numbered": lambda text: "".join(f"&#{ord(char)};" if not char.isalnum() else char for char in text).encode(),
    "HTML, numbered in hex": lambda text: "".join(f"&#x{ord(char):X};" for char in text).encode(),
    "XML escaped in JSON": lambda text: json.dumps(f"<p>{html.escape(text)}</p>").encode(),
    "array of numbers": _numbers,
    "array in elements": _elements,
    "zlib": lambda text: b"\x01\x02" + zlib.compress(text.encode() * 3) + b"rest",
    "zlib, fastest": lambda text: zlib.compress(text.encode(), 1),
    "zlib, stored": lambda text: zlib.compress(text.encode(), 0),
    "zlib, torn": lambda text: zlib.compress(text.encode() + bytes(range(256)))[:-40],
    "gzip": lambda text: gzip.compress(text.encode()),
    "bz2": lambda text: b"prefix" + bz2.compress(text.encode()),
    "xz": lambda text: lzma.compress(text.encode()) + b"suffix",
    "lzma": lambda text: lzma.compress(text.encode(), lzma.FORMAT_ALONE),
    "zip": _zip(zipfile.ZIP_DEFLATED),
    "zip, stored": _zip(zipfile.ZIP_STORED),
    "zip in base64": _zip_in_base64,
    "gzip in base64 in JSON": lambda text: json.dumps({"z": base64.b64encode(gzip.compress(text.encode())).decode()}).encode(),
    "wrapped by a terminal": lambda text: "-\n  ".join(text.split("-")).encode(),
    "folded within": lambda text: f"{text[: len(text) // 2]}\n    {text[len(text) // 2 :]}".encode(),
    "coloured": lambda text: b"\x1b[0;31m" + text.replace("-", "-\x1b[0m\x1b[1;31m").encode() + b"\x1b[0m",
}


def _groups(text: str) -> list[str]:
    return text.split("-")


def _pairs(text: str) -> bytes:
    return json.dumps(dict(enumerate(_groups(text)))).encode()


#: of a recovery password alone: eight groups of six digits
OF_DIGITS: dict[str, Spelling] = {
    "no hyphens": lambda text: text.replace("-", "").encode(),
    "spaces": lambda text: text.replace("-", " ").encode(),
    "non-breaking hyphens": lambda text: text.replace("-", "\u2011").encode(),
    "en dashes in JSON": lambda text: json.dumps(text.replace("-", "\u2013")).encode(),
    "list of groups": lambda text: json.dumps(_groups(text)).encode(),
    "list of numbers": lambda text: repr([int(group) for group in _groups(text)]).encode(),
    "groups on lines": lambda text: "\n".join(f"    - {group}" for group in _groups(text)).encode(),
    "groups with labels": _pairs,
    "groups in cells": lambda text: "".join(f"<td class='g'>{group}</td>" for group in _groups(text)).encode(),
    "no hyphens, base64": lambda text: base64.b64encode(text.replace("-", "").encode()),
    "spaces, base64": lambda text: base64.b64encode(b"x" + text.replace("-", " ").encode()),
    "no hyphens, hex": lambda text: text.replace("-", "").encode().hex().encode(),
    "no hyphens, UTF-16": lambda text: text.replace("-", "").encode("utf-16-le"),
    "spaces, URL": lambda text: urllib.parse.quote_plus(text.replace("-", " ")).encode(),
    "first four groups": lambda text: "-".join(_groups(text)[:4]).encode(),
    "middle four groups": lambda text: "-".join(_groups(text)[2:6]).encode(),
    "last four groups": lambda text: "-".join(_groups(text)[4:]).encode(),
    "last five groups, no hyphens, base64": lambda text: base64.b64encode(b"ab" + "".join(_groups(text)[3:]).encode()),
    "all but the ends": lambda text: text[3:-3].encode(),
    "by twos": lambda text: "\n".join(f"{one} {two}" for one, two in list(pairwise(_groups(text)))[::2]).encode(),
}


def _parts(text: str) -> list[str]:
    return text.split(".")


#: of a token in three parts
OF_TOKENS: dict[str, Spelling] = {
    "Bearer header": lambda text: f"'Authorization': 'Bearer {text}'".encode(),
    "OAuth answer": lambda text: json.dumps({"token_type": "Bearer", "expires_in": 3599, "access_token": text}).encode(),
    "form field": lambda text: urllib.parse.urlencode({"grant_type": "client_credentials", "client_assertion": text}).encode(),
    "without its header": lambda text: text.partition(".")[2].encode(),
    "payload alone": lambda text: _parts(text)[1].encode(),
    "signature alone": lambda text: _parts(text)[2].encode(),
    "parts on lines": lambda text: "\n".join(f"  - {part}" for part in _parts(text)).encode(),
    "signature as bytes": lambda text: base64.b64encode(base64.urlsafe_b64decode(_parts(text)[2] + "==")),
    "cut by a log": lambda text: f"{text[:40]}... {len(text)} characters".encode(),
    "end of it": lambda text: f"...{text[-20:]}".encode(),
    "base64 of the header": lambda text: base64.b64encode(f"Bearer {text}".encode()),
    "gzip of a dump": lambda text: gzip.compress(repr({"token": text.encode()}).encode()),
    "UTF-16 of a part": lambda text: text[50:90].encode("utf-16-le"),
    "wrapped at 40": lambda text: "\n".join(text[at : at + 40] for at in range(0, len(text), 40)).encode(),
}
