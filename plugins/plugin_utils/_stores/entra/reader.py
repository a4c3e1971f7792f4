# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What reading a whole tenant and looking single keys up have in common: one identity, one session, and which owner an entry lies under."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..._core.model import Entry, IntuneReading, Owner, StoreState
from ..._errors import AuthorizationError, BadDataError
from . import devices, failures, keys, managed, parse
from .auth import TokenSource
from .graph import Graph, Outcome, Query
from .settings import DEVICE_CODE, EntraSettings
from .throttle import Timing
from .wire import Wire

OWN_DEVICES_REASON = (
    "a person is signed in, and Entra ID shows a person without a role for BitLocker keys only those of own devices, without saying so"
)
OWN_SCOPE_REASON = "a person is signed in, and Intune shows a person only the devices that own roles reach, without saying so"
#: devices that Intune is asked for one by one; for more it is quicker to read all
_FEW = 20


class EntraReader:
    """One tenant, and the devices and keys seen in it.

    Args:
        settings: as whom, where, what.
        now: the time by which a device is idle.
        progress: told every few pages how far a long reading is, when the service asks for a long wait, and where to sign in.
        values: whether keys themselves will be asked for, so that a person who signs in is asked for that permission.
        timing: clocks and pauses.
    """

    def __init__(
        self,
        settings: EntraSettings,
        *,
        now: datetime,
        progress: Callable[[str], None] | None = None,
        values: bool = False,
        timing: Timing | None = None,
    ) -> None:
        self.settings = settings
        self.owners: dict[str, Owner] = {}
        self._scope = parse.Scope(
            now=now, trust_types=frozenset(name.lower() for name in settings.trust_types), idle_days=settings.idle_days
        )
        self._wire = Wire(settings, timing=timing, say=progress)
        # not the one for Intune: a sign-in that asks for what nobody consented to fails as a whole, and what was consented to comes unasked
        delegated = [failures.READ if values else failures.READ_BASIC, failures.DEVICES]
        self._tokens = TokenSource(settings, self._wire, delegated=delegated, say=progress)
        self.graph = Graph(settings, self._wire, self._tokens, say=progress)

    def connect(self) -> None:
        """Get a token, if there is none yet.

        Raises:
            KeywardError: why there is none.
        """
        self._tokens.token()

    def close(self) -> None:
        """Let the connections go; may be called twice."""
        self._wire.close()

    def read_owners(self, outcome: Outcome, query: Query | None = None) -> list[Owner]:
        """The devices that a query brings (without one: all), each device ID once: of two the enabled, then the one seen last."""
        found: dict[str, Owner] = {}
        for row in self.graph.rows(query or devices.every(), outcome, "devices"):
            owner = parse.parse_owner(row, self._scope)
            if owner is None or owner.owner_id.startswith(parse.BY_OBJECT):
                _check(row, outcome, "device")
            if owner is None:
                continue
            known = found.get(owner.owner_id)
            if known is None or _rank(owner) > _rank(known):
                found[owner.owner_id] = owner
        self.owners.update(found)
        return list(found.values())

    def read_object(self, object_id: str) -> Owner | None:
        """The device of an object ID, None where there is none. Raises why it could not be read."""
        query = devices.object_of(object_id)
        row = self.graph.one(query)
        if row is None:
            return None
        owner = parse.parse_owner(row, self._scope)
        if owner is None or owner.location != f"device {object_id}":
            raise self.graph.stranger(query)
        self.owners[owner.owner_id] = owner
        return owner

    def read_entries(self, outcome: Outcome, query: Query | None = None) -> list[Entry]:
        """The keys that a query brings (without one: all), each once however many pages repeat it."""
        found: dict[tuple[str, str], Entry] = {}
        for row in self.graph.rows(query or keys.every(), outcome, "recovery keys"):
            entry = parse.parse_entry(row)
            if entry is None or entry.owner_id == parse.NO_DEVICE:
                _check(row, outcome, "recovery key")
            if entry is not None:
                found.setdefault((entry.entry_id, entry.owner_id), entry)
        return list(found.values())

    def adopt(self, entries: Sequence[Entry], *, all_devices_known: bool) -> list[Entry]:
        """Give every entry an owner. A device that is none of all devices is deleted or hidden, and so are its entries."""
        for owner_id in dict.fromkeys(entry.owner_id for entry in entries):
            if owner_id not in self.owners:
                self.owners[owner_id] = parse.lost_owner(owner_id, deleted=all_devices_known)
        return [replace(entry, deleted=True) if self.owners[entry.owner_id].deleted else entry for entry in entries]

    def add_intune(self, owner_ids: Iterable[str] | None = None) -> IntuneReading:
        """Ask what Intune says of these devices (without IDs: of all), and put it beside those seen. What goes wrong is in the answer."""
        enrolments, outcome = managed.Enrolments(), Outcome()
        wanted = None if owner_ids is None else [owner_id for owner_id in owner_ids if parse.guid(owner_id)]
        few = wanted is not None and len(wanted) <= _FEW
        for query in [managed.of_device(owner_id) for owner_id in wanted or ()] if few else [managed.every()]:
            for row in self.graph.rows(query, outcome, "managed devices"):
                if not enrolments.add(row):
                    outcome.problem = outcome.problem or _unreadable("managed device")
            if outcome.problem or not enrolments.only(wanted or ()):
                break  # a filter that was ignored brought all there are
        self.owners = {owner_id: replace(owner, intune=enrolments.facts(owner_id)) for owner_id, owner in self.owners.items()}
        state, reason = self.judge([outcome], persons_see=OWN_SCOPE_REASON)
        return IntuneReading(state=state, reason=reason, enrolments=enrolments.count)

    def judge(self, outcomes: Iterable[Outcome], *, persons_see: str = OWN_DEVICES_REASON) -> tuple[StoreState, str]:
        """What several readings came to: no rights, all to their ends, some of them, or none at all.

        ``persons_see``: why a reading in a person's name may be short.
        """
        outcomes = list(outcomes)
        problems = [outcome.problem for outcome in outcomes if outcome.problem]
        refused = [problem for problem in problems if isinstance(problem, AuthorizationError)]
        if refused:
            return StoreState.NO_RIGHTS, " ".join(dict.fromkeys(map(str, refused)))
        if problems and not any(outcome.rows or not outcome.problem for outcome in outcomes):
            return StoreState.DOWN, str(problems[0])
        if problems:
            return StoreState.PARTIAL, " ".join(dict.fromkeys(map(str, problems)))
        if self.settings.auth_method == DEVICE_CODE:
            return StoreState.PARTIAL, persons_see
        return StoreState.SEARCHED, ""


def _check(row: Mapping[str, Any], outcome: Outcome, what: str) -> None:
    if not parse.is_readable(row):
        outcome.problem = outcome.problem or _unreadable(what)


def _unreadable(what: str) -> BadDataError:
    return BadDataError(f"read a {what} in Entra ID", meaning="its ID or its device's ID is none")


def _rank(owner: Owner) -> tuple[bool, float]:
    return owner.enabled, owner.last_seen.timestamp() if owner.last_seen else 0.0
