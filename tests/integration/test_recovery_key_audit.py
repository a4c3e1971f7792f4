# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of disclosures in real playbooks: each way it fails is a sentence and no key, two jobs share one budget, and the file is
verified and held against the tenant's own log."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.audit_file import AuditFile
from ansible_collections.keyward.bitlocker.tests.integration.graph import KEYS, GraphClient, strange_requests
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Run, Watch, play, task
from ansible_collections.keyward.bitlocker.tests.lab.entra import accounts
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntraKey

MODULE = "entra_recovery_key_info"
AUDITS = "/v1.0/auditLogs/directoryAudits"
#: before the playbook: a full disk and one that cannot be written, in a mount namespace of the run's own
MOUNTS = (
    "mount -t tmpfs -o size=4k none full && mount -t tmpfs -o ro none frozen && "
    'if head -c 4096 /dev/zero > full/filler; then exec "$@"; else exit 97; fi'
)
UNSHARE = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]


def keys(lab: Lab) -> list[LabEntraKey]:
    return [key for key in lab.estate.entra_keys if len(key.password) == 55]


def reveal(lab: Lab, audit: Path | str | None, key: int = 0, **more: Any) -> dict[str, Any]:
    """Options of a task that hands out a key of the tenant."""
    assert lab.entra is not None
    options: dict[str, Any] = lab.entra.options(accounts.REVEAL) | {"key_id": [keys(lab)[key].key_id], "reveal": True, "reason": "INC-4711"}
    return options | ({} if audit is None else {"audit_file": str(audit)}) | more


def here(player: Player) -> Path:
    local = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    return player.write("here.yml", {"all": {"hosts": local}})


def ask(player: Player, tasks: Mapping[str, tuple[str, dict[str, Any]]], *, mounts: bool = False) -> Run:
    """Run tasks by name, each allowed to fail."""
    listed = [task(name, module, given, ignore_errors=True) for name, (module, given) in tasks.items()]
    playbook, inventory = player.write("site.yml", [play("localhost", *listed)]), here(player)
    command = ["ansible-playbook", "-i", str(inventory), str(playbook)]
    run = player.command([*UNSHARE, "sh", "-c", MOUNTS, "sh", *command] if mounts else command).no_traceback()
    assert run.code == 0, run.output
    return run


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


@pytest.fixture(scope="module")
def chain(hybrid: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit file with a genesis record and three disclosures, and its head beside it."""
    folder = tmp_path_factory.mktemp("chain")
    audit = folder / "audit.jsonl"
    ask(Player(folder, hybrid), {f"reveal {number}": (MODULE, reveal(hybrid, audit, number)) for number in range(3)})
    assert [record["kind"] for record in records(audit)] == ["genesis", "disclosure", "disclosure", "disclosure"]
    return audit


def _cut(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


def _rewritten(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b"INC-4711", b"INC-0815"), *lines[3:]]


def _truncated(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2][:100] + b"\n", *lines[3:]]


def _removed(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], *lines[3:]]


def _joined(lines: list[bytes]) -> list[bytes]:
    return lines + [line.replace(b"x", b"x") for line in lines]


def _headless(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


#: what is done to a file; what a task that reveals says; what disclosure_info says
DAMAGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str, tuple[str, int]]] = {
    "cut": (_cut, "The file ends with record 2, and the last that was written is record 3: the end was cut off.", ("cut", 0)),
    "rewritten": (_rewritten, "Line 3 was changed after it was written: its check does not fit.", ("rewritten", 3)),
    "truncated": (_truncated, "Line 3 ends in the middle of a record.", ("truncated", 3)),
    "removed": (_removed, "Before line 3 1 record is missing: lines were removed.", ("removed", 3)),
    "joined": (_joined, "In line 5 another chain begins: two files were joined.", ("joined", 5)),
    "headless": (_headless, "Line 1 is record 1 of its chain: the beginning was removed.", ("headless", 1)),
}


def damaged(chain: Path, folder: Path, name: str) -> Path:
    """A copy of the chain that something was done to."""
    path = folder / f"{name}.jsonl"
    shutil.copy(f"{chain}.head", f"{path}.head")
    path.write_bytes(b"".join(DAMAGES[name][0](chain.read_bytes().splitlines(keepends=True))))
    path.chmod(0o600)
    return path


def test_each_way_an_audit_fails_is_its_own_sentence_and_no_key(hybrid: Lab, chain: Path, tmp_path: Path) -> None:
    for name in ("full", "frozen", "folder"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    shutil.copy(chain, tmp_path / "spent.jsonl")
    (tmp_path / "everybody.jsonl").touch()
    (tmp_path / "everybody.jsonl").chmod(0o666)
    expected: dict[str, tuple[dict[str, Any], str]] = {
        "disk full": (reveal(hybrid, tmp_path / "full" / "a"), "ENOSPC, the disk is full; no key was handed out"),
        "frozen": (reveal(hybrid, tmp_path / "frozen" / "a"), "EROFS, the file system is read-only; no key was handed out"),
        "not writable": (reveal(hybrid, "/sys/keyward.jsonl"), "this account may not write to it; no key was handed out"),
        "a folder": (reveal(hybrid, tmp_path / "folder"), "EISDIR, it is a folder; no key was handed out"),
        "a link": (reveal(hybrid, tmp_path / "link"), "it is a symbolic link, which may lead anywhere; no key was handed out"),
        "a pipe": (reveal(hybrid, tmp_path / "pipe"), "it is not a regular file; no key was handed out"),
        "everybody's": (reveal(hybrid, tmp_path / "everybody.jsonl"), "every account of this machine may write to the file"),
        "nowhere": (reveal(hybrid, None), "no place for it is named; no key was handed out"),
        "no reason": (reveal(hybrid, tmp_path / "a", reason=" "), "no reason is given"),
        "no syslog": (reveal(hybrid, None, audit_syslog=str(tmp_path / "log")), "no log service listens there; no key was handed out"),
        "budget spent": (
            reveal(hybrid, tmp_path / "spent.jsonl", max_reveals=3),
            "within an hour, as {path} says, and max_reveals is 3; no key was handed out".format(path=tmp_path / "spent.jsonl"),
        ),
    } | {name: (reveal(hybrid, damaged(chain, tmp_path, name)), said) for name, (_do, said, _fault) in DAMAGES.items()}
    before = {name: (tmp_path / f"{name}.jsonl").read_bytes() for name in (*DAMAGES, "spent")}
    run = ask(Player(tmp_path, hybrid), {name: (MODULE, given) for name, (given, _said) in expected.items()}, mounts=True)
    for name, (_given, said) in expected.items():
        assert run.event(name) == "failed", name
        assert said in run.result(name)["msg"], name
        assert run.result(name)["error"]["remedy"], name
    for name in DAMAGES:
        assert "the audit chain is broken; no key was handed out" in run.result(name)["msg"], name
    assert before == {name: (tmp_path / f"{name}.jsonl").read_bytes() for name in before}
    assert not (tmp_path / "elsewhere").exists()
    assert not any(key.password in run.output + json.dumps(run.record) for key in hybrid.estate.entra_keys)


def test_disclosure_info_says_what_was_done_to_a_file(hybrid: Lab, chain: Path, tmp_path: Path) -> None:
    intact = {"whole": ("disclosure_info", {"audit_file": str(chain)})}
    head = ask(Player(chain.parent, hybrid), intact).result("whole")["head"]
    tasks: dict[str, tuple[str, dict[str, Any]]] = {
        name: ("disclosure_info", {"audit_file": str(damaged(chain, tmp_path, name)), "expect_head": head}) for name in DAMAGES
    }
    tasks["whole"] = ("disclosure_info", {"audit_file": str(chain), "expect_head": head})
    tasks["cut, and nobody knows the head"] = ("disclosure_info", {"audit_file": str(tmp_path / "cut.jsonl")})
    tasks["one key"] = ("disclosure_info", {"audit_file": str(chain), "key_id": keys(hybrid)[1].key_id[:8]})
    tasks["another day"] = ("disclosure_info", {"audit_file": str(chain), "until": "2020-01-01"})
    tasks["no file"] = ("disclosure_info", {"audit_file": str(tmp_path / "none")})
    tasks["no head"] = ("disclosure_info", {"audit_file": str(chain), "expect_head": "0815"})
    run = ask(Player(tmp_path, hybrid), tasks)
    for name, (_do, _said, (fault, line)) in DAMAGES.items():
        result = run.result(name)
        assert result["intact"] is False, name
        first = result["problems"][0]
        assert (first["fault"], first["line"]) == (fault, line), result["problems"]
    assert "not intact" in run.output
    whole = run.result("whole")
    assert (whole["intact"], whole["problems"], whole["count"], whole["total"]) == (True, [], 4, 3)
    assert [row["key_id"] for row in whole["disclosures"]] == [keys(hybrid)[number].key_id for number in (2, 1, 0)]
    newest = whole["disclosures"][0]
    assert (newest["task"], newest["reason"], newest["source"], newest["action"]) == ("reveal 2", "INC-4711", "entra", "reveal")
    assert (newest["plugin"], newest["host"], newest["line"], newest["seq"]) == (MODULE, "localhost", 4, 3)
    assert whole["genesis"]["chain"] == head.partition(":")[0]
    assert run.result("cut, and nobody knows the head")["intact"] is True
    assert [row["task"] for row in run.result("one key")["disclosures"]] == ["reveal 1"]
    assert (run.result("another day")["total"], run.result("another day")["count"]) == (0, 4)
    assert "there is no such file" in run.result("no file")["msg"]
    assert "head of an audit chain" in run.result("no head")["msg"]


def test_two_jobs_at_once_make_one_chain_and_share_one_budget(hybrid: Lab, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    runs: list[Run] = []

    def job(number: int) -> None:
        folder = tmp_path / f"job{number}"
        folder.mkdir()
        player = Player(folder, hybrid, {"KEYWARD_AUDIT_FILE": str(audit)})
        looped = task("Reveal", MODULE, reveal(hybrid, None, max_reveals=7), loop=list(range(5)), ignore_errors=True)
        runs.append(player.play([play("localhost", looped)], hosts=here(player)))

    jobs = [threading.Thread(target=job, args=(number,)) for number in range(2)]
    for thread in jobs:
        thread.start()
    for thread in jobs:
        thread.join()
    assert [run.no_traceback().code for run in runs] == [0, 0]
    said = ask(Player(tmp_path, hybrid), {"verify": ("disclosure_info", {"audit_file": str(audit)})}).result("verify")
    assert (said["intact"], said["total"], said["count"]) == (True, 7, 8)
    refused = sum(run.output.count("7 keys were handed out") > 0 for run in runs)
    assert refused >= 1


def test_reads_that_no_playbook_made_are_found_in_the_tenant_s_own_log(hybrid: Lab, tmp_path: Path) -> None:
    assert hybrid.entra is not None
    audit = tmp_path / "audit.jsonl"
    clients = {name: accounts.client_named(hybrid.estate, name).client_id for name in (accounts.REVEAL, accounts.PROOF)}
    player = Player(tmp_path, hybrid)
    ask(player, {"reveal": (MODULE, reveal(hybrid, audit, 0))})
    # somebody else with the same application, and a report that proves with its own
    stranger, proven = keys(hybrid)[1], keys(hybrid)[2]
    assert GraphClient(hybrid, accounts.REVEAL).get(f"{KEYS}/{stranger.key_id}?$select=key")[0] == 200
    assert GraphClient(hybrid, accounts.PROOF).get(f"{KEYS}/{proven.key_id}?$select=key")[0] == 200
    # a record that the log does not show yet
    who = records(audit)[1]["who"]
    unseen = {"who": who, "key_id": "00000000-0000-4000-8000-00000000beef", "source": "entra", "action": "reveal", "reason": "INC-1"}
    AuditFile(audit).append(unseen, now=datetime.now(UTC))
    login = hybrid.entra.options(accounts.REVEAL)
    compare: dict[str, Any] = {"audit_file": str(audit), "entra": login}
    watch = Watch(hybrid)
    run = ask(
        player,
        {
            "compare": ("disclosure_info", compare | {"entra_proof_readers": [clients[accounts.PROOF]]}),
            "nobody proves": ("disclosure_info", compare),
            "others read": ("disclosure_info", compare | {"entra_readers": ["helpdesk@lab.example"]}),
            "no rights": ("disclosure_info", compare | {"entra": hybrid.entra.options(accounts.REPORT)}),
        },
    )
    rows = watch.stop().entra()
    said = run.result("compare")["entra"]
    assert (said["state"], said["matched"], said["proofs"], said["duplicates"]) == ("searched", 1, 1, 0)
    (finding,) = said["findings"]
    assert (finding["key_id"], finding["reader"], finding["person"]) == (stranger.key_id, clients[accounts.REVEAL], False)
    assert finding["device_id"] == stranger.device_id
    assert [(row["key_id"], row["late"]) for row in said["pending"]] == [(unseen["key_id"], False)]
    assert "1 reads of recovery keys that are in no record" in run.output
    assert {row["key_id"] for row in run.result("nobody proves")["entra"]["findings"]} == {stranger.key_id, proven.key_id}
    assert run.result("others read")["entra"]["matched"] == 0
    # the playbook's own read came a moment before the chain began, or within the same millisecond: then it is a finding too
    strangers = {row["key_id"] for row in run.result("others read")["entra"]["findings"]}
    assert strangers - {keys(hybrid)[0].key_id} == {stranger.key_id, proven.key_id}
    assert len(run.result("others read")["entra"]["pending"]) == 2
    assert run.result("no rights")["entra"]["state"] == "no_rights"
    assert "AuditLog.Read.All" in run.result("no rights")["entra"]["reason"]
    asked = [row for row in rows if row["side"] == "graph"]
    assert {row["path"] for row in asked} == {AUDITS}
    assert strange_requests(rows) == []


def test_records_reach_a_log_service(hybrid: Lab, tmp_path: Path) -> None:
    received = tmp_path / "received"
    # short: a socket's path has at most 107 characters
    socket = Path(f"/tmp/kw-syslog-{os.getpid()}")
    listen = (
        "import socket,sys; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print('up',flush=True)\n"
        "f=open(sys.argv[2],'wb')\nwhile True: f.write(s.recv(200000)+b'\\n'); f.flush()"
    )
    with subprocess.Popen([sys.executable, "-c", listen, str(socket), str(received)], stdout=subprocess.PIPE) as service:
        try:
            assert service.stdout is not None
            assert service.stdout.readline() == b"up\n"
            given = reveal(hybrid, None, audit_syslog=str(socket))
            run = ask(Player(tmp_path, hybrid), {"reveal": (MODULE, given)})
        finally:
            service.kill()
            socket.unlink(missing_ok=True)
    assert run.event("reveal") == "ok"
    first, second = received.read_bytes().splitlines()
    genesis, record = (json.loads(line.partition(b": ")[2]) for line in (first, second))
    assert (genesis["kind"], record["kind"], record["seq"]) == ("genesis", "disclosure", 1)
    assert (record["key_id"], record["reason"]) == (keys(hybrid)[0].key_id, "INC-4711")
    assert first.startswith(b"<85>")
