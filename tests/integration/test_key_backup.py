# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups through ansible-playbook, over a real directory, a tenant and live hosts: foreseen, done, proven, and not done twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.keyward.bitlocker.tests.integration.estates import Drawing, recovery
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Run
from ansible_collections.keyward.bitlocker.tests.lab.as_it_is import found_entries
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import gpo_policy
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntraDevice, LabHost

TENANT, DEVICE = "5b1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d10", "6c1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d11"
TASK = "Back up"


def drawing() -> Drawing:
    """Members of a domain: one with two volumes and both stores, one whose policy forbids, one planted upon, one that is well."""
    made = Drawing(21)
    made.estate.entra_tenant_id = TENANT
    made.host("pc01", volumes=2, fve_policy=gpo_policy(), entra_device_id=DEVICE, entra_tenant_id=TENANT)
    made.estate.entra_devices.append(LabEntraDevice(object_id=made.another_guid(), device_id=DEVICE, display_name="PC01"))
    made.host("pc02", fve_policy=gpo_policy(OSActiveDirectoryBackup=0))
    planted = made.host("pc03", fve_policy=gpo_policy())
    made.escrow(planted, password=made.another_password())
    made.escrow(made.host("pc04", fve_policy=gpo_policy()))
    made.host("pc05", fve_policy=gpo_policy(), fault="refused")
    made.host("pc06", fve_policy=gpo_policy())
    made.estate.hosts[-1].volumes[0].locked = True
    return made


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("backup"), LabOptions(proof="live"), estate=drawing().estate) as lab:
        yield lab


@pytest.fixture
def player(lab: Lab, tmp_path: Path) -> Player:
    return Player(tmp_path, lab)


def host(lab: Lab, name: str) -> LabHost:
    return next(item for item in lab.estate.hosts if item.inventory_name == name)


def backup(player: Player, hosts: str, *arguments: str, **options: Any) -> Run:
    assert player.lab is not None
    given: Mapping[str, Any] = yaml.safe_load(player.lab.vars_file.read_text(encoding="utf-8"))
    stores = {"ad": given["keyward_ad"] | {"connection_timeout": 5}}
    if options.pop("entra", False):
        stores["entra"] = given["keyward_entra"] | {"connection_timeout": 5, "throttle_wait": 2}
    task = {"name": TASK, "keyward.bitlocker.key_backup": {"read_back_seconds": 0} | stores | options}
    play = {"hosts": hosts, "gather_facts": False, "tasks": [task]}
    return player.play([play], *arguments).no_traceback()


def in_directory(lab: Lab) -> dict[str, str]:
    return {item.key_id: item.password for item in found_entries(lab.estate.realm, lab.block.directory, lab.ca_file) if item.key_id}


def test_check_mode_foresees_what_is_done_and_the_second_run_does_nothing(lab: Lab, player: Player) -> None:
    before = in_directory(lab)
    foreseen = backup(player, "pc01", "--check", "--diff", entra=True).result(TASK, "pc01")
    assert in_directory(lab) == before
    run = backup(player, "pc01", "-vvvv", "--diff", entra=True)
    done = run.result(TASK, "pc01")
    assert [row["steps"] for row in done["volumes"]] == [row["steps"] for row in foreseen["volumes"]]
    assert [len(row["steps"]) for row in done["volumes"]] == [2, 2]
    assert done["diff"] == foreseen["diff"]
    assert (foreseen["changed"], done["changed"]) == (True, True)
    for number in range(2):
        protector = recovery(host(lab, "pc01"), number)
        assert in_directory(lab)[protector.key_id] == protector.password
        (key,) = done["volumes"][number]["keys"]
        assert key == {"key_id": protector.key_id, "stores": {"ad": "proven", "entra": "proven"}, "reasons": {}}
        assert protector.password
        assert protector.password not in run.output
        assert protector.password.replace("-", "") not in run.output
    again = backup(player, "pc01", "--diff", entra=True).result(TASK, "pc01")
    assert again["changed"] is False
    assert [row["steps"] for row in again["volumes"]] == [[], []]
    assert again["diff"] == []


def test_what_stands_in_the_way_is_told_with_what_to_do(lab: Lab, player: Player) -> None:
    run = backup(player, "pc02,pc03,pc04,pc05,pc06")
    assert run.code != 0
    forbidden, planted, well = (run.result(TASK, name) for name in ("pc02", "pc03", "pc04"))
    assert "OSActiveDirectoryBackup below HKLM\\SOFTWARE\\Policies\\Microsoft\\FVE is not 1" in forbidden["msg"]
    assert forbidden["changed"] is False
    assert planted["volumes"][0]["needs_rotation"] == [recovery(host(lab, "pc03")).key_id]
    assert planted["volumes"][0]["keys"][0]["stores"] == {"ad": "refuted"}
    assert planted["changed"] is False
    assert (well["changed"], well["volumes"][0]["done"]) == (False, True)
    assert run.event(TASK, "pc05") == "unreachable"
    assert "it is locked" in run.result(TASK, "pc06")["msg"]
