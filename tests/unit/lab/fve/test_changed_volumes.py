# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of a volume that was changed: cryptsetup opens it with each password that the volume has now, and with none that it had."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.fve.played import Reading, external_key, image, package
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost, LabProtector, LabVolume
from ansible_collections.keyward.bitlocker.tests.unit.lab.fve.judges import cryptsetup_opens, dissect_opens, needs_cryptsetup, needs_dissect
from ansible_collections.keyward.bitlocker.tests.unit.lab.fve.written import ANOTHER, EXTERNAL_ID, KEY_ID, OTHER_ID, PASSWORD, stretched


def _host(**changes: object) -> tuple[LabHost, LabVolume]:
    protectors = [
        LabProtector(key_id=EXTERNAL_ID, type=1),
        LabProtector(key_id=KEY_ID, type=3, password=PASSWORD),
        LabProtector(key_id=OTHER_ID, type=3, password=ANOTHER),
    ]
    volume = LabVolume(device_guid=OTHER_ID, persistent_id=EXTERNAL_ID, drive_letter="C:", protectors=protectors)
    for name, value in changes.items():
        setattr(volume, name, value)
    return LabHost(inventory_name="pc01", netbios_name="PC01", domain=None, volumes=[volume]), volume


@needs_cryptsetup
def test_cryptsetup_judges_a_volume_by_the_protectors_it_has_now(tmp_path: Path) -> None:
    host, volume = _host()
    assert cryptsetup_opens(image(host, volume, stretched), PASSWORD.encode(), tmp_path)
    assert cryptsetup_opens(image(host, volume, stretched), ANOTHER.encode(), tmp_path)
    del volume.protectors[1]
    assert not cryptsetup_opens(image(host, volume, stretched), PASSWORD.encode(), tmp_path)
    assert cryptsetup_opens(image(host, volume, stretched), ANOTHER.encode(), tmp_path)


@needs_dissect
@pytest.mark.parametrize("method", [3, 4, 6, 7])
def test_a_suspended_volume_is_still_judged_by_its_passwords(method: int) -> None:
    host, volume = _host(encryption_method=method, suspend_count=1, protection_status=0)
    assert dissect_opens(image(host, volume, stretched), PASSWORD)
    del volume.protectors[1]
    assert not dissect_opens(image(host, volume, stretched), PASSWORD)


@pytest.mark.parametrize("changes", [{"conversion_status": 0}, {"encryption_method": 5}])
def test_what_is_not_encrypted_by_windows_has_no_image(changes: dict[str, int]) -> None:
    host, volume = _host(**changes)
    with pytest.raises(ValueError, match="no image"):
        image(host, volume, stretched)


def test_a_package_stays_as_it_is_when_other_protectors_go() -> None:
    host, volume = _host()
    before = package(host, volume, volume.protectors[2], Reading(), stretched)
    del volume.protectors[1]
    assert package(host, volume, volume.protectors[1], Reading(), stretched) == before


def test_an_external_key_is_the_given_one_or_the_same_in_each_reading() -> None:
    volume = _host()[1]
    own, given = LabProtector(key_id=EXTERNAL_ID, type=2), LabProtector(key_id=EXTERNAL_ID, type=2, external_key=bytes(range(32)))
    assert external_key(volume, own) == external_key(volume, own) != external_key(volume, given)
    assert external_key(volume, given) == bytes(range(32))
