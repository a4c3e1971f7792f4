# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reading of what the wire reference leaves open can be played, and differs as its sentence says."""

from __future__ import annotations

import re

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.hosts import WIRE_FORMS
from ansible_collections.keyward.bitlocker.tests.lab.model import LabVolume
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import BITLOCKER, DATA_GUID, OS_GUID, Direct, Message, make_host

ALL = "SELECT * FROM Win32_EncryptableVolume"


def _direct(form: str, **changes: object) -> Direct:
    return Direct(make_host(wire_form=form, **changes))


@pytest.mark.parametrize("form", WIRE_FORMS)
def test_every_form_tells_the_same_truth(form: str) -> None:
    direct = _direct(form)
    letters: list[str | None] = []
    answer = direct.send(Message.query(BITLOCKER, "SELECT DriveLetter FROM Win32_EncryptableVolume"))
    letters += answer.texts("DriveLetter")
    while answer.context:
        answer = direct.send(Message.pull(f"{BITLOCKER}/*", answer.context))
        letters += answer.texts("DriveLetter")
    assert letters == ["C:", "D:"]
    assert direct.volume("GetEncryptionMethod").texts("EncryptionMethod") == ["7"]
    assert WIRE_FORMS[form].meaning.endswith(".")


def test_output_element() -> None:
    for form, name, typed in (("modern", "GetLockStatus_OUTPUT", True), ("output_plain", "GetLockStatus", False)):
        answer = _direct(form).volume("GetLockStatus")
        assert answer.body[0].tag.endswith("}" + name)
        assert any("type" in key for key in answer.body[0].attrib) == typed
    assert not _direct("output_untyped").volume("GetLockStatus").body[0].attrib


def test_null_values() -> None:
    assert _direct("null_omitted").send(Message.enumerate("root/cimv2", "Win32_ComputerSystem")).nodes("UserName") == []
    nil = _direct("null_array_nil").volume("GetKeyProtectors", guid=DATA_GUID)
    assert nil.texts("VolumeKeyProtectorID") == [None]


def test_codes() -> None:
    assert _direct("not_activated").volume("GetKeyProtectors", guid=DATA_GUID).result == 0x80310008
    assert _direct("not_supported_50").volume("GetSuspendCount").result == 50


@pytest.mark.parametrize(
    ("form", "subcode", "code", "inner"),
    [
        ("modern", "n:CannotProcessFilter", 2150858778, 2150858778),
        ("namespace_unreachable", "a:DestinationUnreachable", 2150858752, 2150858752),
        ("namespace_provider", "a:DestinationUnreachable", 2150858752, 0x8004100E),
        ("namespace_bare", "a:DestinationUnreachable", 2150858752, None),
    ],
)
def test_missing_namespace(form: str, subcode: str, code: int, inner: int | None) -> None:
    answer = _direct(form, bitlocker_installed=False).send(Message.query(BITLOCKER, ALL))
    assert answer.fault == (subcode, code)
    assert [int(node.get("Code", "")) for node in answer.nodes("WSManFault")[1:]] == ([] if inner is None else [inner])


@pytest.mark.parametrize(
    ("form", "subcode", "code"),
    [
        ("modern", "a:ActionNotSupported", 2150858753),
        ("method_action", "a:ActionNotSupported", 2150858771),
        ("method_provider", "w:InternalError", 0x8004102E),
        ("method_unreachable", "a:DestinationUnreachable", 2150858752),
    ],
)
def test_missing_method(form: str, subcode: str, code: int) -> None:
    assert _direct(form).volume("Nothing").fault == (subcode, code)


@pytest.mark.parametrize(
    ("form", "subcode", "code"),
    [
        ("modern", "w:AccessDenied", 2150859012),
        ("access_five", "w:AccessDenied", 5),
        ("access_internal", "w:InternalError", 2147942405),
        ("access_provider", "w:AccessDenied", 2150859012),
    ],
)
def test_access_denied(form: str, subcode: str, code: int) -> None:
    assert _direct(form, fault="not_admin").send(Message.query("root/cimv2", "SELECT * FROM Win32_BIOS")).fault == (subcode, code)


def test_locked_properties() -> None:
    volume = LabVolume(device_guid=OS_GUID, persistent_id=None, drive_letter="E:", volume_type=1, locked=True)
    for form, expected in (("modern", "1"), ("locked_null", None)):
        answer = _direct(form, volumes=[volume]).send(Message.enumerate(BITLOCKER, "Win32_EncryptableVolume"))
        assert answer.texts("ConversionStatus") == [expected]


def test_booleans_and_times() -> None:
    system = Message.enumerate("root/cimv2", "Win32_OperatingSystem")
    assert _direct("upper_booleans").send(Message.enumerate("root/cimv2", "Win32_ComputerSystem")).texts("PartOfDomain") == ["TRUE"]
    assert re.fullmatch(r"[^.]+Z", _direct("whole_seconds").send(system).texts("Datetime")[0] or "")
    assert re.fullmatch(r".+\.\d{7}Z", _direct("long_fractions").send(system).texts("Datetime")[0] or "")
    assert re.fullmatch(r".+\.\dZ", _direct("modern").send(system).texts("Datetime")[0] or "")


def test_batches() -> None:
    everything = _direct("first_answer_all").send(Message.query(BITLOCKER, ALL))
    assert (len(everything.nodes("Win32_EncryptableVolume")), everything.context) == (2, "")
    late = _direct("late_end")
    answer = late.send(Message.query(BITLOCKER, ALL))
    answer = late.send(Message.pull(f"{BITLOCKER}/*", answer.context))
    assert answer.context
    assert not answer.nodes("EndOfSequence")
    answer = late.send(Message.pull(f"{BITLOCKER}/*", answer.context))
    assert (answer.nodes("Win32_EncryptableVolume"), len(answer.nodes("EndOfSequence"))) == ([], 1)
    volumes = [LabVolume(device_guid=f"11111111-aaaa-4aaa-8aaa-{n:012}", persistent_id=None, drive_letter=None) for n in range(4)]
    tiny = _direct("tiny_batches", volumes=volumes)
    answer = tiny.send(Message.query(BITLOCKER, ALL))
    assert len(tiny.send(Message.pull(f"{BITLOCKER}/*", answer.context, max_elements=50)).nodes("Win32_EncryptableVolume")) == 1


def test_empty_results() -> None:
    nothing = Message.query(BITLOCKER, f"{ALL} WHERE DriveLetter='Q:'")
    assert len(_direct("modern").send(nothing).nodes("Items")) == 1
    assert _direct("empty_without_items").send(nothing).nodes("Items") == []


def test_language_and_prefix() -> None:
    german = _direct("german").send(Message.query("root/cimv2", "SELECT * FROM Win32_Foo"))
    assert "nicht vorhanden" in german.raw.decode()
    assert b'xml:lang="de-DE"' in german.raw
    assert b"<GetLockStatus_OUTPUT xmlns=" in _direct("default_prefix").volume("GetLockStatus").raw
