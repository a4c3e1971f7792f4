# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The disclosure gate: the one place where a secret from a store leaves for a user, after its audit record is on disk."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._core.redaction import Secret
from .._errors import KeywardError, OptionError

AUDIT_FILE_VARIABLE = "KEYWARD_AUDIT_FILE"
AUDIT_SYSLOG_VARIABLE = "KEYWARD_AUDIT_SYSLOG"
#: environment fallbacks of the options of the fragment ``keyward.bitlocker.disclosure``, for an action's ``environment``
ENVIRONMENT = {"audit_file": AUDIT_FILE_VARIABLE, "audit_syslog": AUDIT_SYSLOG_VARIABLE}
#: keys for one account and hour, unless more are asked for
MAX_REVEALS = 20
DEFAULT_AUDIT_FILE = "~/.ansible/keyward_audit.jsonl"
SCHEMA_VERSION = 1
#: how long another writer may hold the audit file
LOCK_SECONDS = 10.0
MAX_REASON = 1000


class AuditError(KeywardError):
    """The audit record could not be written, so nothing was disclosed."""


def account_name() -> str:
    """The operating system's account that runs this process; not taken from the environment, which its user can set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def audit_path(option: str | None) -> Path:
    """Where audit records go: the option, else KEYWARD_AUDIT_FILE, else a file in the home directory."""
    return Path(option or os.environ.get(AUDIT_FILE_VARIABLE) or DEFAULT_AUDIT_FILE).expanduser()


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """Why, by whom and in which task secrets are handed out, and where that is recorded.

    ``who`` is the account on the controller, ``on_behalf_of`` the user of an automation platform where it names one. ``task``, ``play``
    and ``host`` say where in the playbook. ``audit_file`` None: see :func:`audit_path`.
    """

    reason: str
    who: str
    task: str
    play: str = ""
    host: str = ""
    on_behalf_of: str | None = None
    plugin: str = ""
    job: str | None = None
    ticket: str | None = None
    audit_file: str | None = None
    audit_syslog: str | None = None
    max_reveals: int = MAX_REVEALS
    warn: Callable[[str], None] | None = None
    clock: Callable[[], datetime] = _now

    def disclose(self, secret: Secret[str], *, key_id: str, owner: str, source: str, action: str = "reveal") -> str:
        """Record one disclosure, then return the secret.

        Args:
            secret: what is handed out.
            key_id: its protector's ID.
            owner: whose it is (a DN, a device, a file).
            source: where it was read from (ad, entra, file, vault, host).
            action: what is done with it (reveal, lookup, copy, sheet, show, job_log, unlock).

        Raises:
            OptionError: there is no reason, or one of more than 1000 characters.
            AuditError: the record could not be written.
        """
        reason = self.reason.strip() if self.reason else ""
        if not reason or len(reason) > MAX_REASON:
            raise OptionError(
                "disclose a recovery key",
                target=key_id,
                meaning="no reason is given" if not reason else f"the reason has more than {MAX_REASON} characters",
                remedy="Say in the option 'reason' why the key is needed, for instance the ticket's number.",
            )
        record = {
            "schema_version": SCHEMA_VERSION,
            "time": self.clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "who": self.who,
            "on_behalf_of": self.on_behalf_of,
            "key_id": key_id,
            "owner": owner,
            "source": source,
            "action": action,
            "reason": reason,
            "ticket": self.ticket,
            "host": self.host,
            "play": self.play,
            "task": self.task,
        }
        append_record(audit_path(self.audit_file), json.dumps(record, ensure_ascii=True))
        return secret.reveal()


def append_record(path: Path, line: str) -> None:
    """Append one line to an audit file and wait until it is on disk; a line that a crash tore before is closed first.

    Raises:
        AuditError: the file is no regular file, cannot be written, or stays locked.
    """
    try:
        _append(path, line.encode("ascii"))
    except OSError as error:
        raise AuditError(
            "write the audit record",
            target=str(path),
            code=f"errno {error.errno}" if error.errno else "",
            meaning=f"{error.strerror or type(error).__name__}; no key was handed out",
            remedy=f"Make the file writable for {account_name()}, or name another one in 'audit_file' or {AUDIT_FILE_VARIABLE}.",
        ) from error


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a regular file")
        _lock(descriptor)
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        rest = (b"\n" if torn else b"") + line + b"\n"
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
        if size == 0:
            _sync_folder(path.parent)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OSError(0, f"another process has held its lock for {LOCK_SECONDS:.0f} seconds") from None
            time.sleep(0.02)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


#: variables in which automation platforms name their user, and their job
_PLATFORM_USERS = ("awx_user_name", "tower_user_name")
_PLATFORM_JOBS = ("awx_job_id", "tower_job_id")
_JOB_VARIABLES = ("CI_JOB_URL", "GITHUB_RUN_ID")


def lookup_disclosure(
    variables: Mapping[str, Any], params: Mapping[str, Any], plugin: str, *, warn: Callable[[str], None] | None = None
) -> Disclosure:
    """The gate of a lookup, which knows of its task only what its variables tell; see :func:`task_disclosure`."""
    host = str(variables.get("inventory_hostname", ""))
    return task_disclosure(variables, params, plugin=plugin, task=f"lookup {plugin}", host=host, warn=warn)


def task_disclosure(
    variables: Mapping[str, Any],
    params: Mapping[str, Any],
    *,
    plugin: str,
    task: str,
    host: str,
    warn: Callable[[str], None] | None = None,
) -> Disclosure:
    """The gate, from the options of the fragment ``keyward.bitlocker.disclosure`` and from a task's variables."""
    job = next((str(variables[name]) for name in _PLATFORM_JOBS if variables.get(name)), None)
    return Disclosure(
        reason=params.get("reason") or "",
        ticket=params.get("ticket"),
        who=account_name(),
        on_behalf_of=next((str(variables[name]) for name in _PLATFORM_USERS if variables.get(name)), None),
        job=job or next((os.environ[name] for name in _JOB_VARIABLES if os.environ.get(name)), None),
        plugin=plugin,
        task=task,
        play=str(variables.get("ansible_play_name", "")),
        host=host,
        audit_file=params.get("audit_file"),
        audit_syslog=params.get("audit_syslog"),
        max_reveals=MAX_REVEALS if params.get("max_reveals") is None else int(params["max_reveals"]),
        warn=warn,
    )
