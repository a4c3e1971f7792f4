# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.compliance_gate: a report in, passed or failed out."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ansible.module_utils.parsing.convert_bool import boolean

from ..plugin_utils._ansible import gate_run
from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.options import Rules
from ..plugin_utils._core.gate_types import Outcome
from ..plugin_utils._errors import KeywardError
from ..plugin_utils._report import gate_summary

_SOURCES = ("report_file", "report", "report_variable")
#: what Ansible prints next would send the reader after a network fault
_CALLED_UNREACHABLE = "(Below Ansible calls this host UNREACHABLE. It is not: that is how ansible-playbook comes to end with 4.)"


class ActionModule(KeywardAction):
    """Decide once, on the controller."""

    rules: ClassVar[Rules] = {
        "": {"mutually_exclusive": [_SOURCES], "required_one_of": [_SOURCES]},
        "fail_on.thresholds": {
            "mutually_exclusive": [("verdict", "severity", "code"), ("max", "max_share")],
            "required_one_of": [("verdict", "severity", "code"), ("max", "max_share")],
        },
    }

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Read, decide, write, say."""
        self.require(*(["jmespath"] if params["rules"] else []))
        junit_file = Path(params["junit_file"]) if params["junit_file"] else None
        try:
            decision = gate_run.judge(params, task_vars, datetime.now(UTC))
        except KeywardError as error:
            if junit_file is not None:
                with suppress(KeywardError):  # the first error is the one to tell
                    gate_run.write_junit(error, junit_file, check_mode=self.check_mode)
            raise
        result: dict[str, Any] = {"changed": False, **gate_run.result_of(decision, params["max_listed"])}
        files = [params["report_file"]] if params["report_file"] else []
        if junit_file is not None:
            result["changed"] = gate_run.write_junit(decision, junit_file, check_mode=self.check_mode)
            result["files"] = [str(junit_file)]
            files += [] if self.check_mode else result["files"]
        unseen = decision.outcome is Outcome.COULD_NOT_LOOK
        self.say(gate_summary.render(decision, files) + (f"\n{_CALLED_UNREACHABLE}" if unseen and self._separate() else ""))
        result["msg"] = gate_run.sentence(decision)
        if decision.outcome is Outcome.FINDINGS:
            result["failed"] = True
        elif unseen:
            result.update(self._unseen())
        return result

    def failure(self, error: KeywardError) -> dict[str, Any]:
        """An error is no finding: nobody could look."""
        result = super().failure(error)
        if self._separate():
            del result["failed"]
            self.say(f"ERROR: nothing was decided. {result['msg']}\n{_CALLED_UNREACHABLE}")
        return result | self._unseen()

    def _unseen(self) -> dict[str, bool]:
        # both together would count as failed (ansible-playbook ends with 2 then, not with 4)
        return {"unreachable": True} if self._separate() else {"failed": True}

    def _separate(self) -> bool:
        try:
            return bool(boolean(self._task.args.get("separate_return_codes", False)))
        except TypeError:
            return False
