# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.recovery_sheet: terms in, a page a key out, sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.disclosure import Disclosure, account_name
from ..plugin_utils._ansible.key_finding import ReadKey
from ..plugin_utils._ansible.key_pages import KnownProofs, heading, open_finder, page_of
from ..plugin_utils._ansible.key_rows import key_row
from ..plugin_utils._ansible.key_sources import KEY_ENVIRONMENT
from ..plugin_utils._ansible.sheet_files import SheetFiles
from ..plugin_utils._core.key_lookup import FoundKey
from ..plugin_utils._core.redaction import Secret
from ..plugin_utils._errors import KeywardError
from ..plugin_utils._report.sheet import Sheet


class ActionModule(KeywardAction):
    """Everything that can be refused is refused before a key is read; each key is recorded before the sheet is written."""

    environment: ClassVar[Mapping[str, str]] = KEY_ENVIRONMENT

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Find, read, record, draw, seal, write."""
        self.require("reportlab", *(["pyrage"] if params["recipients"] and params["sealed"] else []))
        files = SheetFiles.from_options(params, self._loader)
        about: dict[str, Any] = {
            "files": [str(path) for path in files.paths.values()],
            "sealing": files.sealer.name if files.sealer else None,
            "sealed_for": files.sealer.sealed_for if files.sealer else None,
        }
        if not params["force"] and files.all_there:
            return {"changed": False, "keys": [], **about}
        proofs = KnownProofs.of_file(params["report_file"])
        with open_finder(self, params, task_vars, values=not self.check_mode) as finder:
            found = finder.find(params["terms"])
            if not self.check_mode:
                gate = self.disclosure(params, task_vars)
                gate.prepare(len(found))
                files.write(self._sheet(list(finder.read(found)), proofs, params, gate))
        result = {"changed": True, "keys": [key_row(key) for key in found], **about}
        if self._task.diff:
            result["diff"] = _difference(found, files)
        return result

    def _sheet(self, read: Sequence[ReadKey | KeywardError], proofs: KnownProofs, params: Mapping[str, Any], gate: Disclosure) -> Sheet:
        # one that cannot be had ends the task before any is recorded as handed out
        for key in read:
            if isinstance(key, KeywardError):
                raise key
        keys = [page_of(key.found.record, Secret(key.disclose(gate, "sheet")), proofs) for key in read if not isinstance(key, KeywardError)]
        ticket = f" ({params['ticket']})" if params["ticket"] else ""
        return Sheet(
            keys=tuple(keys),
            made_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}",
            made_by=account_name(),
            reason=f"{(params['reason'] or '').strip()}{ticket}",
        )


def _difference(found: Sequence[FoundKey], files: SheetFiles) -> dict[str, str]:
    """What is new in a sheet, in key IDs."""
    pages = [f"{heading(key.record)} {key.record.key_id}" for key in found]
    return {"before": "", "after": "\n".join(pages) + "\n", "after_header": ", ".join(str(path) for path in files.paths.values())}
