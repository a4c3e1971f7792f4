# SPDX-License-Identifier: GPL-3.0-or-later
"""The live computer as a source of keys: what it lists, what is asked for it, its values, and what refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import host_source
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.host_source import HostSource
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.inventory import Inventory
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import Candidate, parse_term
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows import live_keys
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.reads import Reads
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.lab_host import (
    NOW,
    PASSWORD,
    LabTransport,
    guid,
    lab_computer,
    lab_volume,
    session,
)

SETTINGS = ConnectionSettings(host="pc01", username="svc", password=Secret("x"))


def listed(host: LabHost) -> live_keys.LiveList:
    opened, _transport = session(host)
    return live_keys.read_list(opened, Reads.begin(lambda: NOW))


def source(
    monkeypatch: pytest.MonkeyPatch, *hosts: LabHost, settings: ConnectionSettings = SETTINGS
) -> tuple[HostSource, dict[str, LabTransport]]:
    """A source over lab hosts that are reached without a socket."""
    transports = {host.inventory_name: LabTransport(host) for host in hosts}
    inventory = Inventory({"groups": {"all": [*transports, "strange"]}, "hostvars": {}})

    def connection(name: str) -> ConnectionSettings:
        return replace(settings, host=name)

    monkeypatch.setattr(inventory, "connection", connection)
    monkeypatch.setattr(host_source, "open_transport", lambda given: transports[given.host])
    return HostSource(inventory, now=lambda: NOW, warn=lambda _text: None), transports


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_version_of_windows_lists_its_recovery_passwords(profile: str) -> None:
    host = lab_computer(lab_volume(1, "C:", 0), lab_volume(2, "D:", 1, (3, 8, 3)), lab_volume(3, None, 1, (2,)), profile=profile)
    found = listed(host)
    assert found.problems == ()
    assert found.names == ("pc01", "pc01.lab.example")
    assert found.serial == "LAB0001"
    assert [(item.key_id, item.volume) for item in found.protectors] == [(guid(101), "C:"), (guid(200), "D:"), (guid(202), "D:")]


def test_a_server_without_bitlocker_has_none() -> None:
    assert listed(lab_computer(bitlocker_installed=False, profile="ws2022")).protectors == ()


def test_a_computer_is_found_by_its_inventory_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found, transports = source(monkeypatch, lab_computer(lab_volume(1, "C:", 0)))
    terms = [parse_term(text) for text in ("PC01", "pc01.lab.example", guid(101), "serial:LAB0001")]
    answer = found.find(terms)
    (candidate,) = answer.found["PC01"]
    assert list(answer.found) == ["PC01"]
    assert (candidate.key_id, candidate.live, candidate.volume, candidate.owner) == (guid(101), True, "C:", "pc01")
    assert found.lists["pc01"].key_ids == {guid(101)}
    assert answer.state is StoreState.SEARCHED
    before = len(transports["pc01"].notes)
    found.find(terms)
    assert len(transports["pc01"].notes) == before


def test_no_password_is_asked_for_before_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    found, transports = source(monkeypatch, lab_computer(lab_volume(1, "C:", 0), lab_volume(2, "D:", 1)))
    candidates = found.find([parse_term("pc01")]).found["pc01"]
    asked = [note.action for note in transports["pc01"].notes]
    assert not any("NumericalPassword" in str(action) for action in asked)
    (value,) = found.values(candidates[1:])
    assert value.value == Secret(PASSWORD)
    asked = [str(note.action) for note in transports["pc01"].notes[len(asked) :]]
    assert len(asked) == 1
    assert "GetKeyProtectorNumericalPassword" in asked[0]


def test_a_locked_volume_lists_its_key_and_does_not_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _transports = source(monkeypatch, lab_computer(lab_volume(1, "D:", 1, (3,), locked=True, protection_status=2)))
    (value,) = found.values(found.find([parse_term("pc01")]).found["pc01"])
    assert value.value is None
    assert "FVE_E_LOCKED_VOLUME" in str(value.problem)
    assert PASSWORD[:6] not in str(value.problem)


def test_a_channel_that_nobody_encrypts_gets_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    clear: list[dict[str, Any]] = [
        {"scheme": "http", "port": 5985},
        {"scheme": "http", "port": 5985, "transport": ("ntlm",), "message_encryption": "never"},
        {"scheme": "http", "port": 5985, "transport": ("kerberos", "basic")},
    ]
    for fields in clear:
        found, transports = source(monkeypatch, lab_computer(lab_volume(1, "C:", 0)), settings=replace(SETTINGS, **fields))
        answer = found.find([parse_term("pc01")])
        assert answer.state is StoreState.DOWN
        assert "would travel in clear text" in answer.reason
        assert transports["pc01"].notes == []
    sealed = replace(SETTINGS, scheme="http", port=5985, transport=("kerberos",))
    found, _transports = source(monkeypatch, lab_computer(lab_volume(1, "C:", 0)), settings=sealed)
    assert found.find([parse_term("pc01")]).state is StoreState.SEARCHED


def test_one_host_that_is_down_does_not_lose_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    found, transports = source(
        monkeypatch, lab_computer(lab_volume(1, "C:", 0)), lab_computer(lab_volume(2, "C:", 0), inventory_name="pc02")
    )

    def dead(_envelope: bytes) -> bytes:
        raise KeywardError("reach it", meaning="it is off")

    monkeypatch.setattr(transports["pc02"], "send", dead)
    answer = found.find([parse_term("pc01"), parse_term("pc02")])
    assert (list(answer.found), answer.state) == (["pc01"], StoreState.PARTIAL)
    assert "pc02" in answer.reason
    assert found.find([parse_term("pc02")]).state is StoreState.DOWN


def test_a_volume_that_cannot_be_read_makes_the_list_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _transports = source(monkeypatch, lab_computer(lab_volume(1, "C:", 0), lab_volume(2, "D:", 1)))
    whole = live_keys._of_volume

    def broken(volume: Any, letter: str | None) -> list[live_keys.LiveProtector]:
        if letter == "D:":
            raise KeywardError("read D:", meaning="the provider failed")
        return whole(volume, letter)

    monkeypatch.setattr(live_keys, "_of_volume", broken)
    answer = found.find([parse_term("pc01")])
    assert [candidate.key_id for candidate in answer.found["pc01"]] == [guid(101)]
    assert answer.state is StoreState.PARTIAL
    # what is not in it may be on the computer all the same
    assert found.lists["pc01"].computers == frozenset()


@pytest.mark.parametrize("call", [lambda found: list(found.values([Candidate(key_id=guid(1), source="ad", owner="PC01")]))])
def test_a_candidate_of_another_source_is_a_mistake(monkeypatch: pytest.MonkeyPatch, call: Callable[[HostSource], object]) -> None:
    found, _transports = source(monkeypatch)
    with pytest.raises(TypeError):
        call(found)
