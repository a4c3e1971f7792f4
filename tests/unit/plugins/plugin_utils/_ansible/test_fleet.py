# SPDX-License-Identifier: GPL-3.0-or-later
"""What the play knows of the fleet: one host's broken variable, result or observation is that host's alone. Everything is made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.fleet import collect_observations, known_hosts
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import FailureReason
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
GOOD = {"schema_version": 1, "host": "pc01", "observed_at": "2026-11-22T19:00:00Z", "state": "observed", "volumes": []}


class TaggedText(str):
    """A name as newer cores hand it out: a text of another class, which libraries do not take for one."""


class HostVars(Mapping[str, Any]):
    """Ansible's: raw values by ``raw_get``, templated ones by subscript."""

    def __init__(self, raw: Mapping[str, Mapping[str, Any]], templated: Mapping[str, Any] | None = None) -> None:
        self.raw, self.templated = raw, templated or {}

    def raw_get(self, host: str) -> Mapping[str, Any]:
        return self.raw[host]

    def __getitem__(self, host: str) -> Any:
        found = self.templated[host]
        if isinstance(found, Exception):
            raise found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)


def play(raw: Mapping[str, Mapping[str, Any]], templated: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"hostvars": HostVars(raw, templated), "groups": {"all": [TaggedText(name) for name in raw]}}


def collected(raw: Mapping[str, Any], given: Mapping[Any, Any] | None = None) -> tuple[dict[str, list[Any]], list[str]]:
    warnings: list[str] = []
    variables = play({name: {"keyward_observation": result} if result != "nothing" else {} for name, result in raw.items()})
    found = collect_observations(
        known_hosts(None, variables), given or {}, variables, variable="keyward_observation", now=NOW, warn=warnings.append
    )
    return {name: [item.reason for item in items] for name, items in found.items()}, warnings


def test_names_and_addresses_are_plain_text() -> None:
    hosts = known_hosts(None, play({"pc01": {"ansible_host": TaggedText("a.example")}, "pc02": {"ansible_winrm_host": 5}}))
    assert hosts == [InventoryHost(name="pc01", address="a.example"), InventoryHost(name="pc02", address="5")]
    assert {type(text) for host in hosts for text in (host.name, host.address)} == {str}


@pytest.mark.parametrize("template", ["{{ domain }}", "{% if x %}a{% endif %}"])
def test_an_address_is_templated(template: str) -> None:
    assert known_hosts(["pc01"], play({"pc01": {"ansible_host": template}}, {"pc01": {"ansible_host": "a.example"}})) == [
        InventoryHost(name="pc01", address="a.example")
    ]


@pytest.mark.parametrize("error", [AnsibleError("no such file"), AnsibleUndefinedVariable("domain")])
def test_an_address_that_cannot_be_templated_is_no_address_and_harms_nobody(error: Exception) -> None:
    raw = {"pc01": {"ansible_host": "{{ broken }}"}, "pc02": {"ansible_host": "b.example"}}
    assert known_hosts(None, play(raw, {"pc01": error})) == [InventoryHost(name="pc01"), InventoryHost(name="pc02", address="b.example")]


def test_hosts_that_the_inventory_does_not_know_are_refused() -> None:
    with pytest.raises(OptionError, match="stranger"):
        known_hosts(["pc01", "stranger"], play({"pc01": {}}))
    assert known_hosts(["pc01", "pc01"], play({"pc01": {}})) == [InventoryHost(name="pc01")]


GROUPS = {"all": ["pc01", "pc02", "srv:1", "old"], "windows": ["pc01", "pc02", "old"], "new": []}


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (["all"], ["pc01", "pc02", "srv:1", "old"]),
        (["windows"], ["pc01", "pc02", "old"]),
        (["windows:!old"], ["pc01", "pc02"]),
        (["windows", "!old", "!nobody"], ["pc01", "pc02"]),
        (["pc0*"], ["pc01", "pc02"]),
        (["~pc0[12]", "&windows"], ["pc01", "pc02"]),
        (["windows[0]"], ["pc01"]),
        (["srv:1"], ["srv:1"]),
        (["srv:1", "new"], ["srv:1"]),
        (["new"], []),
        (["*"], ["pc01", "pc02", "srv:1", "old"]),
        ([], []),
    ],
)
def test_a_pattern_names_the_hosts_that_a_play_with_it_has(wanted: list[str], named: list[str]) -> None:
    variables = {"groups": GROUPS, "hostvars": HostVars({name: {} for name in GROUPS["all"]})}
    assert [host.name for host in known_hosts(wanted, variables)] == named


@pytest.mark.parametrize(
    ("wanted", "stranger"),
    [
        (["windws"], "windws"),
        (["windows:laptps"], "laptps"),
        (["windows,laptps"], "laptps"),
        (["windows", "laptps"], "laptps"),
        (["windows:&prdo"], "prdo"),
        (["windows:lap*"], r"lap\*"),
        (["windows[7]"], r"windows\[7\]"),
        (["~(pc"], r"~\(pc"),
        (["windows:localhost"], "localhost"),
    ],
)
def test_a_part_of_a_pattern_that_names_nobody_is_no_smaller_fleet(wanted: list[str], stranger: str) -> None:
    variables = {"groups": GROUPS, "hostvars": HostVars({name: {} for name in GROUPS["all"]})}
    with pytest.raises(OptionError, match=f"does not know .?{stranger}"):
        known_hosts(wanted, variables)


@pytest.mark.parametrize(
    ("host", "task", "refused"),
    [
        ({"keyward_copies": 2}, {}, "keyward_copies"),
        ({"keyward_copies": 2}, {"keyward_copies": 1}, "keyward_copies"),
        ({"keyward_copies": 2}, {"keyward_copies": 2}, None),
        ({"keyward_gate_fail_on": {"severities": ["high"]}}, {}, "keyward_gate_fail_on"),
        ({"keyward_ad": {"password": "a"}}, {}, "keyward_ad"),
        ({"keyward_ad": {"password": "a"}}, {"keyward_ad": {"password": "b"}}, None),
        ({"keyward_adapter": "lean", "keyward_of_mine": 1, "keyward_gather_subset": []}, {}, None),
        ({}, {"keyward_copies": 2}, None),
    ],
)
def test_a_setting_of_a_single_host_is_refused_since_it_would_not_count(
    host: dict[str, Any], task: dict[str, Any], refused: str | None
) -> None:
    variables = play({"pc01": {}, "pc02": host}) | task
    settings = ["keyward_copies", "keyward_ad"]
    if refused is None:
        assert len(known_hosts(None, variables, settings=settings)) == 2
        return
    with pytest.raises(OptionError, match=f"variable {refused}.*pc02 has one of its own") as caught:
        known_hosts(None, variables, settings=settings)
    assert "password" not in str(caught.value)
    # a play of one's own that says nothing of settings has none
    assert len(known_hosts(None, variables)) == 2


def test_each_registered_result_speaks_for_its_own_host() -> None:
    other = GOOD | {"host": "pc02"}
    found, warnings = collected(
        {
            "pc01": {"observation": GOOD},
            "once": {"observation": GOOD},
            "pc02": {"observation": other | {"state": "failed", "reason": "tls"}, "failed": True},
            "skipped": {"skipped": True, "changed": False},
            "gone": {"unreachable": True, "msg": "no route"},
            "refused": {"failed": True, "msg": "become is set"},
            "looped": {"results": [{"observation": GOOD}], "changed": False, "msg": "All items completed"},
            "text": "{{ later }}",
            "never": "nothing",
        }
    )
    assert found == {
        "pc01": [None],
        "once": [FailureReason.PROTOCOL],
        "pc02": [FailureReason.TLS],
        "gone": [FailureReason.UNREACHABLE],
        "refused": [FailureReason.PROTOCOL],
        "looped": [FailureReason.PROTOCOL],
        "text": [FailureReason.PROTOCOL],
    }
    assert warnings == []


def test_given_observations_of_strangers_are_told_whatever_their_names_are() -> None:
    found, warnings = collected({"pc01": {"observation": GOOD}}, {"pc01": GOOD, 5: {}, "pc09": GOOD, None: {}})
    assert found == {"pc01": [None, None]}
    assert len(warnings) == 1
    assert "3 observations are left out" in warnings[0]
    assert "5, None, pc09" in warnings[0]
