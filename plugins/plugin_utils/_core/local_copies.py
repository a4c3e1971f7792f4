# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Recovery keys that lie in files of the computer itself: what a file's name says, and which volume it would open.

Windows names a saved recovery password ``BitLocker Recovery Key <protector GUID>.TXT`` (in its own language) and an external key
``<protector GUID>.BEK``; the name is all that can be seen from afar. So a text file counts if there is a GUID in its name, and a .BEK
always.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from .model import Observation

RECOVERY_TEXT: Final = "recovery_text"
EXTERNAL_KEY: Final = "external_key"
#: extension (as WMI compares it) to kind
EXTENSIONS: Final = {"txt": RECOVERY_TEXT, "bek": EXTERNAL_KEY}
#: subfolders of a user's profile that are looked at; Windows names them so on the disk in every language (since Vista)
USUAL_FOLDERS: Final = ("desktop", "documents", "downloads")
#: how the folders of OneDrive begin: the personal one, and one for each organisation ("OneDrive - Contoso")
ONEDRIVE: Final = "onedrive"

_GUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", re.ASCII | re.IGNORECASE)
_FOLDER = re.compile(r"[A-Za-z]:\\(?:[^\\/:*?\"<>|\x00-\x1f]{1,255}\\)*", re.ASCII)
_MAX_PATH = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file that was found by its name; ``size`` in bytes, None where it was not said."""

    path: str
    kind: str
    key_id: str | None
    size: int | None = None
    modified: datetime | None = None
    hidden: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """The volumes of the computer; ``complete``: every one is listed with all its protectors."""

    complete: bool
    #: key ID -> (volume, type of the protector) of each volume that has it
    labels: dict[str, tuple[tuple[str, str | None], ...]] = field(default_factory=dict)


def folder(path: str) -> str | None:
    """A folder's path with one backslash at its end; None for what is no path of a folder with its drive."""
    text = path.replace("/", "\\").rstrip("\\") + "\\"
    if len(text) > _MAX_PATH or not _FOLDER.fullmatch(text) or "\\..\\" in text or "\\.\\" in text:
        return None
    return text[0].upper() + text[1:]


def found_file(
    path: str, extension: str, *, size: int | None = None, modified: datetime | None = None, hidden: bool | None = None
) -> FoundFile | None:
    """What a file is by its name; None for one that is no copy of a key as far as its name tells."""
    match = _GUID.search(path.rpartition("\\")[2])
    kind = EXTENSIONS[extension]
    if match is None and kind != EXTERNAL_KEY:
        return None
    return FoundFile(path=path, kind=kind, key_id=match[0].lower() if match else None, size=size, modified=modified, hidden=hidden)


def volumes_of(observation: Observation) -> Volumes:
    """The protectors of an observed computer by their key IDs."""
    labels: dict[str, tuple[tuple[str, str | None], ...]] = {}
    volumes = observation.volumes or ()
    complete = observation.bitlocker_installed is False or observation.volumes is not None
    for volume in volumes:
        complete = complete and volume.protectors is not None
        for protector in volume.protectors or ():
            complete = complete and not protector.key_id.startswith("unknown_")
            labels[protector.key_id] = (*labels.get(protector.key_id, ()), (volume.label, protector.type and str(protector.type)))
    return Volumes(complete=complete, labels=labels)


def row(file: FoundFile, volumes: Volumes) -> dict[str, Any]:
    """A file for the result, held against the protectors that the computer has now."""
    known = volumes.labels.get(file.key_id or "", ())
    current = bool(known) if known or (volumes.complete and file.key_id) else None
    drive = file.path[:2].upper()
    unlocks = [volume for volume, _type in known]
    return {
        "path": file.path,
        "kind": file.kind,
        "key_id": file.key_id,
        "size": file.size,
        "modified": None if file.modified is None else file.modified.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "hidden": file.hidden,
        "current": current,
        "unlocks": unlocks,
        "protector_type": known[0][1] if known else None,
        "on_volume": drive,
        "on_volume_it_unlocks": None if current is None else drive in unlocks,
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many files there are, how many open a volume of this computer now, how many lie on the very volume that they open."""
    return {
        "files": len(rows),
        "current": sum(item["current"] is True for item in rows),
        "unknown": sum(item["current"] is None for item in rows),
        "on_volume_it_unlocks": sum(item["on_volume_it_unlocks"] is True for item in rows),
    }
