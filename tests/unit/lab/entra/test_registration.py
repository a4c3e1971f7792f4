# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices escrow their keys to the lab's tenant: who may, how many, when they are listed, and what a host makes of each answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.keyward.bitlocker.tests.lab.entra.registration import device_secret, escrow_path
from ansible_collections.keyward.bitlocker.tests.lab.entra.tenant import Tenant, kept_keys
from ansible_collections.keyward.bitlocker.tests.lab.hosts.tenant_escrow import TenantEscrow
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntraKey, LabHost, LabProtector, LabVolume
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import KEYS, NOW, PASSWORD, TENANT, Lab, number, tenant

DEVICE, NEW_KEY = number(0xD, 0), number(0xF, 1)
OTHER_PASSWORD = "-".join(["000022"] * 8)


def host(device: str | None = DEVICE, tenant_id: str = TENANT) -> LabHost:
    return LabHost(inventory_name="pc", netbios_name="PC", domain=None, entra_device_id=device, entra_tenant_id=tenant_id)


def escrow(lab: Lab, played: LabHost | None = None, *, key_id: str = NEW_KEY, password: str = PASSWORD) -> int:
    store = TenantEscrow(url=lab.endpoint.url, tenant_id=TENANT, seed=lab.estate.seed, ca_file=lab.ca.ca_pem)
    volume = LabVolume(device_guid=number(1, 1), persistent_id=None, drive_letter="D:", volume_type=1)
    return store.to_tenant(played or host(), volume, LabProtector(key_id=key_id, type=3, password=password))


def post(lab: Lab, device: str = DEVICE, *, secret: str | None = None, body: Any = None) -> requests.Response:
    sent = {"keyId": NEW_KEY, "key": PASSWORD, "volumeType": 1} if body is None else body
    headers = {"Authorization": f"Device {device_secret(lab.estate.seed, device) if secret is None else secret}"}
    return lab.session.post(lab.endpoint.url + escrow_path(device), json=sent, headers=headers)


def listed(lab: Lab) -> list[tuple[str, str, str]]:
    return [(item["id"], item["deviceId"], item["volumeType"]) for item in lab.values(KEYS)]


def test_a_device_escrows_and_its_key_is_listed_once(lab: Callable[..., Lab]) -> None:
    made = lab()
    assert [escrow(made) for _unused in range(2)] == [0, 0]
    assert listed(made).count((NEW_KEY, DEVICE, "fixedDataVolume")) == 1
    assert [row["status"] for row in made.log("registration")] == [201, 200]
    assert PASSWORD not in (made.endpoint.logs / "entra-requests.jsonl").read_text(encoding="utf-8")


def test_the_newest_value_of_a_key_stays(lab: Callable[..., Lab]) -> None:
    made = lab()
    escrow(made)
    assert escrow(made, password=OTHER_PASSWORD) == 0
    assert [key.password for key in made.estate.entra_keys if key.key_id == NEW_KEY] == [OTHER_PASSWORD]


def test_who_is_no_device_of_the_tenant_cannot(lab: Callable[..., Lab]) -> None:
    made = lab()
    made.estate.entra_devices[1].account_enabled = False
    made.estate.entra_devices[2].soft_deleted = True
    assert escrow(made, host(None)) == 0x8009000D
    assert escrow(made, host(tenant_id=number(9, 9))) == 0x8009000D
    assert escrow(made, host(number(0xD, 1))) == 0x80190193
    assert escrow(made, host(number(0xD, 2))) == 0x80190193
    assert post(made, secret="wrong").status_code == 401
    assert post(made, secret=device_secret(made.estate.seed, number(0xD, 1))).status_code == 401
    assert NEW_KEY not in {key.key_id for key in made.estate.entra_keys}


@pytest.mark.parametrize(
    "body", [[], {}, {"keyId": "x", "key": PASSWORD, "volumeType": 1}, {"keyId": NEW_KEY, "key": "", "volumeType": 1}, "x"]
)
def test_malformed_keys_are_refused(lab: Callable[..., Lab], body: Any) -> None:
    assert post(lab(), body=body).status_code == 400


def test_a_device_has_room_for_so_many(lab: Callable[..., Lab]) -> None:
    made = lab(key_limit=3)
    assert escrow(made) == 0
    assert escrow(made, key_id=number(0xF, 2)) == 0x80190190
    assert escrow(made) == 0
    assert escrow(made, host(number(0xD, 2)), key_id=number(0xF, 2)) == 0


def test_a_key_is_listed_when_its_delay_is_over() -> None:
    now = [NOW]
    made = Tenant(tenant(key_delay=60.0), clock=lambda: now[0])
    key = LabEntraKey(key_id=NEW_KEY, device_id=DEVICE, created=NOW, password=PASSWORD)
    assert made.escrow(key) is True
    assert made.escrow(key) is False
    assert key not in made.estate.entra_keys
    now[0] = datetime(2026, 11, 22, 20, 1, tzinfo=UTC)
    revision = made.revision
    made.settle()
    assert made.estate.entra_keys.count(key) == 1
    assert made.revision > revision


@pytest.mark.parametrize(
    ("fault", "code"), [({"kind": "status", "status": 429}, 0x801901AD), ({"kind": "expired"}, 0x80190191), ({"kind": "reset"}, 0x80072EFD)]
)
def test_trouble_is_told_as_windows_would(lab: Callable[..., Lab], fault: dict[str, Any], code: int) -> None:
    made = lab(faults=[{**fault, "match": "/lab/devices/", "times": 1}])
    assert escrow(made) == code
    assert escrow(made) == 0


def test_nobody_there_and_nobody_trusted(lab: Callable[..., Lab]) -> None:
    made = lab()
    made.ca.ca_pem.write_bytes(made.ca.untrusted_pem.read_bytes())
    assert escrow(made) == 0x80072F8F
    made.endpoint.stop()
    assert escrow(made) == 0x80072EFD


def test_what_was_escrowed_outlives_the_tenants_process(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = Tenant(tenant(), kept=kept)
    first.escrow(LabEntraKey(key_id=NEW_KEY, device_id=DEVICE, created=NOW, password=PASSWORD))
    first.escrow(LabEntraKey(key_id=NEW_KEY, device_id=DEVICE, created=NOW, password=OTHER_PASSWORD))
    with kept.open("a", encoding="utf-8") as out:
        out.write('{"key_id": "not finis')
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [key.password for key in kept_keys(kept)] == [PASSWORD, OTHER_PASSWORD]
    second = Tenant(tenant(), kept=kept)
    assert [key.password for key in second.estate.entra_keys if key.key_id == NEW_KEY] == [OTHER_PASSWORD]
