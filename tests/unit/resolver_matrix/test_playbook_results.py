# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of the actions inside a real ansible-playbook: nothing revealed is shown, and every failure is a result with a text."""

from __future__ import annotations

import base64
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


def _load(name: str) -> Any:
    """This folder's helper: tests/unit is no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("playbook.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


playbook = _load("resolver_matrix_playbook")

VALUE = "111111-222222-333333-444444-555555-666666-111111-222222"
SPELLINGS = (
    VALUE,
    VALUE.replace("-", ""),
    VALUE.replace("-", " "),
    base64.b64encode(VALUE.encode()).decode(),
    VALUE.encode("utf-16-le").hex(),
)
HOSTS = {"pc01": {"ansible_connection": "winrm"}, "pc02": {"ansible_connection": "winrm"}}


def task(name: str, arguments: dict[str, Any] | None = None, **keywords: Any) -> dict[str, Any]:
    return {"name": name, "keyward_probe": arguments or {}, "ignore_errors": True} | keywords


TASKS = [
    task("revealed", {"reveal": True}, register="revealed"),
    task("revealed in a loop", {"reveal": True}, loop=["a", "b"], register="looped"),
    task("revealed and repeated", {"reveal": True}, register="again", until="false", retries=1, delay=0),
    task("revealed and judged failed", {"reveal": True}, failed_when=True),
    task("crashed", {"crash": True}),
    task("crashed while revealing", {"crash": True, "reveal": True}),
    task("failed", {"fail": True}),
    task("failed while revealing", {"fail": True, "reveal": True}),
    task("failed while hidden", {"fail": True, "reveal": True}, no_log=True),
    task("library missing", {"miss": True}),
    task("bad options", {"number": "many", "nonsense": 1, "password": "{{ 'made-up' ~ '-bind' }}"}),
    task("password kept", {"password": "{{ 'made-up' ~ '-bind' }}"}),
    task("async", {}, **{"async": 10, "poll": 1}),
    task("become", {}, become=True),
    task("become by variable", {}, vars={"ansible_become": True}),
    task("spoken", {"say": True}),
    {
        "name": "usable",
        "assert": {"that": [f"revealed.value == '{VALUE}'", "looped.results | length == 2", "looped.results[1].value == revealed.value"]},
    },
]


@pytest.fixture(scope="module", params=[(), ("-vvvv",), ("--check", "--diff")], ids=["plain", "vvvv", "check"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    plays = [{"hosts": "all", "gather_facts": False, "tasks": TASKS}]
    return playbook.run_playbook(tmp_path_factory.mktemp("play"), plays, HOSTS, *request.param)


def test_the_playbook_can_use_what_was_revealed(run: Any) -> None:
    assert run.code == 0, run.output
    assert [entry["event"] for entry in run.of("usable")] == ["ok", "ok"], run.output


@pytest.mark.parametrize("name", ["revealed", "revealed in a loop", "revealed and repeated", "revealed and judged failed"])
def test_what_was_revealed_is_censored_for_callbacks(run: Any, name: str) -> None:
    entries = run.of(name)
    assert entries
    for entry in entries:
        assert "value" not in entry["result"]
        assert "censored" in str(entry["result"])


def test_no_spelling_of_the_secret_is_anywhere(run: Any) -> None:
    everything = run.output + repr(run.record)
    shown = [line for line in everything.splitlines() if any(spelling in line for spelling in SPELLINGS)]
    assert [line for line in shown if "revealed.value ==" not in line] == []
    assert "made-up-bind" not in everything


def test_an_unexpected_failure_says_where_and_withholds_its_text(run: Any) -> None:
    for name in ("crashed", "crashed while revealing"):
        result = run.failure(name)
        assert "ValueError" in result["msg"]
        assert "in run_action" in result["msg"] or "in _run" in result["msg"]
        assert "withheld" in result["msg"]
        assert "a library quotes" not in repr(result)


def test_a_failure_of_ours_is_told_in_full(run: Any) -> None:
    for name in ("failed", "failed while revealing"):
        result = run.result(name)
        assert result["msg"].endswith("Could not read it (there): 0x5 DENIED, no rights. Ask for rights.")
        assert result["error"] == {
            "type": "AuthorizationError",
            "attempted": "read it",
            "target": "there",
            "code": "0x5",
            "name": "DENIED",
            "meaning": "no rights",
            "remedy": "Ask for rights.",
        }
    assert "error" not in run.result("failed while hidden")


def test_a_missing_library_is_named_as_it_is_installed(run: Any) -> None:
    assert "Failed to import the required Python library (msal)" in run.result("library missing")["msg"]


def test_bad_options_are_named(run: Any) -> None:
    message = run.result("bad options")["msg"]
    assert "number" in message
    assert "unsupported options: nonsense" in message


@pytest.mark.parametrize(
    ("name", "expected"), [("async", "Remove async"), ("become", "Set become: false"), ("become by variable", "Set become: false")]
)
def test_what_cannot_work_is_refused_in_a_sentence(run: Any, name: str, expected: str) -> None:
    assert expected in run.failure(name)["msg"]


def test_a_process_that_holds_a_password_leaves_no_core(run: Any) -> None:
    assert run.result("password kept")["core_limit"] == 0


def test_a_worker_speaks_without_commanding_the_terminal(run: Any) -> None:
    assert "spoken?[31m by ?a worker\nin two lines" in run.output
    assert "\x1b[31m" not in run.output
    assert "\u202e" not in run.output


def test_a_warning_is_shown_once_a_run(run: Any) -> None:
    assert run.output.count("warned ?[31mby a worker") == 1


def test_places_of_a_crash_are_shown_at_vvv_and_never_when_revealing(run: Any) -> None:
    verbose = "task path:" in run.output
    # "crashed" and "library missing" on two hosts each; "crashed while revealing" nowhere
    assert run.output.count("(text withheld)") == (4 if verbose else 0)
