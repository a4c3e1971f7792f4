# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.volume_info: one host's connection in, its observation out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._windows.host import observe_host


class ActionModule(KeywardAction):
    """Observe the task's host; a host that cannot be observed is a result too, so that the report can account for it."""

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Reach the host as its variables say, and ask."""
        host, _variables = self.target(task_vars)
        settings = self.connection_settings(task_vars)
        observation = observe_host(settings, subsets=frozenset(params["gather_subset"]), now=self.now, host=host)
        result: dict[str, Any] = {"changed": False, "observation": observation}
        if observation["state"] == "failed":
            result["msg"] = observation["message"]
            result["unreachable" if observation["reason"] == "unreachable" else "failed"] = True
        return result

    def now(self) -> datetime:
        """The controller's clock."""
        return datetime.now(UTC)
