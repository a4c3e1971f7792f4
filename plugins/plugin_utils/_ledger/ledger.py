# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The ledger as its users see it: opened once, read as one moment, written as one run, tidied at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from .._core.ledger_types import RunState
from .._errors import OptionError
from . import rows as columns
from .engine import Database, open_database
from .reader import ABANDONED, Reader
from .schema import table
from .seal import Seal, load_key
from .settings import LedgerSettings
from .writer import Recorder

try:
    import sqlalchemy as sa
except ImportError:  # reported by the action's require()
    sa = None  # type: ignore[assignment]  # optional: its absence is an error only where it is needed


class Ledger:
    """An open ledger; made by :func:`opened`."""

    def __init__(self, database: Database, seal: Seal, settings: LedgerSettings, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self.seal = seal
        self.settings = settings
        self._clock = clock

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """The ledger as it is now, however long the reading takes."""
        with self._database.reading() as connection:
            yield Reader(connection, self.seal, now=self._clock())

    def record(self, *, node: str) -> Recorder:
        """Open a run; ``node`` is this controller's name."""
        return Recorder.start(self._database, self.seal, node=node, clock=self._clock)

    def tidy(self) -> int:
        """Give up runs that nobody writes any more, remove what is older than ``keep_days``; returns the runs whose rows were removed.

        First seen stays as long as something is known of the computer or owner; the runs themselves stay, for the trend.
        """
        now = self._clock()
        runs = table("runs")
        with self._database.writing(alone=True) as connection:
            lost = (runs.c.state == RunState.OPEN.value) & (runs.c.touched_at < columns.micros(now - ABANDONED))
            connection.execute(sa.update(runs).where(lost).values(state=RunState.ABORTED.value))
            cutoff = columns.micros(now - timedelta(days=self.settings.keep_days))
            aborted = runs.c.state == RunState.ABORTED.value
            old = sa.select(runs.c.number).where(sa.or_(aborted, runs.c.started_at < cutoff), runs.c.state != RunState.OPEN.value)
            numbers = {number for (number,) in connection.execute(old)}
            removed: set[int] = set()
            for name in ("observations", "holdings", "verdicts"):
                rows = table(name)
                there = sa.select(rows.c.run).where(rows.c.run.in_(old)).distinct()
                removed |= {number for (number,) in connection.execute(there)}
                connection.execute(sa.delete(rows).where(rows.c.run.in_(old)))
            connection.execute(sa.delete(table("proofs")).where(table("proofs").c.made_at < cutoff))
            if removed:
                self._remove_lonely(connection, aborted)
        return len(removed & numbers)

    def _remove_lonely(self, connection: sa.Connection, aborted: sa.ColumnElement[bool]) -> None:
        runs, bodies = table("runs"), table("bodies")
        given_up = sa.select(runs.c.number).where(aborted)
        for name, column, source, of in (("protectors", "host", "observations", "host"), ("entries", "owner_id", "holdings", "owner_id")):
            rows, known = table(name), table(source)
            # as sets, which both databases make once: row by row it would take hours
            without = rows.c[column].not_in(sa.select(known.c[of]))
            connection.execute(sa.delete(rows).where(sa.or_(rows.c.run.in_(given_up), without)))
        unused = [bodies.c.digest.not_in(sa.select(table(name).c.digest)) for name in ("observations", "holdings", "verdicts")]
        connection.execute(sa.delete(bodies).where(*unused))

    def close(self) -> None:
        """Let the database go."""
        self._database.close()


@contextmanager
def opened(settings: LedgerSettings, *, clock: Callable[[], datetime], make: bool = True) -> Iterator[Ledger]:
    """Open the ledger for a run; with ``make`` False nothing is made and nothing will be written.

    Raises:
        OptionError: the key or the file cannot be used, or the key was made just now for a ledger that another key sealed.
        LedgerError: the database cannot be used.
    """
    seal = load_key(settings.key_file, make=make)
    ledger = Ledger(open_database(settings, make=make), seal, settings, clock=clock)
    try:
        if seal.fresh:
            with ledger.read() as reader:
                strange = bool(reader.doubtful["runs"])
            if strange:
                raise OptionError(
                    "use the ledger's key",
                    target=str(settings.key_file),
                    meaning="there was none, so one was made, but the ledger holds runs that another key sealed",
                    remedy="Remove the new file and give the key that belongs to this ledger; without it nothing in it is believed.",
                )
        yield ledger
    finally:
        ledger.close()
