# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The folder of a second copy, as a writer needs it: its own, locked, and every file whole at every moment.

A file is written under another name, brought to disk, read back and compared, and only then takes the place of the one before, by a rename
(rename(2): there is no moment without one of the two). Then the folder is brought to disk too.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..._errors import KeywardError, OptionError
from .folder import read_file

LOCK = ".lock"
#: how long another writer may hold the folder
LOCK_SECONDS = 120.0
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp", re.DOTALL)
#: the longest name that file systems take
_LONGEST_NAME = 255


class VaultWriteError(KeywardError):
    """A file of the second copy could not be written; what was there before is there still."""


class WritableFolder:
    """One folder and its lock, for one process; not for several threads."""

    def __init__(self, path: Path, *, lock_seconds: float = LOCK_SECONDS) -> None:
        self.path = path
        self._lock_seconds = lock_seconds
        self._token = ""
        self._told = False

    def prepare(self) -> list[str]:
        """Make the folder where it is not there, and say what of it deserves a warning.

        Raises:
            OptionError: it is no folder of this account's, or others can write to it.
            VaultWriteError: it cannot be made.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            facts = self.path.stat()
        except OSError as error:
            raise self._failed(self.path, error) from error
        if facts.st_uid not in (os.geteuid(), 0) or facts.st_mode & 0o022:
            raise OptionError(
                "use the second copy",
                target=str(self.path),
                meaning="other accounts can write to this folder, and so replace or remove copies",
                remedy="Give it a folder of its own that belongs to the account that runs the playbook, with mode 0700.",
            )
        if facts.st_mode & 0o055:
            return [f"Other accounts can see in {self.path} which computers have which key IDs; mode 0700 would keep that from them."]
        return []

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the folder against other writers; gives whether one of them wrote since this process last held it.

        Raises:
            VaultWriteError: the lock cannot be had.
        """
        try:
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._failed(self.path / LOCK, error) from error
        try:
            self._wait(descriptor)
            token = os.pread(descriptor, 64, 0).decode("ascii", "replace")
            foreign, self._told = token != self._token, False
            if foreign:
                self._tidy()
            self._token = token
            self._descriptor = descriptor
            yield foreign
        except OSError as error:
            raise self._failed(self.path / LOCK, error) from error
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a regular file")
        deadline = time.monotonic() + self._lock_seconds
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise OSError(0, f"another job has held it for {self._lock_seconds:.0f} seconds") from None
                time.sleep(0.02)

    def _tell(self) -> None:
        """Let other writers know, before anything changes, that what they know of the folder is old."""
        if not self._told:
            self._token = secrets.token_hex(8)
            os.pwrite(self._descriptor, self._token.encode("ascii"), 0)
            self._told = True

    def _tidy(self) -> None:
        """Remove what a writer left that was killed; nobody else writes now, and it holds nothing that was ever in use."""
        for name in os.listdir(self.path):
            if _TEMPORARY.fullmatch(name):
                with suppress(FileNotFoundError):
                    os.unlink(self.path / name)

    def replace(self, name: str, data: bytes, check: Callable[[bytes], None] | None = None) -> None:
        """Put a file in place of the one of that name, if any; only while :meth:`locked`. ``check`` is given what was read back.

        Raises:
            VaultWriteError: it could not be written, or was not read back as it was written.
            KeywardError: what ``check`` raises. In every case the file before is untouched.
        """
        final = self.path / name
        temporary = self.path / f".{name}.{secrets.token_hex(8)}.tmp"
        if len(temporary.name) > _LONGEST_NAME:
            temporary = self.path / f".{secrets.token_hex(8)}.{secrets.token_hex(8)}.tmp"
        try:
            self._tell()
            try:
                self._write(temporary, data)
                back = read_file(temporary, len(data))
                if back != data:
                    raise OSError(0, "what was written is not what is read back")
                if check is not None:
                    check(back)
                os.rename(temporary, final)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
            self.sync()
        except OSError as error:
            raise self._failed(final, error) from error

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a file whose content lies elsewhere in the folder; only while :meth:`locked`. VaultWriteError: it cannot be."""
        try:
            self._tell()
            os.unlink(self.path / name)
            self.sync()
        except OSError as error:
            raise self._failed(self.path / name, error) from error

    def sync(self) -> None:
        """Bring the folder itself to disk."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @staticmethod
    def _failed(path: Path, error: OSError) -> VaultWriteError:
        return VaultWriteError(
            "write the second copy",
            target=str(path),
            code=error.strerror or type(error).__name__,
            meaning="what was there before is there still",
            remedy="Let the account that runs the playbook write there, with room enough on the disk, and run the task again.",
        )
