# SPDX-License-Identifier: GPL-3.0-or-later
"""The store against the lab's tenant, which shares no code with it: every form that the documentation leaves open, every identity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import AuthorizationError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.lookup import EntraLookup
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.reader import OWN_DEVICES_REASON, EntraReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.store import EntraStore
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
from ansible_collections.keyward.bitlocker.tests.lab.entra import Fault
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import (
    METADATA,
    NOTHING,
    NOW,
    PASSWORD,
    PERSON,
    REVEAL,
    SECRET,
    TENANT,
    Lab,
    certificate_pem,
    federated,
    key_pair,
    number,
    private_pem,
    run,
    tenant,
)

DEVICES, KEYS = 7, 23


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    started: list[Lab] = []

    def make(**behaviour: Any) -> Lab:
        started.append(run(tmp_path / str(len(started)), tenant(devices=DEVICES, keys=KEYS, **behaviour)))
        return started[-1]

    yield make
    for item in started:
        item.session.close()
        item.endpoint.stop()


def settings(lab: Lab, client: str = METADATA, **more: Any) -> EntraSettings:
    given = {"auth_method": "client_secret", "tenant": TENANT, "client_id": client, "secret": SECRET, "timeout": 5, "proxy": "none"}
    addresses = {"authority": lab.endpoint.url, "graph_url": lab.endpoint.url, "ca_cert": str(lab.ca.ca_pem)}
    return EntraSettings.from_options(given | addresses | more)


def read(lab: Lab, timing: Timing, client: str = METADATA, **more: Any) -> StoreReading:
    store = EntraStore(settings(lab, client, **more), now=NOW, timing=timing, progress=lambda _text: None)
    try:
        return store.read()
    finally:
        store.close()


@contextmanager
def looking(lab: Lab, timing: Timing, client: str) -> Iterator[EntraLookup]:
    reader = EntraReader(settings(lab, client), now=NOW, timing=timing, values=True, progress=lambda _text: None)
    try:
        yield EntraLookup(reader)
    finally:
        reader.close()


def whole(lab: Lab, reading: StoreReading) -> None:
    """Hold a reading against the estate."""
    assert (reading.state, reading.reason) == (StoreState.SEARCHED, "")
    owners = {owner.owner_id: owner for owner in reading.owners}
    assert {owner_id: (owner.name, owner.trust_type, owner.enabled, owner.last_seen) for owner_id, owner in owners.items()} == {
        item.device_id: (item.display_name, item.trust_type, item.account_enabled, item.approximate_last_sign_in)
        for item in lab.estate.entra_devices
    }
    assert {entry.entry_id: (entry.owner_id, entry.created, entry.volume_type) for entry in reading.entries} == {
        item.key_id: (item.device_id, item.created, ("os", "fixed", "removable")[(item.volume_type or 1) - 1])
        for item in lab.estate.entra_keys
    }
    assert len(reading.entries) == KEYS
    assert not any("$select=key" in row["query"].split("&") for row in lab.log())


@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"key_page": 1, "device_page": 1},
        {"key_page": 5, "empty_pages": True, "duplicates": True},
        {"volume_type": "digit", "typed": False, "gzip": False},
        {"volume_type": "number", "extra_members": True},
        {"null_key": True, "unsupported_query": "ignore", "ocp_headers": "optional", "unknown_device": "refuse"},
        {"claims_challenge": True},
        {"faults": [{"kind": "status", "match": "/v1.0/", "times": 3, "retry_after": "2"}]},
        {"faults": [{"kind": "status", "match": "/v1.0/", "times": 3, "retry_after": "date:3"}]},
        {"faults": [{"kind": "status", "match": "/v1.0/", "times": 2, "status": 503}]},
        {"key_page": 3, "faults": [{"kind": "expired", "match": "recoveryKeys", "after": 2, "times": 1}]},
        {"key_page": 3, "faults": [{"kind": "reset", "match": "recoveryKeys", "after": 2, "times": 1}]},
        {"faults": [{"kind": "status", "match": "/token", "times": 2, "retry_after": "2"}]},
    ],
    ids=str,
)
def test_every_form_reads_the_same(lab: Callable[..., Lab], timing: Timing, behaviour: dict[str, Any]) -> None:
    made = lab(**behaviour)
    whole(made, read(made, timing))
    assert all(row["status"] in (200, 401, 429, 503) or row["fault"] for row in made.log())


@pytest.mark.parametrize("link", ["loop", "foreign", "http", "other_port", "other_version", "credentials", "relative", "number"])
def test_a_link_that_is_not_right_is_not_followed(lab: Callable[..., Lab], timing: Timing, link: str) -> None:
    made = lab(key_page=5, next_link=link)
    reading = read(made, timing)
    assert reading.state is StoreState.PARTIAL
    assert 5 <= len(reading.entries) < KEYS
    assert {row["path"].split("/")[1] for row in made.log()} == {"v1.0"}


@pytest.mark.parametrize(
    "kind", ["html", "truncated", "empty", "not_json", "array", "wrong_types", "bomb", "endless", "hang", "redirect", "status", "expired"]
)
def test_a_second_page_that_goes_wrong_keeps_the_first(lab: Callable[..., Lab], timing: Timing, kind: str) -> None:
    made = lab(key_page=5, faults=[Fault(kind=kind, match="recoveryKeys", after=1)])
    reading = read(made, timing, timeout=1)
    assert reading.state is StoreState.PARTIAL
    assert len(reading.entries) >= 5
    assert len(reading.reason) < 600


def test_without_permissions(lab: Callable[..., Lab], timing: Timing) -> None:
    made = lab()
    reading = read(made, timing, NOTHING)
    assert reading.state is StoreState.NO_RIGHTS
    assert "BitlockerKey.ReadBasic.All" in reading.reason
    assert "Device.Read.All" in reading.reason


@pytest.mark.parametrize("code", ["", "authorization_error", "Authorization_RequestDenied"])
def test_keys_without_devices(lab: Callable[..., Lab], timing: Timing, code: str) -> None:
    made = lab(forbidden_code=code)
    reading = read(made, timing, REVEAL)
    assert reading.state is StoreState.NO_RIGHTS
    assert len(reading.entries) == KEYS
    assert not any(owner.deleted for owner in reading.owners)


def test_a_soft_deleted_device(lab: Callable[..., Lab], timing: Timing) -> None:
    made = lab()
    made.estate.entra_devices[0].soft_deleted = True
    gone = made.estate.entra_devices[0].device_id
    reading = read(made, timing)
    assert [owner.owner_id for owner in reading.owners if owner.deleted] == [gone]
    assert {entry.owner_id for entry in reading.entries if entry.deleted} == {gone}


@pytest.mark.parametrize("form", ["flat", "wrapped"])
@pytest.mark.parametrize("brings", ["everything", "alone"])
def test_a_key_itself(lab: Callable[..., Lab], timing: Timing, form: str, brings: str) -> None:
    made = lab(single_get=form, select_key=brings)
    made.estate.entra_clients[1].app_roles.append("Device.Read.All")
    with looking(made, timing, REVEAL) as lookup:
        found = lookup.find([], [number(0xC, 3)])
        assert (found.state, len(found.entries)) == (StoreState.SEARCHED, 1)
        assert lookup.reveal(found.entries[0]).value == Secret(PASSWORD)
        assert len(lookup.find(["PC003"], []).entries) == 3
        assert len(lookup.find([number(0xA, 3)], []).entries) == 3
        assert len(lookup.find([], ["0000000c"]).entries) == KEYS
        assert lookup.find(["nobody"], []).not_found == ("nobody",)
    assert not [row for row in made.log() if row["status"] == 400]


@pytest.mark.parametrize("form", ["forbidden", "without_key"])
def test_a_key_itself_without_the_permission(lab: Callable[..., Lab], timing: Timing, form: str) -> None:
    made = lab(read_basic_select=form)
    with looking(made, timing, METADATA) as lookup:
        found = lookup.find([], [number(0xC, 3)])
        with pytest.raises(AuthorizationError, match=r"BitlockerKey\.Read\.All"):
            lookup.reveal(found.entries[0])


def test_every_identity(lab: Callable[..., Lab], timing: Timing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lab()
    (tmp_path / "own.pem").write_text(private_pem(key_pair()) + certificate_pem(), encoding="ascii")
    (tmp_path / "token").write_text(federated(), encoding="ascii")
    whole(made, read(made, timing, auth_method="certificate", x509_certificate_path=str(tmp_path / "own.pem")))
    whole(made, read(made, timing, auth_method="federated_token", federated_token_file=str(tmp_path / "token")))
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", made.endpoint.identity_url)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    whole(made, read(made, timing, auth_method="managed_identity", client_id=None, proxy=None, tenant=None))
    made.estate.entra_clients[3].scopes.append("BitlockerKey.ReadBasic.All")
    reading = read(made, timing, PERSON, auth_method="device_code")
    assert (reading.state, reading.reason) == (StoreState.PARTIAL, OWN_DEVICES_REASON)
    assert len(reading.entries) == KEYS


def test_a_person_sees_own_devices_only_and_that_is_told(lab: Callable[..., Lab], timing: Timing) -> None:
    made = lab()
    made.estate.entra_clients[3].user_is_admin = False
    made.estate.entra_clients[3].scopes.append("BitlockerKey.ReadBasic.All")
    reading = read(made, timing, PERSON, auth_method="device_code")
    assert (reading.state, reading.reason) == (StoreState.PARTIAL, OWN_DEVICES_REASON)
    assert 0 < len(reading.entries) < KEYS
