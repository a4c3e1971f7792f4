# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a lookup that hands out keys does around the search: options, errors, and what is kept for the next item of a loop.

A lookup is made anew for each item of a loop, and knows nothing of its task. But a worker of Ansible's runs one task on one host, with all
of its items, and nothing else (``ansible.executor.process.worker``): what such a process keeps is kept for this task. In the main process,
which templates for many tasks, nothing is kept beyond the call.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError

from .._core.key_lookup import FoundKey
from .._core.redaction import Mask
from .._errors import KeywardError
from .._report.terminal import printable
from .base import MissingLibraryError, secrets_in, surprise
from .collector import collector_at_rest
from .disclosure import lookup_disclosure
from .hardening import harden_process
from .inventory import Inventory
from .key_finding import Gate, KeyFinder
from .key_rows import key_row
from .key_sources import KEY_ENVIRONMENT, KeyOptions, Surroundings
from .options import OptionSpec, derive, plain

try:
    from jinja2 import Undefined
except ImportError:  # ansible-core stands on it; this is for whoever reads the file without
    Undefined = None  # type: ignore[assignment,misc]  # never compared with then

LOOKUPS = Path(__file__).resolve().parents[2] / "lookup"
#: the options that say what is searched; searches that differ in others can share what was read
_OF_SOURCES = ("sources", "search", "ad", "entra", "file", "vault")
#: different searches of one task that are kept
_MOST_KEPT = 4
_kept: list[tuple[int, Mapping[str, Any], KeyFinder]] = []


@cache
def spec_of(lookup: str) -> OptionSpec:
    """The argument spec of a lookup, from its documentation."""
    documentation = LOOKUPS / f"{lookup}.py"
    rules = {"": {"required_one_of": [("reason",)]}}
    return derive(lookup, rules=rules, environment=KEY_ENVIRONMENT, documentation=documentation, plugin_type="lookup")


class KeyLookup:
    """One call of a lookup.

    Args:
        name: its short name.
        loader: Ansible's loader, which has the vault passwords.
        display: Ansible's display.
    """

    def __init__(self, name: str, *, loader: Any, display: Any) -> None:
        self._name = name
        self._loader = loader
        self._display = display
        self._mask = Mask()

    @collector_at_rest()
    def run(self, terms: Sequence[Any], variables: Mapping[str, Any], options: Mapping[str, Any]) -> list[Any]:
        """The keys of the terms, or their records.

        Raises:
            AnsibleError: our own sentence, which never holds a secret; or Ansible's own for a variable that is not defined.
        """
        # whatever Ansible has to say of a variable it says here
        words = [str(_given(term)) for item in terms for term in (item if isinstance(item, list | tuple) else [item])]
        arguments = {str(name): _given(value) for name, value in options.items()}
        try:
            return self._run(words, variables, arguments)
        except KeywardError as error:
            told = str(error)
        except AnsibleError:
            # a variable of the inventory that cannot be templated: Ansible's own text
            raise
        except Exception as error:  # noqa: BLE001 (a foreign text may quote a secret: none may escape)
            told = str(surprise(error, self._name, revealing=True))
        # outside of the handler, so that no cause that could be shown goes with it
        raise AnsibleLookupError(printable(self._mask.text(told)))

    def _run(self, terms: Sequence[str], variables: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[Any]:
        harden_process()
        checked = spec_of(self._name).validate(arguments)
        params = checked.values
        for secret in secrets_in(params):
            self._mask.learn(secret)
        for warning in checked.warnings:
            self._warn(warning)
        gate = lookup_disclosure(variables, params, self._name, warn=self._warn)
        gate.prepare(1)
        options = KeyOptions.from_params(params)
        if missing := [name for name in options.libraries if importlib.util.find_spec(name) is None]:
            raise MissingLibraryError(missing)
        finder, keep = self._finder(options, variables)
        try:
            found = finder.find(terms, match=options.match)
            gate.prepare(len(found))
            return _handed_out(finder, found, gate, with_record=bool(params["record"]))
        finally:
            if not keep:
                finder.close()

    def _finder(self, options: KeyOptions, variables: Mapping[str, Any]) -> tuple[KeyFinder, bool]:
        """A finder, and whether it stays open for the task's next item."""
        if multiprocessing.parent_process() is None:
            return self._opened(options, variables), False
        _kept[:] = [kept for kept in _kept if kept[0] == os.getpid()]
        wanted = {name: options.params.get(name) for name in _OF_SOURCES}
        for _process, params, finder in _kept:
            if params == wanted:
                return finder, True
        finder = self._opened(options, variables)
        if len(_kept) >= _MOST_KEPT:
            return finder, False
        _kept.append((os.getpid(), wanted, finder))
        return finder, True

    def _opened(self, options: KeyOptions, variables: Mapping[str, Any]) -> KeyFinder:
        around = Surroundings(inventory=Inventory(variables), loader=self._loader, say=self._say, warn=self._warn)
        return KeyFinder(options, around)

    def _say(self, text: str) -> None:
        self._display.display("\n".join(printable(line) for line in self._mask.text(text).split("\n")))

    def _warn(self, text: str) -> None:
        self._display.warning(printable(self._mask.text(text)))


def _handed_out(finder: KeyFinder, found: Sequence[FoundKey], gate: Gate, *, with_record: bool) -> list[Any]:
    read = list(finder.read(found))
    # not one is recorded as handed out if another cannot be, as a lookup returns all or nothing
    for key in read:
        if isinstance(key, KeywardError):
            raise key
    rows: list[Any] = []
    for key in read:
        if not isinstance(key, KeywardError):
            password = key.disclose(gate, "lookup")
            rows.append(key_row(key.found, password) if with_record else password)
    return rows


def _given(value: Any) -> Any:
    """A template's value as Python's own types; one that is not defined raises Ansible's error (before 2.19 plugins get a stand-in)."""
    if Undefined is not None and isinstance(value, Undefined):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(name)): _given(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_given(item) for item in value]
    return plain(value)
