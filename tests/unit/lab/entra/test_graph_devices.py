# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices, enrolments and the audit log."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import KEYS, NOTHING, REVEAL, Lab, number

Make = Callable[..., Lab]
EVENTUAL = {"ConsistencyLevel": "eventual"}
DEVICES, MANAGED = "/v1.0/devices", "/v1.0/deviceManagement/managedDevices"


def names(made: Lab, query: str, *, eventual: bool = False) -> list[str]:
    """The display names that a query finds."""
    return [entry["displayName"] for entry in made.values(f"{DEVICES}?{query}", headers=EVENTUAL if eventual else None)]


def test_pages_and_their_sizes(lab: Make) -> None:
    made = lab(devices=230)
    pages = list(made.pages(DEVICES))
    assert [len(page["value"]) for page in pages] == [100, 100, 30]
    assert [len(page["value"]) for page in made.pages(f"{DEVICES}?$top=999")] == [230]
    assert {entry["id"] for page in pages for entry in page["value"]} == {number(0xA, index) for index in range(230)}
    for top in ("0", "1000", "x", "-1"):
        assert made.get(f"{DEVICES}?$top={top}").status_code == 400


def test_chosen_properties_stay_chosen_over_the_pages(lab: Make) -> None:
    made = lab(devices=5, device_page=2)
    for page in made.pages(f"{DEVICES}?$select=id,deviceId,trustType"):
        for entry in page["value"]:
            assert {name for name in entry if not name.startswith("@")} == {"id", "deviceId", "trustType"}
    assert made.get(f"{DEVICES}?$select=serialNumber").status_code == 400


@pytest.mark.parametrize(
    ("query", "eventual", "found"),
    [
        ("$filter=operatingSystem eq 'windows'", False, 6),
        ("$filter=accountEnabled eq false", False, 1),
        ("$filter=deviceId eq 'DEVICE'", False, 1),
        ("$filter=startsWith(displayName,'pc00') and accountEnabled eq true", False, 5),
        ("$filter=displayName in ('PC001','PC002')", False, 2),
        ("$filter=approximateLastSignInDateTime ge 2026-11-19T20:00:00Z", False, 4),
        ("$filter=approximateLastSignInDateTime le 2026-11-19T20:00:00Z or displayName eq 'PC000'", False, 4),
        ("$filter=operatingSystem ne 'Linux'&$count=true", True, 6),
        ("$filter=not(accountEnabled eq true)&$count=true", True, 1),
        ('$search="displayName:c00"&$count=true', True, 6),
        ("$filter=accountEnabled eq true&$orderby=displayName&$count=true", True, 5),
    ],
)
def test_filters(lab: Make, query: str, eventual: bool, found: int) -> None:
    made = lab(devices=6, device_page=2)
    assert len(names(made, query.replace("DEVICE", number(0xD, 3)), eventual=eventual)) == found
    if eventual:
        refused = made.get(f"{DEVICES}?{query}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "Request_UnsupportedQuery")


def test_the_consistency_level_is_wanted_on_every_page(lab: Make) -> None:
    made = lab(devices=6, device_page=2)
    first = made.get(f"{DEVICES}?$filter=operatingSystem ne 'Linux'&$count=true", headers=EVENTUAL).json()
    assert first["@odata.count"] == 6
    assert made.get(first["@odata.nextLink"]).status_code == 400
    assert made.get(first["@odata.nextLink"], headers=EVENTUAL).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "$filter=trustType eq 'ServerAd'",
        "$filter=displayName contains 'x'",
        "$filter=nonsense eq 'x'",
        "$filter=displayName eq",
        "$filter=displayName eq 'x",
        "$filter=((((",
        "$filter=" + "(" * 60 + "accountEnabled eq true" + ")" * 60,
        "$filter=" + "not " * 60 + "accountEnabled eq true",
        "$orderby=model",
        "$expand=registeredOwners",
        "$skip=5",
    ],
)
def test_what_the_list_does_not_take_is_refused(lab: Make, query: str) -> None:
    assert lab().get(f"{DEVICES}?{query}", headers=EVENTUAL).status_code == 400


def test_a_skip_token_belongs_to_its_query(lab: Make) -> None:
    made = lab(devices=6, device_page=2)
    link = made.get(f"{DEVICES}?$select=id").json()["@odata.nextLink"]
    assert made.get(link).status_code == 200
    assert made.get(link.replace("$select=id", "$select=deviceId")).status_code == 400
    assert made.get(link.replace("/devices", "/deviceManagement/managedDevices")).status_code == 400


def test_one_device_by_either_id(lab: Make) -> None:
    made = lab()
    by_object = made.get(f"{DEVICES}/{number(0xA, 1)}").json()
    by_device = made.get(f"{DEVICES}(deviceId='{number(0xD, 1)}')?$select=displayName").json()
    assert by_object["displayName"] == by_device["displayName"] == "PC001"
    assert by_object["trustType"] == "ServerAd"
    assert made.get(f"{DEVICES}/{number(0xD, 1)}").status_code == 404


def test_enrolments(lab: Make) -> None:
    made = lab(devices=4, managed_page=3)
    pages = list(made.pages(MANAGED))
    assert [len(page["value"]) for page in pages] == [3, 1]
    assert pages[0]["@odata.count"] == 4
    assert pages[0]["value"][0]["lastSyncDateTime"] == "0001-01-01T00:00:00Z"
    assert pages[0]["value"][0]["isEncrypted"] is True
    one = made.values(f"{MANAGED}?$filter=azureADDeviceId eq '{number(0xD, 2)}'")
    assert [entry["id"] for entry in one] == [number(0xE, 2)]
    # unsupported filters, and empty texts, are ignored in silence
    for ignored in ("isEncrypted eq true", "azureADDeviceId eq ''", "nonsense"):
        assert len(made.values(f"{MANAGED}?$filter={ignored}")) == 4
    assert made.get(f"{MANAGED}/{number(0xE, 2)}").json()["deviceName"] == "PC002"
    assert made.get(MANAGED, client=NOTHING).status_code == 403


def test_encryption_states_are_beta_with_a_permission_of_their_own(lab: Make) -> None:
    made = lab()
    path = "deviceManagement/managedDeviceEncryptionStates"
    assert made.get(f"/v1.0/{path}").status_code == 400
    assert made.get(f"/beta/{path}").status_code == 403
    made.estate.entra_clients[0].app_roles.append("DeviceManagementConfiguration.Read.All")
    states = made.values(f"/beta/{path}?$filter=id eq '{number(0xE, 1)}'")
    assert [state["advancedBitLockerStates"] for state in states] == ["osVolumeUnprotected,recoveryKeyBackupFailed"]


def test_the_audit_log_allows_five_questions_in_ten_seconds(lab: Make) -> None:
    made = lab()
    token = made.token(REVEAL)
    for _unused in range(5):
        assert made.get("/v1.0/auditLogs/directoryAudits", token=token).status_code == 200
    refused = made.get("/v1.0/auditLogs/directoryAudits", token=token)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 11


def test_the_audit_log_compares_with_case(lab: Make) -> None:
    made = lab(audit_limit=100)
    made.get(f"{KEYS}/{number(0xC, 0)}?$select=key", client=REVEAL)
    path = "/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq "
    assert len(made.values(f"{path}'Read BitLocker key'", client=REVEAL)) == 1
    assert made.values(f"{path}'Read Bitlocker key'", client=REVEAL) == []
    assert made.values(f"{path}'Read BitLocker key' and activityDateTime ge 2200-01-01T00:00:00Z", client=REVEAL) == []
    assert made.get("/v1.0/auditLogs/directoryAudits?$filter=targetResources eq 'x'", client=REVEAL).status_code == 400
