# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's store against the lab's tenant over HTTPS: what it reads is what the lab says can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.store import EntraStore
from ansible_collections.keyward.bitlocker.tests.lab.entra import EntraEndpoint, Fault, accounts, read_log, start
from ansible_collections.keyward.bitlocker.tests.lab.entra.behaviour import throttled
from ansible_collections.keyward.bitlocker.tests.lab.estate.enrolments import said_of
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenant_view import in_scope, see_tenant
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.described import LISTS, TYPES, strange_object
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import run

NOW = datetime.now(UTC).replace(microsecond=0)
Endpoint = tuple[EntraEndpoint, dict[str, Any], accounts.CredentialFiles]


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Endpoint]:
    """The tenant of a generated estate, and the options of the report's application without its credential."""
    estate = generate(7, 60, now=NOW, entra=True)
    files = accounts.write_credentials(estate, tmp_path / "credentials")
    ca = LabCA(tmp_path / "ca")
    with start(estate, ca, tmp_path / "logs", address="127.0.88.1", port=0, identity_port=0) as endpoint:
        options = {
            "tenant": estate.entra_tenant_id,
            "client_id": accounts.client_named(estate, accounts.REPORT).client_id,
            "authority": endpoint.url,
            "graph_url": endpoint.url,
            "ca_cert": str(ca.ca_pem),
            "proxy": "none",
        }
        yield endpoint, options, files


def reading(options: dict[str, Any], **more: Any) -> StoreReading:
    """What the store brings."""
    store = EntraStore(EntraSettings.from_options({**options, **more}), now=NOW)
    try:
        return store.read()
    finally:
        store.close()


def by_secret(tenant: Endpoint, application: str = accounts.REPORT, **more: Any) -> StoreReading:
    """The same as one of the tenant's applications, by its secret."""
    endpoint, options, _files = tenant
    client = accounts.client_named(endpoint.tenant.estate, application)
    return reading(options, auth_method="client_secret", secret=client.secret, **{"client_id": client.client_id, **more})


def check(tenant: Endpoint, read: StoreReading) -> None:
    """Hold a reading against what the lab says can be seen."""
    estate = tenant[0].tenant.estate
    seen = see_tenant(estate, None)
    live = [owner for owner in read.owners if not owner.deleted]
    assert read.state is StoreState.SEARCHED
    assert {owner.owner_id for owner in live} == {device.device_id for device in seen.devices}
    assert {owner.owner_id for owner in live if owner.in_scope} == {d.device_id for d in seen.devices if in_scope(d, estate.now)}
    assert {owner.name for owner in live} == {device.display_name for device in seen.devices}
    held = [(entry.owner_id, *entry.key_ids) for entry in read.entries if not entry.deleted]
    assert sorted(held) == sorted((entry.owner, *entry.key_ids) for entry in seen.entries)
    assert {entry.key_ids[0] for entry in read.entries if entry.deleted} == seen.lost


def test_every_credential_reads_the_same(tenant: Endpoint) -> None:
    _endpoint, options, files = tenant
    check(tenant, by_secret(tenant))
    with_certificate = partial(reading, options, auth_method="certificate")
    check(tenant, with_certificate(x509_certificate_path=str(files.certificate_pem)))
    check(tenant, with_certificate(x509_certificate_path=str(files.certificate_pfx), certificate_password=files.pfx_password))
    check(tenant, reading(options, auth_method="federated_token", federated_token_file=str(files.federated_token)))


@pytest.mark.parametrize("settings", [{}, {"managed_page": 3, "empty_pages": True}, {"extra_members": True, "typed": False, "gzip": False}])
def test_what_intune_says(tenant: Endpoint, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        setattr(tenant[0].tenant.behaviour, name, value)
    read = by_secret(tenant, intune=True)
    check(tenant, read)
    assert read.intune is not None
    assert (read.intune.state, read.intune.reason) == (StoreState.SEARCHED, "")
    enrolments = tenant[0].tenant.estate.entra_managed
    told = {owner.owner_id: owner.intune for owner in read.owners}
    assert {len([item for item in enrolments if item.azure_ad_device_id == device_id]) for device_id in told} == {0, 1, 2}
    for device_id, facts in told.items():
        said = said_of(enrolments, device_id)
        assert (facts is None) is (said is None)
        if facts is not None and said is not None:
            assert (facts.encrypted, facts.last_sync, facts.enrolments) == (said.encrypted, said.last_sync, said.enrolments)


def test_without_the_permission_for_intune_the_rest_is_whole(tenant: Endpoint) -> None:
    client = accounts.client_named(tenant[0].tenant.estate, accounts.REPORT)
    client.app_roles.remove("DeviceManagementManagedDevices.Read.All")
    read = by_secret(tenant, intune=True)
    check(tenant, read)
    assert read.intune is not None
    assert read.intune.state is StoreState.NO_RIGHTS
    assert "DeviceManagementManagedDevices.Read.All" in read.intune.reason
    assert not any(owner.intune for owner in read.owners)


def test_a_report_asks_for_no_key_and_leaves_no_record(tenant: Endpoint) -> None:
    by_secret(tenant)
    endpoint = tenant[0]
    rows = [row for row in read_log(endpoint.logs) if row["side"] == "graph"]
    assert rows
    assert all("key" not in row["query"].partition("$select=")[2].partition("&")[0].split(",") for row in rows)
    assert all("BitlockerKey.Read.All" not in row["roles"] for row in rows)
    assert endpoint.tenant.audit_records() == []


def test_requests_name_what_graph_describes(tenant: Endpoint) -> None:
    by_secret(tenant, intune=True)
    asked = [row for row in read_log(tenant[0].logs) if row["side"] == "graph"]
    assert {row["path"] for row in asked} == set(LISTS)
    for row in asked:
        options = dict(option.partition("=")[::2] for option in row["query"].split("&"))
        assert set(options["$select"].split(",")) <= set(TYPES[LISTS[row["path"]]])
        assert set(options) <= {"$select", "$skiptoken"} | ({"$top"} if row["path"] == "/v1.0/devices" else set())


@pytest.mark.parametrize("seed", [1, 42])
def test_a_generated_tenant_answers_as_graph_describes(tmp_path: Path, seed: int) -> None:
    estate = generate(seed, 80, now=NOW, entra=True)
    lab = run(tmp_path, estate)
    client = accounts.client_named(estate, accounts.REPORT)
    token = lab.ask_token(client_id=client.client_id, client_secret=client.secret or "").json()["access_token"]
    try:
        for path, kind in LISTS.items():
            answer = lab.get(path, token=token).json()
            assert answer["value"]
            assert [why for row in answer["value"] for why in strange_object(row, kind, None)] == []
    finally:
        lab.session.close()
        lab.endpoint.stop()


@pytest.mark.parametrize(
    "settings",
    [
        {"volume_type": "digit", "key_page": 7, "device_page": 3},
        {"volume_type": "number", "empty_pages": True},
        {"duplicates": True, "extra_members": True, "null_key": True},
        {"typed": False, "lower_innererror": True, "gzip": False},
        {"claims_challenge": True},
        {"faults": [Fault(kind="expired", after=1, times=1), Fault(kind="status", retry_after="date:0", after=2, times=2)]},
    ],
)
def test_every_form_reads_the_same(tenant: Endpoint, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        setattr(tenant[0].tenant.behaviour, name, value)
    check(tenant, by_secret(tenant))


@pytest.mark.parametrize("link", ["loop", "foreign", "http", "other_port", "other_version", "credentials", "relative", "number"])
def test_a_link_that_cannot_be_followed_makes_the_reading_partial(tenant: Endpoint, link: str) -> None:
    tenant[0].tenant.behaviour.next_link = link
    assert by_secret(tenant).state is StoreState.PARTIAL


@pytest.mark.parametrize("kind", ["truncated", "empty", "not_json", "array", "redirect", "wrong_types"])
def test_a_spoiled_page_makes_the_reading_partial(tenant: Endpoint, kind: str) -> None:
    # for good: what breaks once may be asked for again
    tenant[0].tenant.behaviour.faults.append(Fault(kind=kind, match="recoveryKeys", after=1))
    assert by_secret(tenant).state is StoreState.PARTIAL


def test_faults_of_the_whole_store(tenant: Endpoint) -> None:
    assert by_secret(tenant, accounts.NO_RIGHTS).state is StoreState.NO_RIGHTS
    tenant[0].tenant.behaviour.faults += throttled()
    assert by_secret(tenant, throttle_wait=1).state is StoreState.DOWN
    tenant[0].stop()
    assert by_secret(tenant).state is StoreState.DOWN
