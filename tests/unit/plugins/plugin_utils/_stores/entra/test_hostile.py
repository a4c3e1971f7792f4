# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that lie, gateways that guess, odd numbers: each ends in a state with a reason, and none in "there is nothing"."""

from __future__ import annotations

import gzip
import json
import logging
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import graph as graph_module
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import wire as wire_module
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.lookup import EntraLookup, Found
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.reader import EntraReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.store import EntraStore
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import (
    CLIENT_SECRET,
    DEVICES,
    KEYS,
    TENANT,
    Peer,
    Reply,
    error,
)
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.test_store import (
    device,
    device_id,
    key,
    key_id,
    page,
)

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
Made = Callable[..., EntraSettings]
TOKEN = f"/{TENANT}/oauth2/v2.0/token"


def read(settings: EntraSettings, timing: Timing) -> StoreReading:
    store = EntraStore(settings, now=NOW, timing=timing)
    try:
        return store.read()
    finally:
        store.close()


def find(settings: EntraSettings, timing: Timing, devices: list[str], key_ids: list[str]) -> Found:
    reader = EntraReader(settings, now=NOW, timing=timing)
    try:
        return EntraLookup(reader).find(devices, key_ids)
    finally:
        reader.close()


# --- links --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/v1.0/%2e%2e/beta/x", "/v1.0/%2E%2E/beta/x", "/v1.0/.%2e/beta/x", "/v1.0/%2e./beta/x", "/v1.0/a/%2e%2e/%2e%2e/beta/x", "/v1.0/.."],
)
def test_a_version_is_not_left_by_dots_in_disguise(peer: Peer, made: Made, timing: Timing, path: str) -> None:
    peer.on(KEYS, page(key(1, 1), next_link=f"{peer.url}{path}?a=1"))
    assert read(made(), timing).state is StoreState.PARTIAL
    assert {request.path for request in peer.graph()} == {KEYS, DEVICES}
    assert not [request for request in peer.requests if request.path.startswith("/beta")]


def test_port_zero_is_another_port(made: Made, timing: Timing) -> None:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.graph import Graph

    graph = Graph(made(graph_url="https://graph.microsoft.com"), None, None)  # type: ignore[arg-type]  # nothing is sent
    assert graph._is_ours("https://graph.microsoft.com:443/v1.0/x")
    assert not graph._is_ours("https://graph.microsoft.com:0/v1.0/x")


@pytest.mark.parametrize(
    "query", ["$select=key", "$skiptoken=2&$select=id,key", "%24select=id%2Ckey%2CdeviceId", "$Select=id,+Key", "$%73elect=%6Bey"]
)
def test_no_link_makes_a_list_ask_for_keys(peer: Peer, made: Made, timing: Timing, query: str) -> None:
    peer.on(KEYS, page(key(1, 1), next_link=f"{peer.url}{KEYS}?{query}"))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert "asks for keys themselves" in reading.reason
    assert len(peer.graph(KEYS)) == 1


@pytest.mark.parametrize("query", ["$select=id,createdDateTime,deviceId,volumeType&$skiptoken=key", "$skiptoken=2&$select=keyId,monkey"])
def test_a_link_that_asks_for_metadata_is_followed(peer: Peer, made: Made, timing: Timing, query: str) -> None:
    peer.on(KEYS, page(key(1, 1), next_link=f"{peer.url}{KEYS}?{query}"), page(key(2, 1)))
    peer.on(DEVICES, page(device(1)))
    reading = read(made(), timing)
    assert (reading.state, len(reading.entries)) == (StoreState.SEARCHED, 2)


@pytest.mark.parametrize("name", ["@nextLink", "odata.nextLink", "@odata.nextlink", "nextLink"])
def test_a_link_of_another_name_is_no_end_of_the_list(peer: Peer, made: Made, timing: Timing, name: str) -> None:
    peer.on(KEYS, Reply(body={"value": [key(1, 1)], name: f"{peer.url}{KEYS}?$skiptoken=2"}))
    peer.on(DEVICES, page(device(1)))
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL


# --- what is said with 200 and with 404 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [[], [key(1, 1)]])
def test_an_error_beside_a_list_is_an_error(peer: Peer, made: Made, timing: Timing, rows: list[Any]) -> None:
    peer.on(KEYS, Reply(body=error("InternalError") | {"value": rows}))
    peer.on(DEVICES, page(device(1)))
    assert read(made(), timing).state is StoreState.PARTIAL


@pytest.mark.parametrize(
    "reply", [Reply(404, b"<html>not here</html>", {"Content-Type": "text/html"}), Reply(404, b""), Reply(404, b"{}"), Reply(404, [])]
)
def test_a_gateway_that_finds_nothing_does_not_mean_that_there_is_no_key(peer: Peer, made: Made, timing: Timing, reply: Reply) -> None:
    peer.on(f"{KEYS}/{key_id(1)}", reply)
    found = find(made(), timing, [], [key_id(1)])
    assert found.state is not StoreState.SEARCHED
    assert found.reason


def test_graph_that_finds_nothing_does(peer: Peer, made: Made, timing: Timing) -> None:
    found = find(made(), timing, [], [key_id(1)])
    assert (found.state, found.not_found) == (StoreState.SEARCHED, (key_id(1),))


# --- sizes --------------------------------------------------------------------------------------------------------------------------------


def packed(text: bytes, times: int) -> bytes:
    for _unused in range(times):
        text = gzip.compress(text, 9)
    return text


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_bomb_is_put_out_early(peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    monkeypatch.setattr(wire_module, "MAX_BODY", 1_000_000)
    bomb = packed(b'{"value": [' + b" " * 30_000_000 + b"]}", times)
    peer.on(KEYS, Reply(200, bomb, {"Content-Encoding": ", ".join(["gzip"] * times)}))
    peer.on(DEVICES, page(device(1)))
    tracemalloc.start()
    try:
        reading = read(made(), timing)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reading.state is StoreState.PARTIAL
    assert most < 15_000_000


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "x", "gzip;q=1"])
def test_what_was_not_asked_for_is_not_unpacked(peer: Peer, made: Made, timing: Timing, encoding: str) -> None:
    peer.on(KEYS, Reply(200, packed(b'{"value": []}', encoding.count("gzip")), {"Content-Encoding": encoding}))
    peer.on(DEVICES, page(device(1)))
    assert "unpacked" in read(made(), timing).reason
    assert {request.headers["accept-encoding"] for request in peer.requests} == {"gzip"}


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", " gzip "])
def test_gzip_in_one_piece_or_several(peer: Peer, made: Made, timing: Timing, encoding: str) -> None:
    text = json.dumps({"value": [key(1, 1)]}).encode()
    peer.on(KEYS, Reply(200, gzip.compress(text), {"Content-Encoding": encoding}))
    peer.on(DEVICES, Reply(200, gzip.compress(b'{"value"') + gzip.compress(b": []}"), {"Content-Encoding": encoding}))
    reading = read(made(), timing)
    assert reading.state is StoreState.SEARCHED
    assert len(reading.entries) == 1


@pytest.mark.parametrize("cut", [1, 8, 12])
def test_a_packed_answer_that_was_cut_off_is_none(peer: Peer, made: Made, timing: Timing, cut: int) -> None:
    peer.on(KEYS, Reply(200, gzip.compress(b'{"value": []}')[:-cut], {"Content-Encoding": "gzip"}))
    peer.on(DEVICES, page(device(1)))
    assert read(made(), timing).state is StoreState.PARTIAL


def test_a_packed_answer_that_drips_is_read_or_given_up(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, Reply(200, gzip.compress(b'{"value": []}'), {"Content-Encoding": "gzip"}, pace=0.005))
    assert read(made(), timing).state is StoreState.SEARCHED


@pytest.mark.parametrize("body", [b'{"value": [' + b"{}," * 3_000_000 + b"{}]}", b'{"value": [' + b"[]," * 3_000_000 + b"[]]}"])
def test_a_page_of_millions_is_none(peer: Peer, made: Made, timing: Timing, body: bytes) -> None:
    peer.on(KEYS, Reply(200, gzip.compress(body, 1), {"Content-Encoding": "gzip"}))
    peer.on(DEVICES, page(device(1)))
    tracemalloc.start()
    try:
        reading = read(made(), timing)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reading.state is StoreState.PARTIAL
    assert most < 60_000_000


@pytest.mark.parametrize("how", ["plain", "packed"])
def test_a_page_that_was_cut_off_once_is_asked_for_again(peer: Peer, made: Made, timing: Timing, how: str) -> None:
    whole, packing = gzip.compress(b'{"value": []}'), {"Content-Encoding": "gzip"}
    cut = Reply(200, {"value": []}, cut=True) if how == "plain" else Reply(200, whole[:-5], packing)
    peer.on(KEYS, cut, page(key(1, 1)))
    peer.on(DEVICES, page(device(1)))
    reading = read(made(), timing)
    assert reading.state is StoreState.SEARCHED
    assert len(reading.entries) == 1
    peer.on(KEYS, cut, cut, page(key(1, 1)))
    assert "cut off" in read(made(), timing).reason


@pytest.mark.parametrize("body", [b'{"value": [], "x": NaN}', b'{"value": [], "x": -Infinity}'])
def test_what_is_no_json_is_none(peer: Peer, made: Made, timing: Timing, body: bytes) -> None:
    peer.on(KEYS, Reply(200, body))
    peer.on(DEVICES, page(device(1)))
    assert read(made(), timing).state is StoreState.PARTIAL


# --- tokens -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lives", ["1e400", "-1e400", "NaN", "1" + "0" * 400, "-5", "0", "true", "null", '"soon"', "{}"])
def test_a_token_that_lives_for_no_time_at_all(peer: Peer, made: Made, timing: Timing, lives: str) -> None:
    peer.on(TOKEN, Reply(200, b'{"token_type": "Bearer", "access_token": "made-up", "expires_in": %s}' % lives.encode()))
    peer.on(DEVICES, page(device(1)))
    reading = read(made(), timing)
    assert reading.state in (StoreState.SEARCHED, StoreState.DOWN)
    assert len(peer.requests) < 12


def test_tokens_that_are_refused_again_and_again(peer: Peer, made: Made, timing: Timing) -> None:
    """Each page refuses the token it was shown first: that is a loop, however it looks."""
    shown: set[str] = set()

    def refusing(request: Any) -> Reply:
        known = request.headers["authorization"] in shown and request.target in shown
        shown.update((request.headers["authorization"],))
        if not known and request.target not in shown:
            shown.add(request.target)
            return Reply(401, error("InvalidAuthenticationToken"))
        return page(key(len(shown), 1), next_link=f"{peer.url}{KEYS}?$skiptoken={len(shown)}")

    peer.on(KEYS, refusing)
    reading = read(made(), timing)
    assert reading.state is StoreState.PARTIAL
    assert "does not accept the token" in reading.reason
    assert len(peer.token_requests()) <= 2 + graph_module.MAX_RENEWALS


# --- patience -----------------------------------------------------------------------------------------------------------------------------


def test_patience_is_what_was_given_however_often_it_is_asked_for(peer: Peer, made: Made, timing: Timing, waits: list[float]) -> None:
    peer.on(KEYS, *[Reply(429, error("TooManyRequests"), {"Retry-After": "2"})] * 30, page(key(1, 1)))
    peer.on(DEVICES, page(device(1)))
    assert read(made(), timing).state is StoreState.SEARCHED
    assert len(waits) == 30
    assert sum(waits) <= 300


def test_a_service_that_says_now_and_means_never_is_not_hammered(peer: Peer, made: Made, timing: Timing, waits: list[float]) -> None:
    peer.on(KEYS, Reply(429, error("TooManyRequests"), {"Retry-After": "0"}))
    peer.on(DEVICES, page(device(1)))
    assert read(made(), timing).state is StoreState.PARTIAL
    assert len(peer.graph(KEYS)) < 40
    assert 200 < sum(waits) <= 300


def test_both_lists_have_one_patience(peer: Peer, made: Made, timing: Timing, waits: list[float]) -> None:
    busy = Reply(503, b"", {"Retry-After": "60"})
    peer.on(KEYS, busy, page(key(1, 1)))
    peer.on(DEVICES, busy)
    assert read(made(throttle_wait=150), timing).state is StoreState.PARTIAL
    assert waits == [60, 60]


# --- logs ---------------------------------------------------------------------------------------------------------------------------------


def test_no_secret_in_the_most_talkative_log(peer: Peer, made: Made, timing: Timing, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    peer.on(KEYS, Reply(401, error("InvalidAuthenticationToken")), page(key(1, 1)))
    read(made(intune=True), timing)
    assert caplog.records
    for secret in (CLIENT_SECRET, "made-up-token", "Bearer "):
        assert secret not in caplog.text


def test_deflated_without_a_name_is_not_guessed(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, Reply(200, zlib.compress(b'{"value": []}')))
    peer.on(DEVICES, page(device(1)))
    assert read(made(), timing).state is StoreState.PARTIAL


def test_a_key_of_a_device_is_not_lost_with_its_device(peer: Peer, made: Made, timing: Timing) -> None:
    """The devices' list fails for one device and not for another: nothing is called deleted, whichever way round."""
    peer.on(f"{KEYS}/{key_id(1)}", Reply(body=key(1, 1)))
    peer.on(DEVICES, Reply(500))
    found = find(made(), timing, [], [key_id(1)])
    assert found.state is StoreState.PARTIAL
    assert [(entry.owner_id, entry.deleted) for entry in found.entries] == [(device_id(1), False)]


# --- single objects -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"value": {}}, error("InternalError"), key(2, 1), {"id": None}, {"value": [key(1, 1)]}])
def test_an_answer_that_is_not_the_key_asked_for_is_no_absence(peer: Peer, made: Made, timing: Timing, body: dict[str, Any]) -> None:
    peer.on(f"{KEYS}/{key_id(1)}", Reply(body=body))
    found = find(made(), timing, [], [key_id(1)])
    assert (found.entries, found.not_found) == ((), (key_id(1),))
    assert found.state is not StoreState.SEARCHED
    assert found.reason


@pytest.mark.parametrize("body", [{}, error("InternalError"), device(2), {"value": [device(1)]}])
def test_an_answer_that_is_not_the_device_asked_for_is_no_absence(peer: Peer, made: Made, timing: Timing, body: dict[str, Any]) -> None:
    object_id = device(1)["id"]
    peer.on(f"{DEVICES}/{object_id}", Reply(body=body))
    found = find(made(), timing, [object_id], [])
    assert found.state is StoreState.PARTIAL
    assert found.not_found == (object_id,)


def test_a_name_that_can_be_written_nowhere_is_nobodys(peer: Peer, made: Made, timing: Timing) -> None:
    found = find(made(), timing, ["PC\ud800", "'"], [])
    assert (found.state, found.not_found) == (StoreState.SEARCHED, ("PC\ud800", "'"))
    assert [request.query["$filter"] for request in peer.graph(DEVICES)] == ["displayName eq 'PC?'", "displayName eq ''''"]
