# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Files below the paths that were named: within limits, without following links, and one that cannot be read never hides the others."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..._core.redaction import Secret
from .settings import FileSettings

#: endings of what people keep keys in; one of these that is too large is told of
_LIKELY = (".txt", ".csv", ".tsv", ".htm", ".html", ".pdf", ".bek", ".log")
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trouble:
    """A place that could not be read. ``lost``: what may be there is unknown, so the search was partial."""

    path: str
    text: str
    lost: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be read; ``named``: by its own path and not by its folder's."""

    path: str
    named: bool


class Walk:
    """One walk over everything that is named; ``troubles`` grow while it goes on."""

    def __init__(self, settings: FileSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._deadline = clock() + settings.timeout
        self._count = 0
        self._seen: set[tuple[int, int]] = set()
        self._too_large = 0
        self.troubles: list[Trouble] = []
        #: why the walk ended before its time, empty where it did not
        self.stopped = ""
        #: how many of the named paths could be used
        self.usable = 0

    def seconds_left(self) -> float:
        """Until the time of the whole search is up."""
        return self._deadline - self._clock()

    def files(self) -> Iterator[Found]:
        """Every regular file, in the order of the paths and then of the names; each once, by whatever names it is reached."""
        for path in self._settings.paths:
            try:
                # a path that somebody wrote may be a link; below it no link is followed
                kind = os.stat(path)
            except (OSError, ValueError) as error:
                self.troubles.append(Trouble(path, _why(error)))
                continue
            if stat.S_ISDIR(kind.st_mode):
                self.usable += 1
                yield from self._below(path, 0)
            elif stat.S_ISREG(kind.st_mode):
                self.usable += 1
                yield from self._one(path, kind, named=True)
            else:
                self.troubles.append(Trouble(path, "it is neither a file nor a folder"))

    def read(self, found: Found) -> Secret[bytes] | None:
        """The content of a file, or None with a trouble more."""
        most = self._settings.max_file_mb * _MEGABYTE
        try:
            content = read_bounded(found.path, most, follow=found.named)
        except (OSError, ValueError) as error:
            self.troubles.append(Trouble(found.path, _why(error)))
            return None
        if len(content.reveal()) <= most:
            return content
        likely = found.named or found.path.lower().endswith(_LIKELY)
        self.troubles.append(Trouble(found.path, f"it is larger than {self._settings.max_file_mb} MB (max_file_mb)", lost=likely))
        return None

    def _below(self, folder: str, depth: int) -> Iterator[Found]:
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.troubles.append(Trouble(folder, _why(error)))
            return
        for entry in entries:
            if self._over():
                return
            try:
                kind = entry.stat(follow_symlinks=False)
            except OSError as error:
                self.troubles.append(Trouble(entry.path, _why(error)))
                continue
            if stat.S_ISDIR(kind.st_mode):
                if depth >= self._settings.max_depth:
                    self.troubles.append(Trouble(entry.path, f"it lies deeper than {self._settings.max_depth} folders (max_depth)"))
                else:
                    yield from self._below(entry.path, depth + 1)
            elif stat.S_ISREG(kind.st_mode):
                yield from self._one(entry.path, kind, named=False)

    def _one(self, path: str, kind: os.stat_result, *, named: bool) -> Iterator[Found]:
        identity = (kind.st_dev, kind.st_ino)
        if self._over() or (identity in self._seen and kind.st_ino):
            return
        self._seen.add(identity)
        self._count += 1
        yield Found(path, named)

    def _over(self) -> bool:
        if not self.stopped and self._count >= self._settings.max_files:
            self.stopped = f"there are more than {self._settings.max_files} files (max_files)"
        if not self.stopped and self.seconds_left() <= 0:
            self.stopped = f"the files could not all be read within {self._settings.timeout} seconds (timeout)"
        return bool(self.stopped)


def read_bounded(path: str, most: int, *, follow: bool) -> Secret[bytes]:
    """Up to one byte more than ``most`` of a regular file; a pipe is never waited for, and a link only followed where it was named."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no regular file")
        return Secret(file.read(most + 1))


def _why(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or "it cannot be read").lower()
