# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The folder of a second copy, as a reader sees it: each machine's sealed files and the card beside them.

    pc01.lab.example--3f2a9c0d11ee.vault.yml                                           sealed with Ansible Vault: the machine's keys
    pc01.lab.example--3f2a9c0d11ee.2b7c….1.age                                         sealed to public keys: one key
    pc01.lab.example--3f2a9c0d11ee.card.json                                           what may be known without opening them

The sealed files alone are the copy. A card that is missing or out of step costs time, and no key. Sealed files that somebody brought back
from elsewhere may have any name with these ends.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..._core.vault_record import Machine, is_guid
from ..._core.vault_text import MAX_LENGTH, Card, read_card
from ..._errors import BadDataError, KeywardError, StoreDownError
from .sealing import ANSIBLE_VAULT, ENDINGS

CARD_ENDING = ".card.json"
#: Ansible Vault writes two digits a byte twice over, and lines; age's armour is shorter
MAX_SEALED = 5 * MAX_LENGTH
MAX_FILES = 2_000_000

_NUMBERED = re.compile(r"(.+)\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([1-9][0-9]{0,5})", re.ASCII | re.DOTALL)
_UNSAFE = re.compile(r"[^a-z0-9._-]+")
_MAX_NAME = 80


@dataclass(slots=True)
class MachineFiles:
    """The names of one machine's files, as the folder lists them."""

    stem: str
    parts: list[str] = field(default_factory=list)
    card: bool = False


def stem_of(machine: Machine, key_id: str) -> str:
    """How the files of a new machine begin: its name as far as a file may bear it, and a digest of what tells it from its namesakes.

    A machine that nobody could name is told by its first key ID. Only lower-case letters, digits, dots, hyphens and underscores occur, so
    the name is the same file on every file system.
    """
    told = next(
        (f"{kind}:{text}" for kind, text in (("ad", machine.ad_guid), ("entra", machine.entra_device_id)) if text),
        f"name:{machine.names[0]}" if machine.names else f"key:{key_id}",
    )
    digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    name = machine.names[0] if machine.names else "unnamed"
    return f"{_UNSAFE.sub('_', name.lower())[:_MAX_NAME].strip('._-') or 'unnamed'}--{digest}"


def key_id_in(name: str) -> str | None:
    """The key ID that a sealed file's name tells, if any."""
    found = _NUMBERED.fullmatch(name.removesuffix(ENDINGS["age"]))
    return found[2] if found and is_guid(found[2]) else None


def _stem_in(name: str) -> tuple[str, bool] | None:
    if name.startswith("."):
        return None
    if name.endswith(CARD_ENDING):
        return name.removesuffix(CARD_ENDING), True
    for ending in ENDINGS.values():
        if name.endswith(ending):
            rest = name.removesuffix(ending)
            numbered = _NUMBERED.fullmatch(rest)
            return (numbered[1] if numbered else rest), False
    return None


def list_machines(folder: Path) -> dict[str, MachineFiles]:
    """Every machine's files by their stem, in the order of the names; the folder's other files are nobody's.

    Raises:
        StoreDownError: the folder cannot be listed, or holds too much.
    """
    machines: dict[str, MachineFiles] = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise StoreDownError(
            "read the second copy",
            target=str(folder),
            code=error.strerror or type(error).__name__,
            remedy="Give the folder that vault_copy wrote, and let the account that runs the playbook read it.",
        ) from error
    if len(names) > MAX_FILES:
        raise StoreDownError("read the second copy", target=str(folder), meaning=f"it has more than {MAX_FILES} files")
    for name in names:
        if (found := _stem_in(name)) is not None:
            stem, card = found
            files = machines.setdefault(stem, MachineFiles(stem))
            if card:
                files.card = True
            else:
                files.parts.append(name)
    return machines


def read_file(path: Path, limit: int) -> bytes:
    """The content of a regular file that is no link.

    Raises:
        BadDataError: it is something else, too long, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _unread(path, "it is not a regular file")
            data = file.read(limit + 1)
    except OSError as error:
        raise _unread(path, error.strerror or type(error).__name__) from error
    if len(data) > limit:
        raise _unread(path, "it is too long")
    return data


def _unread(path: Path, meaning: str) -> BadDataError:
    return BadDataError(
        "read a file of the second copy",
        target=str(path),
        meaning=meaning,
        remedy="Take the file from a backup, or remove it and copy again.",
    )


def read_sealed(folder: Path, name: str) -> bytes:
    """The bytes of a sealed file; BadDataError as :func:`read_file`."""
    return read_file(folder / name, MAX_SEALED)


def digest_of(data: bytes) -> str:
    """The digest that a card keeps of a sealed file."""
    return hashlib.sha256(data).hexdigest()


def card_of(folder: Path, files: MachineFiles) -> Card | None:
    """The machine's card, None where there is none that can be read: then its sealed files are asked."""
    if not files.card:
        return None
    try:
        text = read_file(folder / (files.stem + CARD_ENDING), MAX_LENGTH).decode("ascii")
        return read_card(text, files.stem + CARD_ENDING)
    except (KeywardError, UnicodeDecodeError):
        return None


def files_now(folder: Path, known: MachineFiles) -> MachineFiles:
    """One machine's files as they are now, without a listing of the whole folder: those that were known, and those its card names."""
    files = MachineFiles(known.stem, card=(folder / (known.stem + CARD_ENDING)).exists())
    card = card_of(folder, files)
    names = {*known.parts, *(card.parts if card else ()), known.stem + ENDINGS[ANSIBLE_VAULT]}
    files.parts = sorted(name for name in names if os.path.lexists(folder / name))
    return files


def read_parts(folder: Path, files: MachineFiles) -> tuple[Mapping[str, bytes], list[KeywardError]]:
    """The bytes of a machine's sealed files by name, and why some could not be read."""
    parts: dict[str, bytes] = {}
    problems: list[KeywardError] = []
    for name in files.parts:
        try:
            parts[name] = read_sealed(folder, name)
        except BadDataError as problem:
            problems.append(problem)
    return parts, problems
