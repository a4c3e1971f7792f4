# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Action of keyward.bitlocker.disclosure_info: an audit file in, whether it is whole and what it says out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from ..plugin_utils._ansible.audit_failures import AUDIT_FILE_VARIABLE
from ..plugin_utils._ansible.audit_query import AuditAnswer, Wanted, genesis_of, head_of, parse_moment, period, read_audit
from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.hardening import harden_process
from ..plugin_utils._ansible.options import under
from ..plugin_utils._core.audit_chain import Head, stamp
from ..plugin_utils._core.key_reads import KeyRead, Reconciliation, reconcile
from ..plugin_utils._core.model import StoreState
from ..plugin_utils._core.observation import normalise_key_id
from ..plugin_utils._errors import OptionError
from ..plugin_utils._stores.entra.audits import EntraAudit
from ..plugin_utils._stores.entra.settings import ENVIRONMENT, EntraSettings

#: records that are listed at most
MOST = 100_000


class ActionModule(KeywardAction):
    """Read and verify an audit file, and hold it against the tenant's own log where that is asked for."""

    environment: ClassVar[Mapping[str, str]] = {"audit_file": AUDIT_FILE_VARIABLE, **under("entra", ENVIRONMENT)}

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Read, judge, compare."""
        if not 1 <= params["limit"] <= MOST or not 0 <= params["entra_window"] <= 1440:
            raise OptionError(
                "read the audit file",
                target="options limit, entra_window",
                meaning=f"limit is from 1 to {MOST}, entra_window from 0 to 1440",
                remedy="Give another number.",
            )
        wanted = _wanted(params)
        expect = Head.parse(params["expect_head"]) if params["expect_head"] else None
        answer = read_audit(Path(params["audit_file"]).expanduser().absolute(), wanted, limit=params["limit"], expect=expect)
        reading = answer.reading
        if not reading.intact:
            self.warn(f"The audit file is not intact: {reading.problems[0].text}")
        result: dict[str, Any] = {
            "changed": False,
            "intact": reading.intact,
            "problems": [{"fault": problem.fault.value, "line": problem.line, "text": problem.text} for problem in reading.problems],
            "more_problems": reading.more,
            "sealed": list(reading.sealed),
            "head": head_of(answer),
            "genesis": genesis_of(answer),
            "count": reading.records,
            "total": answer.total,
            "disclosures": list(reversed(answer.rows)),
        }
        if params["entra"] is not None:
            result["entra"] = self._compare(params, answer, wanted)
        return result

    def _compare(self, params: Mapping[str, Any], answer: AuditAnswer, wanted: Wanted) -> dict[str, Any]:
        self.require("msal", "requests")
        # a token comes into this process even where no option holds a secret
        harden_process()
        now, window = datetime.now(UTC), timedelta(minutes=params["entra_window"])
        start, end = period(answer, wanted, now)
        log = EntraAudit(EntraSettings.from_options(params["entra"]), progress=self.say)
        try:
            reads, state, reason = log.reads(start - window)
        finally:
            log.close()
        if state is not StoreState.SEARCHED:
            self.warn(f"The audit log of Entra ID, {state}: {reason}")
        said = reconcile(
            answer.from_entra,
            reads,
            start=start,
            end=end,
            now=now,
            window=window,
            readers=params["entra_readers"],
            proof_readers=params["entra_proof_readers"],
        )
        if said.foreign:
            self.warn(f"Entra ID shows {len(said.foreign)} reads of recovery keys that are in no record of the audit file.")
        return {"state": str(state), "reason": reason, "since": stamp(start), "until": stamp(end), "reads": len(reads), **_rows(said)}


def _wanted(params: Mapping[str, Any]) -> Wanted:
    return Wanted(
        since=parse_moment("since", params["since"]),
        until=parse_moment("until", params["until"]),
        who=params["who"] or None,
        key_id=normalise_key_id(params["key_id"]) if params["key_id"] else None,
        owner=params["owner"] or None,
        source=params["source"] or None,
        actions=frozenset(params["action"]),
    )


def _rows(said: Reconciliation) -> dict[str, Any]:
    return {
        "matched": said.matched,
        "duplicates": said.duplicates,
        "proofs": said.proofs,
        "findings": [{**_read(foreign.read), "why": foreign.why} for foreign in said.foreign],
        "pending": [
            {"seq": item.record.seq, "time": stamp(item.record.time), "key_id": item.record.key_id, "late": item.late}
            for item in said.pending
        ],
    }


def _read(read: KeyRead) -> dict[str, Any]:
    return {
        "time": stamp(read.time),
        "key_id": read.key_id,
        "device_id": read.device_id,
        "reader": read.reader or None,
        "person": read.person,
        "id": read.read_id,
    }
