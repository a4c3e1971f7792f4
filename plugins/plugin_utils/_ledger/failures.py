# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What can go wrong with the ledger. Texts of a database driver are not passed on: they may quote a password or a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .._errors import KeywardError

try:
    import sqlalchemy as sa
except ImportError:  # reported by the action's require()
    sa = None  # type: ignore[assignment]  # optional: its absence is an error only where it is needed


class LedgerError(KeywardError):
    """The ledger cannot be used, or a run could not be written into it."""


@contextmanager
def database_errors(attempted: str, target: str) -> Iterator[None]:
    """Turn every failure of the database into ours."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None) or ""
        raise LedgerError(
            attempted,
            target=target,
            code=str(code),
            name=type(cause).__name__,
            meaning=_MEANINGS.get(str(code), "the database refused or broke off"),
            remedy="Check that the database is there, answers, has room and belongs to this account; the report itself does not need it.",
        ) from None


_MEANINGS = {
    "SQLITE_BUSY": "another process keeps it locked",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is no SQLite database, or is damaged",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "the file, or its folder, cannot be written to",
    "28P01": "the password is wrong",
    "28000": "this account may not log in",
    "3D000": "there is no such database",
    "42501": "this account has not the rights",
}
