# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""How the sources of keys are opened from options: ``sources`` and one option of each source's name; for actions and lookups alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible.parsing.dataloader import DataLoader

from .._core.key_lookup import Match, Search
from .._core.key_search import KeySource
from .._errors import OptionError
from .._stores.active_directory import settings as ad
from .._stores.entra import settings as entra
from .disclosure import ENVIRONMENT as DISCLOSURE_ENVIRONMENT
from .inventory import Inventory
from .options import under

HOST, AD, ENTRA, FILE, VAULT = "host", "ad", "entra", "file", "vault"
#: every source, in the order in which they are asked where nobody gives another
SOURCES = (HOST, AD, ENTRA, FILE, VAULT)
#: those that have an option of their name, without which there is nothing to open
CONFIGURED = (AD, ENTRA, FILE, VAULT)

#: environment variables as fallback, of every source's options and of the gate's: the ``environment`` of an action or lookup
KEY_ENVIRONMENT: Mapping[str, str] = {**under(AD, ad.ENVIRONMENT), **under(ENTRA, entra.ENVIRONMENT), **DISCLOSURE_ENVIRONMENT}


def _now() -> datetime:
    return datetime.now(UTC)


def _silent(_text: str) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a task or a lookup gives beside its options.

    ``inventory``: the hosts that a term may name. ``loader``: Ansible's, which has the vault passwords. ``say`` and ``warn`` reach the
    user. ``values``: whether keys themselves will be asked for, and not their metadata alone.
    """

    inventory: Inventory
    loader: DataLoader
    say: Callable[[str], None] = _silent
    warn: Callable[[str], None] = _silent
    values: bool = True
    clock: Callable[[], datetime] = _now


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions:
    """The options of everything that looks for keys, checked: which sources in which order, and how to choose.

    ``params`` are the validated options, of which each source takes its own when it is opened.
    """

    sources: tuple[str, ...]
    search: Search
    match: Match
    params: Mapping[str, Any]

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> KeyOptions:
        """From validated options; one that a plugin does not offer may be missing.

        Raises:
            OptionError: a source is named and not configured, or there is none.
        """
        configured = [name for name in CONFIGURED if params.get(name)]
        sources = tuple(dict.fromkeys(params.get("sources") or configured))
        if not sources:
            raise _refused("no source is named, and none is configured", "Give one of the options ad, entra, file and vault, or sources.")
        for name in sources:
            if name not in SOURCES:
                raise _refused(f"there is no source {name[:40]}", f"Use {', '.join(SOURCES)}.")
            if name in CONFIGURED and not params.get(name):
                raise _refused(f"the source {name} is named, and there is no option {name}", f"Say in the option {name} how to reach it.")
        return cls(
            sources=sources,
            search=Search(params.get("search") or Search.ALL),
            match=Match(params.get("match") or Match.SINGLE),
            params=params,
        )

    @property
    def libraries(self) -> Sequence[str]:
        """What must be installed for these sources, by import name."""
        needed: dict[str, Sequence[str]] = {AD: ["ldap3"], ENTRA: ["msal", "requests"]}
        if VAULT in self.sources:
            from .vault_sealing import libraries_of

            needed[VAULT] = libraries_of(self.params.get(VAULT) or {})
        return [name for source in self.sources for name in needed.get(source, ())]

    def open(self, surroundings: Surroundings) -> dict[str, KeySource]:
        """Every source by name, in their order. No connection is made before something is asked for.

        Raises:
            OptionError: an option of a source cannot be used.
        """
        opened: dict[str, KeySource] = {}
        try:
            for name in self.sources:
                opened[name] = self.open_one(name, surroundings)
        except BaseException:
            for source in opened.values():
                source.close()
            raise
        return opened

    def open_one(self, name: str, around: Surroundings) -> KeySource:
        """One of the sources; OptionError: its options cannot be used."""
        options: Mapping[str, Any] = self.params.get(name) or {}
        # each task of each host is a process: what it does not use it does not import, as that takes longer than finding a key
        if name == HOST:
            from .host_source import HostSource

            return HostSource(around.inventory, now=around.clock, warn=around.warn)
        if name == AD:
            from .._stores.active_directory.source import DirectorySource

            return DirectorySource(ad.DirectorySettings.from_options(options), now=around.clock(), progress=around.say)
        if name == ENTRA:
            from .._stores.entra.source import TenantSource

            tenant = entra.EntraSettings.from_options(options)
            return TenantSource(tenant, now=around.clock(), progress=around.say, values=around.values)
        if name == FILE:
            from .._stores.files.source import FileSettings, FileSource

            return FileSource(FileSettings.from_options(options))
        from .vault_sealing import vault_source

        return vault_source(options, around.loader)


def _refused(meaning: str, remedy: str) -> OptionError:
    return OptionError("open the sources of keys", target="sources", meaning=meaning, remedy=remedy)
