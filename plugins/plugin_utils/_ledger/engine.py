# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Connections to the ledger: SQLite with its write-ahead log, or PostgreSQL, behind one face with the transactions that it needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import place, schema
from .failures import LedgerError, database_errors
from .settings import LedgerSettings

try:
    import sqlalchemy as sa
except ImportError:  # reported by the action's require()
    sa = None  # type: ignore[assignment]  # optional: its absence is an error only where it is needed

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: seconds that a writer waits for another one
BUSY_SECONDS = 120
#: number of the lock in PostgreSQL that writers share, and upkeep and migrations hold alone
_LOCK = 0x6B65_7977


class Database:
    """The ledger's database; made by :func:`open_database`."""

    def __init__(self, engine: Engine, shown: str) -> None:
        self.engine = engine
        self.shown = shown
        self.sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One moment of the ledger, however long the reading takes."""
        with database_errors("read the ledger", self.shown), self.engine.connect() as connection:
            if not self.sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[Connection]:
        """A transaction that writes; ``alone``: while nobody else does."""
        with database_errors("write the ledger", self.shown), self.engine.connect() as connection:
            connection = connection.execution_options(keyward_writes=True)
            with connection.begin():
                if not self.sqlite:
                    word = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
                    connection.exec_driver_sql(f"SELECT {word}({_LOCK})")
                yield connection

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """A connection without a transaction, for what can be in none (VACUUM)."""
        with database_errors("tidy the ledger", self.shown), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Let every connection go."""
        self.engine.dispose()


def open_database(settings: LedgerSettings, *, make: bool) -> Database:
    """Open the ledger, bring its schema up to date; with ``make`` False nothing is made and nothing is changed.

    Raises:
        LedgerError: it cannot be reached, is newer than this code, or (without ``make``) older, or not there.
        OptionError: a SQLite file that must not be used, see :mod:`.place`.
    """
    database = Database(_sqlite(settings, make=make) if settings.path is not None else _postgresql(settings), settings.shown)
    try:
        with database.reading() as connection:
            version = schema.version_of(connection)
        schema.check_version(version, settings.shown)
        if version < schema.VERSION and make:
            with database.writing(alone=True) as connection:
                schema.migrate(connection, target=settings.shown)
        elif version < schema.VERSION:
            raise LedgerError(
                "read the ledger",
                target=settings.shown,
                meaning=f"its schema has version {version}, which a report brings to {schema.VERSION}" if version else "there is none yet",
                remedy="Run the escrow report with this ledger once.",
            )
    except BaseException:
        database.close()
        raise
    return database


def _sqlite(settings: LedgerSettings, *, make: bool) -> Engine:
    if settings.path is None:
        raise ValueError("no path")
    path = place.prepare(settings.path, make=make)
    engine = sa.create_engine(
        sa.URL.create("sqlite+pysqlite", database=os.fspath(path)),
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        paramstyle="named",
    )

    @sa.event.listens_for(engine, "connect")
    def prepared(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        # FULL: a batch that was told to be there survives a power cut as well
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF", "cache_size = -65536"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("keyward_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(settings: LedgerSettings) -> Engine:
    url = sa.make_url(settings.url or "").set(drivername="postgresql+psycopg")
    if settings.password is not None:
        url = url.set(password=settings.password.reveal())
    return sa.create_engine(url, connect_args={"connect_timeout": 30, "application_name": "keyward.bitlocker"}, hide_parameters=True)
