# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab lives: its folder, what children of it find Python modules by, and the environment of commands that use it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
#: a folder with this file in it was made by a lab and may be cleared by one
MARKER = ".keyward-lab"


class LabError(RuntimeError):
    """The lab cannot be had as asked for; the text says what to do."""


def lab_environment(folder: Path, *, kerberos: bool = False) -> dict[str, str]:
    """What commands get: the tools of this Python first on the path, the collection's tree, nothing of Ansible in the home folder."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "/usr/bin:/bin")]),
        "ANSIBLE_COLLECTIONS_PATH": os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(REPOSITORY / ".collections")),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY": str(folder / "inventory.yml"),
        "KEYWARD_LAB": str(folder),
        "LDAPTLS_CACERT": str(folder / "pki" / "lab-ca.pem"),
    }
    if not environment.get("LC_ALL", environment.get("LANG", "")).lower().endswith(("utf-8", "utf8")):
        environment["LC_ALL"] = "C.UTF-8"
    if kerberos:
        environment["KRB5_CONFIG"] = str(folder / "directory" / "krb5.conf")
        environment["KRB5CCNAME"] = f"FILE:{folder / 'ccache'}"
    return environment


def python_path() -> str:
    """The folder that holds ``ansible_collections`` for children that are plain Python, before what was set."""
    tree = next((parent.parent for parent in REPOSITORY.parents if parent.name == "ansible_collections"), REPOSITORY / ".collections")
    return os.pathsep.join([str(tree), *filter(None, [os.environ.get("PYTHONPATH")])])


def clear(folder: Path) -> None:
    """Empty a lab's folder, or make one.

    Raises:
        LabError: the folder has content that no lab made.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise LabError(f"{folder} is not empty and was not made by a lab: give another folder, or empty it")
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    (folder / "logs").mkdir(exist_ok=True)
