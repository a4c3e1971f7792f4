# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab answers as Graph's metadata describes its resources: members, kinds, null, context and type, errors, tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.described import GRAPH_JSON, LISTS, TYPES, strange_error, strange_object
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import (
    KEYS,
    METADATA,
    NOTHING,
    PERSON,
    REVEAL,
    SECRET,
    Lab,
    entry,
    number,
)

Make = Callable[..., Lab]
MANAGED = "/v1.0/deviceManagement/managedDevices"
AUDITS = "/v1.0/auditLogs/directoryAudits"
SINGLES = {
    f"{KEYS}/{number(0xC, 2)}": "bitlockerRecoveryKey",
    f"/v1.0/devices/{number(0xA, 1)}": "device",
    f"/v1.0/devices(deviceId='{number(0xD, 1)}')": "device",
    f"{MANAGED}/{number(0xE, 1)}": "managedDevice",
}


def context_of(lab: Lab, path: str, select: str = "", *, one: bool = False) -> str:
    """What the answer of a path has to name."""
    version, _unused, name = path.removeprefix("/").partition("/")
    name = next(known for known in LISTS if path.startswith(known)).partition("/v1.0/")[2] if one else name
    return f"{lab.endpoint.url}/{version}/$metadata#{name}" + (f"({select})" if select else "") + ("/$entity" if one else "")


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("path", LISTS)
def test_lists(lab: Make, path: str, typed: bool) -> None:
    made = lab(devices=8, keys=9, key_page=4, device_page=3, managed_page=3, typed=typed)
    few = [name for name in list(TYPES[LISTS[path]])[:5] if name != "key"]
    for select in ("", ",".join(few)):
        link: str | None = path + (f"?$select={select}" if select else "")
        while link:
            answer = made.get(link)
            body = answer.json()
            assert answer.headers["Content-Type"] == GRAPH_JSON
            assert answer.headers["OData-Version"] == "4.0"
            assert body["@odata.context"] == context_of(made, path, select)
            assert set(body) <= {"@odata.context", "@odata.count", "@odata.nextLink", "value"}
            for row in body["value"]:
                assert list(strange_object(row, LISTS[path], few if select else None, typed=typed)) == []
            link = body.get("@odata.nextLink")


@pytest.mark.parametrize("path", SINGLES)
def test_single_objects(lab: Make, path: str) -> None:
    made = lab()
    for select in ("", "id"):
        answer = made.get(path + (f"?$select={select}" if select else ""))
        body = answer.json()
        assert answer.headers["Content-Type"] == GRAPH_JSON
        assert body["@odata.context"] == context_of(made, path, select, one=True)
        assert list(strange_object(body, SINGLES[path], [select] if select else None)) == []


@pytest.mark.parametrize("path", LISTS)
def test_every_member_can_be_selected(lab: Make, path: str) -> None:
    made = lab(devices=1, keys=1)
    for name in TYPES[LISTS[path]]:
        answer = made.get(f"{path}?$select={name}")
        assert answer.status_code == 200, name
        found = [member for member in answer.json()["value"][0] if "@" not in member]
        # a list never brings a key
        assert found == ([] if name == "key" else [name])


@pytest.mark.parametrize("form", ["everything", "alone"])
def test_a_key_comes_with_everything_else_or_alone(lab: Make, form: str) -> None:
    made = lab(select_key=form)
    path = f"{KEYS}/{number(0xC, 2)}"
    body = made.get(f"{path}?$select=key", client=REVEAL).json()
    wanted = list(TYPES["bitlockerRecoveryKey"]) if form == "everything" else ["key"]
    assert list(strange_object(body, "bitlockerRecoveryKey", wanted)) == []
    assert body["@odata.context"] == context_of(made, path, "" if form == "everything" else "key", one=True)


def test_audit_records(lab: Make) -> None:
    made = lab()
    for client in (REVEAL, PERSON):
        token = made.token(REVEAL) if client == REVEAL else _persons_token(made)
        made.get(f"{KEYS}/{number(0xC, 1)}?$select=key", token=token)
    rows = made.values(AUDITS, client=REVEAL)
    assert len(rows) == 2
    for row in rows:
        assert list(strange_object(row, "directoryAudit", None)) == []


def _persons_token(lab: Lab) -> str:
    scope = f"{lab.endpoint.url}/BitlockerKey.Read.All"
    begun = lab.session.post(f"{lab.endpoint.authority}/oauth2/v2.0/devicecode", data={"client_id": PERSON, "scope": scope})
    form = {"client_id": PERSON, "device_code": begun.json()["device_code"], "grant_type": "urn:ietf:params:oauth:grant-type:device_code"}
    answers = [lab.session.post(f"{lab.endpoint.authority}/oauth2/v2.0/token", data=form) for _unused in range(2)]
    return str(answers[-1].json()["access_token"])


@pytest.mark.parametrize("typed", [True, False])
def test_errors(lab: Make, typed: bool) -> None:
    made = lab(typed=typed)
    refused: dict[str, tuple[int, dict[str, Any]]] = {
        f"{KEYS}?$top=1": (400, {}),
        f"{KEYS}/{number(9, 9)}": (404, {}),
        "/v1.0/users": (400, {}),
        "/v1.0/devices": (403, {"client": NOTHING}),
        MANAGED: (401, {"token": "none"}),
    }
    for path, (status, more) in refused.items():
        answer = made.get(path, **more)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/json"
        assert list(strange_error(answer.json(), typed=typed)) == []
    written = made.session.post(made.endpoint.url + KEYS, headers={"Authorization": f"Bearer {made.token()}"})
    # RFC 9110 15.5.6
    assert (written.status_code, written.headers["Allow"]) == (405, "GET")


def test_batches(lab: Make) -> None:
    made = lab()
    urls = {"1": KEYS.removeprefix("/v1.0") + "?$select=id", "2": f"/devices/{number(0xA, 1)}", "3": "/users"}
    replies = {reply["id"]: reply for reply in made.batch(*(entry(name, url) for name, url in urls.items())).json()["responses"]}
    assert [replies[name]["headers"]["Content-Type"] for name in urls] == [GRAPH_JSON, GRAPH_JSON, "application/json"]
    assert [list(strange_object(row, "bitlockerRecoveryKey", ["id"])) for row in replies["1"]["body"]["value"]] == [[]] * 5
    assert list(strange_object(replies["2"]["body"], "device", None)) == []
    assert list(strange_error(replies["3"]["body"])) == []


def test_answers_of_the_token_endpoint(lab: Make) -> None:
    made = lab()
    given = made.ask_token(client_id=METADATA, client_secret=SECRET)
    # RFC 6749 5.1
    assert {"access_token", "token_type", "expires_in"} <= set(given.json())
    assert given.json()["token_type"].lower() == "bearer"
    assert isinstance(given.json()["expires_in"], int)
    refused = made.ask_token(client_id=METADATA, client_secret="wrong")
    # RFC 6749 5.2
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    for answer in (given, refused):
        assert "no-store" in answer.headers["Cache-Control"]
        assert answer.headers["Pragma"] == "no-cache"
        assert answer.headers["Content-Type"].startswith("application/json")


# --- positive controls ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"createdDateTime": None}, None),
        ({"createdDateTime": "2026-01-01T00:00:00"}, None),
        ({"volumeType": "1"}, None),
        ({"volumeType": 1}, None),
        ({"deviceId": 7}, None),
        ({"computerName": "x"}, None),
        ({"@odata.type": "#microsoft.graph.device"}, None),
        ({}, ["id"]),
        ({}, ["id", "createdDateTime", "deviceId", "volumeType", "key"]),
    ],
)
def test_the_check_catches(changes: dict[str, Any], wanted: list[str] | None) -> None:
    row = {
        "@odata.type": "#microsoft.graph.bitlockerRecoveryKey",
        "id": number(1, 1),
        "createdDateTime": "2026-01-01T00:00:00.1234567Z",
        "deviceId": None,
        "volumeType": "fixedDataVolume",
    }
    assert list(strange_object(row, "bitlockerRecoveryKey", None)) == []
    assert list(strange_object(row | changes, "bitlockerRecoveryKey", wanted))
