# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire of a lab host: enumerations, Get, Invoke, and what a strict service refuses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.hosts import PROFILES
from ansible_collections.keyward.bitlocker.tests.lab.model import LabVolume
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import (
    BITLOCKER,
    DATA_GUID,
    ENUMERATION,
    OS_GUID,
    PASSWORD_KEY,
    TPM_KEY,
    TRANSFER,
    WMI,
    Direct,
    Message,
    device_id,
    make_host,
)

VOLUME = "Win32_EncryptableVolume"
ALL = "SELECT * FROM Win32_EncryptableVolume"
BY_ID = "SELECT DriveLetter FROM Win32_EncryptableVolume WHERE DeviceID='#'"


@pytest.fixture
def direct() -> Direct:
    return Direct(make_host())


def test_first_answer_holds_one_item_then_pulls_with_new_contexts(direct: Direct) -> None:
    first = direct.send(Message.query(BITLOCKER, ALL))
    assert len(first.nodes(VOLUME)) == 1
    assert not first.nodes("EndOfSequence")
    second = direct.send(Message.pull(f"{BITLOCKER}/*", first.context))
    assert len(second.nodes(VOLUME)) == 1
    assert second.nodes("EndOfSequence")[0].tag == f"{{{ENUMERATION}}}EndOfSequence"
    assert second.nodes("Items")[0].tag == f"{{{ENUMERATION}}}Items"
    assert len(direct.service.enumerations) == 0


def test_a_context_is_good_for_one_pull(direct: Direct) -> None:
    volumes = [LabVolume(device_guid=f"11111111-aaaa-4aaa-8aaa-0000000000{n:02}", persistent_id=None, drive_letter=None) for n in range(9)]
    many = Direct(make_host(volumes=volumes))
    context = many.send(Message.query(BITLOCKER, ALL)).context
    second = many.send(Message.pull(f"{BITLOCKER}/*", context, max_elements=3))
    assert len(second.nodes(VOLUME)) == 3
    assert re.fullmatch(r"uuid:[0-9A-F-]{36}", second.context)
    assert second.context != context
    again = many.send(Message.pull(f"{BITLOCKER}/*", context))
    assert again.status == 500
    assert again.fault == ("n:InvalidEnumerationContext", 2150858779)
    one = many.send(Message.pull(f"{BITLOCKER}/*", second.context, max_elements=None))
    assert len(one.nodes(VOLUME)) == 1
    other = many.send(Message.pull("root/cimv2/*", one.context))
    assert other.fault[1] == 2150858779


def test_release_forgets_the_context(direct: Direct) -> None:
    context = direct.send(Message.query(BITLOCKER, ALL)).context
    body = f"<n:Release><n:EnumerationContext>{context}</n:EnumerationContext></n:Release>"
    released = direct.send(Message.build(f"{ENUMERATION}/Release", f"{WMI}{BITLOCKER}/*", body))
    assert released.status == 200
    assert len(released.body) == 0
    assert direct.send(Message.pull(f"{BITLOCKER}/*", context)).fault[1] == 2150858779


def test_without_optimisation_a_context_alone(direct: Direct) -> None:
    answer = direct.send(Message.query(BITLOCKER, ALL, optimize=False))
    assert answer.context
    assert not answer.nodes("Items")


def test_pull_batches_are_limited_by_size_not_only_by_count() -> None:
    volumes = [LabVolume(device_guid=f"11111111-aaaa-4aaa-8aaa-{n:012}", persistent_id=None, drive_letter=None) for n in range(64)]
    many = Direct(make_host(volumes=volumes))
    context = many.send(Message.query(BITLOCKER, ALL, max_envelope="8192")).context
    seen, pulls = 1, 0
    while context:
        answer = many.send(Message.pull(f"{BITLOCKER}/*", context, max_elements=32000, max_envelope="8192"))
        assert len(answer.raw) <= 8192
        seen, pulls, context = seen + len(answer.nodes(VOLUME)), pulls + 1, answer.context
    assert seen == 64
    assert pulls > 3


def test_an_item_that_does_not_fit_is_an_encoding_limit(direct: Direct) -> None:
    direct.service.host.manufacturer = "x" * 9000
    answer = direct.send(Message.query("root/cimv2", "SELECT * FROM Win32_ComputerSystem", max_envelope="8192"))
    assert answer.fault == ("w:EncodingLimit", 2150858824)


def test_whole_instances_and_projections_differ(direct: Direct) -> None:
    whole = direct.send(Message.query(BITLOCKER, f"{ALL} WHERE DriveLetter='C:'"))
    (node,) = whole.nodes(VOLUME)
    assert node.tag == f"{{{WMI}{BITLOCKER}/{VOLUME}}}{VOLUME}"
    names = [child.tag.rpartition("}")[2] for child in node]
    assert names == sorted(names, key=str.lower)
    part = direct.send(
        Message.query(BITLOCKER, "select driveletter, PersistentVolumeID from win32_encryptablevolume where driveletter = 'd:'")
    )
    (fragment,) = part.nodes("XmlFragment")
    assert {child.tag: child.text or "" for child in fragment} == {"DriveLetter": "D:", "PersistentVolumeID": ""}


def test_wql_backslashes_are_doubled_and_selectors_are_not(direct: Direct) -> None:
    literal = device_id(OS_GUID).replace("\\", "\\\\")
    assert direct.send(Message.query(BITLOCKER, BY_ID.replace("#", literal))).texts("DriveLetter") == ["C:"]
    undoubled = BY_ID.replace("#", device_id(OS_GUID)[:-1])
    assert direct.send(Message.query(BITLOCKER, undoubled)).texts("DriveLetter") == []
    assert direct.send(Message.get(BITLOCKER, VOLUME, {"DeviceID": device_id(OS_GUID)})).texts("DriveLetter") == ["C:"]
    assert direct.send(Message.get(BITLOCKER, VOLUME, {"DeviceID": literal})).fault == ("a:DestinationUnreachable", 2150858752)


def test_null_scalars_are_nil_and_null_arrays_are_absent() -> None:
    direct = Direct(make_host(domain=None))
    answer = direct.send(Message.enumerate("root/cimv2", "Win32_ComputerSystem"))
    assert answer.texts("UserName") == [None]
    assert len(answer.texts("Roles")) == 3
    assert answer.texts("PartOfDomain") == ["false"]
    protectors = direct.send(Message.volume("GetKeyProtectors", guid=DATA_GUID))
    assert (protectors.result, protectors.nodes("VolumeKeyProtectorID")) == (0, [])


def test_an_empty_result_ends_at_once(direct: Direct) -> None:
    answer = direct.send(Message.query(BITLOCKER, f"{ALL} WHERE DriveLetter IS NULL"))
    assert (answer.status, answer.context, len(answer.nodes("EndOfSequence"))) == (200, "", 1)


@pytest.mark.parametrize(
    "wql",
    [
        "",
        "SELECT",
        "DELETE * FROM x",
        "SELECT Nothing FROM Win32_EncryptableVolume",
        f"{ALL} WHERE Nothing=1",
        f"{ALL} garbage",
        f"{ALL} WHERE a='",
    ],
)
def test_bad_queries(direct: Direct, wql: str) -> None:
    assert direct.send(Message.query(BITLOCKER, wql)).fault == ("n:CannotProcessFilter", 2150858778)


def test_missing_class_and_resource(direct: Direct) -> None:
    assert direct.send(Message.query("root/cimv2", "SELECT * FROM Win32_Foo")).fault == ("n:CannotProcessFilter", 2150858778)
    assert direct.send(Message.enumerate("root/cimv2", "Win32_Foo")).fault == ("a:DestinationUnreachable", 2150858752)
    odd = direct.send(Message.build(f"{TRANSFER}/Get", "http://schemas.example/other", selectors={"a": "b"}))
    assert odd.fault == ("a:DestinationUnreachable", 2150858811)


def test_invoke_answers_in_the_namespace_of_the_request(direct: Direct) -> None:
    namespace = BITLOCKER.upper()
    uri = f"{WMI}{namespace}/{VOLUME}"
    answer = direct.send(Message.invoke(namespace, VOLUME, "GetKeyProtectors", selectors={"DeviceID": device_id(OS_GUID)}))
    assert answer.body[0].tag == f"{{{uri}}}GetKeyProtectors_OUTPUT"
    assert answer.texts("Action") == [f"{uri}/GetKeyProtectorsResponse"]
    assert answer.texts("VolumeKeyProtectorID") == [f"{{{TPM_KEY.upper()}}}", f"{{{PASSWORD_KEY.upper()}}}"]
    assert answer.texts("To") == ["http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"]


def test_names_are_case_sensitive_in_invokes(direct: Direct) -> None:
    assert direct.send(Message.volume("getlockstatus")).fault == ("a:ActionNotSupported", 2150858753)
    lower = direct.send(Message.volume("GetKeyProtectorType", f"<p:volumekeyprotectorid>{{{TPM_KEY.upper()}}}</p:volumekeyprotectorid>"))
    assert lower.fault == ("w:InvalidParameter", 2150858810)
    documented = direct.send(Message.volume("ProtectKeyWithPassphrase", "<p:Passphrase>x</p:Passphrase>"))
    assert documented.fault[0] == "a:ActionNotSupported"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("", 2150858810),
        ("<p:VolumeKeyProtectorID xsi:nil='true'/>", 2150858810),
        ("<p:VolumeKeyProtectorID>a</p:VolumeKeyProtectorID><p:VolumeKeyProtectorID>b</p:VolumeKeyProtectorID>", 2150858810),
        ("<VolumeKeyProtectorID>a</VolumeKeyProtectorID>", 2150858817),
        ("<p:VolumeKeyProtectorID><p:x/></p:VolumeKeyProtectorID>", 2150858817),
    ],
)
def test_bad_arguments(direct: Direct, arguments: str, code: int) -> None:
    assert direct.send(Message.volume("GetKeyProtectorType", arguments)).fault[1] == code


@pytest.mark.parametrize("text", ["-1", "banana", "4294967296", "1.5", ""])
def test_a_number_must_be_one(direct: Direct, text: str) -> None:
    answer = direct.send(Message.volume("GetKeyProtectors", f"<p:KeyProtectorType>{text}</p:KeyProtectorType>"))
    assert answer.fault == ("w:InvalidParameter", 2150858810)


def test_the_body_of_an_invoke_is_in_the_namespace_of_the_class(direct: Direct) -> None:
    empty = direct.send(Message.volume("GetLockStatus", body=""))
    assert empty.fault == ("w:SchemaValidationError", 2150858817)
    foreign = direct.send(Message.volume("GetLockStatus", body=f'<p:GetLockStatus_INPUT xmlns:p="{WMI}{BITLOCKER.upper()}/{VOLUME}"/>'))
    assert foreign.fault == ("w:SchemaValidationError", 2150858817)


def test_selectors(direct: Direct) -> None:
    assert direct.send(Message.get(BITLOCKER, VOLUME, {})).fault == ("w:InvalidSelectors", 2150859002)
    assert direct.send(Message.get(BITLOCKER, VOLUME, {"deviceid": "x"})).fault == ("w:InvalidSelectors", 2150858843)
    assert direct.send(Message.get("root/cimv2", "Win32_BIOS", {"Name": "x"})).fault == ("w:InvalidSelectors", 2150858842)
    assert direct.send(Message.get(BITLOCKER, VOLUME, {"DeviceID": "x"})).fault == ("a:DestinationUnreachable", 2150858752)
    assert direct.send(Message.get("root/cimv2", "Win32_OperatingSystem", {})).texts("SystemDrive") == ["C:"]


@pytest.mark.parametrize("header", ["To", "ResourceURI", "ReplyTo", "Action", "MessageID"])
def test_mandatory_headers(direct: Direct, header: str) -> None:
    answer = direct.send(Message.query(BITLOCKER, ALL, drop=header))
    assert answer.fault == ("a:InvalidMessageInformationHeader", 2150858767)


def test_headers_that_are_wrong(direct: Direct) -> None:
    def subcode(**changes: Any) -> str:
        return direct.send(Message.query(BITLOCKER, ALL, **changes)).fault[0]

    assert subcode(timeout="-PT5S") == "a:InvalidMessageInformationHeader"
    assert subcode(timeout="twenty") == "a:InvalidMessageInformationHeader"
    assert subcode(message_id="17") == "a:InvalidMessageInformationHeader"
    assert subcode(max_envelope="8191") == "w:EncodingLimit"
    assert subcode(max_envelope="many") == "a:InvalidMessageInformationHeader"
    assert subcode(extra="<a:To>http://twice/</a:To>") == "a:InvalidMessageInformationHeader"
    assert subcode(extra='<q:Strange xmlns:q="urn:q" s:mustUnderstand="1"/>') == "s:MustUnderstand"
    assert subcode(extra='<q:Strange xmlns:q="urn:q" mustUnderstand="true"/>') == "s:MustUnderstand"
    assert direct.send(Message.query(BITLOCKER, ALL, extra='<q:Strange xmlns:q="urn:q"/>')).status == 200


def test_faults_relate_to_the_message(direct: Direct) -> None:
    answer = direct.send(Message.query(BITLOCKER, "x", message_id="uuid:00000000-0000-0000-0000-00000000ABCD"))
    assert answer.texts("RelatesTo") == ["uuid:00000000-0000-0000-0000-00000000ABCD"]
    assert answer.texts("Action") == [f"{ENUMERATION}/fault"]


@pytest.mark.parametrize("data", [b"", b"<", b"\x00" * 9, b"<a/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"\xff\xfe<\x00"])
def test_what_is_no_envelope(direct: Direct, data: bytes) -> None:
    answer = direct.send(data)
    assert (answer.status, answer.fault) == (500, ("w:SchemaValidationError", 2150858817))


def test_old_profiles_lack_properties_and_methods() -> None:
    for name, profile in PROFILES.items():
        direct = Direct(make_host(profile=name))
        projected = direct.send(Message.query(BITLOCKER, "SELECT ConversionStatus FROM Win32_EncryptableVolume"))
        assert (projected.status == 200) == profile.snapshot_properties
        assert direct.send(Message.volume("GetConversionStatus")).result == 0
        backup = direct.volume("GetNumericalPasswordBackupType", VolumeKeyProtectorID=f"{{{PASSWORD_KEY.upper()}}}")
        if "GetNumericalPasswordBackupType" in profile.missing_methods:
            assert backup.fault[0] == "a:ActionNotSupported"
        else:
            assert backup.texts("BackupInfoType") == ["5"]
        system = direct.send(Message.query("root/cimv2", "SELECT Version, BuildNumber FROM Win32_OperatingSystem"))
        assert system.texts("Version") == [profile.version]
        assert system.texts("BuildNumber") == [profile.version.split(".")[-1]]
