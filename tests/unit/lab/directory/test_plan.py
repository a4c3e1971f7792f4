# SPDX-License-Identifier: GPL-3.0-or-later
"""What an estate becomes in the directory."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.directory import layout
from ansible_collections.keyward.bitlocker.tests.lab.directory.plan import Plan, PlannedObject, escape_rdn, filetime, make_plan, recovery_cn
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
KEY = "1a2b3c4d-0102-4304-8506-0708090a0b0c"
OTHER = "2a2b3c4d-0102-4304-8506-0708090a0b0c"


def plan_of(computers: list[LabComputerObject] | None = None, entries: list[LabEntry] | None = None) -> Plan:
    made = computers if computers is not None else [LabComputerObject(name="PC01", dns_name="pc01.lab.example")]
    return make_plan(Estate(seed=1, now=NOW, computers=made, entries=entries or []))


def only_entry(**fields: object) -> PlannedObject:
    settings = {"computer": "PC01", "key_id": KEY, "password": "text", "created": NOW} | fields
    return plan_of(entries=[LabEntry(**settings)]).objects[1]  # type: ignore[arg-type]  # fields of a test's own choosing


def test_an_entry_has_the_name_windows_gives_and_a_little_endian_guid() -> None:
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-8)))
    planned = only_entry(created=created, volume_guid=OTHER)
    assert planned.dn == f"CN=2026-01-02T03:04:05-08:00{{{KEY.upper()}}},CN=PC01,OU=Clients,DC=lab,DC=example"
    assert len(recovery_cn(created, KEY)) == 63
    assert planned.attributes["msFVE-RecoveryGuid"] == [bytes.fromhex("4d3c2b1a020104438506" + "0708090a0b0c")]
    assert planned.attributes["msFVE-VolumeGuid"] == [uuid.UUID(OTHER).bytes_le]
    assert "msFVE-KeyPackage" not in planned.attributes


def test_an_offset_east_of_greenwich_is_escaped_in_the_dn() -> None:
    assert "\\+00:00{" in only_entry().dn


def test_damage_is_planted_as_told() -> None:
    planned = only_entry(raw_recovery_guid=b"\x01\x02\x03", cn_key_id=OTHER, cn_created=NOW - timedelta(days=1))
    assert planned.attributes["msFVE-RecoveryGuid"] == [b"\x01\x02\x03"]
    assert OTHER.upper() in planned.dn
    assert "2026-11-21T" in planned.dn
    assert planned.when_created == NOW


def test_two_entries_of_one_second_and_id_get_names_of_their_own() -> None:
    entries = [LabEntry(computer="PC01", key_id=KEY, password=str(number), created=NOW) for number in range(3)]
    planned = plan_of(entries=entries).objects[1:]
    assert len({one.dn for one in planned}) == 3
    assert {one.when_created for one in planned} == {NOW}


def test_an_entry_under_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="does not have"):
        plan_of(entries=[LabEntry(computer="PC99", key_id=KEY, password="x", created=NOW)])


def test_two_computers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two computer objects"):
        plan_of([LabComputerObject(name="PC01", dns_name=None), LabComputerObject(name="pc01", dns_name=None)])


@pytest.mark.parametrize(("fields", "control"), [({}, 4096), ({"enabled": False}, 4098), ({"ou": "OU=Domain Controllers"}, 0x82000)])
def test_account_control(fields: dict[str, object], control: int) -> None:
    computer = LabComputerObject(name="PC01", dns_name=None, **fields)  # type: ignore[arg-type]  # fields of a test's own choosing
    assert plan_of([computer]).objects[0].attributes["userAccountControl"] == [str(control)]


def test_a_cluster_name_object_has_the_service_names_of_one() -> None:
    services = plan_of([LabComputerObject(name="CL1", dns_name="cl1.lab.example", cluster_name_object=True)]).objects[0].attributes
    assert "MSClusterVirtualServer/cl1.lab.example" in services["servicePrincipalName"]
    assert "MSClusterVirtualServer/CL1" in services["servicePrincipalName"]


def test_containers_come_outermost_first_and_existing_ones_are_not_created() -> None:
    computers = [
        LabComputerObject(name="A", dns_name=None, ou="OU=Kiosk,OU=Clients"),
        LabComputerObject(name="B", dns_name=None, ou="CN=Computers"),
        LabComputerObject(name="C", dns_name=None, ou="OU=Domain Controllers"),
    ]
    base = "DC=lab,DC=example"
    assert list(plan_of(computers).containers.items()) == [
        (f"OU=Clients,{base}", True),
        (f"OU=Kiosk,OU=Clients,{base}", True),
        (f"CN=Computers,{base}", False),
        (f"OU=Domain Controllers,{base}", False),
    ]


def test_the_script_gets_json_with_bytes_marked() -> None:
    entry = LabEntry(computer="PC01", key_id=KEY, password="x", created=NOW, hidden=True, key_package=b"\x00\xff")
    document = json.loads(json.dumps(plan_of(entries=[entry]).to_json()))
    written = document["objects"][1]
    assert written["when_created"] == "20261122200000.0Z"
    assert base64.b64decode(written["attributes"]["msFVE-KeyPackage"][0]["b64"]) == b"\x00\xff"
    assert "{svc-report}" in written["sddl"]
    assert set(document["grants"]) == {layout.REPORT, layout.REVEAL, layout.PROOF}
    assert layout.RECOVERY_PASSWORD_GUID not in document["grants"][layout.REPORT]


def test_deleted_computers_are_deleted_last() -> None:
    plan = plan_of([LabComputerObject(name="GONE", dns_name=None, delete_after=True)])
    assert plan.deletions == ["CN=GONE,OU=Clients,DC=lab,DC=example"]


def test_filetime() -> None:
    assert filetime(datetime(1970, 1, 1, tzinfo=UTC)) == 116444736000000000


@pytest.mark.parametrize(("raw", "escaped"), [("a,b", "a\\,b"), (" a", "\\ a"), ("a ", "a\\ "), ("#a", "\\#a"), ('"+;', '\\"\\+\\;')])
def test_escaping(raw: str, escaped: str) -> None:
    assert escape_rdn(raw) == escaped
