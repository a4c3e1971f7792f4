# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The recovery password of one entry, read from exactly its object, and what an answer without it means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from ..._core import recovery_password
from ..._core.key_proof.protector import MAX_SIZE
from ..._core.model import Entry
from ..._core.redaction import Secret
from ..._errors import AuthorizationError, BadDataError, KeywardError
from ..port import StoreValue
from . import filters, parse
from .connect import Directory
from .message import RawEntry
from .reader import DirectoryReader
from .search import BASE, PACKAGE_ATTRIBUTE, PASSWORD_ATTRIBUTE, Outcome, Query


def query(entry: Entry, *, package: bool = False) -> Query:
    """The search that brings one recovery password; ``package``: and the key package that the directory keeps beside it, if it does."""
    return Query(
        base=entry.location,
        filter=filters.ENTRIES,
        attributes=("objectGUID", PASSWORD_ATTRIBUTE, *([PACKAGE_ATTRIBUTE] if package else [])),
        scope=BASE,
        show_deleted=entry.deleted,
        password=True,
    )


def with_value(entry: Entry, found: Sequence[RawEntry], outcome: Outcome, directory: Directory) -> Entry:
    """The entry with its recovery password, from what :func:`query` brought; one that is no recovery password is a defect more.

    Raises:
        AuthorizationError: the object is there and its password is not: no right to it, or a server that never holds it.
        BadDataError: the object is another one by now, or has several passwords.
        KeywardError: the search failed.
    """
    attempted = f"read the recovery password of key {entry.key_ids[0] if entry.key_ids else 'without ID'}"
    if outcome.problem:
        raise outcome.problem
    values = found[0].attributes.get(PASSWORD_ATTRIBUTE.lower(), ()) if found else ()
    if values and parse.guid(found[0].first("objectguid")) != entry.entry_id:
        raise BadDataError(attempted, target=entry.location, meaning="another object bears this name now", remedy="Search again.")
    if len(values) > 1:
        raise BadDataError(attempted, target=entry.location, meaning="the object holds several", remedy="Look at it in the directory.")
    if not values and directory.read_only:
        meaning = f"{directory.server} is a read-only domain controller or a Global Catalog, which never hold passwords"
        raise AuthorizationError(
            attempted,
            target=entry.location,
            name="KW-STO-003",
            meaning=meaning,
            remedy="Name a writable domain controller and its port 636.",
        )
    if not values:
        raise AuthorizationError(
            attempted,
            target=entry.location,
            meaning="the account may not read it" if entry.readable else "the account may not read the object",
            remedy="Grant read and control access on msFVE-RecoveryPassword, as the documentation lists.",
        )
    return _checked(entry, values[0])


def read_values(reader: DirectoryReader, entries: Iterable[Entry], packages: Collection[str]) -> Iterator[StoreValue]:
    """The values of many entries over one connection, a few requests under way at a time; see :meth:`..port.Store.values`."""
    entries = list(entries)
    try:
        directory = reader.connect()
    except KeywardError as problem:
        yield from (StoreValue(entry=entry, problem=str(problem)) for entry in entries)
        return
    answers = reader.each(query(entry, package=entry.entry_id in packages) for entry in entries)
    for entry, (found, outcome) in zip(entries, answers, strict=True):
        try:
            value = with_value(entry, found, outcome, directory)
        except KeywardError as problem:
            yield StoreValue(entry=entry, problem=str(problem))
        else:
            yield StoreValue(entry=value, package=_package(found[0]))


def _package(found: RawEntry) -> Secret[bytes] | None:
    package = found.first(PACKAGE_ATTRIBUTE.lower())
    return Secret(package) if package and len(package) <= MAX_SIZE else None


def _checked(entry: Entry, value: bytes) -> Entry:
    secret = Secret(value.decode("utf-8", "replace"))
    damaged = recovery_password.damaged_groups(secret)
    if damaged == ():
        return replace(entry, value=recovery_password.parse(secret))
    told = recovery_password.describe_damage(damaged) if damaged else "it is not eight groups of six digits"
    return replace(entry, value=secret, defects=(*entry.defects, f"msFVE-RecoveryPassword is no recovery password: {told}"))
