# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on SQLite and on a real PostgreSQL: killed at every write, written by three at once, and by somebody without the key."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.ledger_types import RunFacts, RunState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger import schema
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.engine import open_database
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.failures import LedgerError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.ledger import opened
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.rows import text
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.settings import LedgerSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "plugins" / "plugin_utils" / "_ledger"))
from ledgers import NOW, now, observation, postgresql, proof, sqlite_settings, write_run

FORK = multiprocessing.get_context("fork")
HOSTS = ["pc01", "pc02", "pc03"]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerSettings:
    """An empty ledger on each database."""
    if request.param == "sqlite":
        return sqlite_settings(tmp_path)
    given = LedgerSettings.from_options({"url": request.getfixturevalue("server"), "hmac_key_file": str(tmp_path / "ledger.key")})
    database = sa.create_engine(sa.make_url(given.url or "").set(drivername="postgresql+psycopg"))
    with database.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    database.dispose()
    return given


@contextmanager
def raw(settings: LedgerSettings) -> Iterator[sa.Connection]:
    """The database as somebody sees it who can write into it, but does not hold the key."""
    database = open_database(settings, make=True)
    try:
        with database.writing() as connection:
            yield connection
    finally:
        database.close()


def in_child(work: Any, *arguments: Any) -> int:
    """Run in a process of its own; its exit code."""
    process = FORK.Process(target=work, args=arguments)
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the child hangs"
    return process.exitcode


# --- one writer ---------------------------------------------------------------------------------------------------------------------------


def test_a_closed_run_is_read_back_whole(settings: LedgerSettings) -> None:
    with opened(settings, clock=now) as ledger:
        recorder = write_run(ledger, HOSTS, close=False)
        recorder.proofs([proof()])
        with ledger.read() as reader:
            assert reader.last_observations(HOSTS) == {}, "an open run is read"
        recorder.close(RunFacts(complete=True, passed=False, computers=3, observed=3, stores={"ad": {"state": "searched", "scope": "s"}}))
        with ledger.read() as reader:
            (run,) = reader.runs
            kept = reader.last_observations([*HOSTS, "pc99"])
            memory = reader.proofs()
            history = reader.history("pc02", limit=5)
            assert not +reader.doubtful
    assert run.state is RunState.CLOSED
    assert run.sealed
    assert run.facts is not None
    assert run.facts.stores == {"ad": {"state": "searched", "scope": "s"}}
    assert {host: item.observation for host, item in kept.items()} == {host: observation(host) for host in HOSTS}
    assert list(memory.records()) == [proof()]
    assert [(item.run_id, verdict) for item, verdict, _volumes in history.verdicts] == [(run.run_id, "escrowed")]
    assert [item.observation.host for item in history.observations] == ["pc02"]


def test_the_newest_closed_run_counts(settings: LedgerSettings) -> None:
    with opened(settings, clock=now) as ledger:
        write_run(ledger, HOSTS, at=NOW - timedelta(days=2))
        write_run(ledger, HOSTS[:1], at=NOW - timedelta(days=1))
        write_run(ledger, HOSTS, at=NOW, close=False)
        with ledger.read() as reader:
            kept = reader.last_observations(HOSTS)
    assert {host: NOW - item.observation.observed_at for host, item in kept.items()} == {
        "pc01": timedelta(days=1),
        "pc02": timedelta(days=2),
        "pc03": timedelta(days=2),
    }


def test_a_run_that_never_closed_is_shown_as_aborted_and_cannot_be_closed_any_more(settings: LedgerSettings) -> None:
    moment = [NOW]
    with opened(settings, clock=lambda: moment[0]) as ledger:
        recorder = write_run(ledger, HOSTS, close=False)
        moment[0] = NOW + timedelta(days=1, seconds=1)
        with ledger.read() as reader:
            assert [run.state for run in reader.runs] == [RunState.ABORTED]
        ledger.tidy()
        with pytest.raises(LedgerError, match="given up"):
            recorder.close(RunFacts(complete=True, passed=True))
        with ledger.read() as reader:
            assert [run.state for run in reader.runs] == [RunState.ABORTED]


def test_what_is_too_old_goes_and_what_others_need_stays(settings: LedgerSettings) -> None:
    moment = [NOW]
    with opened(replace(settings, keep_days=10), clock=lambda: moment[0]) as ledger:
        write_run(ledger, ["gone", "here"], at=NOW)
        moment[0] = NOW + timedelta(days=9)
        write_run(ledger, ["here"], at=NOW)  # the same body
        moment[0] = NOW + timedelta(days=11)
        assert ledger.tidy() == 1
        assert ledger.tidy() == 0
        with ledger.read() as reader:
            assert set(reader.last_observations(["gone", "here"])) == {"here"}
            assert len(reader.trend(10)) == 2, "the runs themselves stay"
            assert not +reader.doubtful


# --- killed -------------------------------------------------------------------------------------------------------------------------------


def _killed(settings: LedgerSettings, at: int, after: bool) -> None:
    """Write a run, and be killed at the ``at``-th statement or commit."""
    left = [at]

    def step(*_unused: object) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    with opened(settings, clock=now) as ledger:
        engine = ledger._database.engine
        sa.event.listen(engine, "after_cursor_execute" if after else "before_cursor_execute", step)
        sa.event.listen(engine, "commit", step)
        recorder = write_run(ledger, HOSTS, node="killed", close=False)
        recorder.proofs([proof(entry_id="entry-2")])
        recorder.close(RunFacts(complete=True, passed=True, verdicts={"escrowed": 3}))
    os._exit(7)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_write(settings: LedgerSettings, after: bool) -> None:
    with opened(settings, clock=now) as ledger:
        write_run(ledger, HOSTS, node="first")
    ended, steps = False, 0
    while not ended:
        steps += 1
        code = in_child(_killed, settings, steps, after)
        assert code in (7, -signal.SIGKILL)
        ended = code == 7
        with opened(settings, clock=now) as ledger, ledger.read() as reader:
            assert not +reader.doubtful, f"step {steps}"
            assert reader.runs[-1].node == "first"
            assert reader.runs[-1].sealed
            for run in reader.closed.values():
                assert run.facts is not None
                assert run.facts.verdicts == {"escrowed": 3}
                assert {name: number for name, (number, _sum) in run.tables.items()} == _rows_of(settings, run.number)
            assert {host: kept.observation for host, kept in reader.last_observations(HOSTS).items()} == {h: observation(h) for h in HOSTS}
            # what was proven before the kill is either there or not, and never something else
            assert set(reader.proofs().records()) <= {proof(entry_id="entry-2")}
    assert steps > 12, "nothing was killed"
    with opened(settings, clock=now) as ledger:
        write_run(ledger, HOSTS, node="last")
        with ledger.read() as reader:
            assert reader.runs[0].node == "last"
            assert sum(run.node == "killed" and run.state is RunState.CLOSED for run in reader.runs) >= 1
            assert any(run.state is RunState.OPEN for run in reader.runs)


def _rows_of(settings: LedgerSettings, number: int) -> dict[str, int]:
    """How many rows of each table a run has, counted by the database; tables without any are left out."""
    with raw(settings) as connection:
        tables = {name: schema.table(name) for name in schema.RUN_TABLES}
        count = sa.func.count()
        found = {name: connection.execute(sa.select(count).where(rows.c.run == number)).scalar_one() for name, rows in tables.items()}
    return {name: number for name, number in found.items() if number}


def _killed_at_upkeep(settings: LedgerSettings, at: int) -> None:
    """Make the ledger where there is none, tidy it, and be killed at the ``at``-th statement or commit of all that."""
    left = [at]

    def step(*_unused: object) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "before_cursor_execute", step)
    sa.event.listen(sa.Engine, "commit", step)
    with opened(replace(settings, keep_days=10), clock=lambda: NOW + timedelta(days=11)) as ledger:
        ledger.tidy()
    os._exit(7)


@pytest.mark.parametrize("there", [False, True], ids=["made", "tidied"])
def test_killed_while_it_is_made_or_tidied(settings: LedgerSettings, there: bool) -> None:
    code, steps = 0, 0
    while code != 7:
        if there:  # something old to be removed, and something of today that stays
            with opened(settings, clock=now) as ledger:
                write_run(ledger, ["gone"])
            with opened(settings, clock=lambda: NOW + timedelta(days=11)) as ledger:
                write_run(ledger, HOSTS)
        steps += 1
        code = in_child(_killed_at_upkeep, settings, steps)
        assert code in (7, -signal.SIGKILL)
        with opened(settings, clock=lambda: NOW + timedelta(days=11)) as ledger, ledger.read() as reader:
            assert set(reader.last_observations([*HOSTS, "gone"])) in ([set(HOSTS), {*HOSTS, "gone"}] if there else [set()])
            assert not +reader.doubtful, f"step {steps}"
    assert steps > 8, "nothing was killed"
    with opened(settings, clock=now) as ledger:
        write_run(ledger, HOSTS)
        with ledger.read() as reader:
            assert set(reader.last_observations(HOSTS)) == set(HOSTS)


# --- several writers ----------------------------------------------------------------------------------------------------------------------


def _writes(settings: LedgerSettings, node: str, runs: int) -> None:
    with opened(settings, clock=now) as ledger:
        for number in range(runs):
            # the same hosts, and so the same bodies, in another order
            hosts = [f"pc{index:02d}" for index in range(12)]
            write_run(ledger, hosts if (number + len(node)) % 2 else hosts[::-1], node=node)
            ledger.tidy()
    os._exit(0)


def test_three_writers_lose_nothing(settings: LedgerSettings) -> None:
    nodes = ["a", "bb", "ccc"]
    writers = [FORK.Process(target=_writes, args=(settings, node, 4)) for node in nodes]
    # they also make the key, the file and the schema at the same time
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with opened(settings, clock=now) as ledger, ledger.read() as reader:
        assert sorted(run.node for run in reader.closed.values()) == sorted(nodes * 4)
        assert len({run.run_id for run in reader.runs}) == len({run.number for run in reader.runs}) == 12
        for run in reader.runs:
            assert run.tables["observations"][0] == run.tables["verdicts"][0] == 12
        assert len(reader.last_observations([f"pc{index:02d}" for index in range(12)])) == 12
        assert len(reader.history("pc03", limit=50).observations) == 12
        assert not +reader.doubtful


# --- somebody who can write into the database, but does not hold the key ------------------------------------------------------------------


def test_a_forged_or_moved_row_is_not_believed(settings: LedgerSettings) -> None:
    with opened(settings, clock=now) as ledger:
        first = write_run(ledger, HOSTS)
        second = write_run(ledger, HOSTS[:1])
        third = ledger.record(node="proofs")
        third.proofs([proof(), proof(entry_id="entry-2", outcome="refuted")])
        third.close(RunFacts(complete=True, passed=True))
    proofs, observations = schema.table("proofs"), schema.table("observations")
    with raw(settings) as connection:
        forged = dict(connection.execute(sa.select(proofs).where(proofs.c.entry_id == "entry-1")).mappings().one())
        # invented with another's seal, turned round, bound to another value, another datum, moved to another run
        connection.execute(proofs.insert(), {**forged, "entry_id": "entry-3"})
        connection.execute(sa.update(proofs).where(proofs.c.entry_id == "entry-2").values(outcome="proven"))
        connection.execute(proofs.insert(), {**forged, "datum": "ef" * 32})
        connection.execute(proofs.insert(), {**forged, "run": first.number})
        # an observation of one machine put in the place of another's
        mine = dict(connection.execute(sa.select(observations).where(observations.c.host == "pc03")).mappings().one())
        connection.execute(sa.update(observations).where(observations.c.host == "pc02").values(digest=mine["digest"], seal=mine["seal"]))
        connection.execute(sa.update(observations).where(observations.c.run == second.number).values(observed_at=0))
    with opened(settings, clock=now) as ledger, ledger.read() as reader:
        assert list(reader.proofs().records()) == [proof()]
        assert reader.doubtful["proofs"] == 4
        kept = reader.last_observations(HOSTS)
        assert {host: item.observation for host, item in kept.items()} == {"pc03": observation("pc03")}
        assert reader.doubtful["observations"] == 2


def test_a_body_that_was_changed_is_not_believed(settings: LedgerSettings) -> None:
    with opened(settings, clock=now) as ledger:
        write_run(ledger, HOSTS)
    bodies = schema.table("bodies")
    with raw(settings) as connection:
        digest = connection.execute(
            sa.select(schema.table("observations").c.digest).where(schema.table("observations").c.host == "pc01")
        ).scalar()
        connection.execute(sa.update(bodies).where(bodies.c.digest == digest).values(body=b"x" * 6_000_000))
    with opened(settings, clock=now) as ledger, ledger.read() as reader:
        assert set(reader.last_observations(HOSTS)) == {"pc02", "pc03"}
        assert reader.doubtful["bodies"]


def test_an_open_run_that_somebody_closes_is_not_believed(settings: LedgerSettings) -> None:
    with opened(settings, clock=now) as ledger:
        write_run(ledger, HOSTS, close=False)
    runs = schema.table("runs")
    with raw(settings) as connection:
        connection.execute(sa.update(runs).values(state="closed", closed_at=0, facts="{}", seal=b"0" * 16))
    with opened(settings, clock=now) as ledger, ledger.read() as reader:
        assert not reader.closed
        assert reader.doubtful["runs"]
        assert reader.last_observations(HOSTS) == {}


def test_a_row_that_was_taken_away_is_missed(settings: LedgerSettings) -> None:
    with opened(settings, clock=now) as ledger:
        recorder = ledger.record(node="one")
        rows = [{"store": "ad", "owner_id": f"owner-{n}", "computer": f"pc0{n}", "body": b"[]"} for n in range(3)]
        recorder.add("holdings", rows, body="body")
        recorder.close(RunFacts(complete=True, passed=True, stores={"ad": {"state": "searched", "scope": "s"}}))
        with ledger.read() as reader:
            (run,) = reader.comparable_runs("ad", "s", days=7)
            assert len(list(reader.owners(run, "ad"))) == 3
            assert not +reader.doubtful
    holdings = schema.table("holdings")
    with raw(settings) as connection:
        connection.execute(sa.delete(holdings).where(holdings.c.owner_id == "owner-1"))
    with opened(settings, clock=now) as ledger, ledger.read() as reader:
        assert len(list(reader.owners(run, "ad"))) == 2
        assert reader.doubtful["holdings"] == 1


def test_rows_of_every_kind_of_nonsense_are_no_error(settings: LedgerSettings) -> None:
    if settings.path is None:
        pytest.skip("PostgreSQL holds its columns to their types, so such rows cannot be")
    with opened(settings, clock=now) as ledger:
        write_run(ledger, HOSTS)
    with raw(settings) as connection:
        for name in schema.RUN_TABLES:
            table = schema.table(name)
            for nonsense in ("text", b"blob", 2**62, 1.5):
                names = ", ".join(column.name for column in table.columns)
                marks = ", ".join("1" if column.name == "run" else "?" for column in table.columns)
                values = tuple(nonsense for column in table.columns if column.name != "run")
                connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", values)  # noqa: S608 (our own names)
        connection.exec_driver_sql(
            "INSERT INTO keyward_runs (id, state, node, started_at, touched_at, batches) VALUES ('x', 'odd', 'y', 'z', x'00', 'w')"
        )
    with opened(settings, clock=now) as ledger, ledger.read() as reader:
        assert set(reader.last_observations([*HOSTS, "text", "blob"])) == set(HOSTS)
        assert list(reader.proofs().records()) == []
        assert reader.first_seen("protectors") == {}
        assert reader.first_seen("entries") == {}
        assert (reader.protectors(), reader.entries()) == ({}, {})
        (closed,) = reader.closed.values()
        assert list(reader.owners(closed, "text")) == []
        assert reader.history("text", limit=5).verdicts == ()
        assert reader.doubtful.total() > 10


# --- schema -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(schema.VERSION))
def test_every_older_schema_is_led_forward(settings: LedgerSettings, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if version:
        monkeypatch.setattr(schema, "VERSION", version)
        with opened(settings, clock=now) as ledger:
            write_run(ledger, HOSTS)
        monkeypatch.undo()
    with opened(settings, clock=now) as ledger:
        write_run(ledger, HOSTS)
        with ledger.read() as reader:
            assert len(reader.closed) == (2 if version else 1)
            assert set(reader.last_observations(HOSTS)) == set(HOSTS)
    with raw(settings) as connection:
        assert schema.version_of(connection) == schema.VERSION
        inspector = sa.inspect(connection)
        for table in schema.metadata().tables.values():
            assert [column["name"] for column in inspector.get_columns(table.name)] == [column.name for column in table.columns]
            assert sorted(inspector.get_pk_constraint(table.name)["constrained_columns"]) == sorted(c.name for c in table.primary_key)


def test_a_newer_schema_is_refused_and_left_alone(settings: LedgerSettings) -> None:
    with raw(settings) as connection:
        connection.execute(schema.table("schema").insert(), {"version": schema.VERSION + 1, "applied_at": 0})
    with (
        pytest.raises(LedgerError, match=f"version {schema.VERSION + 1}, and this release of the collection knows {schema.VERSION}"),
        opened(settings, clock=now),
    ):
        pass


def test_a_migration_that_breaks_leaves_nothing(settings: LedgerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {**schema.MIGRATIONS, 2: schema.MIGRATIONS[2] + ";\nCREATE NONSENSE"}
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    with pytest.raises(LedgerError), opened(settings, clock=now):
        pass
    monkeypatch.undo()
    with opened(settings, clock=now) as ledger:
        write_run(ledger, HOSTS)


def test_reading_makes_nothing(settings: LedgerSettings) -> None:
    with pytest.raises(Exception, match="it is not there") as caught, opened(settings, clock=now, make=False):
        pass
    assert type(caught.value).__name__ == "OptionError"
    with opened(settings, clock=now):
        pass
    with opened(settings, clock=now, make=False) as ledger, ledger.read() as reader:
        assert reader.runs == ()


def test_texts_that_no_database_takes(settings: LedgerSettings) -> None:
    odd = ["nul\0inside", "x" * 5000, "half \ud800", "\u202eturned", "'; DROP TABLE keyward_runs; --", "ü" * 600]
    with opened(settings, clock=now) as ledger:
        recorder = ledger.record(node="odd\0node")
        recorder.add("protectors", ({"host": "pc01", "key_id": text(name), "type": None, "first_seen": 0} for name in [*odd, *odd]))
        recorder.close(RunFacts(complete=True, passed=True))
        with ledger.read() as reader:
            assert len(reader.first_seen("protectors")) == len(odd)
            assert not +reader.doubtful
