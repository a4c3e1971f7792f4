# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Looking for files that are copies of recovery keys, by their names: CIM_DataFile, Win32_Directory, Win32_UserProfile.

Every query fixes drive, folder and, for files, extension: any other one walks whole disks for minutes (MicrosoftDocs/win32 "CIMWin32Prov",
CIM_DataFile; the fast form is that of monitoring tools). The classes list one folder at a time, on local fixed disks, and no content.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from .._core.local_copies import EXTENSIONS, ONEDRIVE, USUAL_FOLDERS, FoundFile, folder, found_file
from .._core.model import VolumeType
from .._errors import AuthenticationError, BadDataError, KeywardError, TlsError, UnreachableError
from .calls import bounded, take
from .computer import NAMESPACE
from .wsman.envelope import wql_literal
from .wsman.faults import FaultError
from .wsman.instance import Instance
from .wsman.session import Session

T = TypeVar("T")

PROFILES: Final = "SELECT LocalPath,Special FROM Win32_UserProfile"
#: taken of one folder, of each kind of file
MAX_IN_FOLDER: Final = 2000
MAX_FOLDERS: Final = 500
MAX_PROFILES: Final = 500
#: queries that may take too long before nothing more is asked
MAX_TIMEOUTS: Final = 2
_MAX_REASON = 300


@dataclass
class FileSearch:
    """A search of one host's folders within a time and a number of files; what is left out is always in ``not_searched``, with why."""

    session: Session
    seconds: float
    max_files: int
    clock: Callable[[], float]
    files: dict[str, FoundFile] = field(default_factory=dict)
    searched: dict[str, None] = field(default_factory=dict)
    not_searched: dict[str, str] = field(default_factory=dict)
    _timeouts: int = 0
    _stopped: str = ""

    def __post_init__(self) -> None:
        self._began = self.clock()

    def search(self, paths: Sequence[str]) -> None:
        """Look into these folders, given with a backslash at their end; a folder that is not there is searched and empty."""
        for path in paths:
            if path.casefold() in (known.casefold() for known in self.searched) or self._refuses(path):
                continue
            if self._search(path):
                self.searched[path] = None

    def profile_folders(self, system_drive: str | None) -> list[str]:
        """The folders of every user's profile, and of the public one, in which keys are usually saved."""
        if self._refuses("user profiles"):
            return []
        listed = self._ask("user profiles", lambda: self._list(PROFILES, MAX_PROFILES, "user profiles"))
        found: list[str] = [rf"{system_drive}\Users\Public" + "\\"] if system_drive else []
        for profile in listed or ():
            try:
                text = None if profile.boolean("Special") else bounded(profile.string("LocalPath"), "LocalPath") or "(no path)"
            except KeywardError as error:
                self._leave("user profiles", error)
                continue
            path = folder(text) if text else None
            if text and path is None:
                self.not_searched[text] = "it is no path of a local folder"
            elif path is not None and path not in found:
                found.append(path)
        return [path for profile_path in found for path in self._usual(profile_path)]

    def _usual(self, profile: str) -> list[str]:
        """A profile's own folder and those below it that are there; where they cannot be listed, those that usually are."""
        what, wql = f"{profile}*", _query("Name,FileName", "Win32_Directory", profile)
        listed = None if self._refuses(profile) else self._ask(what, partial(self._list, wql, MAX_FOLDERS, what))
        if listed is None:
            return [profile, *(f"{profile}{name}\\" for name in (*USUAL_FOLDERS, ONEDRIVE))]
        below: set[str] = set()
        for one in listed:
            try:
                below.add((bounded(one.string("Name"), "Name") or "").rpartition("\\")[2].casefold())
            except KeywardError as error:
                self._leave(what, error)
        chosen = [profile]
        for name in sorted(below):
            if name in USUAL_FOLDERS:
                chosen.append(f"{profile}{name}\\")
            elif name.startswith(ONEDRIVE):
                chosen += [f"{profile}{name}\\", *(f"{profile}{name}\\{inner}\\" for inner in USUAL_FOLDERS[:2])]
        return [path for path in chosen if folder(path) is not None]

    def _search(self, path: str) -> bool:
        """Both kinds of files; whether all of it was seen."""
        whole = True
        for extension in EXTENSIONS:
            wql = _query("Name,FileSize,LastModified,Hidden", "CIM_DataFile", path, f"Extension={wql_literal(extension)}")
            listed = self._ask(path, partial(self._list, wql, MAX_IN_FOLDER, path))
            if listed is None:
                whole = False
                continue
            for one in listed:
                try:
                    self._take(path, extension, one)
                except KeywardError as error:
                    self._leave(path, error)
        return whole and path not in self.not_searched

    def _take(self, path: str, extension: str, one: Instance) -> None:
        name = bounded(one.string("Name"), "Name") or ""
        if name[: len(path)].casefold() != path.casefold() or "\\" in name[len(path) :]:
            raise BadDataError("list the files of a folder", target=path, meaning="the host lists one of another folder")
        file = found_file(
            name, extension, size=one.integer("FileSize", minimum=0), modified=one.timestamp("LastModified"), hidden=one.boolean("Hidden")
        )
        if file is None or name.casefold() in self.files:
            return
        if len(self.files) >= self.max_files:
            self._stopped = f"{self.max_files} files were found, and more are not looked for"
            raise BadDataError("list the files of a folder", target=path, meaning=self._stopped)
        self.files[name.casefold()] = file

    def _list(self, wql: str, limit: int, what: str) -> list[Instance]:
        found = take(self.session.query(NAMESPACE, wql), limit + 1)
        if len(found) > limit:
            self.not_searched[what] = f"it holds more than {limit}, and the first {limit} were looked at"
        return found[:limit]

    def _ask(self, what: str, call: Callable[[], T]) -> T | None:
        """Ask; a failure is noted, and after two that only cost time nothing more is asked."""
        try:
            return call()
        except (AuthenticationError, TlsError):
            raise
        except KeywardError as error:
            self._leave(what, error)
            if isinstance(error, UnreachableError) or (isinstance(error, FaultError) and error.is_timeout):
                self._timeouts += 1
                if self._timeouts >= MAX_TIMEOUTS:
                    self._stopped = "the host had not answered several times by then"
            return None

    def _leave(self, what: str, error: KeywardError) -> None:
        self.not_searched[what] = (error.meaning if isinstance(error, BadDataError) else str(error))[:_MAX_REASON]

    def _refuses(self, path: str) -> bool:
        """Whether nothing more may be asked; then that is noted for this path."""
        if not self._stopped and self.clock() - self._began > self.seconds:
            self._stopped = f"{self.seconds:g} seconds were over by then"
        if self._stopped:
            self.not_searched[path] = self._stopped
        return bool(self._stopped)


def _query(columns: str, class_name: str, path: str, *more: str) -> str:
    """A query that fixes one folder: the drive with its colon, the path without it, with a backslash at both ends."""
    conditions = " AND ".join([f"Drive={wql_literal(path[:2])}", f"Path={wql_literal(path[2:])}", *more])
    return f"SELECT {columns} FROM {class_name} WHERE {conditions}"  # noqa: S608 (WQL, whose literals are escaped above)


def roots(volumes: Sequence[tuple[str, str | None, str | None, bool | None]], search: FileSearch) -> list[str]:
    """The root folders of the volumes (label, letter, type, locked) that the class can show; the others are noted."""
    found = []
    for label, letter, kind, locked in volumes:
        if locked:
            search.not_searched[label] = "the volume is locked"
        elif kind == VolumeType.REMOVABLE:
            search.not_searched[label] = "Windows lists files of local fixed disks only, and this volume is removable"
        elif not letter or (path := folder(letter)) is None:
            search.not_searched[label] = "the volume has no drive letter"
        else:
            found.append(path)
    return found
