# SPDX-License-Identifier: GPL-3.0-or-later
"""The store against a scripted peer: what it asks for and what not, pages, owners, and every way in which a reading ends early."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import graph as graph_module
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import wire as wire_module
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.store import EntraStore
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import (
    DEVICES,
    KEYS,
    TENANT,
    Peer,
    Reply,
    error,
    token,
)

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
Made = Callable[..., EntraSettings]
TOKEN = f"/{TENANT}/oauth2/v2.0/token"


def device_id(number: int) -> str:
    return f"d0000000-0000-4000-8000-{number:012x}"


def key_id(number: int) -> str:
    return f"1a2b3c4d-0000-4000-8000-{number:012x}"


def device(number: int, **more: Any) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.device",
        "id": f"0b000000-0000-4000-8000-{number:012x}",
        "deviceId": device_id(number),
        "displayName": f"PC{number}",
        "operatingSystem": "Windows",
        "trustType": "AzureAd",
        "accountEnabled": True,
        "approximateLastSignInDateTime": "2026-11-20T08:00:00Z",
        "registrationDateTime": "2026-01-01T00:00:00Z",
        "someNewMember": {"of": ["an", "open", "type"]},
    } | more


def key(number: int, owner: int, **more: Any) -> dict[str, Any]:
    return {
        "id": key_id(number),
        "createdDateTime": "2026-10-01T10:11:12.1234567Z",
        "deviceId": device_id(owner),
        "volumeType": "operatingSystemVolume",
    } | more


def page(*rows: Any, next_link: Any = None) -> Reply:
    body: dict[str, Any] = {"@odata.context": "x", "@microsoft.graph.tips": "Use $select", "value": list(rows)}
    if next_link is not None:
        body["@odata.nextLink"] = next_link
    return Reply(body=body)


@contextmanager
def opened(settings: EntraSettings, timing: Timing, say: Callable[[str], None] | None = None) -> Iterator[EntraStore]:
    store = EntraStore(settings, now=NOW, timing=timing, progress=say)
    try:
        yield store
    finally:
        store.close()
        store.close()


def read(settings: EntraSettings, timing: Timing) -> StoreReading:
    with opened(settings, timing) as store:
        return store.read()


def ids(reading: StoreReading) -> list[str]:
    return sorted(entry.entry_id for entry in reading.entries)


# --- what is asked, and what is understood ------------------------------------------------------------------------------------------------


def test_a_reading_asks_for_metadata_with_the_headers_and_nothing_else(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1)))
    peer.on(KEYS, page(key(1, 1)))
    reading = read(made(), timing)
    assert (reading.state, reading.reason) == (StoreState.SEARCHED, "")
    of_keys, of_devices = peer.graph()
    assert of_keys.query == {"$select": "id,createdDateTime,deviceId,volumeType"}
    assert "$select=id,createdDateTime,deviceId,volumeType" in of_keys.target
    assert set(of_devices.query) == {"$select", "$top"}
    for request in (of_keys, of_devices):
        assert request.method == "GET"
        assert request.headers["authorization"] == f"Bearer {token(1)}"
        assert request.headers["user-agent"].startswith("keyward.bitlocker/")
        assert request.headers["ocp-client-name"] == "keyward.bitlocker"
        assert request.headers["ocp-client-version"]
        assert "cookie" not in request.headers
    assert len(peer.token_requests()) == 1


@pytest.mark.parametrize(("given", "known"), [(TENANT.upper(), TENANT), ("corp.example", None)])
def test_a_reading_says_which_tenant_it_comes_from(peer: Peer, made: Made, timing: Timing, given: str, known: str | None) -> None:
    base = f"/{given}/v2.0/.well-known/openid-configuration"
    found = {f"{name}_endpoint": f"{peer.url}/{TENANT}/oauth2/v2.0/{name}" for name in ("authorization", "token")}
    peer.on(base, Reply(body={"issuer": f"{peer.url}/{TENANT}/v2.0"} | found))
    assert read(made(tenant=given), timing).tenant == known


def test_owners_and_entries(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1, deviceId=device_id(1).upper()), device(2, trustType="ServerAd", displayName=None)))
    peer.on(KEYS, page(key(1, 1, id=key_id(1).upper()), key(2, 2, volumeType="2")))
    reading = read(made(), timing)
    one, two = sorted(reading.owners, key=lambda owner: owner.owner_id)
    assert (one.owner_id, one.name, one.location) == (device_id(1), "PC1", "device 0b000000-0000-4000-8000-000000000001")
    assert (one.enabled, one.in_scope, one.deleted, one.trust_type) == (True, True, False, "AzureAd")
    assert one.last_seen == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert (two.name, two.trust_type) == ("", "ServerAd")
    first, second = sorted(reading.entries, key=lambda entry: entry.entry_id)
    assert (first.entry_id, first.key_ids, first.owner_id) == (key_id(1), (key_id(1),), device_id(1))
    assert (first.created, first.volume_type) == (datetime(2026, 10, 1, 10, 11, 12, 123456, tzinfo=UTC), "os")
    assert second.volume_type == "fixed"
    assert not any(entry.deleted or entry.defects or entry.value or not entry.readable for entry in reading.entries)


def test_keys_of_a_device_that_is_not_listed_are_deleted(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1)))
    peer.on(KEYS, page(key(1, 1), key(2, 7), key(3, 7), key(4, 1, deviceId=None)))
    reading = read(made(), timing)
    lost = {owner.owner_id: owner for owner in reading.owners if owner.deleted}
    assert set(lost) == {device_id(7), "no device"}
    assert not any(owner.in_scope or owner.name for owner in lost.values())
    assert {entry.entry_id for entry in reading.entries if entry.deleted} == {key_id(2), key_id(3), key_id(4)}
    assert reading.state is StoreState.SEARCHED


def test_keys_are_read_before_devices_so_that_a_new_device_is_not_taken_for_a_deleted_one(peer: Peer, made: Made, timing: Timing) -> None:
    read(made(), timing)
    assert [request.path for request in peer.graph()] == [KEYS, DEVICES]


def test_two_hundred_keys_of_a_device_can_be_counted(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1)))
    half = [key(number, 1) for number in range(200)]
    # a page repeated in part must not make more of them
    peer.on(KEYS, page(*half[:120], next_link=f"{peer.url}{KEYS}?$skiptoken=2"), page(*half[100:]))
    reading = read(made(), timing)
    assert sum(entry.owner_id == device_id(1) for entry in reading.entries) == 200


def test_of_two_objects_with_one_device_id_the_enabled_one_counts(peer: Peer, made: Made, timing: Timing) -> None:
    late = "2026-11-21T08:00:00Z"
    peer.on(DEVICES, page(device(1, displayName="OLD", accountEnabled=False, approximateLastSignInDateTime=late), device(1)))
    (owner,) = read(made(), timing).owners
    assert owner.name == "PC1"


# --- pages --------------------------------------------------------------------------------------------------------------------------------


def test_pages_are_followed_as_they_are_linked_empty_ones_too(peer: Peer, made: Made, timing: Timing) -> None:
    links = [f"{peer.url}{KEYS}?$skiptoken=m~2%2Fx{number}&$select=id" for number in range(3)]
    peer.on(
        KEYS, page(key(1, 1), next_link=links[0]), page(next_link=links[1]), page(key(1, 1), key(2, 1), next_link=links[2]), page(key(3, 1))
    )
    reading = read(made(), timing)
    assert ids(reading) == [key_id(1), key_id(2), key_id(3)]
    requests = peer.graph(KEYS)
    assert [request.target for request in requests[1:]] == [link.removeprefix(peer.url) for link in links]
    assert all(request.headers["ocp-client-name"] for request in requests)


@pytest.mark.parametrize(
    "link",
    [
        "http://{host}/v1.0/x",
        "https://evil.example/v1.0/x",
        "https://localhost.evil.example:{port}/v1.0/x",
        "https://localhost:1/v1.0/x",
        "https://localhost/v1.0/x",
        "https://user@{host}/v1.0/x",
        "https://{host}/beta/x",
        "https://{host}/v1.0/../beta/x",
        "https://{host}\\@evil.example/v1.0/x",
        "//evil.example/v1.0/x",
        "/v1.0/x",
        "https://{host}/v1.0/x y",
        "https://{host}/v1.0/\u00e4",
        "https://[::1/v1.0/x",
        "https://localhost:99999999/v1.0/x",
        "",
        7,
        ["https://{host}/v1.0/x"],
        "https://{host}/v1.0/" + "x" * 20_000,
    ],
)
def test_a_link_elsewhere_is_not_followed_and_the_reading_is_partial(peer: Peer, made: Made, timing: Timing, link: Any) -> None:
    host = peer.url.removeprefix("https://")
    if isinstance(link, str):
        link = link.replace("{host}", host).replace("{port}", host.partition(":")[2])
    peer.on(KEYS, page(key(1, 1), next_link=link))
    peer.on(DEVICES, page(device(1)))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert ids(reading) == [key_id(1)]
    assert "next page" in reading.reason
    assert "evil" not in reading.reason
    assert len(peer.graph(KEYS)) == 1


def test_a_link_that_leads_back_is_a_loop(peer: Peer, made: Made, timing: Timing) -> None:
    there, back = f"{peer.url}{KEYS}?$skiptoken=1", f"{peer.url}{KEYS}?$skiptoken=2"
    peer.on(KEYS, page(key(1, 1), next_link=there), page(next_link=back), page(next_link=there))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert "leads back" in reading.reason
    assert len(peer.graph(KEYS)) == 3


def test_empty_pages_without_end_come_to_one(peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_module, "MAX_EMPTY_PAGES", 5)
    peer.on(KEYS, lambda request: page(next_link=f"{peer.url}{KEYS}?$skiptoken={len(peer.requests)}"))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert "does not come to an end" in reading.reason
    assert len(peer.graph(KEYS)) == 5


def test_devices_cut_short_make_no_owner_deleted(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, page(key(1, 1), key(2, 2)))
    peer.on(DEVICES, page(device(1), next_link=f"{peer.url}{DEVICES}?$skiptoken=2"), Reply(500, error("generalException")))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert not any(owner.deleted for owner in reading.owners)
    assert not any(entry.deleted for entry in reading.entries)
    assert not next(owner for owner in reading.owners if owner.owner_id == device_id(2)).in_scope


# --- a busy service -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503, 504])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Sun, 22 Nov 2026 20:00:09 GMT"}, 9.0),
        ({"Retry-After": "Sun, 22 Nov 2026 21:00:09 GMT", "Date": "Sun, 22 Nov 2026 21:00:05 GMT"}, 4.0),
        ({"Retry-After": "0"}, 0.2),
        ({}, 1.0),
        ({"Retry-After": "soon"}, 1.0),
        ({"Retry-After": "-5"}, 1.0),
    ],
)
def test_waits_as_it_is_asked(
    peer: Peer, made: Made, timing: Timing, waits: list[float], status: int, headers: dict[str, str], expected: float
) -> None:
    peer.on(KEYS, Reply(status, error("TooManyRequests"), headers), page(key(1, 1)))
    reading = read(made(), timing)
    assert reading.state is StoreState.SEARCHED
    assert len(reading.entries) == 1
    assert waits == [expected]


def test_without_a_time_the_waits_grow(peer: Peer, made: Made, timing: Timing, waits: list[float]) -> None:
    peer.on(KEYS, *[Reply(429, error("TooManyRequests"))] * 5, page(key(1, 1)))
    assert read(made(), timing).state is StoreState.SEARCHED
    assert waits == [1, 2, 4, 8, 16]


def test_patience_ends_and_what_was_read_remains(peer: Peer, made: Made, timing: Timing, waits: list[float]) -> None:
    link = f"{peer.url}{KEYS}?$skiptoken=2"
    peer.on(KEYS, page(key(1, 1), next_link=link), Reply(429, error("TooManyRequests"), {"Retry-After": "40"}))
    peer.on(DEVICES, page(device(1)))
    reading = read(made(throttle_wait=100), timing)
    assert reading.state is StoreState.PARTIAL
    assert "HTTP 429 TooManyRequests (request ID req-4711)" in reading.reason
    assert "throttle_wait" in reading.reason
    assert ids(reading) == [key_id(1)]
    assert waits == [40, 40]


def test_a_wait_longer_than_patience_is_not_begun(peer: Peer, made: Made, timing: Timing, waits: list[float]) -> None:
    peer.on(KEYS, Reply(429, error("TooManyRequests"), {"Retry-After": "99999999999999999999"}))
    peer.on(DEVICES, Reply(503, b"", {"Retry-After": "3600"}))
    reading = read(made(), timing)
    assert reading.state is StoreState.DOWN
    assert waits == []
    assert len(peer.graph()) == 2


def test_a_long_wait_is_told(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, Reply(429, None, {"Retry-After": "30"}), page())
    told: list[str] = []
    with opened(made(), timing, told.append) as store:
        store.read()
    assert told == ["Entra ID: the service asks for patience (HTTP 429), waiting 30 seconds"]


def test_a_fault_of_the_service_is_tried_a_few_times(peer: Peer, made: Made, timing: Timing, waits: list[float]) -> None:
    peer.on(KEYS, Reply(500, error("generalException")))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert len(peer.graph(KEYS)) == 3
    assert len(waits) == 2


def test_a_connection_that_broke_is_made_anew_once(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, Reply(drop=True), page(key(1, 1)))
    assert read(made(), timing).state is StoreState.SEARCHED
    peer.on(KEYS, Reply(drop=True))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert "closed the connection" in reading.reason


# --- rights and tokens --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["authorization_error", "Authorization_RequestDenied", "", None, "one with blanks"])
def test_no_right_to_keys_names_the_permission(peer: Peer, made: Made, timing: Timing, code: Any) -> None:
    peer.on(KEYS, Reply(403, {"error": {"code": code, "message": "no"}}))
    peer.on(DEVICES, page(device(1)))
    reading = read(made(), timing)
    assert reading.state is StoreState.NO_RIGHTS
    assert "the application permission BitlockerKey.ReadBasic.All" in reading.reason
    assert "Device.Read.All" not in reading.reason
    assert [owner.name for owner in reading.owners] == ["PC1"]


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"error": "text"}', b'{"error": {"code": {}}}', None])
def test_a_403_of_any_form_is_one(peer: Peer, made: Made, timing: Timing, body: Any) -> None:
    peer.on(KEYS, Reply(403, body))
    assert read(made(), timing).state is StoreState.NO_RIGHTS


def test_a_403_that_is_a_web_page_is_a_proxy(peer: Peer, made: Made, timing: Timing) -> None:
    html = {"Content-Type": "text/html"}
    peer.on(KEYS, Reply(403, b"<html>blocked</html>", html))
    peer.on(DEVICES, Reply(403, b"<html>blocked</html>", html))
    reading = read(made(), timing)
    assert reading.state is StoreState.DOWN
    assert "web page" in reading.reason


def test_no_right_to_devices_keeps_the_keys_and_calls_nothing_deleted(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, page(key(1, 1)))
    peer.on(DEVICES, Reply(403, error("Authorization_RequestDenied")))
    reading = read(made(), timing)
    assert reading.state is StoreState.NO_RIGHTS
    assert "Device.Read.All" in reading.reason
    assert ids(reading) == [key_id(1)]
    assert not any(owner.deleted or owner.in_scope for owner in reading.owners)


def test_a_claims_challenge_brings_a_new_token_with_the_claims(peer: Peer, made: Made, timing: Timing) -> None:
    claims = {"access_token": {"nbf": {"essential": True, "value": "1700000000"}}}
    encoded = base64.b64encode(json.dumps(claims).encode()).decode()
    challenge = f'Bearer realm="", authorization_uri="https://x/", error="insufficient_claims", claims="{encoded}"'
    peer.on(KEYS, Reply(401, error("InvalidAuthenticationToken"), {"WWW-Authenticate": challenge}), page(key(1, 1)))
    assert read(made(), timing).state is StoreState.SEARCHED
    first, second = peer.token_requests()
    assert "claims" not in first.form
    assert json.loads(second.form["claims"]) == claims
    assert [request.headers["authorization"] for request in peer.graph(KEYS)] == [f"Bearer {token(1)}", f"Bearer {token(2)}"]
    assert peer.graph(DEVICES)[0].headers["authorization"] == f"Bearer {token(2)}"


@pytest.mark.parametrize("challenge", ["", "Bearer", 'Bearer claims="%%%"', 'Bearer claims="bm8="', 'Bearer claims="////"'])
def test_a_refused_token_is_replaced_once_and_no_more(peer: Peer, made: Made, timing: Timing, challenge: str) -> None:
    peer.on(KEYS, Reply(401, error("InvalidAuthenticationToken"), {"WWW-Authenticate": challenge}))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert "does not accept the token" in reading.reason
    assert len(peer.graph(KEYS)) == 2
    assert not any("claims" in request.form for request in peer.token_requests())


def test_a_token_is_replaced_before_it_ends(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(TOKEN, Reply(body={"token_type": "Bearer", "expires_in": 600, "access_token": "short-lived"}))
    link = f"{peer.url}{KEYS}?$skiptoken=2"
    peer.on(KEYS, page(next_link=link), Reply(429, None, {"Retry-After": "299"}), page(), page())
    read(made(throttle_wait=1000), timing)
    assert len(peer.token_requests()) == 1
    peer.on(KEYS, page(next_link=link), Reply(429, None, {"Retry-After": "301"}), page(next_link=link + "3"), page())
    peer.requests.clear()
    read(made(throttle_wait=1000), timing)
    assert len(peer.token_requests()) == 2


# --- answers that are none ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(200, b"<html>sign in</html>", {"Content-Type": "text/html"}), "web page"),
        (Reply(200, b""), "empty"),
        (Reply(200, b"{"), "not what such a service says"),
        (Reply(200, b"[" * 100_000), "not what such a service says"),
        (Reply(200, b'{"value": ' + b"9" * 5000 + b"}"), "not what such a service says"),
        (Reply(200, b"\xff\xfe\x00"), "not what such a service says"),
        (Reply(200, []), "not what such a service says"),
        (Reply(200, {}), "no list"),
        (Reply(200, {"value": {}}), "no list"),
        (Reply(200, {"value": None}), "no list"),
        (Reply(204), "HTTP 204"),
        (Reply(302, None, {"Location": "https://evil.example/"}), "another address"),
        (Reply(400, error("BadRequest")), "HTTP 400 BadRequest"),
        (Reply(404, error("ResourceNotFound")), "HTTP 404"),
        (Reply(418, b"teapot"), "HTTP 418"),
        (Reply(200, {"value": []}, cut=True), "cut off"),
        (Reply(200, b"not gzip", {"Content-Encoding": "gzip"}), "unpacked"),
    ],
)
def test_what_is_no_answer_ends_a_reading(peer: Peer, made: Made, timing: Timing, reply: Reply, told: str) -> None:
    peer.on(KEYS, reply)
    peer.on(DEVICES, page(device(1)))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert told in reading.reason
    assert reading.entries == ()
    assert not any(request.path == "/" for request in peer.requests)


def test_an_answer_without_end_is_cut(peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "MAX_BODY", 100_000)
    peer.on(KEYS, Reply(200, b" " * 1_000_000))
    assert "longer than 100000 bytes" in read(made(), timing).reason


def test_an_answer_that_drips_is_given_up(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, Reply(200, b" " * 200, pace=0.05))
    assert "did not end within 1 seconds" in read(made(timeout=1), timing).reason


def test_a_service_that_hangs_is_given_up(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, Reply(hang=3))
    assert "did not answer in time" in read(made(timeout=1), timing).reason


def test_broken_rows_leave_the_others(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, page(7, key(1, 1), None, {"id": None}, {}, key(2, 1, id="not-a-guid", createdDateTime=5, volumeType=[], deviceId={})))
    peer.on(
        DEVICES, page("x", device(1), {"displayName": "nobody"}, device(2, displayName="\ud800<script>", approximateLastSignInDateTime="x"))
    )
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert ids(reading) == [key_id(1), "not-a-guid"]
    broken = next(entry for entry in reading.entries if entry.defects)
    assert (broken.key_ids, broken.owner_id, broken.created, broken.volume_type) == ((), "no device", None, None)
    names = {owner.owner_id: owner.name for owner in reading.owners}
    assert names[device_id(2)] == "?<script>"


@pytest.mark.parametrize(
    "row",
    [{}, {"id": None}, {"id": [36]}, key(9, 1, id=""), key(9, 1, deviceId="x"), key(9, 1, deviceId=[36]), key(9, 1, deviceId=7)],
)
def test_a_row_that_does_not_say_whose_it_is_makes_the_rest_unknown(peer: Peer, made: Made, timing: Timing, row: dict[str, Any]) -> None:
    peer.on(KEYS, page(key(1, 1), row))
    peer.on(DEVICES, page(device(1)))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert key_id(1) in ids(reading)


@pytest.mark.parametrize(
    "row", [{}, device(2, id=None, deviceId=None), device(2, deviceId="x"), device(2, deviceId=[36]), device(2, deviceId=7)]
)
def test_a_device_without_its_ids_makes_no_other_device_deleted(peer: Peer, made: Made, timing: Timing, row: dict[str, Any]) -> None:
    peer.on(KEYS, page(key(1, 1), key(2, 2)))
    peer.on(DEVICES, page(device(1), row))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert not any(owner.deleted for owner in reading.owners)


def test_names_that_are_hidden_do_not_exist(peer: Peer, made: Made, timing: Timing) -> None:
    with opened(made(), timing) as store:
        assert store.name_hidden([device_id(1)]).entries == ()
        assert store.name_hidden([device_id(1)]).not_searched == frozenset()
    assert peer.requests == []


@pytest.mark.parametrize(
    ("more", "in_scope"),
    [
        ({}, True),
        ({"operatingSystem": "Windows Server 2022"}, True),
        ({"operatingSystem": "windows"}, True),
        ({"operatingSystem": "iOS"}, False),
        ({"operatingSystem": None}, False),
        ({"trustType": "Workplace"}, False),
        ({"trustType": "AzureAD"}, True),
        ({"trustType": None}, False),
        ({"accountEnabled": False}, False),
        ({"accountEnabled": None}, True),
        ({"approximateLastSignInDateTime": (NOW - timedelta(days=89)).isoformat()}, True),
        ({"approximateLastSignInDateTime": (NOW - timedelta(days=91)).isoformat()}, False),
        ({"approximateLastSignInDateTime": None, "registrationDateTime": (NOW - timedelta(days=91)).isoformat()}, False),
        ({"approximateLastSignInDateTime": None, "registrationDateTime": None}, True),
        ({"approximateLastSignInDateTime": "0001-01-01T00:00:00Z", "registrationDateTime": NOW.isoformat()}, True),
        ({"deviceId": None}, True),
    ],
)
def test_which_devices_count(peer: Peer, made: Made, timing: Timing, more: dict[str, Any], in_scope: bool) -> None:
    peer.on(DEVICES, page(device(1, **more)))
    (owner,) = read(made(), timing).owners
    assert owner.in_scope is in_scope


def test_the_scope_is_an_option(peer: Peer, made: Made, timing: Timing) -> None:
    rows = [
        device(1, trustType="Workplace"),
        device(2),
        device(3, trustType="Workplace", approximateLastSignInDateTime="2020-01-01T00:00:00Z"),
    ]
    peer.on(DEVICES, page(*rows))
    reading = read(made(trust_types=["Workplace"], max_idle_days=0), timing)
    assert [owner.in_scope for owner in sorted(reading.owners, key=lambda owner: owner.name)] == [True, False, True]
