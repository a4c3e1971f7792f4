# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Read a report's file as a gate must: all of it, within bounds, and nothing that could mean two things."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from .._errors import BadDataError, OptionError

#: a report of 20,000 computers has some 45 MB
MAX_BYTES = 1024 * 1024 * 1024


def load_report(path: Path, *, option: str) -> object:
    """The parsed JSON of a file.

    Raises:
        OptionError: there is no such file, it cannot be read, or it is no regular file (a pipe is never waited for).
        BadDataError: it is too large, no UTF-8, no JSON, cut off, or has one key twice.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise _unreadable(path, option, "it is no regular file")
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise _unreadable(path, option, getattr(error, "strerror", None) or str(error)) from error
    if len(content) > MAX_BYTES:
        raise _bad(path, f"it has more than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_unambiguous, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise _bad(path, "it is not UTF-8") from error
    except RecursionError as error:
        raise _bad(path, "it is nested without end") from error
    except ValueError as error:
        place = f", line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _bad(path, f"it is no JSON, or was cut off ({_reason(error)}{place})") from error


def _reason(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:80]


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _unreadable(path: Path, option: str, why: str) -> OptionError:
    return OptionError(
        "read a report",
        target=f"option {option}: {path}",
        meaning=why,
        remedy="Name a report that keyward.bitlocker.escrow_report wrote in JSON, and let the user who runs the playbook read it.",
    )


def _bad(path: Path, why: str) -> BadDataError:
    return BadDataError("read a report", target=str(path), meaning=why, remedy="Make it again, and hand over the whole file.")
