# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The ledger's part in one run of the report: what earlier runs saw goes in, what this one saw is kept."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from .._core import ledger_rows as shape
from .._core.joins import InventoryHost
from .._core.ledger_changes import compare, held_by_owner, searched_owner
from .._core.ledger_types import ProofMemory, ProofRecord, Run
from .._core.model import Entry, Observation, StoreReading
from .._core.redaction import Secret
from .._core.rows import EstateJudgement
from .._errors import KeywardError
from .._ledger import settings as options
from .._ledger.ledger import Ledger, opened
from .._ledger.reader import Reader
from .._ledger.rows import micros, text
from .._ledger.seal import content_digest
from .options import under

#: environment variables as fallback
LEDGER_ENVIRONMENT: Mapping[str, str] = under("ledger", options.ENVIRONMENT)
#: runs in the trend
TREND = 60


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class LedgerRun:
    """One run with a ledger, or without one: then nothing is added and nothing kept."""

    ledger: Ledger | None
    writes: bool
    say: Callable[[str], None]
    warn: Callable[[str], None]
    memory: ProofMemory = field(default_factory=ProofMemory)
    kept: dict[str, Observation] = field(default_factory=dict)
    made: list[ProofRecord] = field(default_factory=list)
    changed_values: list[shape.FoundChange] = field(default_factory=list)
    trend: list[Run] = field(default_factory=list)
    times: dict[str, Any] = field(default_factory=dict)
    _known: Set[tuple[str, ...]] = frozenset()

    def with_earlier(
        self, hosts: Sequence[InventoryHost], observations: Mapping[str, Sequence[Observation]]
    ) -> Mapping[str, Sequence[Observation]]:
        """The observations, with the last one that the ledger holds of each host that gave none; the proofs are remembered meanwhile."""
        if self.ledger is None:
            return observations
        silent = [host.name for host in hosts if all(said.reason is not None for said in observations.get(host.name, ()))]
        with self.ledger.read() as reader:
            self.kept = {host: kept.observation for host, kept in reader.last_observations(silent).items()}
            self.memory = reader.proofs()
            self._doubts(reader)
        if self.kept:
            self.say(f"ledger: the last observation of {len(self.kept)} computers that gave none now")
        return {**observations, **{host: [*observations.get(host, ()), said] for host, said in self.kept.items()}}

    def compared(self, judgement: EstateJudgement, scope: Mapping[str, Any]) -> EstateJudgement:
        """The judgement, with a finding for each entry that vanished or changed since an earlier run that searched the same."""
        if self.ledger is None:
            return judgement
        with self.ledger.read() as reader:
            found = [change for reading in judgement.readings.values() for change in self._changes(reader, reading, judgement, scope)]
            self.trend = reader.trend(TREND)
            protectors, entries = reader.protectors(), reader.entries()
            self._doubts(reader)
        self.times = shape.escrow_times(protectors, entries)
        self._known = protectors.keys() | entries.keys()
        lost = sum(change.computer is None for change in found)
        if lost:
            self.say(f"ledger: {lost} entries vanished together with their computers, which nobody knows any more")
        known = {(item.store, item.owner_id, item.change.key_id) for item in found}
        for item in self.changed_values:
            if (item.store, item.owner_id, item.change.key_id) not in known:
                name = shape.owner_names(judgement, item.store).get(item.owner_id)
                found.append(replace(item, computer=name))
        return replace(judgement, findings=judgement.findings + tuple(shape.change_findings(judgement, found)))

    def _changes(
        self, reader: Reader, reading: StoreReading, judgement: EstateJudgement, scope: Mapping[str, Any]
    ) -> Iterator[shape.FoundChange]:
        facts = shape.run_facts(judgement, scope).stores[reading.store]
        if facts["state"] != "searched" or self.ledger is None:
            return
        current = {text(owner_id): body for owner_id, body in shape.holding_bodies(reading).items()}
        digests = {owner_id: content_digest(body) for owner_id, body in current.items()}
        owners = frozenset(text(owner.owner_id) for owner in reading.owners if not owner.deleted)
        names = {text(owner_id): name for owner_id, name in shape.owner_names(judgement, reading.store).items()}
        here = {row.name for row in judgement.computers}
        held_now = {text(owner_id): entries for owner_id, entries in held_by_owner(reading).items()}
        told: set[tuple[str, str]] = set()
        for run in reader.comparable_runs(reading.store, facts["scope"], days=self.ledger.settings.compare_days):
            other = [record for record in reader.owners(run, reading.store) if digests.get(record.owner_id) != record.digest]
            other = [record for record in other if searched_owner(reading, record.owner_id, owners)]
            held = reader.held({record.digest for record in other})
            for record in other:
                name = names.get(record.owner_id) or (record.computer if record.computer in here else None)
                for change in compare(held.get(record.digest, ()), held_now.get(record.owner_id, ())):
                    if (record.owner_id, change.key_id) not in told:
                        told.add((record.owner_id, change.key_id))
                        yield shape.FoundChange(
                            store=reading.store, owner_id=record.owner_id, change=change, since=run.started_at, computer=name
                        )

    def annotate(self, report: dict[str, Any]) -> None:
        """Say in the report which observations came out of the ledger, and how the verdicts went."""
        if self.ledger is None:
            return
        for computer in report["computers"]:
            said = self.kept.get(computer["identities"]["inventory"] or "")
            if said is not None and computer["observed_at"] == _stamp(said.observed_at):
                computer["observed_from"] = "ledger"
        runs = [
            {
                "at": _stamp(run.started_at),
                "verdicts": dict(run.facts.verdicts),
                "computers": run.facts.computers,
                "observed": run.facts.observed,
            }
            for run in self.trend
            if run.facts is not None
        ]
        report["trend"] = {"runs": runs, "escrow": self.times}

    def record(self, judgement: EstateJudgement, scope: Mapping[str, Any]) -> dict[str, Any]:
        """Keep this run; the result's ``ledger``. A ledger that fails here takes no report along: it is a warning."""
        if self.ledger is None or not self.writes:
            return {"recorded": False, "run": None}
        try:
            recorder = self.ledger.record(node=platform.node())
            recorder.proofs(self.made)
            recorder.add("observations", shape.observation_rows(judgement, self.kept, micros), body="body")
            recorder.add("verdicts", _clipped(shape.verdict_rows(judgement)), body="body")
            rows = _clipped(shape.protector_rows(judgement, self.kept, micros))
            recorder.add("protectors", (row for row in rows if (row["host"], row["key_id"]) not in self._known))
            for reading in judgement.readings.values():
                if shape.state_of(reading).value == "searched":
                    self._record_store(recorder, judgement, reading)
            recorder.close(shape.run_facts(judgement, scope))
            self.ledger.tidy()
        except KeywardError as error:
            self.warn(f"The report is whole, but the ledger did not keep this run. {error}")
            return {"recorded": False, "run": None}
        return {"recorded": True, "run": recorder.run_id}

    def _record_store(self, recorder: Any, judgement: EstateJudgement, reading: StoreReading) -> None:
        names = shape.owner_names(judgement, reading.store)
        recorder.add(
            "holdings",
            _clipped(
                {"store": reading.store, "owner_id": owner_id, "computer": names.get(owner_id), "body": body}
                for owner_id, body in shape.holding_bodies(reading).items()
            ),
            body="body",
        )
        rows = _clipped(shape.entry_rows(reading, judgement.generated_at, micros))
        recorder.add("entries", (row for row in rows if (row["store"], row["entry_id"], row["key_id"]) not in self._known))

    @property
    def memory_of_proofs(self) -> LedgerRun | None:
        """This, where there is a ledger."""
        return self if self.ledger is not None else None

    def result(self, judgement: EstateJudgement, scope: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the run; what the result says of it, nothing without a ledger."""
        return {"ledger": self.record(judgement, scope)} if self.ledger is not None else {}

    # --- proofs ---------------------------------------------------------------------------------------------------------------------------

    def recall(self, entry: Entry, key_id: str, datum: str) -> ProofRecord | None:
        """An earlier proof that holds for this entry and this very wrapping of the key, or None: then it must be made.

        The entry with its value is held against the value that was proven, and against the store's word of when it was written. Without the
        value that word alone must do: in Entra ID an entry's ID and time of creation never name another value.
        """
        if self.ledger is None:
            return None
        mark = self._mark(entry, key_id, entry.value) if entry.value is not None else ""
        if mark and self.memory.changed_value(entry.store, entry.entry_id, key_id, mark):
            self._value_changed(entry, key_id)
        return self.memory.find(entry.store, entry.owner_id, entry.entry_id, key_id, datum=datum, version=_version(entry), value_mark=mark)

    def remember(self, entry: Entry, key_id: str, datum: str, outcome: str, basis: str, made_at: datetime, reason: str) -> None:
        """Keep a proof that was made now; what came to nothing, or rests on no live package, is not kept."""
        if self.ledger is None or not datum or basis != "live" or outcome not in ("proven", "refuted") or entry.value is None:
            return
        self.made.append(
            ProofRecord(
                store=entry.store,
                owner_id=entry.owner_id,
                entry_id=entry.entry_id,
                key_id=key_id,
                datum=datum,
                version=_version(entry),
                value_mark=self._mark(entry, key_id, entry.value),
                outcome=outcome,
                basis=basis,
                made_at=made_at,
                reason=reason,
            )
        )

    def last_proven(self) -> dict[tuple[str, str, str], datetime]:
        """(store, entry ID, digest of the datum) -> when that was proven last; the oldest are proven first."""
        found: dict[tuple[str, str, str], datetime] = {}
        for record in self.memory.records():
            key = (record.store, record.entry_id, record.datum)
            found[key] = max(found.get(key, record.made_at), record.made_at)
        return found

    def _mark(self, entry: Entry, key_id: str, value: Secret[str]) -> str:
        return self.ledger.seal.value_mark(entry.store, entry.entry_id, key_id, value) if self.ledger is not None else ""

    def _value_changed(self, entry: Entry, key_id: str) -> None:
        since = self.memory.last_made(entry.store, entry.entry_id, key_id)
        if since is not None:
            self.changed_values.append(shape.value_change(entry, key_id, since))

    def _doubts(self, reader: Reader) -> None:
        for name, number in sorted(reader.doubtful.items()):
            if number:
                self.warn(f"The ledger: {number} rows of {name} are missing, damaged or bear no seal of this key, and were not believed.")


def _version(entry: Entry) -> str:
    """What the store says by itself of when the value was written; empty where it says nothing to rely on."""
    if entry.version is not None:
        return entry.version
    return f"created:{micros(entry.created)}" if entry.store == "entra" and entry.created is not None else ""


def _clipped(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows whose texts every database takes."""
    for row in rows:
        yield {name: text(value) if isinstance(value, str) else value for name, value in row.items()}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


@contextmanager
def ledger_run(
    params: Mapping[str, Any],
    *,
    check_mode: bool,
    say: Callable[[str], None],
    warn: Callable[[str], None],
    clock: Callable[[], datetime] = _now,
) -> Iterator[LedgerRun]:
    """The ledger of the option ``ledger`` for one run; without the option one that does nothing. In check mode nothing is written.

    Raises:
        OptionError, LedgerError: it cannot be used; nothing was asked of a store by then.
    """
    if not params.get("ledger"):
        yield LedgerRun(None, False, say, warn)
        return
    given = options.LedgerSettings.from_options(params["ledger"])
    with ExitStack() as stack:
        ledger: Ledger | None = None
        try:
            ledger = stack.enter_context(opened(given, clock=clock, make=not check_mode))
        except KeywardError as error:
            if not check_mode:
                raise
            warn(f"Check mode makes no ledger, and this one cannot be read yet. {error}")
        yield LedgerRun(ledger, not check_mode, say, warn)


def libraries(params: Mapping[str, Any]) -> list[str]:
    """What must be installed for the option ``ledger``, by import name."""
    return options.LedgerSettings.from_options(params["ledger"]).libraries if params.get("ledger") else []
