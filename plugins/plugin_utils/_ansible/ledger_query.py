# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What the ledger tells of runs, computers and protectors, as the result of ledger_info. No secret is in the ledger, so none is here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from .._core.ledger_types import FirstSeen, Kept, ProofMemory, Run
from .._core.observation import normalise_key_id
from .._ledger.reader import Reader
from .._ledger.rows import text


def stamp(moment: datetime | None) -> str | None:
    """A time as results write it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z" if moment is not None else None


def run_row(run: Run) -> dict[str, Any]:
    """A run."""
    row: dict[str, Any] = {
        "run": run.run_id,
        "state": run.state.value,
        "node": run.node,
        "started_at": stamp(run.started_at),
        "closed_at": stamp(run.closed_at),
        "believed": run.sealed,
    }
    if run.facts is not None:
        facts = run.facts
        row |= {"complete": facts.complete, "passed": facts.passed, "computers": facts.computers, "observed": facts.observed}
        row |= {"verdicts": dict(facts.verdicts), "stores": {store: said.get("state") for store, said in facts.stores.items()}}
    return row


class LedgerQuery:
    """Questions to one moment of the ledger; at most ``limit`` runs are looked back."""

    def __init__(self, reader: Reader, *, limit: int, now: datetime) -> None:
        self._reader = reader
        self._limit = limit
        self._now = now

    def runs(self) -> list[dict[str, Any]]:
        """The newest runs, in whatever state."""
        return [run_row(run) for run in self._reader.runs[: self._limit]]

    def computer(self, name: str) -> dict[str, Any]:
        """The history of one computer; empty where the ledger does not know it."""
        history = self._reader.history(name, limit=self._limit)
        first = self._reader.first_seen("protectors", where=lambda columns: columns.host.in_(history.hosts))
        return {
            "name": name,
            "verdicts": [
                {"run": run.run_id, "at": stamp(run.started_at), "verdict": verdict, "volumes": _volumes(volumes)}
                for run, verdict, volumes in history.verdicts
            ],
            "observations": [{"run": kept.run.run_id, "observed_at": stamp(kept.observation.observed_at)} for kept in history.observations],
            "protectors": self._protectors(first, history.observations),
        }

    def protectors(self, key_ids: Collection[str]) -> list[dict[str, Any]]:
        """These protectors on every computer that listed them."""
        wanted = sorted({text(normalise_key_id(key_id)) for key_id in key_ids})
        if not wanted:
            return []
        first = self._reader.first_seen("protectors", where=lambda columns: columns.key_id.in_(wanted))
        kept = [kept for host in sorted({key[0] for key in first}) for kept in self._reader.history(host, limit=self._limit).observations]
        return self._protectors(first, kept)

    def _protectors(self, first: dict[tuple[str, ...], FirstSeen], kept: Sequence[Kept]) -> list[dict[str, Any]]:
        last: dict[tuple[str, str], datetime] = {}
        for item in kept:
            for volume in item.observation.volumes or ():
                for protector in volume.protectors or ():
                    key = (text(item.observation.host), text(protector.key_id))
                    last[key] = max(last.get(key, item.observation.observed_at), item.observation.observed_at)
        key_ids = sorted({key[1] for key in first})
        entries = self._reader.first_seen("entries", where=lambda columns: columns.key_id.in_(key_ids)) if key_ids else {}
        proofs = self._reader.proofs_of(key_ids)
        rows = []
        for (host, key_id), seen in sorted(first.items(), key=lambda item: (item[0], item[1].at)):
            own = {key: entry for key, entry in entries.items() if key[2] == key_id}
            escrowed = min((min(entry.created or entry.at, entry.at) for entry in own.values()), default=None)
            hours = max((escrowed - seen.at).total_seconds(), 0) / 3600 if escrowed is not None else None
            rows.append(
                {
                    "host": host,
                    "key_id": key_id,
                    "type": seen.type,
                    "first_seen": stamp(seen.at),
                    "last_seen": stamp(last.get((host, key_id))),
                    "hours_to_escrow": round(hours, 2) if hours is not None else None,
                    "entries": [self._entry(key, entry, proofs) for key, entry in sorted(own.items(), key=lambda item: item[0])],
                }
            )
        return rows

    def _entry(self, key: tuple[str, ...], entry: FirstSeen, proofs: ProofMemory) -> dict[str, Any]:
        store, entry_id, key_id = key
        made = max(proofs.of_entry(store, entry_id, key_id), key=lambda record: record.made_at, default=None)
        proof = None
        if made is not None:
            age = max((self._now - made.made_at).total_seconds(), 0) / 86400
            proof = {"outcome": made.outcome, "basis": made.basis, "made_at": stamp(made.made_at), "age_days": round(age, 1)}
        held = self._reader.last_held(store, entry.owner_id or "", limit=self._limit)
        last = next((run.started_at for run, entries in held if any(found.entry_id == entry_id for found in entries)), None)
        return {
            "store": store,
            "owner_id": entry.owner_id,
            "entry_id": entry_id,
            "created": stamp(entry.created),
            "first_seen": stamp(entry.at),
            "last_seen": stamp(last),
            "proof": proof,
        }


def _volumes(data: object) -> list[dict[str, Any]]:
    """A verdict's volumes; what is of another shape is left out."""
    pairs = data if isinstance(data, list) else []
    return [
        {"volume": pair[0], "verdict": pair[1]}
        for pair in pairs[:64]
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)
    ]
