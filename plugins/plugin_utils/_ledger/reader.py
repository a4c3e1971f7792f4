# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Read the ledger: closed runs alone, rows that bear their seal alone, and bodies by the parsers that read what hosts and stores say.

A reader sees one moment of the ledger. What it does not believe it counts, and nothing else: a row that somebody wrote who does not hold
the key is no error, and decides nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .._core.ledger_changes import HeldEntry, from_data
from .._core.ledger_observation import at_time
from .._core.ledger_types import FirstSeen, History, Kept, OwnerRecord, ProofMemory, ProofRecord, Run, RunFacts, RunState
from .._core.model import Observation
from .._core.observation import parse_observation
from .._errors import BadDataError
from . import rows as columns
from .schema import table
from .seal import Seal, add, content_digest

try:
    import sqlalchemy as sa
except ImportError:  # reported by the action's require()
    sa = None  # type: ignore[assignment]  # optional: its absence is an error only where it is needed

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

#: an open run that wrote nothing for so long will never close
ABANDONED = timedelta(days=1)
#: a larger body is not looked at: 64 volumes with 64 protectors are smaller
MAX_BODY = 4 * 1024 * 1024
MAX_RUNS = 20_000
_CHUNK = 500
_YIELD = 10_000


class Reader:
    """One moment of the ledger. ``doubtful``: rows left out, by table, because they bear no right seal or break their format."""

    def __init__(self, connection: Connection, seal: Seal, *, now: datetime) -> None:
        self._connection = connection
        self._seal = seal
        self._now = now
        self.doubtful: Counter[str] = Counter()
        self.runs: tuple[Run, ...] = tuple(self._read_runs())
        self.closed: Mapping[int, Run] = {run.number: run for run in self.runs if run.state is RunState.CLOSED and run.sealed}
        self._ids = {run.number: run.run_id for run in self.runs}

    # --- runs -----------------------------------------------------------------------------------------------------------------------------

    def _read_runs(self) -> Iterator[Run]:
        """The newest first."""
        runs = table("runs")
        for row in self._connection.execute(sa.select(runs).order_by(runs.c.number.desc()).limit(MAX_RUNS)).mappings():
            try:
                yield self._run(dict(row))
            except (ValueError, TypeError, KeyError, AttributeError):
                self.doubtful["runs"] += 1

    def _run(self, row: Mapping[str, Any]) -> Run:
        state = RunState(row["state"])
        if state is RunState.OPEN and columns.moment(row["touched_at"]) < self._now - ABANDONED:
            state = RunState.ABORTED
        facts: RunFacts | None = None
        tables: Mapping[str, Sequence[Any]] = {}
        sealed = state is RunState.CLOSED and self._seal.fits(
            row["seal"], "runs", row["id"], row["number"], row["node"], row["started_at"], row["closed_at"], row["facts"]
        )
        if sealed:
            said = json.loads(row["facts"])
            tables = said.pop("tables")
            facts = RunFacts(**said)
        elif state is RunState.CLOSED:
            self.doubtful["runs"] += 1
        return Run(
            number=int(row["number"]),
            run_id=str(row["id"]),
            state=state,
            node=str(row["node"]),
            started_at=columns.moment(row["started_at"]),
            closed_at=columns.moment(row["closed_at"]) if row["closed_at"] is not None else None,
            batches=int(row["batches"]),
            sealed=sealed,
            facts=facts,
            tables=tables,
        )

    # --- rows and bodies ------------------------------------------------------------------------------------------------------------------

    def _rows(self, name: str, query: Select[Any], *, closed: bool = True) -> Iterator[Mapping[str, Any]]:
        """Rows of a table that are believed: sealed, of a run that is closed (with ``closed``), in the order of the query."""
        names = tuple(column.name for column in query.selected_columns)
        for row in self._plain(name, query, closed=closed):
            yield dict(zip(names, row, strict=True))

    def _plain(self, name: str, query: Select[Any], *, closed: bool = True) -> Iterator[Sequence[Any]]:
        """As :meth:`_rows`, each row as its columns in the query's order: there are hundreds of thousands, and a mapping is dear."""
        names = [column.name for column in query.selected_columns]
        is_sealed, at = columns.checker(self._seal, name, names), names.index("run")
        known = {number: self._ids[number] for number in self.closed} if closed else self._ids
        for part in self._connection.execution_options(yield_per=_YIELD).execute(query).partitions():
            for row in part:
                run_id = known.get(row[at])
                if run_id is not None and is_sealed(row, run_id):
                    yield row
                elif run_id is not None or not closed:
                    self.doubtful[name] += 1

    def _bodies(self, digests: Iterable[bytes]) -> dict[bytes, Any]:
        """What the digests stand for, as plain data; one that is not there, or not what its name says, is missing."""
        wanted = list(dict.fromkeys(digests))
        bodies = table("bodies")
        found: dict[bytes, Any] = {}
        for chunk in _chunks(wanted):
            # no more than the bound is ever fetched
            content = sa.func.substr(bodies.c.body, 1, MAX_BODY + 1, type_=sa.LargeBinary())
            for digest, body in self._connection.execute(sa.select(bodies.c.digest, content).where(bodies.c.digest.in_(chunk))):
                if isinstance(body, bytes) and len(body) <= MAX_BODY and content_digest(body) == digest:
                    try:
                        found[digest] = json.loads(body)
                        continue
                    except (ValueError, RecursionError):
                        pass
                self.doubtful["bodies"] += 1
        self.doubtful["bodies"] += len([digest for digest in wanted if digest not in found])
        return found

    # --- observations ---------------------------------------------------------------------------------------------------------------------

    def last_observations(self, hosts: Collection[str]) -> dict[str, Kept]:
        """The newest observation of each host that has one, read by the parser of observations."""
        return {kept.observation.host: kept for kept in self._last_observations(hosts)}

    def _last_observations(self, hosts: Collection[str]) -> Iterator[Kept]:
        observations = table("observations")
        names = {columns.text(host): host for host in hosts}
        for chunk in _chunks(sorted(names)):
            newest = (
                sa.select(observations.c.host, sa.func.max(observations.c.run).label("run"))
                .where(observations.c.host.in_(chunk), observations.c.run.in_(self._closed_numbers()))
                .group_by(observations.c.host)
                .subquery()
            )
            query = sa.select(observations).join(newest, sa.and_(observations.c.host == newest.c.host, observations.c.run == newest.c.run))
            yield from self._kept(self._rows("observations", query), names)

    def _kept(self, rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Kept]:
        listed = list(rows)
        for chunk in _chunks(listed):
            bodies = self._bodies(row["digest"] for row in chunk)
            for row in chunk:
                host = names.get(row["host"])
                if host is None or row["digest"] not in bodies:
                    continue
                observation = self._observation(host, row, bodies[row["digest"]])
                if observation is not None:
                    yield Kept(observation=observation, run=self.closed[row["run"]])

    def _observation(self, host: str, row: Mapping[str, Any], facts: object) -> Observation | None:
        try:
            return parse_observation(host, at_time(facts, columns.moment(row["observed_at"])))
        except (BadDataError, ValueError):
            self.doubtful["observations"] += 1
            return None

    def _closed_numbers(self) -> Select[Any]:
        runs = table("runs")
        return sa.select(runs.c.number).where(runs.c.state == RunState.CLOSED.value)

    # --- stores ---------------------------------------------------------------------------------------------------------------------------

    def comparable_runs(self, store: str, scope: str, *, days: int) -> list[Run]:
        """Runs to hold a reading of a store against: the newest that searched all of the same, and the first and the newest of each day.

        The first one too, so that what vanished today is still told by today's next run.
        """
        fitting = [
            run
            for run in self.closed.values()
            if run.facts is not None
            and (said := run.facts.stores.get(store))
            and said.get("state") == "searched"
            and said.get("scope") == scope
        ]
        newest_first = sorted(fitting, key=lambda run: run.number, reverse=True)
        recent = [run for run in newest_first if timedelta(0) <= self._now - run.started_at <= timedelta(days=days)]
        newest, first = {run.started_at.date(): run for run in reversed(recent)}, {run.started_at.date(): run for run in recent}
        chosen = {run.number: run for run in (*newest_first[:1], *newest.values(), *first.values())}
        return sorted(chosen.values(), key=lambda run: run.number, reverse=True)

    def owners(self, run: Run, store: str) -> Iterator[OwnerRecord]:
        """What lay under each owner of a store in a run, as digests; a row that is missing is counted as doubtful."""
        holdings = table("holdings")
        count = total = 0
        query = sa.select(*(holdings.c[name] for name in ("store", "owner_id", "computer", "digest", "seal", "run")))
        for held_in, owner_id, computer, digest, seal, _run in self._plain("holdings", query.where(holdings.c.run == run.number)):
            count, total = count + 1, add(total, seal)
            if held_in == store:
                yield OwnerRecord(owner_id=owner_id, computer=computer, digest=digest)
        if [count, f"{total:032x}"] != list(run.tables.get("holdings", [0, f"{0:032x}"])):
            self.doubtful["holdings"] += 1

    def held(self, digests: Collection[bytes]) -> dict[bytes, list[HeldEntry]]:
        """The entries that digests of :meth:`owners` stand for."""
        found = {}
        for digest, data in self._bodies(digests).items():
            try:
                found[digest] = from_data(data)
            except ValueError:
                self.doubtful["bodies"] += 1
        return found

    def last_held(self, store: str, owner_id: str, *, limit: int) -> list[tuple[Run, list[HeldEntry]]]:
        """What lay under one owner in each of the newest closed runs, newest first."""
        holdings = table("holdings")
        numbers = sorted(self.closed, reverse=True)[:limit]
        query = sa.select(holdings).where(holdings.c.run.in_(numbers), holdings.c.store == store, holdings.c.owner_id == owner_id)
        rows = list(self._rows("holdings", query.order_by(holdings.c.run.desc())))
        held = self.held({row["digest"] for row in rows})
        return [(self.closed[row["run"]], held.get(row["digest"], [])) for row in rows]

    # --- proofs ---------------------------------------------------------------------------------------------------------------------------

    def proofs(self) -> ProofMemory:
        """Every proof, also of a run that never closed: each was made, and says all that it needs itself."""
        return ProofMemory(list(self._proofs(sa.select(table("proofs")))))

    def proofs_of(self, key_ids: Collection[str]) -> ProofMemory:
        """The proofs of some protectors alone."""
        proofs = table("proofs")
        return ProofMemory(
            [record for chunk in _chunks(sorted(key_ids)) for record in self._proofs(sa.select(proofs).where(proofs.c.key_id.in_(chunk)))]
        )

    def _proofs(self, query: Select[Any]) -> Iterator[ProofRecord]:
        for row in self._rows("proofs", query, closed=False):
            facts = {name: row[name] for name in (*columns.KEYS["proofs"], *columns.FACTS["proofs"]) if name != "made_at"}
            try:
                yield ProofRecord(made_at=columns.moment(row["made_at"]), **facts)
            except (ValueError, TypeError):
                self.doubtful["proofs"] += 1

    # --- first seen -----------------------------------------------------------------------------------------------------------------------

    def first_seen(self, name: str, *, where: Callable[[Any], Any] | None = None) -> dict[tuple[str, ...], FirstSeen]:
        """When protectors (``protectors``: by host and key ID) or entries (``entries``: by store, entry and key ID) were seen first."""
        columns_of = table(name).c
        query = sa.select(table(name)) if where is None else sa.select(table(name)).where(where(columns_of))
        found: dict[tuple[str, ...], FirstSeen] = {}
        keys = columns.KEYS[name]
        for row in self._rows(name, query):
            key = tuple(row[column] for column in keys)
            if key in found and columns.micros(found[key].at) <= row["first_seen"]:
                continue
            created = row.get("created")
            found[key] = FirstSeen(
                at=columns.moment(row["first_seen"]),
                created=columns.moment(created) if created is not None else None,
                owner_id=row.get("owner_id"),
                type=row.get("type"),
            )
        return found

    def protectors(self) -> dict[tuple[str, str], tuple[int, str | None]]:
        """(host, key ID) -> when the protector was seen first, in microseconds, and its type: :meth:`first_seen` for a large fleet."""
        rows = table("protectors")
        query = sa.select(*(rows.c[name] for name in ("host", "key_id", "first_seen", "type", "run", "seal")))
        found: dict[tuple[str, str], tuple[int, str | None]] = {}
        for host, key_id, at, kind, *_rest in self._plain("protectors", query):
            key = host, key_id
            if key not in found or at < found[key][0]:
                found[key] = at, kind
        return found

    def entries(self) -> dict[tuple[str, str, str], int]:
        """(store, entry ID, key ID) -> since when the entry is there at the latest: its creation, or when it was seen first."""
        rows = table("entries")
        query = sa.select(*(rows.c[name] for name in ("store", "entry_id", "key_id", "first_seen", "created", "owner_id", "run", "seal")))
        found: dict[tuple[str, str, str], int] = {}
        for store, entry_id, key_id, at, created, *_rest in self._plain("entries", query):
            key = store, entry_id, key_id
            there = at if created is None or at < created else created
            if key not in found or there < found[key]:
                found[key] = there
        return found

    # --- history --------------------------------------------------------------------------------------------------------------------------

    def trend(self, number: int) -> list[Run]:
        """The newest closed runs, the oldest of them first."""
        return sorted(self.closed.values(), key=lambda run: run.number)[-number:]

    def history(self, name: str, *, limit: int) -> History:
        """What the ledger holds of one computer, by its name in the report or the inventory, newest first."""
        wanted = columns.text(name)
        verdicts, observations = table("verdicts"), table("observations")
        query = sa.select(verdicts).where(sa.or_(verdicts.c.computer == wanted, verdicts.c.host == wanted))
        judged = list(self._rows("verdicts", query.order_by(verdicts.c.run.desc()).limit(limit)))
        bodies = self._bodies(row["digest"] for row in judged)
        hosts = {row["host"] for row in judged if row["host"] is not None} | {wanted}
        seen = sa.select(observations).where(observations.c.host.in_(sorted(hosts))).order_by(observations.c.run.desc()).limit(limit)
        kept = self._kept(self._rows("observations", seen), {host: host for host in hosts})
        return History(
            name=name,
            hosts=tuple(sorted(hosts)),
            verdicts=tuple((self.closed[row["run"]], row["verdict"], bodies.get(row["digest"])) for row in judged),
            observations=tuple(kept),
        )


def _chunks(items: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _CHUNK):
        yield list(items[start : start + _CHUNK])
