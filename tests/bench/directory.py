# SPDX-License-Identifier: GPL-3.0-or-later
"""How long reading a large directory takes beside ldapsearch, on one real Samba that holds 20,000 computers with an entry each.

Both sides connect with verified TLS, bind as the metadata account, ask the same filter under the same base for the same attributes in
pages of 1,000. ldapsearch writes to /dev/null; ours ends with checked entries that know their owners, in memory. In a pair one follows the
other at once, the order turns from pair to pair, and the median of the pairs' own ratios is the figure.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.collector import collector_at_rest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Owner, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import filters
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.reader import (
    ENTRY_ATTRIBUTES,
    OWNER_ATTRIBUTES,
    DirectoryReader,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.search import Outcome
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.settings import DirectorySettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.store import ActiveDirectoryStore
from ansible_collections.keyward.bitlocker.tests.lab.directory import layout, sample
from ansible_collections.keyward.bitlocker.tests.lab.directory.domain_controller import LabDirectory
from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.lab import clear
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry

from .figures import Figure, median_of, ratio_of_rounds
from .measure import BenchError

PAGE = 1000
BOUND = 1.4
OURS, THEIRS, OURS_ALL, THEIRS_ALL = "entries", "ldapsearch_entries", "everything", "ldapsearch_everything"


def large_estate(computers: int, now: datetime) -> Estate:
    """Computers, each with one escrowed recovery password."""
    rng = random.Random("keyward bench directory")
    estate = Estate(seed=0, now=now)
    for number in range(computers):
        name = f"PC{number:05}"
        estate.computers.append(LabComputerObject(name=name, dns_name=f"{name}.{estate.realm}".lower(), last_logon=now - timedelta(days=1)))
        estate.entries.append(
            LabEntry(
                computer=name,
                key_id=values.guid(rng),
                password=values.recovery_password(rng),
                created=now - timedelta(days=1 + number % 900),
                volume_guid=values.guid(rng),
            )
        )
    return estate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contest:
    """The two sides over one directory; each call reads everything anew."""

    directory: LabDirectory
    folder: Path
    entries: int
    now: datetime

    def settings(self) -> DirectorySettings:
        account = self.directory.accounts[layout.REPORT]
        return DirectorySettings(
            servers=(self.directory.address,),
            username=account.principal,
            password=Secret(account.password),
            ca_cert=str(self.directory.ca_file),
            page_size=PAGE,
        )

    def read_all(self) -> tuple[Owner, ...]:
        """Ours, owners and entries: what the report does."""
        store = ActiveDirectoryStore(self.settings(), now=self.now)
        reading = store.read()
        store.close()
        if reading.state is not StoreState.SEARCHED or len(reading.entries) != self.entries:
            raise BenchError(f"the directory gave {len(reading.entries)} entries, state {reading.state.value}: {reading.reason}")
        return reading.owners

    def read_entries(self, owners: Sequence[Owner]) -> None:
        """Ours, the entries alone, to owners that are known."""
        reader = DirectoryReader(self.settings(), now=self.now)
        for owner in owners:
            reader.keep(owner)
        outcomes: list[Outcome] = []
        found = reader.read_entries(outcomes)
        reader.close()
        if len(found) != self.entries or not all(entry.owner_id and entry.readable for entry in found):
            raise BenchError(f"the directory gave {len(found)} entries")

    def ldapsearch(self, search: str, attributes: Sequence[str], *, count: bool = False) -> int:
        """Theirs; the number of objects where ``count`` asks for it, which costs a little more."""
        account = self.directory.accounts[layout.REPORT]
        secret = self.folder / "bind.secret"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_text(account.password, encoding="utf-8")
        command = ["ldapsearch", "-x", "-H", self.directory.url, "-D", account.principal, "-y", str(secret)]
        command += ["-b", self.directory.base_dn, "-s", "sub", "-E", f"pr={PAGE}/noprompt", search, *attributes]
        environment = {"PATH": os.defpath, "LDAPTLS_CACERT": str(self.directory.ca_file), "LDAPTLS_REQCERT": "demand"}
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE if count else subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        if done.returncode != 0:
            raise BenchError(f"ldapsearch ended with status {done.returncode}: {done.stderr.decode(errors='replace')}")
        return done.stdout.count(b"\ndn: ") if count else 0


def measure_directory(folder: Path, *, computers: int, pairs: int) -> list[Figure]:
    """Seed a directory (about two milliseconds a computer), and let both sides read it."""
    clear(folder)
    now = datetime.now(UTC).replace(microsecond=0)
    print(f"  seeding {computers} computers", flush=True)
    with sample.running(folder, estate=large_estate(computers, now)) as ground:
        contest = _Contest(directory=ground.directory, folder=folder, entries=computers, now=now)
        if contest.ldapsearch(filters.ENTRIES, ENTRY_ATTRIBUTES, count=True) != computers:
            raise BenchError("ldapsearch did not find every entry")
        owners = contest.read_all()
        rounds = [_pair(contest, owners, number) for number in range(pairs)]
    # hundreds of megabytes, of no use once it is measured
    clear(folder)
    return directory_figures(rounds, computers)


def _pair(contest: _Contest, owners: Sequence[Owner], number: int) -> dict[str, float]:
    def both() -> None:
        contest.ldapsearch(filters.COMPUTERS, OWNER_ATTRIBUTES)
        contest.ldapsearch(filters.ENTRIES, ENTRY_ATTRIBUTES)

    sides: list[tuple[str, Callable[[], object]]] = [
        (OURS, lambda: contest.read_entries(owners)),
        (THEIRS, lambda: contest.ldapsearch(filters.ENTRIES, ENTRY_ATTRIBUTES)),
        (OURS_ALL, contest.read_all),
        (THEIRS_ALL, both),
    ]
    if number % 2:
        sides = [sides[1], sides[0], sides[3], sides[2]]
    walls = {name: _seconds(side) for name, side in sides}
    print(f"  pair {number + 1}: " + ", ".join(f"{name} {walls[name]:.2f}" for name in walls) + " s", flush=True)
    return walls


def _seconds(side: Callable[[], object]) -> float:
    started = time.monotonic()
    # as the base of every action has it
    with collector_at_rest():
        side()
    return time.monotonic() - started


def directory_figures(rounds: Sequence[dict[str, float]], computers: int) -> list[Figure]:
    """The figures of measured pairs, each the seconds by side."""
    how = f"{computers} entries, same filter, base, attributes, page size; with TLS and bind; median of {len(rounds)} interleaved pairs"
    figures = [
        Figure(name="ad_20k_wall_ratio_to_ldapsearch", value=ratio_of_rounds(rounds, OURS, THEIRS), unit="ratio", bound=BOUND, note=how),
        Figure(
            name="ad_20k_with_computers_wall_ratio_to_ldapsearch",
            value=ratio_of_rounds(rounds, OURS_ALL, THEIRS_ALL),
            unit="ratio",
            note="for information: a whole reading, computers and entries, against two runs of ldapsearch",
        ),
    ]
    for name in (OURS, THEIRS, OURS_ALL, THEIRS_ALL):
        figures.append(Figure(name=f"ad_20k_{name}_seconds", value=median_of(rounds, name), unit="s", note="for information"))
    return figures
