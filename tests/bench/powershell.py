# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible.windows, the other party of the comparison: out of the PyPI wheel ``ansible``, as a Galaxy server may be out of reach."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from .measure import BenchError

#: carries ansible.windows 3.3.0
WHEEL = "ansible==12.3.0"
_PREFIX, _MANIFEST = "ansible_collections/ansible/windows/", "MANIFEST.json"


def collections(folder: Path) -> Path:
    """A collections path below ``folder`` that holds ansible.windows, fetched once.

    Raises:
        BenchError: the wheel cannot be had.
    """
    path = folder / "collections"
    if (path / _PREFIX / _MANIFEST).exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        print(f"fetching {WHEEL} for ansible.windows", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-d", place, WHEEL]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = sorted(Path(place).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            raise BenchError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            members = [name for name in wheel.namelist() if name.startswith(_PREFIX) and not name.endswith(_MANIFEST)]
            # the manifest last: it tells that all is there
            wheel.extractall(path, [*members, _PREFIX + _MANIFEST])
    return path
