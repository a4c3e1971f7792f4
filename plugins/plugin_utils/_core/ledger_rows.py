# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A judged run as rows of the ledger, and what earlier runs add to a judgement. Pure.

A row is a mapping of the ledger's columns; a column ``body`` holds bytes. No row holds a value, a key package or a digest of one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from .findings import make
from .ledger_changes import Change, EntryChange, body, held_by_owner, scope_of, to_data
from .ledger_observation import observation_facts
from .ledger_types import RunFacts
from .model import Entry, Finding, ProtectorType, StoreReading, StoreState
from .rows import ComputerRow, EstateJudgement

#: makes a column of a time
Micros = Callable[[datetime], int]

_RECOVERY_PASSWORD = ProtectorType.RECOVERY_PASSWORD.value
#: in microseconds
_HOUR = 3_600_000_000
_CODES = {Change.VANISHED: "KW-ESC-013", Change.CHANGED: "KW-ESC-014"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundChange:
    """A change, where it is, and since which run: ``computer`` is the report's name, None where no computer is left to bear it."""

    store: str
    owner_id: str
    change: EntryChange
    since: datetime
    computer: str | None


def observation_rows(judgement: EstateJudgement, kept: Collection[str], micros: Micros) -> Iterator[dict[str, Any]]:
    """What hosts said in this run; ``kept``: hosts whose observation came out of the ledger itself. ``micros`` makes a column of a time."""
    for row in judgement.computers:
        said, host = row.computer.observation, row.computer.host
        if said is not None and host is not None and row.computer.fresh and host.name not in kept:
            yield {"host": host.name, "observed_at": micros(said.observed_at), "body": body(observation_facts(said))}


def verdict_rows(judgement: EstateJudgement) -> Iterator[dict[str, Any]]:
    """The words of this run, a row for each computer."""
    for row in judgement.computers:
        words = [[volume.volume.label, volume.judgement.verdict] for volume in row.volumes]
        host = row.computer.host.name if row.computer.host is not None else None
        yield {"computer": row.name, "host": host, "verdict": row.verdict.value if row.verdict is not None else None, "body": body(words)}


def protector_rows(judgement: EstateJudgement, kept: Collection[str], micros: Micros) -> Iterator[dict[str, Any]]:
    """Every protector that a host listed in this run, and when."""
    for row in judgement.computers:
        seen, host = row.computer.seen, row.computer.host
        if seen is None or host is None or host.name in kept:
            continue
        at = micros(seen.observed_at)
        for volume in seen.volumes or ():
            for protector in volume.protectors or ():
                yield {"host": host.name, "key_id": protector.key_id, "type": protector.type, "first_seen": at}


def entry_rows(reading: StoreReading, now: datetime, micros: Micros) -> Iterator[dict[str, Any]]:
    """Every entry of a reading."""
    at = micros(now)
    for entry in reading.entries:
        for key_id in () if entry.deleted else entry.key_ids:
            created = micros(entry.created) if entry.created is not None else None
            yield {
                "store": reading.store,
                "entry_id": entry.entry_id,
                "key_id": key_id,
                "owner_id": entry.owner_id,
                "created": created,
                "first_seen": at,
            }


def holding_bodies(reading: StoreReading) -> dict[str, bytes]:
    """Owner -> what lies under it, as bytes that are equal where nothing changed."""
    return {owner_id: body(to_data(entries)) for owner_id, entries in held_by_owner(reading).items()}


def owner_names(judgement: EstateJudgement, store: str) -> dict[str, str]:
    """Owner -> the report's name of its computer."""
    found = {}
    for row in judgement.computers:
        join = row.computer.joins.get(store)
        if join is not None and join.owner_id is not None:
            found[join.owner_id] = row.name
    return found


def state_of(reading: StoreReading) -> StoreState:
    """How far a reading reached, as the report says it."""
    return StoreState.PARTIAL if reading.state is StoreState.SEARCHED and reading.unsearched_owners else reading.state


def run_facts(judgement: EstateJudgement, scope: Mapping[str, Any]) -> RunFacts:
    """What the run says of itself; ``scope``: the report's, by store."""
    return RunFacts(
        complete=judgement.complete,
        passed=judgement.passed,
        computers=len(judgement.computers),
        observed=judgement.observed,
        stores={
            store: {"state": state_of(reading).value, "scope": scope_of(reading, scope.get(store) or {})}
            for store, reading in judgement.readings.items()
        },
        verdicts=dict(judgement.verdicts),
    )


def value_change(entry: Entry, key_id: str, since: datetime, computer: str | None = None) -> FoundChange:
    """An entry whose value is not the one that was examined at ``since``."""
    change = EntryChange(kind=Change.CHANGED, key_id=key_id, entry_id=entry.entry_id, why="its value is another one than was examined then")
    return FoundChange(store=entry.store, owner_id=entry.owner_id, change=change, since=since, computer=computer)


def change_findings(judgement: EstateJudgement, changes: Collection[FoundChange]) -> list[Finding]:
    """The findings of changes, each on the volume that lists the protector, else on the computer; one of no computer has none.

    A volume that nodes of a cluster share is listed under the first of them, whichever of them the entry lies under.
    """
    rows: Mapping[str, ComputerRow] = {row.name: row for row in judgement.computers}
    shared = {
        (node, protector.key_id): (row.name, item.volume.label)
        for row in judgement.computers
        for item in row.volumes
        for node in item.nodes
        for protector in item.volume.protectors or ()
    }
    found = []
    for item in changes:
        row = rows.get(item.computer) if item.computer is not None else None
        if row is None:
            continue
        own = ((row.name, v.volume.label) for v in row.volumes for p in v.volume.protectors or () if p.key_id == item.change.key_id)
        computer, volume = shared.get((row.name, item.change.key_id)) or next(own, (row.name, None))
        since = item.since.strftime("%Y-%m-%d %H:%M UTC")
        detail = f"store {item.store}, key ID {item.change.key_id}, since the run of {since}: {item.change.why}"
        found.append(make(_CODES[item.change.kind], computer=computer, volume=volume, detail=detail))
    return sorted(found, key=lambda finding: (finding.computer or "", finding.volume or "", finding.code, finding.message))


def escrow_times(
    protectors: Mapping[tuple[str, str], tuple[int, str | None]], entries: Mapping[tuple[str, str, str], int]
) -> dict[str, Any]:
    """How long recovery passwords took from the first observation to their first entry.

    Args:
        protectors: (host, key ID) -> when first observed, in microseconds, and the type.
        entries: (store, entry ID, key ID) -> since when it is there, in microseconds.

    ``before``: escrowed when they were first observed. ``after``: later; ``median_hours`` is over these, None where there are none.
    ``waiting``: no entry was ever seen.
    """
    escrowed: dict[str, int] = {}
    for (_store, _entry, key_id), there in entries.items():
        if there < escrowed.get(key_id, there + 1):
            escrowed[key_id] = there
    before = waiting = 0
    took = []
    for (_host, key_id), (seen, kind) in protectors.items():
        if kind != _RECOVERY_PASSWORD:
            continue
        at = escrowed.get(key_id)
        if at is None:
            waiting += 1
        elif at <= seen:
            before += 1
        else:
            took.append(at - seen)
    middle = round(median(took) / _HOUR, 1) if took else None
    return {"before": before, "after": len(took), "waiting": waiting, "median_hours": middle}
