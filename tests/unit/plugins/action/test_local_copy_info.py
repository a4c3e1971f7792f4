# SPDX-License-Identifier: GPL-3.0-or-later
"""The action local_copy_info against a lab host in this process: what is found, what is asked, and what is said to be left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.action import local_copy_info
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import local_copies_run
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows import local_files
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.port import AnswerTimeoutError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.tests.lab.hosts.classes import files as lab_files
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import WIRE_FORMS
from ansible_collections.keyward.bitlocker.tests.lab.model import LabFile, LabVolume
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.lab_host import (
    LabTransport,
    guid,
    lab_computer,
    lab_volume,
)

#: recovery passwords of C: and D:, an external key of D:, and one that nobody has (any more)
ON_C, ON_D, BEK_D, GONE = guid(101), guid(202), guid(201), guid(0xDEAD)


def text(folder: str, key_id: str, name: str = "BitLocker Recovery Key {}.TXT") -> LabFile:
    return LabFile(path=f"{folder}\\{name.format(key_id.upper())}", size=1374, modified=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


FILES = [
    text(r"C:\Users\ada\Documents", ON_C),
    text(r"C:\Users\ada\Desktop", ON_D, "Wiederherstellungsschlüssel für BitLocker {}.txt"),
    text("D:", GONE),
    text(r"C:\Users\O'Brien\OneDrive - Contoso\Documents", ON_D),
    text(r"C:\Users\ada\OneDrive", ON_C, "Clave de recuperación de BitLocker {}.txt"),
    LabFile(path=f"D:\\{BEK_D.upper()}.BEK", size=156, hidden=True),
    LabFile(path=r"C:\Users\ada\Downloads\usb.bek", size=156),
    # not seen: below a folder, without an ID, of another kind
    text(r"C:\Users\ada\Documents\Old", ON_C),
    LabFile(path=r"C:\Users\ada\Documents\shopping.txt"),
    LabFile(path=f"C:\\Users\\ada\\Documents\\{ON_C}.pdf"),
    text(r"E:\Keys", ON_C),
]
PROFILES = [r"C:\Users\ada", r"C:\Users\O'Brien"]


class Ground:
    """One host with files, and the way to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *volumes: LabVolume, **fields: Any) -> None:
        drives = volumes or (lab_volume(1, "C:", 0), lab_volume(2, "D:", 1, (1, 2, 3)))
        self.transport = LabTransport(lab_computer(*drives, **({"profiles": PROFILES, "files": FILES} | fields)))
        self._monkeypatch = monkeypatch

    @property
    def queries(self) -> list[str]:
        return [note.query or "" for note in self.transport.notes if note.operation == "Enumerate"]

    def run(self, clock: Callable[[], float] | None = None, **args: Any) -> dict[str, Any]:
        def opened(_settings: Any) -> Session:
            return Session(self.transport, target="lab", username="LAB\\svc-keyward")

        self._monkeypatch.setattr(local_copy_info, "open_session", opened)
        if clock is not None:
            real = local_copies_run.local_copies_result
            self._monkeypatch.setattr(local_copy_info, "local_copies_result", lambda *a, **k: real(*a, **k, clock=clock))
        action = object.__new__(local_copy_info.ActionModule)
        action._task = SimpleNamespace(
            async_val=0, become=False, no_log=False, delegate_to=None, args=args, check_mode=False, diff=False, get_name=lambda: "T"
        )
        action._play_context = SimpleNamespace(become=False)
        action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        action._display = SimpleNamespace(verbosity=0, vvv=lambda *_a, **_k: None)
        self._monkeypatch.setattr(action, "connection_settings", lambda _variables: None)
        result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "pc01"})
        return result


@pytest.fixture(autouse=True)
def _no_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    def walked(_seconds: float) -> None:
        raise AssertionError("a query that walks a whole disk")

    monkeypatch.setattr(lab_files.time, "sleep", walked)


def told(result: dict[str, Any]) -> set[tuple[str, str | None, bool | None, tuple[str, ...], bool | None]]:
    return {(one["path"], one["key_id"], one["current"], tuple(one["unlocks"]), one["on_volume_it_unlocks"]) for one in result["files"]}


def test_what_is_found_and_what_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Ground(monkeypatch).run()
    assert told(result) == {
        (f"c:\\users\\ada\\documents\\bitlocker recovery key {ON_C}.txt", ON_C, True, ("C:",), True),
        (f"c:\\users\\ada\\desktop\\wiederherstellungsschlüssel für bitlocker {ON_D}.txt", ON_D, True, ("D:",), False),
        (f"d:\\bitlocker recovery key {GONE}.txt", GONE, False, (), False),
        (f"c:\\users\\o'brien\\onedrive - contoso\\documents\\bitlocker recovery key {ON_D}.txt", ON_D, True, ("D:",), False),
        (f"c:\\users\\ada\\onedrive\\clave de recuperación de bitlocker {ON_C}.txt", ON_C, True, ("C:",), True),
        (f"d:\\{BEK_D}.bek", BEK_D, True, ("D:",), True),
        (r"c:\users\ada\downloads\usb.bek", None, None, (), None),
    }
    assert result["summary"] == {"files": 7, "current": 5, "unknown": 1, "on_volume_it_unlocks": 3}
    assert result["not_searched"] == []
    assert {"C:\\", "D:\\", "C:\\Users\\ada\\documents\\", "C:\\Users\\Public\\"} <= set(result["searched"])
    (bek,) = [one for one in result["files"] if one["key_id"] == BEK_D]
    assert (bek["kind"], bek["protector_type"], bek["hidden"], bek["size"]) == ("external_key", "external_key", True, 156)
    (old,) = [one for one in result["files"] if one["key_id"] == GONE]
    assert (old["kind"], old["modified"]) == ("recovery_text", "2026-01-02T03:04:05Z")
    assert result["changed"] is False
    assert len(result["limits"]) == 4


def test_every_query_fixes_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch)
    ground.run(folders=["E:/Keys"])
    asked = [query for query in ground.queries if "CIM_DataFile" in query or "Win32_Directory" in query]
    assert all(" WHERE Drive='" in query and " AND Path='\\\\" in query for query in asked)
    assert all("Extension='" in query for query in asked if "CIM_DataFile" in query)
    assert any(r"Path='\\Users\\O\'Brien\\OneDrive - contoso\\documents\\'".lower() in query.lower() for query in asked)
    assert len(asked) < 60


def test_folders_and_no_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Ground(monkeypatch).run(profiles=False, folders=["E:/Keys", "C:\\users\\ADA\\documents\\old\\"])
    assert {one["path"] for one in result["files"] if one["key_id"] == ON_C} == {
        f"e:\\keys\\bitlocker recovery key {ON_C}.txt",
        f"c:\\users\\ada\\documents\\old\\bitlocker recovery key {ON_C}.txt",
    }
    assert set(result["searched"]) == {"C:\\", "D:\\", "E:\\Keys\\", "C:\\users\\ADA\\documents\\old\\"}


@pytest.mark.parametrize("folder", ["Documents", r"\\server\share", "C:", r"C:\Users\*", r"C:\a\..\b", "C:\\x\ny", "D:\\" + "x" * 300])
def test_what_is_no_folder(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    ground = Ground(monkeypatch)
    result = ground.run(folders=[folder])
    if folder == "C:":
        assert "failed" not in result
        return
    assert result["failed"]
    assert "no path of a folder" in result["msg"]
    assert ground.transport.notes == []


def test_what_windows_cannot_list_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(
        monkeypatch,
        lab_volume(1, "C:", 0),
        lab_volume(2, "D:", 1, (2, 3), locked=True),
        lab_volume(3, "F:", 2),
        lab_volume(4, None, 1, mount_point=r"C:\Mount"),
    )
    result = ground.run(profiles=False)
    assert {one["path"]: one["reason"].split(",")[0] for one in result["not_searched"]} == {
        "D:": "the volume is locked",
        "F:": "Windows lists files of local fixed disks only",
        r"C:\Mount": "the volume has no drive letter",
    }
    assert result["searched"] == ["C:\\"]


def test_without_bitlocker_files_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Ground(monkeypatch, bitlocker_installed=False).run()
    assert "C:\\" in result["searched"]
    assert {one["current"] for one in result["files"] if one["key_id"]} == {False}


def test_protectors_that_could_not_be_read_leave_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = {"GetKeyProtectors": 0x80310000}
    result = Ground(monkeypatch, lab_volume(1, "C:", 0), lab_volume(2, "D:", 1, (1, 2, 3), failing_methods=failing)).run()
    assert {one["key_id"]: one["current"] for one in result["files"]} == {ON_C: True, ON_D: None, GONE: None, BEK_D: None, None: None}


def test_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def ticks() -> Iterator[float]:
        yield from (float(number) for number in range(1000))

    clock = ticks()
    ground = Ground(monkeypatch)
    result = ground.run(clock=lambda: next(clock), timeout=4)
    assert len(result["searched"]) == 2
    assert "4 seconds were over by then" in {one["reason"] for one in result["not_searched"]}
    assert len([query for query in ground.queries if "CIM_DataFile" in query]) == 4


def test_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [text("C:", guid(number)) for number in range(1, 9)]
    result = Ground(monkeypatch, files=many).run(max_files=5, profiles=False)
    assert len(result["files"]) == 5
    assert {one["path"] for one in result["not_searched"]} == {"C:\\", "D:\\"}
    assert all("5 files were found" in one["reason"] for one in result["not_searched"])
    monkeypatch.setattr(local_files, "MAX_IN_FOLDER", 3)
    result = Ground(monkeypatch, files=many).run(profiles=False)
    assert len(result["files"]) == 3
    assert result["not_searched"] == [{"path": "C:\\", "reason": "it holds more than 3, and the first 3 were looked at"}]
    assert result["searched"] == ["D:\\"]


def test_a_host_that_does_not_answer_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch)
    honest, hung = ground.transport.send, 0

    def send(envelope: bytes) -> bytes:
        nonlocal hung
        if b"CIM_DataFile" in envelope and b"Documents" in envelope.replace(b"documents", b"Documents"):
            hung += 1
            raise AnswerTimeoutError("read the answer", target="lab")
        return honest(envelope)

    ground.transport.send = send  # type: ignore[method-assign]  # a host that hangs in one folder
    result = ground.run()
    assert hung == 3
    assert "the host had not answered several times by then" in {one["reason"] for one in result["not_searched"]}
    assert f"d:\\{BEK_D}.bek" in {one["path"] for one in result["files"]}


def test_a_host_that_lists_what_was_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch, files=[text("C:", ON_C)])
    honest = ground.transport.send
    ground.transport.send = lambda envelope: honest(envelope).replace(b"c:\\bit", b"c:\\windows\\bit")  # type: ignore[method-assign]  # a liar
    result = ground.run(profiles=False)
    assert result["files"] == []
    assert result["not_searched"] == [{"path": "C:\\", "reason": "the host lists one of another folder"}]


def test_profiles_that_cannot_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch)
    honest = ground.transport.send
    ground.transport.send = lambda envelope: honest(envelope.replace(b"Win32_UserProfile", b"Win32_NoProfile"))  # type: ignore[method-assign]  # old
    result = ground.run()
    assert [one["path"] for one in result["not_searched"]] == ["user profiles"]
    assert "C:\\Users\\Public\\" in result["searched"]
    lost = Ground(monkeypatch)
    plain = lost.transport.send
    lost.transport.send = lambda envelope: plain(envelope.replace(b"Win32_Directory", b"Win32_NoDirectory"))  # type: ignore[method-assign]  # old
    result = lost.run()
    assert f"c:\\users\\ada\\documents\\bitlocker recovery key {ON_C}.txt" in {one["path"] for one in result["files"]}
    assert "C:\\Users\\ada\\*" in {one["path"] for one in result["not_searched"]}


@pytest.mark.parametrize(
    ("honest_text", "broken", "noted"),
    [
        (b"<Special>false", b"<Special>maybe", "user profiles"),
        (b"<Name>c:\\users\\ada\\", b"<Name><b/>", "C:\\Users\\ada\\*"),
        (b"<FileSize>1374", b"<FileSize>much", "D:\\"),
        (b"<LocalPath>C:\\Users\\ada", b"<LocalPath>\\\\server\\ada", r"\\server\ada"),
    ],
)
def test_values_of_other_types_lose_no_more_than_themselves(
    monkeypatch: pytest.MonkeyPatch, honest_text: bytes, broken: bytes, noted: str
) -> None:
    ground = Ground(monkeypatch)
    honest = ground.transport.send
    ground.transport.send = lambda envelope: honest(envelope).replace(honest_text, broken)  # type: ignore[method-assign]  # other types
    result = ground.run()
    assert "failed" not in result, result
    assert noted in {one["path"] for one in result["not_searched"]}
    assert f"d:\\{BEK_D}.bek" in {one["path"] for one in result["files"]}


@pytest.mark.parametrize(
    ("profile", "wire_form"), [("ws2012r2", "modern"), ("ws2022", "modern"), *(("win10_22h2", form) for form in sorted(WIRE_FORMS))]
)
def test_every_windows_in_every_form(monkeypatch: pytest.MonkeyPatch, profile: str, wire_form: str) -> None:
    assert Ground(monkeypatch, profile=profile, wire_form=wire_form).run()["summary"]["files"] == 7


def test_a_host_that_cannot_be_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Ground(monkeypatch, fault="not_admin").run()
    assert (result["failed"], result["reason"]) == (True, "authorization")
    assert "files" not in result
    assert Ground(monkeypatch).run(timeout=0)["failed"]
