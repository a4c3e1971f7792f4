# SPDX-License-Identifier: GPL-3.0-or-later
"""An estate drawn for whoever looks for keys: each way in which one key is found, several are, or none; and how plays ask for them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.tests.integration.estates import recovery
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Run, play, task
from ansible_collections.keyward.bitlocker.tests.integration.tenants import TenantDrawing
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import ADMINISTRATOR, REVEAL, accounts
from ansible_collections.keyward.bitlocker.tests.lab.entra.accounts import REVEAL as REVEAL_APPLICATION
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabHost

MODULE = "recovery_key_info"
REASON = "INC-4711, caller identified"


def finding_estate() -> Estate:
    """One computer for each case; what is special about it is in its name."""
    drawing = TenantDrawing(4714)
    drawing.hybrid("both")
    drawing.hybrid("in-ad", in_entra=False)
    drawing.hybrid("in-entra", in_ad=False)
    # Entra ID holds another value under the same key ID
    drawing.key(drawing.hybrid("disagree", in_entra=False), host_named(drawing.estate, "disagree")).password = drawing.another_password()
    # a re-imaged machine: an old key beside the one in use, and the old one was written down again last
    drawing.escrow(drawing.host("reimaged"), days=30)
    drawing.loose("REIMAGED", created=drawing.estate.now - timedelta(days=5))
    drawing.escrow(drawing.host("old-and-new"), days=30)
    drawing.loose("OLD-AND-NEW", created=drawing.estate.now - timedelta(days=300))
    # two keys that begin alike
    first = drawing.loose("IN-AD", key_id="deadbeef-1111-4111-8111-111111111111")
    first.computer = "TWIN-A"
    drawing.computer("TWIN-A")
    drawing.computer("TWIN-B")
    drawing.loose("TWIN-B", key_id="deadbeef-2222-4222-8222-222222222222")
    drawing.computer("GONE", delete_after=True)
    drawing.loose("GONE")
    drawing.host("no-key")
    drawing.escrow(drawing.host("dead", fault="refused"))
    drawing.escrow(drawing.host("damaged"), password="see ticket 4711")
    joined, device = drawing.alone("cloud")
    if device is not None:
        drawing.key(device, joined)
    return drawing.estate


def host_named(estate: Estate, name: str) -> LabHost:
    """A host by its inventory name."""
    return next(host for host in estate.hosts if host.inventory_name == name)


def key_of(lab: Lab, name: str) -> tuple[str, str]:
    """Key ID and recovery password of a host's first volume."""
    protector = recovery(host_named(lab.estate, name))
    return protector.key_id, protector.password or ""


def entry_of(lab: Lab, computer: str, number: int = 0) -> tuple[str, str]:
    """Key ID and recovery password of a computer object's entry."""
    entry = [entry for entry in lab.estate.entries if entry.computer == computer][number]
    return entry.key_id, entry.password


def directory(lab: Lab, account: str = REVEAL, **more: Any) -> dict[str, Any]:
    """The option ``ad``."""
    assert lab.directory is not None
    known = accounts()[account]
    here = {
        "server": lab.directory.address,
        "username": known.principal,
        "password": known.password,
        "ca_cert": str(lab.ca_file),
        "connection_timeout": 3,
    }
    return here | more


def tenant(lab: Lab, application: str = REVEAL_APPLICATION, **more: Any) -> dict[str, Any]:
    """The option ``entra``."""
    assert lab.entra is not None
    return lab.entra.options(application) | {"connection_timeout": 3} | more


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one question came to: as lookup and as module; a message where it failed."""

    passwords: list[str]
    rows: list[dict[str, Any]]
    lookup_failure: str
    module_failure: str

    @property
    def failures(self) -> tuple[str, str]:
        return self.lookup_failure, self.module_failure


class Questions:
    """Questions asked in one play, each as lookup and as module, with everything that the play left."""

    def __init__(self, player: Player, questions: Mapping[str, Mapping[str, Any]], *arguments: str, hosts: Path | None = None) -> None:
        self._player = player
        self._names = list(questions)
        tasks: list[dict[str, Any]] = []
        for number, (name, options) in enumerate(questions.items()):
            terms = options["terms"] if isinstance(options["terms"], list) else [options["terms"]]
            rest = {"reason": REASON, "max_reveals": 1000} | {key: value for key, value in options.items() if key not in ("terms", "shown")}
            called = "lookup('keyward.bitlocker.recovery_key', *asked.terms, wantlist=true, **asked.rest)"
            keep = {"content": f"{{{{ {called} | to_json }}}}", "dest": str(player.folder / f"lookup{number}.json"), "mode": "0600"}
            tasks.append(
                {
                    "name": f"lookup: {name}",
                    "vars": {"asked": {"terms": terms, "rest": rest}},
                    "ansible.builtin.copy": keep,
                    "no_log": not options.get("shown"),
                    "diff": False,
                    "ignore_errors": True,
                    "register": f"looked{number}",
                }
            )
            tasks.append(
                task(f"module: {name}", MODULE, {"terms": terms, "reveal": True} | rest, register=f"told{number}", ignore_errors=True)
            )
        registered = ", ".join(f"[looked{number}, told{number}]" for number in range(len(questions)))
        keep = {"content": f"{{{{ [{registered}] | to_json }}}}", "dest": str(player.folder / "kept.json"), "mode": "0600"}
        tasks.append({"name": "keep", "ansible.builtin.copy": keep, "no_log": True, "diff": False})
        plain = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = hosts or player.inventory({"localhost": plain})
        self.run = player.play([play("localhost", *tasks)], *arguments, hosts=inventory)
        assert self.run.code == 0, self.run.output
        self._kept = json.loads((player.folder / "kept.json").read_text(encoding="utf-8"))

    def __getitem__(self, name: str) -> Asked:
        number = self._names.index(name)
        looked, told = self._kept[number]
        path = self._player.folder / f"lookup{number}.json"
        return Asked(
            passwords=[] if looked.get("failed") else json.loads(path.read_text(encoding="utf-8")),
            rows=list(told.get("keys", ())),
            lookup_failure=str(looked.get("msg", "")) if looked.get("failed") else "",
            module_failure=str(told.get("msg", "")) if told.get("failed") else "",
        )


def passwords_of(lab: Lab) -> list[str]:
    """Every recovery password of the estate."""
    estate = lab.estate
    hosts = [
        protector.password for host in estate.hosts for volume in host.volumes for protector in volume.protectors if protector.password
    ]
    return [*hosts, *(entry.password for entry in estate.entries), *(key.password for key in estate.entra_keys)]


def leaks(run: Run, passwords: Sequence[str], *more: Path) -> list[str]:
    """The passwords that stand in the run's output, its callbacks' record, or these files."""
    text = run.output + json.dumps(run.record) + "".join(path.read_text(encoding="utf-8") for path in more)
    return [password for password in passwords if password in text or password.replace("-", "") in text]


__all__ = [
    "ADMINISTRATOR",
    "MODULE",
    "REASON",
    "Asked",
    "Questions",
    "directory",
    "entry_of",
    "finding_estate",
    "key_of",
    "leaks",
    "tenant",
]
