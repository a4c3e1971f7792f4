# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's files and its writable registry: strict where Windows is, and state that stays."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.calls import Face, MethodFailedError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.faults import FaultError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.tests.lab import serialize
from ansible_collections.keyward.bitlocker.tests.lab.hosts.classes import files as module
from ansible_collections.keyward.bitlocker.tests.lab.hosts.wsman import WsmanService
from ansible_collections.keyward.bitlocker.tests.lab.model import LabFile, LabHost
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.lab_host import (
    NOW,
    LabTransport,
    lab_computer,
    lab_volume,
)

FVE = r"SOFTWARE\Policies\Microsoft\FVE"


def names(host: LabHost, wql: str) -> list[str | None]:
    return [found.string("Name") for found in Session(LabTransport(host)).query("root/cimv2", wql)]


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(module.time, "sleep", found.append)
    return found


@pytest.fixture
def host() -> LabHost:
    files = [LabFile(path=r"C:\Keys\a.TXT"), LabFile(path=r"C:\Keys\b.bek"), LabFile(path=r"E:\a.txt")]
    return lab_computer(lab_volume(1, "C:", 0), lab_volume(2, "E:", 2), files=files, profiles=[r"C:\Users\ada"])


def test_a_folder_is_listed_by_drive_and_path(host: LabHost, walks: list[float]) -> None:
    where = r"FROM CIM_DataFile WHERE Drive='C:' AND Path='\\Keys\\'"
    assert names(host, f"SELECT Name {where}") == [r"c:\keys\a.txt", r"c:\keys\b.bek"]
    assert names(host, f"SELECT Name {where} AND Extension='TXT'") == [r"c:\keys\a.txt"]
    assert names(host, r"SELECT Name FROM CIM_DataFile WHERE Drive='E:' AND Path='\\'") == []
    assert names(host, r"SELECT Name FROM Win32_Directory WHERE Drive='C:' AND Path='\\Users\\ada\\'") == [
        r"c:\users\ada\desktop",
        r"c:\users\ada\documents",
        r"c:\users\ada\downloads",
    ]
    assert walks == []


@pytest.mark.parametrize("wql", ["SELECT Name FROM CIM_DataFile", "SELECT Name FROM CIM_DataFile WHERE Drive='C:' AND Extension='bek'"])
def test_anything_wider_walks_the_disk(host: LabHost, walks: list[float], wql: str) -> None:
    names(host, wql)
    assert walks == [module.WALK_SECONDS]


@pytest.mark.parametrize(
    "wql",
    [
        r"SELECT Name FROM CIM_DataFile WHERE Drive='C:' AND Path='\Keys\\'",
        r"SELECT Name FROM CIM_DataFile WHERE Drive='C:' AND Path='\\Keys\'",
        r"SELECT Name FROM CIM_DataFile WHERE Drive='C:' AND Path='\\\Keys\\'",
    ],
)
def test_a_backslash_that_nobody_doubled_is_refused(host: LabHost, wql: str) -> None:
    with pytest.raises(FaultError):
        names(host, wql)


class Played:
    """One host's registry, written to by the names of the class."""

    def __init__(self, policy: dict[str, int | str] | None) -> None:
        self.kept: list[dict[str, int | str] | None] = []
        transport = LabTransport(lab_computer(fve_policy=policy))
        transport.service = WsmanService(transport.service.host, NOW, changed=lambda host: self.kept.append(host.fve_policy))
        self.face = Face(Session(transport), "root/default", "StdRegProv", "registry")

    def change(self, method: str, key: str = FVE, **arguments: Any) -> int:
        try:
            self.face.change(method, hDefKey=0x80000002, sSubKeyName=key, **arguments)
        except MethodFailedError as error:
            return error.result
        return 0


def test_what_is_written_is_the_hosts_policy() -> None:
    played = Played(None)
    assert played.change("SetDWORDValue", sValueName="OSRecovery", uValue=1) == 2
    assert played.change("CreateKey") == 0
    assert played.change("SetDWORDValue", sValueName="OSRecovery", uValue=1) == 0
    assert played.change("SetDWORDValue", sValueName="osrecovery", uValue=0) == 0
    assert played.change("SetStringValue", sValueName="RecoveryKeyMessage", sValue="call us") == 0
    assert played.kept == [{}, {"OSRecovery": 1}, {"OSRecovery": 0}, {"OSRecovery": 0, "RecoveryKeyMessage": "call us"}]
    assert played.change("DeleteValue", sValueName="OSRECOVERY") == 0
    assert played.change("DeleteValue", sValueName="OSRECOVERY") == 2
    assert played.change("DeleteKey", key=FVE.rpartition("\\")[0]) == 5
    assert played.change("DeleteKey") == 0
    assert played.kept[-2:] == [{"RecoveryKeyMessage": "call us"}, None]


def test_a_host_with_files_can_be_written_down() -> None:
    host = lab_computer(files=[LabFile(path=r"C:\a.txt", modified=NOW)], profiles=[r"C:\Users\ada"], mdm_policy={"A": 1, "B": "c"})
    assert serialize.build(LabHost, serialize.plain(host)) == host
