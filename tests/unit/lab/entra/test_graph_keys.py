# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovery keys: the list, one key, permissions, forms, audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import (
    KEYS,
    NOTHING,
    PASSWORD,
    REVEAL,
    Lab,
    number,
)
from urllib3.util import SKIP_HEADER

Make = Callable[..., Lab]
AUDITS = "/v1.0/auditLogs/directoryAudits?$filter=category eq 'KeyManagement' and activityDisplayName eq 'Read BitLocker key'"


def test_the_list_comes_in_pages_without_any_key(lab: Make) -> None:
    made = lab(keys=7, key_page=3)
    pages = list(made.pages(KEYS))
    assert [len(page["value"]) for page in pages] == [3, 3, 1]
    entries = [entry for page in pages for entry in page["value"]]
    assert [entry["id"] for entry in entries] == [number(0xC, index) for index in range(7)]
    assert all("key" not in entry for entry in entries)
    assert entries[1]["volumeType"] == "fixedDataVolume"
    assert entries[1]["deviceId"] == number(0xD, 1)
    assert pages[0]["@odata.nextLink"].startswith(f"{made.endpoint.url}{KEYS}?$skiptoken=")


def test_keys_of_one_device_and_chosen_properties(lab: Make) -> None:
    made = lab(keys=7)
    device = number(0xD, 1).upper()
    entries = made.values(f"{KEYS}?$filter=deviceId eq '{device}'&$select=id,createdDateTime")
    assert [entry["id"] for entry in entries] == [number(0xC, index) for index in (1, 4)]
    assert {name for entry in entries for name in entry if not name.startswith("@")} == {"id", "createdDateTime"}
    # the object ID finds nothing, and says nothing
    assert made.values(f"{KEYS}?$filter=deviceId eq '{number(0xA, 1)}'") == []
    assert made.values(f"{KEYS}?$filter=deviceId eq 'no guid'") == []


@pytest.mark.parametrize(
    "query",
    [
        "$top=5",
        "$orderby=createdDateTime",
        "$count=true",
        "$expand=device",
        "$select=id,nonsense",
        "$filter=createdDateTime ge 2020-01-01T00:00:00Z",
        "$filter=deviceId ne 'x'",
        "$filter=deviceId eq 'x'&$filter=deviceId eq 'y'",
        "$skiptoken=guessed",
        "select=id",
    ],
)
def test_what_the_list_does_not_take_is_refused(lab: Make, query: str) -> None:
    answer = lab().get(f"{KEYS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"]


def test_unsupported_options_may_be_ignored_instead(lab: Make) -> None:
    assert len(lab(unsupported_query="ignore").values(f"{KEYS}?$top=1&$orderby=createdDateTime")) == 5


@pytest.mark.parametrize("missing", ["User-Agent", "ocp-client-name", "ocp-client-version"])
def test_the_documented_headers_are_required(lab: Make, missing: str) -> None:
    made = lab()
    headers: dict[str, Any] = {missing: SKIP_HEADER if missing == "User-Agent" else None}
    assert made.get(KEYS, headers=headers).status_code == 400
    made.endpoint.tenant.behaviour.ocp_headers = "optional"
    assert made.get(KEYS, headers=headers).status_code == (400 if missing == "User-Agent" else 200)


@pytest.mark.parametrize("single", ["flat", "wrapped"])
def test_a_key_is_given_only_for_select_key_alone_and_leaves_a_record(lab: Make, single: str) -> None:
    made = lab(single_get=single)
    path = f"{KEYS}/{number(0xC, 2)}"

    def body(query: str) -> dict[str, Any]:
        answer = made.get(path + query, client=REVEAL).json()
        found: dict[str, Any] = answer["value"] if single == "wrapped" else answer
        return found

    assert "key" not in body("")
    assert made.values(AUDITS, client=REVEAL) == []
    assert body("?$select=key")["key"] == PASSWORD
    assert body("?$select=key")["deviceId"] == number(0xD, 2)
    assert "key" not in body("?$select=key,id,createdDateTime")
    assert body("/?$select=key")["key"] == PASSWORD
    records = made.values(AUDITS, client=REVEAL)
    assert len(records) == 3
    assert {record["targetResources"][0]["displayName"] for record in records} == {number(0xC, 2)}
    assert records[0]["initiatedBy"]["app"]["appId"] == REVEAL
    assert number(0xD, 2) in records[0]["additionalDetails"][0]["value"]


def test_a_read_may_show_later_than_it_was_made(lab: Make) -> None:
    made = lab(audit_delay=3600)
    assert made.get(f"{KEYS}/{number(0xC, 2)}?$select=key", client=REVEAL).status_code == 200
    assert made.values(AUDITS, client=REVEAL) == []
    made.endpoint.tenant.behaviour.audit_delay = 0
    assert len(made.values(AUDITS, client=REVEAL)) == 1


def test_permissions(lab: Make) -> None:
    made = lab()
    path = f"{KEYS}/{number(0xC, 2)}"
    refused = made.get(f"{path}?$select=key")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "authorization_error"
    assert made.get(path).status_code == 200
    assert made.get(KEYS, client=NOTHING).json()["error"]["code"] == "authorization_error"
    assert made.get("/v1.0/devices", client=NOTHING).json()["error"]["code"] == "Authorization_RequestDenied"
    assert made.get("/v1.0/devices", client=REVEAL).status_code == 403
    assert made.get(AUDITS).status_code == 403
    made.endpoint.tenant.behaviour.read_basic_select = "without_key"
    assert "key" not in made.get(f"{path}?$select=key").json()
    made.endpoint.tenant.behaviour.forbidden_code = ""
    assert made.get(KEYS, client=NOTHING).json()["error"]["code"] == ""
    assert made.values(AUDITS, client=REVEAL) == []


def test_unknown_and_malformed_ids(lab: Make) -> None:
    made = lab()
    assert made.get(f"{KEYS}/{number(0xF, 1)}").status_code == 404
    assert made.get(f"{KEYS}/{number(0xC, 2).upper()}").status_code == 200
    for malformed in ("x", "{" + number(0xC, 2) + "}", number(0xC, 2).replace("-", "")):
        assert made.get(f"{KEYS}/{malformed}").status_code == 400
    for path in ("/beta/bitlocker/recoveryKeys", "/v2.0/devices", f"{KEYS}/$count", f"{KEYS}('{number(0xC, 1)}')"):
        assert made.get(path).status_code == 400
    assert made.get(KEYS.replace("v1.0", "beta")).status_code == 200


def test_forms_of_the_volume_type(lab: Make) -> None:
    made = lab(volume_type="digit", null_key=True, extra_members=True)
    entry = made.values(KEYS)[1]
    assert entry["volumeType"] == "2"
    assert entry["key"] is None
    assert "@odata.id" in entry
    assert [entry["volumeType"] for entry in lab(volume_type="number").values(KEYS)][:3] == [1, 2, 3]


def test_more_than_200_keys_of_one_device(lab: Make) -> None:
    made = lab(devices=1, keys=205)
    entries = made.values(f"{KEYS}?$filter=deviceId eq '{number(0xD, 0)}'")
    assert len({entry["id"] for entry in entries}) == 205


def test_keys_of_a_soft_deleted_device_stay_and_the_device_is_gone(lab: Make) -> None:
    made = lab()
    made.estate.entra_devices[1].soft_deleted = True
    made.endpoint.tenant.changed()
    assert number(0xD, 1) in {entry["deviceId"] for entry in made.values(KEYS)}
    assert number(0xD, 1) not in {entry["deviceId"] for entry in made.values("/v1.0/devices")}
    assert made.get(f"/v1.0/devices(deviceId='{number(0xD, 1)}')").status_code == 404
    assert made.get(f"/v1.0/devices/{number(0xA, 1)}").status_code == 404


def test_what_was_asked_is_on_record_without_the_token(lab: Make) -> None:
    made = lab()
    token = made.token(REVEAL)
    made.get(f"{KEYS}/{number(0xC, 0)}?$select=key", token=token)
    row = made.log()[-1]
    assert row["query"] == "$select=key"
    assert row["roles"] == ["AuditLog.Read.All", "BitlockerKey.Read.All"]
    assert row["status"] == 200
    assert {"user-agent", "ocp-client-name", "ocp-client-version", "authorization"} <= set(row["headers"])
    assert made.log("login")[-1]["credential"] == "secret"
    text = (made.endpoint.logs / "entra-requests.jsonl").read_text()
    assert token not in text
    assert PASSWORD not in text
    assert "lab-client-secret" not in text
    issued = made.endpoint.logs.parent / "issued-tokens"
    assert token in issued.read_text().split()
    assert issued.stat().st_mode & 0o077 == 0


def test_request_ids(lab: Make) -> None:
    made = lab()
    mine = number(0xF, 1)
    answer = made.get(KEYS, headers={"client-request-id": mine})
    assert answer.headers["client-request-id"] == mine
    refused = made.get(f"{KEYS}?$top=1", headers={"client-request-id": mine})
    inner = refused.json()["error"]["innerError"]
    assert inner["client-request-id"] == mine
    assert inner["request-id"] == refused.headers["request-id"]
    assert made.get(KEYS, headers={"client-request-id": "not a GUID"}).headers["client-request-id"] != "not a GUID"
    made.endpoint.tenant.behaviour.lower_innererror = True
    assert "innererror" in made.get(f"{KEYS}?$top=1").json()["error"]
