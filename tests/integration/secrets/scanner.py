# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for secrets in whatever a run left behind, however they are spelled.

Recovery passwords are known by their digits alone: any four of their eight groups in a row, whatever stands between. Other texts are looked
for as they are, also with white space taken out; long texts (tokens, assertions) and binary secrets by any sixteen of their bytes in a row;
what has a shape that nothing public has by that shape. All that in the data and in every view of it (views.py), views of views included.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.integration.secrets import views

DEPTH = 4
MAX_VIEWED = 1024 * 1024 * 1024
_RECOVERY_PASSWORD = re.compile(r"[0-9]{6}(?:-[0-9]{6}){7}")
_GROUP, _LEAST_GROUPS = 6, 4
#: any 24 digits in a row hold twelve that begin at a multiple of thirteen
_GRAM, _STRIDE = 12, 13
_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_TOKENS = (re.compile(rb"(?<![0-9])[0-9]{6}(?![0-9])"), re.compile(rb"(?<![0-9])[0-9]{1,6}(?![0-9])"))
#: any sixteen bytes in a row hold eight that begin at a multiple of nine
_CHUNK, _BYTES, _BYTES_STRIDE = 16, 8, 9
#: a shorter text is met by chance
LEAST_TEXT = 8
#: a part of a text this long is as bad as the whole
LONG_TEXT = 32


@dataclass(frozen=True, order=True)
class Leak:
    """A secret in a place: the file (or whatever was scanned), whose secret, and how it was read there."""

    place: str
    secret: str
    view: str


class Scanner:
    """Knows the secrets, by names to report them with; ``shapes`` are patterns of what must not be anywhere, whoever made it.

    Raises:
        ValueError: a secret is too short to be told from chance.
    """

    def __init__(self, secrets: Mapping[str, str | bytes], shapes: Mapping[str, re.Pattern[bytes]] | None = None) -> None:
        self._shapes = dict(shapes or {})
        self._grams: dict[bytes, set[str]] = {}
        self._windows: dict[str, list[bytes]] = {}
        self._four: dict[bytes, str] = {}
        #: digests of what held nothing, with the depth it was looked at: modules and logs come back in every run
        self._clean: dict[bytes, int] = {}
        self._texts: dict[bytes, str] = {}
        self._bytes: dict[bytes, set[str]] = {}
        self._binaries: dict[str, bytes] = {}
        self.learn(secrets)

    def learn(self, secrets: Mapping[str, str | bytes]) -> None:
        """Look for these too. What was found clean before is not looked at again: only for secrets that are newer than that."""
        for name, value in secrets.items():
            if isinstance(value, bytes):
                self._add_bytes(name, value)
            elif _RECOVERY_PASSWORD.fullmatch(value):
                self._add_digits(name, value.replace("-", "").encode())
            elif len(value) < LEAST_TEXT:
                raise ValueError(f"{name} is too short to look for")
            else:
                self._texts = dict.fromkeys(_forms(value), name) | self._texts
                if len(value) >= LONG_TEXT:
                    self._add_bytes(name, value.encode())
        self._patterns = list(_patterns(self._texts))

    def _add_bytes(self, name: str, value: bytes) -> None:
        if len(value) < _CHUNK:
            raise ValueError(f"{name} is too short to look for")
        self._binaries[name] = value
        for at in range(len(value) - _BYTES + 1):
            self._bytes.setdefault(value[at : at + _BYTES], set()).add(name)

    def _add_digits(self, name: str, digits: bytes) -> None:
        length = _GROUP * _LEAST_GROUPS
        self._windows[name] = [digits[at : at + length] for at in range(0, len(digits) - length + 1, _GROUP)]
        for window in self._windows[name]:
            self._four[window] = name
        for at in range(len(digits) - _GRAM + 1):
            self._grams.setdefault(digits[at : at + _GRAM], set()).add(name)

    def scan(self, data: bytes, place: str = "") -> set[Leak]:
        """Every secret that is in the data."""
        found: dict[str, Leak] = {}
        seen: dict[bytes, int] = {}
        viewed = 0
        for view, content in self._all_views(data, seen):
            viewed += len(content)
            if viewed > MAX_VIEWED:
                raise ValueError(f"{place} unpacks to more than can be scanned")
            for name in self._look(content):
                found.setdefault(name, Leak(place, name, view))
        if not found:
            self._clean |= seen
        return set(found.values())

    def scan_files(self, folder: Path, *, inputs: Iterable[str] = ()) -> set[Leak]:
        """Every secret in the files below a folder, in their names and in the targets of links; ``inputs`` are left out, by name."""
        found: set[Leak] = set()
        left_out = set(inputs)
        names: list[str] = []
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.relative_to(folder).parts[0] in left_out:
                continue
            names.append(f"{name} -> {path.readlink()}" if path.is_symlink() else name)
            if path.is_file() and not path.is_symlink():
                found |= self.scan(path.read_bytes(), name)
        return found | self.scan("\n".join(names).encode("utf-8", "surrogateescape"), "names of files")

    def _all_views(self, data: bytes, seen: dict[bytes, int]) -> Iterator[tuple[str, bytes]]:
        """The data, what it says when escapes are taken back step by step, and whatever is packed in any of that; each text once."""
        waiting = [("as it is", data, 0)]
        while waiting:
            name, content, depth = waiting.pop()
            for reading, read in (("", bytes), *views.TEXT.items()):
                changed = read(content)
                if reading and changed == content:
                    continue
                content, name = changed, f"{name}, {reading}" if reading else name
                digest = hashlib.blake2b(content, digest_size=16).digest()
                if len(content) < LEAST_TEXT or min(seen.get(digest, DEPTH + 1), self._clean.get(digest, DEPTH + 1)) <= depth:
                    continue
                seen[digest] = depth
                yield name, content
                if depth < DEPTH:
                    waiting += [(f"{name}, {kind}", inner, depth + 1) for kind, inner in views.packed(content)]

    def _look(self, content: bytes) -> set[str]:
        latin = views.bytes_of_latin(content)
        found = self._by_digits(content) | self._by_bytes(content)
        found |= {name for name, shape in self._shapes.items() if shape.search(content)}
        if latin != content:
            found |= self._by_bytes(latin)
        for text in dict.fromkeys((content, views.joined(content), latin)):
            found |= {self._texts[match] for pattern in self._patterns for match in pattern.findall(text)}
        return found

    def _by_bytes(self, content: bytes) -> set[str]:
        found: set[str] = set()
        for at in range(0, len(content) - _BYTES + 1, _BYTES_STRIDE) if self._bytes else ():
            for name in self._bytes.get(content[at : at + _BYTES], ()):
                around, whole = content[max(0, at - _BYTES) : at + _CHUNK], self._binaries[name]
                if any(around[start : start + _CHUNK] in whole for start in range(len(around) - _CHUNK + 1)):
                    found.add(name)
        return found

    def _by_digits(self, content: bytes) -> set[str]:
        found: set[str] = set()
        digits = content.translate(None, _NO_DIGITS)
        if len(digits) < _GROUP * _LEAST_GROUPS or not self._grams:
            return found
        grams = self._grams
        for at in range(0, len(digits) - _GRAM + 1, _STRIDE):
            if (gram := digits[at : at + _GRAM]) in grams:
                around = digits[max(0, at - _GRAM) : at + 2 * _GRAM]
                found |= {name for name in grams[gram] if any(window in around for window in self._windows[name])}
        for tokens in _TOKENS:
            # groups with labels between them, which would break the row of digits; and groups that lost their leading zeros
            groups = [group.rjust(_GROUP, b"0") for group in tokens.findall(content)]
            rows = zip(groups, groups[1:], groups[2:], groups[3:], strict=False)
            found |= {self._four[row] for parts in rows if (row := b"".join(parts)) in self._four}
        return found


def _patterns(texts: Iterable[bytes]) -> Iterator[re.Pattern[bytes]]:
    """One pattern for all texts with one beginning: ``re`` looks for a common beginning fast, and tries many beginnings slowly."""
    beginnings: dict[bytes, list[bytes]] = {}
    for text in texts:
        beginnings.setdefault(text[:4], []).append(text[4:])
    for beginning, rests in beginnings.items():
        # the longest first, so that no text hides a longer one
        choices = b"|".join(re.escape(rest) for rest in sorted(rests, key=len, reverse=True))
        yield re.compile(re.escape(beginning) + b"(?:" + choices + b")", re.DOTALL)


def _forms(text: str) -> set[bytes]:
    """A text as the views leave it: in UTF-8 or as UTF-16 becomes single bytes, escapes taken back that are none, without white space."""
    forms = {text.encode(), text.encode("latin-1", "ignore")}
    for read in views.TEXT.values():
        forms |= {read(form) for form in forms}
    forms |= {views.joined(form) for form in forms}
    return {form for form in forms if len(form) >= LEAST_TEXT}
