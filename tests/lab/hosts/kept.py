# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the hosts: one file a host, written whole after every change, before the caller hears of it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from .. import serialize
from ..model import Estate, LabHost


class Keeper:
    """Writes hosts into a folder (mode 0600: they hold keys)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()

    def keep(self, host: LabHost) -> None:
        """Write a host as it is now."""
        with self._lock:
            temporary = self._folder / f".{host.inventory_name}.new"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                json.dump(serialize.plain(host), out)
            temporary.replace(self._folder / f"{host.inventory_name}.json")


def kept_hosts(folder: Path) -> dict[str, LabHost]:
    """The hosts that were changed, by inventory name."""
    files = folder.glob("*.json") if folder.exists() else ()
    hosts = [serialize.build(LabHost, json.loads(file.read_text(encoding="utf-8"))) for file in files]
    return {host.inventory_name: host for host in hosts}


def with_kept_hosts(estate: Estate, folder: Path) -> None:
    """Put the hosts that were changed in the place of what they were; their addresses stay the estate's."""
    kept = kept_hosts(folder)
    for place, host in enumerate(estate.hosts):
        if host.inventory_name in kept:
            estate.hosts[place] = kept[host.inventory_name]
            estate.hosts[place].address, estate.hosts[place].port = host.address, host.port
