# SPDX-License-Identifier: GPL-3.0-or-later
"""The disclosure gate: no reason, no record, no budget: no key. And hardened processes that still work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import audit_file, disclosure
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.audit_failures import AuditError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.disclosure import Disclosure, lookup_disclosure
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.audit_reading import ChainReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from hypothesis import given, settings
from hypothesis import strategies as st

VALUE = "111111-222222-333333-444444-555555-666666-111111-222222"
ABOUT = {"key_id": "00000000-0000-4000-8000-000000000001", "owner": "CN=PC01,OU=Clients,DC=lab,DC=example", "source": "ad"}
NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEYWARD_AUDIT_FILE", "KEYWARD_AUDIT_SYSLOG", "CI_JOB_URL", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(disclosure, "_FILES", {})


def gate(path: Path, reason: str = "INC-1234", **more: Any) -> Disclosure:
    given: dict[str, Any] = {"who": "operator", "task": "Reveal", "play": "Help desk", "host": "pc01", "clock": lambda: NOW}
    return Disclosure(reason=reason, audit_file=str(path), **(given | more))


def records(path: Path) -> list[dict[str, Any]]:
    """The disclosures in a file whose chain is intact."""
    lines = path.read_bytes().splitlines(keepends=True)
    reading = ChainReader().read(lines)
    assert reading.intact, reading.problems
    return [record for line in lines if (record := json.loads(line))["kind"] == "disclosure"]


def test_a_disclosure_is_recorded_before_the_secret_leaves(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.jsonl"
    more = {"on_behalf_of": "alice", "ticket": "CHG-1", "plugin": "ad_recovery_key_info", "job": "4711"}
    assert gate(path, **more).disclose(Secret(VALUE), **ABOUT, action="lookup") == VALUE
    first, line = path.read_text(encoding="ascii").splitlines()
    genesis, record = json.loads(first), json.loads(line)
    assert (genesis["kind"], genesis["seq"], genesis["former"], genesis["who"]) == ("genesis", 0, None, "operator")
    place = {name: record.pop(name) for name in ("chain", "seq", "prev", "check")}
    assert (place["chain"], place["seq"]) == (genesis["chain"], 1)
    assert record.pop("node")
    assert record == {
        "schema_version": 1,
        "kind": "disclosure",
        "time": "2026-11-22T20:00:00.000Z",
        "who": "operator",
        "action": "lookup",
        "reason": "INC-1234",
        "host": "pc01",
        "play": "Help desk",
        "task": "Reveal",
        **more,
        **ABOUT,
    }
    assert VALUE not in path.read_text(encoding="ascii")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert records(path)


@pytest.mark.parametrize("reason", ["", "   ", "\n\t", "x" * 1001])
def test_without_a_reason_nothing_happens(tmp_path: Path, reason: str) -> None:
    path = tmp_path / "audit.jsonl"
    with pytest.raises(OptionError, match="reason"):
        gate(path, reason).disclose(Secret(VALUE), **ABOUT)
    assert not path.exists()


def test_an_action_is_one_of_those_that_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no action"):
        gate(tmp_path / "audit.jsonl").disclose(Secret(VALUE), **ABOUT, action="peek")


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=40))
def test_no_text_can_forge_a_second_record(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    gate(path, f"r{text}").disclose(Secret(VALUE), key_id=text, owner=text, source=text)
    (record,) = records(path)
    assert record["owner"] == text
    assert path.read_bytes().isascii()


def test_the_longest_texts_make_a_record(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    endless = "\U0001f511" * 5000
    names = ("who", "task", "play", "host", "on_behalf_of", "plugin", "job", "ticket")
    gate(path, "\U0001f511" * 1000, **dict.fromkeys(names, endless)).disclose(Secret(VALUE), **dict.fromkeys(ABOUT, endless))
    (record,) = records(path)
    assert (len(record["reason"]), len(record["task"])) == (1000, 500)


@pytest.mark.parametrize("spelling", [VALUE, VALUE.replace("-", ""), VALUE.replace("-", " ")])
def test_a_password_in_a_text_is_not_recorded(tmp_path: Path, spelling: str) -> None:
    path = tmp_path / "audit.jsonl"
    gate(path, f"reads {spelling} aloud", task=spelling, ticket=spelling).disclose(Secret(VALUE), **(ABOUT | {"owner": f"PC {spelling}"}))
    assert spelling not in path.read_text(encoding="ascii")
    (record,) = records(path)
    assert record["reason"] == "reads <keyward secret> aloud"


def test_the_file_s_own_mode_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.touch(mode=0o640)
    gate(path).disclose(Secret(VALUE), **ABOUT)
    assert path.stat().st_mode & 0o777 == 0o640


# --- where to -----------------------------------------------------------------------------------------------------------------------------


def test_without_a_place_for_the_record_there_is_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nowhere = Disclosure(reason="INC-1", who="operator", task="T")
    with pytest.raises(AuditError, match="no place for it is named; no key was handed out"):
        nowhere.disclose(Secret(VALUE), **ABOUT)
    monkeypatch.setenv("KEYWARD_AUDIT_FILE", str(tmp_path / "from the environment"))
    assert nowhere.disclose(Secret(VALUE), **ABOUT) == VALUE
    assert records(tmp_path / "from the environment")


def test_the_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("KEYWARD_AUDIT_FILE", "/var/log/keyward.jsonl")
    assert disclosure.audit_path(None) == Path("/var/log/keyward.jsonl")
    assert disclosure.audit_path("~/mine.jsonl") == Path("/home/somebody/mine.jsonl")


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.with_name("elsewhere").touch()
    path.symlink_to(path.with_name("elsewhere"))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _everybody_s(path: Path) -> None:
    path.touch()
    path.chmod(0o666)


def _under_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


def _something_else(path: Path) -> None:
    path.write_text('{"schema_version": 1, "key_id": "k"}\n', encoding="ascii")


def _something_else_without_end(path: Path) -> None:
    path.write_text("127.0.0.1 localhost", encoding="ascii")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (_folder, "EISDIR, it is a folder"),
        (_link, "ELOOP, it is a symbolic link"),
        (_pipe, "it is not a regular file"),
        (_everybody_s, "every account of this machine may write to the file"),
        (_under_a_file, "a part of its path is no folder"),
        (_something_else, "Line 1 is no record of an audit chain"),
        (_something_else_without_end, "Line 1 is no record of an audit chain"),
    ],
)
def test_what_is_no_audit_file_takes_no_record_and_gives_no_key(tmp_path: Path, prepare: Callable[[Path], None], said: str) -> None:
    path = tmp_path / "here" / "audit.jsonl"
    path.parent.mkdir()
    prepare(path)
    with pytest.raises(AuditError, match="no key was handed out") as caught:
        gate(path).disclose(Secret(VALUE), **ABOUT)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert VALUE not in str(caught.value)


def test_a_device_is_no_audit_file() -> None:
    with pytest.raises(AuditError, match="not a regular file; no key was handed out"):
        gate(Path("/dev/full")).disclose(Secret(VALUE), **ABOUT)


# --- budget -------------------------------------------------------------------------------------------------------------------------------


def test_a_spent_budget_gives_no_key_until_an_hour_has_passed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for minute in range(3):
        gate(path, clock=lambda minute=minute: NOW + timedelta(minutes=minute), max_reveals=3).disclose(Secret(VALUE), **ABOUT)
    later = {"clock": lambda: NOW + timedelta(minutes=59)}
    with pytest.raises(AuditError, match="3 keys were handed out to operator within an hour") as caught:
        gate(path, **later, max_reveals=3).disclose(Secret(VALUE), **ABOUT)
    assert "max_reveals is 3; no key was handed out" in str(caught.value)
    assert "Wait until 21:00:00 UTC" in str(caught.value)
    assert len(records(path)) == 3
    assert gate(path, **later, max_reveals=4).disclose(Secret(VALUE), **ABOUT) == VALUE
    with pytest.raises(AuditError, match="4 keys were"):
        gate(path, **later, max_reveals=2).disclose(Secret(VALUE), **ABOUT)
    # another account has a budget of its own
    assert gate(path, **later, who="somebody", max_reveals=1).disclose(Secret(VALUE), **ABOUT) == VALUE
    # and an hour after the second one two are free again
    assert gate(path, clock=lambda: NOW + timedelta(minutes=61), max_reveals=3).disclose(Secret(VALUE), **ABOUT) == VALUE


def test_the_default_budget_is_twenty(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _number in range(20):
        gate(path).disclose(Secret(VALUE), **ABOUT)
    with pytest.raises(AuditError, match="20 keys were handed out"):
        gate(path).disclose(Secret(VALUE), **ABOUT)


def test_what_was_looked_at_before_and_between_records_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    for number in range(4):
        # a process that only knows what the file says
        monkeypatch.setattr(disclosure, "_FILES", {})
        made = gate(path)
        for step in range(number):
            made.prepare(1)
            made.disclose(Secret(VALUE), **ABOUT | {"key_id": f"key {number} {step}"})
        made.prepare(1)
        made.prepare(2)
    monkeypatch.setattr(disclosure, "_FILES", {})
    gate(path).disclose(Secret(VALUE), **ABOUT)
    assert len(path.read_text(encoding="ascii").splitlines()) == 1 + 6 + 1


def test_more_keys_than_an_hour_allows_are_refused_before_any_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.jsonl"
    made = gate(path, max_reveals=3)
    made.prepare(3)
    with pytest.raises(OptionError, match="they are 4, and 3 may be handed out within an hour"):
        made.prepare(4)
    assert not path.parent.exists()
    made.disclose(Secret(VALUE), **ABOUT)
    made.prepare(2)
    with pytest.raises(
        AuditError, match=r"1 key was handed out .*, 3 more are asked for, and max_reveals is 3; no key was .* 21:00:00 UTC"
    ):
        made.prepare(3)
    assert len(records(path)) == 1


def test_what_would_fail_is_refused_before_a_key_is_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with pytest.raises(OptionError, match="reason"):
        gate(path, " ").prepare(1)
    with pytest.raises(AuditError, match="no place for it is named"):
        Disclosure(reason="INC-1", who="operator", task="T").prepare(1)
    with pytest.raises(AuditError, match="it is a folder"):
        gate(tmp_path).prepare(1)
    gate(path).disclose(Secret(VALUE), **ABOUT)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"INC-1234", b"INC-1235"))
    with pytest.raises(AuditError, match="the audit chain is broken"):
        gate(path).prepare(1)
    assert path.read_bytes() == whole.replace(b"INC-1234", b"INC-1235")


def test_a_torn_end_is_left_to_the_record_that_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    gate(path).disclose(Secret(VALUE), **ABOUT)
    torn = path.read_bytes() + b'{"action":"rev'
    path.write_bytes(torn)
    gate(path).prepare(1)
    assert path.read_bytes() == torn
    gate(path).disclose(Secret(VALUE), **ABOUT)
    assert len([line for line in path.read_bytes().splitlines() if b'"kind":"seal"' in line]) == 1


@pytest.mark.parametrize("number", [0, -1])
def test_a_budget_is_at_least_one(tmp_path: Path, number: int) -> None:
    with pytest.raises(OptionError, match="max_reveals"):
        gate(tmp_path / "audit.jsonl", max_reveals=number).disclose(Secret(VALUE), **ABOUT)


def test_a_new_process_counts_what_is_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    for _number in range(2):
        gate(path, max_reveals=2).disclose(Secret(VALUE), **ABOUT)
        monkeypatch.setattr(disclosure, "_FILES", {})
    with pytest.raises(AuditError, match="2 keys were"):
        gate(path, max_reveals=2).disclose(Secret(VALUE), **ABOUT)


def test_a_rotated_file_still_counts_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    for _number in range(2):
        gate(path).disclose(Secret(VALUE), **ABOUT)
    path.rename(tmp_path / "audit.jsonl.1")
    monkeypatch.setattr(disclosure, "_FILES", {})
    with pytest.raises(AuditError, match="2 keys were"):
        gate(path, max_reveals=2).disclose(Secret(VALUE), **ABOUT)
    gate(path, max_reveals=3).disclose(Secret(VALUE), **ABOUT)
    former = json.loads(path.read_text(encoding="ascii").splitlines()[0])["former"]
    last = json.loads((tmp_path / "audit.jsonl.1").read_text(encoding="ascii").splitlines()[-1])
    assert former.startswith(f"{last['chain']}:2:")


# --- lookups ------------------------------------------------------------------------------------------------------------------------------


def test_a_lookup_s_gate_says_what_a_lookup_can_know(tmp_path: Path) -> None:
    variables = {"inventory_hostname": "pc01", "ansible_play_name": "Help desk", "awx_user_name": "alice", "awx_job_id": 4711}
    params = {"reason": "INC-1", "ticket": "CHG-2", "audit_file": str(tmp_path / "audit.jsonl"), "max_reveals": 2}
    made = lookup_disclosure(variables, params, "recovery_key")
    assert made.disclose(Secret(VALUE), **ABOUT, action="lookup") == VALUE
    (record,) = records(tmp_path / "audit.jsonl")
    wanted = {"plugin": "recovery_key", "task": "lookup recovery_key", "host": "pc01", "play": "Help desk", "ticket": "CHG-2"}
    assert {name: record[name] for name in wanted} == wanted
    assert (record["on_behalf_of"], record["job"], record["action"]) == ("alice", "4711", "lookup")
    assert made.max_reveals == 2
    assert lookup_disclosure({}, {}, "recovery_key").max_reveals == 20


def test_one_process_keeps_one_chain_for_a_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _number in range(5):
        gate(path).disclose(Secret(VALUE), **ABOUT)
    assert list(disclosure._FILES) == [str(path)]
    assert isinstance(disclosure._FILES[str(path)], audit_file.AuditFile)


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
