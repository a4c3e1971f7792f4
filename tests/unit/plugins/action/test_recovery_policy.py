# SPDX-License-Identifier: GPL-3.0-or-later
"""The action recovery_policy against a lab host in this process: what is written, what is refused, and lost answers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.action import recovery_policy
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.port import ConnectionLostError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import WIRE_FORMS
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.lab_host import LabTransport, lab_computer, lab_volume

WHOLE = {"recovery_password_use": "required", "store_in_ad": True, "key_package": True, "require_backup": True}
WRITTEN = {
    "OSActiveDirectoryBackup": 1,
    "OSActiveDirectoryInfoToStore": 1,
    "OSRecovery": 1,
    "OSRecoveryKey": 2,
    "OSRecoveryPassword": 1,
    "OSRequireActiveDirectoryBackup": 1,
}
WRITES = frozenset({"SetDWORDValue", "DeleteValue", "CreateKey", "DeleteKey", "SetStringValue", "SetBinaryValue"})


class Ground:
    """One host and the way to it; ``before`` and ``after`` are called with the method around each exchange."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, policy: dict[str, int | str] | None = None, **fields: Any) -> None:
        self.transport = LabTransport(lab_computer(lab_volume(1, "C:", 0), fve_policy=policy, **fields))
        self.warnings: list[str] = []
        self._monkeypatch = monkeypatch

    @property
    def host(self) -> LabHost:
        return self.transport.service.host

    @property
    def writes(self) -> list[str]:
        return [note.method for note in self.transport.notes if note.method in WRITES]

    def run(self, *, check_mode: bool = False, diff: bool = True, **args: Any) -> dict[str, Any]:
        def opened(_settings: Any) -> Session:
            return Session(self.transport, target="lab", username="LAB\\svc-keyward")

        self._monkeypatch.setattr(recovery_policy, "open_session", opened)
        action = object.__new__(recovery_policy.ActionModule)
        action._task = SimpleNamespace(
            async_val=0, become=False, no_log=False, delegate_to=None, args=args, check_mode=check_mode, diff=diff, get_name=lambda: "T"
        )
        action._play_context = SimpleNamespace(become=False)
        action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        action._display = SimpleNamespace(verbosity=0, vvv=lambda *_a, **_k: None)
        self._monkeypatch.setattr(action, "connection_settings", lambda _variables: None)
        self._monkeypatch.setattr(action, "warn", self.warnings.append)
        result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "pc01"})
        return result

    def lose(self, when: Callable[[int], bool], *, done: bool) -> None:
        """Lose the answers of the writes with these numbers; ``done``: after they were carried out."""
        honest, count = self.transport.send, 0

        def send(envelope: bytes) -> bytes:
            nonlocal count
            if any(f"{method}_INPUT".encode() in envelope for method in WRITES):
                count += 1
                if when(count):
                    if done:
                        honest(envelope)
                    raise ConnectionLostError("read the answer", target="lab")
            return honest(envelope)

        self.transport.send = send  # type: ignore[method-assign]  # a way that loses answers


def test_a_policy_from_nothing_and_nothing_to_do_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch)
    result = ground.run(os=WHOLE)
    assert result["changed"], result
    assert ground.host.fve_policy == WRITTEN == result["after"]
    assert result["before"] == {}
    assert result["policy"]["os"] == {"configured": True, **WHOLE}
    assert result["diff"]["before"] == ""
    assert "OSRequireActiveDirectoryBackup = 1\n" in result["diff"]["after"]
    assert ground.writes == ["CreateKey"] + ["SetDWORDValue"] * 6
    assert [change["value"] for change in result["changes"]][-1] == "OSRecovery"
    again = ground.run(os=WHOLE)
    assert (again["changed"], again["changes"], again["before"]) == (False, [], WRITTEN)
    assert len(ground.writes) == 7


def test_check_mode_says_the_same_and_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch, {"OSRecovery": 0, "UseTPM": 2, "FDVRecovery": 1})
    foreseen = ground.run(check_mode=True, os=WHOLE)
    assert ground.writes == []
    assert ground.host.fve_policy == {"OSRecovery": 0, "UseTPM": 2, "FDVRecovery": 1}
    assert ground.run(os=WHOLE) == foreseen
    assert ground.host.fve_policy == {"UseTPM": 2, "FDVRecovery": 1} | WRITTEN
    ground.run(state="absent", os=WHOLE)
    assert ground.host.fve_policy == {"UseTPM": 2, "FDVRecovery": 1}


def test_without_diff_mode_there_is_no_diff(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "diff" not in Ground(monkeypatch).run(diff=False, os={"store_in_ad": True})


def test_a_contradiction_with_what_is_there_is_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch, {"OSRecoveryPassword": 0, "OSRecovery": 1})
    result = ground.run(os={"store_in_ad": True, "require_backup": True}, fixed={"recovery_password_use": "required"})
    assert result["failed"]
    assert "FVE_E_POLICY_CONFLICT_OSV_RP_OFF_ADB_ON (0x80310090)" in result["msg"]
    assert (result["changed"], ground.writes) == (False, [])


def test_a_contradiction_that_is_not_ours_does_not_stop_an_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: dict[str, int | str] = {"OSRecovery": 1, "OSRecoveryPassword": 0, "OSRecoveryKey": 0, "OSHideRecoveryPage": 1}
    ground = Ground(monkeypatch, dict(broken))
    assert ground.run(state="absent", os={"recovery_password_use": "required"})["changed"] is False
    ground = Ground(monkeypatch, WRITTEN | {"OSHideRecoveryPage": 1})
    result = ground.run(state="absent", os={"store_in_ad": True})
    assert "waits for a backup" in result["msg"]
    assert ground.writes == []


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, "one of the following is required"),
        ({"os": {}}, "no intention is given"),
        ({"os": {"store_in_ad": False, "require_backup": True}}, "never made"),
        ({"os": {"recovery_password_use": "never"}}, "value of recovery_password_use must be one of"),
    ],
)
def test_options_that_cannot_be_meant(monkeypatch: pytest.MonkeyPatch, args: dict[str, Any], text: str) -> None:
    ground = Ground(monkeypatch)
    result = ground.run(**args)
    assert result["failed"]
    assert text in result["msg"]
    assert ground.transport.notes == []


def test_who_will_write_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mdm: dict[str, int | str] = {"SystemDrivesRecoveryOptions": "<enabled/>", "RequireDeviceEncryption": 1}
    ground = Ground(monkeypatch, mdm_policy=mdm)
    result = ground.run(check_mode=True, os=WHOLE)
    assert result["overwritten_by"] == ["group_policy", "mdm"]
    assert (result["domain"], result["mdm_settings"]) == ("lab.example", ["RequireDeviceEncryption", "SystemDrivesRecoveryOptions"])
    assert [warning.split()[0] for warning in ground.warnings] == ["The", "Intune"]
    alone = Ground(monkeypatch, domain=None, domain_role=0)
    result = alone.run(removable={"recovery_key_use": "forbidden"})
    assert (result["overwritten_by"], result["domain"], result["mdm_settings"]) == ([], None, [])
    assert alone.warnings == result["cautions"] != []
    assert alone.run(removable={"recovery_key_use": "forbidden"})["changed"] is False
    assert len(alone.warnings) == 1


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("number", range(1, 8))
def test_a_lost_answer_is_settled_by_what_is_read_next(monkeypatch: pytest.MonkeyPatch, number: int, done: bool) -> None:
    ground = Ground(monkeypatch)
    ground.lose(lambda count: count == number, done=done)
    result = ground.run(os=WHOLE)
    assert result["changed"], result
    assert ground.host.fve_policy == WRITTEN == result["after"]
    names = [note for note in ground.writes if note == "SetDWORDValue"]
    assert len(names) == 6


def test_a_host_that_goes_away_is_unreachable_and_what_was_asked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch)
    honest = ground.transport.send

    def send(envelope: bytes) -> bytes:
        if ground.writes.count("SetDWORDValue") >= 2:
            raise ConnectionLostError("read the answer", target="lab")
        return honest(envelope)

    ground.transport.send = send  # type: ignore[method-assign]  # a host that goes away
    result = ground.run(os=WHOLE)
    assert result["unreachable"]
    assert "failed" not in result
    assert result["changed"], result
    assert len(result["changes"]) == 3


def test_a_host_that_says_yes_and_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch, {"OSRecovery": 1})
    honest = ground.transport.send

    def send(envelope: bytes) -> bytes:
        answer = honest(envelope)
        ground.host.fve_policy = {"OSRecovery": 1}
        return answer

    ground.transport.send = send  # type: ignore[method-assign]  # a host that forgets
    result = ground.run(os=WHOLE)
    assert result["failed"]
    assert "still shows others" in result["msg"]
    assert ground.writes.count("SetDWORDValue") == 3 * 5


def test_a_value_of_another_type_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch, {"OSRecovery": "1", "osrecoverypassword": 1, "RecoveryKeyMessage": "call us"})
    result = ground.run(os={"store_in_ad": True})
    assert {"value": "OSRecovery", "before": "1", "after": 1} in result["changes"]
    assert ground.host.fve_policy == {
        "OSRecovery": 1,
        "osrecoverypassword": 1,
        "RecoveryKeyMessage": "call us",
        "OSActiveDirectoryBackup": 1,
        "OSActiveDirectoryInfoToStore": 1,
        "OSRecoveryKey": 2,
    }


@pytest.mark.parametrize(
    ("profile", "wire_form"),
    [("ws2012r2", "modern"), ("ws2016", "modern"), ("ws2022", "modern"), *(("win11_25h2", form) for form in sorted(WIRE_FORMS))],
)
def test_every_windows_in_every_form(monkeypatch: pytest.MonkeyPatch, profile: str, wire_form: str) -> None:
    ground = Ground(monkeypatch, {"UseTPM": 2}, profile=profile, wire_form=wire_form)
    first = ground.run(os=WHOLE, fixed=WHOLE)
    assert first["changed"], first
    assert ground.run(os=WHOLE, fixed=WHOLE)["changed"] is False
    assert ground.run(state="absent", os=WHOLE, fixed=WHOLE)["after"] == {}
    assert ground.host.fve_policy == {"UseTPM": 2}
