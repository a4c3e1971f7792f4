# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth about whole small estates with an Entra tenant, written out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.estate.earlier import observation
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.model import (
    Estate,
    LabComputerObject,
    LabEntraDevice,
    LabEntraKey,
    LabEntry,
    LabHost,
    LabProtector,
    LabVolume,
)

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
TENANT = "5b1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d10"
PASSWORD = "-".join(["000022"] * 8)
BOTH = ("ad", "entra")


def key(number: int) -> str:
    """A GUID that can be told from others at a glance."""
    return f"{number:08d}-0000-4000-8000-000000000000"


def host(name: str, *passwords: int, device: int | None = None, domain: str | None = None, records: int = 0, **fields: Any) -> LabHost:
    """A host whose OS volume has these recovery passwords; in no domain unless said otherwise."""
    protectors = [LabProtector(key_id=key(number), type=3, password=PASSWORD, backup_types=records) for number in passwords]
    volume = LabVolume(device_guid=key(9), persistent_id=key(passwords[0] + 5000), drive_letter="C:", protectors=protectors)
    settings: dict[str, Any] = {"inventory_name": name.lower(), "netbios_name": name, "domain": domain, "volumes": [volume]}
    if device is not None:
        settings |= {"entra_device_id": key(device), "entra_tenant_id": TENANT}
    return LabHost(**(settings | fields))


def device(number: int, name: str = "X", **fields: Any) -> LabEntraDevice:
    """A device in use."""
    settings: dict[str, Any] = {"approximate_last_sign_in": NOW - timedelta(days=2)}
    return LabEntraDevice(object_id=key(number + 8000), device_id=key(number), display_name=name, **(settings | fields))


def escrowed(owner: int | None, *numbers: int) -> list[LabEntraKey]:
    """Keys under a device."""
    held = key(owner) if owner is not None else None
    return [LabEntraKey(key_id=key(number), device_id=held, created=NOW - timedelta(days=3), password=PASSWORD) for number in numbers]


def computer(name: str, **fields: Any) -> LabComputerObject:
    """A computer object with the DNS name that belongs to it."""
    return LabComputerObject(**({"name": name, "dns_name": f"{name.lower()}.lab.example"} | fields))


def entry(owner: str, number: int) -> LabEntry:
    """The entry of a recovery password in AD."""
    return LabEntry(computer=owner, key_id=key(number), password=PASSWORD, created=NOW - timedelta(days=3))


def judged(**content: Any) -> dict[str, Any]:
    """The truth of an estate."""
    options = {name: content.pop(name) for name in ("copies", "fault") if name in content}
    stale = content.pop("stale", {})
    made = {name: content.pop(name, []) for name in ("hosts", "computers", "entries")}
    # without any readable entry nobody could tell an empty directory from one that shows nothing
    made["computers"] = [*made["computers"], computer("OTHER", enabled=False)]
    made["entries"] = [*made["entries"], entry("OTHER", 4711)]
    tenant = {"entra_devices": content.pop("devices", []), "entra_keys": content.pop("keys", [])}
    assert not content
    return truth(Estate(seed=0, now=NOW, entra_tenant_id=TENANT, stale_observations=stale, **made, **tenant), stores=BOTH, **options)


def states(result: dict[str, Any]) -> dict[str, tuple[str, list[str], list[dict[str, str]]]]:
    """C: of each computer: verdict, findings, states by store."""
    return {item["computer"]: (item["verdict"], item["findings"], list(item["protectors"].values())) for item in result["volumes"]}


def computers(result: dict[str, Any]) -> dict[str, tuple[str | None, list[str]]]:
    """Computers by name: verdict and findings."""
    return {item["computer"]: (item["verdict"], item["findings"]) for item in result["computers"]}


def test_joined_to_entra_alone() -> None:
    result = judged(hosts=[host("PC1", 1, device=11)], devices=[device(11, "anything")], keys=escrowed(11, 1))
    assert states(result) == {"pc1": ("escrowed", [], [{"ad": "absent", "entra": "present"}])}
    assert computers(result) == {"pc1": ("escrowed", [])}
    assert result["passed"] is True


@pytest.mark.parametrize(("copies", "verdict"), [(1, "escrowed"), (2, "at_risk")])
def test_one_copy_of_two(copies: int, verdict: str) -> None:
    result = judged(hosts=[host("PC1", 1, device=11)], devices=[device(11)], keys=escrowed(11, 1), copies=copies)
    assert states(result)["pc1"][0] == verdict


def test_two_copies() -> None:
    result = judged(
        hosts=[host("PC1", 1, device=11, domain="lab.example")],
        computers=[computer("PC1", object_guid=key(11))],
        entries=[entry("PC1", 1)],
        devices=[device(11, trust_type="ServerAd")],
        keys=escrowed(11, 1),
        copies=2,
    )
    assert states(result) == {"pc1.lab.example": ("escrowed", [], [{"ad": "present", "entra": "present"}])}
    assert list(computers(result)) == ["pc1.lab.example"]


@pytest.mark.parametrize(
    ("fault", "verdict", "held"),
    [(None, "escrowed", "present"), ("entra_down", "unknown", "unknown"), ("entra_throttled", "unknown", "unknown")],
)
def test_a_tenant_that_is_down_makes_nothing_unescrowed(fault: str | None, verdict: str, held: str) -> None:
    result = judged(hosts=[host("PC1", 1, device=11)], devices=[device(11), device(12, "lone")], keys=escrowed(11, 1), fault=fault)
    assert (states(result)["pc1"][0], states(result)["pc1"][2][0]["entra"]) == (verdict, held)
    assert result["run_findings"] == ([] if fault is None else ["KW-STO-001"])
    # a device that nobody could ask for is not in the report
    assert len(computers(result)) == (2 if fault is None else 1)


def test_the_directory_being_down_leaves_the_tenant() -> None:
    content = {
        "hosts": [host("PC1", 1, device=11, domain="lab.example")],
        "computers": [computer("PC1", object_guid=key(11)), computer("PC2", object_guid=key(12))],
        "devices": [device(11, trust_type="ServerAd"), device(12, "PC2", trust_type="ServerAd")],
        "keys": escrowed(11, 1) + escrowed(12, 2),
    }
    assert computers(judged(**content)) == {
        "pc1.lab.example": ("escrowed", []),
        "pc2.lab.example": ("on_file", ["KW-HST-009", "KW-VOL-008"]),
    }
    down = computers(judged(**content, fault="ad_down"))
    assert down == {"pc1.lab.example": ("escrowed", []), f"PC2/{key(12)}": ("on_file", ["KW-HST-009", "KW-VOL-008"])}


def test_an_unreachable_hybrid_machine_is_found_by_its_objects_guid() -> None:
    result = judged(
        hosts=[host("PC1", 1, device=11, domain="lab.example", fault="refused")],
        computers=[computer("PC1", object_guid=key(11))],
        devices=[device(11, "other name", trust_type="ServerAd")],
        keys=escrowed(11, 1),
    )
    assert computers(result) == {"pc1.lab.example": ("on_file", ["KW-HST-001", "KW-HST-008", "KW-VOL-008"])}


def test_a_display_name_joins_nothing() -> None:
    result = judged(hosts=[host("PC1", 1, fault="refused")], devices=[device(11, "PC1")], keys=escrowed(11, 1))
    assert computers(result) == {
        "pc1": ("unknown", ["KW-HST-001", "KW-VOL-007"]),
        f"PC1/{key(11)}": ("on_file", ["KW-HST-009", "KW-VOL-008"]),
    }


def test_an_object_and_a_device_with_one_guid_are_one_computer_if_the_join_is_hybrid() -> None:
    for trust_type, names in (("ServerAd", ["pc2.lab.example"]), ("AzureAd", [f"PC2/{key(12)}", "pc2.lab.example"])):
        result = judged(computers=[computer("PC2", object_guid=key(12))], devices=[device(12, "PC2", trust_type=trust_type)])
        assert list(computers(result)) == names


def test_a_hybrid_machine_without_a_dns_name_in_the_directory_is_joined_by_its_device_id() -> None:
    result = judged(
        hosts=[host("PC1", 1, device=11, domain="lab.example")],
        computers=[computer("OLDNAME", dns_name=None, object_guid=key(11))],
        entries=[entry("OLDNAME", 1)],
    )
    assert states(result)["pc1.lab.example"] == ("escrowed", [], [{"ad": "present", "entra": "absent"}])
    assert computers(result) == {"pc1.lab.example": ("escrowed", [])}


def test_a_deleted_device_keeps_keys_that_do_not_count() -> None:
    lone = judged(hosts=[host("PC1", 1, device=11)], devices=[device(11, soft_deleted=True)], keys=escrowed(11, 1))
    assert states(lone) == {"pc1": ("unescrowed", ["KW-ESC-008", "KW-VOL-004"], [{"ad": "absent", "entra": "deleted"}])}
    lives_on = judged(
        hosts=[host("PC1", 1, device=11, domain="lab.example", records=5)],
        computers=[computer("PC1", object_guid=key(11))],
        entries=[entry("PC1", 1)],
        keys=escrowed(11, 1),
        copies=2,
    )
    assert states(lives_on)["pc1.lab.example"] == ("at_risk", ["KW-ESC-008", "KW-VOL-005"], [{"ad": "present", "entra": "deleted"}])
    down = judged(hosts=[host("PC1", 1, device=11)], keys=escrowed(11, 1), fault="entra_down")
    assert states(down)["pc1"][0] == "unknown"


def test_a_key_under_another_device_is_not_ones_own() -> None:
    result = judged(
        hosts=[host("PC1", 1, device=11, records=4), host("PC2", 2, device=12)],
        devices=[device(11), device(12)],
        keys=escrowed(12, 1, 2),
    )
    assert states(result)["pc1"] == (
        "unescrowed",
        ["KW-ESC-006", "KW-ESC-011", "KW-VOL-004"],
        [{"ad": "absent", "entra": "absent"}],
    )
    # the other's key is listed by a live machine: it belongs elsewhere, and is not stale
    assert computers(result)["pc2"] == ("escrowed", [])


def test_a_registered_device_is_no_joined_one() -> None:
    result = judged(hosts=[host("PC1", 1)], devices=[device(11, "PC1", trust_type="Workplace")], keys=escrowed(11, 1))
    assert states(result) == {"pc1": ("unescrowed", ["KW-ESC-006", "KW-VOL-004"], [{"ad": "absent", "entra": "absent"}])}
    assert list(computers(result)) == ["pc1"]


def test_two_live_machines_with_one_device() -> None:
    result = judged(hosts=[host("PC1", 1, device=11), host("PC2", 2, device=11)], devices=[device(11)], keys=escrowed(11, 1))
    for name in ("pc1", "pc2"):
        assert computers(result)[name] == ("unknown", ["KW-HST-007"])
        assert states(result)[name] == ("unknown", ["KW-VOL-007"], [{"ad": "absent", "entra": "unknown"}])
    assert len(computers(result)) == 2


def test_a_shared_object_leaves_its_device_to_nobody() -> None:
    twins = [host("PC1", number, domain="lab.example", inventory_name=f"pc1-{number}") for number in (1, 2)]
    result = judged(
        hosts=twins,
        computers=[computer("PC1", object_guid=key(11))],
        devices=[device(11, trust_type="ServerAd")],
        keys=escrowed(11, 1),
    )
    assert set(states(result)) == {"pc1-1", "pc1-2"}
    assert all(item[2] == [{"ad": "unknown", "entra": "unknown"}] for item in states(result).values())


def test_a_shared_object_leaves_its_device_to_nobody_who_states_it_either() -> None:
    twins = [host("PC1", number, domain="lab.example", inventory_name=f"pc1-{number}") for number in (1, 2)]
    twins[0].entra_device_id, twins[0].entra_tenant_id = key(11), TENANT
    result = judged(
        hosts=twins,
        computers=[computer("PC1", object_guid=key(11))],
        devices=[device(11, trust_type="ServerAd")],
        keys=escrowed(11, 1),
    )
    assert [item[2] for item in states(result).values()] == [[{"ad": "unknown", "entra": "unknown"}]] * 2
    assert len(computers(result)) == 2


def test_a_machine_in_no_domain_is_no_computer_object_by_its_device_id() -> None:
    result = judged(
        hosts=[host("PC1", 1, device=11)],
        computers=[computer("OLD", object_guid=key(11))],
        entries=[entry("OLD", 1)],
        devices=[device(11, trust_type="ServerAd")],
    )
    assert states(result) == {"pc1": ("unescrowed", ["KW-ESC-006", "KW-VOL-004"], [{"ad": "absent", "entra": "absent"}])}
    assert sorted(computers(result)) == ["old.lab.example", "pc1"]


@pytest.mark.parametrize(
    ("objects", "devices", "held"),
    [
        # its object has a device of its own
        ([11], [(11, "ServerAd"), (12, "AzureAd")], "unknown"),
        # what it states is another object's
        ([11, 12], [(12, "ServerAd")], "unknown"),
        # neither: its object was made anew, or never synchronised
        ([11], [(12, "ServerAd")], "present"),
        ([11, 12], [(12, "AzureAd")], "present"),
    ],
)
def test_a_stated_device_that_contradicts_the_computer_object(objects: list[int], devices: list[tuple[int, str]], held: str) -> None:
    result = judged(
        hosts=[host("PC1", 1, device=12, domain="lab.example")],
        computers=[computer(f"PC{number - 10}", object_guid=key(number)) for number in objects],
        devices=[device(number, "D", trust_type=trust_type) for number, trust_type in devices],
        keys=escrowed(12, 1),
    )
    assert states(result)["pc1.lab.example"][2] == [{"ad": "absent", "entra": held}]
    assert sorted(computers(result)) == [f"pc{number - 10}.lab.example" for number in objects]


def test_one_name_and_two_devices() -> None:
    result = judged(
        hosts=[host("PC1", 1, device=11), host("PC1", 2, device=12, inventory_name="pc1-new")],
        devices=[device(11, "PC1"), device(12, "PC1"), device(13, "PC1")],
        keys=escrowed(11, 1) + escrowed(12, 2),
    )
    assert computers(result) == {
        "pc1": ("escrowed", []),
        "pc1-new": ("escrowed", []),
        f"PC1/{key(13)}": ("unknown", ["KW-HST-009", "KW-VOL-007"]),
    }


@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ({}, True),
        ({"account_enabled": False}, False),
        ({"operating_system": "iOS"}, False),
        ({"operating_system": "Windows Server 2022"}, True),
        ({"trust_type": "Workplace"}, False),
        ({"trust_type": None}, False),
        ({"soft_deleted": True}, False),
        ({"approximate_last_sign_in": NOW - timedelta(days=91)}, False),
        ({"approximate_last_sign_in": NOW - timedelta(days=90)}, True),
        ({"approximate_last_sign_in": None}, True),
        ({"approximate_last_sign_in": None, "registered": NOW - timedelta(days=91)}, False),
        ({"approximate_last_sign_in": None, "registered": NOW - timedelta(days=3)}, True),
    ],
)
def test_devices_that_are_accounted_for(fields: dict[str, Any], listed: bool) -> None:
    assert bool(computers(judged(devices=[device(11, **fields)], keys=escrowed(11, 1)))) is listed


def test_a_device_of_another_tenant_is_not_this_ones() -> None:
    result = judged(hosts=[host("PC1", 1, device=11, entra_tenant_id=key(77))], devices=[device(11, "PC1")], keys=escrowed(11, 1))
    assert f"PC1/{key(11)}" in computers(result)


@pytest.mark.parametrize(("count", "codes"), [(149, []), (150, ["KW-ESC-009"]), (199, ["KW-ESC-009"]), (200, ["KW-ESC-010"])])
def test_how_many_keys_a_device_has(count: int, codes: list[str]) -> None:
    keys = escrowed(11, *range(1, count + 1))
    result = judged(hosts=[host("PC1", 1, device=11)], devices=[device(11)], keys=keys)
    assert computers(result)["pc1"] == ("escrowed", ["KW-ESC-001", *codes])
    alone = judged(devices=[device(11, "PC1")], keys=keys)
    assert computers(alone)[f"PC1/{key(11)}"] == ("on_file", [*codes, "KW-HST-009", "KW-VOL-008"])
    down = judged(hosts=[host("PC1", 1, device=11)], devices=[device(11)], keys=keys, fault="entra_down")
    assert computers(down)["pc1"] == ("unknown", [])


@pytest.mark.parametrize(("records", "present", "codes"), [(4, False, ["KW-ESC-011"]), (4, True, []), (2, False, []), (0, False, [])])
def test_what_windows_recorded(records: int, present: bool, codes: list[str]) -> None:
    result = judged(
        hosts=[host("PC1", 1, device=11, domain="lab.example", records=records)],
        computers=[computer("PC1", object_guid=key(11))],
        entries=[entry("PC1", 1)],
        devices=[device(11, trust_type="ServerAd")],
        keys=escrowed(11, 1) if present else [],
    )
    assert states(result)["pc1.lab.example"][:2] == ("escrowed", codes)


@pytest.mark.parametrize(
    ("keys", "fault", "circular"),
    [([], None, True), ([1], None, False), ([], "entra_down", False), ([], "ad_down", False)],
)
def test_a_domain_controllers_key_in_the_tenant_breaks_the_circle(keys: list[int], fault: str | None, circular: bool) -> None:
    result = judged(
        hosts=[host("DC1", 1, device=11, domain="lab.example", domain_role=5)],
        computers=[computer("DC1", object_guid=key(11))],
        entries=[entry("DC1", 1)],
        devices=[device(11, trust_type="ServerAd")],
        keys=escrowed(11, *keys),
        fault=fault,
    )
    assert ("KW-ESC-012" in states(result)["dc1.lab.example"][1]) is circular


def test_an_old_observation_states_a_device_too() -> None:
    machine = host("PC1", 1, device=11, fault="refused")
    result = judged(
        hosts=[machine],
        devices=[device(11)],
        keys=escrowed(11, 1),
        stale={"pc1": observation(machine, NOW - timedelta(days=40))},
    )
    assert states(result) == {"pc1": ("on_file", ["KW-VOL-008"], [{"ad": "absent", "entra": "present"}])}
    assert computers(result) == {"pc1": ("on_file", ["KW-HST-001", "KW-HST-006"])}


def test_a_machine_whose_object_and_device_kept_their_former_name_is_joined_by_the_guid() -> None:
    result = judged(
        hosts=[host("NEWNAME", 1, device=11, domain="lab.example")],
        computers=[computer("OLDNAME", object_guid=key(11))],
        entries=[entry("OLDNAME", 1)],
        devices=[device(11, "OLDNAME", trust_type="ServerAd")],
        keys=escrowed(11, 1),
        copies=2,
    )
    # the directory's name of it is the report's
    assert states(result) == {"oldname.lab.example": ("escrowed", [], [{"ad": "present", "entra": "present"}])}
    assert computers(result) == {"oldname.lab.example": ("escrowed", [])}


def test_the_object_is_gone_and_the_device_lives_on() -> None:
    content = {
        "hosts": [host("PC1", 1, device=11, domain="lab.example")],
        "computers": [computer("PC1", object_guid=key(11), delete_after=True)],
        "entries": [entry("PC1", 1)],
        "devices": [device(11, "PC1", trust_type="ServerAd")],
        "keys": escrowed(11, 1),
    }
    assert states(judged(**content)) == {"pc1.lab.example": ("escrowed", [], [{"ad": "absent", "entra": "present"}])}
    assert states(judged(**content, copies=2))["pc1.lab.example"][0] == "at_risk"
    assert computers(judged(**content)) == {"pc1.lab.example": ("escrowed", [])}


def test_a_machine_that_joined_the_domain_anew_keeps_its_device() -> None:
    result = judged(
        hosts=[host("PC1", 1, device=11, domain="lab.example")],
        computers=[computer("PC1", object_guid=key(12)), computer("OLD", object_guid=key(11), delete_after=True)],
        entries=[entry("PC1", 1)],
        devices=[device(11, "PC1", trust_type="ServerAd")],
        keys=escrowed(11, 1),
        copies=2,
    )
    assert states(result) == {"pc1.lab.example": ("escrowed", [], [{"ad": "present", "entra": "present"}])}
    assert computers(result) == {"pc1.lab.example": ("escrowed", [])}


def test_a_device_that_waits_to_be_joined_is_nobodys() -> None:
    waiting = device(11, "PC1", trust_type=None, approximate_last_sign_in=None)
    content = {"computers": [computer("PC1", object_guid=key(11))], "entries": [entry("PC1", 1)], "devices": [waiting]}
    result = judged(hosts=[host("PC1", 1, domain="lab.example")], **content)
    assert states(result) == {"pc1.lab.example": ("escrowed", [], [{"ad": "present", "entra": "absent"}])}
    assert list(computers(result)) == ["pc1.lab.example"]
    assert computers(judged(**content)) == {"pc1.lab.example": ("on_file", ["KW-HST-009", "KW-VOL-008"])}


@pytest.mark.parametrize("first", [True, False])
def test_of_two_objects_with_one_device_id_the_enabled_one_counts(first: bool) -> None:
    twins = [device(11, "NOW"), device(11, "THEN", account_enabled=False)]
    twins = twins if first else twins[::-1]
    result = judged(hosts=[host("PC1", 1, device=11)], devices=twins, keys=escrowed(11, 1))
    assert states(result) == {"pc1": ("escrowed", [], [{"ad": "absent", "entra": "present"}])}
    assert computers(judged(devices=twins, keys=escrowed(11, 1))) == {f"NOW/{key(11)}": ("on_file", ["KW-HST-009", "KW-VOL-008"])}


def test_a_device_that_was_deleted_for_good() -> None:
    result = judged(
        hosts=[host("PC1", 1, device=11, domain="lab.example", records=4)],
        computers=[computer("PC1", object_guid=key(11))],
        entries=[entry("PC1", 1)],
    )
    assert states(result) == {"pc1.lab.example": ("escrowed", ["KW-ESC-011"], [{"ad": "present", "entra": "absent"}])}


def test_two_devices_with_one_name_and_nobody_in_the_inventory() -> None:
    result = judged(devices=[device(11, "PC1"), device(12, "PC1")], keys=escrowed(12, 2))
    assert computers(result) == {
        f"PC1/{key(11)}": ("unknown", ["KW-HST-009", "KW-VOL-007"]),
        f"PC1/{key(12)}": ("on_file", ["KW-HST-009", "KW-VOL-008"]),
    }


def test_the_disk_of_a_dead_machine_in_another_one() -> None:
    """The registration moved with the disk; what the dead machine once said of itself does not take it back."""
    dead = host("PC1", 1, device=11, fault="refused")
    result = judged(
        hosts=[dead, host("PC2", 1, device=11)],
        devices=[device(11, "PC1")],
        keys=escrowed(11, 1),
        stale={"pc1": observation(dead, NOW - timedelta(days=40))},
    )
    assert states(result) == {
        "pc1": ("on_file", ["KW-VOL-008"], [{"ad": "absent", "entra": "present"}]),
        "pc2": ("escrowed", [], [{"ad": "absent", "entra": "present"}]),
    }


def test_the_tenant_is_left_out_where_it_is_no_store() -> None:
    estate = Estate(seed=0, now=NOW, entra_tenant_id=TENANT, hosts=[host("PC1", 1, device=11)], entra_devices=[device(11), device(12)])
    estate.entra_keys = escrowed(11, 1)
    estate.computers, estate.entries = [computer("OTHER", enabled=False)], [entry("OTHER", 4711)]
    result = truth(estate)
    assert states(result) == {"pc1": ("unescrowed", ["KW-VOL-004"], [{"ad": "absent"}])}
    assert list(computers(result)) == ["pc1"]
