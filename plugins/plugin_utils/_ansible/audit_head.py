# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The head of an audit file, kept in a small file beside it; written under the audit file's lock, and nothing depends on it being there."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from .._core.audit_chain import Head
from .._errors import OptionError

#: always as long, so that a write never leaves a part of an older one
_LENGTH = 128


class HeadFile:
    """``<audit file>.head``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Head | None:
        """What is kept; None where there is no file, or something else is in it."""
        with suppress(OSError, OptionError, ValueError):
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return Head.parse(os.pread(descriptor, 2 * _LENGTH, 0).decode("ascii"))
            finally:
                os.close(descriptor)
        return None

    def write(self, head: Head, *, mode: int) -> None:
        """Keep a head. It is not waited for, and a file that cannot be written is let be: the chain itself is on disk already."""
        with suppress(OSError):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(self.path, flags, stat.S_IMODE(mode) & 0o660)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.pwrite(descriptor, str(head).ljust(_LENGTH - 1).encode("ascii") + b"\n", 0)
            finally:
                os.close(descriptor)
