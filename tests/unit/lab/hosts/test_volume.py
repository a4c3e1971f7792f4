# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume answers as the wire reference says (sections 1.3 and 2)."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.hosts.classes.volume_schema import METHODS
from ansible_collections.keyward.bitlocker.tests.lab.model import LabProtector, LabVolume
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import (
    BITLOCKER,
    DATA_GUID,
    EXTERNAL_KEY,
    OS_GUID,
    PASSWORD_KEY,
    TPM_KEY,
    Direct,
    Message,
    make_host,
)

LOCKED, NOT_ACTIVATED, E_INVALIDARG = 0x80310000, 0x80310008, 0x80070057


def _volume(**changes: Any) -> Direct:
    fields: dict[str, Any] = {
        "device_guid": OS_GUID,
        "persistent_id": "33333333-cccc-4ccc-8ccc-000000000001",
        "drive_letter": "E:",
        "volume_type": 1,
        "protectors": [LabProtector(key_id=PASSWORD_KEY, type=3, password="x"), LabProtector(key_id=EXTERNAL_KEY, type=2)],
    }
    return Direct(make_host(volumes=[LabVolume(**{**fields, **changes})]))


def _wire(key_id: str) -> str:
    return "{" + key_id.upper() + "}"


def test_a_sound_os_volume() -> None:
    direct = Direct(make_host())
    status = direct.volume("GetConversionStatus", PrecisionFactor="1")
    assert (status.result, status.texts("ConversionStatus"), status.texts("EncryptionPercentage")) == (0, ["1"], ["1000"])
    assert direct.volume("GetEncryptionMethod").texts("EncryptionMethod") == ["7"]
    assert direct.volume("GetProtectionStatus").texts("ProtectionStatus") == ["1"]
    assert direct.volume("GetKeyProtectorType", VolumeKeyProtectorID=_wire(TPM_KEY)).texts("KeyProtectorType") == ["1"]
    assert direct.volume("GetKeyProtectorFriendlyName", VolumeKeyProtectorID=_wire(PASSWORD_KEY)).texts("FriendlyName") == ["escrowed"]
    assert direct.volume("GetNumericalPasswordBackupType", VolumeKeyProtectorID=_wire(PASSWORD_KEY)).texts("BackupInfoType") == ["5"]
    only = direct.volume("GetKeyProtectors", KeyProtectorType="3")
    assert only.texts("VolumeKeyProtectorID") == [_wire(PASSWORD_KEY)]
    assert direct.volume("GetKeyProtectors", KeyProtectorType="11").result == E_INVALIDARG


def test_unknown_malformed_and_wrong_protectors() -> None:
    direct = Direct(make_host())
    for wrong in (_wire(EXTERNAL_KEY), PASSWORD_KEY, "{}", "x" * 9000):
        assert direct.volume("GetKeyProtectorType", VolumeKeyProtectorID=wrong).result == E_INVALIDARG
    assert direct.volume("GetNumericalPasswordBackupType", VolumeKeyProtectorID=_wire(TPM_KEY)).result == 0x8031003A
    assert direct.volume("GetKeyProtectorNumericalPassword", VolumeKeyProtectorID=_wire(TPM_KEY)).result == E_INVALIDARG


def test_a_decrypted_volume_without_protectors() -> None:
    direct = Direct(make_host())
    assert direct.volume("GetKeyProtectors", guid=DATA_GUID).result == 0
    assert direct.volume("GetKeyProtectorType", guid=DATA_GUID, VolumeKeyProtectorID=_wire(TPM_KEY)).result == NOT_ACTIVATED
    assert direct.volume("IsAutoUnlockEnabled", guid=DATA_GUID).result == NOT_ACTIVATED
    assert direct.send(Message.enumerate(BITLOCKER, "Win32_EncryptableVolume")).texts("PersistentVolumeID")[0] != ""


def test_a_locked_volume() -> None:
    direct = _volume(locked=True, protection_status=1)
    assert direct.volume("GetLockStatus").texts("LockStatus") == ["1"]
    assert direct.volume("GetProtectionStatus").texts("ProtectionStatus") == ["2"]
    assert direct.send(Message.enumerate(BITLOCKER, "Win32_EncryptableVolume")).texts("ProtectionStatus") == ["2"]
    for method in ("GetConversionStatus", "GetHardwareTestStatus", "GetIdentificationField"):
        assert direct.volume(method).result == LOCKED
    assert direct.volume("GetKeyProtectorNumericalPassword", VolumeKeyProtectorID=_wire(PASSWORD_KEY)).result == LOCKED
    assert direct.volume("GetKeyProtectors").result == 0
    assert direct.volume("GetKeyProtectorType", VolumeKeyProtectorID=_wire(PASSWORD_KEY)).result == 0
    assert direct.volume("GetEncryptionMethod").result == 0


def test_suspension_is_of_os_volumes_only() -> None:
    assert _volume(volume_type=0, suspend_count=3).volume("GetSuspendCount").texts("SuspendCount") == ["3"]
    assert _volume(volume_type=0).volume("GetSuspendCount").result == 0x80070032
    assert _volume(suspend_count=3).volume("GetSuspendCount").result == 0x80070032


def test_hardware_test_and_hardware_encryption() -> None:
    pending = _volume(volume_type=0, hardware_test_status=2).volume("GetHardwareTestStatus")
    assert (pending.texts("TestStatus"), pending.texts("TestError")) == (["2"], ["0"])
    assert _volume(hardware_test_status=1).volume("GetHardwareTestStatus").texts("TestError") == [str(0x80310041)]
    assert _volume(encryption_method=5).volume("GetHardwareEncryptionStatus").texts("HardwareEncryptionStatus") == ["3"]


def test_auto_unlock() -> None:
    on = _volume(auto_unlock_key_id=EXTERNAL_KEY).volume("IsAutoUnlockEnabled")
    assert (on.texts("IsAutoUnlockEnabled"), on.texts("VolumeKeyProtectorID")) == (["true"], [_wire(EXTERNAL_KEY)])
    off = _volume().volume("IsAutoUnlockEnabled")
    assert (off.texts("IsAutoUnlockEnabled"), off.texts("VolumeKeyProtectorID")) == (["false"], [None])
    assert _volume(volume_type=0).volume("IsAutoUnlockEnabled").result == 0x80310019
    assert _volume().volume("IsAutoUnlockKeyStored").result == 0x80310028


def test_a_failing_method_fails_with_its_code() -> None:
    direct = _volume(failing_methods={"GetLockStatus": 0x80310009})
    assert direct.volume("GetLockStatus").result == 0x80310009
    assert direct.volume("GetLockStatus").texts("LockStatus") == [None]
    assert direct.volume("GetProtectionStatus").result == 0


@pytest.mark.parametrize(
    ("password", "valid"),
    [
        ("-".join(["000011"] * 8), "true"),
        ("000000" * 8, "true"),
        ("-".join(["000012"] * 8), "false"),
        ("720896" * 8, "false"),
        ("x", "false"),
    ],
)
def test_a_recovery_password_is_checked_by_its_groups(password: str, valid: str) -> None:
    answer = _volume().volume("IsNumericalPasswordValid", NumericalPassword=password)
    assert (answer.result, answer.texts("IsNumericalPasswordValid")) == (0, [valid])


def test_what_the_lab_cannot_play_is_a_clear_fault() -> None:
    answer = _volume().volume("UpgradeVolume")
    assert answer.fault[0] == "w:InternalError"
    assert "does not play UpgradeVolume" in answer.raw.decode()


def test_every_method_answers_or_faults() -> None:
    direct = _volume()
    samples = {"string": "x", "uint32": "1", "boolean": "true", "uint8[]": "7", "string[]": "x"}
    for method in METHODS.values():
        answer = direct.volume(method.name, **{parameter.name: samples[parameter.type] for parameter in method.inputs})
        assert answer.status == 200 or answer.fault[0] == "w:InternalError", method.name


def test_a_removable_volume_in_a_folder_has_neither_letter() -> None:
    direct = _volume(volume_type=2, drive_letter=None, mount_point="C:\\Mounts\\Stick")
    volume = direct.send(Message.query("root/cimv2", "SELECT Name, DriveLetter, DriveType FROM Win32_Volume"))
    assert (volume.texts("Name"), volume.texts("DriveLetter"), volume.texts("DriveType")) == (["C:\\Mounts\\Stick\\"], [None], ["2"])
