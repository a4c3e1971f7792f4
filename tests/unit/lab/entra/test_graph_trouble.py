# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on purpose: throttling, batches, links, bodies, connections."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from ansible_collections.keyward.bitlocker.tests.lab.entra import Behaviour, Fault
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import (
    CLIENT_HEADERS,
    KEYS,
    REVEAL,
    Lab,
    entry,
    number,
)

Make = Callable[..., Lab]
RELATIVE = "/informationProtection/bitlocker/recoveryKeys"


def test_throttling_with_and_without_a_time_to_wait(lab: Make) -> None:
    faults = [
        Fault(kind="status", status=429, retry_after="2", times=1),
        Fault(kind="status", status=503, retry_after="date:30", after=1, times=1),
        Fault(kind="status", status=504, after=2, times=1),
    ]
    made = lab(faults=faults)
    first, second, third, fourth = (made.get(KEYS) for _unused in range(4))
    assert (first.status_code, first.headers["Retry-After"], first.json()["error"]["code"]) == (429, "2", "TooManyRequests")
    assert second.status_code == 503
    ahead = email.utils.parsedate_to_datetime(second.headers["Retry-After"]).timestamp() - time.time()
    assert 25 < ahead <= 31
    assert (third.status_code, "Retry-After" in third.headers) == (504, False)
    assert fourth.status_code == 200
    assert [row["fault"] for row in made.log()] == ["status"] * 3 + [None]


def test_a_fault_strikes_where_and_as_often_as_it_should() -> None:
    fault = Fault(kind="status", match="devices", after=1, every=2, times=2)
    struck = [fault.strikes(path) for path in ("/v1.0/devices", "/v1.0/x", *["/v1.0/devices"] * 6)]
    assert struck == [False, False, True, False, True, False, False, False]


def test_a_batch_answers_each_entry_by_itself_in_another_order(lab: Make) -> None:
    made = lab(keys=19, faults=[Fault(kind="status", match=number(0xC, 4), retry_after="7", times=1)])
    entries = [entry(str(index), f"{RELATIVE}/{number(0xC, index)}?$select=key") for index in range(19)]
    answer = made.batch(*entries, entry("missing", f"{RELATIVE}/{number(0xF, 1)}"), client=REVEAL)
    assert answer.status_code == 200
    responses = {response["id"]: response for response in answer.json()["responses"]}
    assert list(responses) != [item["id"] for item in entries] + ["missing"]
    assert responses["4"]["status"] == 429
    assert responses["4"]["headers"]["Retry-After"] == "7"
    assert responses["missing"]["status"] == 404
    assert all(responses[str(index)]["body"]["key"] for index in range(19) if index != 4)
    assert len(made.endpoint.tenant.audit_records()) == 18
    rows = made.log()
    assert [row["path"] for row in rows if row["batch"] is None] == ["/v1.0/$batch"]
    assert {row["batch"] for row in rows if row["batch"] is not None} == {*map(str, range(19)), "missing"}


def test_the_envelopes_headers_do_not_count_for_entries(lab: Make) -> None:
    made = lab()
    answer = made.batch({"id": "1", "method": "GET", "url": RELATIVE}, entry("2", RELATIVE[1:]), {**entry("3", "/devices"), "headers": {}})
    assert {response["id"]: response["status"] for response in answer.json()["responses"]} == {"1": 400, "2": 200, "3": 200}


def test_links_in_a_batch_are_absolute_and_work(lab: Make) -> None:
    made = lab(keys=5, key_page=2)
    response = made.batch(entry("1", RELATIVE)).json()["responses"][0]
    assert made.get(response["body"]["@odata.nextLink"]).status_code == 200


def test_what_depends_on_a_failure_fails(lab: Make) -> None:
    made = lab()
    entries = [entry("a", "/nonsense"), entry("b", RELATIVE, dependsOn=["a"]), entry("c", RELATIVE, dependsOn=[]), entry("d", RELATIVE)]
    statuses = {response["id"]: response["status"] for response in made.batch(*entries).json()["responses"]}
    assert statuses == {"a": 400, "b": 424, "c": 200, "d": 200}


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [entry(str(index), RELATIVE) for index in range(21)],
        [entry("a", RELATIVE), entry("A", RELATIVE)],
        [{"id": "1", "method": "GET"}],
        [{"id": 1, "method": "GET", "url": RELATIVE}],
        [entry("1", "https://other.example/x")],
        [entry("1", "/$batch")],
        [entry("1", RELATIVE, dependsOn=["2"])],
        [entry("1", RELATIVE, nonsense=1)],
        [{"id": "1", "method": "POST", "url": "/devices", "body": {}}],
        ["text"],
    ],
)
def test_malformed_batches_are_refused_as_a_whole(lab: Make, entries: list[Any]) -> None:
    made = lab()
    assert made.batch(*entries).status_code == 400
    assert all(row["batch"] is None for row in made.log())


def test_writing_is_refused(lab: Make) -> None:
    made = lab()
    headers = {**CLIENT_HEADERS, "Authorization": f"Bearer {made.token()}"}
    for method in ("POST", "DELETE", "PATCH", "PUT"):
        assert made.session.request(method, made.endpoint.url + KEYS, headers=headers).status_code == 405
    assert made.session.get(f"{made.endpoint.url}/v1.0/$batch", headers=headers).status_code == 405


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("foreign", "https://graph.attacker.example/v1.0/"),
        ("http", "http://127.0.87.1"),
        ("other_version", "/v2.0/"),
        ("other_port", ":9/v1.0"),
        ("credentials", "@graph.attacker.example/"),
        ("relative", "/v1.0/inf"),
    ],
)
def test_links_that_lead_elsewhere(lab: Make, kind: str, expected: str) -> None:
    link = lab(key_page=2, next_link=kind).get(KEYS).json()["@odata.nextLink"]
    assert expected in link.replace("/v1.0/informationProtection", "/v1.0/inf")


def test_links_that_loop_and_links_that_never_end(lab: Make) -> None:
    for keys in (2, 20):
        made = lab(keys=keys, key_page=3, next_link="loop")
        links = [page["@odata.nextLink"] for page, _unused in zip(made.pages(KEYS), range(6), strict=False)]
        assert len(set(links)) < len(links)
    made = lab(keys=2, next_link="endless")
    links = [page["@odata.nextLink"] for page, _unused in zip(made.pages(KEYS), range(6), strict=False)]
    assert len(set(links)) == 6


def test_empty_pages_and_duplicates(lab: Make) -> None:
    made = lab(keys=5, key_page=2, empty_pages=True)
    pages = list(made.pages(KEYS))
    assert [len(page["value"]) for page in pages] == [2, 0, 2, 0, 1]
    made = lab(keys=5, key_page=2, duplicates=True)
    ids = [item["id"] for item in made.values(KEYS)]
    assert len(ids) == 7
    assert len(set(ids)) == 5


def test_spoiled_bodies(lab: Make) -> None:
    kinds = ("html", "empty", "not_json", "array", "wrong_types", "redirect", "expired")
    made = lab(keys=50, faults=[Fault(kind=kind, after=index, times=1) for index, kind in enumerate(kinds)])
    html, empty, not_json, array, wrong, redirect, expired = (made.get(KEYS) for _unused in kinds)
    assert (html.status_code, html.headers["Content-Type"].startswith("text/html")) == (502, True)
    assert (empty.status_code, empty.content) == (200, b"")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        not_json.json()
    assert array.json() == [[]]
    assert isinstance(wrong.json()["value"][0]["id"], list)
    assert (redirect.status_code, redirect.headers["Location"]) == (307, "https://graph.attacker.example/v1.0/devices")
    assert expired.status_code == 401
    assert len(made.get(KEYS).json()["value"]) == 50


def test_a_body_that_ends_early_a_closed_connection_and_silence(lab: Make) -> None:
    made = lab(
        keys=50, faults=[Fault(kind="truncated", times=1), Fault(kind="reset", after=1, times=1), Fault(kind="hang", after=2, times=1)]
    )
    token = made.token()
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        made.get(KEYS, token=token)
    with pytest.raises(requests.exceptions.ConnectionError):
        made.get(KEYS, token=token)
    headers = {**CLIENT_HEADERS, "Authorization": f"Bearer {token}"}
    with pytest.raises(requests.exceptions.ReadTimeout):
        made.session.get(made.endpoint.url + KEYS, headers=headers, timeout=0.3)
    assert made.get(KEYS, token=token).status_code == 200


def test_a_small_body_that_unpacks_into_a_large_one_and_one_without_end(lab: Make) -> None:
    made = lab(faults=[Fault(kind="bomb", times=1), Fault(kind="endless", after=1, times=1), Fault(kind="slow", seconds=0.2, after=2)])
    headers = {**CLIENT_HEADERS, "Authorization": f"Bearer {made.token()}"}
    with made.session.get(made.endpoint.url + KEYS, headers=headers, stream=True, timeout=10) as bomb:
        assert int(bomb.headers["Content-Length"]) < 1024 * 1024
        assert sum(len(chunk) for chunk, _unused in zip(bomb.iter_content(1 << 20), range(48), strict=False)) > 40 << 20
    with made.session.get(made.endpoint.url + KEYS, headers=headers, stream=True, timeout=10) as endless:
        assert sum(len(chunk) for chunk, _unused in zip(endless.iter_content(1 << 16), range(100), strict=False)) > 1 << 20
    begun = time.monotonic()
    assert made.get(KEYS).status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_only_its_own_name_and_tls_reach_it(lab: Make) -> None:
    made = lab()
    assert made.get(KEYS, headers={"Host": "graph.microsoft.com"}).status_code == 421
    with requests.Session() as stranger:
        stranger.trust_env = False
        with pytest.raises(requests.exceptions.SSLError):
            stranger.get(made.endpoint.url + KEYS)
    deadline = time.monotonic() + 5
    while '"event": "tls_failed"' not in (made.endpoint.logs / "entra-requests.jsonl").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_answers_are_packed_where_the_client_takes_it(lab: Make) -> None:
    made = lab(keys=100)
    assert made.get(KEYS).headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in made.get(KEYS, headers={"Accept-Encoding": "identity"}).headers


def test_unknown_settings_are_refused(lab: Make) -> None:
    for settings in ({"nonsense": 1}, {"volume_type": "word"}, {"faults": [{"kind": "nonsense"}]}, {"faults": [{"x": 1}]}, {"key_page": 0}):
        with pytest.raises(ValueError, match=r"\w"):
            Behaviour.of(settings)


def test_every_answer_is_json_that_reads_back(lab: Make) -> None:
    made = lab(keys=3)
    made.estate.entra_devices[0].display_name = 'x"\\ \u202e </script> \U0001f600'
    made.endpoint.tenant.changed()
    body = made.get("/v1.0/devices?$select=displayName")
    assert json.loads(body.content)["value"][0]["displayName"] == made.estate.entra_devices[0].display_name
