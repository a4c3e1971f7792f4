# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the ledger share: a ledger in a folder, a run that is written, a PostgreSQL of one's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.ledger_changes import body
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.ledger_observation import observation_facts
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.ledger_types import ProofRecord, RunFacts
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Observation, ObservedProtector, ObservedVolume
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.ledger import Ledger
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.rows import micros
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.settings import LedgerSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.writer import Recorder

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY_ID = "0123abcd-1111-2222-3333-444444444444"


def now() -> datetime:
    return NOW


def sqlite_settings(folder: Path) -> LedgerSettings:
    return LedgerSettings.from_options({"path": str(folder / "ledger" / "ledger.db"), "hmac_key_file": str(folder / "ledger.key")})


def observation(host: str, *, key_id: str = KEY_ID, at: datetime = NOW) -> Observation:
    protector = ObservedProtector(key_id=key_id, type="recovery_password")
    volume = ObservedVolume(device_id="\\\\?\\Volume{1}\\", letter="C:", type="os", protectors=(protector,))
    return Observation(host=host, observed_at=at, dns_name=f"{host}.corp.example", bitlocker_installed=True, volumes=(volume,))


def observation_row(said: Observation) -> dict[str, object]:
    return {"host": said.host, "observed_at": micros(said.observed_at), "body": body(observation_facts(said))}


def proof(**changes: object) -> ProofRecord:
    given: dict[str, object] = {
        "store": "ad",
        "owner_id": "owner-1",
        "entry_id": "entry-1",
        "key_id": KEY_ID,
        "datum": "ab" * 32,
        "version": "",
        "value_mark": "cd" * 32,
        "outcome": "proven",
        "basis": "live",
        "made_at": NOW,
    }
    return ProofRecord(**{**given, **changes})  # type: ignore[arg-type]  # the test's own words


def write_run(ledger: Ledger, hosts: list[str], *, node: str = "one", close: bool = True, at: datetime = NOW) -> Recorder:
    """A run that observed these hosts, in batches of one."""
    recorder = ledger.record(node=node)
    for host in hosts:
        recorder.add("observations", [observation_row(observation(host, at=at))], body="body")
    recorder.add("verdicts", ({"computer": host, "host": host, "verdict": "escrowed", "body": b"[]"} for host in hosts), body="body")
    if close:
        recorder.close(RunFacts(complete=True, passed=True, computers=len(hosts), observed=len(hosts), verdicts={"escrowed": len(hosts)}))
    return recorder


def postgresql_programs() -> Path | None:
    """Debian's folder with initdb and postgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgresql() -> Iterator[str]:
    """A server in a folder of its own, on a Unix socket alone, as somebody who is not root; the URL of an empty database."""
    programs = postgresql_programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is missing. Install with: apt-get install -y --no-install-recommends postgresql")
    folder = Path(tempfile.mkdtemp(prefix="kwpg", dir="/tmp"))  # a socket's path is short
    account = pwd.getpwnam("postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
    who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    folder.chmod(0o755)
    data, sockets = folder / "data", folder / "s"
    for path in (data, sockets):
        path.mkdir(mode=0o700)
        os.chown(path, account.pw_uid, account.pw_gid)
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    sockets.chmod(0o755)
    try:
        command = [programs / "initdb", "-D", data, "-U", "keyward", "--auth=trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", env=environment, **who)  # type: ignore[call-overload]
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}", "-c", "fsync=off", "-c", "max_connections=40"]
        server = subprocess.Popen(  # type: ignore[call-overload]  # who is empty or the account
            [programs / "postgres", "-D", data, *options], stderr=subprocess.DEVNULL, cwd="/", env=environment, **who
        )
        try:
            _wait(programs, sockets)
            yield f"postgresql://keyward@/postgres?host={sockets}"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(programs: Path, sockets: Path) -> None:
    for _unused in range(200):
        ready = subprocess.run([programs / "pg_isready", "-q", "-h", sockets, "-U", "keyward"], check=False, env={"PATH": os.defpath})
        if ready.returncode == 0:
            return
        time.sleep(0.1)
    raise TimeoutError("PostgreSQL did not start")
