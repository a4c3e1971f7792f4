# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.ledger_info: what to look for in, what the ledger kept out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.hardening import harden_process
from ..plugin_utils._ansible.ledger_query import LedgerQuery
from ..plugin_utils._errors import OptionError
from ..plugin_utils._ledger.ledger import opened
from ..plugin_utils._ledger.settings import ENVIRONMENT, LedgerSettings

#: runs that are looked back at most
MOST = 1000


class ActionModule(KeywardAction):
    """Read the ledger; nothing is made, and nothing is changed."""

    environment: ClassVar[Mapping[str, str]] = ENVIRONMENT

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Open, ask, and say what was not believed."""
        limit = params["limit"]
        if not 1 <= limit <= MOST:
            raise OptionError(
                "read the ledger", target="option limit", meaning=f"{limit} is not from 1 to {MOST}", remedy="Give another one."
            )
        settings = LedgerSettings.from_options(params)
        self.require(*settings.libraries)
        # the key comes into this process
        harden_process()
        now = datetime.now(UTC)
        with opened(settings, clock=lambda: now, make=False) as ledger, ledger.read() as reader:
            query = LedgerQuery(reader, limit=limit, now=now)
            result = {
                "changed": False,
                "runs": query.runs(),
                "computers": [query.computer(name) for name in params["computer"]],
                "protectors": query.protectors(params["key_id"]),
            }
            left_out = {name: number for name, number in sorted(reader.doubtful.items()) if number}
        if left_out:
            self.warn("Rows of the ledger are missing, damaged or bear no seal of this key, and were not believed; see left_out.")
        return {**result, "left_out": left_out}
