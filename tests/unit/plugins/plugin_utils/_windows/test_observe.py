# SPDX-License-Identifier: GPL-3.0-or-later
"""The observation of a host: what it holds, what it costs, and that no failing read loses its neighbours."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Conversion, Observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import (
    AuthenticationError,
    KeywardError,
    LimitError,
    OptionError,
    ProtocolError,
    TlsError,
    UnreachableError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows import observe as module
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.observe import failed_observation, observe, resolve_subsets
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.fake_host import (
    DATA_DEVICE,
    EXTERNAL_ID,
    LOCKED,
    NOT_ACTIVATED,
    NOT_DATA_VOLUME,
    OS_DEVICE,
    PASSWORD_ID,
    TPM_ID,
    FakeHost,
    access_denied,
    fault,
    missing_method,
    missing_namespace,
    volume,
    with_data_volume,
    workstation,
)

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
JOIN_INFO = r"SYSTEM\CurrentControlSet\Control\CloudDomainJoin\JoinInfo"
FVE = r"SOFTWARE\Policies\Microsoft\FVE"
ESCROW = frozenset({"escrow"})


def seen(host: FakeHost, *subsets: str) -> dict[str, Any]:
    """The observation, and that the reader of observations takes it."""
    observation = observe(host, subsets=frozenset(subsets or ("escrow",)), now=lambda: NOW, host="pc01", channel={"endpoint": "test"})
    assert isinstance(parse_observation("pc01", observation), Observation)
    return observation


def reads(errors: list[dict[str, str]]) -> list[str]:
    return [error["read"] for error in errors]


def test_a_sound_workstation_is_told_in_full() -> None:
    observation = seen(workstation())
    assert observation == {
        "schema_version": 1,
        "host": "pc01",
        "observed_at": "2026-11-22T20:00:00Z",
        "state": "observed",
        "reason": None,
        "message": "",
        "gathered": ["escrow"],
        "channel": {"endpoint": "test", "authenticated_names": ["pc01.lab.example"]},
        "computer": {
            "name": "PC01",
            "dns_name": "pc01.lab.example",
            "domain": "lab.example",
            "workgroup": None,
            "part_of_domain": True,
            "domain_role": "member_workstation",
            "manufacturer": "Lab Computers",
            "model": "Model 1",
            "serial": "LAB0001",
            "hardware_uuid": "9e1f0b52-5c37-4a6e-9f2c-0d1d5a4f3b21",
        },
        "os": {
            "caption": "Microsoft Windows 11 Enterprise",
            "version": "10.0.26200",
            "build": "26200",
            "product_type": "workstation",
            "system_drive": "C:",
            "last_boot": "2026-11-20T07:58:02Z",
        },
        "bitlocker_installed": True,
        "volumes": [
            {
                "device_id": OS_DEVICE,
                "persistent_id": "{CCCCCCCC-0000-4000-8000-000000000001}",
                "letter": "C:",
                "type": "os",
                "locked": False,
                "conversion": "fully_encrypted",
                "encrypted_percent": 100,
                "method": "xts_aes_256",
                "protection": "on",
                "protectors": [
                    {"key_id": "aaaaaaaa-0000-4000-8000-000000000001", "type": "tpm"},
                    {"key_id": "aaaaaaaa-0000-4000-8000-000000000002", "type": "recovery_password"},
                ],
                "errors": [],
            }
        ],
        "join": {"entra": None},
        "errors": [],
    }


# --- cost ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5, 64])
def test_the_default_subset_keeps_its_budget_of_requests(count: int) -> None:
    host = workstation()
    for number in range(2, count + 1):
        device = f"\\\\?\\Volume{{00000000-0000-4000-8000-{number:012d}}}\\"
        ids = {f"{{DDDDDDDD-0000-4000-8000-{number:011d}{place}}}": kind for place, kind in ((1, 8), (2, 3))}
        host.volumes[device] = volume(device, f"V{number}:", 1, ids)
    observation = seen(host)
    assert [len(item["protectors"]) for item in observation["volumes"]] == [2] * count
    assert host.requests <= 6 + count * (3 + 2)
    assert host.requests == 6 - (count == 1) + count * (3 + 2), "one volume needs no Pull"


def test_each_condition_costs_one_request_more() -> None:
    base = workstation()
    seen(base)
    suspended = workstation()
    suspended.volumes[OS_DEVICE]["properties"]["ProtectionStatus"] = 0
    assert seen(suspended)["volumes"][0]["suspend_count"] == 1
    decrypted = workstation()
    decrypted.volumes[OS_DEVICE]["methods"]["GetConversionStatus"]["ConversionStatus"] = 0
    assert seen(decrypted)["volumes"][0]["hardware_test"] == "pending"
    letterless = workstation()
    letterless.volumes[OS_DEVICE]["properties"]["DriveLetter"] = None
    letterless.volumes[OS_DEVICE]["win32_volume"]["Name"] = "C:\\Mounts\\Data\\"
    assert seen(letterless)["volumes"][0]["mount_point"] == "C:\\Mounts\\Data"
    assert [host.requests - base.requests for host in (suspended, decrypted, letterless)] == [1, 1, 1]

    data = with_data_volume()
    observation = seen(data)
    assert data.requests == 6 + 2 * (3 + 2) + 1
    assert observation["volumes"][1]["auto_unlock_key_id"] is None


def test_an_entra_join_costs_at_most_three_more() -> None:
    host, plain = workstation(), workstation()
    seen(plain)
    host.registry = {
        JOIN_INFO: {},
        JOIN_INFO + "\\" + "A" * 40: {"DeviceId": (1, "6C5B0F0E-6A2D-4F53-9F0C-1D8C3A7B5E44"), "TenantId": (1, "x")},
    }
    observation = seen(host)
    assert observation["join"]["entra"] == {"device_id": "6c5b0f0e-6a2d-4f53-9f0c-1d8c3a7b5e44", "tenant_id": None}
    assert host.requests - plain.requests == 2


def test_what_was_not_asked_for_is_not_asked_and_absent() -> None:
    host = workstation()
    observation = seen(host, "policy")
    assert "volumes" not in observation
    assert "join" not in observation
    assert "bitlocker_installed" not in observation
    assert observation["policy"] == {"values": {}}
    assert host.log == [
        "Enumerate Win32_ComputerSystem",
        "Enumerate Win32_OperatingSystem",
        "Enumerate Win32_ComputerSystemProduct",
        "EnumValues",
    ]


def test_no_request_asks_for_a_secret_with_any_subset() -> None:
    host = with_data_volume()
    seen(host, "all")
    secret = {"GetKeyPackage", "GetKeyProtectorNumericalPassword", "GetKeyProtectorExternalKey"}
    assert not secret & set(host.log)


def test_the_code_behind_the_observation_does_not_import_the_faces_of_secrets() -> None:
    folder = Path(module.__file__).parent
    todo, known = ["observe", "host"], set()
    while todo:
        name = todo.pop()
        if name in known or not (folder / f"{name}.py").exists():
            continue
        known.add(name)
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom):
                todo += [(node.module or "").rpartition(".")[2], *(alias.name for alias in node.names)]
    assert {"volume_facts", "encryptable_volume", "join_state", "registry"} <= known, "the walk follows the imports"
    assert "volume_secrets" not in known


# --- the subsets --------------------------------------------------------------------------------------------------------------------------


def test_subsets_about_volumes_bring_the_volumes() -> None:
    assert resolve_subsets(frozenset({"names"})) == {"names", "escrow"}
    assert resolve_subsets(frozenset({"policy"})) == {"policy"}
    assert resolve_subsets(frozenset({"key_packages"})) == {"key_packages", "escrow"}
    assert resolve_subsets(frozenset({"all"})) == {"escrow", "names", "backup_records", "policy", "tpm", "conversion"}


def test_all_subsets_together() -> None:
    host = with_data_volume()
    host.registry[FVE] = {"OSRecovery": (4, 1), "Note": (1, "text"), "Lines": (7, ["a", "b"]), "Raw": (3, [1, 255]), "Wide": (11, 2**40)}
    host.classes["Win32_Tpm"][0].update(IsReadyInformation={"IsReady": False, "Information": 0x42}, IsLockedOut={"IsLockedOut": False})
    observation = seen(host, "all")
    assert observation["policy"] == {"values": {"OSRecovery": 1, "Note": "text", "Lines": "a\nb", "Raw": "01ff", "Wide": 2**40}}
    assert observation["tpm"] == {
        "present": True,
        "enabled": True,
        "activated": True,
        "owned": True,
        "spec_version": "2.0",
        "manufacturer": "IFX",
        "manufacturer_version": "7.63",
        "ready": False,
        "ready_information": ["shutdown_required", "ownership_required"],
        "locked_out": False,
    }
    system, data = observation["volumes"]
    assert system["conversion_details"] == {
        "encryption_flags": ["used_space_only"],
        "wiping": "not_wiped",
        "wiped_percent": 0,
        "hardware_encryption": "software",
        "metadata_version": "windows_7",
    }
    assert system["protectors"][1] == {
        "key_id": "aaaaaaaa-0000-4000-8000-000000000002",
        "type": "recovery_password",
        "name": "name of AAAAAAAA",
        "backup": ["ad"],
    }
    assert "backup" not in system["protectors"][0], "only recovery passwords are backed up"
    assert observation["errors"] == system["errors"] == data["errors"] == []


@pytest.mark.parametrize(
    "no_method",
    [
        missing_method(),
        fault("ActionNotSupported"),
        fault("InternalError", 0x80041001, inner=0x8004102E),
        fault("DestinationUnreachable", 0x80338000, inner=0x80041055),
        fault("DestinationUnreachable", 0x80338000),
        fault("SchemaValidationError", 0x80338041),
        50,
        0x80070032,
        0x80004001,
        0x8004102E,
    ],
)
def test_old_windows_keeps_no_backup_records(no_method: KeywardError | int) -> None:
    host = workstation()
    host.failures["GetNumericalPasswordBackupType"] = no_method
    observation = seen(host, "backup_records")
    assert observation["volumes"][0]["protectors"][1]["backup"] is None
    assert observation["volumes"][0]["errors"] == []


def test_a_method_that_windows_lacks_is_asked_for_once_a_host() -> None:
    host = with_data_volume()
    host.failures["GetNumericalPasswordBackupType"] = missing_method()
    seen(host, "backup_records")
    assert host.log.count("GetNumericalPasswordBackupType") == 1


def test_a_backup_record_that_cannot_be_read_is_no_missing_record() -> None:
    host = workstation()
    host.failures["GetNumericalPasswordBackupType"] = 0x80070057
    volumes = seen(host, "backup_records")["volumes"]
    assert volumes[0]["protectors"][1]["backup"] is None
    assert volumes[0]["errors"][0]["name"] == "E_INVALIDARG"
    assert PASSWORD_ID in volumes[0]["errors"][0]["message"]


@pytest.mark.parametrize("bit", [0, 5, 0x18, 0x8000])
def test_backup_types_are_bits(bit: int) -> None:
    host = workstation()
    host.volumes[OS_DEVICE]["methods"]["GetNumericalPasswordBackupType"][PASSWORD_ID] = {"BackupInfoType": bit}
    words = {0: [], 5: ["ad", "entra"], 0x18: ["file", "printed"], 0x8000: ["unknown_32768"]}
    assert seen(host, "backup_records")["volumes"][0]["protectors"][1]["backup"] == words[bit]


# --- key packages -------------------------------------------------------------------------------------------------------------------------


def with_package(package: Any) -> FakeHost:
    host = workstation()
    host.volumes[OS_DEVICE]["methods"]["GetKeyPackage"] = {PASSWORD_ID: {"KeyPackage": package}}
    return host


def test_a_key_package_is_read_twice_and_only_when_asked_for() -> None:
    host = with_package([1, 2, 255])
    item = seen(host, "key_packages")["volumes"][0]
    assert item["protectors"][1]["key_packages"] == ["AQL/", "AQL/"]
    assert "key_packages" not in item["protectors"][0], "a TPM has none"
    assert host.log.count("GetKeyPackage") == 2
    host = with_package([1, 2, 255])
    assert "key_packages" not in str(seen(host, "all"))
    assert host.log.count("GetKeyPackage") == 0


def test_a_package_that_is_refused_is_an_error_and_no_second_question() -> None:
    host = with_package([1])
    host.failures["GetKeyPackage"] = 0x80310033
    item = seen(host, "key_packages")["volumes"][0]
    assert item["protectors"][1]["key_packages"] == []
    assert [error["read"] for error in item["errors"]] == ["GetKeyPackage"]
    assert host.log.count("GetKeyPackage") == 1


# --- forms of Windows that are unconfirmed or old -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", [None, ...])
def test_what_an_instance_does_not_show_is_asked_by_method(absent: Any) -> None:
    host = workstation()
    host.volumes[OS_DEVICE]["properties"].update(
        ProtectionStatus=absent, ConversionStatus=absent, EncryptionMethod=absent, VolumeType=absent
    )
    item = seen(host)["volumes"][0]
    assert (item["protection"], item["conversion"], item["method"], item["type"]) == ("on", "fully_encrypted", "xts_aes_128", "os")
    assert host.log.count("Get Win32_Volume") == 0, "the system drive is the OS volume"
    assert item["errors"] == []


@pytest.mark.parametrize(("drive_type", "kind"), [(2, "removable"), (3, "fixed"), (5, None), (None, None)])
def test_old_windows_tells_the_type_of_a_data_volume_by_its_drive(drive_type: int | None, kind: str | None) -> None:
    host = with_data_volume()
    host.volumes[DATA_DEVICE]["properties"]["VolumeType"] = ...
    host.volumes[DATA_DEVICE]["win32_volume"]["DriveType"] = drive_type
    assert seen(host)["volumes"][1]["type"] == kind


@pytest.mark.parametrize("answer", [{"VolumeKeyProtectorID": []}, {"VolumeKeyProtectorID": None}, NOT_ACTIVATED])
def test_no_protectors_in_each_form_is_an_empty_list(answer: Any) -> None:
    host = workstation()
    if isinstance(answer, int):
        host.failures["GetKeyProtectors"] = answer
    else:
        host.volumes[OS_DEVICE]["methods"]["GetKeyProtectors"] = answer
    item = seen(host)["volumes"][0]
    assert item["protectors"] == []
    assert item["errors"] == []


@pytest.mark.parametrize("refusal", [50, 0x80070032, missing_method()])
def test_a_suspend_count_that_is_not_offered_is_null_and_no_failure(refusal: KeywardError | int) -> None:
    host = workstation()
    host.volumes[OS_DEVICE]["properties"]["ProtectionStatus"] = 0
    host.failures["GetSuspendCount"] = refusal
    item = seen(host)["volumes"][0]
    assert item["suspend_count"] is None
    assert item["errors"] == []


def test_a_suspend_count_that_cannot_be_read_is_a_failure() -> None:
    host = workstation()
    host.volumes[OS_DEVICE]["properties"]["ProtectionStatus"] = 0
    host.failures["GetSuspendCount"] = 0x80070005 - 2**32  # some stacks write HRESULTs as negative numbers
    item = seen(host)["volumes"][0]
    assert item["suspend_count"] is None
    assert item["errors"] == [
        {
            "read": "GetSuspendCount",
            "code": "0x80070005",
            "name": "E_ACCESSDENIED",
            "message": f"Could not call Win32_EncryptableVolume.GetSuspendCount (volume {OS_DEVICE}): "
            "0x80070005 E_ACCESSDENIED, access is denied.",
        }
    ]


@pytest.mark.parametrize(("shown", "conversion"), [(1, "fully_encrypted"), (None, None)])
def test_a_locked_volume_refuses_its_status_and_still_lists_its_protectors(shown: int | None, conversion: str | None) -> None:
    host = with_data_volume()
    methods = host.volumes[DATA_DEVICE]["methods"]
    methods["GetLockStatus"] = {"LockStatus": 1}
    host.volumes[DATA_DEVICE]["properties"].update(ConversionStatus=shown, ProtectionStatus=2, EncryptionMethod=None)
    for method in ("GetConversionStatus", "GetEncryptionMethod", "IsAutoUnlockEnabled"):
        host.failures[method, DATA_DEVICE] = LOCKED
    item = seen(host)["volumes"][1]
    assert (item["locked"], item["conversion"], item["encrypted_percent"]) == (True, conversion, None)
    assert (item["protection"], item["method"]) == ("unknown", None)
    assert [protector["type"] for protector in item["protectors"]] == ["external_key", "recovery_password"]
    assert item["errors"] == [], "a locked volume refuses; that is its state and no failure"


def test_a_volume_that_refuses_as_locked_and_says_it_is_not_has_a_failed_read() -> None:
    host = workstation()
    host.failures["GetConversionStatus"] = LOCKED
    item = seen(host)["volumes"][0]
    assert (item["locked"], item["conversion"]) == (False, None)
    assert item["errors"][0]["name"] == "FVE_E_LOCKED_VOLUME"


@pytest.mark.parametrize("refusal", [NOT_DATA_VOLUME, NOT_ACTIVATED, 0x80310017])
def test_auto_unlock_that_cannot_apply_is_off(refusal: int) -> None:
    host = with_data_volume()
    host.failures["IsAutoUnlockEnabled"] = refusal
    item = seen(host)["volumes"][1]
    assert item["auto_unlock_key_id"] is None
    assert item["errors"] == []


def test_the_key_that_unlocks_a_data_volume_by_itself_is_named() -> None:
    host = with_data_volume()
    host.volumes[DATA_DEVICE]["methods"]["IsAutoUnlockEnabled"] = {"IsAutoUnlockEnabled": True, "VolumeKeyProtectorID": EXTERNAL_ID}
    assert seen(host)["volumes"][1]["auto_unlock_key_id"] == "bbbbbbbb-0000-4000-8000-000000000001"


def test_a_volume_mounted_nowhere_has_no_mount_point() -> None:
    host = workstation()
    host.volumes[OS_DEVICE]["properties"]["DriveLetter"] = ...
    host.volumes[OS_DEVICE]["win32_volume"]["Name"] = OS_DEVICE
    item = seen(host)["volumes"][0]
    assert (item["letter"], item["mount_point"]) == (None, None)


def test_a_decrypted_volume_has_no_persistent_id() -> None:
    host = workstation()
    host.volumes[OS_DEVICE]["properties"]["PersistentVolumeID"] = ""
    assert seen(host)["volumes"][0]["persistent_id"] is None


def test_unknown_numbers_become_words_that_say_so() -> None:
    host = workstation()
    host.volumes[OS_DEVICE]["properties"].update(ProtectionStatus=9, EncryptionMethod=0xFFFFFFFF, VolumeType=9)
    host.volumes[OS_DEVICE]["methods"]["GetConversionStatus"]["ConversionStatus"] = 77
    host.volumes[OS_DEVICE]["methods"]["GetKeyProtectorType"][TPM_ID] = {"KeyProtectorType": 0}
    host.classes["Win32_ComputerSystem"][0]["DomainRole"] = 12
    observation = seen(host)
    item = observation["volumes"][0]
    assert (item["protection"], item["method"], item["type"]) == ("unknown_9", "unknown_4294967295", "unknown_9")
    assert (item["conversion"], item["protectors"][0]["type"]) == ("unknown_77", "unknown_0")
    assert observation["computer"]["domain_role"] == "unknown_12"


@pytest.mark.parametrize(
    "missing",
    [
        missing_namespace(),
        fault("DestinationUnreachable", 0x80338000),
        fault("CannotProcessFilter", 0x8033801A, inner=0x8004100E),
        fault("DestinationUnreachable"),
        fault("InternalError", 0x8004100E),
    ],
)
def test_a_missing_namespace_means_that_bitlocker_is_not_installed(missing: KeywardError) -> None:
    host = workstation()
    host.bitlocker = [missing]
    observation = seen(host)
    assert (observation["state"], observation["bitlocker_installed"], observation["volumes"]) == ("observed", False, None)
    assert observation["errors"] == []
    assert observation["join"] == {"entra": None}


@pytest.mark.parametrize("home", ["root/cimv2", "root/default"])
def test_the_registry_is_found_in_either_home(home: str) -> None:
    host = workstation()
    other = {"root/cimv2": "root/default", "root/default": "root/cimv2"}[home]
    host.failures[other] = fault("DestinationUnreachable", 0x80338000)
    host.registry[FVE] = {"OSRecovery": (4, 1), "FDVRecovery": (4, 0)}
    assert seen(host, "policy")["policy"] == {"values": {"OSRecovery": 1, "FDVRecovery": 0}}
    assert host.log.count("EnumValues") == (2 if home == "root/default" else 1), "the home is looked for once"


@pytest.mark.parametrize("part", [False, None])
def test_a_workgroup_machine_has_a_workgroup_and_no_domain(part: bool | None) -> None:
    host = workstation()
    host.classes["Win32_ComputerSystem"][0].update(Domain="WORKGROUP", Workgroup=None, PartOfDomain=part, DomainRole=0)
    facts = seen(host)["computer"]
    assert (facts["dns_name"], facts["domain"], facts["workgroup"], facts["part_of_domain"]) == ("pc01", None, "WORKGROUP", False)


def server() -> FakeHost:
    host = with_data_volume()
    host.classes["Win32_ComputerSystem"][0]["DomainRole"] = 3
    return host


def test_only_a_member_server_with_a_fixed_volume_is_asked_for_its_cluster() -> None:
    host = server()
    assert seen(host)["join"]["cluster"] is None
    host = server()
    host.classes["MSCluster_Cluster"] = [{"Name": "CL1"}]
    assert seen(host)["join"]["cluster"] == "cl1"
    alone = workstation()
    alone.classes["Win32_ComputerSystem"][0]["DomainRole"] = 3
    for other in (with_data_volume(), alone):
        assert "cluster" not in seen(other)["join"]


# --- failures -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnreachableError("connect"), "unreachable"),
        (TlsError("verify the certificate"), "tls"),
        (AuthenticationError("log on"), "authentication"),
        (access_denied(), "authorization"),
        (ProtocolError("read the answer"), "protocol"),
        (LimitError("read the answer"), "protocol"),
    ],
)
def test_a_host_that_fails_as_a_whole_gives_a_failed_observation(error: KeywardError, reason: str) -> None:
    host = workstation()
    host.failures["Win32_ComputerSystem"] = error
    observation = seen(host)
    assert (observation["state"], observation["reason"], observation["message"]) == ("failed", reason, str(error))
    assert not {"computer", "os", "join", "volumes", "bitlocker_installed"} & set(observation)
    assert host.requests == 1


def test_a_refused_bitlocker_namespace_fails_the_observation_with_its_remedy() -> None:
    host = workstation()
    host.bitlocker = [access_denied()]
    observation = seen(host)
    assert (observation["state"], observation["reason"]) == ("failed", "authorization")
    assert "namespace" in observation["message"]


def test_what_does_not_concern_the_host_is_raised() -> None:
    host = workstation()
    host.failures["Win32_ComputerSystem"] = OptionError("use the options")
    with pytest.raises(OptionError):
        observe(host, subsets=ESCROW, now=lambda: NOW, host="pc01")
    with pytest.raises(OptionError):
        failed_observation(OptionError("use the options"), host="pc01", observed_at=NOW, subsets=ESCROW)


@pytest.mark.parametrize("read", ["Win32_ComputerSystem", "Win32_OperatingSystem", "Win32_ComputerSystemProduct"])
def test_an_identity_that_cannot_be_read_does_not_lose_the_volumes(read: str) -> None:
    host = workstation()
    host.failures[read] = fault("InternalError", 0x80041001)
    observation = seen(host)
    assert observation["state"] == "observed"
    assert len(observation["volumes"][0]["protectors"]) == 2
    assert reads(observation["errors"]) == [read]
    assert observation["errors"][0]["code"] == "0x80041001"


@pytest.mark.parametrize(
    "method", ["GetLockStatus", "GetConversionStatus", "GetKeyProtectors", "GetKeyProtectorType", "IsAutoUnlockEnabled"]
)
@pytest.mark.parametrize("failure", [0x80310024, fault("TimedOut", 0x80338029), ProtocolError("read the answer"), fault("", 5)])
def test_one_failing_read_of_one_volume_loses_neither_its_volume_nor_its_neighbours(method: str, failure: KeywardError | int) -> None:
    sound = seen(with_data_volume())
    host = with_data_volume()
    host.failures[method, DATA_DEVICE] = failure
    observation = seen(host)
    assert observation["volumes"][0] == sound["volumes"][0]
    item = observation["volumes"][1]
    assert set(reads(item["errors"])) == {method}
    changed = {key for key in item if item[key] != sound["volumes"][1].get(key)} - {"errors"}
    assert (
        changed
        <= {
            "GetLockStatus": {"locked"},
            "GetConversionStatus": {"conversion", "encrypted_percent"},
            "GetKeyProtectors": {"protectors"},
            "GetKeyProtectorType": {"protectors"},
            "IsAutoUnlockEnabled": {"auto_unlock_key_id"},
        }[method]
    )


def test_one_protector_without_a_type_does_not_lose_the_other() -> None:
    host = workstation()
    host.failures["GetKeyProtectorType", TPM_ID] = 0x80070057
    item = seen(host)["volumes"][0]
    assert [protector["type"] for protector in item["protectors"]] == [None, "recovery_password"]
    assert TPM_ID in item["errors"][0]["message"]


def test_hardware_drives_duplicates_and_nameless_protectors() -> None:
    host = workstation()
    methods = host.volumes[OS_DEVICE]["methods"]
    methods["GetKeyProtectors"] = {"VolumeKeyProtectorID": ["BitLocker", PASSWORD_ID, PASSWORD_ID.lower(), "", "x" * 500]}
    methods["GetKeyProtectorType"]["BitLocker"] = {"KeyProtectorType": 1}
    item = seen(host)["volumes"][0]
    assert [(protector["key_id"], protector["type"]) for protector in item["protectors"]] == [
        ("bitlocker", "tpm"),
        ("aaaaaaaa-0000-4000-8000-000000000002", "recovery_password"),
        ("unknown_4", None),
        ("unknown_5", None),
    ]
    assert reads(item["errors"]) == ["VolumeKeyProtectorID", "VolumeKeyProtectorID"]


def test_a_shortened_list_never_looks_complete() -> None:
    host = workstation()
    host.volumes[OS_DEVICE]["methods"]["GetKeyProtectors"] = {
        "VolumeKeyProtectorID": [f"{{EEEEEEEE-0000-4000-8000-{number:012d}}}" for number in range(65)]
    }
    item = seen(host)["volumes"][0]
    assert item["protectors"] is None
    assert reads(item["errors"]) == ["GetKeyProtectors"]

    host = workstation()
    for number in range(2, 200):
        device = f"\\\\?\\Volume{{00000000-0000-4000-8000-{number:012d}}}\\"
        host.volumes[device] = volume(device, None, 1, {})
    observation = seen(host)
    assert (observation["bitlocker_installed"], observation["volumes"]) == (True, None)
    assert reads(observation["errors"]) == ["Win32_EncryptableVolume"]
    assert "64" in observation["errors"][0]["message"]

    host = with_data_volume()
    host.failures["Pull"] = fault("InternalError", 0x80041001)
    observation = seen(host)
    assert observation["volumes"] is None
    assert observation["bitlocker_installed"] is None
    assert reads(observation["errors"]) == ["Win32_EncryptableVolume"]


def test_a_volume_without_an_address_is_listed_as_one_that_nothing_is_known_of() -> None:
    host = with_data_volume()
    host.volumes[OS_DEVICE]["properties"]["DeviceID"] = None
    unnamed, data = seen(host)["volumes"]
    assert (unnamed["device_id"], unnamed["protectors"], unnamed["conversion"], unnamed["type"]) == ("unknown_1", None, None, None)
    assert reads(unnamed["errors"]) == ["DeviceID"]
    assert len(data["protectors"]) == 2


def test_values_of_wrong_types_fail_one_by_one() -> None:
    host = workstation()
    host.volumes[OS_DEVICE]["properties"].update(ProtectionStatus="on", EncryptionMethod=[1, 2], VolumeType="", DriveLetter=["C:", "D:"])
    host.volumes[OS_DEVICE]["methods"]["GetConversionStatus"].update(EncryptionPercentage=101)
    host.classes["Win32_ComputerSystem"][0].update(PartOfDomain="perhaps", Model=["a", "b"])
    host.classes["Win32_OperatingSystem"][0].update(LastBootUpTime="yesterday")
    observation = seen(host)
    item = observation["volumes"][0]
    assert (item["conversion"], item["encrypted_percent"]) == ("fully_encrypted", None)
    assert (item["protection"], item["method"]) == ("on", "xts_aes_128"), "what a property does not tell is asked by method"
    assert len(item["protectors"]) == 2
    assert (observation["computer"]["part_of_domain"], observation["computer"]["model"], observation["os"]["last_boot"]) == (
        True,
        None,
        None,
    )
    assert set(reads(observation["errors"])) == {
        "Win32_ComputerSystem.PartOfDomain",
        "Win32_ComputerSystem.Model",
        "Win32_OperatingSystem.LastBootUpTime",
    }
    assert "EncryptionPercentage" in reads(item["errors"])


def test_a_method_that_gives_no_result_code_or_no_value_has_failed() -> None:
    host = workstation()
    host.failures["GetLockStatus"] = None  # type: ignore[assignment]  # an output without ReturnValue's value
    host.volumes[OS_DEVICE]["methods"]["GetKeyProtectorType"][TPM_ID] = {}
    host.volumes[OS_DEVICE]["methods"]["GetLockStatus"] = {"LockStatus": 2}
    item = seen(host)["volumes"][0]
    assert item["locked"] is None
    assert item["protectors"][0]["type"] is None
    assert reads(item["errors"]) == ["GetLockStatus", "GetKeyProtectorType"]


@pytest.mark.parametrize("code", [5, 0x80041003])
def test_a_policy_with_a_gap_is_no_policy(code: int) -> None:
    host = workstation()
    host.registry[FVE] = {"OSRecovery": (4, 1), "OSActiveDirectoryBackup": (4, 1)}
    host.failures["GetDWORDValue", "OSActiveDirectoryBackup"] = code
    observation = seen(host, "policy")
    assert observation["policy"] is None
    assert reads(observation["errors"]) == ["FVE policy OSActiveDirectoryBackup"]


def test_a_registry_type_that_no_policy_has_is_noted_and_left_out() -> None:
    host = workstation()
    host.registry[FVE] = {"OSRecovery": (4, 1), "": (1, "default"), "Odd": (0, 1)}
    observation = seen(host, "policy")
    assert observation["policy"] == {"values": {"OSRecovery": 1}}
    assert reads(observation["errors"]) == ["FVE policy Odd"]


def test_a_cluster_that_may_not_be_asked_is_null_with_a_reason() -> None:
    host = server()
    host.failures["MSCluster_Cluster"] = access_denied()
    observation = seen(host)
    assert observation["state"] == "observed"
    assert observation["join"]["cluster"] is None
    assert reads(observation["errors"]) == ["MSCluster_Cluster"]


@pytest.mark.parametrize("rows", [None, []])
def test_no_tpm(rows: list[dict[str, Any]] | None) -> None:
    host = workstation()
    if rows is None:
        host.failures["Win32_Tpm"] = missing_namespace()
    else:
        host.classes["Win32_Tpm"] = rows
    observation = seen(host, "tpm")
    assert observation["tpm"] == (None if rows is None else {"present": False})
    assert observation["errors"] == []


def test_a_tpm_whose_methods_windows_lacks() -> None:
    host = workstation()
    host.failures.update(IsReadyInformation=missing_method(), IsLockedOut=missing_method())
    observation = seen(host, "tpm")
    assert (observation["tpm"]["ready"], observation["tpm"]["locked_out"]) == (None, None)
    assert observation["errors"] == []


def test_one_lost_connection_loses_one_read_and_two_in_a_row_lose_the_host() -> None:
    once = with_data_volume()
    once.failures["GetConversionStatus", DATA_DEVICE] = UnreachableError("read the answer")
    observation = seen(once)
    assert observation["volumes"][1]["conversion"] is None
    assert reads(observation["volumes"][1]["errors"]) == ["GetConversionStatus"]
    gone = with_data_volume()
    for method in ("GetLockStatus", "GetConversionStatus"):
        gone.failures[method, DATA_DEVICE] = UnreachableError("read the answer")
    observation = seen(gone)
    assert (observation["state"], observation["reason"]) == ("failed", "unreachable")


def test_a_host_that_answers_too_slowly_is_not_asked_for_ever() -> None:
    host = with_data_volume()
    ticks = iter(range(10_000))

    def clock() -> datetime:
        return NOW + timedelta(minutes=2 * next(ticks))

    observation = observe(host, subsets=ESCROW, now=clock, host="pc01")
    assert observation["state"] == "observed"
    assert host.requests < 10
    assert all(item["conversion"] in (None, *Conversion) for item in observation["volumes"] or ())
    assert any("10 minutes" in error["message"] for error in observation["errors"])
    parse_observation("pc01", observation)
