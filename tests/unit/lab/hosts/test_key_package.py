# SPDX-License-Identifier: GPL-3.0-or-later
"""GetKeyPackage: codes as the wire reference has them, packages that the protector's password opens, and frames that move."""

from __future__ import annotations

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Outcome, prove_recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.tests.lab.fve.played import FRAMES, Reading, filed_package, package
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabEntry, LabHost, LabProtector, LabVolume
from ansible_collections.keyward.bitlocker.tests.unit.lab.fve.written import stretched
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import (
    DATA_GUID,
    EXTERNAL_KEY,
    NOW,
    OS_GUID,
    PASSWORD_KEY,
    TPM_KEY,
    Answer,
    Direct,
    make_host,
)

PASSWORD = "-".join(["000000"] * 8)
WRONG = "-".join(["000011"] * 8)


def _read(host: LabHost, key_id: str = PASSWORD_KEY, guid: str = OS_GUID) -> Answer:
    return Direct(host).volume("GetKeyPackage", guid=guid, VolumeKeyProtectorID="{" + key_id.upper() + "}")


@pytest.fixture(autouse=True)
def _stretched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.keyward.bitlocker.tests.lab.fve import stretching

    monkeypatch.setattr(stretching, "shared", lambda: stretched)


def _octets(answer: Answer) -> bytes:
    assert answer.result == 0
    return bytes(int(text) for text in answer.texts("KeyPackage"))


def _word(password: str, *readings: bytes) -> Outcome:
    return prove_recovery_password(Secret(password), PASSWORD_KEY, readings).outcome


def test_codes() -> None:
    host = make_host()
    assert _read(host, key_id=TPM_KEY).result == 0x8031003A
    assert _read(host, key_id=EXTERNAL_KEY).result == 0x80310033
    assert _read(host, guid=DATA_GUID).result == 0x80310008
    assert Direct(host).volume("GetKeyPackage", VolumeKeyProtectorID="all").result == 0x80070057
    host.volumes[0].locked = True
    assert _read(host).result == 0x80310000
    host.volumes[0].locked, host.volumes[0].protectors[1].package = False, "refused"
    assert _read(host).result == 0x80310010


def test_a_drive_that_encrypts_by_itself_gives_none() -> None:
    host = make_host()
    host.volumes[0].encryption_method = 5
    assert _read(host).result == 0x80070032


def test_the_password_opens_both_readings_and_another_opens_none() -> None:
    direct = Direct(make_host())
    first, second = (_octets(direct.volume("GetKeyPackage", VolumeKeyProtectorID="{" + PASSWORD_KEY.upper() + "}")) for _unused in range(2))
    assert first == second
    assert _word(PASSWORD, first) is Outcome.PROVEN
    assert _word(WRONG, first, second) is Outcome.REFUTED


def test_an_external_key_has_a_package_too() -> None:
    host = make_host()
    host.volumes[0].protectors.append(LabProtector(key_id=EXTERNAL_KEY, type=2))
    assert len(_octets(_read(host, key_id=EXTERNAL_KEY))) > 200


@pytest.mark.parametrize("frame", FRAMES)
def test_every_frame_is_opened_and_only_the_moving_one_moves(frame: str) -> None:
    host = make_host()
    volume, protector = host.volumes[0], host.volumes[0].protectors[1]
    readings = [package(host, volume, protector, Reading(number=number, frame=frame), stretched) for number in (3, 4)]
    assert (readings[0] == readings[1]) is (frame != "moving")
    proof = prove_recovery_password(Secret(PASSWORD), PASSWORD_KEY, readings)
    again = prove_recovery_password(Secret(PASSWORD), PASSWORD_KEY, readings[1:])
    assert (proof.outcome, proof.digest) == (Outcome.PROVEN, again.digest)


def test_a_protector_that_is_wrapped_anew_refutes_nothing() -> None:
    host = make_host()
    host.volumes[0].protectors[1].package = "unsteady"
    readings = [package(host, host.volumes[0], host.volumes[0].protectors[1], Reading(number=number), stretched) for number in (0, 1)]
    assert (_word(PASSWORD, *readings), _word(WRONG, *readings)) == (Outcome.PROVEN, Outcome.INCONCLUSIVE)


def test_fips_mode_says_nothing() -> None:
    host = make_host()
    host.volumes[0].protectors[1].package = "fips"
    assert _word(PASSWORD, *[_octets(_read(host))] * 2) is Outcome.INCONCLUSIVE


def test_what_lies_beside_an_entry() -> None:
    host = make_host()
    estate = Estate(seed=1, now=NOW, hosts=[host])
    entry = LabEntry(computer="PC01", key_id=PASSWORD_KEY, password=WRONG, created=NOW, package="former")
    former = filed_package(estate, entry, stretched)
    assert (_word(WRONG, former), _word(PASSWORD, former, former)) == (Outcome.PROVEN, Outcome.REFUTED)
    entry.package = "sound"
    assert filed_package(estate, entry, stretched) == _octets(_read(host))
    entry.package = "garbage"
    assert _word(PASSWORD, *[filed_package(estate, entry, stretched)] * 2) is Outcome.INCONCLUSIVE
    entry.package, entry.key_id = "sound", TPM_KEY
    with pytest.raises(ValueError, match="no host has"):
        filed_package(estate, entry, stretched)


def test_copies_of_one_volume_on_two_machines_give_one_package() -> None:
    first, second = make_host(), make_host(inventory_name="pc02", profile="win11_25h2")
    shared: LabVolume = first.volumes[0]
    assert package(first, shared, shared.protectors[1], Reading(), stretched) == package(
        second, shared, shared.protectors[1], Reading(), stretched
    )
