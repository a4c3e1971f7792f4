# SPDX-License-Identifier: GPL-3.0-or-later
"""What handing out keys costs on a real Samba that holds 20,000 computers with an entry each: one key by 8 characters, a loop of 1,000.

One key: the lookup from its options to the recovery password, with TLS, bind, owner, value and audit record, less what ldapsearch takes
for the search by the beginning of the key ID alone. A loop: a worker of Ansible's makes the lookup anew for each item, as lookup_worker.py
does; beside it a bare ldap3 client reads all metadata once, and each password by its DN. Every answer of both sides is held against the
estate.
"""

from __future__ import annotations

import json
import os
import random
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ldap3
from ansible_collections.keyward.bitlocker.tests.lab.directory import layout, sample
from ansible_collections.keyward.bitlocker.tests.lab.directory.domain_controller import LabDirectory
from ansible_collections.keyward.bitlocker.tests.lab.lab import clear
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntry

from .directory import PAGE, large_estate
from .figures import Figure, median_of, ratio_of_rounds
from .measure import BenchError

TERMS = 1000
ONE_BOUND, LOOP_BOUND = 300.0, 1.5
ONE, SEARCH, LOOP, BARE = "one", "ldapsearch", "loop", "bare_client"
WORKER = Path(__file__).with_name("lookup_worker.py")
OWNER = ("objectGUID", "sAMAccountName", "dNSHostName", "operatingSystem", "userAccountControl", "lastLogonTimestamp")
ENTRY = ("objectGUID", "cn", "msFVE-RecoveryGuid", "msFVE-VolumeGuid", "whenCreated")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """The directory, what it holds, and how each side asks."""

    directory: LabDirectory
    folder: Path
    entries: Sequence[LabEntry]

    @property
    def options(self) -> dict[str, Any]:
        """The lookup's options."""
        account = self.directory.accounts[layout.REVEAL]
        reach = {"server": self.directory.address, "username": account.principal, "password": account.password}
        return {
            "ad": reach | {"ca_cert": str(self.directory.ca_file), "page_size": PAGE},
            "reason": "bench",
            "audit_file": str(self.folder / "audit.jsonl"),
            "max_reveals": 10_000_000,
        }

    def ldapsearch(self, key_id: str) -> None:
        """The search by the beginning of a key ID, and nothing else."""
        account = self.directory.accounts[layout.REVEAL]
        secret = self.folder / "bind.secret"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_text(account.password, encoding="utf-8")
        wanted = f"(&(objectClass=msFVE-RecoveryInformation)(name=*\\7b{key_id[:8].upper()}-*))"
        command = ["ldapsearch", "-LLL", "-x", "-H", self.directory.url, "-D", account.principal, "-y", str(secret)]
        command += ["-b", self.directory.base_dn, "-s", "sub", wanted, "cn"]
        environment = {"PATH": os.defpath, "LDAPTLS_CACERT": str(self.directory.ca_file), "LDAPTLS_REQCERT": "demand"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0 or done.stdout.count("dn: ") != 1:
            raise BenchError(f"ldapsearch ended with status {done.returncode}: {done.stderr or done.stdout}")

    def bare_client(self, wanted: Sequence[LabEntry]) -> None:
        """All metadata in pages, then each password by the DN that the metadata brought."""
        account = self.directory.accounts[layout.REVEAL]
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(self.directory.ca_file))
        server = ldap3.Server(self.directory.address, use_ssl=True, tls=tls, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, account.principal, account.password, auto_bind=True, return_empty_attributes=False)
        base = self.directory.base_dn
        search = connection.extend.standard.paged_search
        owners = [row["dn"] for row in search(base, "(objectCategory=computer)", attributes=OWNER, paged_size=PAGE) if "dn" in row]
        names = {}
        for row in search(base, "(objectClass=msFVE-RecoveryInformation)", attributes=ENTRY, paged_size=PAGE):
            if "raw_attributes" in row:
                names[row["raw_attributes"]["cn"][0].decode()[-37:-1].lower()] = row["dn"]
        if len(owners) < len(self.entries) or len(names) != len(self.entries):
            raise BenchError(f"the bare client found {len(owners)} computers and {len(names)} entries")
        for entry in wanted:
            attributes = ["msFVE-RecoveryPassword"]
            connection.search(names[entry.key_id], "(objectClass=*)", search_scope=ldap3.BASE, attributes=attributes)
            rows = connection.response or [{}]
            if rows[0]["raw_attributes"]["msFVE-RecoveryPassword"] != [entry.password.encode()]:
                raise BenchError("the bare client read another password")
        connection.unbind()


def measure_lookups(folder: Path, *, computers: int, pairs: int) -> list[Figure]:
    """Seed a directory, and let both sides find keys in it."""
    clear(folder)
    now = datetime.now(UTC).replace(microsecond=0)
    print(f"  seeding {computers} computers", flush=True)
    estate = large_estate(computers, now)
    with sample.running(folder, estate=estate) as ground:
        asked = _Ground(directory=ground.directory, folder=folder, entries=estate.entries)
        rng = random.Random("keyward bench lookups")
        rounds = [_round(asked, rng, number) for number in range(pairs)]
    clear(folder)
    return lookup_figures(rounds, computers)


def lookup_figures(rounds: Sequence[dict[str, float]], computers: int) -> list[Figure]:
    """The figures of measured rounds, each the seconds by side."""
    one = 1000 * max(0.0, median_of(rounds, ONE, SEARCH))
    how = f"{computers} entries, one Samba, {len(rounds)} interleaved rounds"
    terms = min(TERMS, computers)
    return [
        Figure(
            name="prefix_lookup_20k_ms",
            value=one,
            unit="ms",
            bound=ONE_BOUND,
            note=f"a lookup by 8 characters with connection, owner, value and audit record, less ldapsearch for the search alone; {how}",
        ),
        Figure(
            name="lookup_loop_1000_ratio",
            value=ratio_of_rounds(rounds, LOOP, BARE),
            unit="ratio",
            bound=LOOP_BOUND,
            note=f"{terms} lookups in a loop, each recorded, to ldap3 that reads all metadata once and {terms} passwords; {how}",
        ),
        Figure(name="lookup_loop_1000_seconds", value=median_of(rounds, LOOP), unit="s", note="the loop of the ratio"),
    ]


def _round(asked: _Ground, rng: random.Random, number: int) -> dict[str, float]:
    alone, *loop = rng.sample(list(asked.entries), min(TERMS, len(asked.entries) - 1) + 1)
    sides: list[tuple[str, Callable[[], float]]] = [
        (ONE, lambda: _as_a_task(asked, [alone])),
        (SEARCH, lambda: _seconds(lambda: asked.ldapsearch(alone.key_id))),
        (LOOP, lambda: _as_a_task(asked, loop)),
        (BARE, lambda: _seconds(lambda: asked.bare_client(loop))),
    ]
    if number % 2:
        sides = [sides[1], sides[0], sides[3], sides[2]]
    walls = {name: side() for name, side in sides}
    print(f"  round {number + 1}: " + ", ".join(f"{name} {walls[name]:.2f}" for name in walls) + " s", flush=True)
    return walls


def _seconds(side: Callable[[], object]) -> float:
    started = time.monotonic()
    side()
    return time.monotonic() - started


def _as_a_task(asked: _Ground, entries: Sequence[LabEntry]) -> float:
    """A lookup for each entry by 8 characters, as a task of Ansible's makes them; the seconds that the worker took."""
    question = json.dumps({"terms": [entry.key_id[:8] for entry in entries], "options": asked.options})
    done = subprocess.run([sys.executable, str(WORKER)], input=question, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"a loop of lookups ended with status {done.returncode}: {done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])  # progress comes before it
    if said["found"] != [[entry.password] for entry in entries]:
        raise BenchError("a lookup gave another password")
    return float(said["seconds"])
