# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.volume_info: one host's connection in, its observation out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._windows.host import observe_host
from ..plugin_utils._windows.observe import KEY_PACKAGES


class ActionModule(KeywardAction):
    """Observe the task's host; a host that cannot be observed is a result too, so that the report can account for it."""

    def reveals(self, params: Mapping[str, Any]) -> bool:
        """With ``key_packages`` the observation holds what an escrowed key is proven against."""
        return bool(params["key_packages"])

    def revealed(self, result: Mapping[str, Any]) -> bool:
        """A host that could not be observed gave none."""
        return bool(result["observation"]["state"] == "observed")

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Reach the host as its variables say, and ask."""
        host, _variables = self.target(task_vars)
        settings = self.connection_settings(task_vars)
        subsets = frozenset(params["gather_subset"]) | ({KEY_PACKAGES} if params["key_packages"] else frozenset())
        observation = observe_host(settings, subsets=subsets, now=self.now, host=host)
        result: dict[str, Any] = {"changed": False, "observation": observation}
        if observation["state"] == "failed":
            result["msg"] = observation["message"]
            result["unreachable" if observation["reason"] == "unreachable" else "failed"] = True
        return result

    def now(self) -> datetime:
        """The controller's clock."""
        return datetime.now(UTC)
