# SPDX-License-Identifier: GPL-3.0-or-later
"""Says by hashes which recovery passwords a registered result holds: proof that a reveal worked, which leaks nothing. For tests alone."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Takes the name of a registered variable, not its value: options are shown."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the variable, and hash every password in it."""
        registered = (task_vars or {})[self._task.args["variable"]]
        results = registered.get("results", [registered])
        entries = [entry for result in results for entry in result.get("entries", [])]
        values = [str(entry["recovery_password"]) for entry in entries if entry.get("recovery_password")]
        return {"changed": False, "hashes": sorted(hashlib.sha256(value.encode()).hexdigest() for value in values)}
