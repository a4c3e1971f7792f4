# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Entra ID as a source of keys: few terms are asked for exactly, for many (and for the beginning of a key ID) everything is read once.

Entra ID knows a computer by its display name, which has no domain and need not be the only one of that name: each is a candidate. Metadata
leaves no record in the tenant; each key itself that is read does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from ..._core.key_index import KeyIndex, bare_name
from ..._core.key_search import Candidate, CandidateValue, SourceAnswer, Term, TermKind
from ..._core.model import Entry, Owner, StoreState
from ..._errors import BadDataError, KeywardError, OptionError
from . import devices, keys, parse
from .graph import Outcome
from .lookup import EntraLookup
from .reader import EntraReader
from .settings import EntraSettings
from .throttle import Timing

#: terms that are asked for one by one in one task, and devices that are looked up one by one
FEW = 20


class TenantSource:
    """Keys of one tenant; see :class:`EntraReader` for the arguments. ``values``: whether keys themselves will be asked for."""

    name = parse.STORE

    def __init__(
        self,
        settings: EntraSettings,
        *,
        now: datetime,
        progress: Callable[[str], None] | None = None,
        values: bool = False,
        timing: Timing | None = None,
    ) -> None:
        self._reader = EntraReader(settings, now=now, progress=progress, values=values, timing=timing)
        self._index = KeyIndex(parse.STORE, _names, _asked)
        self._asked: set[str] = set()
        self._keys_of: set[str] = set()
        self._looked_up: set[str] = set()
        self._all_keys = self._all_devices = False
        self._outcomes: list[Outcome] = []

    def find(self, terms: Sequence[Term]) -> SourceAnswer:
        """See :class:`KeySource`. Raises OptionError for options that cannot be used."""
        try:
            self._reader.connect()
            fresh = [term for term in terms if term.text not in self._asked]
            self._asked.update(term.text for term in fresh)
            self._read(fresh)
        except OptionError:
            raise
        except KeywardError as problem:
            return SourceAnswer(source=self.name, state=StoreState.DOWN, reason=str(problem))
        state, reason = self._reader.judge(self._outcomes)
        return SourceAnswer(source=self.name, found={term.text: self._index.find(term) for term in terms}, state=state, reason=reason)

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        """Recovery keys one by one, as Graph has no other way."""
        lookup = EntraLookup(self._reader)
        for candidate in candidates:
            entry = candidate.handle
            if not isinstance(entry, Entry):
                raise TypeError("a candidate of another source")
            try:
                read = lookup.reveal(entry)
                if read.value is None or len(read.defects) > len(entry.defects):
                    told = read.defects[-1] if read.defects else "it has none"
                    raise BadDataError(
                        "read a recovery password", target=entry.location, meaning=told, remedy="Look for another copy of this key."
                    )
            except KeywardError as problem:
                yield CandidateValue(candidate=candidate, problem=problem)
            else:
                yield CandidateValue(candidate=candidate, value=read.value)

    def close(self) -> None:
        """Let the connections go."""
        self._reader.close()

    # --- finding ------------------------------------------------------------------------------------------------------------------

    def _read(self, fresh: Sequence[Term]) -> None:
        if len(self._asked) > FEW:
            self._read_keys(with_devices=True)
            self._read_devices()
        else:
            for term in fresh:
                self._ask(term)

    def _outcome(self) -> Outcome:
        outcome = Outcome()
        self._outcomes.append(outcome)
        return outcome

    def _read_keys(self, *, with_devices: bool = False) -> None:
        """Every key, and before they are adopted every device: keys first, so that none lies under a device that is not listed yet."""
        if not self._all_keys:
            self._all_keys = True
            entries = self._reader.read_entries(self._outcome())
            if with_devices:
                self._read_devices()
            self._adopt(entries)

    def _read_devices(self) -> None:
        if not self._all_devices:
            self._all_devices = True
            for owner in self._reader.read_owners(self._outcome()):
                self._index.add_owner(owner)

    def _ask(self, term: Term) -> None:
        if term.means(TermKind.HOST) and not term.guid:
            self._ask_name(term.word)
        if term.guid and term.means(TermKind.DEVICE_ID):
            self._look_up(term.guid)
            self._ask_keys_of(term.guid)
            if term.kind is TermKind.DEVICE_ID and term.guid not in self._index.owners:
                self._look_up_object(term.guid)
        if term.digits and term.means(TermKind.KEY_ID):
            if term.guid:
                self._ask_key(term.guid)
            else:
                self._read_keys()

    def _ask_name(self, word: str) -> None:
        if not self._all_devices:
            name = _short(word)
            owners = self._reader.read_owners(self._outcome(), devices.named(name))
            # a filter that a service ignores brings everything: each is held against what was asked
            self._know(owner for owner in owners if bare_name(owner.name) == name)
        for owner in self._index.owners_named(word):
            self._ask_keys_of(owner.owner_id)

    def _ask_keys_of(self, device_id: str) -> None:
        if self._all_keys or device_id in self._keys_of or parse.guid(device_id) is None:
            return
        self._keys_of.add(device_id)
        self._adopt(entry for entry in self._reader.read_entries(self._outcome(), keys.of_device(device_id)) if entry.owner_id == device_id)

    def _ask_key(self, key_id: str) -> None:
        outcome = self._outcome()
        try:
            row = self._reader.graph.one(keys.one(key_id))
            outcome.rows += row is not None
            entry = None if row is None else parse.parse_entry(row)
            if row is not None and (entry is None or entry.key_ids != (key_id,)):
                raise self._reader.graph.stranger(keys.one(key_id))
        except KeywardError as problem:
            outcome.problem = problem
            return
        if entry is not None:
            self._adopt([entry])

    def _adopt(self, entries: Iterable[Entry]) -> None:
        """Know entries and whose they are; a device that is not listed any more is deleted, and so are its entries."""
        found = list(entries)
        lost = [owner_id for owner_id in dict.fromkeys(entry.owner_id for entry in found) if parse.guid(owner_id)]
        if len(lost) > FEW:
            self._read_devices()
        else:
            for owner_id in lost:
                self._look_up(owner_id)
        for entry in self._reader.adopt(found, all_devices_known=not any(outcome.problem for outcome in self._outcomes)):
            self._index.add_owner(self._reader.owners[entry.owner_id])
            self._index.add_entry(entry)

    def _look_up(self, device_id: str) -> None:
        if self._all_devices or device_id in self._looked_up or device_id in self._index.owners:
            return
        self._looked_up.add(device_id)
        owners = self._reader.read_owners(self._outcome(), devices.registered(device_id))
        self._know(owner for owner in owners if owner.owner_id == device_id)

    def _look_up_object(self, object_id: str) -> None:
        """The portal shows a device's object ID beside its device ID, and people take one for the other."""
        try:
            owner = self._reader.read_object(object_id)
        except KeywardError as problem:
            self._outcome().problem = problem
            return
        if owner is not None:
            self._know([owner])
            self._index.add_id(object_id, owner.owner_id)
            self._ask_keys_of(owner.owner_id)

    def _know(self, owners: Iterable[Owner]) -> None:
        for owner in owners:
            self._reader.owners[owner.owner_id] = owner
            self._index.add_owner(owner)


def _short(word: str) -> str:
    """The name that a device shows: without the domain of a full DNS name."""
    return bare_name(word).partition(".")[0]


def _asked(word: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((bare_name(word), _short(word))))


def _names(owner: Owner) -> Iterator[str]:
    yield bare_name(owner.name)
