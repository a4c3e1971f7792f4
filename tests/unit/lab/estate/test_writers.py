# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run reads: an inventory and variables that Ansible takes as they are meant, and the truth."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.estate.values import HOSTILE_TEXTS, is_recovery_password, swapped_groups
from ansible_collections.keyward.bitlocker.tests.lab.estate.writers import estate_vars, write_estate_vars, write_inventory, write_truth

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


def test_inventory(tmp_path: Path) -> None:
    estate = generate(1, 60, now=NOW)
    path = tmp_path / "inventory.yml"
    write_inventory(estate, path, "/lab/ca.pem", connect_timeout=7)
    manager = InventoryManager(loader=DataLoader(), sources=[str(path)])
    assert {host.name for host in manager.get_hosts("windows")} == {host.inventory_name for host in estate.hosts}
    host = estate.hosts[3]
    variables = manager.get_host(host.inventory_name).get_vars()
    assert variables["ansible_host"] == host.address
    assert variables["ansible_port"] == 5986
    assert variables["ansible_password"] == host.password
    assert variables["ansible_winrm_scheme"] == "https"
    shared = manager.groups["windows"].get_vars()
    assert shared["ansible_connection"] == "winrm"
    assert shared["ansible_winrm_ca_trust_path"] == "/lab/ca.pem"
    assert shared["ansible_winrm_connection_timeout"] == 7
    assert path.stat().st_mode & 0o077 == 0


def test_variables(tmp_path: Path) -> None:
    estate = generate(1, 60, now=NOW)
    path = tmp_path / "estate.yml"
    write_estate_vars(
        path, estate_vars(estate, server=["127.0.0.10"], ca_cert="/lab/ca.pem", username="svc-report@lab.example", password="x")
    )
    content = yaml.safe_load(path.read_text())
    assert content["keyward_ad"] == {
        "server": ["127.0.0.10"],
        "port": 636,
        "tls_mode": "ldaps",
        "ca_cert": "/lab/ca.pem",
        "username": "svc-report@lab.example",
        "password": "x",
    }
    assert (content["keyward_stores"], content["keyward_copies"], content["keyward_proof"]) == (["ad"], 1, "none")
    assert content["keyward_gather_subset"] == ["escrow", "backup_records", "policy"]
    assert set(content["keyward_observations"]) == set(estate.stale_observations)
    assert content["keyward_observations"] == estate.stale_observations
    assert path.stat().st_mode & 0o077 == 0


def test_nothing_written_is_read_as_a_template(tmp_path: Path) -> None:
    for seed in range(5):
        estate = generate(seed, 80, now=NOW)
        write_inventory(estate, tmp_path / "i", "/lab/ca.pem")
        write_estate_vars(tmp_path / "v", estate_vars(estate, server=["127.0.0.10"], ca_cert="/lab/ca.pem", username="u", password="p"))
        text = (tmp_path / "i").read_text() + (tmp_path / "v").read_text()
        assert "{{" not in text
        assert "{%" not in text


def test_no_recovery_password_is_written(tmp_path: Path) -> None:
    estate = generate(3, 60, now=NOW)
    write_inventory(estate, tmp_path / "i", "/lab/ca.pem")
    write_estate_vars(tmp_path / "v", estate_vars(estate, server=["127.0.0.10"], ca_cert="/lab/ca.pem", username="u", password="p"))
    write_truth(truth(estate), tmp_path / "t")
    text = "".join((tmp_path / name).read_text() for name in "ivt")
    secrets = {entry.password for entry in estate.entries if is_recovery_password(entry.password)}
    secrets |= {
        protector.password for host in estate.hosts for volume in host.volumes for protector in volume.protectors if protector.password
    }
    assert len(secrets) > 50
    assert not [secret for secret in secrets if secret in text]


def test_truth_is_stable_json(tmp_path: Path) -> None:
    content = truth(generate(3, 60, now=NOW))
    write_truth(content, tmp_path / "truth.json")
    assert json.loads((tmp_path / "truth.json").read_text()) == content


def test_password_arithmetic() -> None:
    assert is_recovery_password("-".join(["720885"] * 8))
    assert is_recovery_password("-".join(["000000"] * 8))
    for wrong in ("720896", "000001", "00011", "00001x", "٠٠٠٠١١"):
        assert not is_recovery_password("-".join(["000011"] * 7 + [wrong])), wrong
    assert not is_recovery_password("-".join(["000011"] * 7))
    assert swapped_groups("000011-000022") == "000022-000011"
    assert any("\u202e" in text for text in HOSTILE_TEXTS)
