# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.recovery_key_rotate: new recovery passwords in the place of old ones, each escrowed and proven first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from ..plugin_utils._ansible.audit_failures import AUDIT_FILE_VARIABLE
from ..plugin_utils._ansible.audit_query import Wanted, read_audit
from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.hardening import harden_process
from ..plugin_utils._ansible.intents import STATE_DIR_VARIABLE, IntentFiles
from ..plugin_utils._ansible.repair_run import (
    Host,
    HostUnreadableError,
    Means,
    ReadBack,
    chosen_volumes,
    reached,
    refuse_clear_text,
    required_stores,
    result_of,
    unreadable,
)
from ..plugin_utils._ansible.report_stores import STORE_ENVIRONMENT, StoreSources
from ..plugin_utils._ansible.rotate_run import RotationOptions, VolumeRotations
from ..plugin_utils._core.observation import normalise_key_id
from ..plugin_utils._core.repair.choice import Wishes
from ..plugin_utils._core.repair.loop import Repaired
from ..plugin_utils._errors import KeywardError, OptionError

_KEY_ID = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}", re.ASCII)
#: disclosures after which somebody may know the key; a sealed copy shows it to nobody
_KNOWN_TO_SOMEBODY = frozenset({"reveal", "lookup", "sheet", "show", "job_log", "unlock"})


class ActionModule(KeywardAction):
    """Look which are to go, put a proven one in the place of each, and only then take the old one away."""

    environment: ClassVar[Mapping[str, str]] = {**STORE_ENVIRONMENT, "state_dir": STATE_DIR_VARIABLE, "audit_file": AUDIT_FILE_VARIABLE}
    rules: ClassVar[Mapping[str, Mapping[str, Any]]] = {"": {"required_if": [("disclosed", True, ["audit_file"])]}}

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Volume after volume; one that cannot be done leaves the others."""
        # recovery passwords and key packages come into this process, to be proven
        harden_process()
        wishes = _wishes(params)
        sources = StoreSources.from_options(params)
        required = required_stores(params["stores"], sources)
        self.require("cryptography", *sources.libraries)
        host, _variables = self.target(task_vars)
        settings = self.connection_settings(task_vars)
        refuse_clear_text(settings)
        means = self.means()
        options = RotationOptions(
            wishes=wishes,
            keep_old_for=timedelta(hours=params["keep_old_for"]),
            disclosed=self._audit(params),
            now=means.now,
            patience=lambda: ReadBack(params["read_back_seconds"], means.sleep),
            check_mode=self.check_mode,
        )
        rows: list[dict[str, Any]] = []
        repaired: list[Repaired] = []
        try:
            with reached(host, settings, sources, required, self.say, means) as there:
                for volume in chosen_volumes(there.observation, params["volumes"], params["volume_types"]):
                    files = IntentFiles(_state_dir(params), _identity(there, host), volume.device_id, self.warn)
                    rotations = VolumeRotations(volume, there.live(volume, names=True), files, options)
                    rows.append(self._rotated(rotations))
                    repaired += rotations.repaired
        except HostUnreadableError as error:
            return unreadable(error)
        return result_of(rows, repaired, diff=bool(self._task.diff))

    @staticmethod
    def _rotated(rotations: VolumeRotations) -> dict[str, Any]:
        """One volume's row; what keeps it from being looked at (its files, the audit) must not lose what other volumes came to."""
        try:
            return rotations.run()
        except KeywardError as problem:
            return rotations.failed(problem)

    def means(self) -> Means:
        """Clock, connections, proofs; tests give others."""
        return Means(now=lambda: datetime.now(UTC))

    def _audit(self, params: Mapping[str, Any]) -> Callable[[str], bool]:
        """Whether a key was handed out, by our own audit file."""

        def disclosed(key_id: str) -> bool:
            path = Path(params["audit_file"]).expanduser().absolute()
            answer = read_audit(path, Wanted(key_id=key_id, actions=_KNOWN_TO_SOMEBODY), limit=1)
            if not answer.reading.intact:
                self.warn(f"The audit file is not intact: {answer.reading.problems[0].text}")
            return answer.total > 0

        return disclosed


def _identity(there: Host, host: str) -> str:
    """What intents call the host: what it says of itself, so that another inventory name finds them too."""
    return there.observation.dns_name or there.observation.name or host


def _state_dir(params: Mapping[str, Any]) -> Path:
    return Path(params["state_dir"]).expanduser().absolute()


def _wishes(params: Mapping[str, Any]) -> Wishes:
    key_ids = tuple(normalise_key_id(text) for text in params["key_id"])
    wrong = next((text for text, key_id in zip(params["key_id"], key_ids, strict=True) if not _KEY_ID.fullmatch(key_id)), None)
    if wrong is not None:
        raise _refused(f"option key_id, {wrong[:60]!r}", "it is no key ID and not the beginning of one", "Give 8 characters or more.")
    if params["older_than"] is not None and params["older_than"] < 0:
        raise _refused("option older_than", "it is less than 0", "Give a number of days.")
    if not 0 <= params["keep_old_for"] <= 24 * 3650:
        raise _refused("option keep_old_for", "it is no number of hours within ten years", "Give 0 or more.")
    wishes = Wishes(
        key_ids=key_ids,
        older_than=None if params["older_than"] is None else timedelta(days=min(params["older_than"], 100_000.0)),
        disclosed=params["disclosed"],
        unproven=params["unproven"],
        always=params["always"],
    )
    if not wishes.any:
        raise _refused("key_id, older_than, disclosed, unproven, always", "none of them is given", "Say which keys are to be rotated.")
    return wishes


def _refused(target: str, meaning: str, remedy: str) -> OptionError:
    return OptionError("choose what to rotate", target=target, meaning=meaning, remedy=remedy)
