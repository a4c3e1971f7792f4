# SPDX-License-Identifier: GPL-3.0-or-later
"""A running lab's hosts back up: into the real directory as their own machine accounts, and to the tenant as their own devices."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.estates import Drawing, recovery
from ansible_collections.keyward.bitlocker.tests.lab.as_it_is import FoundEntry, found_entries
from ansible_collections.keyward.bitlocker.tests.lab.estate import truth
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import gpo_policy
from ansible_collections.keyward.bitlocker.tests.lab.fve.played import image
from ansible_collections.keyward.bitlocker.tests.lab.fve.stretching import shared
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntraDevice, LabHost
from ansible_collections.keyward.bitlocker.tests.unit.lab.fve.judges import cryptsetup_opens, needs_cryptsetup
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import Answer, Message

TENANT, DEVICE = "5b1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d10", "6c1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d11"
TO_AD, TO_ENTRA = "BackupRecoveryInformationToActiveDirectory", "BackupRecoveryInformationToCloudDomain"


def drawing() -> Drawing:
    """One host with everything, one whose policy stores nothing, one that the domain has forgotten."""
    made = Drawing(20)
    made.estate.entra_tenant_id = TENANT
    made.host("pc01", fve_policy=gpo_policy(), entra_device_id=DEVICE, entra_tenant_id=TENANT)
    made.host("pc02", fve_policy=gpo_policy(OSActiveDirectoryBackup=0))
    made.host("pc03", fve_policy=gpo_policy(OSActiveDirectoryInfoToStore=2))
    made.host("pc04", fve_policy=gpo_policy(), computer=False)
    made.estate.entra_devices.append(LabEntraDevice(object_id=made.another_guid(), device_id=DEVICE, display_name="PC01"))
    planted = made.host("pc05", fve_policy=gpo_policy())
    made.escrow(planted, password=made.another_password())
    return made


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("escrow"), LabOptions(proof="live"), estate=drawing().estate) as lab:
        yield lab


def host(lab: Lab, name: str) -> LabHost:
    return next(item for item in lab.estate.hosts if item.inventory_name == name)


def invoke(lab: Lab, name: str, method: str, arguments: str = "") -> Answer:
    asked = host(lab, name)
    context = ssl.create_default_context(cafile=str(lab.ca_file))
    wire = http.client.HTTPSConnection(asked.address, asked.port, timeout=30, context=context)
    token = base64.b64encode(f"{asked.username}:{asked.password}".encode()).decode()
    headers = {"Content-Type": "application/soap+xml;charset=UTF-8", "Authorization": f"Basic {token}"}
    wire.request("POST", "/wsman", body=Message.volume(method, arguments, guid=asked.volumes[0].device_guid), headers=headers)
    answer = wire.getresponse()
    made = Answer(answer.status, answer.read())
    wire.close()
    return made


def back_up(lab: Lab, name: str, method: str) -> int:
    key_id = recovery(host(lab, name)).key_id
    return invoke(lab, name, method, f"<p:VolumeKeyProtectorID>{{{key_id.upper()}}}</p:VolumeKeyProtectorID>").result


def in_directory(lab: Lab, name: str) -> list[FoundEntry]:
    key_id = recovery(host(lab, name)).key_id
    return [item for item in found_entries(lab.estate.realm, lab.block.directory, lab.ca_file) if item.key_id == key_id]


def test_a_backup_shows_up_below_the_computer_as_windows_writes_it(lab: Lab) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert [back_up(lab, "pc01", TO_AD) for _unused in range(2)] == [0, 0]
    (entry,) = in_directory(lab, "pc01")
    volume, protector = host(lab, "pc01").volumes[0], recovery(host(lab, "pc01"))
    name = entry.dn.partition(",CN=PC01")[0].removeprefix("CN=").replace("\\", "")
    assert name.endswith(f"{{{protector.key_id.upper()}}}")
    assert len(name) == 63
    assert before <= datetime.fromisoformat(name[:25]) <= datetime.now(UTC)
    assert (entry.password, entry.volume_guid) == (protector.password, volume.persistent_id)
    assert entry.key_package is not None


def test_policy_says_what_is_stored_and_whether(lab: Lab) -> None:
    assert back_up(lab, "pc02", TO_AD) == 1
    assert in_directory(lab, "pc02") == []
    assert back_up(lab, "pc03", TO_AD) == 0
    assert [entry.key_package for entry in in_directory(lab, "pc03")] == [None]


def test_a_computer_that_the_domain_has_forgotten_is_told_so(lab: Lab) -> None:
    assert back_up(lab, "pc04", TO_AD) == 0x800706FD
    assert back_up(lab, "pc04", TO_ENTRA) == 0x8009000D


def test_a_planted_entry_stays_what_it_is(lab: Lab) -> None:
    assert back_up(lab, "pc05", TO_AD) == 0
    (entry,) = in_directory(lab, "pc05")
    assert entry.password != recovery(host(lab, "pc05")).password


def test_a_backup_to_entra_is_listed_and_the_truth_knows_both(lab: Lab) -> None:
    assert lab.entra is not None
    assert [back_up(lab, "pc01", TO_ENTRA) for _unused in range(2)] == [0, 0]
    assert back_up(lab, "pc01", TO_AD) == 0
    now = lab.estate_now()
    assert [(key.key_id, key.device_id, key.volume_type) for key in now.entra_keys] == [(recovery(host(lab, "pc01")).key_id, DEVICE, 1)]
    repaired = truth.truth(now, copies=2, proof="live", stores=("ad", "entra"))
    states = {volume["computer"]: list(volume["protectors"].values()) for volume in repaired["volumes"]}
    assert next(value for name, value in states.items() if name.lower().startswith("pc01")) == [{"ad": "proven", "entra": "proven"}]
    assert truth.truth(lab.estate, proof="live", stores=("ad", "entra")) != repaired


@needs_cryptsetup
def test_a_new_password_is_on_the_disk_and_in_the_directory(lab: Lab, tmp_path: Path) -> None:
    made = invoke(lab, "pc03", "ProtectKeyWithNumericalPassword", "<p:FriendlyName>keyward test</p:FriendlyName>")
    key_id = (made.texts("VolumeKeyProtectorID")[0] or "").strip("{}").lower()
    backed_up = invoke(lab, "pc03", TO_AD, f"<p:VolumeKeyProtectorID>{{{key_id.upper()}}}</p:VolumeKeyProtectorID>")
    assert backed_up.result == 0
    now = lab.estate_now()
    (entry,) = [entry for entry in now.entries if entry.key_id == key_id]
    changed = next(item for item in now.hosts if item.inventory_name == "pc03")
    assert cryptsetup_opens(image(changed, changed.volumes[0], shared()), entry.password.encode(), tmp_path)
    assert json.loads((lab.folder / "hosts" / "changed" / "pc03.json").read_text(encoding="utf-8"))["inventory_name"] == "pc03"
