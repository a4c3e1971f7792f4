# SPDX-License-Identifier: GPL-3.0-or-later
"""A revealed password is in the registered result of its task, and nowhere else: not when it works, and not when it does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.secrets.box import INPUTS, PROCESSES, Box
from ansible_collections.keyward.bitlocker.tests.integration.secrets.checks import assert_clean
from ansible_collections.keyward.bitlocker.tests.integration.secrets.ground import WRONG_DIRECTORY_PASSWORD, Ground
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import ADMINISTRATOR, NO_RIGHTS, REPORT, REVEAL
from ansible_collections.keyward.bitlocker.tests.lab.entra.accounts import REVEAL as APPLICATION
from ansible_collections.keyward.bitlocker.tests.lab.estate.values import is_recovery_password
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntry

MakeBox = Callable[..., Box]
INFO = "keyward.bitlocker.ad_recovery_key_info"
#: the options are variables, as in any playbook that does not hold its passwords itself
LOGIN = {name: f"{{{{ login.{name} }}}}" for name in ("server", "port", "tls_mode", "ca_cert", "username", "password", "timeout")}


def hashed(values: list[str]) -> list[str]:
    return sorted(hashlib.sha256(value.encode()).hexdigest() for value in values)


def entries_of(ground: Ground, count: int) -> list[LabEntry]:
    """Sound entries of different computers, readable by the reveal account."""
    found: dict[str, LabEntry] = {}
    counted = [entry.key_id for entry in ground.lab.estate.entries]
    live = {computer.name for computer in ground.lab.estate.computers if not computer.delete_after}
    for entry in ground.lab.estate.entries:
        sound = is_recovery_password(entry.password) and entry.raw_recovery_guid is None and entry.cn_key_id is None and not entry.hidden
        if sound and entry.computer in live and counted.count(entry.key_id) == 1:
            found.setdefault(entry.computer, entry)
    return list(found.values())[:count]


def reveal(name: str, *, login: str = "login", **more: Any) -> dict[str, Any]:
    """A task that reveals; its keywords are those of ``task_…``."""
    keywords = {key.removeprefix("task_"): more.pop(key) for key in list(more) if key.startswith("task_")}
    options = {key: value.replace("login.", f"{login}.") for key, value in LOGIN.items()}
    return {"name": name, INFO: {**options, "reveal": True, "reason": "INC-4711", **more}, **keywords}


def reveal_entra(name: str, ground: Ground, **more: Any) -> dict[str, Any]:
    """The same of Entra ID."""
    keywords = {key.removeprefix("task_"): more.pop(key) for key in list(more) if key.startswith("task_")}
    options: dict[str, Any] = {option: f"{{{{ entra.{option} }}}}" for option in ground.entra(APPLICATION)}
    options |= {"reveal": True, "reason": "INC-4712", **more}
    return {"name": name, "keyward.bitlocker.entra_recovery_key_info": options, **keywords}


def handed_out(variable: str) -> list[dict[str, Any]]:
    """Tasks that say what a variable holds, in hashes, and assure that it is not shown by talking about other things."""
    return [
        {"name": f"What {variable} holds", "handed_out": {"variable": variable}, "register": f"{variable}_hashes"},
        {"ansible.builtin.debug": {"var": f"{variable}_hashes.hashes"}},
        {"ansible.builtin.debug": {"msg": f"{{{{ {variable}.entries | default([]) | map(attribute='key_id') | list }}}}"}},
        {"ansible.builtin.set_fact": {f"{variable}_state": f"{{{{ {variable}.store | default({{}}) }}}}", "cacheable": True}},
    ]


def play(box: Box, ground: Ground, tasks: list[dict[str, Any]], *, gather: bool = False) -> None:
    """One play for localhost over these tasks."""
    accounts = {"login": REVEAL, "report": REPORT, "norights": NO_RIGHTS, "admin": ADMINISTRATOR}
    variables = {name: ground.login(account) for name, account in accounts.items()}
    variables["wrong"] = ground.login(REVEAL, password=WRONG_DIRECTORY_PASSWORD)
    variables["mirror"] = ground.login(REVEAL, server=[ground.mirrors.directory])
    variables["mirror_bind"] = ground.login(REPORT, server=[ground.mirrors.directory])
    variables["entra"] = ground.entra(APPLICATION)
    variables["nobody"] = ground.login(REVEAL, server=[ground.lab.block.infrastructure(99)], port=636)
    book = box.give("play.yml", [{"name": "Reveal", "hosts": "localhost", "connection": "local", "gather_facts": gather, "tasks": tasks}])
    box.play(book, variables=[box.give("variables.yml", variables)])
    assert box.returned == 0, box.text("stdout")[-4000:] + box.text("stderr")[-2000:]


def facts(box: Box) -> dict[str, Any]:
    (path,) = (box.folder / "facts").iterdir()
    content = json.loads(path.read_text())
    # ansible-core 2.19 and later wrap it
    return dict(json.loads(content["__payload__"]) if "__payload__" in content else content)


def test_a_reveal_is_in_its_registered_result_alone(ground: Ground, box: MakeBox) -> None:
    first, second, third = entries_of(ground, 3)
    run = box()
    tasks = [
        reveal("One", task_register="one", key_id=first.key_id),
        *handed_out("one"),
        reveal("In a loop", task_register="looped", key_id="{{ item }}", task_loop=[first.key_id, second.key_id]),
        *handed_out("looped"),
        reveal(
            "Again and again",
            key_id=third.key_id,
            task_register="again",
            task_until=False,
            task_retries=1,
            task_delay=0,
            task_ignore_errors=True,
        ),
        *handed_out("again"),
        reveal("By computer", computer=second.computer, task_register="computer", task_delegate_to="localhost", task_run_once=True),
        *handed_out("computer"),
        reveal("Asked no_log", key_id=first.key_id, task_no_log=True, task_register="quiet", task_diff=True, task_check_mode=True),
        *handed_out("quiet"),
        reveal("Not registered", key_id=first.key_id),
        reveal(
            "Failed when",
            key_id=first.key_id,
            task_register="judged",
            task_ignore_errors=True,
            task_failed_when="judged.entries[0].recovery_password | length > 0",
        ),
        reveal(
            "A condition that cannot be read",
            key_id=first.key_id,
            task_register="odd",
            task_ignore_errors=True,
            task_changed_when="odd.entries[0].recovery_password.nothing_of_that",
        ),
    ]
    play(run, ground, tasks, gather=True)
    assert_clean(run, ground)
    shown = run.text("stdout")
    for value, variable in ((first.password, "one"), (second.password, "looped"), (third.password, "again"), (first.password, "quiet")):
        assert hashed([value])[0] in shown, variable
    assert "the output has been hidden" in shown
    assert "Not registered" in shown
    assert {"one_state", "looped_state", "again_state", "computer_state"} <= set(facts(run))
    assert "python_version" in json.dumps(facts(run))
    records = [record for line in run.audit.read_text().splitlines() if (record := json.loads(line))["kind"] == "disclosure"]
    assert {record["key_id"] for record in records} >= {first.key_id, second.key_id, third.key_id}


FAILURES: dict[str, tuple[dict[str, Any], str]] = {
    "no reason": ({"reason": "{{ omit }}"}, "reason"),
    "an empty reason": ({"reason": " "}, "reason"),
    "no rights to the password": ({"login": "report"}, "control access"),
    "no rights at all": ({"login": "norights"}, "rights"),
    "wrong password": ({"login": "wrong"}, "ERROR_LOGON_FAILURE"),
    "nobody there": ({"login": "nobody"}, "refused"),
    "no such key": ({"key_id": "00000000-0000-4000-8000-00000000dead"}, "not_found"),
    "an audit file that is a folder": ({"audit_file": "{{ playbook_dir }}"}, "no key was handed out"),
    "an audit file on a full disk": ({"audit_file": "/dev/full"}, "no key was handed out"),
    "a directory that repeats the password": ({"login": "mirror"}, "LDAP 1"),
    "a directory that repeats it when it refuses": ({"login": "mirror_bind"}, "LDAP 1"),
    "async": ({"task_async": 10}, "async is set"),
    "become": ({"task_become": True}, "become is set"),
    "all and reveal": ({"all": True}, "without reveal"),
}


def test_reveals_that_fail_show_why_and_nothing_else(ground: Ground, box: MakeBox) -> None:
    (entry,) = entries_of(ground, 1)
    run = box()
    tasks: list[dict[str, Any]] = []
    for number, (name, (changes, _said)) in enumerate(FAILURES.items()):
        options: dict[str, Any] = {"key_id": entry.key_id, "task_ignore_errors": True, "task_register": f"found_{number}"}
        tasks.append(reveal(name, **(options | changes)))
        tasks.append({"name": f"About {name}", "ansible.builtin.debug": {"var": f"found_{number}"}})
    play(run, ground, tasks)
    assert_clean(run, ground)
    about = run.text("stdout").split("TASK [About ")
    for name, (_changes, said) in FAILURES.items():
        (shown,) = [text for text in about if text.startswith((f"{name}]", f"{name} var="))]
        assert said in shown, name
    assert not run.audit.exists()


@pytest.mark.parametrize("callback", ["ansible.builtin.minimal", "ansible.builtin.oneline", "default, as YAML"])
def test_other_callbacks(ground: Ground, box: MakeBox, callback: str) -> None:
    (entry,) = entries_of(ground, 1)
    key = next(key for key in ground.lab.estate.entra_keys if is_recovery_password(key.password) and key.device_id)
    settings = {"ANSIBLE_STDOUT_CALLBACK": callback}
    if callback.startswith("default"):
        settings = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}
    run = box(**settings)
    tasks = [
        reveal("Works", key_id=entry.key_id, task_register="works"),
        *handed_out("works"),
        reveal("Loops", key_id="{{ item }}", task_loop=[entry.key_id]),
        reveal("Fails", key_id=entry.key_id, login="report", task_ignore_errors=True),
        reveal("Is refused", key_id=entry.key_id, login="wrong", task_ignore_errors=True),
        reveal_entra("From Entra ID", ground, key_id=key.key_id, task_register="of_entra"),
        *handed_out("of_entra"),
        reveal_entra("Fails at Entra ID", ground, key_id=key.key_id, client_id=key.key_id, task_ignore_errors=True),
    ]
    play(run, ground, tasks)
    assert_clean(run, ground)
    assert all(hashed([value])[0] in run.text("stdout") for value in (entry.password, key.password))


@pytest.mark.parametrize("place", ["bind", "fsync"])
def test_an_error_that_quotes_everything(ground: Ground, box: MakeBox, place: str) -> None:
    (entry,) = entries_of(ground, 1)
    run = box(KEYWARD_SABOTAGE=place)
    play(
        run,
        ground,
        [
            reveal("Breaks", key_id=entry.key_id, task_ignore_errors=True, task_register="broken"),
            {"ansible.builtin.debug": {"var": "broken"}},
        ],
    )
    assert [note for note in run.notes("sabotage") if note["texts"]]
    assert "HorridError" in run.text("stdout")
    assert_clean(run, ground)


def test_a_password_from_the_environment_stays_there(ground: Ground, box: MakeBox) -> None:
    (entry,) = entries_of(ground, 1)
    login = ground.login(REVEAL)
    run = box(MICROSOFT_AD_LDAP_USERNAME=login["username"], MICROSOFT_AD_LDAP_PASSWORD=login["password"])
    task = reveal("From the environment", key_id=entry.key_id, task_register="found")
    for option in ("username", "password"):
        del task[INFO][option]
    play(run, ground, [task, *handed_out("found")])
    assert hashed([entry.password])[0] in run.text("stdout")
    leaks = ground.scanner.scan_files(run.folder, inputs=[INPUTS])
    # Ansible's own processes were given it; no child of theirs was
    assert {(leak.place, leak.secret) for leak in leaks} == {(PROCESSES, f"account {REVEAL}")}
