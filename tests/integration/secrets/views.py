# SPDX-License-Identifier: GPL-3.0-or-later
"""What data says when it is read another way: unescaped, decoded, decompressed. The scanner looks at each view as it does at the data.

Reading back instead of spelling out keeps the number of needles small and finds a spelling inside a spelling. Every reader takes any bytes,
gives up quietly on what it cannot read, and is linear in them.
"""

from __future__ import annotations

import binascii
import bz2
import html
import lzma
import re
import zlib
from collections.abc import Callable, Iterator

#: more than any stream of a run unpacks to
MAX_UNPACKED = 64 * 1024 * 1024

_ESCAPE = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-7]{3})|(.))", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_OCTET = re.compile(rb"[%=]([0-9A-Fa-f]{2})")
_SOFT_BREAK = re.compile(rb"=\r?\n")
_ENTITY = re.compile(rb"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,12});")
_COLOUR = re.compile(rb"\x1b\[[0-9;]*m|\s+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}(?:=*\s{1,40}[A-Za-z0-9+/_-]{4,})*")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"))
_URL_ALPHABET = bytes.maketrans(b"-_", b"+/")
_HEX = re.compile(rb"[0-9A-Fa-f](?:(?:\\x|,? ?0x|[ :,-])?[0-9A-Fa-f]){15,}")
_HEX_MARKS = re.compile(rb"\\x|,? ?0x|[ :,-]")
_NUMBERS = re.compile(rb"\b[0-9]{1,3}(?:[^0-9]{1,60}[0-9]{1,3}\b){7,}")
_NUMBER = re.compile(rb"[0-9]{1,3}")
_ELEMENT = re.compile(rb">([0-9]{1,3})</")


def unescaped(data: bytes) -> bytes:
    """Backslash escapes of JSON, Python and YAML taken back; what is beyond ASCII becomes UTF-8, ``\\udc80`` and above one byte."""
    if b"\\" not in data:
        return data

    def plain(found: re.Match[bytes]) -> bytes:
        unicode, octet, octal, letter = found.groups()
        if unicode:
            number = int(unicode, 16)
            return bytes([number & 0xFF]) if 0xDC80 <= number <= 0xDCFF else chr(number).encode("utf-8", "surrogatepass")
        if octet:
            return bytes([int(octet, 16)])
        if octal:
            return bytes([int(octal, 8) & 0xFF])
        return _LETTERS.get(letter, letter)

    return _ESCAPE.sub(plain, data)


def percent_decoded(data: bytes) -> bytes:
    """URL and quoted-printable encoding taken back."""
    data = _SOFT_BREAK.sub(b"", data)
    return _OCTET.sub(lambda found: bytes([int(found[1], 16)]), data)


def entities_decoded(data: bytes) -> bytes:
    """Character references of HTML and XML taken back."""
    return _ENTITY.sub(lambda found: html.unescape(found[0].decode()).encode("utf-8", "surrogatepass"), data)


def single_bytes(data: bytes) -> bytes:
    """UTF-16 and UTF-32 of ASCII, in either order, as ASCII."""
    return data.replace(b"\0", b"")


def bytes_of_latin(data: bytes) -> bytes:
    """Binary data that was taken for Latin-1 and written as UTF-8."""
    if data.isascii():
        return data
    return data.decode("utf-8", "replace").encode("latin-1", "ignore")


def joined(data: bytes) -> bytes:
    """Without white space and colours, so that a line break within a secret does not hide it."""
    return _COLOUR.sub(b"", data)


#: one after another: each works on what the ones before left
TEXT: dict[str, Callable[[bytes], bytes]] = {
    "UTF-16": single_bytes,
    "unescaped": unescaped,
    "unescaped twice": unescaped,
    "percent-decoded": percent_decoded,
    "entities": entities_decoded,
}


def packed(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What base64, hex, arrays of numbers and compressed streams in the data hold."""
    runs = [run.translate(None, _NOT_BASE64).translate(_URL_ALPHABET) for run in _BASE64.findall(data)]
    for offset in range(4):
        yield f"base64+{offset}", b"\n".join(_base64(run[offset:]) for run in runs)
    digits = [_HEX_MARKS.sub(b"", run) for run in _HEX.findall(data)]
    for offset in range(2):
        yield f"hex+{offset}", b"\n".join(binascii.unhexlify(run[offset:][: (len(run) - offset) // 2 * 2]) for run in digits)
    yield (
        "numbers",
        b"\n".join(bytes(number for text in _NUMBER.findall(run) if (number := int(text)) < 256) for run in _NUMBERS.findall(data)),
    )
    # between tags that have digits in them
    yield "elements", bytes(number for text in _ELEMENT.findall(data) if (number := int(text)) < 256)
    yield from unpacked(data)


def _base64(run: bytes) -> bytes:
    rest = len(run) % 4
    if rest == 1:
        run = run[:-1]
    return binascii.a2b_base64(run + b"=" * (-len(run) % 4))


def _zlib(bits: int) -> Callable[[bytes], bytes]:
    return lambda data: zlib.decompressobj(bits).decompress(data, MAX_UNPACKED)


def _lzma(kind: int) -> Callable[[bytes], bytes]:
    return lambda data: lzma.LZMADecompressor(kind).decompress(data, MAX_UNPACKED)


def _member(data: bytes) -> bytes:
    """A member of a zip archive from its local header on (APPNOTE 4.3.7); stored ones are read where they lie."""
    if len(data) < 30 or data[8:10] != b"\x08\x00":
        return b""
    start = 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
    return _zlib(-15)(data[start:])


_MAGIC: dict[str, tuple[re.Pattern[bytes], Callable[[bytes], bytes]]] = {
    "gzip": (re.compile(rb"\x1f\x8b\x08"), _zlib(31)),
    "zlib": (re.compile(rb"\x78[\x01\x5e\x9c\xda]"), _zlib(15)),
    "bz2": (re.compile(rb"BZh[1-9]1AY&SY"), lambda data: bz2.BZ2Decompressor().decompress(data, MAX_UNPACKED)),
    "xz": (re.compile(rb"\xfd7zXZ\x00"), _lzma(lzma.FORMAT_XZ)),
    "lzma": (re.compile(rb"\x5d\x00\x00[\x00-\xff]{2}(?:\xff{8}|[\x00-\xff]{3}\x00{5})"), _lzma(lzma.FORMAT_ALONE)),
    "zip": (re.compile(rb"PK\x03\x04"), _member),
}


def unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every compressed stream that begins anywhere in the data, as far as it can be read."""
    for name, (magic, unpack) in _MAGIC.items():
        for found in magic.finditer(data):
            try:
                content = unpack(data[found.start() :])
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError):
                continue  # two bytes that only look like the beginning of a stream
            if content:
                yield name, content
