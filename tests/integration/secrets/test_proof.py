# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in anything that a run leaves which proves keys and remembers it: packages, workers, and the ledger's own pages."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.keyward.bitlocker.tests.integration.secrets.box import EXECS, WATCH, Box
from ansible_collections.keyward.bitlocker.tests.integration.secrets.checks import assert_clean, leaks_of
from ansible_collections.keyward.bitlocker.tests.integration.secrets.ground import Ground
from ansible_collections.keyward.bitlocker.tests.integration.secrets.scanner import Scanner
from ansible_collections.keyward.bitlocker.tests.integration.secrets.test_report import by_transport, report
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import PROOF
from ansible_collections.keyward.bitlocker.tests.lab.entra.accounts import PROOF as APPLICATION
from ansible_collections.keyward.bitlocker.tests.lab.fve.sealing import password_bytes
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import read_log

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "plugins" / "plugin_utils" / "_ledger"))
from ledgers import postgresql

MakeBox = Callable[..., Box]
#: hosts of the runs that prove: each stretch costs
HOSTS = 7


def some(ground: Ground) -> list[str]:
    """Hosts that answer: one for each authentication, one with a locked volume (which has no live package), and others."""
    answering = ground.with_fault(None)
    locked = [name for name in answering if any(volume.locked for volume in ground.hosts[name].volumes)]
    held = {entry.key_id for entry in ground.lab.estate.entries} | {key.key_id for key in ground.lab.estate.entra_keys}
    known = [name for name in answering if any(item.key_id in held for volume in ground.hosts[name].volumes for item in volume.protectors)]
    return list(dict.fromkeys([*by_transport(ground).values(), *locked[:1], *known]))[:HOSTS]


def digests(passwords: dict[str, str]) -> dict[str, str | bytes]:
    """What a password could be guessed from: digests of it without a key, in every form."""
    found: dict[str, str | bytes] = {}
    for name, password in passwords.items():
        forms = {
            "text": password.encode(),
            "digits": password.replace("-", "").encode(),
            "UTF-16": password.encode("utf-16-le"),
            "bytes": password_bytes(password),
            "twice": hashlib.sha256(password_bytes(password)).digest(),
        }
        for form, data in forms.items():
            for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
                found[f"{algorithm} of the {form} of {name}"] = hashlib.new(algorithm, data).digest()
    return found


def passwords_of(ground: Ground, hosts: list[str]) -> dict[str, str]:
    """The recovery passwords of hosts."""
    protectors = [item for name in hosts for volume in ground.hosts[name].volumes for item in volume.protectors]
    return {item.key_id: item.password for item in protectors if item.password}


def proving(box: Box, ground: Ground, hosts: list[str], ledger: dict[str, str]) -> int:
    """A run that proves the keys of a few hosts and keeps it in a ledger."""
    return report(
        box,
        ground,
        traced=True,
        keyward_hosts=",".join(hosts),
        keyward_proof="live",
        keyward_ad=ground.login(PROOF),
        keyward_entra=ground.entra(APPLICATION),
        keyward_ledger=ledger,
        keyward_gather_subset=["all"],
        keyward_query="@",
        keyward_formats=["json", "csv", "html", "md"],
    )


def learn_ledger_key(ground: Ground, run: Box) -> None:
    """The key that the ledger's rows are sealed with is a secret too, but for the file it was written to before it got its name."""
    path = Path(run.ledger["hmac_key_file"])
    (unnamed,) = (run.folder / WATCH / "removed").glob(f"*-.{path.name}.*")
    unnamed.unlink()
    key = path.read_text(encoding="ascii").strip().rpartition(":")[2]
    assert len(bytes.fromhex(key)) >= 32
    found = {f"key of {path}": bytes.fromhex(key)}
    ground.secrets |= found
    ground.scanner.learn(found)


def rows_of(connection: Any, tables: list[str]) -> bytes:
    """All that the tables hold, a value a line: a row can lie across several pages."""
    lines = []
    for table in tables:
        for row in connection.execute(f"SELECT * FROM {table}").fetchall():  # noqa: S608 (names out of the catalogue)
            lines += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(lines)


@pytest.fixture(scope="module")
def proven(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> tuple[Box, list[str]]:
    """A run that proved and kept it in a ledger."""
    hosts = some(ground)
    assert ground.learn_packages(hosts)
    run = Box(tmp_path_factory.mktemp("proof") / "box", {"KRB5_CONFIG": ground.lab.environment()["KRB5_CONFIG"]})
    assert proving(run, ground, hosts, run.ledger) == 0, run.text("stdout")[-3000:]
    learn_ledger_key(ground, run)
    return run, hosts


def written(box: Box) -> dict[str, Any]:
    """The report."""
    return dict(json.loads(box.text("report/escrow-report.json")))


def test_a_run_that_proves_leaves_no_secret(ground: Ground, proven: tuple[Box, list[str]]) -> None:
    run, hosts = proven
    sums = written(run)["summary"]["proofs"]
    assert sums["proven"] >= 5, sums
    assert sums["values_read"] >= sums["proven"]
    # the packages were really there to leak, in several frames
    read = [row for name in hosts for row in read_log(ground.lab.logs / "hosts", name) if row.get("method") == "GetKeyPackage"]
    assert len(read) >= 2 * sums["proven"] / 2
    assert len({ground.hosts[name].package_frame for name in hosts}) > 2
    assert_clean(run, ground)


def test_every_exec_was_seen_and_the_workers_among_them(ground: Ground, proven: tuple[Box, list[str]]) -> None:
    run, _hosts = proven
    execs = run.text(EXECS)
    workers = [line for line in execs.splitlines() if "proof_worker.main()" in line]
    assert workers
    assert all('"-I"' in line for line in workers)
    # whole lines: neither arguments nor environments are cut
    assert '"...' not in execs
    assert "/* " not in re.sub(r"\)\s+= .*", ")", execs)
    assert ground.scanner.scan(execs.encode(), EXECS) == set()
    noted = {note["executable"].rpartition("/")[2] for note in run.notes("child")}
    assert {name for name in noted if f'/{name}"' not in execs} == set()


def test_no_host_was_asked_for_a_password(ground: Ground, proven: tuple[Box, list[str]]) -> None:
    _run, hosts = proven
    asked = {row.get("method") for name in hosts for row in read_log(ground.lab.logs / "hosts", name)}
    assert "GetKeyPackage" in asked
    assert not asked & {"GetKeyProtectorNumericalPassword", "GetKeyProtectorExternalKey"}


def test_the_ledger_s_pages_and_what_is_remembered_hold_no_secret(ground: Ground, proven: tuple[Box, list[str]], tmp_path: Path) -> None:
    run, hosts = proven
    path = Path(run.ledger["path"])
    guessable = Scanner(digests(passwords_of(ground, hosts)))
    # rows that are deleted stay in free pages
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("DELETE FROM keyward_bodies WHERE digest NOT IN (SELECT digest FROM keyward_holdings)")
    with closing(sqlite3.connect(path, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        assert reading.execute("SELECT count(*) FROM keyward_runs").fetchone() == (1,)
        assert proving(run, ground, hosts, run.ledger) == 0, run.text("stdout")[-3000:]
        assert path.with_name("ledger.db-wal").stat().st_size > 10_000
        sums = written(run)["summary"]["proofs"]
        assert sums["remembered"] == sums["proven"] + sums["refuted"] > 0
        assert_clean(run, ground)
        assert guessable.scan_files(path.parent) | guessable.scan_files(run.report) == set()
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert {"keyward_proofs", "keyward_bodies", "keyward_observations"} <= set(tables)
        rows = rows_of(database, tables)
    assert rows.count(b"proven") >= sums["proven"]
    assert ground.scanner.scan(rows, "rows") == set()
    assert guessable.scan(rows, "rows") == set()
    assert "<svg" in run.text("report/escrow-report.html")
    assert len(written(run)["trend"]["runs"]) >= 1
    planted_leaks_are_found(ground, path, hosts, tmp_path)


def planted_leaks_are_found(ground: Ground, path: Path, hosts: list[str], folder: Path) -> None:
    """The same checks over copies of this ledger with a password, a part of a package or a digest in it: in a row, deleted, in the log."""
    password, name = next((value, name) for name, value in ground.secrets.items() if name.startswith("protector") and hosts[0] in name)
    part, part_name = next((value, name) for name, value in ground.secrets.items() if name.startswith("box") and hosts[0] in name)
    digest_name, digest = next(iter(digests(passwords_of(ground, hosts)).items()))
    assert isinstance(digest, bytes)
    scanner = Scanner({name: password, part_name: part, digest_name: digest})
    for place, statements, logged in (
        ("row", [], False),
        ("deleted", ["DELETE FROM keyward_proofs WHERE reason LIKE 'leak%'", "DELETE FROM keyward_bodies WHERE digest = x'00'"], False),
        ("log", [], True),
    ):
        box = folder / place
        box.mkdir()
        copy = box / "ledger.db"
        shutil.copy(path, copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as database:
            database.execute(f"PRAGMA journal_mode = {'WAL' if logged else 'DELETE'}")
            database.execute("PRAGMA secure_delete = OFF")
            database.execute("CREATE TEMP TABLE one AS SELECT * FROM keyward_proofs LIMIT 1")
            database.execute("UPDATE one SET reason = ?, entry_id = 'leak', value_mark = ?", (f"leak {password}", digest.hex()))
            database.execute("INSERT INTO keyward_proofs SELECT * FROM one")
            database.execute("INSERT INTO keyward_bodies (digest, body) VALUES (x'00', ?)", (b"[" + bytes(part) + b"]",))
            for statement in statements:
                database.execute(statement)
            found = scanner.scan_files(box)
            assert {leak.secret for leak in found} == {name, part_name, digest_name}, place
            assert not logged or {leak.place for leak in found} == {"ledger.db-wal"}


def test_a_ledger_in_postgresql_holds_no_secret(ground: Ground, box: MakeBox) -> None:
    hosts = some(ground)[:3]
    ground.learn_packages(hosts)
    run = box()
    with postgresql() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_switch_wal()")
            (first,) = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone() or ("",)
        ledger = {"url": url, "hmac_key_file": run.ledger["hmac_key_file"]}
        assert proving(run, ground, hosts, ledger) == 0, run.text("stdout")[-3000:]
        learn_ledger_key(ground, run)
        assert_clean(run, ground)
        guessable = Scanner(digests(passwords_of(ground, hosts)))
        with psycopg.connect(url, autocommit=True) as connection:
            tables = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'keyward%'")]
            rows = rows_of(connection, tables)
            assert rows.count(b"proven") >= written(run)["summary"]["proofs"]["proven"] > 0
            pages = pages_of(connection, first)
            canary = "000011-000022-000033-000044-000055-000066-000077-000088"
            connection.execute("CREATE TABLE keyward_canary (reason TEXT)")
            connection.execute("INSERT INTO keyward_canary VALUES (%s)", (canary,))
            connection.execute("DELETE FROM keyward_canary")
            control = pages_of(connection, first)
    for data in (rows, pages):
        assert len(data) > 10_000
        assert ground.scanner.scan(data, "PostgreSQL") == set()
    assert guessable.scan(rows, "rows") == set()
    assert Scanner({"canary": canary}).scan(control)
    assert leaks_of(run, ground) == []


def pages_of(connection: psycopg.Connection[Any], first: str) -> bytes:
    """The files of the ledger's tables and indexes, and the write-ahead log from a segment on, as they are on the disk."""
    connection.execute("CHECKPOINT")
    (data,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    relations = connection.execute(
        "SELECT pg_relation_filepath(c.oid) FROM pg_class c LEFT JOIN pg_class t ON t.reltoastrelid = c.oid"
        " WHERE c.relkind IN ('r', 'i', 't') AND (c.relname LIKE 'keyward%' OR t.relname LIKE 'keyward%')"
    ).fetchall()
    files = [Path(data) / path for (path,) in relations]
    files += sorted(path for path in (Path(data) / "pg_wal").glob("0*") if path.name >= first)
    return b"".join(re.sub(rb"\0{64,}", b"\0" * 64, file.read_bytes()) for file in files)
