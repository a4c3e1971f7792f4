# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces of Win32_EncryptableVolume, each method once, and what never shows."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError, LimitError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows import volume_secrets
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.calls import MethodFailedError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.encryptable_volume import EncryptableVolume
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.key_packages import key_package
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows import lab_host
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.fake_host import (
    OS_DEVICE,
    PASSWORD_ID,
    FakeHost,
    workstation,
)


def face(method: str, answer: dict[str, Any], *, of_protector: bool = False) -> EncryptableVolume:
    host: FakeHost = workstation()
    host.volumes[OS_DEVICE]["methods"][method] = {PASSWORD_ID: answer} if of_protector else answer
    return EncryptableVolume(host, OS_DEVICE)


@pytest.mark.parametrize(
    ("method", "answer", "read", "value"),
    [
        ("GetIdentificationField", {"IdentificationField": "Example Ltd"}, EncryptableVolume.identification_field, "Example Ltd"),
        ("GetIdentificationField", {"IdentificationField": None}, EncryptableVolume.identification_field, None),
        ("GetSecureBootBindingState", {"BindingState": 3}, EncryptableVolume.secure_boot_binding, "bound"),
        ("IsAutoUnlockKeyStored", {"IsAutoUnlockKeyStored": True}, EncryptableVolume.stores_auto_unlock_keys, True),
        ("GetHardwareEncryptionStatus", {"HardwareEncryptionStatus": 3}, EncryptableVolume.hardware_encryption, "hardware"),
        ("GetVersion", {"Version": 7}, EncryptableVolume.metadata_version, "unknown_7"),
        ("GetHardwareTestStatus", {"TestStatus": 1, "TestError": 2150694972}, EncryptableVolume.hardware_test, "failed"),
        ("GetProtectionStatus", {"ProtectionStatus": 2}, EncryptableVolume.protection, "unknown"),
    ],
)
def test_a_read_of_the_volume(method: str, answer: dict[str, Any], read: Any, value: Any) -> None:
    assert read(face(method, answer)) == value


@pytest.mark.parametrize(
    ("method", "answer", "read", "value"),
    [
        ("GetExternalKeyFileName", {"FileName": "A.BEK"}, EncryptableVolume.external_key_file, "A.BEK"),
        ("GetKeyProtectorCertificate", {"CertThumbprint": "AB", "PublicKey": [1]}, EncryptableVolume.certificate_thumbprint, "AB"),
        ("GetKeyProtectorAdSidInformation", {"SidString": "S-1-5-21", "Flags": 0}, EncryptableVolume.sid, "S-1-5-21"),
        ("GetKeyProtectorPlatformValidationProfile", {"PlatformValidationProfile": [7, 11]}, EncryptableVolume.pcr_profile, (7, 11)),
        ("GetKeyProtectorFriendlyName", {"FriendlyName": ""}, EncryptableVolume.protector_name, ""),
    ],
)
def test_a_read_of_a_protector(method: str, answer: dict[str, Any], read: Any, value: Any) -> None:
    assert read(face(method, answer, of_protector=True), PASSWORD_ID) == value


def test_the_account_of_a_backup() -> None:
    volume = face("GetNumericalPasswordBackupAccounts", {"BackupAccounts": "someone"}, of_protector=True)
    assert volume.backup_account(PASSWORD_ID, 2) == "someone"


def test_texts_without_end_are_refused() -> None:
    with pytest.raises(LimitError):
        face("GetIdentificationField", {"IdentificationField": "x" * 5000}).identification_field()


def test_a_failed_method_says_what_came_back() -> None:
    host = workstation()
    host.failures["GetKeyProtectorType"] = 0x8031003A
    with pytest.raises(MethodFailedError) as caught:
        EncryptableVolume(host, OS_DEVICE).protector_type(PASSWORD_ID)
    assert (caught.value.result, caught.value.code, caught.value.name) == (0x8031003A, "0x8031003A", "FVE_E_INVALID_PROTECTOR_TYPE")
    assert PASSWORD_ID in str(caught.value)


# --- secrets ------------------------------------------------------------------------------------------------------------------------------

PACKAGE = bytes(range(7, 107))


def test_a_key_package_comes_as_a_secret() -> None:
    package = key_package(face("GetKeyPackage", {"KeyPackage": list(PACKAGE)}, of_protector=True), PASSWORD_ID)
    assert isinstance(package, Secret)
    assert package.reveal() == PACKAGE
    shown = f"{package} {package!r} {copy.deepcopy(package)!r} {pickle.loads(pickle.dumps(package))} {json.dumps(str(package))}"
    assert not any(character.isdigit() for character in shown)


def test_an_external_key_and_a_password_come_as_secrets() -> None:
    key = volume_secrets.external_key(face("GetKeyProtectorExternalKey", {"ExternalKey": list(range(32))}, of_protector=True), PASSWORD_ID)
    assert key.reveal() == bytes(range(32))
    volume = face("GetKeyProtectorNumericalPassword", {"NumericalPassword": lab_host.PASSWORD}, of_protector=True)
    password = volume_secrets.numerical_password(volume, PASSWORD_ID)
    assert password.reveal() == lab_host.PASSWORD
    assert lab_host.PASSWORD not in repr(password)


def test_the_lab_answers_the_same() -> None:
    opened, _transport = lab_host.session(lab_host.lab_computer(lab_host.lab_volume(1, "C:", 0)))
    volume = EncryptableVolume(opened, f"\\\\?\\Volume{{{lab_host.guid(1)}}}\\")
    assert volume_secrets.numerical_password(volume, volume.protector_ids()[1]).reveal() == lab_host.PASSWORD


@pytest.mark.parametrize(
    ("read", "method", "name"),
    [
        (key_package, "GetKeyPackage", "KeyPackage"),
        (volume_secrets.external_key, "GetKeyProtectorExternalKey", "ExternalKey"),
        (volume_secrets.numerical_password, "GetKeyProtectorNumericalPassword", "NumericalPassword"),
    ],
)
def test_success_without_a_secret_is_an_error_without_one(read: Any, method: str, name: str) -> None:
    for nothing in ({}, {name: None}):
        with pytest.raises(BadDataError):
            read(face(method, nothing, of_protector=True), PASSWORD_ID)


@pytest.mark.parametrize("octets", [[7] * (64 * 1024 + 1), [256], ["1234567"]])
def test_a_package_that_is_none_is_refused_and_not_shown(octets: list[Any]) -> None:
    with pytest.raises((LimitError, BadDataError)) as caught:
        key_package(face("GetKeyPackage", {"KeyPackage": octets}, of_protector=True), PASSWORD_ID)
    assert "1234567" not in str(caught.value)
    assert "256" not in str(caught.value).replace("0 to 255", "")
