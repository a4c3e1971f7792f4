# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.escrow_report: arguments in, one judgement, the report out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.fleet import collect_observations, known_hosts
from ..plugin_utils._ansible.options import under
from ..plugin_utils._ansible.query import compile_query
from ..plugin_utils._ansible.report_files import write_report
from ..plugin_utils._ansible.report_run import judge_fleet, requirements_of, summary_text
from ..plugin_utils._report import document
from ..plugin_utils._stores.active_directory.settings import ENVIRONMENT, DirectorySettings
from ..plugin_utils._stores.active_directory.store import ActiveDirectoryStore


class ActionModule(KeywardAction):
    """Judge the fleet once, on the controller."""

    environment = under("ad", ENVIRONMENT)

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Read, judge, say, write; the result is the summary."""
        now = datetime.now(UTC)
        requirements = requirements_of(params, ["ad"] if params["ad"] else [])
        directory = DirectorySettings.from_options(params["ad"])
        self.require("ldap3", *(["jmespath"] if params["query"] else []))
        query = compile_query(params["query"]) if params["query"] else None
        hosts = known_hosts(params["hosts"], task_vars)
        observations = collect_observations(
            hosts, params["observations"], task_vars, variable=params["observation_variable"], now=now, warn=self.warn
        )
        store = ActiveDirectoryStore(directory, now=now, progress=self.say)
        try:
            judgement = judge_fleet(hosts, observations, [store], requirements, now=now, say=self.say)
        finally:
            store.close()
        scope = {"hosts": len(hosts), "ad": {"search_bases": list(directory.search_bases), "max_idle_days": directory.idle_days}}
        report = document.build(judgement, scope)
        # what the directory said; what hosts said was masked where they were asked
        report["stores"] = self.masked(report["stores"])
        report["findings"] = [self.masked(finding) if finding["computer"] is None else finding for finding in report["findings"]]
        result: dict[str, Any] = {
            "changed": False,
            "summary": report["summary"],
            "complete": report["complete"],
            "passed": report["passed"],
            "stores": report["stores"],
            "findings": [finding for finding in report["findings"] if finding["computer"] is None],
        }
        if params["dest"]:
            result["changed"], result["files"] = write_report(report, Path(params["dest"]), params["formats"], check_mode=self.check_mode)
        if query is not None:
            result["query_result"] = query(report)
        self.say(summary_text(report, result.get("files", [])))
        return result
