# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The text of a file whose encoding nobody wrote down, in signs that patterns can be held against; pure.

Windows writes UTF-16-LE with a byte-order mark, scripts write UTF-8, UTF-16 without a mark, or the code page of their machine. English text
in UTF-16 is valid UTF-8 too, with a NUL after each letter, so NULs are looked for first.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_NEWLINES = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
#: what stands for a hyphen: Unicode's dashes, the minus, the soft hyphen that some PDF fonts have in its place, full-width forms
_HYPHENS = "\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d\u30fc"
#: what is not seen: zero-width signs, marks of writing direction, byte-order marks within the text
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
#: in the Windows code pages of Europe these are dashes and a fixed blank, read as Latin-1
_LEGACY = {0x96: "-", 0x97: "-"}
#: a password in single bytes: what has one is not UTF-16, or not all of it, as when a script appended to what PowerShell wrote. Without its
#: NULs such a file has both parts in bytes that mean the same
_EIGHT_BIT_KEY = re.compile(rb"(?:[0-9]{6}-){7}[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text in plain signs. ``legacy``: of an unknown code page, where only ASCII can be trusted."""

    text: str
    legacy: bool = False


class _Signs(dict[int, str]):
    """A table for ``str.translate`` that learns: every decimal digit of Unicode is that digit, every full-width letter that letter."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        digit = unicodedata.decimal(sign, None) if code > 0x7F else None
        plain = str(digit) if digit is not None else sign
        if 0xFF01 <= code <= 0xFF5E:
            plain = chr(code - 0xFEE0)
        elif code > 0x7F and sign.isspace():
            plain = " "
        self[code] = plain
        return plain


_START = {ord(sign): "\n" for sign in _NEWLINES} | {ord(sign): "-" for sign in _HYPHENS} | {ord(sign): "" for sign in _INVISIBLE}
#: memory of the table between texts, which never outgrows Unicode
_SIGNS = _Signs(_START)


def decode(content: bytes) -> Decoded:
    """The text of these bytes; any bytes have one. Undecodable places become U+FFFD."""
    for mark, encoding in _MARKS:
        if content.startswith(mark) and (encoding == "utf-8" or _EIGHT_BIT_KEY.search(content) is None):
            return Decoded(plain(content[len(mark) :].decode(encoding, "replace")))
    if b"\0" in content and _EIGHT_BIT_KEY.search(content) is None:
        # digits and line ends have their NUL second in UTF-16-LE, first in UTF-16-BE
        little = content[1::2].count(0) >= content[::2].count(0)
        return Decoded(plain(content.decode("utf-16-le" if little else "utf-16-be", "replace")))
    content = content.replace(b"\0", b"")
    try:
        return Decoded(plain(content.decode("utf-8")))
    except UnicodeDecodeError:
        return Decoded(plain(content.decode("latin-1").translate(_LEGACY)), legacy=True)


def plain(text: str) -> str:
    """The text with one kind of newline, hyphen, blank and digit, and nothing invisible."""
    text = text.replace("\r\n", "\n")
    if text.isascii() and not any(sign in text for sign in "\r\x0b\x0c\x1c\x1d\x1e"):
        return text
    return text.translate(_SIGNS)
