# SPDX-License-Identifier: GPL-3.0-or-later
"""The tenant's audit log: what is asked for and how often, what a record says, and records that say anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.audits import EntraAudit, parse_read
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import Peer, Reply, error
from hypothesis import given, settings
from hypothesis import strategies as st

AUDITS = "/v1.0/auditLogs/directoryAudits"
SINCE = datetime(2026, 11, 22, 20, 0, 0, 123456, tzinfo=UTC)
KEY, DEVICE, APP = (f"{kind}0000000-0000-4000-8000-000000000001" for kind in "abc")
Made = Callable[..., EntraSettings]


def row(number: int = 1, **more: Any) -> dict[str, Any]:
    """A record as detection rules show them."""
    return {
        "id": f"DRS_{number}",
        "category": "KeyManagement",
        "result": "success",
        "activityDisplayName": "Read BitLocker key",
        "activityDateTime": "2026-11-22T20:05:00.1234567Z",
        "initiatedBy": {"user": None, "app": {"appId": APP.upper(), "displayName": None}},
        "targetResources": [{"id": KEY, "displayName": KEY.upper()}],
        "additionalDetails": [{"key": "AdditionalInfo", "value": f"Read key. Key ID: '{KEY}'. Backed up from device: '{DEVICE}'."}],
    } | more


def page(*rows: Any, next_link: str | None = None) -> Reply:
    return Reply(body={"value": list(rows)} | ({"@odata.nextLink": next_link} if next_link else {}))


@pytest.fixture
def log(made: Made, timing: Timing) -> Any:
    found = EntraAudit(made(), timing=timing)
    yield found
    found.close()


def test_it_asks_for_the_category_since_a_time(log: EntraAudit, peer: Peer) -> None:
    peer.on(AUDITS, page(row()))
    reads, state, reason = log.reads(SINCE)
    assert (state, reason) == (StoreState.SEARCHED, "")
    (found,) = reads
    assert (found.key_id, found.device_id, found.reader, found.person) == (KEY, DEVICE, APP, False)
    assert found.time == datetime(2026, 11, 22, 20, 5, 0, 123456, tzinfo=UTC)
    (request,) = peer.graph(AUDITS)
    assert request.query == {"$filter": "category eq 'KeyManagement' and activityDateTime ge 2026-11-22T20:00:00Z", "$top": "999"}


def test_pages_are_read_to_their_end_and_not_faster_than_the_service_allows(log: EntraAudit, peer: Peer, waits: list[float]) -> None:
    pages = [page(row(number), next_link=f"{peer.url}{AUDITS}?$skiptoken={number}") for number in range(8)]
    peer.on(AUDITS, *pages, page(row(0), row(9)))
    reads, state, _reason = log.reads(SINCE)
    assert (len(reads), state) == (9, StoreState.SEARCHED)
    assert len(peer.graph(AUDITS)) == 9
    # the second request comes at once, each later one after a pause: never more than five in ten seconds
    times = [0.0, 0.0, *(sum(waits[: number + 1]) for number in range(7))]
    assert max(sum(first <= other < first + 10 for other in times) for first in times) <= 5


def test_one_page_takes_no_pause(log: EntraAudit, peer: Peer, waits: list[float]) -> None:
    peer.on(AUDITS, page(row()))
    log.reads(SINCE)
    assert waits == []


def test_patience_is_asked_for_and_given(log: EntraAudit, peer: Peer, waits: list[float]) -> None:
    peer.on(AUDITS, Reply(429, error("TooManyRequests"), {"Retry-After": "7"}), page(row()))
    reads, state, _reason = log.reads(SINCE)
    assert (len(reads), state, waits) == (1, StoreState.SEARCHED, [7.0])


@pytest.mark.parametrize(
    ("reply", "state", "said"),
    [
        (Reply(403, error("Authorization_RequestDenied")), StoreState.NO_RIGHTS, "AuditLog.Read.All"),
        (Reply(500, error("InternalServerError")), StoreState.DOWN, "HTTP 500"),
        (Reply(body={"value": 7}), StoreState.DOWN, "no list"),
    ],
)
def test_a_log_that_cannot_be_read_is_a_state(log: EntraAudit, peer: Peer, reply: Reply, state: StoreState, said: str) -> None:
    peer.on(AUDITS, reply)
    reads, found, reason = log.reads(SINCE)
    assert (reads, found) == ([], state)
    assert said in reason


def test_a_log_that_breaks_off_is_partial(log: EntraAudit, peer: Peer) -> None:
    peer.on(AUDITS, page(row(), next_link=f"{peer.url}{AUDITS}?$skiptoken=2"), Reply(403, error("Authorization_RequestDenied")))
    reads, state, _reason = log.reads(SINCE)
    assert (len(reads), state) == (1, StoreState.NO_RIGHTS)
    peer.on(AUDITS, page(row(), next_link="https://elsewhere.example/v1.0/x"))
    reads, state, reason = log.reads(SINCE)
    assert (len(reads), state) == (1, StoreState.PARTIAL)
    assert "another address" in reason


def test_a_read_without_an_id_makes_the_reading_partial(log: EntraAudit, peer: Peer) -> None:
    peer.on(AUDITS, page(row(), row(id=None)))
    reads, state, reason = log.reads(SINCE)
    assert (len(reads), state) == (1, StoreState.PARTIAL)
    assert "no ID or no time" in reason


@pytest.mark.parametrize("name", ["Add BitLocker key", "Delete BitLocker key", "Read something", "", None, 7])
def test_other_activities_are_no_reads(name: object) -> None:
    assert parse_read(row(activityDisplayName=name)) is None


@pytest.mark.parametrize("name", ["read bitlocker key", "Read BitLocker Key", "Read BitLocker recovery key"])
def test_the_case_and_the_end_of_the_activity_do_not_matter(name: str) -> None:
    assert parse_read(row(activityDisplayName=name)) is not None


def test_a_read_that_failed_gave_nobody_a_key() -> None:
    assert parse_read(row(result="failure")) is None


def test_a_person_goes_before_the_application() -> None:
    both = {"user": {"userPrincipalName": "Helpdesk@Corp.Example"}, "app": {"appId": APP}}
    found = parse_read(row(initiatedBy=both))
    assert found is not None
    assert (found.reader, found.person) == ("helpdesk@corp.example", True)


def test_the_key_is_found_in_the_sentence_where_it_is_nowhere_else() -> None:
    found = parse_read(row(targetResources=[]))
    assert found is not None
    assert (found.key_id, found.device_id) == (KEY, DEVICE)


def test_a_read_whose_key_nothing_tells_is_a_read_all_the_same() -> None:
    found = parse_read(row(targetResources=None, additionalDetails=None, initiatedBy=None))
    assert found is not None
    assert (found.key_id, found.device_id, found.reader) == (None, None, "")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([KEY, "AdditionalInfo", "appId", "user"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["user", "app", "appId", "key", "value", "id"]), inner),
    max_leaves=8,
)
MEMBERS = ("id", "result", "activityDateTime", "initiatedBy", "targetResources", "additionalDetails")


@settings(max_examples=150, deadline=None)
@given(more=st.dictionaries(st.sampled_from(MEMBERS), ANY))
def test_any_record_is_a_read_or_none(more: dict[str, Any]) -> None:
    found = parse_read(row(**more))
    assert found is None or isinstance(found.reader, str)
