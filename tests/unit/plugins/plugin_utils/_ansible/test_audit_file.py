# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit file under real processes: one chain and one budget for all of them, whatever is killed, full or written by somebody else."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import audit_part
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.audit_failures import AuditError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.audit_file import AuditFile
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.audit_chain import Fault, Kind, genesis, parse, successor
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.audit_reading import ChainReader, Reading

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
FIELDS = {"who": "operator", "key_id": "k", "action": "reveal", "reason": "x" * 200}

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.audit_failures import AuditError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.audit_file import AuditFile
file, number, limit = AuditFile(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
fields = {"who": "operator", "key_id": "k", "action": "reveal", "reason": "x" * 200}
given = 0
print("ready", flush=True)
sys.stdin.readline()
for _record in range(number):
    try:
        file.append(fields, now=datetime.now(UTC), limit=limit or None)
        given += 1
    except AuditError as error:
        if "max_reveals" not in str(error):
            raise
print(given, flush=True)
"""


def writer(path: Path, number: int, limit: int = 0) -> subprocess.Popen[str]:
    """A process that appends records once it is told to go."""
    environment = os.environ | {"PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
    command = [sys.executable, "-c", WRITER, str(path), str(number), str(limit)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd="/")


def go(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("\n")
    child.stdin.flush()


def read(path: Path) -> Reading:
    with path.open("rb") as file:
        return ChainReader().read(file)


def append(path: Path, **more: Any) -> list[bytes]:
    """As a process that begins."""
    return AuditFile(path).append(FIELDS, **({"now": NOW} | more))


def test_eight_processes_make_one_chain_and_share_one_budget(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    children = [writer(path, 40, limit=200) for _number in range(8)]
    for child in children:
        go(child)
    given = sum(int(child.communicate(timeout=120)[0]) for child in children)
    assert [child.returncode for child in children] == [0] * 8
    reading = read(path)
    assert reading.intact, reading.problems
    assert given == 200
    assert reading.records == 201


def test_forks_of_a_process_that_knows_the_file_share_its_budget(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append(FIELDS, now=NOW, limit=10)
    children = []
    for _number in range(4):
        child = os.fork()
        if child == 0:  # only appends and leaves, so that pytest runs once
            given = 0
            for _record in range(5):
                try:
                    file.append(FIELDS, now=NOW, limit=10)
                    given += 1
                except AuditError:
                    pass
            os._exit(given)
        children.append(child)
    given = sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert given == 9
    assert read(path).intact
    with pytest.raises(AuditError, match="10 keys were"):
        file.append(FIELDS, now=NOW, limit=10)


def test_threads_share_a_file(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.jsonl")
    threads = [threading.Thread(target=lambda: [file.append(FIELDS, now=NOW) for _number in range(20)]) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(file.path).records == 81
    assert read(file.path).intact


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.07])
def test_a_writer_that_is_killed_leaves_a_chain_that_goes_on(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "audit.jsonl"
    child = writer(path, 100_000)
    go(child)
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    append(path, now=datetime.now(UTC))
    reading = read(path)
    assert reading.intact, reading.problems


@pytest.mark.parametrize("kept", [1, 40, -2, -1])
def test_a_torn_line_is_closed_by_the_next_writer(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "audit.jsonl"
    append(path)
    append(path)
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    # as power that fails leaves it: the head beside it is older
    (tmp_path / "audit.jsonl.head").unlink()
    path.write_bytes(whole[: start + kept] if kept > 0 else whole[:kept])
    before = path.read_bytes()
    lines = append(path)
    assert path.read_bytes().startswith(before + b"\n")
    reading = read(path)
    assert reading.intact, reading.problems
    if kept == -1:  # only the line's end was missing: it is a record, which goes on counting
        assert (len(lines), reading.sealed, reading.records) == (1, [], 4)
    else:
        assert parse(lines[0]).kind is Kind.SEAL
        assert (reading.sealed, reading.records) == ([3], 4)


def test_a_torn_first_line_is_closed_by_a_genesis_record(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(genesis("0" * 32, NOW)[:25])
    append(path)
    reading = read(path)
    assert (reading.intact, reading.sealed, reading.records) == (True, [1], 2)


# --- a disk that is full ------------------------------------------------------------------------------------------------------------------


def test_a_file_that_may_not_grow_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    append(path)
    before = path.read_bytes()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, len(before) + 100))
        try:
            append(path)
        except AuditError as error:
            os._exit(7 if "EFBIG, the file may not grow any more; no key was handed out" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert path.read_bytes() == before
    append(path)
    assert read(path).intact


@pytest.fixture
def full_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the disk be full after some bytes."""

    def fill(room: int) -> None:
        write = os.write
        left = [room]

        def limited(descriptor: int, data: bytes) -> int:
            if not left[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            done = write(descriptor, data[: left[0]])
            left[0] -= done
            return done

        monkeypatch.setattr(os, "write", limited)

    return fill


@pytest.mark.parametrize("room", [0, 1, 300])
def test_a_full_disk_gives_no_key_and_takes_its_part_back(
    tmp_path: Path, full_after: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append(FIELDS, now=NOW)
    before = path.read_bytes()
    full_after(room)
    with pytest.raises(AuditError, match="ENOSPC, the disk is full; no key was handed out"):
        file.append(FIELDS, now=NOW)
    assert path.read_bytes() == before
    monkeypatch.undo()
    file.append(FIELDS, now=NOW)
    assert read(path).intact


def test_what_a_full_disk_took_of_an_append_only_file_is_closed(
    tmp_path: Path, full_after: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, size: int) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    path = tmp_path / "audit.jsonl"
    append(path)
    full_after(120)
    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(AuditError, match="the disk is full"):
        append(path)
    assert not path.read_bytes().endswith(b"\n")
    monkeypatch.undo()
    append(path)
    reading = read(path)
    assert (reading.intact, reading.sealed) == (True, [3])


def test_a_disk_that_does_not_keep_it_gives_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(AuditError, match="EIO, the disk did not take it; no key was handed out"):
        append(tmp_path / "audit.jsonl")


def test_a_lock_that_is_never_released_ends_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with path.open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(AuditError, match=r"held the lock of the file for 0 seconds; no key was handed out.*lsof"):
            AuditFile(path, lock_seconds=0.1).append(FIELDS, now=NOW)
    assert path.read_bytes() == b""


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere; the integration tests show it as another account")
def test_a_file_of_somebody_else_gives_no_key(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    append(path)
    path.chmod(0o400)
    with pytest.raises(AuditError, match="this account may not write to it"):
        append(path)


# --- what somebody else did to it ---------------------------------------------------------------------------------------------------------


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def _cut(path: Path) -> None:
    path.write_bytes(b"".join(lines_of(path)[:-1]))


def _rewritten(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"operator"', b'"somebody"', 1))


def _end_rewritten(path: Path) -> None:
    lines = lines_of(path)
    forged = successor(parse(lines[-2][:-1]).head, Kind.DISCLOSURE, NOW, FIELDS | {"reason": "y" * 200})
    path.write_bytes(b"".join([*lines[:-1], forged + b"\n"]))


def _removed(path: Path) -> None:
    lines = lines_of(path)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))


def _truncated(path: Path) -> None:
    lines = lines_of(path)
    path.write_bytes(b"".join([*lines[:2], lines[2][:50] + b"\n", *lines[3:]]))


def _joined(path: Path) -> None:
    path.write_bytes(path.read_bytes() + genesis("0" * 32, NOW) + b"\n")


def _replaced(path: Path) -> None:
    path.write_bytes(genesis("0" * 32, NOW) + b"\n")


DONE: list[tuple[Callable[[Path], None], Fault, str]] = [
    (_cut, Fault.CUT, "the end was cut off"),
    (_rewritten, Fault.REWRITTEN, "Line 1 was changed after it was written"),
    (_end_rewritten, Fault.REWRITTEN, "rewritten"),
    (_removed, Fault.REMOVED, "Before line 3 1 record is missing"),
    (_truncated, Fault.TRUNCATED, "Line 3 ends in the middle of a record"),
    (_joined, Fault.JOINED, "In line 5 another chain begins"),
    (_replaced, Fault.REPLACED, "the file was replaced"),
]


@pytest.mark.parametrize(("do", "fault", "said"), DONE, ids=[do.__name__.strip("_") for do, _fault, _said in DONE])
def test_a_process_that_begins_gives_no_key_where_the_chain_is_broken(
    tmp_path: Path, do: Callable[[Path], None], fault: Fault, said: str
) -> None:
    path = tmp_path / "audit.jsonl"
    for _number in range(3):
        append(path)
    do(path)
    before = path.read_bytes()
    with pytest.raises(AuditError, match="the audit chain is broken; no key was handed out") as caught:
        append(path)
    assert caught.value.name == fault.value
    assert said in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("do", [_cut, _end_rewritten, _joined, _replaced], ids=lambda do: do.__name__.strip("_"))
def test_a_process_that_knows_the_file_gives_no_key_where_its_end_was_changed(tmp_path: Path, do: Callable[[Path], None]) -> None:
    file = AuditFile(tmp_path / "audit.jsonl")
    for _number in range(3):
        file.append(FIELDS, now=NOW)
    do(file.path)
    for _number in range(2):
        with pytest.raises(AuditError, match="the audit chain is broken; no key was handed out"):
            file.append(FIELDS, now=NOW)


def test_the_end_can_be_cut_unseen_only_with_the_head_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _number in range(3):
        append(path)
    _cut(path)
    (tmp_path / "audit.jsonl.head").unlink()
    append(path)
    assert read(path).intact


@pytest.mark.parametrize("kept", [b"", b"nonsense", b"\xff" * 300])
def test_a_head_that_says_nothing_is_let_be(tmp_path: Path, kept: bytes) -> None:
    path = tmp_path / "audit.jsonl"
    append(path)
    (tmp_path / "audit.jsonl.head").write_bytes(kept)
    append(path)
    assert read(path).intact


def test_a_head_that_leads_elsewhere_is_neither_read_nor_written(tmp_path: Path) -> None:
    path, victim = tmp_path / "audit.jsonl", tmp_path / "victim"
    victim.write_text("mine", encoding="ascii")
    (tmp_path / "audit.jsonl.head").symlink_to(victim)
    append(path)
    append(path)
    assert victim.read_text(encoding="ascii") == "mine"


def test_an_emptied_file_begins_a_chain_that_names_the_former_head(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    last = parse(file.append(FIELDS, now=NOW)[-1]).head
    path.write_bytes(b"")
    first = parse(file.append(FIELDS, now=NOW)[0])
    assert first.former == last
    assert read(path).intact


def test_a_file_rotated_in_a_running_process_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    last = parse(file.append(FIELDS, now=NOW, limit=2)[-1]).head
    path.rename(tmp_path / "audit.jsonl.1")
    assert parse(file.append(FIELDS, now=NOW, limit=2)[0]).former == last
    with pytest.raises(AuditError, match="2 keys were"):
        file.append(FIELDS, now=NOW, limit=3 - 1)


def test_a_rotation_and_one_record_do_not_give_the_budget_back(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _number in range(3):
        append(path, limit=4)
    path.rename(tmp_path / "audit.jsonl.1")
    append(path, limit=4)
    # a process that begins finds a file that is not empty, and whose chain began a moment ago
    with pytest.raises(AuditError, match="4 keys were"):
        append(path, limit=4)
    with pytest.raises(AuditError, match="4 keys were"):
        AuditFile(path).check("operator", 1, now=NOW, limit=4)
    append(path, limit=4, now=NOW + timedelta(hours=1))
    # what is no former file of this chain says nothing
    path.rename(tmp_path / "audit.jsonl.2")
    (tmp_path / "audit.jsonl.head").unlink()
    (tmp_path / "audit.jsonl.1").unlink()
    append(path)
    append(tmp_path / "audit.jsonl.1")
    append(path, limit=2)


# --- speed --------------------------------------------------------------------------------------------------------------------------------


def test_a_process_reads_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    file, other = AuditFile(path), AuditFile(path)
    for number in range(400):
        file.append(FIELDS, now=NOW + timedelta(seconds=number))
    counted = [0]
    pread = os.pread

    def counting(descriptor: int, length: int, offset: int) -> bytes:
        data = pread(descriptor, length, offset)
        counted[0] += len(data)
        return data

    monkeypatch.setattr(os, "pread", counting)
    line = len(path.read_bytes().splitlines()[-1]) + 1
    for number in range(10):
        file.append(FIELDS, now=NOW + timedelta(seconds=400 + number))
    assert counted[0] <= 10 * (line + 8)
    other.append(FIELDS, now=NOW + timedelta(seconds=500))
    counted[0] = 0
    file.append(FIELDS, now=NOW + timedelta(seconds=501))
    assert counted[0] <= 2 * (line + 8)


def test_a_process_that_begins_reads_back_an_hour_and_not_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_part, "WINDOW", 4096)
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    for number in range(300):
        file.append(FIELDS, now=NOW + timedelta(minutes=number))
    read_back: list[int] = []
    whole = audit_part.read_whole
    monkeypatch.setattr(audit_part, "read_whole", lambda d, start, end: read_back.append(end - start) or whole(d, start, end))
    with pytest.raises(AuditError, match="60 keys were"):
        AuditFile(path).append(FIELDS, now=NOW + timedelta(minutes=299, seconds=30), limit=60)
    assert max(read_back) < path.stat().st_size / 2
    # a line's number is that in the file even so
    lines = lines_of(path)
    path.write_bytes(b"".join([*lines[:290], lines[291], *lines[292:]]))
    with pytest.raises(AuditError, match=r"Before line 291 1 record is missing"):
        AuditFile(path).append(FIELDS, now=NOW + timedelta(minutes=300))


def test_what_was_looked_at_before_is_known_when_it_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for number in range(1, 5):
        file = AuditFile(path)
        file.check("operator", 1, now=NOW, limit=10)
        # somebody else comes in between
        append(path)
        file.check("operator", 1, now=NOW, limit=10)
        file.append(FIELDS, now=NOW, limit=10)
        assert read(path).records == 1 + 2 * number
        assert read(path).intact
    with pytest.raises(AuditError, match=r"8 keys were handed out to operator within an hour, as .*, 3 more are asked for"):
        AuditFile(path).check("operator", 3, now=NOW, limit=10)


def test_looking_makes_no_file(tmp_path: Path) -> None:
    AuditFile(tmp_path / "new" / "audit.jsonl").check("operator", 1, now=NOW, limit=1)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_could_not_be_made_is_refused_before_a_key_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def access(path: Path, _mode: int) -> bool:
        asked.append(path)
        return False

    # root may write everywhere
    monkeypatch.setattr(os, "access", access)
    with pytest.raises(AuditError, match="this account may not write to it; no key was handed out"):
        AuditFile(tmp_path / "a" / "b" / "audit.jsonl").check("operator", 1, now=NOW, limit=1)
    assert asked == [tmp_path]


def test_lines_are_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = append(path) + append(path)
    assert b"".join(line + b"\n" for line in lines) == path.read_bytes()
    assert json.loads(lines[-1])["reason"] == "x" * 200


def test_what_was_looked_at_before_is_appended_to(tmp_path: Path) -> None:
    """Each file object is another process: it looks, others may write meanwhile, and then it writes."""
    path = tmp_path / "audit.jsonl"
    AuditFile(path).append(FIELDS, now=NOW)
    looks, writes = AuditFile(path), AuditFile(path)
    looks.check("operator", 1, now=NOW, limit=20)
    looks.append(FIELDS, now=NOW)
    looks.check("operator", 1, now=NOW, limit=20)
    writes.append(FIELDS, now=NOW)
    looks.check("operator", 1, now=NOW, limit=20)
    looks.append(FIELDS, now=NOW)
    assert [parse(line).head.seq for line in path.read_bytes().splitlines()] == list(range(5))
