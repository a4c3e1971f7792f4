# SPDX-License-Identifier: GPL-3.0-or-later
"""The disclosure gate: no reason, no record: no key. And hardened processes that still work."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import disclosure
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.disclosure import AuditError, Disclosure
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from hypothesis import given, settings
from hypothesis import strategies as st

VALUE = "111111-222222-333333-444444-555555-666666-111111-222222"
ABOUT = {"key_id": "00000000-0000-4000-8000-000000000001", "owner": "CN=PC01,OU=Clients,DC=lab,DC=example", "source": "ad"}


def gate(path: Path, reason: str = "INC-1234", **more: Any) -> Disclosure:
    clock = more.pop("clock", lambda: datetime(2026, 11, 22, 20, 0, tzinfo=UTC))
    return Disclosure(
        reason=reason, who="operator", task="Reveal", play="Help desk", host="pc01", audit_file=str(path), clock=clock, **more
    )


def test_a_disclosure_is_recorded_before_the_secret_leaves(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.jsonl"
    assert gate(path, on_behalf_of="alice").disclose(Secret(VALUE), **ABOUT) == VALUE
    (line,) = path.read_text(encoding="ascii").splitlines()
    assert json.loads(line) == {
        "schema_version": 1,
        "time": "2026-11-22T20:00:00.000Z",
        "who": "operator",
        "on_behalf_of": "alice",
        "action": "reveal",
        "reason": "INC-1234",
        "ticket": None,
        "host": "pc01",
        "play": "Help desk",
        "task": "Reveal",
        **ABOUT,
    }
    assert VALUE not in line
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("reason", ["", "   ", "\n\t", "x" * 1001])
def test_without_a_reason_nothing_happens(tmp_path: Path, reason: str) -> None:
    path = tmp_path / "audit.jsonl"
    with pytest.raises(OptionError, match="reason"):
        gate(path, reason).disclose(Secret(VALUE), **ABOUT)
    assert not path.exists()


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=40))
def test_no_text_can_forge_a_second_record(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    gate(path, f"r{text}").disclose(Secret(VALUE), key_id=text, owner=text, source=text)
    lines = path.read_bytes().split(b"\n")
    assert len(lines) == 2
    assert lines[1] == b""
    assert json.loads(lines[0])["owner"] == text
    assert lines[0].isascii()


def test_records_are_appended_and_a_torn_line_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text('{"torn":', encoding="ascii")
    gate(path).disclose(Secret(VALUE), **ABOUT)
    gate(path).disclose(Secret(VALUE), **ABOUT)
    first, second, third = path.read_text(encoding="ascii").splitlines()
    assert first == '{"torn":'
    assert json.loads(second) == json.loads(third)


def test_the_file_s_own_mode_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.touch(mode=0o640)
    gate(path).disclose(Secret(VALUE), **ABOUT)
    assert path.stat().st_mode & 0o777 == 0o640


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.with_name("elsewhere").touch()
    path.symlink_to(path.with_name("elsewhere"))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("prepare", [_folder, _link, _pipe])
def test_what_is_no_plain_file_takes_no_record_and_gives_no_key(tmp_path: Path, prepare: Any) -> None:
    path = tmp_path / "audit.jsonl"
    prepare(path)
    with pytest.raises(AuditError, match="no key was handed out") as caught:
        gate(path).disclose(Secret(VALUE), **ABOUT)
    assert str(path) in str(caught.value)
    assert VALUE not in str(caught.value)


def test_a_full_disk_gives_no_key() -> None:
    with pytest.raises(AuditError, match="no key was handed out"):
        gate(Path("/dev/full")).disclose(Secret(VALUE), **ABOUT)


def test_a_failed_write_gives_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(AuditError, match="No space left"):
        gate(tmp_path / "audit.jsonl").disclose(Secret(VALUE), **ABOUT)


def test_a_lock_that_is_never_released_ends_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    monkeypatch.setattr(disclosure, "LOCK_SECONDS", 0.1)
    with path.open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(AuditError, match="lock"):
            gate(path).disclose(Secret(VALUE), **ABOUT)
    assert path.read_text(encoding="ascii") == ""


def test_many_writers_tear_no_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    children = []
    for _number in range(4):
        child = os.fork()
        if child == 0:  # only appends and leaves, so that pytest runs once
            for _record in range(25):
                disclosure.append_record(path, json.dumps({"filler": "x" * 300}))
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    lines = path.read_text(encoding="ascii").splitlines()
    assert len(lines) == 100
    assert all(json.loads(line) for line in lines)


def test_the_file_is_the_option_then_the_environment_then_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("KEYWARD_AUDIT_FILE", raising=False)
    assert disclosure.audit_path(None) == Path("/home/somebody/.ansible/keyward_audit.jsonl")
    monkeypatch.setenv("KEYWARD_AUDIT_FILE", "/var/log/keyward.jsonl")
    assert disclosure.audit_path(None) == Path("/var/log/keyward.jsonl")
    assert disclosure.audit_path("~/mine.jsonl") == Path("/home/somebody/mine.jsonl")


HARDENED = """
import ctypes, os, resource, subprocess, sys, tempfile
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.hardening import harden_process
if len(sys.argv) > 1:
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
harden_process()
harden_process()
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0, "still dumpable"
echo = ["/bin/sh", "-c", "read line; echo $line"]
shell = subprocess.run(echo, input="1", capture_output=True, text=True, close_fds=True, start_new_session=True)
assert shell.stdout == "1\\n", shell
with tempfile.NamedTemporaryFile("w") as file:
    file.write("x")
child = os.fork()
if child == 0:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print("hardened and working")
"""


@pytest.mark.parametrize("account", [(), ("65534",)], ids=["as it is", "without root"])
def test_a_hardened_process_still_works(account: tuple[str, ...]) -> None:
    if account and os.getuid() != 0:
        pytest.skip("only root can become another account")
    environment = os.environ | {"PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
    done = subprocess.run([sys.executable, "-c", HARDENED, *account], capture_output=True, text=True, env=environment, cwd="/", check=False)
    assert done.stdout == "hardened and working\n", done.stderr
