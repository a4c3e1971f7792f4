# SPDX-License-Identifier: GPL-3.0-or-later
"""The action volume_info: what its result says to Ansible and to the report, and that its documentation tells the truth."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.keyward.bitlocker.plugins.action import volume_info
from ansible_collections.keyward.bitlocker.plugins.modules import volume_info as documentation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import FailureReason, ProtectorType, VolumeType
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import (
    AuthenticationError,
    KeywardError,
    OptionError,
    ProtocolError,
    TlsError,
    UnreachableError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows import host as host_module
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.observe import SUBSETS, observe
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.lab_host import (
    LabTransport,
    guid,
    lab_computer,
    lab_volume,
    session,
)

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SETTINGS = ConnectionSettings(host="127.0.0.1", username="svc-keyward", password=Secret("made-up-5"), environment_proxy=False)


class FailingTransport:
    """Fails at the first exchange."""

    authenticated_names = ()

    def __init__(self, error: KeywardError) -> None:
        self.error = error

    def send(self, envelope: bytes) -> bytes:
        raise self.error

    def close(self) -> None:
        pass


def task(monkeypatch: pytest.MonkeyPatch, transport: Any, *, check_mode: bool = False, **args: Any) -> dict[str, Any]:
    """Run the action as Ansible would, with a transport of the test's choice and a clock that stands."""
    real = host_module.observe_host
    monkeypatch.setattr(volume_info, "observe_host", lambda *a, **k: real(*a, **k, opener=lambda _settings: transport))
    action = object.__new__(volume_info.ActionModule)
    action._task = SimpleNamespace(
        async_val=0, become=False, no_log=False, delegate_to=None, args=args, check_mode=check_mode, diff=True, get_name=lambda: "T"
    )
    action._play_context = SimpleNamespace(become=False)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._display = SimpleNamespace(verbosity=0)
    monkeypatch.setattr(action, "connection_settings", lambda _variables: SETTINGS)
    monkeypatch.setattr(action, "now", lambda: NOW)
    return action.run(task_vars={"inventory_hostname": "pc01"})


def host() -> LabHost:
    return lab_computer(lab_volume(1, "C:", 0), lab_volume(2, "D:", 1, (2, 3)))


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_observation_is_the_whole_result(monkeypatch: pytest.MonkeyPatch, check_mode: bool) -> None:
    result = task(monkeypatch, LabTransport(host()), check_mode=check_mode)
    observation = result.pop("observation")
    assert result == {"changed": False}
    assert (observation["host"], observation["observed_at"], observation["gathered"]) == ("pc01", "2026-11-22T20:00:00Z", ["escrow"])
    assert observation["channel"] == {
        "endpoint": "https://127.0.0.1:5986/wsman",
        "transport": "basic",
        "adapter": "lean",
        "authenticated_names": ["pc01.lab.example"],
    }
    assert len(parse_observation("pc01", observation).volumes or ()) == 2


@pytest.mark.parametrize(
    ("error", "mark"),
    [
        (UnreachableError("connect"), "unreachable"),
        (TlsError("verify"), "failed"),
        (AuthenticationError("log on"), "failed"),
        (ProtocolError("read"), "failed"),
    ],
)
def test_a_host_that_fails_is_a_result_that_the_report_can_use(monkeypatch: pytest.MonkeyPatch, error: KeywardError, mark: str) -> None:
    result = task(monkeypatch, FailingTransport(error))
    assert {name for name in ("failed", "unreachable") if result.get(name)} == {mark}
    assert result["msg"] == str(error)
    assert result["changed"] is False
    assert parse_observation("pc01", result["observation"]).reason == error.reason


def test_a_result_with_key_packages_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    result = task(monkeypatch, LabTransport(host()), key_packages=True)
    assert result["_ansible_no_log"] is True
    assert result["observation"]["gathered"] == ["escrow", "key_packages"]


def test_a_host_that_gave_no_key_package_says_why_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    result = task(monkeypatch, FailingTransport(UnreachableError("connect")), key_packages=True)
    assert "_ansible_no_log" not in result
    assert result["unreachable"]


def test_what_does_not_concern_the_host_is_an_ordinary_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    result = task(monkeypatch, FailingTransport(OptionError("open a connection")))
    assert result["failed"] is True
    assert "observation" not in result


@pytest.mark.parametrize("subset", ["everything", "escrow,oops"])
def test_an_unknown_subset_is_refused(monkeypatch: pytest.MonkeyPatch, subset: str) -> None:
    result = task(monkeypatch, LabTransport(host()), gather_subset=subset)
    assert result["failed"] is True
    assert "gather_subset" in result["msg"]


def test_subsets_may_be_given_as_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    result = task(monkeypatch, LabTransport(host()), gather_subset="names,policy")
    assert result["observation"]["gathered"] == ["escrow", "names", "policy"]


# --- the documentation --------------------------------------------------------------------------------------------------------------------

RETURN: dict[str, Any] = yaml.safe_load(documentation.RETURN)
OBSERVATION = RETURN["observation"]
KINDS = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}


def undocumented(value: Any, described: Mapping[str, Any], path: str) -> list[str]:
    """Keys and types of a result that its documentation does not have."""
    wrong = []
    if value is not None and (not isinstance(value, KINDS[described["type"]]) or isinstance(value, bool) != (described["type"] == "bool")):
        wrong.append(f"{path} is no {described['type']}")
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and "contains" in described:
            for key, inner in item.items():
                known = described["contains"].get(key)
                wrong += [f"{path}.{key}"] if known is None else undocumented(inner, known, f"{path}.{key}")
    return wrong


def test_every_key_of_every_observation_is_documented() -> None:
    volumes = [
        lab_volume(1, "C:", 0, (1, 3), protection_status=0, suspend_count=1, failing_methods={"GetKeyProtectorType": 0x80070057}),
        lab_volume(2, None, 1, (2, 3), mount_point="C:\\Mounts\\Data", encryption_method=5),
        lab_volume(3, "E:", 2, (3,), conversion_status=0, hardware_test_status=2),
    ]
    full = lab_computer(*volumes, profile="ws2025", domain_role=3, cluster_name="CLU1", entra_device_id=guid(1), entra_tenant_id=guid(2))
    for played in (full, lab_computer(fault="not_admin"), lab_computer(bitlocker_installed=False)):
        opened, _transport = session(played)
        observation = observe(opened, subsets=SUBSETS, now=lambda: NOW, host="pc01", channel={"endpoint": "x", "transport": "basic"})
        assert undocumented(observation, OBSERVATION, "observation") == []
        always = {name for name, item in OBSERVATION["contains"].items() if item["returned"] == "always"}
        assert always <= set(observation)
        for item in observation.get("volumes") or []:
            described = OBSERVATION["contains"]["volumes"]["contains"]
            assert {name for name, part in described.items() if part["returned"] == "always"} <= set(item)


def test_the_sample_is_an_observation() -> None:
    sample = OBSERVATION["sample"]
    assert undocumented(sample, OBSERVATION, "observation") == []
    observed = parse_observation("pc01", sample)
    assert observed.dns_name == "pc01.lab.example"
    assert [protector.type for protector in (observed.volumes or ())[0].protectors or ()] == ["tpm", "recovery_password"]


def test_words_of_the_model_are_documented() -> None:
    volumes = OBSERVATION["contains"]["volumes"]["contains"]
    kinds = str(volumes["protectors"]["contains"]["type"]["description"])
    assert all(f"V({word})" in kinds for word in ProtectorType)
    assert all(f"V({word})" in str(volumes["type"]["description"]) for word in VolumeType)
    assert set(OBSERVATION["contains"]["reason"]["choices"]) == set(FailureReason)


def test_the_choices_are_the_subsets() -> None:
    option = yaml.safe_load(documentation.DOCUMENTATION)["options"]["gather_subset"]
    assert set(option["choices"]) == SUBSETS | {"all"}


def test_every_option_has_an_example() -> None:
    tasks = [step for play in yaml.safe_load(documentation.EXAMPLES) for step in play.get("tasks", [play])]
    used = {name for step in tasks for name in step.get("keyward.bitlocker.volume_info") or {}}
    assert used == set(yaml.safe_load(documentation.DOCUMENTATION)["options"])
