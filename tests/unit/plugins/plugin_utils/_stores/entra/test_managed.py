# SPDX-License-Identifier: GPL-3.0-or-later
"""What Intune says of the devices: what is asked, which enrolment counts, and that its troubles are nobody else's."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.action import escrow_report
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import IntuneFacts, StoreReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.managed import Enrolments
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.reader import OWN_SCOPE_REASON, EntraReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.store import EntraStore
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import (
    DEVICES,
    KEYS,
    MANAGED,
    TENANT,
    Peer,
    Reply,
    error,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
Made = Callable[..., EntraSettings]
TOKEN = f"/{TENANT}/oauth2/v2.0/token"
NOBODY = "00000000-0000-0000-0000-000000000000"
NEVER = "0001-01-01T00:00:00Z"


def device_id(number: int) -> str:
    return f"d0000000-0000-4000-8000-{number:012x}"


def device(number: int) -> dict[str, Any]:
    return {"id": f"0b000000-0000-4000-8000-{number:012x}", "deviceId": device_id(number), "displayName": f"PC{number}"}


def enrolment(number: int, of: int, **more: Any) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.managedDevice",
        "id": f"1e000000-0000-4000-8000-{number:012x}",
        "azureADDeviceId": device_id(of),
        "isEncrypted": True,
        "lastSyncDateTime": "2026-11-20T08:00:00.1234567Z",
        "deviceName": "some other name",
    } | more


def page(*rows: Any, next_link: str | None = None) -> Reply:
    return Reply(body={"@odata.count": 7, "value": list(rows)} | ({"@odata.nextLink": next_link} if next_link else {}))


def read(settings: EntraSettings, timing: Timing) -> StoreReading:
    store = EntraStore(settings, now=NOW, timing=timing)
    try:
        return store.read()
    finally:
        store.close()


def facts(reading: StoreReading) -> dict[str, IntuneFacts | None]:
    return {owner.name: owner.intune for owner in reading.owners}


def test_nobody_asks_unless_told_to(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1)))
    reading = read(made(), timing)
    assert reading.intune is None
    assert facts(reading) == {"PC1": None}
    assert peer.graph(MANAGED) == []


def test_one_list_beside_the_others_and_after_them(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1), device(2), device(3)))
    link = f"{peer.url}{MANAGED}?$skiptoken=2"
    rows = [enrolment(2, 2, azureADDeviceId=device_id(2).upper(), isEncrypted=False, lastSyncDateTime=NEVER), enrolment(3, 9)]
    peer.on(MANAGED, page(enrolment(1, 1), next_link=link), page(next_link=link + "3"), page(*rows))
    reading = read(made(intune=True), timing)
    assert (reading.state, reading.reason) == (StoreState.SEARCHED, "")
    assert reading.intune is not None
    assert (reading.intune.state, reading.intune.reason, reading.intune.enrolments) == (StoreState.SEARCHED, "", 3)
    assert facts(reading) == {
        "PC1": IntuneFacts(encrypted=True, last_sync=datetime(2026, 11, 20, 8, 0, 0, 123456, tzinfo=UTC), enrolments=1),
        "PC2": IntuneFacts(encrypted=False, last_sync=None, enrolments=1),
        "PC3": None,
    }
    assert [request.path for request in peer.graph()] == [KEYS, DEVICES, MANAGED, MANAGED, MANAGED]
    assert peer.graph(MANAGED)[0].query == {"$select": "id,azureADDeviceId,isEncrypted,lastSyncDateTime"}


def test_never_by_name(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1)))
    peer.on(
        MANAGED, page(*(enrolment(n, 0, azureADDeviceId=of, deviceName="PC1") for n, of in enumerate((NOBODY, None, "", device_id(8)))))
    )
    reading = read(made(intune=True), timing)
    assert reading.intune is not None
    assert reading.intune.state is StoreState.SEARCHED
    assert facts(reading) == {"PC1": None}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(True, "2026-11-01T00:00:00Z"), (False, "2026-11-02T00:00:00Z")], (False, 2, 2)),
        ([(False, NEVER), (True, "2026-11-01T00:00:00Z"), (False, None)], (True, 1, 3)),
        ([(True, NEVER), (True, None)], (True, None, 2)),
        ([(True, "2026-11-01T00:00:00Z"), (False, "2026-11-01T00:00:00Z")], (None, 1, 2)),
        ([("true", "2026-11-01T00:00:00Z")], (None, 1, 1)),
        ([(1, "yesterday")], (None, None, 1)),
        ([(None, "2026-11-01T00:00:00Z"), (True, "2026-10-01T00:00:00Z")], (None, 1, 2)),
    ],
)
def test_of_several_enrolments_the_newest_counts(rows: list[tuple[Any, Any]], expected: tuple[Any, int | None, int]) -> None:
    made = [enrolment(number, 1, isEncrypted=said, lastSyncDateTime=when) for number, (said, when) in enumerate(rows)]
    for seed in range(6):
        found = Enrolments()
        for row in random.Random(seed).sample(made + made[:1], len(made) + 1):
            assert found.add(row)
        facts = found.facts(device_id(1))
        assert facts is not None
        assert (facts.encrypted, facts.last_sync.day if facts.last_sync else None, facts.enrolments) == expected
        assert found.count == len(made)


@given(
    st.dictionaries(
        st.sampled_from(["id", "azureADDeviceId", "isEncrypted", "lastSyncDateTime"]),
        st.none() | st.booleans() | st.text() | st.floats() | st.just(device_id(1)) | st.lists(st.integers()),
    )
)
def test_any_row_is_taken_or_refused(row: dict[str, Any]) -> None:
    found = Enrolments()
    found.add(row)
    facts = found.facts(device_id(1))
    assert found.count == (facts.enrolments if facts else 0)


@pytest.mark.parametrize(
    "row", [{}, {"id": None}, enrolment(9, 1, id=7), enrolment(9, 1, azureADDeviceId="x"), enrolment(9, 1, azureADDeviceId=7)]
)
def test_a_row_that_does_not_say_whose_it_is(peer: Peer, made: Made, timing: Timing, row: dict[str, Any]) -> None:
    peer.on(DEVICES, page(device(1)))
    peer.on(MANAGED, page(row, enrolment(1, 1)))
    reading = read(made(intune=True), timing)
    assert reading.intune is not None
    assert reading.intune.state is StoreState.PARTIAL
    assert reading.state is StoreState.SEARCHED
    assert facts(reading)["PC1"] is not None


@pytest.mark.parametrize(
    ("reply", "state", "told"),
    [
        (Reply(403, error("Forbidden")), StoreState.NO_RIGHTS, "DeviceManagementManagedDevices.Read.All"),
        (Reply(400, error("BadRequest", "Request not applicable to target tenant.")), StoreState.DOWN, "no licence"),
        (Reply(404, error("ResourceNotFound")), StoreState.DOWN, "its cloud has no Intune"),
        (Reply(401, error("InvalidAuthenticationToken")), StoreState.DOWN, "does not accept the token"),
        (Reply(429, error("TooManyRequests")), StoreState.DOWN, "limits our requests"),
        (Reply(500, error("InternalServerError")), StoreState.DOWN, "out of order"),
        (Reply(200, b"<html>", {"Content-Type": "text/html"}), StoreState.DOWN, "web page"),
        (Reply(302, None, {"Location": "https://evil.example/"}), StoreState.DOWN, "another address"),
        (Reply(200, {"value": [7]}), StoreState.PARTIAL, "no object"),
    ],
)
def test_its_troubles_are_its_own(peer: Peer, made: Made, timing: Timing, reply: Reply, state: StoreState, told: str) -> None:
    peer.on(DEVICES, page(device(1)))
    peer.on(MANAGED, reply)
    reading = read(made(intune=True), timing)
    assert (reading.state, reading.reason) == (StoreState.SEARCHED, "")
    assert facts(reading) == {"PC1": None}
    assert reading.intune is not None
    assert reading.intune.state is state
    assert told in reading.intune.reason
    assert "Intune" in reading.intune.reason


def test_what_was_read_before_it_broke_off_remains(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1)))
    peer.on(MANAGED, page(enrolment(1, 1), next_link=f"{peer.url}{MANAGED}?$skiptoken=2"), Reply(500))
    reading = read(made(intune=True), timing)
    assert reading.intune is not None
    assert (reading.intune.state, reading.intune.enrolments) == (StoreState.PARTIAL, 1)
    assert facts(reading)["PC1"] is not None


def test_it_takes_no_patience_from_the_others(peer: Peer, made: Made, timing: Timing, waits: list[float]) -> None:
    peer.on(KEYS, Reply(429, None, {"Retry-After": "60"}), page())
    peer.on(DEVICES, page(device(1)))
    peer.on(MANAGED, Reply(429, None, {"Retry-After": "60"}))
    reading = read(made(intune=True, throttle_wait=100), timing)
    assert reading.state is StoreState.SEARCHED
    assert waits == [60]


@pytest.mark.parametrize("script", [{TOKEN: Reply(401, {"error": "invalid_client"})}, {KEYS: Reply(500), DEVICES: Reply(500)}])
def test_of_a_service_that_is_down_it_is_not_asked(peer: Peer, made: Made, timing: Timing, script: dict[str, Reply]) -> None:
    for path, reply in script.items():
        peer.on(path, reply)
    reading = read(made(intune=True), timing)
    assert reading.state is StoreState.DOWN
    assert reading.intune is not None
    assert (reading.intune.state, reading.intune.reason) == (StoreState.DOWN, reading.reason)
    assert peer.graph(MANAGED) == []


def test_it_is_asked_although_the_keys_may_not_be_read(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(KEYS, Reply(403))
    peer.on(DEVICES, page(device(1)))
    peer.on(MANAGED, page(enrolment(1, 1)))
    reading = read(made(intune=True), timing)
    assert reading.state is StoreState.NO_RIGHTS
    assert facts(reading)["PC1"] is not None


# --- in the report ------------------------------------------------------------------------------------------------------------------------


def reported(options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The report's action over a fleet whose one host said nothing; its result and the warnings."""
    warnings: list[str] = []
    plain = {name: value.reveal() if isinstance(value, Secret) else value for name, value in options.items()}
    action: Any = object.__new__(escrow_report.ActionModule)
    action._task = SimpleNamespace(
        async_val=0,
        become=False,
        no_log=False,
        delegate_to=None,
        args={"entra": plain, "query": "computers[].{name: name, intune: intune}"},
        check_mode=False,
        diff=False,
        get_name=lambda: "T",
    )
    action._play_context = SimpleNamespace(become=False)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._display = SimpleNamespace(verbosity=0, display=lambda text: None, warning=warnings.append, vvv=lambda text, host=None: None)
    variables = {"inventory_hostname": "localhost", "groups": {"all": ["pc7"]}, "hostvars": {"pc7": {}}}
    return action.run(task_vars=variables), warnings


def test_the_report_shows_it_and_rests_nothing_on_it(peer: Peer, options: dict[str, Any]) -> None:
    windows = {"operatingSystem": "Windows", "trustType": "AzureAd"}
    peer.on(DEVICES, page(device(1) | windows, device(2) | windows))
    peer.on(MANAGED, page(enrolment(1, 1)))
    told, warnings = reported(options | {"intune": True})
    without, _warnings = reported(options)
    facts = {"encrypted": True, "last_sync": "2026-11-20T08:00:00Z", "enrolments": 1}
    assert {item["name"].lower().partition("/")[0]: item["intune"] for item in told["query_result"]} == {
        "pc1": facts,
        "pc2": None,
        "pc7": None,
    }
    assert warnings == []
    assert told["stores"]["entra"].pop("intune") == {"state": "searched", "enrolments": 1}
    assert {name: told[name] for name in ("summary", "complete", "passed", "stores", "findings")} == {
        name: without[name] for name in ("summary", "complete", "passed", "stores", "findings")
    }


def test_without_the_permission_the_report_warns_once_and_is_complete(peer: Peer, options: dict[str, Any]) -> None:
    peer.on(MANAGED, Reply(403, error("Forbidden")))
    result, warnings = reported(options | {"intune": True})
    assert not result.get("failed"), result
    assert result["complete"] is True
    assert result["stores"]["entra"]["state"] == "searched"
    assert result["stores"]["entra"]["intune"]["state"] == "no_rights"
    (warning,) = warnings
    assert warning.startswith("Intune, no_rights: ")
    assert "DeviceManagementManagedDevices.Read.All" in warning


# --- for single devices -------------------------------------------------------------------------------------------------------------------


def looked_up(settings: EntraSettings, timing: Timing, numbers: range) -> tuple[EntraReader, Any]:
    reader = EntraReader(settings, now=NOW, timing=timing, progress=lambda _text: None)
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.graph import Outcome

    try:
        reader.read_owners(Outcome())
        return reader, reader.add_intune([*(device_id(number) for number in numbers), "no device"])
    finally:
        reader.close()


def test_few_devices_are_asked_for_one_by_one(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1), device(2)))
    rows = {f"azureADDeviceId eq '{device_id(number)}'": [enrolment(number, number)] for number in (1, 2)}
    peer.on(MANAGED, lambda request: page(*rows[request.query["$filter"]]))
    reader, reading = looked_up(made(), timing, range(1, 3))
    assert (reading.state, reading.enrolments) == (StoreState.SEARCHED, 2)
    assert all(owner.intune is not None for owner in reader.owners.values())
    assert len(peer.graph(MANAGED)) == 2


def test_a_filter_that_is_ignored_gives_nobody_what_is_not_its_own(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(device(1), device(2), device(3)))
    peer.on(MANAGED, page(enrolment(9, 9), enrolment(2, 2)))
    reader, reading = looked_up(made(), timing, range(1, 4))
    assert reading.state is StoreState.SEARCHED
    assert [owner.name for owner in reader.owners.values() if owner.intune] == ["PC2"]
    assert len(peer.graph(MANAGED)) == 1


def test_for_many_devices_all_are_read(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, page(*map(device, range(30))))
    peer.on(MANAGED, page(*(enrolment(number, number) for number in range(30))))
    reader, _reading = looked_up(made(), timing, range(30))
    assert all(owner.intune is not None for owner in reader.owners.values())
    (request,) = peer.graph(MANAGED)
    assert "$filter" not in request.query


def test_a_person_may_be_shown_less_and_that_is_told(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(
        f"/{TENANT}/oauth2/v2.0/devicecode",
        Reply(body={"user_code": "ABC", "device_code": "made-up", "verification_uri": "https://x/", "expires_in": 900, "interval": 1}),
    )
    peer.on(MANAGED, page(enrolment(1, 1)))
    _reader, reading = looked_up(made(auth_method="device_code"), timing, range(1, 2))
    assert (reading.state, reading.reason) == (StoreState.PARTIAL, OWN_SCOPE_REASON)
    (request,) = [item for item in peer.requests if item.path.endswith("/devicecode")]
    assert "DeviceManagement" not in request.form["scope"]
