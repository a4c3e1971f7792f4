# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The audit file: one chain of lines that any number of processes append to, each line on disk before the call returns.

All is done under the file's lock: reading what others appended, counting, writing. A process remembers where it left the chain, and
reads only what came since; a process that begins reads back at least an hour. The head is also kept in a file beside it (``.head``), so
that a file that was cut or replaced in between is noticed: no proof, as who can write the one can write the other.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .._core.audit_chain import BrokenLineError, Fault, Head, Kind, Problem, Record, genesis, parse, seal, successor
from . import audit_failures as failures
from .audit_head import HeadFile
from .audit_part import Part, compare, completes, count_lines, read_whole, window

#: how long another writer may hold the file
LOCK_SECONDS = 10.0
HOUR = timedelta(hours=1)
_BEGINNING = b'{"chain":"'


@dataclass(slots=True)
class _Known:
    """Where the chain was left: the file's identity and size, its head, the offset of the head's line, and who was given keys when."""

    identity: tuple[int, int]
    size: int = 0
    head: Head | None = None
    last_at: int = 0
    torn: bytes = b""
    former: Head | None = None
    spent: deque[tuple[datetime, str]] = field(default_factory=deque)

    def take(self, record: Record) -> None:
        """Remember whom a key was handed out to."""
        if record.kind is Kind.DISCLOSURE:
            self.spent.append((record.time, str(record.fields.get("who"))))


class AuditFile:
    """One audit file, for this process and for those that it forks. Threads may share it."""

    def __init__(self, path: Path, *, lock_seconds: float | None = None) -> None:
        self.path = path
        self._head_file = HeadFile(path.with_name(path.name + ".head"))
        self._lock_seconds = lock_seconds
        self._guard = threading.Lock()
        self._known: _Known | None = None

    def append(self, fields: Mapping[str, Any], *, now: datetime, limit: int | None = None) -> list[bytes]:
        """Append a record, and return the lines that were written, without their ends, once they are on disk.

        Args:
            fields: the record; ``who`` is the account that counts.
            now: its time.
            limit: how many keys ``who`` may have been handed out within the hour, this one included; None counts nothing.

        Raises:
            AuditError: it could not be written, or is one too many; nothing was.
        """
        with self._guard:
            try:
                descriptor = self._open()
                try:
                    return self._append(descriptor, fields, now, limit)
                finally:
                    os.close(descriptor)
            except OSError as error:
                self._known = None
                raise failures.system_failure(self.path, error) from error
            except failures.AuditError:
                self._known = None
                raise

    def check(self, who: str, number: int, *, now: datetime, limit: int) -> None:
        """Refuse what :meth:`append` would refuse for ``number`` keys of ``who``; nothing is written, and no file is made.

        Raises:
            AuditError: the file cannot be used, its chain is broken, or so many keys are not left.
        """
        with self._guard:
            try:
                descriptor = self._open(make=False)
                try:
                    known = self._catch_up(descriptor, os.fstat(descriptor), now)
                    self._count(known, {"who": who}, now, limit, number)
                    # with a torn end there is something to close, which the next writer must see for itself
                    self._known = known if known.size == os.fstat(descriptor).st_size else None
                finally:
                    os.close(descriptor)
            except FileNotFoundError as error:
                self._known = None
                # a key that is read in vain leaves a record in Entra ID that nobody can explain
                folder = next(folder for folder in self.path.parents if folder.exists())
                if not os.access(folder, os.W_OK | os.X_OK):
                    number = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
                    raise failures.system_failure(self.path, OSError(number, "")) from error
            except OSError as error:
                self._known = None
                raise failures.system_failure(self.path, error) from error
            except failures.AuditError:
                self._known = None
                raise

    # --- the file -------------------------------------------------------------------------------------------------------------------------

    def _open(self, *, make: bool = True) -> int:
        """Open and lock the file that the path names now; one that was rotated away while waiting is let go."""
        if make:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        seconds = LOCK_SECONDS if self._lock_seconds is None else self._lock_seconds
        deadline = time.monotonic() + seconds
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_CREAT if make else 0)
        while True:
            descriptor = os.open(self.path, flags, 0o600)
            try:
                about = os.fstat(descriptor)
                if not stat.S_ISREG(about.st_mode):
                    raise failures.no_plain_file(self.path)
                if about.st_mode & stat.S_IWOTH:
                    raise failures.everybody_s(self.path)
                self._lock(descriptor, deadline, seconds)
                with suppress(FileNotFoundError):
                    if _identity(os.stat(self.path, follow_symlinks=False)) == _identity(about):
                        return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _lock(self, descriptor: int, deadline: float, seconds: float) -> None:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise failures.locked(self.path, seconds) from None
                time.sleep(0.005)

    def _append(self, descriptor: int, fields: Mapping[str, Any], now: datetime, limit: int | None) -> list[bytes]:
        about = os.fstat(descriptor)
        known = self._catch_up(descriptor, about, now)
        if limit is not None:
            self._count(known, fields, now, limit)
        lines: list[bytes] = []
        head = known.head
        if head is None:
            facts = {"node": str(fields.get("node", "")), "who": str(fields.get("who", ""))}
            lines.append(genesis(uuid.uuid4().hex, now, former=known.former, torn=known.torn, **facts))
            head = parse(lines[0]).head
        elif known.torn:
            lines.append(seal(head, now, known.torn))
            head = parse(lines[0]).head
        lines.append(successor(head, Kind.DISCLOSURE, now, fields))
        record = parse(lines[-1])
        data = b"".join(line + b"\n" for line in lines)
        if about.st_size and known.size != about.st_size:
            # what stands behind the last line's end is closed, whether it is a whole record or a torn one
            data = b"\n" + data
        _write(descriptor, data, about.st_size)
        if about.st_size == 0:
            _sync_folder(self.path.parent)
        known.size, known.head, known.torn = about.st_size + len(data), record.head, b""
        known.last_at = known.size - len(lines[-1]) - 1
        known.take(record)
        self._known = known
        self._head_file.write(record.head, mode=about.st_mode)
        return lines

    def _count(self, known: _Known, fields: Mapping[str, Any], now: datetime, limit: int, number: int = 1) -> None:
        while known.spent and known.spent[0][0] <= now - HOUR:
            known.spent.popleft()
        if len(known.spent) + number <= limit:
            return
        who = str(fields.get("who"))
        times = sorted(moment for moment, account in known.spent if account == who and moment > now - HOUR)
        too_many = len(times) + number - limit
        if too_many > 0:
            free = times[min(too_many, len(times)) - 1] + HOUR if times else now
            about = str(fields.get("key_id", ""))
            raise failures.budget_spent(self.path, account=who, spent=len(times), limit=limit, free=free, key_id=about, more=number)

    # --- what is in it --------------------------------------------------------------------------------------------------------------------

    def _catch_up(self, descriptor: int, about: os.stat_result, now: datetime) -> _Known:
        """What the file holds now: with what was left the last time and what others appended since, or read anew."""
        identity, size, known = _identity(about), about.st_size, self._known
        if size == 0:
            return self._begun(identity, now)
        if known is None or known.identity != identity or known.head is None:
            return self._read_back(descriptor, identity, size, now)
        if size < known.size:
            text = f"It has {size} bytes, and had {known.size} a moment ago with record {known.head.seq} at its end: the end was cut off."
            raise failures.broken(self.path, Problem(Fault.CUT, 0, text))
        last = read_whole(descriptor, known.last_at, known.size)
        try:
            same = last.endswith(b"\n") and parse(last[:-1]).head == known.head
        except BrokenLineError:
            same = False
        if not same:
            text = f"Record {known.head.seq} is not what was written a moment ago: it was rewritten."
            raise failures.broken(self.path, Problem(Fault.REWRITTEN, 0, text))
        if size > known.size:
            part = Part(known.size, read_whole(descriptor, known.size, size), after=known.head)
            self._settle(descriptor, part, known)
        return known

    def _begun(self, identity: tuple[int, int], now: datetime) -> _Known:
        """An empty file: its chain will name the head of the former one, and what that says of the last hour still counts."""
        former, rotated = self._head_file.read(), self._rotated(now)
        known = _Known(identity, former=former or (rotated.reading.head if rotated else None))
        self._count_rotated(known, rotated, known.former)
        return known

    def _rotated(self, now: datetime) -> Part | None:
        """The last hour of the file that was rotated away, None where there is none."""
        with suppress(OSError):
            descriptor = os.open(self.path.with_name(self.path.name + ".1"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                about = os.fstat(descriptor)
                if stat.S_ISREG(about.st_mode) and about.st_size:
                    return window(descriptor, about.st_size, now - HOUR)
            finally:
                os.close(descriptor)
        return None

    @staticmethod
    def _count_rotated(known: _Known, rotated: Part | None, former: Head | None) -> None:
        """Count the keys of the file before, if that is the one whose end is known."""
        if rotated is not None and rotated.reading.intact and rotated.reading.head == former:
            for record in rotated.records:
                known.take(record)

    def _read_back(self, descriptor: int, identity: tuple[int, int], size: int, now: datetime) -> _Known:
        """What the last hour of the file says, and whether its end is the one that was kept."""
        part = window(descriptor, size, now - HOUR)
        known = _Known(identity)
        first = part.records[0] if part.records else None
        if first is not None and first.former is not None and first.time > now - HOUR:
            # the chain began within the hour: so did not the count
            self._count_rotated(known, self._rotated(now), first.former)
        self._settle(descriptor, part, known)
        kept = self._head_file.read()
        if known.head is None:
            if not known.torn.startswith(_BEGINNING[: len(known.torn)]):
                raise failures.broken(self.path, Problem(Fault.FOREIGN, 1, "Line 1 is no record of an audit chain."))
            known.former = kept
        elif kept is not None and (problem := compare(kept, known.head, part.records)) is not None:
            more = f"If it was changed on purpose, remove {self._head_file.path}. Otherwise keep both files as evidence."
            raise failures.broken(self.path, problem, more)
        return known

    def _settle(self, descriptor: int, part: Part, known: _Known) -> None:
        """Take a part of the file into what is known; what is wrong with it is told with its lines' numbers in the file."""
        if part.wrong is not None:
            before = count_lines(descriptor, part.start)
            raise failures.broken(self.path, Part(part.start, part.data, after=part.after, before=before).wrong or part.wrong)
        for record in part.records:
            known.take(record)
        known.head, known.torn = part.reading.head, part.reading.torn
        whole = part.data[: len(part.data) - len(known.torn)]
        known.size = part.start + len(whole)
        if whole:
            known.last_at = part.start + whole.rfind(b"\n", 0, len(whole) - 1) + 1
        if known.head is not None and known.torn and (last := completes(known.head, known.torn)) is not None:
            known.take(last)
            known.head, known.torn = last.head, b""


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _write(descriptor: int, data: bytes, size: int) -> None:
    """Append all and wait for the disk; what was written of it is taken back when that fails."""
    rest = data
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        # an append-only file keeps it: then the next writer closes the torn line
        with suppress(OSError):
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
