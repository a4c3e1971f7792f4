# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Write a file so that a reader sees the old text or the new one, also after a crash: temp name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from .._errors import OptionError


def write_atomically(path: Path, text: str | bytes, *, mode: int = 0o640) -> None:
    """Replace ``path`` by a text (in UTF-8) or by bytes; the folder is created. OptionError says which path it was, and why."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode("utf-8") if isinstance(text, str) else text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise OptionError(
            "write a file",
            target=str(path),
            code=getattr(error, "strerror", None) or str(error),
            remedy="Choose another place, or let the user who runs the playbook write there.",
        ) from error
