# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Why an audit record could not be written, so that no key was handed out: one sentence for each way that goes wrong."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from .._core.audit_chain import Problem
from .._errors import KeywardError

AUDIT_FILE_VARIABLE = "KEYWARD_AUDIT_FILE"
AUDIT_SYSLOG_VARIABLE = "KEYWARD_AUDIT_SYSLOG"
_ATTEMPTED = "write the audit record"
_READ = "read the audit file"
_NO_KEY = "no key was handed out"
_ELSEWHERE = f"Name another file in 'audit_file' or {AUDIT_FILE_VARIABLE}."
_MAKE_ROOM = "Make room on that disk; what was written of the record is taken back, or closed by the next one."

_SYSTEM: Mapping[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", _MAKE_ROOM),
    errno.EDQUOT: ("the quota of that disk is used up", _MAKE_ROOM),
    errno.EFBIG: ("the file may not grow any more", "Rotate it, or raise the limit on the size of files."),
    errno.EACCES: ("this account may not write to it", f"Let the account that runs the playbook write there. {_ELSEWHERE}"),
    errno.EPERM: ("this account may not write to it", f"Let the account that runs the playbook write there. {_ELSEWHERE}"),
    errno.EROFS: ("the file system is read-only", _ELSEWHERE),
    errno.EISDIR: ("it is a folder", f"Name a file in it. {_ELSEWHERE}"),
    errno.ELOOP: ("it is a symbolic link, which may lead anywhere", "Name the file that it leads to."),
    errno.EEXIST: ("a part of its path is no folder", _ELSEWHERE),
    errno.ENOTDIR: ("a part of its path is no folder", _ELSEWHERE),
    errno.ENAMETOOLONG: ("its name is too long", _ELSEWHERE),
    errno.EIO: ("the disk did not take it", "Look into the kernel's log of the controller."),
}


class AuditError(KeywardError):
    """The audit record could not be written, so nothing was disclosed."""


def nowhere() -> AuditError:
    """Neither a file nor a syslog is named."""
    return AuditError(
        _ATTEMPTED,
        meaning=f"no place for it is named; {_NO_KEY}",
        remedy=f"Name a file in 'audit_file' or {AUDIT_FILE_VARIABLE}, or a syslog in 'audit_syslog' or {AUDIT_SYSLOG_VARIABLE}.",
    )


def system_failure(path: Path, error: OSError) -> AuditError:
    """The system refused to open, lock or write the file."""
    number = error.errno or 0
    meaning, remedy = _SYSTEM.get(number, (error.strerror or type(error).__name__, _ELSEWHERE))
    return AuditError(_ATTEMPTED, target=str(path), code=errno.errorcode.get(number, ""), meaning=f"{meaning}; {_NO_KEY}", remedy=remedy)


def unreadable(path: Path, error: OSError) -> AuditError:
    """The system refused to open or read the file."""
    number = error.errno or 0
    meanings = {
        errno.ENOENT: "there is no such file",
        errno.EACCES: "this account may not read it",
        errno.ELOOP: "it is a symbolic link, which may lead anywhere",
        errno.EISDIR: "it is a folder",
    }
    meaning = meanings.get(number, error.strerror or type(error).__name__)
    return AuditError(_READ, target=str(path), code=errno.errorcode.get(number, ""), meaning=meaning, remedy=_ELSEWHERE)


def no_plain_file(path: Path, *, keys: bool = True) -> AuditError:
    """It is a device, a pipe or a socket."""
    meaning = "it is not a regular file"
    return AuditError(
        _ATTEMPTED if keys else _READ, target=str(path), meaning=f"{meaning}; {_NO_KEY}" if keys else meaning, remedy=_ELSEWHERE
    )


def everybody_s(path: Path) -> AuditError:
    """Everybody may write to it."""
    return AuditError(
        _ATTEMPTED,
        target=str(path),
        meaning=f"every account of this machine may write to the file; {_NO_KEY}",
        remedy="Take that right away: chmod o-w.",
    )


def locked(path: Path, seconds: float, *, keys: bool = True) -> AuditError:
    """Another process holds the lock."""
    meaning = f"another process has held the lock of the file for {seconds:.0f} seconds"
    return AuditError(
        _ATTEMPTED if keys else _READ,
        target=str(path),
        meaning=f"{meaning}; {_NO_KEY}" if keys else meaning,
        remedy="Find it with lsof or fuser, then run the task again.",
    )


def broken(path: Path, problem: Problem, more: str = "") -> AuditError:
    """The chain in the file is not whole."""
    return AuditError(
        _ATTEMPTED,
        target=str(path),
        name=problem.fault.value,
        meaning=f"the audit chain is broken; {_NO_KEY}. {problem.text}",
        remedy=more or "Keep the file as evidence, look into it with keyward.bitlocker.disclosure_info, and begin a new one elsewhere.",
    )


def budget_spent(path: Path | None, *, account: str, spent: int, limit: int, free: datetime, key_id: str, more: int = 1) -> AuditError:
    """The account was handed out as many keys as it may be, or would be with ``more``."""
    keys = "key was" if spent == 1 else "keys were"
    where = "by this task" if path is None else f"as {path} says"
    where += f", {more} more are asked for" if more > 1 else ""
    return AuditError(
        "hand out a recovery key",
        target=key_id,
        meaning=f"{spent} {keys} handed out to {account} within an hour, {where}, and max_reveals is {limit}; {_NO_KEY}",
        remedy=f"Wait until {free.astimezone(UTC):%H:%M:%S} UTC, or set 'max_reveals' to a larger number on purpose.",
    )


def syslog_failure(address: str, meaning: str) -> AuditError:
    """The syslog did not accept the record."""
    return AuditError(
        "send the audit record to syslog",
        target=address,
        meaning=f"{meaning}; {_NO_KEY}",
        remedy="Start the log service or correct 'audit_syslog', or name a file in 'audit_file' as well.",
    )
