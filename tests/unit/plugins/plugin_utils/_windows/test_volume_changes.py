# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes a volume, against the lab's provider, which answers as the reference says Windows does."""

from __future__ import annotations

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Outcome, prove_recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import UnreachableError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows import hresults, volume_changes
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.calls import MethodFailedError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.encryptable_volume import EncryptableVolume
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.key_packages import key_package
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.port import ConnectionLostError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.tests.lab.hosts.classes.volume_schema import braced, device_id
from ansible_collections.keyward.bitlocker.tests.lab.hosts.escrow import MemoryEscrow
from ansible_collections.keyward.bitlocker.tests.lab.hosts.wsman import WsmanService
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost

from .lab_host import NOW, LabTransport, lab_computer, lab_volume

STORE = {"OSActiveDirectoryBackup": 1}


class Played:
    """One host with one encrypted OS volume (TPM and a recovery password), and where it backs up to."""

    def __init__(self, policy: dict[str, int | str] | None = None, types: tuple[int, ...] = (1, 3)) -> None:
        self.host: LabHost = lab_computer(lab_volume(1, "C:", 0, types), fve_policy=policy)
        self.escrow = MemoryEscrow()
        self.transport = LabTransport(self.host)
        self.transport.service = WsmanService(self.host, NOW, self.escrow)
        self.lab = self.transport.service.host.volumes[0]
        self.volume = EncryptableVolume(Session(self.transport, target="lab"), device_id(self.lab))

    def sent(self, method: str) -> int:
        return sum(note.method == method for note in self.transport.notes)


def test_a_new_recovery_password_opens_the_volume_and_nobody_was_told_it() -> None:
    played = Played()
    protector = volume_changes.add_recovery_password(played.volume, "keyward 20261123T031500Z 0badcafe for 00000001")
    made = played.lab.protectors[-1]
    assert protector == braced(made.key_id)
    assert played.volume.protector_name(protector) == "keyward 20261123T031500Z 0badcafe for 00000001"
    password = Secret(made.password or "")
    assert recovery_password.is_valid(password)
    packages = [key_package(played.volume, protector).reveal() for _reading in range(2)]
    assert prove_recovery_password(password, made.key_id, packages).outcome is Outcome.PROVEN
    assert played.sent("GetKeyProtectorNumericalPassword") == 0


def test_a_backup_reaches_the_directory_and_what_is_there_stays() -> None:
    played = Played(STORE)
    known = played.lab.protectors[1]
    volume_changes.back_up_to_ad(played.volume, braced(known.key_id), "os")
    assert played.escrow.directory == {known.key_id: known.password}
    played.escrow.directory[known.key_id] = "somebody else's"
    volume_changes.back_up_to_ad(played.volume, braced(known.key_id), "os")
    assert played.escrow.directory == {known.key_id: "somebody else's"}


@pytest.mark.parametrize("policy", [None, {}, {"OSActiveDirectoryBackup": 0}, {"FDVActiveDirectoryBackup": 1}])
def test_a_policy_that_does_not_store_in_ad_is_named(policy: dict[str, int | str] | None) -> None:
    played = Played(policy)
    with pytest.raises(volume_changes.PolicyForbidsBackupError) as raised:
        volume_changes.back_up_to_ad(played.volume, braced(played.lab.protectors[1].key_id), "os")
    assert "OSActiveDirectoryBackup below HKLM" in str(raised.value)
    assert played.escrow.directory == {}


def test_entra_and_microsoft_account() -> None:
    played = Played()
    known = played.lab.protectors[1]
    volume_changes.back_up_to_microsoft_account(played.volume, braced(known.key_id))
    assert played.escrow.account == {known.key_id: known.password}
    with pytest.raises(MethodFailedError) as raised:
        volume_changes.back_up_to_entra(played.volume, braced(known.key_id))
    assert raised.value.code == "0x8007054B"


def test_the_last_protector_stays_as_windows_wants_it() -> None:
    played = Played(types=(3,))
    with pytest.raises(MethodFailedError) as raised:
        volume_changes.delete_protector(played.volume, braced(played.lab.protectors[0].key_id))
    assert raised.value.name == "FVE_E_KEY_REQUIRED"
    assert len(played.lab.protectors) == 1


def test_deleting_a_protector() -> None:
    played = Played()
    going = played.lab.protectors[1]
    volume_changes.delete_protector(played.volume, braced(going.key_id))
    assert going not in played.lab.protectors
    with pytest.raises(MethodFailedError) as raised:
        volume_changes.delete_protector(played.volume, braced(going.key_id))
    assert raised.value.result == hresults.E_INVALIDARG


def test_a_change_whose_answer_is_lost_is_not_sent_again() -> None:
    played = Played()
    honest = played.transport.send

    def lost(envelope: bytes) -> bytes:
        honest(envelope)
        raise ConnectionLostError("read the answer", target="lab")

    played.transport.send = lost  # type: ignore[method-assign]  # one lab transport that loses what it was told
    with pytest.raises(UnreachableError):
        volume_changes.add_recovery_password(played.volume, "tag")
    assert played.sent("ProtectKeyWithNumericalPassword") == 1
    assert len(played.lab.protectors) == 3
