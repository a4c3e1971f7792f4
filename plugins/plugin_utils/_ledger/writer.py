# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Write one run: opened, filled in batches, closed. Until it is closed nobody reads it, so what breaks off leaves nothing half said.

Every batch is one transaction, and each run writes rows of its own alone, bodies apart, which are written in one order: so any number of
controllers write at once, lose nothing and never wait for each other in a circle.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from .._core.ledger_types import ProofRecord, RunFacts, RunState
from . import rows as columns
from .engine import Database
from .failures import LedgerError
from .schema import table
from .seal import Seal, add, content_digest

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql, sqlite
except ImportError:  # reported by the action's require()
    pass

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

#: rows of one transaction
BATCH = 5_000


class Recorder:
    """One run that is being written; made by :meth:`start`."""

    def __init__(self, database: Database, seal: Seal, *, run_id: str, number: int, node: str, started: int, clock: Callable[[], datetime]):
        self._database = database
        self._seal = seal
        self.run_id = run_id
        self.number = number
        self._node = node
        self._started = started
        self._clock = clock
        self._written: dict[str, set[tuple[Any, ...]]] = {}
        self._sums: dict[str, int] = {}

    @classmethod
    def start(cls, database: Database, seal: Seal, *, node: str, clock: Callable[[], datetime]) -> Recorder:
        """Open a run; ``node``: the controller's name, for people. ``clock`` gives times in UTC."""
        run_id, started = str(uuid.uuid4()), columns.micros(clock())
        name = columns.text(node)
        row = {
            "id": run_id,
            "state": RunState.OPEN.value,
            "node": name,
            "started_at": started,
            "touched_at": started,
            "batches": 0,
        }
        with database.writing() as connection:
            number = connection.execute(table("runs").insert().values(row)).inserted_primary_key
        if number is None:
            raise LedgerError("open a run of the ledger", target=database.shown, meaning="the database gave it no number")
        return cls(database, seal, run_id=run_id, number=int(number[0]), node=name, started=started, clock=clock)

    def add(self, name: str, rows: Iterable[Mapping[str, Any]], *, body: str | None = None) -> None:
        """Write rows of a table, without ``run`` and ``seal``.

        Args:
            name: of the table.
            rows: one whose key was written already is passed over.
            body: the column in which a row brings a body (bytes), of which its digest is written.

        Raises:
            LedgerError: the database refused, or the run was given up meanwhile; what was written before stays unread.
        """
        for batch in _batches(rows):
            self._write(name, batch, body)

    def proofs(self, records: Iterable[ProofRecord]) -> None:
        """Write proofs as they are made: each stands for itself, also where the run never closes."""
        self.add("proofs", (_proof_row(record) for record in records))

    def close(self, facts: RunFacts) -> None:
        """End the run: from here on it is read, whole."""
        now = columns.micros(self._clock())
        said = json.dumps(
            {
                "complete": facts.complete,
                "passed": facts.passed,
                "computers": facts.computers,
                "observed": facts.observed,
                "stores": {store: dict(found) for store, found in facts.stores.items()},
                "verdicts": dict(facts.verdicts),
                "tables": {name: [len(self._written[name]), f"{self._sums[name]:032x}"] for name in sorted(self._written)},
            },
            sort_keys=True,
        )
        seal = self._seal.of("runs", self.run_id, self.number, self._node, self._started, now, said)
        with self._database.writing() as connection:
            self._touch(connection, {"state": RunState.CLOSED.value, "closed_at": now, "facts": said, "seal": seal})

    def abort(self) -> None:
        """Give the run up; it is shown as aborted."""
        with self._database.writing() as connection:
            self._touch(connection, {"state": RunState.ABORTED.value})

    def _write(self, name: str, batch: list[Mapping[str, Any]], body: str | None) -> None:
        known, total = self._written.setdefault(name, set()), self._sums.setdefault(name, 0)
        bodies: dict[bytes, bytes] = {}
        made = []
        fresh: set[tuple[Any, ...]] = set()
        for given in batch:
            row = dict(given)
            if body is not None:
                content = row.pop(body)
                row["digest"] = content_digest(content)
                bodies[row["digest"]] = content
            key = tuple(row[column] for column in columns.KEYS[name])
            if key in known or key in fresh:
                continue
            fresh.add(key)
            row["seal"] = columns.seal_row(self._seal, name, self.run_id, row)
            row["run"] = self.number
            total = add(total, row["seal"])
            made.append(row)
        if not made:
            return
        with self._database.writing() as connection:
            self._touch(connection, {})
            if bodies:
                self._write_bodies(connection, bodies)
            # as the database's own statement: building each row's parameters anew would take as long as writing them
            connection.exec_driver_sql(str(table(name).insert().compile(connection)), made)
        known |= fresh
        self._sums[name] = total

    def _write_bodies(self, connection: Connection, bodies: Mapping[bytes, bytes]) -> None:
        insert = (sqlite.insert if self._database.sqlite else postgresql.insert)(table("bodies")).on_conflict_do_nothing()
        # always in one order: two writers that wrote the same ones in different orders would wait for each other
        connection.execute(insert, [{"digest": digest, "body": bodies[digest]} for digest in sorted(bodies)])

    def _touch(self, connection: Connection, values: Mapping[str, Any]) -> None:
        runs = table("runs")
        mine = (runs.c.number == self.number) & (runs.c.id == self.run_id) & (runs.c.state == RunState.OPEN.value)
        touched = {"touched_at": columns.micros(self._clock()), "batches": runs.c.batches + 1, **values}
        if connection.execute(sa.update(runs).where(mine).values(touched)).rowcount != 1:
            raise LedgerError(
                "write a run into the ledger",
                target=self._database.shown,
                meaning="the run was given up meanwhile, because nothing had been written for a day",
                remedy="Run the report again.",
            )


def _batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    source = iter(rows)
    while batch := list(islice(source, BATCH)):
        yield batch


def _proof_row(record: ProofRecord) -> dict[str, Any]:
    return {
        "store": columns.text(record.store),
        "entry_id": columns.text(record.entry_id),
        "key_id": columns.text(record.key_id),
        "datum": columns.text(record.datum),
        "owner_id": columns.text(record.owner_id),
        "version": columns.text(record.version),
        "value_mark": columns.text(record.value_mark),
        "outcome": columns.text(record.outcome),
        "basis": columns.text(record.basis),
        "reason": columns.text(record.reason),
        "made_at": columns.micros(record.made_at),
    }
