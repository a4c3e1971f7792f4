# SPDX-License-Identifier: GPL-3.0-or-later
"""Healthy workstations on lab endpoints, and playbooks that run against them as a user's would."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab import serialize
from ansible_collections.keyward.bitlocker.tests.lab.directory import address
from ansible_collections.keyward.bitlocker.tests.lab.directory.processes import Child
from ansible_collections.keyward.bitlocker.tests.lab.estate import values, writers
from ansible_collections.keyward.bitlocker.tests.lab.lab import HOSTS_MODULE, clear, python_path
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabHost, LabProtector, LabVolume
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA

from . import measure

TPM, EXTERNAL_KEY, RECOVERY_PASSWORD, PASSPHRASE = 1, 2, 3, 8
FORKS = 10


def volume(rng: random.Random, kind: int, letter: str | None, first: int, **fields: Any) -> LabVolume:
    """A protected volume with two protectors: one of type ``first``, and a recovery password."""
    password = LabProtector(key_id=values.guid(rng), type=RECOVERY_PASSWORD, password=values.recovery_password(rng), backup_types=1)
    return LabVolume(
        device_guid=values.guid(rng),
        persistent_id=values.guid(rng),
        drive_letter=letter,
        volume_type=kind,
        protectors=[LabProtector(key_id=values.guid(rng), type=first), password],
        **fields,
    )


def workstation(rng: random.Random, name: str, **fields: Any) -> LabHost:
    """A workstation of the domain with an operating system volume and a data volume, two protectors each, and nothing out of order."""
    fields.setdefault("volumes", [volume(rng, 0, "C:", TPM), volume(rng, 1, "D:", PASSPHRASE)])
    return LabHost(
        inventory_name=name,
        netbios_name=name.upper(),
        domain="lab.example",
        password=values.account_password(rng),
        serial=f"{rng.randrange(36**7):07X}",
        hardware_uuid=values.guid(rng).upper(),
        **fields,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workstations:
    """Hosts that listen, with the folder of their inventory and logs."""

    folder: Path
    hosts: Sequence[LabHost]

    @property
    def logs(self) -> Path:
        """What each host saw; see the lab's record.py."""
        return self.folder / "logs"

    def play(self, name: str, task: str, *, collections: Sequence[Path] = ()) -> measure.Cost:
        """Play one task (YAML of a list item) on every host, and measure ansible-playbook with all its workers.

        Nothing of the user's environment, settings or home folder takes part.

        Raises:
            measure.BenchError: the task did not succeed on every host.
        """
        playbook = self.folder / f"{name}.yml"
        playbook.write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n    - {task}\n", encoding="utf-8")
        (self.folder / "ansible.cfg").touch()
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join([python_path().split(os.pathsep, maxsplit=1)[0], *map(str, collections)]),
            "ANSIBLE_FORKS": str(FORKS),
            "ANSIBLE_DISPLAY_OK_HOSTS": "false",
        }
        command = ["ansible-playbook", "-i", str(self.folder / "inventory.yml"), str(playbook)]
        return measure.run(command, environment, self.folder, name)


@contextmanager
def listening(folder: Path, hosts: Sequence[LabHost]) -> Iterator[Workstations]:
    """Let hosts listen, each on an address of its own, in a process of their own."""
    clear(folder)
    estate = Estate(seed=0, now=datetime.now(UTC), hosts=list(hosts))
    with address.allocate(probe=()) as block:
        block.assign(estate)
        authority = LabCA(folder / "pki")
        estate_file, ready = folder / "estate.json", folder / "ready"
        estate_file.touch(mode=0o600)
        estate_file.write_text(serialize.to_json(estate), encoding="utf-8")
        command = [sys.executable, "-m", HOSTS_MODULE, "--estate", str(estate_file), "--ca", str(authority.directory)]
        command += ["--state", str(folder / "state"), "--logs", str(folder / "logs"), "--ready", str(ready)]
        child = Child("hosts", command, folder / "hosts.log", environment={**os.environ, "PYTHONPATH": python_path()})
        try:
            child.wait_for_file(ready, 60.0)
            writers.write_inventory(estate, folder / "inventory.yml", authority.ca_pem)
            yield Workstations(folder=folder, hosts=estate.hosts)
        finally:
            child.stop()
