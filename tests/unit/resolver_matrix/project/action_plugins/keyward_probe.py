# SPDX-License-Identifier: GPL-3.0-or-later
"""An action that only the tests use: it does what its options say, on the real base class, inside a real ansible-playbook."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.base import KeywardAction
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import AuthorizationError

#: made-up value with a valid form
VALUE = "111111-222222-333333-444444-555555-666666-111111-222222"


class ActionModule(KeywardAction):
    """Reveal, crash, fail, connect or speak."""

    documentation = Path(__file__).resolve().parents[1] / "documentation" / "keyward_probe.py"

    def reveals(self, params: Any) -> bool:
        return bool(params["reveal"])

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if params["crash"]:
            raise ValueError(f"a library quotes {VALUE}")
        if params["fail"]:
            raise AuthorizationError("read it", target="there", code="0x5", name="DENIED", meaning="no rights", remedy="Ask for rights.")
        if params["miss"]:
            raise ModuleNotFoundError("No module named 'msal'", name="msal.application")
        if params["connect"]:
            settings = self.connection_settings(task_vars)
            fields = {name: getattr(settings, name) for name in ("host", "port", "scheme", "username", "transport", "adapter")}
            matches = settings.password == params["password"]
            return {"changed": False, "settings": fields, "password_matches": matches, "shown": repr(settings)}
        if params["say"]:
            self.say("spoken\x1b[31m by \u202ea worker\nin two lines")
            self.warn("warned \x1b[31mby a worker")
        core, _hard = resource.getrlimit(resource.RLIMIT_CORE)
        result: dict[str, Any] = {"changed": False, "shown": repr(params), "core_limit": core}
        if params["reveal"]:
            result["value"] = VALUE
        return result
