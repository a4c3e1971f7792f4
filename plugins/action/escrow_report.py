# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.escrow_report: arguments in, one judgement, the report out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.fleet import collect_observations, known_hosts
from ..plugin_utils._ansible.hardening import harden_process
from ..plugin_utils._ansible.ledger_run import LEDGER_ENVIRONMENT, ledger_run, libraries
from ..plugin_utils._ansible.options import Environment
from ..plugin_utils._ansible.proving import ProofLimits
from ..plugin_utils._ansible.query import compile_query
from ..plugin_utils._ansible.report_files import write_report
from ..plugin_utils._ansible.report_run import judge_fleet, requirements_of, summary_text
from ..plugin_utils._ansible.report_stores import STORE_ENVIRONMENT, StoreSources
from ..plugin_utils._report import document


class ActionModule(KeywardAction):
    """Judge the fleet once, on the controller."""

    environment: ClassVar[Environment] = {**STORE_ENVIRONMENT, **LEDGER_ENVIRONMENT}

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Read, judge, say, write; the result is the summary."""
        now = datetime.now(UTC)
        sources = StoreSources.from_options(params)
        requirements = requirements_of(params, sources.names)
        proving = requirements.proof == "live"
        limits = ProofLimits(entra_reads=params["entra_read_budget"], seconds=params["proof_time_limit"])
        self.require(
            *sources.libraries, *(["jmespath"] if params["query"] else []), *(["cryptography"] if proving else []), *libraries(params)
        )
        if params["query"]:
            compile_query(params["query"])
        hosts = known_hosts(params["hosts"], task_vars, settings=[f"keyward_{option}" for option in params])
        observations = collect_observations(
            hosts, params["observations"], task_vars, variable=params["observation_variable"], now=now, warn=self.warn
        )
        # a token comes into this process even where no option holds a secret
        harden_process()
        with ledger_run(params, check_mode=self.check_mode, say=self.say, warn=self.warn) as ledger:
            known = ledger.with_earlier(hosts, observations)
            with sources.opened(now, self.say, values=proving, versions=ledger.ledger is not None) as stores:
                judgement = judge_fleet(
                    hosts, known, stores, requirements, now=now, say=self.say, warn=self.warn, limits=limits, memory=ledger.memory_of_proofs
                )
            judgement = ledger.compared(judgement, sources.scope)
            report = document.build(judgement, {"hosts": len(hosts), **sources.scope, **(limits.scope if proving else {})})
            ledger.annotate(report)
            return self._told(report, params) | ledger.result(judgement, sources.scope)

    def _told(self, report: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """Write the report, say what came out, and give the result."""
        query = compile_query(params["query"]) if params["query"] else None
        # what the stores said; what hosts said was masked where they were asked
        report["stores"] = self.masked(report["stores"])
        report["findings"] = [self.masked(finding) if finding["computer"] is None else finding for finding in report["findings"]]
        for aside in document.asides(report):
            self.warn(aside)
        result: dict[str, Any] = {
            "changed": False,
            "generated_at": report["generated_at"],
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
            if params["query"].strip() == "@":
                # the next task gets the whole report; -v would bury the terminal in it (as Ansible's own gather_facts knows)
                result["_ansible_verbose_override"] = True
        self.say(summary_text(report, result.get("files", [])))
        return result
