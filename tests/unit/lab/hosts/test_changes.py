# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume changes as the wire reference says (sections 1.3 and 2.1 to 2.4), and refuses what Windows refuses."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.hosts.escrow import MemoryEscrow
from ansible_collections.keyward.bitlocker.tests.lab.hosts.wsman import WsmanService
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost, LabProtector, LabVolume
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import (
    DATA_GUID,
    EXTERNAL_KEY,
    NOW,
    PASSWORD_KEY,
    TPM_KEY,
    Answer,
    Direct,
    Message,
    make_host,
)

E_INVALIDARG, KEY_REQUIRED, BOUND, LOCKED, PROTECTOR_EXISTS = 0x80070057, 0x8031001D, 0x8031001F, 0x80310000, 0x80310031


class Changed(Direct):
    """A host whose backups are kept in memory, and which says when something changed."""

    def __init__(self, host: LabHost | None = None) -> None:
        self.escrow = MemoryEscrow()
        self.changes: list[int] = []
        self.service = WsmanService(host or make_host(), NOW, self.escrow, lambda host: self.changes.append(len(host.volumes)))

    @property
    def system(self) -> LabVolume:
        return self.service.host.volumes[0]

    @property
    def data(self) -> LabVolume:
        return self.service.host.volumes[1]

    def added(self, answer: Answer) -> str:
        assert answer.result == 0
        return (answer.texts("VolumeKeyProtectorID")[0] or "").strip("{}").lower()


def _wire(key_id: str) -> str:
    return "{" + key_id.upper() + "}"


def _octets(name: str, value: bytes) -> str:
    return "".join(f"<p:{name}>{octet}</p:{name}>" for octet in value)


def _encrypted_data(**changes: Any) -> LabHost:
    """The usual host, with an encrypted data volume that has an external key and a recovery password."""
    host = make_host()
    fields: dict[str, Any] = {
        "device_guid": DATA_GUID,
        "persistent_id": "33333333-cccc-4ccc-8ccc-000000000002",
        "drive_letter": "D:",
        "volume_type": 1,
        "protectors": [
            LabProtector(key_id=EXTERNAL_KEY, type=2),
            LabProtector(key_id="22222222-bbbb-4bbb-8bbb-00000000000a", type=3, password="-".join(["000011"] * 8)),
        ],
    }
    host.volumes[1] = LabVolume(**{**fields, **changes})
    return host


def test_a_recovery_password_is_made_or_taken_as_given() -> None:
    played = Changed()
    first = played.added(played.volume("ProtectKeyWithNumericalPassword", FriendlyName="one"))
    given = "000022" * 8
    second = played.added(played.volume("ProtectKeyWithNumericalPassword", NumericalPassword=given))
    passwords = {item.key_id: item.password for item in played.system.protectors}
    assert passwords[second] == "-".join(["000022"] * 8)
    assert played.volume("IsNumericalPasswordValid", NumericalPassword=str(passwords[first])).texts("IsNumericalPasswordValid") == ["true"]
    assert played.volume("ProtectKeyWithNumericalPassword", NumericalPassword="123456" * 8).result == 0x80310035
    assert len(played.changes) == 2


def test_policy_forbids_recovery_passwords_only_where_it_is_enabled() -> None:
    assert (
        Changed(make_host(fve_policy={"OSRecovery": 1, "OSRecoveryPassword": 0})).volume("ProtectKeyWithNumericalPassword").result
        == 0x8031005C
    )
    assert Changed(make_host(fve_policy={"OSRecovery": 0, "OSRecoveryPassword": 0})).volume("ProtectKeyWithNumericalPassword").result == 0


def test_of_a_tpms_protectors_there_is_one_of_each_kind() -> None:
    played = Changed()
    assert played.volume("ProtectKeyWithTPM").result == PROTECTOR_EXISTS
    for method, arguments in (
        ("ProtectKeyWithTPMAndPIN", {"PIN": "123456"}),
        ("ProtectKeyWithTPMAndStartupKey", {}),
        ("ProtectKeyWithTPMAndPINAndStartupKey", {"PIN": "123456"}),
    ):
        assert played.volume(method, **arguments).result == 0, method
        assert played.volume(method, **arguments).result == PROTECTOR_EXISTS, method
        assert played.volume(method, guid=DATA_GUID, **arguments).result == 0x80310023, method
    assert played.volume("ProtectKeyWithTPMAndPIN", PIN="12a4").result == 0x8031009A
    assert played.volume("ProtectKeyWithTPMAndPIN", PIN="123").result == 0x80310068


def test_a_pin_changes_and_its_protector_stays() -> None:
    played = Changed()
    key_id = played.added(played.volume("ProtectKeyWithTPMAndPIN", PIN="123456"))
    assert played.volume("ChangePIN", VolumeKeyProtectorID=_wire(key_id), NewPIN="654321").result == 0
    assert played.volume("ChangePIN", VolumeKeyProtectorID=_wire(PASSWORD_KEY), NewPIN="654321").result == 0x8031003A
    assert played.system.protectors[-1].key_id == key_id


def test_passphrases_are_for_data_volumes() -> None:
    played = Changed(_encrypted_data())
    assert played.volume("ProtectKeyWithPassPhrase", PassPhrase="correct horse").result == 0x8031006D
    assert played.volume("ProtectKeyWithPassPhrase", guid=DATA_GUID, PassPhrase="short").result == 0x80310080
    assert played.volume("ProtectKeyWithPassPhrase", guid=DATA_GUID, PassPhrase="correct horse").result == 0
    assert played.volume("ProtectKeyWithPassPhrase", guid=DATA_GUID, PassPhrase="correct horse").result == PROTECTOR_EXISTS


def test_the_last_protector_goes_only_where_a_clear_key_lies() -> None:
    played = Changed()
    assert played.volume("DeleteKeyProtector", VolumeKeyProtectorID=_wire(TPM_KEY)).result == 0
    assert played.volume("DeleteKeyProtector", VolumeKeyProtectorID=_wire(PASSWORD_KEY)).result == KEY_REQUIRED
    assert played.volume("DeleteKeyProtectors").result == KEY_REQUIRED
    assert played.volume("DisableKeyProtectors").result == 0
    assert played.volume("DeleteKeyProtector", VolumeKeyProtectorID=_wire(PASSWORD_KEY)).result == 0
    assert played.system.persistent_id is not None


def test_while_it_is_encrypted_the_last_protector_stays_although_protection_is_off() -> None:
    host = make_host()
    host.volumes[0].conversion_status, host.volumes[0].protection_status, host.volumes[0].encryption_percentage = 2, 0, 40
    played = Changed(host)
    assert played.volume("DeleteKeyProtectors").result == KEY_REQUIRED


def test_a_volume_that_was_never_encrypted_becomes_plain_with_its_last_protector() -> None:
    played = Changed()
    key_id = played.added(played.volume("ProtectKeyWithNumericalPassword", guid=DATA_GUID))
    assert played.data.persistent_id is not None
    assert played.volume("DeleteKeyProtector", guid=DATA_GUID, VolumeKeyProtectorID=_wire(key_id)).result == 0
    assert played.data.persistent_id is None


def test_unknown_protectors_are_invalid_and_nothing_changes() -> None:
    played = Changed()
    before = len(played.system.protectors)
    for wrong in (_wire(EXTERNAL_KEY), "x", ""):
        assert played.volume("DeleteKeyProtector", VolumeKeyProtectorID=wrong).result == E_INVALIDARG
        assert played.volume("BackupRecoveryInformationToActiveDirectory", VolumeKeyProtectorID=wrong).result == E_INVALIDARG
    assert (len(played.system.protectors), played.changes) == (before, [])


# --- escrow ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        (None, 1),
        ({"OSActiveDirectoryBackup": 0}, 1),
        ({"FDVActiveDirectoryBackup": 1}, 1),
        ({"OSRecovery": 0, "OSActiveDirectoryBackup": 1}, 1),
        ({"OSRecovery": 1, "OSActiveDirectoryBackup": 1}, 0),
    ],
)
def test_policy_decides_whether_the_directory_gets_it(policy: dict[str, int | str] | None, result: int) -> None:
    played = Changed(make_host(fve_policy=policy))
    played.system.protectors[1].backup_types = 0
    assert played.volume("BackupRecoveryInformationToActiveDirectory", VolumeKeyProtectorID=_wire(PASSWORD_KEY)).result == result
    assert (PASSWORD_KEY in played.escrow.directory) is (result == 0)
    assert played.system.protectors[1].backup_types == (1 if result == 0 else 0)


def test_only_recovery_passwords_of_unlocked_volumes_are_backed_up() -> None:
    played = Changed(make_host(fve_policy={"OSActiveDirectoryBackup": 1}))
    backups = [f"BackupRecoveryInformationTo{where}" for where in ("ActiveDirectory", "CloudDomain", "MicrosoftAccount")]
    for method in backups:
        assert played.volume(method, VolumeKeyProtectorID=_wire(TPM_KEY)).result == 0x8031003A
        assert played.volume(method, guid=DATA_GUID, VolumeKeyProtectorID=_wire(TPM_KEY)).result == 0x80310008
    played.system.locked = True
    for method in backups:
        assert played.volume(method, VolumeKeyProtectorID=_wire(PASSWORD_KEY)).result == LOCKED
    assert not played.escrow.directory
    assert not played.escrow.account


# --- encryption ------------------------------------------------------------------------------------------------------


def test_a_drive_is_encrypted_and_protected_at_its_end() -> None:
    played = Changed()
    assert played.volume("Encrypt", guid=DATA_GUID).result == 0x8031002E
    played.volume("ProtectKeyWithNumericalPassword", guid=DATA_GUID)
    assert played.volume("Encrypt", guid=DATA_GUID, EncryptionMethod="7", EncryptionFlags="1").result == 0
    assert (played.data.conversion_status, played.data.encryption_method, played.data.encryption_flags) == (2, 7, 1)
    assert played.volume("Encrypt", guid=DATA_GUID, EncryptionMethod="6").result == 0x8031002D
    assert played.service.changes is not None
    played.service.changes.progress = 60
    assert played.volume("PauseConversion", guid=DATA_GUID).result == 0
    assert played.volume("GetConversionStatus", guid=DATA_GUID).texts("EncryptionPercentage") == ["0"]
    assert played.volume("ResumeConversion", guid=DATA_GUID).result == 0
    assert played.volume("GetConversionStatus", guid=DATA_GUID).texts("EncryptionPercentage") == ["60"]
    assert played.volume("GetConversionStatus", guid=DATA_GUID).texts("ConversionStatus") == ["1"]
    assert played.data.protection_status == 1


def test_policy_names_the_method() -> None:
    host = make_host(fve_policy={"EncryptionMethodWithXtsFdv": 7})
    host.volumes[1].protectors.append(LabProtector(key_id=EXTERNAL_KEY, type=2))
    played = Changed(host)
    assert played.volume("Encrypt", guid=DATA_GUID, EncryptionMethod="6").result == E_INVALIDARG
    assert played.volume("Encrypt", guid=DATA_GUID).result == 0
    assert played.data.encryption_method == 7


def test_old_windows_knows_no_xts() -> None:
    host = make_host(profile="ws2012r2")
    host.volumes[1].protectors.append(LabProtector(key_id=EXTERNAL_KEY, type=2))
    played = Changed(host)
    assert played.volume("Encrypt", guid=DATA_GUID, EncryptionMethod="7").result == E_INVALIDARG
    assert played.volume("Encrypt", guid=DATA_GUID).result == 0
    assert played.data.encryption_method == 3


def test_a_required_backup_wants_a_recovery_password_first() -> None:
    host = make_host(fve_policy={"FDVRecovery": 1, "FDVRequireActiveDirectoryBackup": 1})
    host.volumes[1].protectors.append(LabProtector(key_id=EXTERNAL_KEY, type=2))
    played = Changed(host)
    assert played.volume("Encrypt", guid=DATA_GUID).result == 0x8031002C
    played.volume("ProtectKeyWithNumericalPassword", guid=DATA_GUID)
    assert played.volume("Encrypt", guid=DATA_GUID).result == 0


def test_decryption_takes_everything_with_it() -> None:
    played = Changed()
    assert played.volume("Decrypt").result == 0
    assert (played.system.conversion_status, played.system.protection_status) == (3, 0)
    assert played.service.changes is not None
    played.service.changes.advance(played.system, 100)
    assert (played.system.conversion_status, played.system.protectors, played.system.persistent_id) == (0, [], None)
    assert played.volume("Decrypt").result == 0


def test_a_hardware_test_begins_encryption_at_the_next_start() -> None:
    host = make_host()
    system = host.volumes[0]
    system.conversion_status, system.encryption_percentage, system.protection_status, system.encryption_method = 0, 0, 0, 0
    played = Changed(host)
    assert played.volume("EncryptAfterHardwareTest", guid=DATA_GUID).result == 0x80310028
    assert played.volume("EncryptAfterHardwareTest", EncryptionMethod="7").result == 0
    assert (played.system.conversion_status, played.volume("GetHardwareTestStatus").texts("TestStatus")) == (0, ["2"])
    assert played.service.changes is not None
    played.service.changes.restart()
    assert (played.system.conversion_status, played.system.encryption_method) == (2, 7)


def test_a_suspension_ends_after_its_restarts() -> None:
    played = Changed(_encrypted_data())
    assert played.volume("DisableKeyProtectors", guid=DATA_GUID, DisableCount="1").result == E_INVALIDARG
    assert played.volume("DisableKeyProtectors", DisableCount="2").result == 0
    assert played.volume("GetSuspendCount").texts("SuspendCount") == ["2"]
    assert played.service.changes is not None
    played.service.changes.restart()
    assert played.volume("GetProtectionStatus").texts("ProtectionStatus") == ["0"]
    played.service.changes.restart()
    assert played.volume("GetProtectionStatus").texts("ProtectionStatus") == ["1"]
    played.data.locked = False
    assert played.volume("DisableKeyProtectors", guid=DATA_GUID).result == 0
    assert played.volume("Lock", guid=DATA_GUID).result == 0x80310021
    assert played.volume("EnableKeyProtectors", guid=DATA_GUID).result == 0
    assert (played.data.protection_status, played.data.clear_key) == (1, False)


def test_a_volume_is_prepared_without_a_protector() -> None:
    played = Changed()
    assert played.volume("PrepareVolumeEx", guid=DATA_GUID, DiscoveryVolumeType="nonsense", InitializationFlags="0").result == E_INVALIDARG
    assert played.volume("PrepareVolumeEx", guid=DATA_GUID, DiscoveryVolumeType="<none>", InitializationFlags="256").result == 0
    made = played.data.persistent_id
    assert made is not None
    assert played.volume("PrepareVolume", guid=DATA_GUID, DiscoveryVolumeType="<default>", ForceEncryptionType="0").result == 0
    assert played.data.persistent_id == made


# --- locks -----------------------------------------------------------------------------------------------------------


def test_an_external_key_unlocks_what_it_belongs_to() -> None:
    played = Changed(_encrypted_data())
    answer = played.volume("GetKeyProtectorExternalKey", guid=DATA_GUID, VolumeKeyProtectorID=_wire(EXTERNAL_KEY))
    key = bytes(int(text or "") for text in answer.texts("ExternalKey"))
    assert played.volume("Lock", guid=DATA_GUID).result == 0
    assert played.volume("GetKeyProtectorExternalKey", guid=DATA_GUID, VolumeKeyProtectorID=_wire(EXTERNAL_KEY)).result == LOCKED
    for wrong, result in ((bytes(32), 0x80070056), (key[:31], E_INVALIDARG), (key, 0)):
        assert played.data.locked
        message = Message.volume("UnlockWithExternalKey", _octets("ExternalKey", wrong), guid=DATA_GUID)
        assert played.send(message).result == result
    assert not played.data.locked


def test_a_given_external_key_is_the_one_that_unlocks() -> None:
    played = Changed(_encrypted_data(protectors=[]))
    given = bytes(range(32))
    played.send(Message.volume("ProtectKeyWithExternalKey", _octets("ExternalKey", given), guid=DATA_GUID))
    assert played.data.protectors[0].external_key == given
    played.volume("Lock", guid=DATA_GUID)
    assert played.send(Message.volume("UnlockWithExternalKey", _octets("ExternalKey", given), guid=DATA_GUID)).result == 0


def test_a_recovery_password_unlocks() -> None:
    played = Changed(_encrypted_data(locked=True))
    assert played.volume("UnlockWithNumericalPassword", guid=DATA_GUID, NumericalPassword="7").result == 0x80310035
    assert played.volume("UnlockWithNumericalPassword", guid=DATA_GUID, NumericalPassword="000022" * 8).result == 0x80310027
    assert played.volume("UnlockWithNumericalPassword", guid=DATA_GUID, NumericalPassword="000011 " * 8).result == 0
    assert not played.data.locked


def test_automatic_unlocking() -> None:
    played = Changed(_encrypted_data())
    auto = {"guid": DATA_GUID, "VolumeKeyProtectorID": _wire(EXTERNAL_KEY)}
    assert played.volume("EnableAutoUnlock", VolumeKeyProtectorID=_wire(PASSWORD_KEY)).result == 0x80310019
    assert played.volume("DisableAutoUnlock", guid=DATA_GUID).result == 0x80310017
    assert played.volume("EnableAutoUnlock", **auto).result == 0
    assert played.volume("EnableAutoUnlock", **auto).result == BOUND
    assert played.volume("DeleteKeyProtector", **auto).result == BOUND
    assert played.volume("DeleteKeyProtectors", guid=DATA_GUID).result == BOUND
    assert played.volume("Decrypt").result == 0x80310029
    assert played.volume("Lock", guid=DATA_GUID).result == 0x80310097
    assert played.volume("IsAutoUnlockKeyStored").texts("IsAutoUnlockKeyStored") == ["true"]
    assert played.volume("ClearAllAutoUnlockKeys", guid=DATA_GUID).result == 0x80310028
    assert played.volume("ClearAllAutoUnlockKeys").result == 0
    assert played.volume("IsAutoUnlockKeyStored").texts("IsAutoUnlockKeyStored") == ["false"]
    assert played.volume("EnableAutoUnlock", **auto).result == 0
    assert played.volume("DisableAutoUnlock", guid=DATA_GUID).result == 0
    assert [item.type for item in played.data.protectors] == [3]


def test_data_volumes_lock_at_a_restart_unless_they_unlock_by_themselves() -> None:
    played = Changed(_encrypted_data())
    assert played.service.changes is not None
    played.volume("EnableAutoUnlock", guid=DATA_GUID, VolumeKeyProtectorID=_wire(EXTERNAL_KEY))
    played.service.changes.restart()
    assert not played.data.locked
    played.volume("DisableAutoUnlock", guid=DATA_GUID)
    played.service.changes.restart()
    assert played.data.locked
    assert not played.system.locked


def test_a_system_volume_cannot_be_locked() -> None:
    assert Changed().volume("Lock").result == 0x80070005
    assert Changed().volume("Lock", guid=DATA_GUID).result == 0x80310001
