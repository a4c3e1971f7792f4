# SPDX-License-Identifier: GPL-3.0-or-later
"""Entra ID as a source of keys: what each term asks for, when everything is read once, and what a tenant that refuses comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import SourceAnswer, parse_term
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import AuthorizationError, BadDataError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.source import FEW, TenantSource
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import (
    DEVICES,
    KEYS,
    PASSWORD,
    Peer,
    Reply,
    error,
)
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.test_lookup import Tenant
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.test_store import device, device_id, key, key_id

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
Made = Callable[..., EntraSettings]


@pytest.fixture
def tenant(peer: Peer) -> Tenant:
    devices = [device(1), device(2), device(3, displayName="PC1")]
    return Tenant(peer, devices, [key(1, 1), key(2, 1), key(3, 2), key(4, 3), key(6, 9)])


@contextmanager
def opened(settings: EntraSettings, timing: Timing) -> Iterator[TenantSource]:
    source = TenantSource(settings, now=NOW, timing=timing, values=True)
    try:
        yield source
    finally:
        source.close()


def ask(settings: EntraSettings, timing: Timing, *terms: str) -> SourceAnswer:
    with opened(settings, timing) as source:
        return source.find([parse_term(text) for text in terms])


def ids(answer: SourceAnswer, term: str) -> list[str]:
    return sorted(found.key_id for found in answer.found[term])


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("PC2", [3]),
        ("pc2.corp.example", [3]),
        ("PC1", [1, 2, 4]),
        (device_id(2), [3]),
        ("device_id:0b000000-0000-4000-8000-000000000002", [3]),
        (key_id(4), [4]),
        (key_id(4).replace("-", "").upper()[:20], [1, 2, 3, 4, 6]),
        ("serial:PC2", []),
        ("volume:" + key_id(4), []),
        ("key_id:" + device_id(2), []),
        ("nobody", []),
    ],
)
def test_what_each_term_finds(tenant: Tenant, made: Made, timing: Timing, term: str, found: list[int]) -> None:
    answer = ask(made(), timing, term)
    assert (ids(answer, term), answer.state) == ([key_id(number) for number in found], StoreState.SEARCHED)


def test_a_candidate_says_whose_it_is(tenant: Tenant, made: Made, timing: Timing) -> None:
    (found,) = ask(made(), timing, "PC2").found["PC2"]
    assert (found.source, found.owner, found.owner_id, found.computers) == ("entra", "PC2", device_id(2), ("pc2",))
    assert found.created is not None
    assert (found.deleted_owner, found.volume) == (False, "os")


def test_a_key_of_a_deleted_device_is_marked(tenant: Tenant, made: Made, timing: Timing) -> None:
    for term in (key_id(6), device_id(9)):
        (found,) = ask(made(), timing, term).found[term]
        assert found.deleted_owner


def test_a_whole_key_id_is_not_looked_for_in_the_list(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    ask(made(), timing, "key_id:" + key_id(3))
    assert [request.path for request in peer.graph()] == [f"{KEYS}/{key_id(3)}", DEVICES]


def test_many_terms_are_two_lists_and_no_more(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    terms = [*(f"PC{number}" for number in range(FEW)), key_id(3)]
    answer = ask(made(), timing, *terms)
    assert ids(answer, "PC2") == ids(answer, key_id(3)) == [key_id(3)]
    assert sorted(request.path for request in peer.graph()) == sorted([KEYS, DEVICES])
    assert not any("$filter" in request.query for request in peer.graph())


def test_a_loop_of_terms_reads_everything_once(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    with opened(made(), timing) as source:
        for number in range(3 * FEW):
            source.find([parse_term(f"PC{number}")])
        before = len(peer.graph())
        assert [found.key_id for found in source.find([parse_term("PC2")]).found["PC2"]] == [key_id(3)]
        assert [found.key_id for found in source.find([parse_term(key_id(4))]).found[key_id(4)]] == [key_id(4)]
    assert len(peer.graph()) == before
    assert sum("$filter" not in request.query for request in peer.graph(KEYS)) == 1


def test_a_filter_that_is_ignored_brings_nothing_wrong(tenant: Tenant, made: Made, timing: Timing) -> None:
    tenant.ignores_filters = True
    for term in ("PC2", device_id(2)):
        assert ids(ask(made(), timing, term), term) == [key_id(3)]


def test_metadata_never_asks_for_a_key(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    ask(made(), timing, "PC1", key_id(3), key_id(3)[:8], device_id(9))
    assert not any("key" in request.query.get("$select", "").split(",") for request in peer.graph())


def test_what_is_refused_is_no_rights_and_what_is_down_is_down(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, Reply(403, error("authorization_error")))
    answer = ask(made(), timing, "PC2")
    assert (ids(answer, "PC2"), answer.state) == ([], StoreState.NO_RIGHTS)
    assert "BitlockerKey.ReadBasic.All" in answer.reason


def test_no_token_is_down(peer: Peer, made: Made, timing: Timing) -> None:
    answer = ask(made(authority="https://127.0.0.1:9", connection_timeout=1), timing, "PC2")
    assert answer.state is StoreState.DOWN
    assert answer.reason


def test_values_by_their_exact_ids(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    with opened(made(), timing) as source:
        candidates = source.find([parse_term("PC1")]).found["PC1"]
        before = len(peer.graph())
        read = list(source.values(candidates))
    assert [value.value.reveal() for value in read if value.value] == [PASSWORD] * 3
    assert [(request.path, request.query) for request in peer.graph()[before:]] == [
        (f"{KEYS}/{found.key_id}", {"$select": "key"}) for found in candidates
    ]


@pytest.mark.parametrize(("password", "kind"), [(None, AuthorizationError), ("", AuthorizationError), ("no password", BadDataError)])
def test_a_value_that_cannot_be_had_is_a_problem_and_no_value(
    tenant: Tenant, made: Made, timing: Timing, password: str | None, kind: type[Exception]
) -> None:
    tenant.password = password
    with opened(made(), timing) as source:
        (value,) = source.values(source.find([parse_term("PC2")]).found["PC2"])
    assert value.value is None
    assert isinstance(value.problem, kind)


def test_a_damaged_digit_is_told_by_its_group(tenant: Tenant, made: Made, timing: Timing) -> None:
    groups = PASSWORD.split("-")
    groups[2] = f"{(int(groups[2]) + 1) % 1000000:06d}"
    tenant.password = "-".join(groups)
    with opened(made(), timing) as source:
        (value,) = source.values(source.find([parse_term("PC2")]).found["PC2"])
    assert value.value is None
    assert "the third group is damaged" in str(value.problem)
    assert groups[2] not in str(value.problem)
