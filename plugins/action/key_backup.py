# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.key_backup: every recovery password of a host into the required stores, read back and proven."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.hardening import harden_process
from ..plugin_utils._ansible.repair_run import (
    HostUnreadableError,
    Means,
    ReadBack,
    chosen_volumes,
    reached,
    refuse_clear_text,
    required_stores,
    result_of,
    run_volume,
    unreadable,
    volume_row,
)
from ..plugin_utils._ansible.report_stores import STORE_ENVIRONMENT, StoreSources
from ..plugin_utils._core.repair import escrow


class ActionModule(KeywardAction):
    """Look, back up what is missing, look again; the result holds states and no value."""

    environment: ClassVar[Mapping[str, str]] = STORE_ENVIRONMENT

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Volume after volume; one that cannot be done leaves the others."""
        # recovery passwords and key packages come into this process, to be proven
        harden_process()
        sources = StoreSources.from_options(params)
        required = required_stores(params["stores"], sources)
        self.require("cryptography", *sources.libraries)
        host, _variables = self.target(task_vars)
        settings = self.connection_settings(task_vars)
        refuse_clear_text(settings)
        means = self.means()
        rows, repaired = [], []
        try:
            with reached(host, settings, sources, required, self.say, means) as there:
                for volume in chosen_volumes(there.observation, params["volumes"], params["volume_types"]):
                    live = there.live(volume, names=False)
                    patience = ReadBack(params["read_back_seconds"], means.sleep)
                    ended = run_volume(
                        live, lambda view, tried: escrow.next_step(view, None, tried), check_mode=self.check_mode, patience=patience
                    )
                    rows.append(volume_row(volume, live, ended))
                    repaired.append(ended)
        except HostUnreadableError as error:
            return unreadable(error)
        return result_of(rows, repaired, diff=bool(self._task.diff))

    def means(self) -> Means:
        """Clock, connections, proofs; tests give others."""
        return Means(now=lambda: datetime.now(UTC))
