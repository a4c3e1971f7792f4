# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The disclosure gate: the one place where a secret from a store leaves for a user, after its audit record is where it lasts."""

from __future__ import annotations

import os
import platform
import pwd
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._core.audit_chain import Head, Kind, genesis, parse, successor
from .._core.redaction import Secret, without_recovery_passwords
from .._errors import OptionError
from . import audit_failures as failures
from . import audit_syslog
from .audit_failures import AUDIT_FILE_VARIABLE, AUDIT_SYSLOG_VARIABLE, AuditError
from .audit_file import HOUR, AuditFile

#: environment fallbacks of the options of the fragment ``keyward.bitlocker.disclosure``, for an action's ``environment``
ENVIRONMENT = {"audit_file": AUDIT_FILE_VARIABLE, "audit_syslog": AUDIT_SYSLOG_VARIABLE}
#: keys for one account and hour, unless more are asked for
MAX_REVEALS = 20
MAX_REASON = 1000
#: characters of any other text in a record; the rest is cut off
MAX_TEXT = 500
#: what may be done with a key that leaves
ACTIONS = frozenset({"reveal", "lookup", "copy", "sheet", "show", "job_log", "unlock"})

#: the audit files of this process, each with where it left the chain
_FILES: dict[str, AuditFile] = {}
#: what the lookups of a process gave where there is no file: each item of a loop has a gate of its own, and they are one task
_OF_LOOKUPS: dict[int, _Own] = {}


def account_name() -> str:
    """The operating system's account that runs this process; not taken from the environment, which its user can set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def audit_path(option: str | None) -> Path | None:
    """Where audit records go: the option, else KEYWARD_AUDIT_FILE, else nowhere."""
    named = option or os.environ.get(AUDIT_FILE_VARIABLE)
    return Path(named).expanduser().absolute() if named else None


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Own:
    """The chain of a gate that has no file: it begins with the gate, and what it counts are its own keys."""

    head: Head | None = None
    times: deque[datetime] = field(default_factory=deque)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """Why, by whom and in which task secrets are handed out, and where that is recorded.

    ``who`` is the account on the controller, ``on_behalf_of`` the user of an automation platform where it names one, ``job`` its job.
    ``plugin``, ``task``, ``play`` and ``host`` say where in the playbook. ``audit_file`` and ``audit_syslog`` None: what the environment
    says. ``max_reveals``: keys that ``who`` may be handed out within an hour. ``warn`` is told of a syslog that is down while the file is
    not.
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
    _own: _Own = field(default_factory=_Own, repr=False, compare=False)

    def disclose(self, secret: Secret[str], *, key_id: str, owner: str, source: str, action: str = "reveal") -> str:
        """Record one disclosure, then return the secret.

        Args:
            secret: what is handed out.
            key_id: its protector's ID.
            owner: whose it is (a DN, a device, a file).
            source: where it was read from (ad, entra, file, vault, host).
            action: what is done with it, one of :data:`ACTIONS`.

        Raises:
            OptionError: there is no reason, or one of more than 1000 characters; ``max_reveals`` is less than 1.
            AuditError: the record could not be written, or ``max_reveals`` are spent.
        """
        if action not in ACTIONS:
            raise ValueError(f"{action} is no action")
        self._check(key_id)
        self._record({"key_id": key_id, "owner": owner, "source": source, "action": action})
        return secret.reveal()

    def prepare(self, number: int) -> None:
        """Refuse before anything is read what :meth:`disclose` would refuse for ``number`` keys whatever they are.

        Raises:
            OptionError: there is no reason, or ``max_reveals`` is less than that.
            AuditError: there is no place to record, its chain is broken, or so many are not left of ``max_reveals``.
        """
        self._check("")
        if number > self.max_reveals:
            raise OptionError(
                "disclose recovery keys",
                target="option max_reveals",
                meaning=f"they are {number}, and {self.max_reveals} may be handed out within an hour",
                remedy="Give a larger max_reveals on purpose, or ask for fewer.",
            )
        path, _address = self._places()
        if path is not None:
            _audit_file(path).check(self.who, number, now=self.clock(), limit=self.max_reveals)
        else:
            self._count_own(self.clock(), number)

    def _check(self, key_id: str) -> None:
        reason = self.reason.strip() if self.reason else ""
        if not reason or len(reason) > MAX_REASON:
            raise OptionError(
                "disclose a recovery key",
                target=key_id,
                meaning="no reason is given" if not reason else f"the reason has more than {MAX_REASON} characters",
                remedy="Say in the option 'reason' why the key is needed, for instance the ticket's number.",
            )
        if self.max_reveals < 1:
            raise OptionError(
                "disclose a recovery key",
                target="option max_reveals",
                meaning=f"{self.max_reveals} is less than 1",
                remedy="Say how many keys may be handed out within an hour.",
            )

    def _places(self) -> tuple[Path | None, str | None]:
        """The file and the syslog, at least one of them."""
        path = audit_path(self.audit_file)
        address = audit_syslog.syslog_address(self.audit_syslog or os.environ.get(AUDIT_SYSLOG_VARIABLE))
        if path is None and address is None:
            raise failures.nowhere()
        return path, address

    def _record(self, about: Mapping[str, str]) -> None:
        """Write a record to the file, or to syslog alone where there is no file."""
        path, address = self._places()
        now = self.clock()
        fields: dict[str, str | None] = {
            "who": self.who,
            "on_behalf_of": self.on_behalf_of,
            **about,
            "ticket": self.ticket,
            "node": platform.node(),
            "job": self.job,
            "plugin": self.plugin,
            "host": self.host,
            "play": self.play,
            "task": self.task,
        }
        # a password that somebody put into a reason or a task's name would stay in the file for good
        record = {name: None if text is None else without_recovery_passwords(str(text))[:MAX_TEXT] for name, text in fields.items()}
        record["reason"] = without_recovery_passwords(self.reason.strip())
        if path is None:
            self._to_syslog_alone(str(address), record, now)
            return
        lines = _audit_file(path).append(record, now=now, limit=self.max_reveals)
        if address is not None:
            try:
                audit_syslog.send(address, lines, now=now)
            except AuditError as problem:
                if self.warn is not None:
                    self.warn(f"The audit record is in {path}, but not in syslog ({address}): {problem.meaning.partition(';')[0]}.")

    def _count_own(self, now: datetime, number: int, key_id: str = "") -> None:
        """Refuse so many keys more where there is no file that counts."""
        times, limit = self._own.times, self.max_reveals
        while times and times[0] <= now - HOUR:
            times.popleft()
        too_many = len(times) + number - limit
        if too_many > 0:
            free = times[min(too_many, len(times)) - 1] + HOUR if times else now
            raise failures.budget_spent(None, account=self.who, spent=len(times), limit=limit, free=free, key_id=key_id, more=number)

    def _to_syslog_alone(self, address: str, record: Mapping[str, str | None], now: datetime) -> None:
        own = self._own
        self._count_own(now, 1, str(record.get("key_id", "")))
        lines = []
        if own.head is None:
            lines.append(genesis(uuid.uuid4().hex, now, node=platform.node(), who=self.who))
        head = own.head or parse(lines[0]).head
        lines.append(successor(head, Kind.DISCLOSURE, now, record))
        audit_syslog.send(address, lines, now=now)
        own.head = parse(lines[-1]).head
        own.times.append(now)


def _audit_file(path: Path) -> AuditFile:
    return _FILES.setdefault(str(path), AuditFile(path))


#: variables in which automation platforms name their user, and their job
_PLATFORM_USERS = ("awx_user_name", "tower_user_name")
_PLATFORM_JOBS = ("awx_job_id", "tower_job_id")
_JOB_VARIABLES = ("CI_JOB_URL", "GITHUB_RUN_ID")


def lookup_disclosure(
    variables: Mapping[str, Any], params: Mapping[str, Any], plugin: str, *, warn: Callable[[str], None] | None = None
) -> Disclosure:
    """The gate of a lookup, which knows of its task only what its variables tell; see :func:`task_disclosure`."""
    host = str(variables.get("inventory_hostname", ""))
    made = task_disclosure(variables, params, plugin=plugin, task=f"lookup {plugin}", host=host, warn=warn)
    return replace(made, _own=_OF_LOOKUPS.setdefault(os.getpid(), _Own()))


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
