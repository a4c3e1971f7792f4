# SPDX-License-Identifier: GPL-3.0-or-later
"""Key packages of an estate's volumes: what a host answers to GetKeyPackage, and what lies beside an entry in the directory.

Everything follows from the volume's identity, so the host and the directory need not know each other to hold packages of one volume.
"""

from __future__ import annotations

import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from ansible_collections.keyward.bitlocker.tests.lab.fve import sealing
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import (
    FIPS,
    LABELLED,
    WINDOWS_7,
    WINDOWS_8,
    WINDOWS_10,
    Form,
    FveVolume,
    Stretch,
)
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabEntry, LabHost, LabProtector, LabVolume

EXTERNAL_KEY, RECOVERY_PASSWORD = 2, 3
#: Win32_EncryptableVolume's numbers -> the cipher in the metadata
METHODS = {1: 0x8000, 2: 0x8001, 3: sealing.CBC_128, 4: sealing.CBC_256, 6: sealing.XTS_128, 7: sealing.XTS_256}
#: how a package is framed, which nobody outside Microsoft has described: see :func:`package`
FRAMES = ("volume", "protector", "bare", "padded", "moving")
#: how a host may answer to GetKeyPackage: see LabProtector.package
ANSWERS = ("sound", "fips", "unsteady", "refused")
#: what may lie in msFVE-KeyPackage: see LabEntry.package
FILED = ("sound", "former", "garbage")
_BUILD_1903 = 18362


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One call of GetKeyPackage: its number tells a frame that moves from one that does not."""

    number: int = 0
    frame: str = "volume"


def package(host: LabHost, volume: LabVolume, protector: LabProtector, reading: Reading, stretch: Stretch) -> bytes:
    """What GetKeyPackage gives for a recovery password or an external key.

    Frames: ``volume`` and ``protector`` are the head of a dataset with the GUID of the one or the other, ``bare`` is the datums alone,
    ``padded`` has zeros around, and ``moving`` differs in every call, though not in its datums.
    """
    made = _volume(volume, "current", stretch)
    _add(made, volume, protector, form_of(host, volume, protector), reading)
    key_id = protector.key_id
    if reading.frame == "bare":
        return made.package(key_id)[48:]
    if reading.frame == "padded":
        return bytes(16) + made.package(key_id) + bytes(24)
    if reading.frame == "moving":
        moved = made.package(key_id, created=made.created + timedelta(seconds=reading.number), counter=100 + reading.number)
        return moved + random.Random(f"keyward lab frame {key_id} {reading.number}").randbytes(reading.number % 40)
    return made.package(key_id, identifier=key_id if reading.frame == "protector" else None)


def external_key(volume: LabVolume, protector: LabProtector) -> bytes:
    """The 32 bytes of an external key, and of the half of a startup key's protector that lies on a drive."""
    made = _volume(volume, "current", sealing.stretched)
    made.add_external_key(protector.key_id, protector.external_key)
    return made.external_keys[protector.key_id]


def image(host: LabHost, volume: LabVolume, stretch: Stretch) -> bytes:
    """The volume on its disk (512 KiB) with the protectors it has now, as others' programs open it; see fve/volumes.py.

    Of a TPM's protectors nothing is written, nor of other kinds that no recovery needs, nor the clear key of a suspended volume, with which
    any password would seem right. A volume that is partly encrypted is written as one that wholly is.

    Raises:
        ValueError: nothing of the volume is encrypted, or its drive encrypts by itself.
    """
    if volume.conversion_status == 0 or volume.encryption_method not in METHODS:
        raise ValueError("a volume that is not encrypted, or encrypted by its drive, has no image")
    made = _volume(volume, "current", stretch)
    for protector in volume.protectors:
        if protector.type in (EXTERNAL_KEY, RECOVERY_PASSWORD):
            counter = made.nonces_used
            _add(made, volume, protector, form_of(host, volume, protector), Reading())
            made.nonces_used = counter
    made.nonces_used = 2**27
    return made.image()


def secret_parts(host: LabHost, volume: LabVolume, protector: LabProtector, stretch: Stretch) -> dict[str, bytes]:
    """What of a recovery password's key package is like nothing else, in whatever frame, with the keys that it leads to.

    A package that is wrapped anew in every call has other parts then.
    """
    made = _volume(volume, "current", stretch)
    form = form_of(host, volume, protector)
    _add(made, volume, protector, form, Reading())
    salt, password = made.salt(protector.key_id), protector.password or _unknown_password(protector.key_id)
    found = {"salt": salt, "master key": made.vmk, "disk key": made.fvek, "binary password": sealing.password_bytes(password)}
    if not form.fips:
        found["stretched key"] = stretch(password, salt)
    return found | {f"box {number}": box for number, box in enumerate(made.sealed)}


def give_packages(estate: Estate, stretch: Stretch) -> None:
    """Give every entry the package that its ``package`` stands for."""
    entries = [entry for entry in estate.entries if entry.package is not None]
    with ThreadPoolExecutor(max_workers=8) as pool:
        for entry, made in zip(entries, pool.map(lambda entry: filed_package(estate, entry, stretch), entries), strict=True):
            entry.key_package = made


def stretch_ahead(estate: Estate, stretch: Stretch) -> None:
    """Make every stretch that the hosts of a run will need, on all cores: a host that first made its own would answer too late."""
    wanted = [
        (volume, protector)
        for host in estate.hosts
        if host.fault is None and host.bitlocker_installed
        for volume in host.volumes
        for protector in volume.protectors
        if protector.type == RECOVERY_PASSWORD and protector.password and protector.package in ("sound", "unsteady")
    ]
    with ThreadPoolExecutor(max_workers=8) as pool:
        made = pool.map(lambda item: stretch(item[1].password or "", _volume(item[0], "current", stretch).salt(item[1].key_id)), wanted)
        for _unused in made:
            pass


def filed_package(estate: Estate, entry: LabEntry, stretch: Stretch) -> bytes:
    """What an entry's ``package`` stands for; ValueError where it names a protector that no host has."""
    if entry.package == "garbage":
        return random.Random(f"keyward lab garbage {entry.key_id}").randbytes(420)
    for host in estate.hosts:
        for volume in host.volumes:
            for protector in volume.protectors:
                if protector.key_id == entry.key_id and protector.type == RECOVERY_PASSWORD:
                    if entry.package == "sound":
                        return package(host, volume, protector, Reading(), stretch)
                    made = _volume(volume, "former", stretch)
                    made.add_recovery_password(entry.key_id, entry.password)
                    return made.package(entry.key_id)
    raise ValueError(f"no host has the protector {entry.key_id}, so there is no package of it")


def form_of(host: LabHost, volume: LabVolume, protector: LabProtector) -> Form:
    """How this Windows writes this protector; now and then a volume is older than the Windows on it."""
    if protector.package == "fips":
        return FIPS
    if random.Random(f"keyward lab form {volume.persistent_id}").random() < 0.1:
        return WINDOWS_7
    if int(PROFILES[host.profile].build) < _BUILD_1903:
        return WINDOWS_8
    return LABELLED if protector.friendly_name else WINDOWS_10


def _volume(volume: LabVolume, generation: str, stretch: Stretch) -> FveVolume:
    seed = f"{generation} {volume.persistent_id or volume.device_guid}"
    made = FveVolume(seed=seed, method=METHODS.get(volume.encryption_method, sealing.XTS_128), stretch=stretch)
    made.created += timedelta(seconds=random.Random(seed).randrange(30_000_000))
    return made


def _unknown_password(key_id: str) -> str:
    """One that nobody wrote down."""
    return sealing.password_text(random.Random(f"keyward lab password {key_id}").randbytes(16))


def _add(made: FveVolume, volume: LabVolume, protector: LabProtector, form: Form, reading: Reading) -> None:
    """Add one protector, with nonces of its own: they stay when other protectors of the volume come and go."""
    place = zlib.crc32(protector.key_id.encode("ascii")) % 2**22
    made.skip_nonces(16 * (place + 1) + (8 * reading.number if protector.package == "unsteady" else 0))
    if protector.type == EXTERNAL_KEY:
        made.add_external_key(protector.key_id, protector.external_key)
    else:
        made.add_recovery_password(protector.key_id, protector.password or _unknown_password(protector.key_id), form)
