# SPDX-License-Identifier: GPL-3.0-or-later
"""A USB drive as a folder: keys that were saved to it, an external key, and what else lies on such a drive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..fve.volumes import FveVolume
from .texts import UTF_16, LabKey, encoded, lab_key, saved, saved_name


@dataclass(frozen=True)
class LabDrive:
    """What lies on it: a saved key, an external key's ID and the GUID of its volume, the .BEK file."""

    saved: LabKey
    external_id: str
    volume_guid: str
    bek: Path


def write_drive(folder: Path, seed: str = "drive", *, windows_11: bool = True) -> LabDrive:
    """Write the drive's files below ``folder``."""
    key, external = lab_key(f"{seed} saved"), lab_key(f"{seed} external")
    volume = FveVolume(seed=seed)
    volume.add_external_key(external.key_id)
    bek = folder / f"{external.key_id.upper()}.BEK"
    bek.write_bytes(volume.bek(external.key_id, windows_11=windows_11))
    (folder / saved_name(key)).write_bytes(encoded(saved(key), UTF_16))
    (folder / "System Volume Information").mkdir()
    (folder / "System Volume Information" / "WPSettings.dat").write_bytes(b"\x0c\0\0\0" + bytes(8))
    (folder / "Holiday").mkdir()
    (folder / "Holiday" / "IMG_0001.JPG").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40)
    (folder / "budget.xlsx").write_bytes(b"PK\x03\x04" + bytes(200))
    return LabDrive(key, external.key_id, volume.guid, bek)
