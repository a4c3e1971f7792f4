# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Copies of recovery keys on one host: observe it, search its folders, hold what was found against its protectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from .._core import local_copies
from .._core.observation import parse_observation
from .._errors import OptionError
from .._windows.local_files import FileSearch, roots
from .._windows.observe import ESCROW, observe
from .._windows.wsman.session import Session

#: what no search of this kind can see, on any host
LIMITS: Final = (
    "Folders are searched themselves, not what lies below them.",
    "Names are seen and no content: a text file counts if a GUID is in its name, and printouts, pictures and documents do not.",
    "Only local fixed disks are seen: no removable and no locked volumes, and no network shares.",
    "A folder that is redirected or mounted elsewhere is seen only if it is given in folders.",
)


def local_copies_result(
    session: Session,
    *,
    host: str,
    profiles: bool,
    folders: Sequence[str],
    seconds: float,
    max_files: int,
    now: Callable[[], datetime],
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """The result of the task. A host that cannot be observed is a failed, or unreachable, result with its reason.

    Args:
        folders: further folders, as :func:`folders_of` gives them.
        seconds: the search asks nothing more after so long; observing the host before does not count.
    """
    facts = observe(session, subsets=frozenset({ESCROW}), now=now, host=host)
    if facts["state"] == "failed":
        mark = "unreachable" if facts["reason"] == "unreachable" else "failed"
        return {"changed": False, mark: True, "msg": facts["message"], "reason": facts["reason"]}
    observation = parse_observation(host, facts)
    search = FileSearch(session, seconds, max_files, clock)
    system_drive = (facts["os"] or {}).get("system_drive")
    volumes = [(one.label, one.letter, one.type, one.locked) for one in observation.volumes or ()]
    if system_drive and not any(letter == system_drive for _label, letter, _kind, _locked in volumes):
        # without BitLocker no volume is listed, and files may lie there all the same
        volumes.append((system_drive, system_drive, None, None))
    search.search(roots(volumes, search))
    search.search(folders)
    if profiles:
        search.search(search.profile_folders(system_drive))
    known = local_copies.volumes_of(observation)
    rows = [local_copies.row(file, known) for _path, file in sorted(search.files.items())]
    return {
        "changed": False,
        "files": rows,
        "summary": local_copies.summary(rows),
        "searched": sorted(search.searched),
        "not_searched": [{"path": path, "reason": reason} for path, reason in sorted(search.not_searched.items())],
        "limits": list(LIMITS),
    }


def folders_of(given: Sequence[str]) -> list[str]:
    """Folders of the task's options in the form that is searched; OptionError for what is none."""
    found = []
    for text in given:
        path = local_copies.folder(text)
        if path is None:
            raise OptionError(
                "use the option folders",
                target=text[:200],
                meaning="it is no path of a folder with its drive, or has wildcards",
                remedy=r"Give it as D:\Backup\Keys.",
            )
        found.append(path)
    return found
