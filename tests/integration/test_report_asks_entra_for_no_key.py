# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole report runs ask the tenant for metadata alone, in requests that Graph documents, and leave no record in its audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.graph import (
    KEYS,
    GraphClient,
    asked_for_keys,
    audit,
    options_of,
    strange_requests,
)
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Run, Watch, play, task
from ansible_collections.keyward.bitlocker.tests.lab.entra import accounts
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab

MANAGED = "/v1.0/deviceManagement/managedDevices"
ABLE = "an application that may read every key"
#: what each run is told beside the lab's variables
RUNS: dict[str, dict[str, Any]] = {
    "json": {"keyward_formats": ["json"]},
    "two copies, every format": {"keyward_copies": 2, "keyward_formats": ["json", "csv", "html", "md"]},
    ABLE: {},
}
Seen = dict[str, tuple[Run, list[dict[str, Any]], list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def seen(hybrid: Lab, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Each run with the requests that the tenant got, and the audit when it was over."""
    assert hybrid.entra is not None
    found: Seen = {}
    for name, variables in RUNS.items():
        # an account that could get keys shall not be given any either
        able = {"keyward_entra": hybrid.entra.options(accounts.REVEAL) | {"intune": False}} if name == ABLE else {}
        watch = Watch(hybrid)
        given: dict[str, Any] = {**variables, **able}
        run = Player(tmp_path_factory.mktemp("run"), hybrid).report(**given).no_traceback()
        rows = watch.stop().entra()
        found[name] = run, rows, audit(hybrid)
    return found


@pytest.mark.parametrize("name", RUNS)
def test_no_key_is_asked_for_and_none_was_read(seen: Seen, name: str) -> None:
    run, rows, records = seen[name]
    assert run.code == 0, run.output
    assert run.report["stores"]["entra"]["state"] == "searched"
    assert asked_for_keys(rows) == []
    assert records == []


@pytest.mark.parametrize("name", RUNS)
def test_every_request_is_one_that_graph_documents(seen: Seen, name: str) -> None:
    _run, rows, _records = seen[name]
    asked = [row for row in rows if row["side"] == "graph"]
    # the application of the last run may not read Intune, and is not told to
    assert {row["path"] for row in asked} == {KEYS, "/v1.0/devices"} | (set() if name == ABLE else {MANAGED})
    assert strange_requests(rows) == []
    assert {(row["status"], row["error"]) for row in rows} == {(200, None)}
    # several pages were read to their end
    assert sum("$skiptoken" in options_of(row) for row in asked) >= 3


@pytest.mark.parametrize("name", RUNS)
def test_one_token_a_run_and_only_by_what_was_given(seen: Seen, name: str) -> None:
    _run, rows, _records = seen[name]
    assert [row["credential"] for row in rows if row["path"].endswith("/token")] == ["secret"]
    roles = {tuple(row["roles"]) for row in rows if row["side"] == "graph"}
    wanted = accounts.REVEAL_ROLES if name == ABLE else accounts.METADATA_ROLES
    assert roles == {tuple(sorted(wanted))}


# --- positive controls ------------------------------------------------------------------------------------------------------------------


def test_graph_refuses_the_reports_application_a_key(hybrid: Lab) -> None:
    before = audit(hybrid)
    key = hybrid.estate.entra_keys[0]
    watch = Watch(hybrid)
    status, body = GraphClient(hybrid).get(f"{KEYS}/{key.key_id}?$select=key")
    assert status == 403
    assert body["error"]["code"] == "authorization_error"
    assert key.password not in str(body)
    assert audit(hybrid) == before
    # and the check sees that somebody tried
    assert len(asked_for_keys(watch.entra())) == 1


def test_a_revealed_key_leaves_a_record_and_is_seen(hybrid: Lab, tmp_path: Path) -> None:
    assert hybrid.entra is not None
    before = audit(hybrid)
    key = hybrid.estate.entra_keys[0]
    watch = Watch(hybrid)
    asked = {"key_id": [key.key_id], "reveal": True, "reason": "control", "audit_file": str(tmp_path / "audit.jsonl")}
    module = task("Reveal", "entra_recovery_key_info", hybrid.entra.options(accounts.REVEAL) | asked)
    run = Player(tmp_path, hybrid).play([play("localhost", module)]).no_traceback()
    assert run.code == 0, run.output
    rows = watch.stop().entra()
    assert [row["path"] for row in asked_for_keys(rows)] == [f"{KEYS}/{key.key_id}"]
    assert strange_requests(rows) == []
    (record,) = [record for record in audit(hybrid) if record not in before]
    assert record["activityDisplayName"] == "Read BitLocker key"
    assert record["targetResources"][0]["displayName"] == key.key_id
    client = accounts.client_named(hybrid.estate, accounts.REVEAL)
    assert record["initiatedBy"]["app"]["appId"] == client.client_id


GUID = "00000000-0000-4000-8000-000000000001"
HEADERS = ["authorization", "user-agent", "ocp-client-name", "ocp-client-version"]


def row(path: str, query: str = "", *, method: str = "GET", headers: list[str] | None = None) -> dict[str, Any]:
    return {"side": "graph", "method": method, "path": path, "query": query, "headers": HEADERS if headers is None else headers}


@pytest.mark.parametrize(
    "asked",
    [
        row("/v1.0/bitlocker/recoveryKeys"),
        row("/beta/informationProtection/bitlocker/recoveryKeys"),
        row(KEYS, method="POST"),
        row(KEYS, "$top=999"),
        row(KEYS, "$orderby=createdDateTime"),
        row(KEYS, "$select=id,key"),
        row(KEYS, "$select=key"),
        row(KEYS, "$select=id,computerName"),
        row(KEYS, "$filter=startswith(deviceId,'0')"),
        row(KEYS, f"$filter=deviceId eq {GUID}"),
        row(KEYS, "$select=id", headers=["authorization", "user-agent"]),
        row(KEYS, "$select=id", headers=HEADERS[1:]),
        row(f"{KEYS}/{GUID}", "$select=key,id"),
        row("/v1.0/devices", "$top=1000"),
        row("/v1.0/devices", "$top=0"),
        row("/v1.0/devices", "$select=serialNumber"),
        row("/v1.0/devices", "$filter=trustType eq 'AzureAd'"),
        row("/v1.0/deviceManagement/managedDevices", "$filter=isEncrypted eq false"),
        row("/v1.0/users"),
    ],
    ids=lambda row: f"{row['method']} {row['path']}?{row['query']}",
)
def test_the_check_of_requests_catches(asked: dict[str, Any]) -> None:
    assert strange_requests([asked])


def test_the_check_of_requests_lets_documented_ones_pass() -> None:
    good = [
        row(KEYS),
        row(KEYS, f"$filter=deviceId eq '{GUID}'&$select=id,createdDateTime,deviceId,volumeType&$skiptoken=a.b"),
        row(f"{KEYS}/{GUID}", "$select=key"),
        row("/v1.0/devices", "$select=id,deviceId&$top=999"),
        row("/v1.0/devices", "$filter=displayName eq 'O''Brien & Sons'&$top=1"),
        row(f"/v1.0/devices/{GUID}", "$select=id"),
        row("/v1.0/deviceManagement/managedDevices", f"$filter=azureADDeviceId eq '{GUID}'&$select=isEncrypted,lastSyncDateTime"),
    ]
    assert strange_requests(good) == []
    assert asked_for_keys(good) == [good[2]]


@pytest.mark.parametrize("query", ["$select=key", "$select=id,key", "$select=KEY", "$filter=a&$select=id, key", "$select=key&$skiptoken=x"])
def test_the_check_of_keys_catches_every_spelling(query: str) -> None:
    assert asked_for_keys([row(f"{KEYS}/{GUID}", query)])
