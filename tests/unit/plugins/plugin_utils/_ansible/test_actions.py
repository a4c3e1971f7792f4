# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action of the collection owes its base: a spec that can be derived, and that is there before Ansible forks."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import base, options
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.base import KeywardAction, MissingLibraryError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError

PACKAGE = "ansible_collections.keyward.bitlocker.plugins.action"
ACTIONS = sorted(path.stem for path in (options.MODULES.parent / "action").glob("[!_]*.py"))


def action_class(name: str) -> type[KeywardAction]:
    found = importlib.import_module(f"{PACKAGE}.{name}").ActionModule
    assert issubclass(found, KeywardAction)
    return found


@pytest.mark.parametrize("name", ACTIONS)
def test_the_spec_is_derived_when_the_action_is_imported(name: str) -> None:
    action = action_class(name)
    assert action._spec is not None, f"{action.option_spec()} comes late: every worker would derive it again"
    assert action.option_spec() is action.option_spec()
    assert action.action_name() == name
    assert set(action.option_spec().argument_spec) == set(options._documented_options(name, options.MODULES / f"{name}.py"))


@pytest.mark.parametrize("name", ACTIONS)
def test_no_action_ships_files_and_all_know_check_mode(name: str) -> None:
    action = action_class(name)
    assert (action.TRANSFERS_FILES, action._supports_async, action._supports_check_mode) == (False, False, True)


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_that_can_reveal_wants_a_reason(name: str) -> None:
    spec = action_class(name).option_spec()
    if "reveal" in spec.argument_spec:
        assert "reason" in spec.argument_spec
        assert ("reveal", True, ["reason"]) in [tuple(rule) for rule in spec.rules.get("required_if", [])]


class Probe(KeywardAction):
    """No documentation: the class can be made all the same, and a task fails in words."""

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return {}


def probe(**task: Any) -> Probe:
    made = object.__new__(Probe)
    made._task = SimpleNamespace(
        **({"async_val": 0, "become": False, "no_log": False, "delegate_to": None, "args": {}, "get_name": lambda: "T"} | task)
    )
    made._play_context = SimpleNamespace(become=False)
    made._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    return made


def test_an_action_without_documentation_fails_as_a_result() -> None:
    assert Probe._spec is None
    result = probe(check_mode=False).run(task_vars={})
    assert result["failed"] is True
    assert "defect of the collection" in result["msg"]


def test_a_hostile_name_in_an_error_cannot_command_the_terminal() -> None:
    result = probe().failure(KeywardError("choose one recovery key", target="a\x1b[2J\x07\u202eb\n[WARNING]: all is well"))
    assert result["msg"] == "Could not choose one recovery key (a?[2J??b?[WARNING]: all is well)."


def test_all_missing_libraries_are_told_at_once() -> None:
    with pytest.raises(MissingLibraryError) as caught:
        probe().require("json", "no_such_library_a", "no_such_library_b")
    assert caught.value.names == ("no_such_library_a", "no_such_library_b")
    assert "no_such_library_a" in str(caught.value)
    assert "no_such_library_b" in str(caught.value)
    probe().require("json")


def test_the_gate_of_a_task_names_account_platform_user_and_place() -> None:
    variables = {"inventory_hostname": "pc01", "ansible_play_name": "Help desk", "awx_user_name": "alice"}
    gate = probe().disclosure({"reason": "INC-1", "audit_file": "/var/log/a"}, variables)
    assert (gate.reason, gate.on_behalf_of, gate.host, gate.play, gate.task, gate.audit_file) == (
        "INC-1",
        "alice",
        "pc01",
        "Help desk",
        "T",
        "/var/log/a",
    )
    assert gate.who


def test_the_target_is_the_delegated_host() -> None:
    variables = {"inventory_hostname": "pc01", "ansible_delegated_vars": {"pc02": {"ansible_host": "x"}}}
    assert probe().target(variables) == ("pc01", variables)
    assert probe(delegate_to="pc02").target(variables) == ("pc02", {"ansible_host": "x"})
    assert probe(delegate_to="gone").target(variables) == ("gone", {})


@pytest.mark.parametrize(
    ("value", "expected"), [({"a": [{"b": Secret("x")}]}, True), ({"a": ["x", {"b": None}]}, False), (Secret("x"), True)]
)
def test_secrets_are_found_however_deep(value: Any, expected: bool) -> None:
    assert base._holds_secret(value) is expected


def test_a_traceback_quotes_no_foreign_text() -> None:
    def fail() -> None:
        try:
            int("111111-222222")
        except ValueError as error:
            raise KeyError("333333-444444") from error

    with pytest.raises(KeyError) as caught:
        fail()
    text = base._places(caught.value)
    assert "KeyError (text withheld)" in text
    assert "ValueError (text withheld)" in text
    assert Path(__file__).name in text
    assert "111111" not in text
    assert "333333" not in text
