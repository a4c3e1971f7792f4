# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations through ansible-playbook, over a real directory, a tenant and live hosts; cryptsetup opens the volume with what is escrowed."""

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
from ansible_collections.keyward.bitlocker.tests.lab.fve.played import image
from ansible_collections.keyward.bitlocker.tests.lab.fve.stretching import shared
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntraDevice, LabHost, LabProtector
from ansible_collections.keyward.bitlocker.tests.unit.lab.fve.judges import cryptsetup_opens, needs_cryptsetup

TENANT, DEVICE = "5b1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d10", "6c1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d11"
TASK = "Rotate"


def drawing() -> Drawing:
    """A hybrid joined computer beside whose key there is a PIN, and one upon which a wrong entry was planted."""
    made = Drawing(22)
    made.estate.entra_tenant_id = TENANT
    hybrid = made.host("pc01", fve_policy=gpo_policy(), entra_device_id=DEVICE, entra_tenant_id=TENANT)
    hybrid.volumes[0].protectors[0].type = 4
    made.estate.entra_devices.append(LabEntraDevice(object_id=made.another_guid(), device_id=DEVICE, display_name="PC01"))
    made.escrow(hybrid)
    made.escrow(made.host("pc02", fve_policy=gpo_policy()), password=made.another_password())
    return made


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("rotate"), LabOptions(proof="live"), estate=drawing().estate) as lab:
        yield lab


@pytest.fixture
def player(lab: Lab, tmp_path: Path) -> Player:
    return Player(tmp_path, lab)


def now(lab: Lab, name: str) -> LabHost:
    return next(item for item in lab.estate_now().hosts if item.inventory_name == name)


def passwords(host: LabHost) -> list[LabProtector]:
    return [item for item in host.volumes[0].protectors if item.type == 3]


def rotate(player: Player, host: str, *arguments: str, entra: bool = False, **options: Any) -> Run:
    assert player.lab is not None
    given: Mapping[str, Any] = yaml.safe_load(player.lab.vars_file.read_text(encoding="utf-8"))
    stores = {"ad": given["keyward_ad"] | {"connection_timeout": 5}}
    if entra:
        stores["entra"] = given["keyward_entra"] | {"connection_timeout": 5, "throttle_wait": 2}
    common = {"read_back_seconds": 0, "state_dir": str(player.folder / "state")}
    task = {"name": TASK, "keyward.bitlocker.recovery_key_rotate": common | stores | options}
    return player.play([{"hosts": host, "gather_facts": False, "tasks": [task]}], *arguments).no_traceback()


def in_directory(lab: Lab) -> dict[str, str]:
    return {item.key_id: item.password for item in found_entries(lab.estate.realm, lab.block.directory, lab.ca_file) if item.key_id}


def test_a_rotation_is_foreseen_done_and_not_done_again(lab: Lab, player: Player) -> None:
    old = passwords(now(lab, "pc01"))[0]
    foreseen = rotate(player, "pc01", "--check", "--diff", entra=True, key_id=[old.key_id]).result(TASK, "pc01")
    assert passwords(now(lab, "pc01")) == [old]
    run = rotate(player, "pc01", "-vvvv", "--diff", entra=True, key_id=[old.key_id])
    done = run.result(TASK, "pc01")
    planned, made = (result["volumes"][0]["rotations"][0]["steps"] for result in (foreseen, done))
    assert [step["step"] for step in planned] == [step["step"] for step in made]
    assert [step["step"] for step in made] == ["add_recovery_password", "back_up", "back_up", "remove_protector"]
    (new,) = passwords(now(lab, "pc01"))
    assert new.key_id != old.key_id
    assert in_directory(lab)[new.key_id] == new.password
    assert [key.password for key in lab.estate_now().entra_keys if key.key_id == new.key_id] == [new.password]
    assert [item.type for item in now(lab, "pc01").volumes[0].protectors] == [4, 3]
    for password in (old.password, new.password):
        assert password
        assert password not in run.output
        assert password.replace("-", "") not in run.output
    assert list((player.folder / "state").iterdir()) == []
    again = rotate(player, "pc01", entra=True, key_id=[old.key_id]).result(TASK, "pc01")
    assert (again["changed"], again["volumes"][0]["rotations"]) == (False, [])


def test_a_planted_entry_is_cured_by_a_new_key(lab: Lab, player: Player) -> None:
    old = recovery(now(lab, "pc02"))
    done = rotate(player, "pc02", unproven=True).result(TASK, "pc02")
    assert done["volumes"][0]["keys"] == [{"key_id": old.key_id, "why": ["unproven"], "made_at": None, "date_from": ""}]
    (new,) = passwords(now(lab, "pc02"))
    assert in_directory(lab)[new.key_id] == new.password != old.password
    assert rotate(player, "pc02", unproven=True).result(TASK, "pc02")["changed"] is False


@needs_cryptsetup
def test_another_program_opens_the_volume_with_what_is_escrowed_now(lab: Lab, player: Player) -> None:
    rotate(player, "pc01", entra=True, always=True)
    changed = now(lab, "pc01")
    (new,) = passwords(changed)
    escrowed = in_directory(lab)[new.key_id]
    assert cryptsetup_opens(image(changed, changed.volumes[0], shared()), escrowed.encode(), player.folder)


def test_what_is_not_said_is_not_rotated(player: Player) -> None:
    assert "none of them is given" in rotate(player, "pc02").result(TASK, "pc02")["msg"]
