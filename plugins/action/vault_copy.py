# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Action of keyward.bitlocker.vault_copy: keys of any source into the second copy, and what is there looked after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.copy_offers import CopySources
from ..plugin_utils._ansible.hardening import harden_process
from ..plugin_utils._ansible.inventory import Inventory
from ..plugin_utils._ansible.key_sources import KEY_ENVIRONMENT, KeyOptions, Surroundings
from ..plugin_utils._ansible.run_identity import run_identity
from ..plugin_utils._ansible.vault_copy_run import CopyRun, Outcome, by_computer, diffs, standing
from ..plugin_utils._ansible.vault_sealing import libraries_of, sealers_of
from ..plugin_utils._core.vault_record import whole_seconds
from ..plugin_utils._errors import OptionError
from ..plugin_utils._report.terminal import printable
from ..plugin_utils._stores.vault.folder import read_sealed
from ..plugin_utils._stores.vault.sealing import AGE, ANSIBLE_VAULT
from ..plugin_utils._stores.vault.settings import VaultSettings
from ..plugin_utils._stores.vault.writable import WritableFolder
from ..plugin_utils._stores.vault.writer import VaultWriter


class ActionModule(KeywardAction):
    """Copy, seal anew, verify; the result holds no secret."""

    environment: ClassVar[Mapping[str, str]] = KEY_ENVIRONMENT

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Look what there is, copy what is missing, look after the rest."""
        # values come into this process even where no option holds a secret
        harden_process()
        copying = bool(params["terms"] or params["all"])
        if (params["terms"] and params["all"]) or not (copying or params["rekey"] or params["verify"]):
            raise OptionError(
                "choose what to copy",
                target="terms, all, rekey, verify",
                meaning="terms and all exclude each other" if params["terms"] else "nothing is asked for",
                remedy="Give terms, or all: true, or rekey or verify alone.",
            )
        self.require(*libraries_of(params["vault"]))
        settings = VaultSettings.from_options(params["vault"])
        writer = self._writer(settings)
        options = KeyOptions.from_params({**params, "vault": None}) if copying else None
        run = CopyRun(
            writer=writer,
            gate=self.disclosure(params, task_vars),
            now=whole_seconds(datetime.now(UTC)) or datetime.now(UTC),
            check_mode=self.check_mode,
        )
        outcome = Outcome()
        self._prepare(writer)
        if options is not None:
            self.require(*options.libraries)
            inventory = Inventory(task_vars, own=self.target(task_vars)[0], connect=lambda: self.connection_settings(task_vars))
            around = Surroundings(inventory=inventory, loader=self._loader, say=self.say, warn=self.warn)
            with CopySources(options, around, params["terms"] or [], every=params["all"]) as sources:
                run.copy(sources, sources.offers(), outcome)
        if params["rekey"]:
            run.rekey(outcome)
        run.verify(outcome, again=params["verify"])
        return self._result(params, settings, writer, outcome)

    def _writer(self, settings: VaultSettings) -> VaultWriter:
        ansible_vault, age = sealers_of(settings, self._loader)
        sealer = age if settings.sealing == AGE else ansible_vault
        if settings.sealing == AGE:
            age.check()
        elif not ansible_vault.seals:
            raise OptionError(
                "seal the second copy",
                target=f"vault ID {settings.vault_id}",
                meaning=f"Ansible has no password of this vault ID, and sealing is {ANSIBLE_VAULT}",
                remedy="Run the playbook with --vault-id, give the option vault_password_file, or give recipients to seal to public keys.",
            )
        return VaultWriter(WritableFolder(settings.path), sealer, (ansible_vault, age), run=run_identity())

    def _prepare(self, writer: VaultWriter) -> None:
        folder = writer.folder
        if self.check_mode:
            if folder.path.is_dir():
                writer.catalogue.refresh()
            return
        for warning in folder.prepare():
            self.warn(warning)
        with folder.locked():
            writer.catalogue.refresh()

    def _result(self, params: Mapping[str, Any], settings: VaultSettings, writer: VaultWriter, outcome: Outcome) -> dict[str, Any]:
        complete = not outcome.missing and outcome.stopped is None
        result: dict[str, Any] = {
            "changed": outcome.changed,
            "complete": complete,
            "copied": outcome.copied,
            "conflicting": outcome.conflicting,
            "not_copied": by_computer(outcome.missing),
            "files": [str(settings.path / name) for name in dict.fromkeys(outcome.files)],
            "rekeyed": [str(settings.path / name) for name in outcome.rekeyed],
            "newly_verified": outcome.verified,
            "copy": standing(writer.catalogue.states, persistent=settings.persistent),
        }
        if self._task.diff:
            result["diff"] = list(diffs(outcome))
        if params["return_sealed"]:
            result["sealed"] = [row for stem in outcome.stems for row in _sealed(writer, settings.path, stem)]
        if outcome.conflicting:
            self.warn("A key ID has different recovery passwords in different places. The second copy keeps each of them; see conflicting.")
        if outcome.stopped is not None:
            return result | {"failed": True, "msg": printable(str(outcome.stopped))}
        if not complete and not params["allow_incomplete"]:
            first = result["not_copied"][0]
            whose = " ".join(part for part in (first["computer"], first["key_id"], first["source"]) if part)
            told = f"{len(result['not_copied'])} things could not be done; all others were. The first ({whose}): {first['reason']}"
            return result | {"failed": True, "msg": printable(told)}
        return result


def _sealed(writer: VaultWriter, folder: Path, stem: str) -> list[dict[str, Any]]:
    """The sealed files of one machine with their content, which is text that only its key or password opens."""
    state = writer.catalogue.states.get(stem)
    if state is None:
        return []
    return [
        {
            "computer": state.machine.label,
            "name": name,
            "key_ids": list(dict.fromkeys(item.key.key_id for item in state.keys if item.part == name)),
            "sha256": state.parts[name].digest,
            "content": read_sealed(folder, name).decode("ascii", "replace"),
        }
        for name in sorted(state.parts)
        if state.parts[name].sealing == writer.sealer.name
    ]
