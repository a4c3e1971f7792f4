# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab offers to try, with and without a tenant; that the commands work is tested where there is a lab."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from ansible_collections.keyward.bitlocker.tests.lab import hands_on
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize("entra", [True, False])
def test_the_playbook_asks_the_stores_that_are_there(entra: bool) -> None:
    (play,) = yaml.safe_load(hands_on.keys_playbook(entra=entra))
    asked = {word for task in play["tasks"] for word in task if word.startswith("keyward.")}
    modules = {"keyward.bitlocker.ad_recovery_key_info"} | ({"keyward.bitlocker.entra_recovery_key_info"} if entra else set())
    assert asked == modules
    assert len(play["module_defaults"]) == len(modules)


@pytest.mark.parametrize("seed", range(5))
def test_the_example_answers_and_has_keys_in_both_stores(seed: int) -> None:
    estate = generate(seed, 60, now=NOW, entra=True)
    (host,) = [host for host in estate.hosts if host.inventory_name == hands_on.example_computer(estate)]
    assert (host.fault, host.certificate) == (None, "lab")
    mine = {protector.key_id for volume in host.volumes for protector in volume.protectors}
    assert mine & {entry.key_id for entry in estate.entries if entry.computer.lower() == host.inventory_name}
    assert mine & {key.key_id for key in estate.entra_keys if key.device_id == host.entra_device_id}


def test_the_smallest_lab_has_an_example_too() -> None:
    estate = generate(1, 1, now=NOW)
    assert hands_on.example_computer(estate) == estate.hosts[0].inventory_name


def test_commands_name_only_what_is_there() -> None:
    folder = Path("/tmp/a lab")
    alone = hands_on.commands(folder, {"example": "pc01", "entra": None}, 1, inside=False)
    both = hands_on.commands(folder, {"example": "pc01", "entra": "https://127.20.0.12"}, 4711, inside=True)
    assert not any("entra" in command or "copies" in command for command, _use in alone)
    assert any("keyward_copies=2" in command for command, _use in both)
    assert both[0][0].startswith("nsenter ")
    assert "cd '/tmp/a lab'" in hands_on.printed(alone)
    for tried in (alone, both):
        assert tried[-1][0].endswith(" down --dir .")
        assert any(command.endswith("-e computer=pc01 keys.yml") for command, _use in tried)
