# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a file holds: recovery passwords with their key IDs, or an external key; pure.

The content decides what a file is. Its name is a second witness: where it names another key ID than the content does, both are marked.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..._errors import BadDataError
from ..key_proof.external_key import MAX_SIZE, parse_external_key
from ..redaction import Secret
from . import damage
from .decoding import decode, plain
from .facts import Surroundings, id_of_name
from .pages import is_page, page_text
from .pairing import NEXT_TO_ID, Pairs, pair
from .spotting import Lines
from .tables import Row, Table, read_table

EXTERNAL_KEY, RECOVERY_PASSWORD = "external_key", "recovery_password"
#: problems told of one file; what is behind them is counted
MOST_PROBLEMS = 20
_BEK = struct.Struct("<IIII")
_BEK_HEADER = 48
#: files that are never texts, by how they begin: archives and Office documents, pictures, programs, sounds
_OTHERS = (
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"MZ",
    b"\x7fELF",
    b"RIFF",
    b"ID3",
    b"OggS",
)
_PDF = b"%PDF-"
_PDF_WITHIN = 1024
_BRAND = "bitlocker"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """One key of a file. ``key_id``: a GUID in lower case, or its first eight digits where a page shows no more.

    ``value`` None: an external key, or one that is damaged (``defects`` say how). ``place``: where in the file, for people. ``mark``: equal
    for equal values, and nothing else can be learned from it without the salt.
    """

    key_id: str
    place: str
    value: Secret[str] | None = None
    type: str = RECOVERY_PASSWORD
    computer: str | None = None
    serial: str | None = None
    volume: str | None = None
    volume_guid: str | None = None
    created: datetime | None = None
    defects: tuple[str, ...] = ()
    mark: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContents:
    """All of a file: its keys, and what of it cannot be used."""

    keys: tuple[FoundKey, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read: columns of tables by what they hold (a header or a number from 1), and the salt of the marks."""

    salt: bytes
    columns: Mapping[str, str | int] = field(default_factory=dict)


def is_pdf(content: Secret[bytes]) -> bool:
    """Whether this is a PDF, whose text somebody else takes out."""
    return _PDF in content.reveal()[:_PDF_WITHIN]


def is_other(content: Secret[bytes]) -> bool:
    """Whether this is a picture, a program, an archive: nothing that is looked into."""
    return content.reveal().startswith(_OTHERS)


def recognise(content: Secret[bytes], name: str, reading: Reading) -> FileContents:
    """The keys of a file that is no PDF, by its bytes and its name (without folder)."""
    data = content.reveal()
    if is_other(content):
        return FileContents()
    if _looks_external(data, name):
        return _external(content, name)
    decoded = decode(data)
    if is_page(decoded.text):
        return _of_texts([page_text(decoded.text)], name, reading)
    table = read_table(decoded.text, reading.columns)
    if table is not None:
        return _witnessed(_of_table(table, reading), name)
    return _of_texts([decoded.text], name, reading, legacy=decoded.legacy)


def of_pages(texts: Sequence[str], name: str, reading: Reading) -> FileContents:
    """The keys of a document whose text somebody took out page by page."""
    return _of_texts(texts, name, reading, paged=True)


def _of_texts(texts: Sequence[str], name: str, reading: Reading, *, legacy: bool = False, paged: bool = False) -> FileContents:
    pages = [plain(text) for text in texts]
    breaks = [0]
    for page in pages:
        breaks.append(breaks[-1] + page.count("\n") + 2)
    text = "\n\n".join(pages)
    return _witnessed(_of_text(text, pair(text, legacy=legacy), reading, breaks if paged else None), name)


def _of_text(text: str, pairs: Pairs, reading: Reading, breaks: list[int] | None) -> FileContents:
    lines = Lines(text)
    around = Surroundings(text, pairs.pairs)
    volumes = [(spot.start, spot.guid) for spot in pairs.volumes]
    keys, problems = [], []
    for number, found in enumerate(pairs.pairs):
        place = _place(lines.number(found.key.start), breaks)
        value, wrong = damage.judge(found.key.groups)
        if found.id is None:
            what = "a recovery password" if value is not None else f"a damaged recovery password ({wrong})"
            problems.append(f"{place}: {what} cannot be used: {found.why}")
            continue
        keys.append(
            FoundKey(
                key_id=found.id.guid,
                place=place,
                value=value,
                computer=around.computer(number),
                volume=around.volume(number),
                volume_guid=around.volume_guid(number, volumes),
                created=around.created(number),
                defects=(f"the recovery password is damaged: {wrong}",) if wrong else (),
                mark=_mark(value, reading.salt),
            )
        )
    if not pairs.pairs and pairs.lone and _BRAND in text.lower():
        problems.append(f"{_place(lines.number(pairs.lone[0].start), breaks)}: a key ID without a recovery password")
    return _settled(keys, problems)


def _of_table(table: Table, reading: Reading) -> FileContents:
    keys, problems = [], list(table.problems)
    for row in table.rows:
        place = f"line {row.line}"
        spots = pair(row.recovery_password).pairs if row.recovery_password else ()
        value, wrong = damage.judge(spots[0].key.groups) if len(spots) == 1 else (None, "it is not one password of 48 digits")
        if not row.recovery_password or not row.key_id:
            missing = "a recovery password without a key ID" if row.recovery_password else "a key ID without a recovery password"
            problems.append(f"{place}: {missing}")
            continue
        keys.append(_of_row(row, place, value, wrong, reading))
    return _settled(keys, problems)


def _of_row(row: Row, place: str, value: Secret[str] | None, wrong: str, reading: Reading) -> FoundKey:
    return FoundKey(
        key_id=row.key_id,
        place=place,
        value=value,
        computer=row.computer,
        serial=row.serial,
        volume=row.volume,
        volume_guid=row.volume_guid,
        created=row.created,
        defects=(f"the recovery password is damaged: {wrong}",) if wrong else (),
        mark=_mark(value, reading.salt),
    )


def _settled(keys: list[FoundKey], problems: list[str]) -> FileContents:
    """Each key once. Different values under one ID, and one value under different IDs, are defects of all concerned."""
    told = problems[:MOST_PROBLEMS]
    if len(problems) > MOST_PROBLEMS:
        told.append(f"{len(problems) - MOST_PROBLEMS} more problems of this kind")
    return FileContents(keys=tuple(cross_checked(list(_once(keys)))), problems=tuple(told))


def _once(keys: list[FoundKey]) -> Iterator[FoundKey]:
    """Without repetitions; what differs under one ID in one place is numbered, so that no place stands for two."""
    seen: set[tuple[str, bytes]] = set()
    places: dict[tuple[str, str], int] = {}
    for key in keys:
        if key.mark and (key.key_id, key.mark) in seen:
            continue
        seen.add((key.key_id, key.mark))
        number = places[key.key_id, key.place] = places.get((key.key_id, key.place), 0) + 1
        yield replace(key, place=f"{key.place}, password {number}") if number > 1 else key


def cross_checked(keys: Sequence[FoundKey]) -> Iterator[FoundKey]:
    """The keys with defects where they contradict each other."""
    marks: dict[str, set[bytes]] = {}
    ids: dict[bytes, set[str]] = {}
    for key in keys:
        if key.mark:
            marks.setdefault(key.key_id, set()).add(key.mark)
            ids.setdefault(key.mark, set()).add(key.key_id)
    for key in keys:
        defects = key.defects
        if len(marks.get(key.key_id, ())) > 1 or (not key.mark and key.type == RECOVERY_PASSWORD and marks.get(key.key_id)):
            defects += (NEXT_TO_ID,)
        if key.mark and _differ(ids[key.mark]):
            defects += ("the same recovery password stands under another key ID too",)
        yield replace(key, defects=defects) if defects != key.defects else key


def _differ(ids: set[str]) -> bool:
    """Whether these are different key IDs, and not one with its own beginning."""
    longest = max(ids, key=len)
    return any(not longest.startswith(one) for one in ids)


def _witnessed(contents: FileContents, name: str) -> FileContents:
    """With the file's name as second witness."""
    named = id_of_name(name)
    if named is None or not contents.keys or any(_agree(key.key_id, named) for key in contents.keys):
        return contents
    defect = "the file's name holds another key ID"
    keys = [replace(key, defects=(*key.defects, defect)) for key in contents.keys]
    if len(named) == 36:
        keys.append(
            FoundKey(key_id=named, place="its name", defects=("only the file's name holds this key ID; its content holds another one",))
        )
    return replace(contents, keys=tuple(keys))


def _agree(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _looks_external(data: bytes, name: str) -> bool:
    if name.lower().endswith(".bek"):
        return True
    if not _BEK_HEADER <= len(data) <= MAX_SIZE:
        return False
    size, version, header, end = _BEK.unpack_from(data)
    return (version, header) == (1, _BEK_HEADER) and size == end == len(data)


def _external(content: Secret[bytes], name: str) -> FileContents:
    try:
        found = parse_external_key(content)
    except BadDataError as error:
        return FileContents(problems=(f"is no sound external key: {error.meaning}",))
    named = id_of_name(name)
    defects = ("the file's name holds another key ID",) if named is not None and not _agree(found.key_id, named) else ()
    key = FoundKey(
        key_id=found.key_id,
        place=f"external key {found.key_id}" + (f" of volume {found.volume_guid}" if found.volume_guid else ""),
        type=EXTERNAL_KEY,
        volume_guid=found.volume_guid,
        created=found.created,
        defects=defects,
    )
    return FileContents(keys=(key,))


def _place(line: int, breaks: list[int] | None) -> str:
    if breaks is None:
        return f"line {line}"
    page = next((number for number, start in enumerate(breaks[1:], 1) if line <= start), len(breaks) - 1)
    return f"page {page}"


def _mark(value: Secret[str] | None, salt: bytes) -> bytes:
    return hashlib.blake2b(value.reveal().encode(), key=salt, digest_size=16).digest() if value is not None else b""
