# SPDX-License-Identifier: GPL-3.0-or-later
"""Single keys: what is asked for, what comes back, and the keys themselves; the action around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.keyward.bitlocker.plugins.action import entra_recovery_key_info
from ansible_collections.keyward.bitlocker.plugins.modules import entra_recovery_key_info as documentation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import (
    AuthorizationError,
    BadDataError,
    KeywardError,
    OptionError,
    StoreDownError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.lookup import EntraLookup, Found
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.reader import EntraReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.store import EntraStore
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import (
    CLIENT_SECRET,
    DEVICES,
    KEYS,
    MANAGED,
    PASSWORD,
    Peer,
    Reply,
    Request,
    error,
    token,
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


class Tenant:
    """Devices and keys that answer filters as Graph does."""

    def __init__(self, peer: Peer, devices: list[dict[str, Any]], keys: list[dict[str, Any]]) -> None:
        self.devices, self.keys = devices, keys
        self.password: Any = PASSWORD
        self.ignores_filters = False
        peer.on(DEVICES, lambda request: page(*self._matching(self.devices, request)))
        peer.on(KEYS, lambda request: page(*self._matching(self.keys, request)))
        for row in devices:
            peer.on(f"{DEVICES}/{row['id']}", Reply(body=row))
        for row in keys:
            peer.on(f"{KEYS}/{row['id']}", lambda request, row=row: Reply(body=self._one(row, request)))

    def _matching(self, rows: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
        wanted = request.query.get("$filter", "")
        if not wanted or self.ignores_filters:
            return rows
        name, _space, value = wanted.partition(" eq ")
        return [row for row in rows if str(row[name]).lower() == value[1:-1].replace("''", "'").lower()]

    def _one(self, row: dict[str, Any], request: Request) -> dict[str, Any]:
        chosen = request.query.get("$select")
        return {"@odata.context": "x", **row, **({"key": self.password} if chosen == "key" else {})}


@pytest.fixture
def tenant(peer: Peer) -> Tenant:
    devices = [device(1), device(2), device(3, displayName="PC1"), device(4, displayName="O'Brien & Söhne #1")]
    return Tenant(peer, devices, [key(1, 1), key(2, 1), key(3, 2), key(4, 3), key(5, 4), key(6, 9)])


@contextmanager
def looking(settings: EntraSettings, timing: Timing) -> Iterator[EntraLookup]:
    reader = EntraReader(settings, now=NOW, timing=timing, values=True)
    try:
        yield EntraLookup(reader)
    finally:
        reader.close()


def find(settings: EntraSettings, timing: Timing, devices: list[str], key_ids: list[str]) -> Found:
    with looking(settings, timing) as lookup:
        return lookup.find(devices, key_ids)


def found_ids(found: Found) -> list[str]:
    return sorted(entry.entry_id for entry in found.entries)


# --- finding ------------------------------------------------------------------------------------------------------------------------------


def test_all_devices_of_a_name(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    found = find(made(), timing, ["pc1"], [])
    assert found_ids(found) == [key_id(1), key_id(2), key_id(4)]
    assert sorted(owner.owner_id for owner in found.owners) == [device_id(1), device_id(3)]
    assert (found.state, found.not_found) == (StoreState.SEARCHED, ())
    assert [request.query["$filter"] for request in peer.graph(KEYS)] == [f"deviceId eq '{device_id(1)}'", f"deviceId eq '{device_id(3)}'"]


def test_a_name_with_a_quote_stays_inside_its_quotes(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    assert found_ids(find(made(), timing, ["O'Brien & Söhne #1"], [])) == [key_id(5)]
    assert peer.graph(DEVICES)[0].query["$filter"] == "displayName eq 'O''Brien & Söhne #1'"


@pytest.mark.parametrize("wanted", [device_id(2), device_id(2).upper(), "{" + device_id(2) + "}", "0b000000-0000-4000-8000-000000000002"])
def test_a_device_by_either_of_its_ids(tenant: Tenant, made: Made, timing: Timing, wanted: str) -> None:
    found = find(made(), timing, [wanted], [])
    assert found_ids(found) == [key_id(3)]
    assert [owner.owner_id for owner in found.owners] == [device_id(2)]


def test_the_keys_of_a_deleted_device_by_its_id(tenant: Tenant, made: Made, timing: Timing) -> None:
    found = find(made(), timing, [device_id(9)], [])
    assert found_ids(found) == [key_id(6)]
    assert found.entries[0].deleted
    assert found.not_found == ()


@pytest.mark.parametrize("wanted", ["nobody", device_id(77)])
def test_a_device_that_does_not_exist(tenant: Tenant, made: Made, timing: Timing, wanted: str) -> None:
    found = find(made(), timing, [wanted], [])
    assert (found.entries, found.owners, found.not_found, found.state) == ((), (), (wanted,), StoreState.SEARCHED)


def test_a_filter_that_is_ignored_brings_nothing_wrong(tenant: Tenant, made: Made, timing: Timing) -> None:
    tenant.ignores_filters = True
    assert found_ids(find(made(), timing, [device_id(2)], [])) == [key_id(3)]
    found = find(made(), timing, ["PC2"], [])
    assert found_ids(found) == [key_id(3)]
    assert [owner.owner_id for owner in found.owners] == [device_id(2)]


def test_a_whole_key_id_is_one_request(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    found = find(made(), timing, [], ["{" + key_id(3).upper() + "}"])
    assert found_ids(found) == [key_id(3)]
    assert [owner.name for owner in found.owners] == ["PC2"]
    assert [request.path for request in peer.graph()] == [f"{KEYS}/{key_id(3)}", DEVICES]
    assert peer.graph()[0].query == {}


def test_the_beginning_of_a_key_id_is_found_in_the_list(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    assert len(find(made(), timing, [], ["1A2B3C4D"]).entries) == 6
    assert found_ids(find(made(), timing, ["PC2"], ["1a2b3c4d"])) == [key_id(3)]
    found = find(made(), timing, [], ["ffffffff"])
    assert (found.entries, found.not_found) == ((), ("ffffffff",))
    assert not any("key" in request.query.get("$select", "").split(",") for request in peer.graph())


def test_a_key_that_does_not_exist(tenant: Tenant, made: Made, timing: Timing) -> None:
    found = find(made(), timing, [], [key_id(99)])
    assert (found.entries, found.not_found, found.state) == ((), (key_id(99),), StoreState.SEARCHED)


@pytest.mark.parametrize("wanted", ["1a2b3c4", "", "xyz", key_id(1) + "0", "1a2b3c4d/../x", "1a2b3c4d'"])
def test_what_is_no_key_id_is_refused(peer: Peer, made: Made, timing: Timing, wanted: str) -> None:
    with pytest.raises(OptionError):
        find(made(), timing, [], [wanted])
    assert peer.requests == []


def test_many_owners_are_read_as_a_list(peer: Peer, made: Made, timing: Timing) -> None:
    Tenant(peer, [device(number) for number in range(40)], [key(number, number) for number in range(40)])
    found = find(made(), timing, [], ["1a2b3c4d"])
    assert len(found.owners) == 40
    assert len(peer.graph(DEVICES)) == 1


def test_no_right_to_devices_still_finds_a_key(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DEVICES, Reply(403, error("Authorization_RequestDenied")))
    found = find(made(), timing, [], [key_id(1)])
    assert found.state is StoreState.NO_RIGHTS
    assert found_ids(found) == [key_id(1)]
    assert not found.entries[0].deleted


def test_no_right_to_keys(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(f"{KEYS}/{key_id(1)}", Reply(403, error("authorization_error")))
    found = find(made(), timing, [], [key_id(1)])
    assert found.state is StoreState.NO_RIGHTS
    assert "BitlockerKey.ReadBasic.All" in found.reason


def test_everything(tenant: Tenant, made: Made, timing: Timing) -> None:
    with looking(made(), timing) as lookup:
        found = lookup.everything()
    assert len(found.entries) == 6
    assert sum(owner.deleted for owner in found.owners) == 1


# --- keys themselves ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_key_is_asked_for_alone(tenant: Tenant, peer: Peer, made: Made, timing: Timing, wrapped: bool) -> None:
    with looking(made(), timing) as lookup:
        (entry,) = lookup.find([], [key_id(1)]).entries
        if wrapped:
            peer.on(f"{KEYS}/{key_id(1)}", Reply(body={"value": {"key": PASSWORD, "id": key_id(1)}}))
        revealed = lookup.reveal(entry)
    assert revealed.value == Secret(PASSWORD)
    assert revealed.defects == ()
    assert peer.graph()[-1].target == f"{KEYS}/{key_id(1)}?$select=key"


@pytest.mark.parametrize(
    ("reply", "kind", "told"),
    [
        (Reply(body={"id": key_id(1)}), AuthorizationError, "BitlockerKey.Read.All"),
        (Reply(body={"id": key_id(1), "key": None}), AuthorizationError, "BitlockerKey.Read.All"),
        (Reply(body={"id": key_id(1), "key": ""}), AuthorizationError, "BitlockerKey.Read.All"),
        (Reply(body={"id": key_id(1), "key": 5}), AuthorizationError, "BitlockerKey.Read.All"),
        (Reply(403, error("authorization_error")), AuthorizationError, "permission BitlockerKey.Read.All,"),
        (Reply(404, error("ResourceNotFound")), BadDataError, "gone"),
        (Reply(body={"id": key_id(2), "key": PASSWORD}), BadDataError, "another key"),
        (Reply(body={"id": None, "key": PASSWORD}), BadDataError, "another key"),
        (Reply(200, b"<html>"), BadDataError, "web page"),
        (Reply(429, None, {"Retry-After": "999"}), StoreDownError, "HTTP 429"),
    ],
)
def test_a_key_that_does_not_come(
    tenant: Tenant, peer: Peer, made: Made, timing: Timing, reply: Reply, kind: type[KeywardError], told: str
) -> None:
    with looking(made(), timing) as lookup:
        (entry,) = lookup.find([], [key_id(1)]).entries
        peer.on(f"{KEYS}/{key_id(1)}", reply)
        with pytest.raises(kind, match=told) as caught:
            lookup.reveal(entry)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("value", ["not digits", "2" * 47 + "3", PASSWORD[:-1], PASSWORD + "-111111"])
def test_a_key_that_is_no_recovery_password_is_shown_as_broken(tenant: Tenant, made: Made, timing: Timing, value: str) -> None:
    tenant.password = value
    with looking(made(), timing) as lookup:
        (entry,) = lookup.find([], [key_id(1)]).entries
        revealed = lookup.reveal(entry)
    assert revealed.value == Secret(value)
    assert "no recovery password" in revealed.defects[0]
    assert value not in revealed.defects[0]


# --- keys to be proven --------------------------------------------------------------------------------------------------------------------


@contextmanager
def stored(settings: EntraSettings, timing: Timing) -> Iterator[EntraStore]:
    store = EntraStore(settings, now=NOW, values=True, timing=timing)
    try:
        yield store
    finally:
        store.close()


def test_values_are_asked_for_one_by_one_and_only_as_far_as_somebody_wants_them(
    tenant: Tenant, peer: Peer, made: Made, timing: Timing
) -> None:
    with stored(made(), timing) as store:
        entries = store.read().entries
        before = len(peer.graph())
        (first, second) = (next(values := store.values(entries)), next(values))
        del values
    assert [value.entry.value for value in (first, second)] == [Secret(PASSWORD)] * 2
    assert (first.package, first.problem) == (None, "")
    asked = [request.target for request in peer.graph()[before:]]
    assert asked == [f"{KEYS}/{entry.entry_id}?$select=key" for entry in entries[:2]]


def test_a_value_that_is_gone_takes_none_along(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    with stored(made(), timing) as store:
        entries = store.read().entries
        peer.on(f"{KEYS}/{entries[0].entry_id}", Reply(404, error("ResourceNotFound")))
        first, *others = store.values([*entries[:1] * 5, *entries[1:]])
    assert "gone" in first.problem
    assert [value.entry.value for value in others[4:]] == [Secret(PASSWORD)] * (len(entries) - 1)


def test_without_the_permission_it_is_not_asked_for_every_key(tenant: Tenant, peer: Peer, made: Made, timing: Timing) -> None:
    with stored(made(), timing) as store:
        entries = store.read().entries
        peer.on(f"{KEYS}/{entries[0].entry_id}", Reply(403, error("authorization_error")))
        before = len(peer.graph())
        values = list(store.values(entries[:1] * 50))
    assert len(values) == 50
    assert all("BitlockerKey.Read.All" in value.problem for value in values)
    assert len(peer.graph()) - before == 3


# --- the action ---------------------------------------------------------------------------------------------------------------------------


def task(options: Mapping[str, Any], **args: Any) -> tuple[dict[str, Any], list[str]]:
    """Run the action as Ansible would; its result and what it showed."""
    shown: list[str] = []
    plain = {name: value.reveal() if isinstance(value, Secret) else value for name, value in options.items()}
    action = object.__new__(entra_recovery_key_info.ActionModule)
    action._task = SimpleNamespace(
        async_val=0, become=False, no_log=False, delegate_to=None, args=plain | args, check_mode=False, diff=False, get_name=lambda: "T"
    )
    action._play_context = SimpleNamespace(become=False)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._display = SimpleNamespace(
        verbosity=0, display=shown.append, warning=shown.append, vvv=lambda text, host=None: shown.append(text)
    )
    return action.run(task_vars={"inventory_hostname": "localhost"}), shown


def described(rows: list[dict[str, Any]], returned: Mapping[str, Any], *, without: str = "") -> None:
    """Hold a list of the result against its documentation."""
    keys = {name for name, item in returned["contains"].items() if not without or without not in item["returned"]}
    assert rows
    assert all(set(row) == keys for row in rows)
    assert all(set(row) <= set(returned["contains"]) for row in returned["sample"])


RETURN = yaml.safe_load(documentation.RETURN)


def test_the_action_gives_metadata(tenant: Tenant, peer: Peer, options: dict[str, Any]) -> None:
    result, shown = task(options, computer=["PC1"], key_id=[])
    assert not result.get("failed"), result
    assert result["changed"] is False
    assert {row["key_id"] for row in result["entries"]} == {key_id(1), key_id(2), key_id(4)}
    assert {row["device_id"]: row["keys"] for row in result["devices"]} == {device_id(1): 2, device_id(3): 1}
    described(result["entries"], RETURN["entries"], without="reveal")
    described(result["devices"], RETURN["devices"], without="intune")
    assert set(result["store"]) == set(RETURN["store"]["contains"]) - {"intune"}
    assert set(RETURN) <= set(result)
    assert shown == []
    assert "_ansible_no_log" not in result
    text = json.dumps(result)
    assert CLIENT_SECRET not in text
    assert token(1) not in text
    assert not any("key" in request.query.get("$select", "").split(",") for request in peer.graph())


def test_the_action_says_what_intune_says(tenant: Tenant, peer: Peer, options: dict[str, Any]) -> None:
    row = {"id": "e1", "azureADDeviceId": device_id(1), "isEncrypted": False, "lastSyncDateTime": "2026-11-20T08:15:30Z"}
    peer.on(MANAGED, page(row, row | {"id": "e2", "lastSyncDateTime": "0001-01-01T00:00:00Z"}))
    result, shown = task(options, computer=["PC1"], intune=True)
    said = {row["device_id"]: row["intune"] for row in result["devices"]}
    assert said == {device_id(1): {"encrypted": False, "last_sync": "2026-11-20T08:15:30Z", "enrolments": 2}, device_id(3): None}
    described(result["devices"], RETURN["devices"])
    assert set(result["store"]) == set(RETURN["store"]["contains"])
    assert result["store"]["intune"] == {"state": "searched", "reason": ""}
    assert shown == []
    assert len(peer.graph(MANAGED)) == 2


def test_without_a_licence_for_intune_the_action_warns_and_goes_on(tenant: Tenant, peer: Peer, options: dict[str, Any]) -> None:
    peer.on(MANAGED, Reply(400, error("BadRequest")))
    result, shown = task(options, all=True, intune=True)
    assert not result.get("failed"), result
    assert len(result["entries"]) == 6
    assert (result["store"]["state"], result["store"]["intune"]["state"]) == ("searched", "down")
    (warning,) = shown
    assert "Intune, down" in warning
    assert "no licence" in warning


def test_the_action_reveals_through_the_gate(tenant: Tenant, options: dict[str, Any], tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    result, _shown = task(options, key_id=[key_id(3)], reveal=True, reason="INC-1", audit_file=str(audit))
    assert result["_ansible_no_log"] is True
    assert [row["recovery_password"] for row in result["entries"]] == [PASSWORD]
    described(result["entries"], RETURN["entries"])
    _genesis, record = [json.loads(line) for line in audit.read_text(encoding="ascii").splitlines()]
    assert (record["key_id"], record["source"], record["reason"]) == (key_id(3), "entra", "INC-1")
    assert record["owner"] == f"PC2 {device_id(2)}"
    assert PASSWORD not in audit.read_text(encoding="ascii")


def test_one_key_that_cannot_be_read_leaves_the_others(tenant: Tenant, peer: Peer, options: dict[str, Any], tmp_path: Path) -> None:
    def refuse(request: Request) -> Reply | None:
        return Reply(403, error("authorization_error"))

    peer.on(f"{KEYS}/{key_id(2)}", refuse)
    result, _shown = task(options, device=[device_id(1)], reveal=True, reason="INC-1", audit_file=str(tmp_path / "audit"))
    rows = {row["key_id"]: row for row in result["entries"]}
    assert rows[key_id(1)]["recovery_password"] == PASSWORD
    assert rows[key_id(2)]["recovery_password"] is None
    assert "BitlockerKey.Read.All" in rows[key_id(2)]["problem"]
    peer.on(f"{KEYS}/{key_id(1)}", refuse)
    result, _shown = task(options, device=[device_id(1)], reveal=True, reason="INC-1", audit_file=str(tmp_path / "audit"))
    assert result["failed"]
    assert result["error"]["type"] == "AuthorizationError"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({}, "device, key_id, all"),
        ({"all": True, "device": ["x"]}, "device, key_id, all"),
        ({"all": True, "reveal": True, "reason": "x"}, "device, key_id, all"),
        ({"device": ["x"], "reveal": True}, "reason"),
        ({"all": True, "auth_method": "password"}, "auth_method"),
        ({"all": True, "auth_method": None}, "auth_method"),
        ({"all": True, "cloud_environment": "Mars"}, "cloud_environment"),
        ({"all": True, "trust_types": ["x"]}, "trust_types"),
    ],
)
def test_options_that_do_not_fit(peer: Peer, options: dict[str, Any], args: dict[str, Any], told: str) -> None:
    result, _shown = task(options, **args)
    assert result["failed"]
    assert told in result["msg"]
    assert CLIENT_SECRET not in json.dumps(result)
    assert peer.requests == []


def test_failures_are_results(tenant: Tenant, peer: Peer, options: dict[str, Any]) -> None:
    peer.on(KEYS, Reply(403, error("authorization_error")))
    result, _shown = task(options, key_id=["1a2b3c4d"])
    assert result["failed"]
    assert "BitlockerKey.ReadBasic.All" in result["msg"]
    peer.on(KEYS, Reply(500, None))
    result, _shown = task(options | {"throttle_wait": 0}, key_id=["1a2b3c4d"])
    assert result["failed"]
    result, _shown = task(options | {"secret": "wrong", "authority": "https://localhost:9"}, all=True)
    assert result["error"]["type"] == "UnreachableError"


def test_a_reading_that_is_not_whole_warns(tenant: Tenant, peer: Peer, options: dict[str, Any]) -> None:
    peer.on(KEYS, page(key(1, 1), next_link="https://evil.example/v1.0/x"))
    result, shown = task(options, all=True)
    assert result["store"]["state"] == "partial"
    assert any("Entra ID, partial" in text for text in shown)


def test_the_environment_is_read_as_the_azure_collections_do(
    tenant: Tenant, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, variable in (("tenant", "AZURE_TENANT"), ("client_id", "AZURE_CLIENT_ID")):
        monkeypatch.setenv(variable, options.pop(name))
    monkeypatch.setenv("AZURE_SECRET", options.pop("secret").reveal())
    result, _shown = task(options, all=True)
    assert len(result["entries"]) == 6
