# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON to owners and entries, headers to waits and claims: the forms that are known, and whatever else may come."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry, Owner
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import answer, failures, graph, parse, throttle
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.answer import Answer
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SCOPE = parse.Scope(now=NOW)
EXAMPLES = settings(max_examples=200, deadline=None)

GUID = "1a2b3c4d-0102-0304-0506-0708090a0b0c"
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60) | st.sampled_from([GUID, "0001-01-01T00:00:00Z", "1"])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)
MEMBERS = [
    *("id", "deviceId", "displayName", "operatingSystem", "trustType", "accountEnabled", "approximateLastSignInDateTime"),
    *("registrationDateTime", "createdDateTime", "volumeType", "key"),
]


def rows() -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=8), JSON)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("operatingSystemVolume", "os"),
        ("fixedDataVolume", "fixed"),
        ("removableDataVolume", "removable"),
        ("OPERATINGSYSTEMVOLUME", "os"),
        ("1", "os"),
        (1, "os"),
        ("2", "fixed"),
        (3, "removable"),
        ("unknownFutureValue", "unknownFutureValue"),
        (4, "4"),
        ("x" * 200, "x" * 64),
        (None, None),
        ("", None),
        (True, None),
        (1.0, None),
        pytest.param(10**5000, None, id="huge number"),
        ([], None),
    ],
)
def test_volume_types(value: Any, expected: str | None) -> None:
    assert parse.volume_type(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1Z", datetime(2026, 1, 2, 3, 4, 5, 100000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789012Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("1601-01-01T00:00:00Z", None),
        ("2026-01-02T03:04:05", None),
        ("2026-13-02T03:04:05Z", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("2026-01-02", None),
        ("", None),
        (5, None),
        (None, None),
        pytest.param("2" * 5000, None, id="long"),
    ],
)
def test_times(value: Any, expected: datetime | None) -> None:
    assert parse.moment(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "",
        "x",
        GUID[:-1],
        GUID + "0",
        "00000000-0000-0000-0000-000000000000",
        GUID.replace("-", ""),
        pytest.param("x" * 10**6, id="long"),
    ],
)
def test_what_is_no_guid(value: Any) -> None:
    assert parse.guid(value) is None
    assert parse.guid("{" + GUID.upper() + "}") == GUID


@given(rows())
@EXAMPLES
def test_any_row_is_a_device_or_none(row: dict[str, Any]) -> None:
    owner = parse.parse_owner(row, SCOPE)
    if owner is not None:
        assert isinstance(owner, Owner)
        assert owner.owner_id
        (owner.name + (owner.trust_type or "")).encode()


@given(rows())
@EXAMPLES
def test_any_row_is_a_key_or_none(row: dict[str, Any]) -> None:
    entry = parse.parse_entry(row)
    if entry is not None:
        assert isinstance(entry, Entry)
        assert entry.entry_id
        assert entry.value is None
        assert bool(entry.key_ids) != bool(entry.defects)
        (entry.entry_id + (entry.volume_type or "")).encode()


@given(
    st.text(max_size=40) | st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")) | st.integers().map(str),
    st.text(max_size=30),
)
@EXAMPLES
def test_any_retry_after_is_a_wait_or_none(text: str, date: str) -> None:
    found = throttle.retry_after({"retry-after": text, "date": date}, lambda: NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("Sun, 22 Nov 2026 20:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 19:00:00 GMT", 0.0),
        ("", None),
        ("5.5", None),
        ("٣", None),
    ],
)
def test_retry_after(text: str, expected: float | None) -> None:
    assert throttle.retry_after({"retry-after": text}, lambda: NOW) == expected


@given(st.text(max_size=300) | st.text(alphabet='abc="+/_- ,claims', max_size=100).map(lambda text: f'Bearer claims="{text}"'))
@EXAMPLES
def test_any_challenge_is_claims_or_none(text: str) -> None:
    found = graph.claims_of(Answer(401, {"www-authenticate": text}, b""))
    assert found is None or isinstance(json.loads(found), dict)


@given(
    st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    st.integers(100, 599),
    st.sampled_from(["text/html", "", "application/json"]),
)
@EXAMPLES
def test_any_answer_has_an_error(body: bytes, status: int, media_type: str) -> None:
    given_answer = Answer(status, {"content-type": media_type}, body)
    for problem in (
        failures.request_failure(given_answer, "x", "y", permission=failures.READ, delegated=False),
        failures.not_an_answer(given_answer, "x", "y"),
        failures.no_token_service(given_answer, "y"),
        failures.busy_token_service(given_answer, "y"),
        failures.sign_in_failure(answer.json_object(body) or {}, "client_secret", "y"),
    ):
        assert isinstance(problem, KeywardError)
        assert str(problem).isprintable()
        assert len(str(problem)) < 1000


def test_error_bodies_in_both_spellings() -> None:
    for member in ("innerError", "innererror"):
        body = json.dumps({"error": {"code": "x", "message": "words", member: {"request-id": "r-1"}}}).encode()
        found = Answer(400, {}, body)
        assert (answer.error_code(found), answer.request_id(found)) == ("x", "r-1")
    assert "words" not in str(failures.request_failure(found, "a", "b", permission="c", delegated=False))


def test_delegated_permissions_name_the_roles_too() -> None:
    found = Answer(403, {}, b"")
    told = str(failures.request_failure(found, "a", "b", permission=failures.READ_BASIC, delegated=True))
    assert "delegated permission BitlockerKey.ReadBasic.All" in told
    assert "hold a role" in told


def test_an_answer_does_not_show_its_body() -> None:
    assert "made-up" not in repr(Answer(200, {}, b"made-up"))


def test_idle_is_counted_from_the_last_sign_of_life() -> None:
    row = {"id": GUID, "deviceId": GUID, "operatingSystem": "Windows", "trustType": "AzureAd"}
    for days, in_scope in ((90, True), (91, False)):
        owner = parse.parse_owner(row | {"registrationDateTime": (NOW - timedelta(days=days)).isoformat()}, SCOPE)
        assert owner is not None
        assert owner.in_scope is in_scope
