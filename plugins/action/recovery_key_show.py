# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.recovery_key_show: terms in, each key on the terminal of whoever runs the playbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.controlling_terminal import ControllingTerminal
from ..plugin_utils._ansible.disclosure import Disclosure
from ..plugin_utils._ansible.key_finding import ReadKey
from ..plugin_utils._ansible.key_pages import KnownProofs, facts_of, heading, open_finder, page_of
from ..plugin_utils._ansible.key_rows import key_row
from ..plugin_utils._ansible.key_sources import KEY_ENVIRONMENT
from ..plugin_utils._core.key_lookup import KeyRecord
from ..plugin_utils._core.redaction import Secret
from ..plugin_utils._errors import KeywardError, OptionError
from ..plugin_utils._report.key_screen import HEIGHT, WIDTH, screen
from ..plugin_utils._report.sheet import SheetKey
from ..plugin_utils._report.terminal import printable

TERMINAL, CANDIDATES, JOB_LOG = "terminal", "candidates", "job_log"
#: seconds for which a key may stay on the screen
MOST_SECONDS = 3600


class ActionModule(KeywardAction):
    """Find keys and show them, one after the other; the result has their masks."""

    environment: ClassVar[Mapping[str, str]] = KEY_ENVIRONMENT

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Nothing is read before it is known that there is a terminal; each key is recorded before it is shown."""
        if not 1 <= params["seconds"] <= MOST_SECONDS:
            raise OptionError(
                "show a recovery key",
                target="option seconds",
                meaning=f"{params['seconds']} is not from 1 to {MOST_SECONDS}",
                remedy="Give another number.",
            )
        terminal = ControllingTerminal.open() if params["output"] == TERMINAL else None
        try:
            proofs = KnownProofs.of_file(params["report_file"])
            only_looked_for = self.check_mode or params["output"] == CANDIDATES
            with open_finder(self, params, task_vars, values=not only_looked_for) as finder:
                found = finder.find(params["terms"])
                rows = [key_row(key) for key in found]
                if params["output"] == CANDIDATES:
                    self.say("\n\n".join(_told(key.record, proofs) for key in found))
                if only_looked_for:
                    return {"changed": False, "keys": rows, "shown": 0}
                gate = self.disclosure(params, task_vars)
                gate.prepare(len(found))
                read = list(finder.read(found))
            # a key that cannot be had is told before any is on the screen
            for key in read:
                if isinstance(key, KeywardError):
                    raise key
            keys = [key for key in read if isinstance(key, ReadKey)]
            self._show(terminal, keys, proofs, params, gate)
        finally:
            if terminal is not None:
                terminal.close()
        return {"changed": False, "keys": rows, "shown": len(keys)}

    def _show(
        self,
        terminal: ControllingTerminal | None,
        keys: Sequence[ReadKey],
        proofs: KnownProofs,
        params: Mapping[str, Any],
        gate: Disclosure,
    ) -> None:
        action = "show" if terminal is not None else JOB_LOG
        for number, key in enumerate(keys, 1):
            page = page_of(key.found.record, Secret(key.disclose(gate, action)), proofs)
            if terminal is None:
                self._log(page, params["language"])
            else:
                of = f"Key {number} of {len(keys)}. " if len(keys) > 1 else ""
                self._on(terminal, page, params, of)

    def _on(self, terminal: ControllingTerminal, page: SheetKey, params: Mapping[str, Any], of: str) -> None:
        columns, lines = terminal.size
        fits = columns >= WIDTH and lines >= HEIGHT and terminal.clears
        text = screen(page, language=params["language"], large=params["large"] and fits)
        minutes, seconds = divmod(params["seconds"], 60)
        after = f"{minutes} min" if not seconds else f"{params['seconds']} s"
        ends = f"Enter clears the screen, which happens by itself after {after}." if terminal.clears else "Enter goes on."
        terminal.show(text, f"{of}{ends}", seconds=params["seconds"])
        if not terminal.clears:
            self.warn("This terminal cannot be cleared (TERM says so): the key is still to be seen on it.")

    def _log(self, page: SheetKey, language: str) -> None:
        """Into the output of the playbook, where it was asked for; whoever may read that may read the key."""
        self._display.display(screen(page, language=language, large=False).reveal())


def _told(record: KeyRecord, proofs: KnownProofs) -> str:
    """What is known of a key, a fact on a line; what a source wrote cannot make lines of its own."""
    facts = {"Key ID": (record.key_id or "not readable").upper(), **facts_of(record, proofs)}
    width = max(len(word) for word in facts)
    return "\n".join([printable(heading(record)), *(f"  {word.ljust(width)}  {printable(fact)}" for word, fact in facts.items())])
