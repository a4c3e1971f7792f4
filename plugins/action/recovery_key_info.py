# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Action of keyward.bitlocker.recovery_key_info: terms in, records out, masked unless they are to be revealed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.key_finding import KeyFinder
from ..plugin_utils._ansible.key_pages import open_finder
from ..plugin_utils._ansible.key_rows import key_row
from ..plugin_utils._ansible.key_sources import KEY_ENVIRONMENT
from ..plugin_utils._core.key_lookup import FoundKey
from ..plugin_utils._errors import KeywardError


class ActionModule(KeywardAction):
    """Find keys; without ``reveal`` no value is read at all, with it every one passes the disclosure gate."""

    environment: ClassVar[Mapping[str, str]] = KEY_ENVIRONMENT
    rules: ClassVar[Mapping[str, Mapping[str, Any]]] = {"": {"required_if": [("reveal", True, ["reason"])]}}

    def reveals(self, params: Mapping[str, Any]) -> bool:
        """With ``reveal`` the result holds passwords."""
        return bool(params["reveal"])

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Find, read if asked, and say what could not be looked at."""
        if params["reveal"]:
            self.disclosure(params, task_vars).prepare(1)
        with open_finder(self, params, task_vars, values=bool(params["reveal"])) as finder:
            found = finder.find(params["terms"])
            if not params["reveal"]:
                return {"changed": False, "keys": [key_row(key) for key in found]}
            return {"changed": False, "keys": self._revealed(finder, found, params, task_vars)}

    def _revealed(
        self, finder: KeyFinder, found: list[FoundKey], params: Mapping[str, Any], task_vars: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The rows with passwords; one that cannot be read leaves the others. Raises the first one's reason where none could."""
        gate = self.disclosure(params, task_vars)
        gate.prepare(len(found))
        rows: list[dict[str, Any]] = []
        problems: list[KeywardError] = []
        for key, read in zip(found, finder.read(found), strict=True):
            if isinstance(read, KeywardError):
                problems.append(read)
                rows.append(key_row(key) | {"recovery_password": None, "problem": str(read)})
            else:
                rows.append(key_row(key, read.disclose(gate, "reveal")) | {"problem": ""})
        if len(problems) == len(found):
            raise problems[0]
        return rows
