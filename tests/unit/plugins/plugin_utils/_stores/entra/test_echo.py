# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers that repeat what they were told in confidence, or that put recovery passwords where names belong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import MASK
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import parse
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.answer import (
    Answer,
    error_code,
    word,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.echo import Confided
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.reader import EntraReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.store import EntraStore
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import (
    CLIENT_SECRET,
    DEVICES,
    KEYS,
    PASSWORD,
    TENANT,
    Peer,
    Reply,
    token,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
Made = Callable[..., EntraSettings]
TOKEN = f"/{TENANT}/oauth2/v2.0/token"
BEARER = "abc.DEF-0123_456/789+secret=="
HEADERS = {"Authorization": f"Bearer {BEARER}"}


@pytest.mark.parametrize(
    "said",
    [
        BEARER,
        quote(BEARER, safe=""),
        base64.b64encode(BEARER.encode()).decode(),
        base64.b64encode(b"x" + HEADERS["Authorization"].encode()).decode(),
    ],
    ids=["as it is", "percent-encoded", "base64", "base64 of the header"],
)
def test_a_token_does_not_come_back(said: str) -> None:
    confided = Confided()
    assert confided.sent(HEADERS, None)
    answer = Answer(400, {"request-id": f"x{said}y"}, json.dumps({"error": {"code": said, "message": f"you said {said}!"}}).encode())
    cleaned = confided.without(answer, tokens=True)
    assert said.strip("=")[4:-4].encode() not in cleaned.body
    assert said.strip("=")[4:-4] not in cleaned.headers["request-id"]
    assert MASK.encode() in cleaned.body
    assert error_code(cleaned) == ""
    assert isinstance(json.loads(cleaned.body), dict)


def test_a_token_service_may_give_the_same_token_again() -> None:
    confided = Confided()
    confided.sent(HEADERS, None)
    assert not confided.sent({"Metadata": "true"}, {"client_secret": CLIENT_SECRET})
    answer = Answer(200, {}, json.dumps({"access_token": BEARER, "told": CLIENT_SECRET}).encode())
    assert json.loads(confided.without(answer, tokens=False).body) == {"access_token": BEARER, "told": MASK}


@pytest.mark.parametrize("name", ["client_secret", "client_assertion", "device_code", "refresh_token"])
@pytest.mark.parametrize("given_as", [str, str.encode])
def test_fields_that_prove_something_do_not_come_back(name: str, given_as: Callable[[str], Any]) -> None:
    confided = Confided()
    confided.sent({}, {name: given_as("made-up-proof-4711"), "client_id": "not secret at all", "scope": "neither is this"})
    answer = Answer(400, {}, b'{"error_description": "not secret at all, neither is this: made-up-proof-4711"}')
    assert confided.without(answer, tokens=False).body == b'{"error_description": "not secret at all, neither is this: <keyward secret>"}'


@pytest.mark.parametrize("name", ["X-IDENTITY-HEADER", "secret"])
def test_the_secret_of_an_identity_endpoint_does_not_come_back(name: str) -> None:
    confided = Confided()
    confided.sent({name: "0123456789abcdef"}, None)
    assert word(json.loads(confided.without(Answer(401, {}, b'{"error": "0123456789abcdef"}'), tokens=False).body)["error"]) == ""


def test_what_repeats_nothing_is_not_copied() -> None:
    confided = Confided()
    confided.sent(HEADERS, {"client_secret": CLIENT_SECRET})
    body = bytes(range(256)) * 10
    assert confided.without(Answer(200, {}, body), tokens=True).body is body


def test_short_values_are_left_alone() -> None:
    confided = Confided()
    confided.sent({"Authorization": "Bearer x"}, {"client_secret": "value"})
    assert confided.without(Answer(200, {}, b'{"value": "x"}'), tokens=True).body == b'{"value": "x"}'


@pytest.mark.parametrize("mark", ["-", " ", "", "\u2011", " - "])
def test_texts_that_are_shown_hold_no_recovery_password(mark: str) -> None:
    spelled = PASSWORD.replace("-", mark)
    assert parse.text(f"PC01 {spelled} old") == f"PC01 {MASK} old"
    assert word(spelled) == ""
    entry = parse.parse_entry({"id": spelled, "deviceId": spelled, "volumeType": spelled})
    assert entry is not None
    assert "123453" not in repr(entry)
    owner = parse.parse_owner(
        {"id": "0b000000-0000-4000-8000-00000000000a", "displayName": spelled, "trustType": spelled}, parse.Scope(now=NOW)
    )
    assert owner is not None
    assert "123453" not in repr(owner)


@pytest.mark.parametrize("plain", ["1a2b3c4d-0000-4000-8000-000000000001", "0" * 64, "PC-000001-000002-000003", "1" * 47])
def test_other_texts_stay(plain: str) -> None:
    assert parse.text(plain) == plain


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=1100))
def test_any_text_is_taken(value: str) -> None:
    assert parse.text(value) is None or len(parse.text(value) or "") <= 1024 + len(MASK)


def test_a_graph_that_puts_the_token_everywhere(peer: Peer, made: Made, timing: Timing) -> None:
    said = token(1)
    row = {"id": f"{said}", "deviceId": "d0000000-0000-4000-8000-000000000001", "volumeType": said}
    device = {
        "id": "0b000000-0000-4000-8000-000000000001",
        "deviceId": "d0000000-0000-4000-8000-000000000001",
        "displayName": f"PC {said}",
        "operatingSystem": "Windows",
        "trustType": said,
    }
    peer.on(KEYS, Reply(body={"value": [row]}))
    peer.on(DEVICES, Reply(body={"value": [device], "@odata.nextLink": f"{peer.url}/v1.0/devices?$skiptoken={said}"}))
    store = EntraStore(made(), now=NOW, timing=timing)
    try:
        reading = store.read()
    finally:
        store.close()
    assert said not in repr(reading)
    assert [owner.name for owner in reading.owners] == [f"PC {MASK}"]
    assert "the link to the next page is none" in reading.reason


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_a_graph_that_refuses_with_the_token(peer: Peer, made: Made, timing: Timing, status: int) -> None:
    said = token(1)
    body = {"error": {"code": said, "message": said, "innerError": {"request-id": said}}}
    peer.on(KEYS, Reply(status, body, {"request-id": said, "Retry-After": said}))
    peer.on(DEVICES, Reply(status, body, {"x-ms-request-id": said}))
    store = EntraStore(made(throttle_wait=0), now=NOW, timing=timing)
    try:
        reading = store.read()
    finally:
        store.close()
    assert reading.reason
    assert said not in repr(reading).replace(token(2), "")
    assert "made-up-token" not in repr(reading)


def test_a_token_service_that_refuses_with_the_secret(peer: Peer, made: Made, timing: Timing) -> None:
    said = "made-up.client-Secret_0815"
    peer.on(TOKEN, Reply(401, {"error": said, "error_description": said, "correlation_id": said}))
    reader = EntraReader(made(secret=said), now=NOW, timing=timing)
    with pytest.raises(KeywardError) as refused:
        reader.connect()
    assert said not in f"{refused.value} {vars(refused.value)}"
