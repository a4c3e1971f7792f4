# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.local_copy_info: which files on a host are copies of recovery keys, by their names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.host_session import open_session
from ..plugin_utils._ansible.local_copies_run import folders_of, local_copies_result
from ..plugin_utils._errors import KeywardError, OptionError, UnreachableError


class ActionModule(KeywardAction):
    """Search the task's host; nothing is read but names, and nothing is removed."""

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Observe, search, compare."""
        folders = folders_of(params["folders"])
        for name in ("timeout", "max_files"):
            if not 1 <= params[name] <= 100_000:
                raise OptionError(f"use the option {name}", meaning="it is not between 1 and 100000")
        host, _variables = self.target(task_vars)
        with open_session(self.connection_settings(task_vars)) as session:
            return local_copies_result(
                session,
                host=host,
                profiles=params["profiles"],
                folders=folders,
                seconds=params["timeout"],
                max_files=params["max_files"],
                now=lambda: datetime.now(UTC),
            )

    def failure(self, error: KeywardError) -> dict[str, Any]:
        """A host that cannot be reached is unreachable."""
        result = super().failure(error)
        if isinstance(error, UnreachableError):
            result.update(unreachable=True)
            del result["failed"]
        return result
