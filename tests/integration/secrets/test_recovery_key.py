# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are handed out: on the terminal, sealed, by lookup and module, and what a consumer's own tasks do with them.

What the guide "Secrets" says of consumers is true here: what it calls safe leaves nothing, and what it warns of leaks, each key where it
says and nowhere else.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import termios
import threading
from collections.abc import Callable
from typing import Any

import pyrage
import pytest
from ansible_collections.keyward.bitlocker.tests.integration.secrets.box import INPUTS, SINKS, Box
from ansible_collections.keyward.bitlocker.tests.integration.secrets.checks import assert_clean, leaks_of
from ansible_collections.keyward.bitlocker.tests.integration.secrets.ground import Ground
from ansible_collections.keyward.bitlocker.tests.integration.secrets.test_reveal import entries_of
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import REVEAL
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntry

MakeBox = Callable[..., Box]
PLAYBOOK = "keyward.bitlocker.recover_key"
REASON = "INC-4711"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def aloud(password: str) -> list[str]:
    """What a screen shows of a key beside its groups: figures apart, and words; the scanner knows the other spellings."""
    groups = password.split("-")
    said = [[WORDS[int(digit)] for digit in group] for group in groups]
    return [*(" ".join(group) for group in groups), *(f"{' '.join(word[:3])}, {' '.join(word[3:])}" for word in said)]


def said_aloud(box: Box, *passwords: str) -> list[str]:
    """The files of a run that hold a key as a screen shows it."""
    forms = [form.encode() for password in passwords for form in aloud(password)]
    files = [path for path in box.folder.rglob("*") if path.is_file() and INPUTS not in path.relative_to(box.folder).parts]
    return [str(path.relative_to(box.folder)) for path in files if any(form in path.read_bytes() for form in forms)]


class Terminal:
    """A terminal for a run, with somebody who presses Enter when a key is on it; ``text`` is what it got."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.path = os.ttyname(self._slave)
        self.text = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sit, daemon=True)

    def __enter__(self) -> Terminal:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join(10)
        os.close(self._slave)
        os.close(self._master)

    def _sit(self) -> None:
        answered = 0
        while not self._over.is_set():
            if select.select([self._master], [], [], 0.1)[0]:
                self.text += os.read(self._master, 65536).decode("utf-8", "replace")
            while self.text.count("clears the screen") > answered:
                answered += 1
                os.write(self._master, b"\r")


def variables(ground: Ground) -> dict[str, Any]:
    return {"login": ground.login(REVEAL), "keyward_ad": ground.login(REVEAL), "keyward_reason": REASON}


def play(run: Box, ground: Ground, tasks: list[dict[str, Any]], **more: Any) -> None:
    """One play for localhost over these tasks."""
    book = run.give("play.yml", [{"name": "Consume", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
    run.play(book, variables=[run.give("variables.yml", variables(ground) | more)])
    assert run.returned == 0, run.text("stdout")[-4000:] + run.text("stderr")[-2000:]


# --- recover_key --------------------------------------------------------------------------------------------------------------------------


def test_recover_key_shows_the_key_to_the_terminal_alone(ground: Ground, box: MakeBox) -> None:
    (entry,) = entries_of(ground, 1)
    run = box(TERM="xterm")
    given = run.give("variables.yml", variables(ground) | {"keyward_find": entry.key_id[:8], "keyward_seconds": 30})
    with Terminal() as terminal:
        run.play(PLAYBOOK, variables=[given], terminal=terminal.path)
    assert run.returned == 0, run.text("stdout")[-4000:] + run.text("stderr")[-2000:]
    assert [form for form in aloud(entry.password) if form not in terminal.text] == []
    assert said_aloud(run, entry.password) == []
    assert_clean(run, ground)


def test_recover_key_puts_the_key_into_the_job_log_only_by_that_word(ground: Ground, box: MakeBox) -> None:
    (entry,) = entries_of(ground, 1)
    run = box()
    given = {"keyward_find": entry.key_id[:8], "keyward_output": "job_log"}
    run.play(PLAYBOOK, variables=[run.give("variables.yml", variables(ground) | given)])
    assert run.returned == 0, run.text("stdout")[-4000:]
    # the positive control of what the test above looks for: there, and not even then in a result
    assert {place.partition("/")[0] for place in said_aloud(run, entry.password)} == {"stdout", "log"}
    assert json.loads(run.audit.read_text().splitlines()[-1])["action"] == "job_log"


# --- sheets -------------------------------------------------------------------------------------------------------------------------------


def test_a_sealed_sheet_leaves_nothing_that_is_not_sealed(ground: Ground, box: MakeBox) -> None:
    first, second = entries_of(ground, 2)
    identity = pyrage.x25519.Identity.generate()
    run = box()
    passphrase = run.folder / INPUTS / "passphrase"
    passphrase.write_text("a passphrase of the tests")
    common: dict[str, Any] = {
        "terms": [first.key_id, second.key_id],
        "formats": ["html", "pdf"],
        "dest": str(run.report),
        "reason": REASON,
        "ad": "{{ keyward_ad }}",
    }
    tasks: list[dict[str, Any]] = [
        {"keyward.bitlocker.recovery_sheet": common | {"recipients": [str(identity.to_public())]}, "register": "sheet"},
        {"keyward.bitlocker.recovery_sheet": common | {"vault_password_file": str(passphrase), "name": "vaulted"}},
        {"ansible.builtin.debug": {"var": "sheet"}},
        {
            "keyward.bitlocker.recovery_sheet": common | {"audit_file": "/dev/full", "vault_password_file": str(passphrase)},
            "ignore_errors": True,
        },
    ]
    play(run, ground, tasks)
    assert sorted(path.suffix for path in run.report.iterdir()) == [".age", ".age", ".vault", ".vault"]
    page = pyrage.decrypt((run.report / "recovery-sheet.html.age").read_bytes(), [identity]).decode()
    assert all(group in page for entry in (first, second) for group in entry.password.split("-"))
    assert said_aloud(run, first.password, second.password) == []
    assert_clean(run, ground)


def test_a_sheet_that_is_not_sealed_is_found(ground: Ground, box: MakeBox) -> None:
    """The positive control: the scanner reads pages and PDFs."""
    (entry,) = entries_of(ground, 1)
    run = box()
    run.report.chmod(0o700)
    options = {
        "terms": entry.key_id,
        "formats": ["html"],
        "sealed": False,
        "dest": str(run.report),
        "reason": REASON,
        "ad": "{{ keyward_ad }}",
    }
    play(run, ground, [{"keyward.bitlocker.recovery_sheet": options}])
    assert [place for place in {leak.place for leak in leaks_of(run, ground)} if place.startswith("report/")]


def test_a_second_copy_is_sealed_and_comes_back_by_its_registered_result_alone(ground: Ground, box: MakeBox) -> None:
    first, second = entries_of(ground, 2)
    identity = pyrage.x25519.Identity.generate()
    run = box()
    for name, text in (("passphrase", "a passphrase of the tests"), ("identity", str(identity))):
        path = run.folder / INPUTS / name
        path.write_text(text)
        path.chmod(0o600)
    passphrase, private = str(run.folder / INPUTS / "passphrase"), str(run.folder / INPUTS / "identity")
    vault: dict[str, Any] = {"path": str(run.report / "vault"), "vault_password_file": passphrase, "persistent": True}
    age: dict[str, Any] = {"path": str(run.report / "age"), "recipients": [str(identity.to_public())], "persistent": True}
    common: dict[str, Any] = {"terms": [first.key_id, second.key_id], "reason": REASON}
    copying = common | {"ad": "{{ keyward_ad }}"}
    reading = common | {"reveal": True, "sources": ["vault"]}
    tasks: list[dict[str, Any]] = [
        {"keyward.bitlocker.vault_copy": copying | {"vault": vault}, "register": "copied"},
        {"keyward.bitlocker.vault_copy": copying | {"vault": age}},
        {"keyward.bitlocker.vault_copy": copying | {"vault": vault}},
        {"keyward.bitlocker.vault_copy": copying | {"vault": vault | {"path": "/dev/full/x"}}, "ignore_errors": True},
        {"keyward.bitlocker.recovery_key_info": reading | {"vault": {"path": vault["path"], "vault_password_file": passphrase}}},
        {"keyward.bitlocker.recovery_key_info": reading | {"vault": {"path": age["path"], "identity_file": private}}},
        {"ansible.builtin.debug": {"var": "copied"}},
    ]
    play(run, ground, tasks)
    assert sum(path.is_file() for path in run.report.rglob("*")) > 3
    assert_clean(run, ground)


# --- lookup and module --------------------------------------------------------------------------------------------------------------------


def looked_up(entry: LabEntry, more: str = "") -> str:
    """An expression that gives a key."""
    return f"lookup('keyward.bitlocker.recovery_key', '{entry.key_id}', reason='{REASON}', ad=keyward_ad, max_reveals=1000){more}"


def test_the_module_masks_and_a_revealed_key_is_in_its_registered_result_alone(ground: Ground, box: MakeBox) -> None:
    first, second = entries_of(ground, 2)
    run = box()
    module = "keyward.bitlocker.recovery_key_info"
    common = {"reason": REASON, "ad": "{{ keyward_ad }}"}
    tasks: list[dict[str, Any]] = [
        {module: common | {"terms": [first.key_id, second.key_id]}, "register": "masked"},
        {"ansible.builtin.debug": {"var": "masked"}},
        {module: common | {"terms": "{{ item }}", "reveal": True}, "loop": [first.key_id, second.key_id], "register": "revealed"},
        {module: common | {"terms": "fedcba98", "reveal": True}, "ignore_errors": True},
    ]
    play(run, ground, tasks)
    assert run.text("stdout").count("******-******") >= 2
    assert_clean(run, ground)


#: what a consumer does -> where its key is then found, as the beginnings of sinks; "arguments" is what Ansible hands to every callback
CONSUMERS: dict[str, tuple[Callable[[LabEntry], dict[str, Any]], set[str]]] = {
    "mask": (
        lambda entry: {"ansible.builtin.debug": {"msg": f"{{{{ {looked_up(entry)} | keyward.bitlocker.recovery_key_mask }}}}"}},
        set(),
    ),
    "condition": (
        lambda entry: {
            "ansible.builtin.assert": {"that": f"{looked_up(entry)} is keyward.bitlocker.valid_recovery_key", "quiet": True},
        },
        set(),
    ),
    "a filter that fails": (
        lambda entry: {
            "ansible.builtin.debug": {"msg": f"{{{{ {looked_up(entry, '[:-1]')} | keyward.bitlocker.recovery_key_mask }}}}"},
            "ignore_errors": True,
        },
        set(),
    ),
    "set_fact, no_log": (
        lambda entry: {"ansible.builtin.set_fact": {"kept": f"{{{{ {looked_up(entry)} }}}}"}, "no_log": True},
        {"arguments"},
    ),
    "debug, no_log": (lambda entry: {"ansible.builtin.debug": {"msg": f"{{{{ {looked_up(entry)} }}}}"}, "no_log": True}, {"arguments"}),
    "debug of a variable, no_log": (
        lambda entry: {"ansible.builtin.debug": {"var": "late"}, "vars": {"late": f"{{{{ {looked_up(entry)} }}}}"}, "no_log": True},
        set(),
    ),
    "loop over names, no_log": (
        lambda entry: {
            "ansible.builtin.debug": {"msg": f"{{{{ {looked_up(entry)} | length }}}}"},
            "loop": ["one", "two"],
            "no_log": True,
        },
        set(),
    ),
    "cacheable fact": (
        lambda entry: {"ansible.builtin.set_fact": {"cached": f"{{{{ {looked_up(entry)} }}}}", "cacheable": True}, "no_log": True},
        {"arguments", "facts/"},
    ),
    "file, --diff, no_log": (
        lambda entry: {
            "ansible.builtin.copy": {"content": f"{{{{ {looked_up(entry)} }}}}", "dest": "{{ playbook_dir }}/copied", "mode": "0600"},
            "no_log": True,
        },
        {"arguments", "watch/"},
    ),
    "module argument, no_log": (
        lambda entry: {"ansible.builtin.command": {"argv": ["/bin/true", f"{{{{ {looked_up(entry)} }}}}"]}, "no_log": True},
        {"arguments", "remote_tmp/", "watch/"},
    ),
    "debug": (
        lambda entry: {"ansible.builtin.debug": {"msg": f"{{{{ {looked_up(entry)} }}}}"}},
        {"arguments", "stdout", "log", "callback.jsonl"},
    ),
    "loop over keys": (
        lambda entry: {"ansible.builtin.debug": {"msg": "nothing of it"}, "loop": [f"{{{{ {looked_up(entry)} }}}}"]},
        {"stdout", "log", "callback.jsonl"},
    ),
    "file, --diff": (
        lambda entry: {
            "ansible.builtin.copy": {"content": f"{{{{ {looked_up(entry)} }}}}", "dest": "{{ playbook_dir }}/shown", "mode": "0600"},
        },
        {"arguments", "stdout", "log", "callback.jsonl", "watch/"},
    ),
}
#: where a leak may be beside that, depending on the time at which the watcher looks or on what Ansible removes when
PERHAPS = {"processes.jsonl", "watch/", "local_tmp/"}
#: more callbacks, of what is on the screen
SHOWN = {"junit/", "tree/"}


@pytest.fixture(scope="module")
def consumed(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What each consumer's key was found in."""
    entries = entries_of(ground, len(CONSUMERS))
    assert len(entries) == len(CONSUMERS)
    folder = tmp_path_factory.mktemp("consumers")
    run = Box(folder, {"KRB5_CONFIG": ground.lab.environment()["KRB5_CONFIG"], "KEYWARD_ARGUMENTS": str(folder / "arguments")})
    tasks = [{"name": name, **make(entry)} for (name, (make, _sinks)), entry in zip(CONSUMERS.items(), entries, strict=True)]
    play(run, ground, tasks)
    whose = {f"entry {ground.lab.estate.entries.index(entry)} {entry.key_id}": name for name, entry in zip(CONSUMERS, entries, strict=True)}
    # the scanner names one of the secrets that are equal: a key of a host is also its entry's
    values = {ground.secrets[secret]: name for secret, name in whose.items()}
    sinks = (*SINKS, "arguments")
    found: dict[str, set[str]] = {name: set() for name in CONSUMERS}
    for leak in leaks_of(run, ground):
        name = values.get(ground.secrets[leak.secret])
        assert name is not None, f"nobody asked for it: {leak}"
        found[name].add(next((sink for sink in sinks if leak.place.startswith(sink)), leak.place))
    return found


@pytest.mark.parametrize("name", list(CONSUMERS))
def test_what_a_consumer_does_is_as_safe_as_the_guide_says(consumed: dict[str, set[str]], name: str) -> None:
    expected = CONSUMERS[name][1]
    aside = PERHAPS | (SHOWN if "stdout" in expected else set())
    assert consumed[name] - aside == expected - aside
    if not expected:
        assert consumed[name] == set()
