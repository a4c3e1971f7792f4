# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What rotations set out to do, each in a file of its own: written before the first change, removed when all is done.

The volume's own protectors carry the same in their names, so a lost file costs no key. The file says besides what the volume had before.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._core.repair.rotation import Intent
from .._errors import OptionError
from .files import write_atomically

STATE_DIR_VARIABLE = "KEYWARD_STATE_DIR"
_VERSION = 1
#: a file that is longer is none of ours
_LONGEST = 64 * 1024


class IntentFiles:
    """The intents of one volume of one host in a folder. ``warn`` is told of files that cannot be read."""

    def __init__(self, folder: Path, host: str, device_id: str, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._host = host
        self._device_id = device_id
        self._warn = warn

    def write(self, intent: Intent) -> None:
        """Write it down, so that it survives a crash. Raises OptionError where that cannot be done; nothing may be changed then."""
        content = {
            "schema_version": _VERSION,
            "host": self._host,
            "device_id": self._device_id,
            "snapshot": sorted(intent.snapshot),
            "replaced": intent.replaced,
            "tag": intent.tag,
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        write_atomically(self._path(intent.replaced), json.dumps(content, indent=1, sort_keys=True) + "\n", mode=0o600)

    def read(self, key_id: str) -> Intent | None:
        """The intent to replace a recovery password, None where there is none that can be read."""
        path = self._path(key_id)
        try:
            with path.open("rb") as file:
                found = _parsed(file.read(_LONGEST + 1))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(path, error) from error
        if found is None or (found["host"], found["device_id"], found["replaced"]) != (self._host, self._device_id, key_id):
            self._warn(f"The file {path} does not hold the intent that it should; it is not used.")
            return None
        return Intent(snapshot=frozenset(found["snapshot"]), replaced=key_id, tag=found["tag"])

    def pending(self) -> list[str]:
        """The recovery passwords of this volume that rotations of ours were to replace."""
        try:
            names = sorted(path for path in self._folder.glob("*.json") if path.name.startswith(self._prefix()))
        except OSError as error:
            raise _unusable(self._folder, error) from error
        found = []
        for path in names:
            key_id = path.name.removesuffix(".json").removeprefix(self._prefix())
            if self.read(key_id) is not None:
                found.append(key_id)
        return found

    def remove(self, key_id: str) -> None:
        """The job is done. A file that stays, because somebody ends the run here, costs a later run one look."""
        path = self._path(key_id)
        try:
            path.unlink(missing_ok=True)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unusable(path, error) from error

    def _prefix(self) -> str:
        digest = hashlib.sha256(f"{self._host}\0{self._device_id}".encode("utf-8", "surrogatepass")).hexdigest()
        return f"rotation-{digest[:16]}-"

    def _path(self, key_id: str) -> Path:
        return self._folder / f"{self._prefix()}{key_id}.json"


def _parsed(data: bytes) -> dict[str, Any] | None:
    if len(data) > _LONGEST:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("schema_version") != _VERSION:
        return None
    texts = all(isinstance(found.get(name), str) for name in ("host", "device_id", "replaced", "tag"))
    snapshot = found.get("snapshot")
    return found if texts and isinstance(snapshot, list) and all(isinstance(item, str) for item in snapshot) else None


def _unusable(path: Path, error: OSError) -> OptionError:
    return OptionError(
        "keep the intent of a rotation",
        target=str(path),
        code=error.strerror or type(error).__name__,
        remedy="Choose another state_dir, or let the user who runs the playbook write there.",
    )
