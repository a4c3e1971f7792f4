# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Base of every action: options in, one call, a result out; no exception and no secret leaves it.

An exception that an action raises is not censored by Ansible, whatever no_log says: its text goes to the screen, and ansible-core 2.19
keeps ``exception`` even of a censored result. So every failure becomes a result here, and its text never holds a secret.
"""

from __future__ import annotations

import importlib.util
import traceback
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase

from .._core.redaction import Mask, Secret
from .._errors import KeywardError, OptionError
from .._report.terminal import printable
from .._windows.wsman.settings import ConnectionSettings
from .collector import collector_at_rest
from .connection import resolve_connection
from .disclosure import Disclosure, task_disclosure
from .hardening import harden_process
from .host_options import Keywords
from .options import Environment, OptionSpec, Rules, derive

_PLUGINS = Path(__file__).resolve().parents[2]

#: import name -> the name to install
LIBRARIES = {
    "winrm": "pywinrm",
    "kerberos": "pykerberos",
    "requests_credssp": "requests-credssp",
    "requests_ntlm": "requests-ntlm",
    "ldap3": "ldap3",
    "gssapi": "gssapi",
    "dns": "dnspython",
    "msal": "msal",
    "requests": "requests",
    "jmespath": "jmespath",
    "cryptography": "cryptography",
    "sqlalchemy": "SQLAlchemy",
    "psycopg": "psycopg[binary]",
    "reportlab": "reportlab",
    "pyrage": "pyrage",
}


class MissingLibraryError(KeywardError):
    """A Python library that this task needs is not installed on the controller."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("start the task", target=", ".join(LIBRARIES.get(name, name) for name in names))
        self.names = tuple(names)

    def __str__(self) -> str:
        return " ".join(str(missing_required_lib(LIBRARIES.get(name, name))) for name in self.names)


class KeywardAction(ActionBase):
    """An action of this collection; subclasses give :meth:`run_action` and, beside it, what documentation cannot say.

    The class attributes are those of :func:`options.derive`. The argument spec is derived when the class is made, which Ansible's main
    process does before it forks, so hosts cost nothing.
    """

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    rules: ClassVar[Rules] = {}
    environment: ClassVar[Environment] = {}
    documentation: ClassVar[Path | None] = None

    _spec: ClassVar[OptionSpec | None] = None

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls._spec = None
        with suppress(OptionError):  # an import must not fail; the same error comes, as a result, when a task runs
            cls.option_spec()

    @classmethod
    def action_name(cls) -> str:
        """The short name: that of the action's file, which is also that of its documentation."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def option_spec(cls) -> OptionSpec:
        """The action's argument spec, derived once."""
        if cls._spec is None:
            cls._spec = derive(cls.action_name(), rules=cls.rules, environment=cls.environment, documentation=cls.documentation)
        return cls._spec

    @abstractmethod
    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do the work: validated options (secrets as ``Secret``) in, result out. Failures are raised as ours."""

    def reveals(self, params: Mapping[str, Any]) -> bool:
        """Whether the result will hold a secret; decided from the options, before any work."""
        return False

    def revealed(self, result: Mapping[str, Any]) -> bool:
        """Whether this result of a task that reveals holds a secret indeed; one that surely does not is shown."""
        return True

    @property
    def _mask(self) -> Mask:
        """Of what this action was entrusted with, from the moment it is known."""
        mask: Mask = self.__dict__.setdefault("_masking", Mask())
        return mask

    @property
    def check_mode(self) -> bool:
        """Whether nothing may be changed."""
        return bool(self._task.check_mode)

    @collector_at_rest()
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ansible's entry: refuse what cannot work, validate, run, and turn every failure into a result."""
        self._revealing = False
        asked_no_log = self._task.no_log
        try:
            result: dict[str, Any] = self.masked(self._run(task_vars or {}))
            if self._revealing and self.revealed(result):
                result["_ansible_no_log"] = True
            else:
                self._task.no_log = asked_no_log
            return result
        except KeywardError as error:
            result = self.failure(error)
        except Exception as error:  # noqa: BLE001 (a raised exception is not censored by Ansible: none may escape)
            result = self.failure(self._surprise(error))
            if not self._revealing:  # not as the result's ``exception``: ansible-core 2.19 shows that to nobody by default
                self._display.vvv(self._mask.text(_places(error)), host=self.target(task_vars or {})[0])
        # nothing was revealed and our texts hold no secret: a failure that nobody can read helps nobody
        self._task.no_log = asked_no_log
        masked: dict[str, Any] = self.masked(result)
        return masked

    def _run(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        self._refuse_keywords()
        result = dict(super().run(None, task_vars))
        params = self.option_spec().validate(self._task.args)
        if self.reveals(params.values):
            self._revealing = True
            self._task.no_log = True
        for secret in secrets_in(params.values):
            self._mask.learn(secret)
        if self._revealing or _holds_secret(params.values):
            harden_process()
        for warning in params.warnings:
            self.warn(warning)
        result.update(self.run_action(params.values, task_vars))
        return result

    def _refuse_keywords(self) -> None:
        if self._task.async_val:
            raise OptionError(
                "run the task",
                target=self.action_name(),
                meaning="async is set, and this action works on the controller, not as a job on the host",
                remedy="Remove async and poll from the task.",
            )
        if self._task.become or self._play_context.become:
            raise OptionError(
                "run the task",
                target=self.action_name(),
                meaning="become is set, and there is no other account to become: all is done as the account that connects",
                remedy="Set become: false on the task, and connect as an account with the rights.",
            )

    # --- what subclasses use --------------------------------------------------------------------------------------------------------------

    def failure(self, error: KeywardError) -> dict[str, Any]:
        """The result of a failed task; subclasses may add to it."""
        # ansible-core 2.19 writes the message to the terminal as it is, and a file, a device or a host may be called anything
        return {"failed": True, "changed": False, "msg": printable(str(error)), "error": describe(error)}

    def connection_settings(self, task_vars: Mapping[str, Any]) -> ConnectionSettings:
        """How the task's host (with ``delegate_to``: that host) is reached; its warnings are shown, once a run.

        Raises:
            OptionError: see :func:`connection.resolve_connection`.
        """
        host, variables = self.target(task_vars)
        templar = self._templar.copy_with_new_env(available_variables=dict(variables))
        keywords = Keywords(
            connection=self._task.connection,
            remote_user=self._task.remote_user,
            port=self._task.port,
            password=self._play_context.password or None,
        )
        settings = resolve_connection(variables, template=templar.template, keywords=keywords, name=host)
        if settings.password is not None:
            self._mask.learn(settings.password)
            harden_process()
        for warning in settings.warnings:
            self.warn(warning)
        return settings

    def target(self, task_vars: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Name and variables of the host that the task is about: its own, or the one it is delegated to."""
        if self._task.delegate_to:
            delegate = str(self._task.delegate_to)
            return delegate, task_vars.get("ansible_delegated_vars", {}).get(delegate, {})
        return str(task_vars.get("inventory_hostname", "")), task_vars

    def disclosure(self, params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Disclosure:
        """The disclosure gate of this task, from the options of the fragment ``keyward.bitlocker.disclosure``."""
        return task_disclosure(
            task_vars,
            params,
            plugin=self.action_name(),
            task=str(self._task.get_name()),
            host=self.target(task_vars)[0],
            warn=self.warn,
        )

    def masked(self, value: Any) -> Any:
        """A copy of a result, or of a part of a report, without the secrets of this task in any text that a peer had a part in."""
        return self._mask.prose(value)

    def say(self, text: str) -> None:
        """Print lines to the user's terminal, from a worker too; nothing in them can command the terminal."""
        self._display.display("\n".join(printable(line) for line in self._mask.text(text).split("\n")))

    def warn(self, text: str) -> None:
        """Warn the user; the same text is shown once a run, so it should not name the host."""
        self._display.warning(printable(self._mask.text(text)))

    def require(self, *names: str) -> None:
        """Check that libraries can be imported, by import name, and report all that are missing at once.

        Raises:
            MissingLibraryError: at least one is not there.
        """
        if missing := [name for name in names if importlib.util.find_spec(name) is None]:
            raise MissingLibraryError(missing)

    def _surprise(self, error: Exception) -> KeywardError:
        return surprise(error, self.action_name(), revealing=self._revealing)


def surprise(error: Exception, name: str, *, revealing: bool) -> KeywardError:
    """The error of ours for an exception that nobody expected in the plugin ``name``: its kind and place, and not its text."""
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] in LIBRARIES:
        return MissingLibraryError([(error.name or "").partition(".")[0]])
    return KeywardError(
        f"finish {name}",
        target=_place(error),
        name=type(error).__name__,
        meaning="an unexpected failure; its text is withheld, as it may hold a secret",
        remedy="This is a defect of keyward.bitlocker: please report it with this place"
        + (" (a task that reveals shows no more)." if revealing else " and the output of -vvv."),
    )


def describe(error: KeywardError) -> dict[str, str]:
    """An error of ours as data for a result."""
    return {
        "type": type(error).__name__,
        "attempted": error.attempted,
        "target": error.target,
        "code": error.code,
        "name": error.name,
        "meaning": error.meaning,
        "remedy": error.remedy,
    }


def _holds_secret(value: Any) -> bool:
    return next(secrets_in(value), None) is not None


def secrets_in(value: Any) -> Iterator[Secret[str]]:
    """Every secret of validated options, at any depth."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from secrets_in(item)


def _place(error: BaseException) -> str:
    """Where it happened, as the innermost place in this collection's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).resolve().is_relative_to(_PLUGINS)] or list(frames)
    return f"{Path(own[-1].filename).name} line {own[-1].lineno} in {own[-1].name}" if own else ""


def _places(error: BaseException) -> str:
    """A traceback of places and kinds, with the text of our own errors only: a foreign text may quote a secret."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < 16:
        text = f": {current}" if isinstance(current, KeywardError) else " (text withheld)"
        frames = "".join(f'  File "{f.filename}", line {f.lineno}, in {f.name}\n' for f in traceback.extract_tb(current.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{type(current).__name__}{text}\n")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n".join(reversed(parts))
