# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of others that open BitLocker volumes: cryptsetup, dissect.fve and libbde. Each says whether a key opens what the lab wrote.

Where one is not installed its tests are skipped and say so; ``make test`` installs all three.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest

try:
    from dissect.fve.bde.bde import BDE
    from dissect.fve.bde.information import Dataset
except ImportError:
    BDE = Dataset = None
try:
    import pybde
except ImportError:
    pybde = None

#: it needs no rights, and lies where only root looks
CRYPTSETUP = shutil.which("cryptsetup") or shutil.which("cryptsetup", path="/usr/sbin:/sbin")
needs_cryptsetup = pytest.mark.skipif(CRYPTSETUP is None, reason="cryptsetup is not installed: one judge less")
needs_dissect = pytest.mark.skipif(BDE is None, reason="dissect.fve is not installed: one judge less")
needs_libbde = pytest.mark.skipif(pybde is None, reason="libbde-python is not installed: one judge less")


def cryptsetup_opens(image: bytes, key: bytes, folder: Path) -> bool:
    """Whether cryptsetup opens a volume with a recovery password (text) or a .BEK file; AssertionError where it says anything else."""
    image_file, key_file = folder / "volume.img", folder / "key"
    image_file.write_bytes(image)
    key_file.write_bytes(key)
    command = [str(CRYPTSETUP), "open", "--type", "bitlk", "--test-passphrase", "--key-file", str(key_file), str(image_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    # 2 for a wrong password, 1 without a word for a wrong .BEK file
    assert done.returncode in (0, 2) or (done.returncode, done.stderr) == (1, ""), done.stderr
    return done.returncode == 0


def dissect_opens(image: bytes, password: str) -> bool:
    """Whether dissect.fve opens it; what it then reads must be a file system, and the sealed hash of the metadata right."""
    volume = BDE(io.BytesIO(image))
    try:
        volume.unlock_with_recovery_password(password)
    except ValueError:
        return False
    assert volume.open().read(512)[3:11] == b"NTFS    "
    return True


def dissect_takes_external_key(image: bytes, bek: bytes) -> bool:
    """Whether dissect.fve opens a volume with a .BEK file."""
    volume = BDE(io.BytesIO(image))
    try:
        volume.unlock_with_bek(io.BytesIO(bek))
    except ValueError:
        return False
    return bool(volume.open().read(512)[3:11] == b"NTFS    ")


def dissect_finds_intact(image: bytes, master_key: bytes) -> bool:
    """Whether dissect.fve finds the sealed hash of the metadata right."""
    return bool(BDE(io.BytesIO(image)).information.check_integrity(master_key))


def dissect_opens_package(package: bytes, stretched: bytes) -> bytes | None:
    """The disk key that dissect.fve finds in a key package with a stretched password, None where it refuses."""
    data = Dataset(io.BytesIO(package))
    (info,) = data.find_recovery_vmk()
    try:
        master_key = info.decrypt(stretched)
    except ValueError:
        return None
    return bytes(data.find_fvek().unbox(master_key).data)


def libbde_opens(image: bytes, password: str) -> bool:
    """Whether libbde opens it; what it then reads must be a file system."""
    volume = pybde.volume()
    volume.set_recovery_password(password)
    volume.open_file_object(io.BytesIO(image))
    try:
        return not volume.is_locked() and volume.read_buffer_at_offset(512, 0)[3:11] == b"NTFS    "
    finally:
        volume.close()
