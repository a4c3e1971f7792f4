# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an observation back: what a file, a cache or another controller may hold is checked before anything rests on it. All made up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import (
    MAX_PROTECTORS,
    MAX_TEXT,
    MAX_VOLUMES,
    normalise_key_id,
    parse_observation,
    parse_time,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = "1a2b3c4d-1111-2222-3333-444444444444"
PROTECTOR: dict[str, Any] = {"key_id": KEY, "type": "recovery_password", "backup": ["ad"]}
VOLUME: dict[str, Any] = {
    "device_id": "\\\\?\\Volume{1}\\",
    "persistent_id": "{P}",
    "letter": "C:",
    "type": "os",
    "conversion": "fully_encrypted",
    "encrypted_percent": 100,
    "method": "xts_aes_256",
    "protection": "on",
    "locked": False,
    "suspend_count": None,
    "protectors": [PROTECTOR],
    "errors": [{"read": "GetSuspendCount", "code": "0x1", "name": "X", "message": "y"}],
}
OBSERVATION: dict[str, Any] = {
    "schema_version": 1,
    "host": "pc01",
    "observed_at": "2026-11-22T20:00:00Z",
    "state": "observed",
    "channel": {"authenticated_names": ["PC01.corp.example"]},
    "computer": {"name": "PC01", "dns_name": "PC01.corp.example.", "domain": "Corp.Example.", "part_of_domain": True, "domain_role": "x"},
    "join": {"entra": None, "cluster": None},
    "bitlocker_installed": True,
    "volumes": [VOLUME],
    "policy": {"values": {"OSRecovery": 1}},
    "errors": [],
}


def refused(data: object, host: str = "pc01") -> str:
    with pytest.raises(BadDataError) as caught:
        parse_observation(host, data)
    return str(caught.value)


def with_volume(**facts: Any) -> dict[str, Any]:
    return OBSERVATION | {"volumes": [VOLUME | facts]}


def test_what_was_said_is_read() -> None:
    found = parse_observation("pc01", OBSERVATION)
    assert found.observed_at == datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    assert (found.dns_name, found.domain, found.authenticated_names) == ("pc01.corp.example", "corp.example", ("pc01.corp.example",))
    assert found.volumes is not None
    assert [(v.letter, [p.key_id for p in v.protectors or ()]) for v in found.volumes] == [("C:", [KEY])]
    assert (found.policy, found.bitlocker_installed, found.reason) == ({"OSRecovery": 1}, True, None)


def test_what_was_not_asked_is_not_known() -> None:
    found = parse_observation("pc01", {key: OBSERVATION[key] for key in ("schema_version", "observed_at", "state")})
    assert (found.volumes, found.bitlocker_installed, found.policy, found.part_of_domain) == (None, None, None, None)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_a_time_that_no_calendar_holds_in_utc_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="calendar"):
        parse_time(text)
    assert "observed_at" in refused(OBSERVATION | {"observed_at": text})


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22", "2026-11-22T20:00:00", "2026-13-01T00:00:00Z", None, 20261122])
def test_a_time_says_its_offset(text: object) -> None:
    assert "observed_at" in refused(OBSERVATION | {"observed_at": text})


def test_another_hosts_observation_is_refused() -> None:
    told = refused(OBSERVATION, host="pc02")
    assert "an observation of pc02" in told
    assert "one of pc01" in told


@pytest.mark.parametrize("version", [None, 0, 2, "1", 1.0, True, 2**70])
def test_another_version_is_refused(version: object) -> None:
    assert "schema_version" in refused(OBSERVATION | {"schema_version": version})


@pytest.mark.parametrize("number", [2**64, -(2**64), int("f" * 5000, 16), True, 1.5, "7"], ids=range(6))
def test_a_number_is_one_of_windows(number: object) -> None:
    assert "encrypted_percent" in refused(with_volume(encrypted_percent=number))


@pytest.mark.parametrize("text", ["\ud800", "C:\udfff", "x" * (MAX_TEXT + 1), 7, ["C:"]], ids=range(5))
def test_a_text_is_short_and_can_be_written(text: object) -> None:
    assert "letter" in refused(with_volume(letter=text))
    assert "authenticated_names" in refused(OBSERVATION | {"channel": {"authenticated_names": [text]}})


@pytest.mark.parametrize("key_id", [None, "", "{}", " { } ", 7])
def test_a_protector_has_an_id(key_id: object) -> None:
    assert "key_id" in refused(with_volume(protectors=[PROTECTOR | {"key_id": key_id}]))


def test_nothing_is_listed_twice() -> None:
    assert "twice" in refused(OBSERVATION | {"volumes": [VOLUME, VOLUME | {"type": "fixed"}]})
    assert "twice" in refused(with_volume(protectors=[PROTECTOR, {"key_id": f"{{{KEY.upper()}}}", "type": "tpm"}]))


def test_lists_are_bounded() -> None:
    many = [VOLUME | {"device_id": str(number)} for number in range(MAX_VOLUMES + 1)]
    assert "volumes" in refused(OBSERVATION | {"volumes": many})
    assert parse_observation("pc01", OBSERVATION | {"volumes": many[1:]}).volumes
    protectors = [PROTECTOR | {"key_id": str(number)} for number in range(MAX_PROTECTORS + 1)]
    assert "protectors" in refused(with_volume(protectors=protectors))


def test_a_failed_observation_keeps_its_reason_and_nothing_else() -> None:
    found = parse_observation("pc01", OBSERVATION | {"state": "failed", "reason": "tls", "message": "No."})
    assert (found.reason, found.message, found.volumes, found.dns_name) == ("tls", "No.", None, None)
    for reason in (None, "tired", 7):
        assert "reason" in refused(OBSERVATION | {"state": "failed", "reason": reason})


@given(st.text(max_size=60))
def test_a_normalised_id_stays_as_it_is(text: str) -> None:
    assert normalise_key_id(normalise_key_id(text)) == normalise_key_id(text)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _replaced(data: Any, path: list[Any], value: Any) -> Any:
    if not path:
        return value
    if isinstance(data, Mapping):
        key = sorted(data)[path[0] % len(data)] if data else "x"
        return {**data, key: _replaced(data.get(key), path[1:], value)}
    if isinstance(data, list) and data:
        return [_replaced(data[0], path[1:], value), *data[1:]]
    return value


@settings(max_examples=200)
@given(path=st.lists(st.integers(0, 20), max_size=6), value=ANYTHING)
def test_whatever_is_exchanged_is_read_or_refused(path: list[int], value: Any) -> None:
    try:
        told = parse_observation("pc01", _replaced(OBSERVATION, path, value)).host
    except BadDataError as error:
        told = str(error)
    assert "pc01" in told
    assert len(told) < 1000


def _with_packages(packages: object) -> dict[str, Any]:
    protector = {"key_id": "3fd763f9-74c7-4e90-8fa2-1f6a2e2b4e0c", "type": "recovery_password", "key_packages": packages}
    volume = {"device_id": "C:", "protectors": [protector], "errors": []}
    return {"schema_version": 1, "host": "pc01", "observed_at": "2026-11-22T20:00:00Z", "state": "observed", "volumes": [volume]}


def test_key_packages_are_secrets() -> None:
    (volume,) = parse_observation("pc01", _with_packages(["AQL/", "AQL/"])).volumes or ()
    (protector,) = volume.protectors or ()
    assert protector.key_packages == (Secret(b"\x01\x02\xff"), Secret(b"\x01\x02\xff"))
    assert "AQL" not in repr(protector)


@pytest.mark.parametrize("packages", ["AQL/", ["A" * (88 * 1024 + 4)], ["AQL/"] * 5, [7], ["no base64!"], ["AQL"], {"a": 1}, ["é"]])
def test_key_packages_that_are_none_are_refused_and_not_shown(packages: object) -> None:
    with pytest.raises(BadDataError) as caught:
        parse_observation("pc01", _with_packages(packages))
    assert "AQL" not in str(caught.value)
    assert "key_packages" in str(caught.value)
