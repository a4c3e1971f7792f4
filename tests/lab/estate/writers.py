# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run reads of an estate: the inventory, the playbook's variables, and the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabHost

GATHER_SUBSET = ("escrow", "backup_records", "policy")
GROUP = "windows"


def inventory(estate: Estate, ca_pem: Path | str, *, connect_timeout: int | None = None) -> dict[str, Any]:
    """The estate's hosts as a YAML inventory's content: one group, what is common to all of them as its variables."""
    shared: dict[str, Any] = {
        "ansible_connection": "winrm",
        "ansible_winrm_ca_trust_path": str(ca_pem),
        "ansible_winrm_server_cert_validation": "validate",
    }
    if connect_timeout is not None:
        shared["ansible_winrm_connection_timeout"] = connect_timeout
    return {GROUP: {"hosts": {host.inventory_name: _host_vars(host) for host in estate.hosts}, "vars": shared}}


def _host_vars(host: LabHost) -> dict[str, Any]:
    return {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_winrm_scheme": host.scheme,
        "ansible_winrm_transport": host.transport,
        "ansible_user": host.username,
        "ansible_password": host.password,
    }


def estate_vars(
    estate: Estate,
    *,
    server: Sequence[str],
    ca_cert: Path | str,
    username: str,
    password: str,
    port: int = 636,
    stores: Sequence[str] = ("ad",),
    copies: int = 1,
    proof: str = "none",
    entra: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The variables of ``playbooks/escrow_report.yml`` for this estate; ``entra`` are the options of that name."""
    return {
        **({"keyward_entra": entra} if entra is not None else {}),
        "keyward_stores": list(stores),
        "keyward_copies": copies,
        "keyward_proof": proof,
        "keyward_ad": {
            "server": list(server),
            "port": port,
            "tls_mode": "ldaps",
            "ca_cert": str(ca_cert),
            "username": username,
            "password": password,
        },
        "keyward_gather_subset": list(GATHER_SUBSET),
        "keyward_observations": estate.stale_observations,
    }


def write_inventory(estate: Estate, path: Path, ca_pem: Path | str, *, connect_timeout: int | None = None) -> None:
    """Write the inventory, readable by its owner alone: the lab's host passwords are in it."""
    _write_yaml(path, inventory(estate, ca_pem, connect_timeout=connect_timeout))


def write_estate_vars(path: Path, variables: dict[str, Any]) -> None:
    """Write the playbook's variables (of :func:`estate_vars`), readable by their owner alone."""
    _write_yaml(path, variables)


def write_truth(truth: dict[str, Any], path: Path) -> None:
    """Write truth.json."""
    _write(path, json.dumps(truth, indent=2, sort_keys=True) + "\n", mode=0o644)


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    _write(path, yaml.safe_dump(content, sort_keys=True, allow_unicode=False, default_flow_style=False, width=140), mode=0o600)


def _write(path: Path, text: str, *, mode: int) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=mode)
    path.write_text(text, encoding="utf-8")
