# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.recovery_policy: intentions in, the values of the policy that differ set on the host."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.host_session import open_session
from ..plugin_utils._ansible.options import Rules
from ..plugin_utils._ansible.recovery_policy_run import PolicyRun, intentions_of
from ..plugin_utils._errors import KeywardError, UnreachableError


class ActionModule(KeywardAction):
    """Bring the recovery policy of the task's host to what is intended."""

    rules: ClassVar[Rules] = {"": {"required_one_of": [("os", "fixed", "removable")]}}

    _policy_run: PolicyRun | None = None

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Read, decide, write, read back."""
        wishes = intentions_of(params)
        with open_session(self.connection_settings(task_vars)) as session:
            self._policy_run = PolicyRun(
                session=session,
                wishes=wishes,
                present=params["state"] == "present",
                check_mode=self.check_mode,
                now=datetime.now(UTC),
            )
            result = self._policy_run.result()
        for warning in self._policy_run.warnings:
            self.warn(warning)
        if not self._task.diff:
            del result["diff"]
        return result

    def failure(self, error: KeywardError) -> dict[str, Any]:
        """A host that cannot be reached is unreachable; what was asked of it before it failed may have been done."""
        result = super().failure(error)
        if isinstance(error, UnreachableError):
            result.update(unreachable=True)
            del result["failed"]
        made = [] if self._policy_run is None else self._policy_run.made
        return result | {"changed": bool(made), "changes": [{"value": one.name, "before": one.before, "after": one.after} for one in made]}
