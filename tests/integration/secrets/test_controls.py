# SPDX-License-Identifier: GPL-3.0-or-later
"""Positive controls of a whole run: a plugin that leaks a secret of its own into each sink, and every one of them is found there."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.secrets.box import INPUTS, Box
from ansible_collections.keyward.bitlocker.tests.integration.secrets.canaries import make_entra_secrets
from ansible_collections.keyward.bitlocker.tests.integration.secrets.checks import assert_clean, unguarded
from ansible_collections.keyward.bitlocker.tests.integration.secrets.ground import Ground
from ansible_collections.keyward.bitlocker.tests.integration.secrets.scanner import Scanner
from ansible_collections.keyward.bitlocker.tests.lab.estate import values

MakeBox = Callable[..., Box]
#: way of action_plugins/leak.py -> beginnings of the files in which its secret must be found
WAYS: dict[str, tuple[str, ...]] = {
    "result": ("stdout", "log", "callback.jsonl", "junit/", "watch/removed/"),
    "fact": ("facts/", "callback.jsonl"),
    "warning": ("stderr", "log"),
    "debug_output": ("stdout", "log"),
    "removed_file": ("watch/removed/",),
    "overwritten_file": ("watch/removed/",),
    "local_temp": ("watch/removed/",),
    "home": ("home/",),
    "report": ("report/",),
    "audit": ("audit.jsonl",),
    "argument": ("watch/", "execs"),
    "child_environment": ("watch/", "execs"),
    "own_environment": ("watch/", "execs"),
    "grandchild": ("processes.jsonl", "execs"),
    "ledger": ("ledger/",),
    "module": ("remote_tmp/",),
    "failure": ("stdout", "log", "tree/"),
}


def make_canaries() -> dict[str, dict[str, str]]:
    """Kind of secret -> way -> a secret of that kind that goes this way alone."""
    rng = random.Random(11)
    canaries = {"recovery": {way: values.recovery_password(rng) for way in WAYS}}
    for way in WAYS:
        for kind, value in make_entra_secrets(rng).items():
            canaries.setdefault(kind, {})[way] = value
    return canaries


def test_every_sink_shows_its_leak(ground: Ground, box: MakeBox) -> None:
    canaries = make_canaries()
    run = box()
    arguments = [f"{{{{ canaries['{kind}'].module }}}}" for kind in canaries]
    failures = " and ".join(f"{{{{ canaries['{kind}'].failure }}}}" for kind in canaries)
    tasks: list[dict[str, Any]] = [
        *({"leak": {"kind": kind}, "ignore_errors": True} for kind in canaries),
        {"ansible.builtin.command": {"argv": ["/bin/true", *arguments]}, "no_log": True},
        {"ansible.builtin.fail": {"msg": f"it failed with {failures}"}, "ignore_errors": True},
    ]
    play = run.give("play.yml", [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
    given = run.give("variables.yml", {"canaries": canaries, "address": ground.lab.block.infrastructure(60)})
    assert run.play(play, variables=[given], traced=True) == 0, run.text("stdout")[-3000:]
    assert "...ignoring" in run.text("stdout")
    known = {f"{kind}, {way}": value for kind, by_way in canaries.items() for way, value in by_way.items()}
    leaks = Scanner(known).scan_files(run.folder, inputs=[INPUTS])
    missed = {
        (kind, way, sink)
        for kind in canaries
        for way, sinks in WAYS.items()
        for sink in sinks
        if not any(leak.place.startswith(sink) for leak in leaks if leak.secret == f"{kind}, {way}")
    }
    assert missed == set()
    # what leaves no trace inside the folder is told in other ways
    assert [path for path in run.written_elsewhere() if path.startswith("/tmp/tmp")]
    assert [path for path in run.written_elsewhere() if path.endswith("leak.py")]
    assert unguarded(run, ground)
    with pytest.raises(AssertionError) as told:
        assert_clean(run, ground)
    assert "written where nobody looks" in str(told.value)
    assert "not guarded" in str(told.value)


def test_a_secret_of_the_lab_is_told(ground: Ground, box: MakeBox) -> None:
    run = box()
    secret = next(name for name in ground.secrets if name.startswith("entry"))
    (run.report / "escrow-report.json").write_text(str(ground.secrets[secret]))
    with pytest.raises(AssertionError) as told:
        assert_clean(run, ground)
    assert secret in str(told.value)
    assert "report/escrow-report.json" in str(told.value)
    assert str(ground.secrets[secret]) not in str(told.value)


def test_a_run_without_leaks_is_clean(ground: Ground, box: MakeBox) -> None:
    run = box()
    tasks = [{"ansible.builtin.debug": {"msg": "nothing"}}, {"ansible.builtin.command": {"argv": ["/bin/true"]}}]
    play = run.give("play.yml", [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
    assert run.play(play) == 0
    assert_clean(run, ground)
    assert list(run.notes("child"))
    assert (run.folder / "processes.jsonl").stat().st_size
