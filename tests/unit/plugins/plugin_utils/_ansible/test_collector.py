# SPDX-License-Identifier: GPL-3.0-or-later
"""The cyclic collector rests while an action runs, and only then."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.base import KeywardAction
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.collector import collector_at_rest


class Asleep(KeywardAction):
    """Says whether the collector would pass while it works."""

    def _run(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        return {"collector": gc.isenabled()}

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


def test_it_rests_while_an_action_runs() -> None:
    action = object.__new__(Asleep)
    action._task = SimpleNamespace(no_log=False)
    assert gc.isenabled()
    assert action.run(task_vars={}) == {"collector": False}
    assert gc.isenabled()


def test_it_passes_again_after_an_error() -> None:
    with pytest.raises(KeyError), collector_at_rest():
        raise KeyError
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off() -> None:
    gc.disable()
    try:
        with collector_at_rest():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
