# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, folders and user profiles as WMI shows them (wire reference 3.5): names and sizes on local fixed disks, never a content.

CIM_DataFile and Win32_Directory are quick only where a query fixes Drive and Path; every other query walks the whole disk. The lab walks
for :data:`WALK_SECONDS`, so that a client that asks so is felt.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from ...model import LabFile, LabHost
from ..cim import Values, WmiClass

#: how long a query takes that fixes no folder (minutes in earnest)
WALK_SECONDS = 4.0

_LOGICAL = {
    "Name": "string",
    "Drive": "string",
    "Path": "string",
    "FileName": "string",
    "Extension": "string",
    "FileSize": "uint64",
    "FileType": "string",
    "Hidden": "boolean",
    "System": "boolean",
    "LastModified": "datetime",
    "CreationDate": "datetime",
}
_PROFILE = {"SID": "string", "LocalPath": "string", "Special": "boolean", "Loaded": "boolean", "LastUseTime": "datetime"}
#: those of Windows' own accounts, on every computer
_SPECIAL = {
    "S-1-5-18": r"C:\Windows\system32\config\systemprofile",
    "S-1-5-19": r"C:\Windows\ServiceProfiles\LocalService",
    "S-1-5-20": r"C:\Windows\ServiceProfiles\NetworkService",
}
#: folders that Windows makes in every profile
_USUAL = ("Desktop", "Documents", "Downloads")


def file_classes(host: LabHost, now: datetime) -> list[WmiClass]:
    """CIM_DataFile, Win32_Directory and Win32_UserProfile; ``now`` is the host's clock when it was made."""

    def files() -> list[Values]:
        return [_file(item, now) for item in host.files if _shown(host, item.path)]

    def folders() -> list[Values]:
        return [_entry(path, now, directory=True) for path in sorted(_folders(host)) if _shown(host, path)]

    def found(every: list[Values], equal: Mapping[str, str | int | bool | None]) -> list[Values]:
        if not {"drive", "path"} <= set(equal) and "name" not in equal:
            time.sleep(WALK_SECONDS)
        return every

    return [
        WmiClass(name="CIM_DataFile", properties=_LOGICAL, keys=("Name",), instances=files, search=lambda equal: found(files(), equal)),
        WmiClass(
            name="Win32_Directory", properties=_LOGICAL, keys=("Name",), instances=folders, search=lambda equal: found(folders(), equal)
        ),
        WmiClass(name="Win32_UserProfile", properties=_PROFILE, keys=("SID",), instances=lambda: _profiles(host, now)),
    ]


def _shown(host: LabHost, path: str) -> bool:
    """Whether a path lies on a fixed volume with that letter that can be read: the classes show no removable and no locked ones."""
    volume = next((item for item in host.volumes if (item.drive_letter or "").lower() == path[:2].lower()), None)
    return volume is None or (volume.volume_type != 2 and not volume.locked)


def _folders(host: LabHost) -> set[str]:
    named = {f"{profile}\\{folder}" for profile in host.profiles for folder in _USUAL} | set(host.profiles)
    named |= {item.path.rpartition("\\")[0] for item in host.files}
    every = set()
    for path in named:
        while "\\" in path:
            every.add(path)
            path = path.rpartition("\\")[0]
    return every


def _entry(path: str, now: datetime, *, directory: bool) -> dict[str, str | int | bool | datetime | None]:
    folder, _backslash, name = path.rpartition("\\")
    stem, dot, extension = (name, "", "") if directory else name.rpartition(".")
    return {
        # WMI gives names of files in lower case
        "Name": path.lower(),
        "Drive": path[:2].lower(),
        "Path": f"{folder[2:]}\\".lower(),
        "FileName": (stem if dot or directory else name).lower(),
        "Extension": extension.lower() if dot else "",
        "FileSize": None,
        "FileType": "File Folder" if directory else "Text Document",
        "Hidden": False,
        "System": False,
        "LastModified": now - timedelta(days=30),
        "CreationDate": now - timedelta(days=30),
    }


def _file(item: LabFile, now: datetime) -> Values:
    values = _entry(item.path, now, directory=False)
    values.update(FileSize=item.size, Hidden=item.hidden, System=item.hidden)
    if item.modified is not None:
        values.update(LastModified=item.modified)
    return values


def _profiles(host: LabHost, now: datetime) -> list[Values]:
    own: dict[str, str] = {f"S-1-5-21-1-2-3-{1001 + place}": path for place, path in enumerate(host.profiles)}
    return [
        {"SID": sid, "LocalPath": path, "Special": sid in _SPECIAL, "Loaded": sid in _SPECIAL, "LastUseTime": now - timedelta(days=1)}
        for sid, path in (_SPECIAL | own).items()
    ]
