# SPDX-License-Identifier: GPL-3.0-or-later
"""For whoever keeps a lab and tries things: a playbook that looks one computer up in every store, and commands that work as printed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab import namespace
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabHost
from ansible_collections.keyward.bitlocker.tests.lab.surroundings import python_path

KEYS_PLAYBOOK = "keys.yml"
_MODULE = "ansible_collections.keyward.bitlocker.tests.lab"
_HEAD = """# Where the recovery keys of one computer lie, metadata only: ansible-playbook -e @estate.yml -e computer=NAME keys.yml
- name: Look a computer up in every store
  hosts: localhost
  gather_facts: false
  module_defaults:
"""
_AD = """    - name: In the directory
      keyward.bitlocker.ad_recovery_key_info:
        computer: "{{ computer }}"
      register: in_ad

    - name: What the directory has
      ansible.builtin.debug:
        var: in_ad.entries
"""
_ENTRA = """
    - name: In Entra ID
      keyward.bitlocker.entra_recovery_key_info:
        device: "{{ computer }}"
      register: in_entra

    - name: What Entra ID has
      ansible.builtin.debug:
        var: in_entra.entries
"""


def keys_playbook(*, entra: bool) -> str:
    """The playbook's text; module defaults carry the variables that the report is run with."""
    stores = ("ad", "entra") if entra else ("ad",)
    defaults = "".join(f'    group/keyward.bitlocker.{store}: "{{{{ keyward_{store} }}}}"\n' for store in stores)
    return _HEAD + defaults + "  tasks:\n" + _AD + (_ENTRA if entra else "")


def example_computer(estate: Estate) -> str:
    """A host to try things on, by its inventory name: a plain one that answers, with keys in as many stores as there are."""
    in_ad = {(entry.computer, entry.key_id) for entry in estate.entries if not entry.hidden}
    in_entra = {(key.device_id, key.key_id) for key in estate.entra_keys}

    def rank(host: LabHost) -> tuple[bool, int, int, str]:
        ids = {protector.key_id for volume in host.volumes for protector in volume.protectors}
        # the modules look for this very name
        name = host.inventory_name.upper()
        stores = any((name, key_id) in in_ad for key_id in ids) + any((host.entra_device_id, key_id) in in_entra for key_id in ids)
        answers = host.fault is None and host.certificate == "lab"
        return not answers, -stores, len(host.volumes), host.inventory_name

    return min(estate.hosts, key=rank).inventory_name


def commands(folder: Path, description: Mapping[str, Any], pid: int, *, inside: bool) -> list[tuple[str, str]]:
    """Commands to try in a lab, in order, with what each is for; ``inside``: the lab runs in a namespace, whose process is ``pid``."""
    computer = description["example"]
    play = "ansible-playbook -i inventory.yml -e @estate.yml"
    tried = [
        (f"cd {shlex.quote(str(folder))}", ""),
        (f"export ANSIBLE_COLLECTIONS_PATH={python_path().partition(':')[0]} PATH={Path(sys.executable).parent}:$PATH", ""),
        (f"{play} -e keyward_dest=report keyward.bitlocker.escrow_report", "the report; it fails where a store is down, as it should"),
        (
            f"{play} -e keyward_gate_junit_file=gate.xml keyward.bitlocker.compliance_gate",
            "as a pipeline runs it: ends with 2, as faults are planted",
        ),
        (f"ansible -i inventory.yml {computer} -m keyward.bitlocker.volume_info", "what one host says of itself"),
    ]
    if description["entra"] is not None:
        tried += [
            (f"{play} -e keyward_dest=report-2 -e keyward_copies=2 keyward.bitlocker.escrow_report", "is every key in both stores?"),
            (f"{play} -e computer={computer} {KEYS_PLAYBOOK}", "where its keys lie, in the directory and in Entra ID"),
            ("tail -n 5 logs/entra-requests.jsonl", "what Entra ID was asked"),
        ]
    else:
        tried.append((f"{play} -e computer={computer} {KEYS_PLAYBOOK}", "where its keys lie in the directory"))
    tried.append(("cat truth.json", "what a correct report says"))
    tried.append((f"PYTHONPATH=$ANSIBLE_COLLECTIONS_PATH python -m {_MODULE} down --dir .", "stop the lab"))
    if inside:
        tried.insert(0, (namespace.enter_hint(pid), "first: the lab runs in a namespace of its own"))
    return tried


def printed(tried: list[tuple[str, str]]) -> str:
    """The commands for a person."""
    lines = ["Try:"]
    for command, use in tried:
        lines += [f"  # {use}", f"  {command}"] if use else [f"  {command}"]
    return "\n".join(lines)
