# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The stores that a run reads, from the options that bear their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .._stores.active_directory import settings as ad
from .._stores.active_directory.store import ActiveDirectoryStore
from .._stores.entra import settings as entra
from .._stores.entra.store import EntraStore
from .._stores.port import Store
from .options import under

#: environment variables as fallback, of every store's options
STORE_ENVIRONMENT: Mapping[str, str] = {**under("ad", ad.ENVIRONMENT), **under("entra", entra.ENVIRONMENT)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSources:
    """How to reach each store, None where its option was not given."""

    directory: ad.DirectorySettings | None = None
    tenant: entra.EntraSettings | None = None

    @classmethod
    def from_options(cls, params: Mapping[str, Any]) -> StoreSources:
        """From the options ``ad`` and ``entra``.

        Raises:
            OptionError: an option of a store cannot be used.
        """
        return cls(
            directory=ad.DirectorySettings.from_options(params["ad"]) if params["ad"] else None,
            tenant=entra.EntraSettings.from_options(params["entra"]) if params["entra"] else None,
        )

    @property
    def names(self) -> Sequence[str]:
        """The stores that this run can read."""
        return [name for name, settings in (("ad", self.directory), ("entra", self.tenant)) if settings is not None]

    @property
    def libraries(self) -> Sequence[str]:
        """What must be installed to read them, by import name."""
        return [*(["ldap3"] if self.directory is not None else []), *(["msal", "requests"] if self.tenant is not None else [])]

    @property
    def scope(self) -> dict[str, Any]:
        """What of each store was to be looked at, for the report."""
        scope: dict[str, Any] = {}
        if self.directory is not None:
            scope["ad"] = {"search_bases": list(self.directory.search_bases), "max_idle_days": self.directory.idle_days}
        if self.tenant is not None:
            scope["entra"] = {"trust_types": list(self.tenant.trust_types), "max_idle_days": self.tenant.idle_days}
        return scope

    @contextmanager
    def opened(
        self, now: datetime, say: Callable[[str], None], *, values: bool = False, versions: bool = False
    ) -> Iterator[Sequence[Store]]:
        """The stores in the order of :attr:`names`; they are let go at the end, whatever happens.

        ``values``: some will be asked for. ``versions``: a ledger wants to know of each entry when it was written.
        """
        with ExitStack() as stack:
            stores: list[Store] = []
            if self.directory is not None:
                stores.append(stack.enter_context(closing(ActiveDirectoryStore(self.directory, now=now, progress=say, versions=versions))))
            if self.tenant is not None:
                stores.append(stack.enter_context(closing(EntraStore(self.tenant, now=now, progress=say, values=values))))
            yield stores
