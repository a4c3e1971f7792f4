# SPDX-License-Identifier: GPL-3.0-or-later
"""The observation of lab hosts, whose truth is known: every version of Windows, every reading of what the wire reference leaves open."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Conversion, Method, Protection, ProtectorType, VolumeType
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.observe import observe
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES, WIRE_FORMS
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost, LabVolume
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.lab_host import (
    NOW,
    guid,
    lab_computer,
    lab_volume,
    session,
)

FORMS = sorted(WIRE_FORMS)


def seen(host: LabHost, *subsets: str) -> dict[str, Any]:
    opened, _transport = session(host)
    observation = observe(opened, subsets=frozenset(subsets or ("escrow",)), now=lambda: NOW, host=host.inventory_name)
    parse_observation(host.inventory_name, observation)
    return observation


def estate() -> list[LabVolume]:
    """One volume of every kind of state."""
    return [
        lab_volume(1, "C:", 0, (1, 3), protection_status=0, suspend_count=2),
        lab_volume(2, "D:", 1, (2, 3, 8), auto_unlock_key_id=guid(200)),
        lab_volume(3, "E:", 1, (3,), locked=True, protection_status=2),
        lab_volume(
            4, "F:", 1, (), conversion_status=0, encryption_percentage=0, encryption_method=0, protection_status=0, persistent_id=None
        ),
        lab_volume(5, None, 1, (3,), mount_point="G:\\Mounts\\Data"),
        lab_volume(6, None, 2, (3, 8), encryption_method=3),
        lab_volume(7, "H:", 1, (3,), conversion_status=2, encryption_percentage=40, protection_status=0),
    ]


def told(volume: LabVolume, item: dict[str, Any]) -> None:
    """An item of the observation says what the lab knows of the volume."""
    assert item["errors"] == []
    assert item["device_id"] == f"\\\\?\\Volume{{{volume.device_guid}}}\\"
    assert (item["letter"], item.get("mount_point")) == (volume.drive_letter, volume.mount_point)
    assert item["type"] == list(VolumeType)[volume.volume_type]
    assert item["locked"] is volume.locked
    assert [protector["key_id"] for protector in item["protectors"]] == [protector.key_id for protector in volume.protectors]
    assert [protector["type"] for protector in item["protectors"]] == [list(ProtectorType)[item.type - 1] for item in volume.protectors]
    assert item["protection"] == list(Protection)[volume.protection_status]
    if not volume.locked:
        assert item["conversion"] == list(Conversion)[volume.conversion_status]
        assert item["encrypted_percent"] == volume.encryption_percentage
        assert item["method"] == list(Method)[volume.encryption_method]
    if volume.suspend_count is not None:
        assert item["suspend_count"] == volume.suspend_count
    if volume.auto_unlock_key_id is not None:
        assert item["auto_unlock_key_id"] == volume.auto_unlock_key_id


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("profile", ["ws2012r2", "win10_1507", "win11_25h2"])
def test_every_form_of_the_wire_tells_the_same(profile: str, form: str) -> None:
    device_id, tenant_id = guid(0xE1), guid(0xE2)
    host = lab_computer(*estate(), profile=profile, wire_form=form, entra_device_id=device_id, entra_tenant_id=tenant_id)
    observation = seen(host)
    assert observation["state"] == "observed", observation["message"]
    assert observation["errors"] == []
    assert observation["bitlocker_installed"] is True
    assert observation["computer"]["dns_name"] == "pc01.lab.example"
    assert observation["computer"]["serial"] == "LAB0001"
    assert observation["join"]["entra"] == {"device_id": device_id, "tenant_id": tenant_id}
    assert len(observation["volumes"]) == len(host.volumes)
    for volume, item in zip(host.volumes, observation["volumes"], strict=True):
        told(volume, item)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_version_of_windows_in_full(profile: str) -> None:
    policy = {"OSRecovery": 1, "OSActiveDirectoryBackup": 1, "RecoveryKeyUrl": "https://example.test"}
    observation = seen(lab_computer(*estate(), profile=profile, fve_policy=policy), "all")
    assert observation["errors"] == []
    assert observation["policy"] == {"values": policy}
    assert observation["tpm"]["present"] is True
    recovery = observation["volumes"][0]["protectors"][1]
    old = "GetNumericalPasswordBackupType" in PROFILES[profile].missing_methods
    assert recovery["backup"] == (None if old else ["ad"])
    assert [item["errors"] for item in observation["volumes"]] == [[]] * 7


@pytest.mark.parametrize("form", FORMS)
def test_bitlocker_not_installed_in_every_form(form: str) -> None:
    observation = seen(lab_computer(bitlocker_installed=False, profile="ws2022", domain_role=3, wire_form=form))
    assert (observation["bitlocker_installed"], observation["volumes"], observation["errors"]) == (False, None, [])


@pytest.mark.parametrize("form", FORMS)
def test_methods_that_windows_lacks_in_every_form(form: str) -> None:
    observation = seen(lab_computer(lab_volume(1, "C:", 0), profile="ws2016", wire_form=form), "backup_records")
    assert observation["volumes"][0]["protectors"][1]["backup"] is None
    assert observation["volumes"][0]["errors"] == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", ["not_admin", "wmi_denied", "uac_filtered", "wrong_types"])
def test_refusals_in_every_form(fault: str, form: str) -> None:
    observation = seen(lab_computer(lab_volume(1, "C:", 0), fault=fault, wire_form=form))
    reason = "protocol" if fault == "wrong_types" else "authorization"
    assert (observation["state"], observation["reason"]) == ("failed", reason)


@pytest.mark.parametrize("form", FORMS)
def test_a_cluster_node_names_its_cluster(form: str) -> None:
    volumes = (lab_volume(1, "C:", 0), lab_volume(2, "D:", 1))
    for name in ("CLU1", None):
        host = lab_computer(*volumes, profile="ws2022", domain_role=3, cluster_name=name, wire_form=form)
        assert seen(host)["join"]["cluster"] == (name.lower() if name else None)


def test_failing_methods_of_one_volume() -> None:
    host = lab_computer(lab_volume(1, "C:", 0), lab_volume(2, "D:", 1, failing_methods={"GetKeyProtectors": 0x80310024}))
    system, data = seen(host)["volumes"]
    assert len(system["protectors"]) == 2
    assert data["protectors"] is None
    assert [(error["read"], error["name"]) for error in data["errors"]] == [("GetKeyProtectors", "FVE_E_OVERLAPPED_UPDATE")]


def test_requests_and_octets_of_the_commonest_host() -> None:
    host = lab_computer(lab_volume(1, "C:", 0), lab_volume(2, "D:", 1, (8, 3)))
    opened, transport = session(host)
    observe(opened, subsets=frozenset({"escrow"}), now=lambda: NOW, host="pc01")
    assert opened.requests == len(transport.notes) == 6 + 2 * (3 + 2)
    assert all(note.operation in ("Enumerate", "Pull", "Get", "Invoke") for note in transport.notes), "nothing is left to be released"
    # 60,000 with HTTP's heads, some 700 octets an exchange
    assert transport.octets < 60_000 - 700 * opened.requests


@pytest.mark.parametrize("subset", ["escrow", "all"])
def test_no_lab_host_is_asked_for_a_secret(subset: str) -> None:
    opened, transport = session(lab_computer(*estate()))
    observe(opened, subsets=frozenset({subset}), now=lambda: NOW, host="pc01")
    asked = {note.method for note in transport.notes}
    assert "GetKeyProtectors" in asked
    assert not asked & {"GetKeyProtectorNumericalPassword", "GetKeyPackage", "GetKeyProtectorExternalKey"}
