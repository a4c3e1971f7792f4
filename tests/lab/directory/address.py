# SPDX-License-Identifier: GPL-3.0-or-later
"""A loopback block for each lab, so that several labs run side by side: 127.N.0.0/16, N from 20 to 250.

The directory has 127.N.0.10 (proxies and scripted peers take .11 and up), hosts have 127.N.1.1 and up. A block is held by a locked file
for as long as its lab lives, and by a probe of the ports that cannot be moved.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ansible_collections.keyward.bitlocker.tests.lab.directory import layout
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate

FIRST_BLOCK, LAST_BLOCK = 20, 250
HOSTS_PER_NETWORK = 254


class AddressError(RuntimeError):
    """No block can be had."""


@dataclass
class AddressBlock:
    """One held block; close it to give it back."""

    number: int
    _lock: int

    @property
    def directory(self) -> str:
        """The domain controller's address."""
        return self.infrastructure(10)

    def infrastructure(self, last: int) -> str:
        """127.N.0.last, for peers that belong to the lab itself."""
        return f"127.{self.number}.0.{last}"

    def host(self, index: int) -> str:
        """The address of the host with this number, from 0: 127.N.1.1, .2, … .254, 127.N.2.1 …"""
        network, last = divmod(index, HOSTS_PER_NETWORK)
        if network > 254:
            raise AddressError(f"a block holds {255 * HOSTS_PER_NETWORK} hosts, host {index} is one too many")
        return f"127.{self.number}.{network + 1}.{last + 1}"

    def assign(self, estate: Estate) -> None:
        """Give every host of the estate its address."""
        for index, host in enumerate(estate.hosts):
            host.address = self.host(index)

    def close(self) -> None:
        """Give the block back; the lock file stays, since removing it would let two labs hold two files of one name."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> AddressBlock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def allocate(folder: Path | None = None, *, probe: tuple[int, ...] = (layout.LDAPS_PORT, layout.LDAP_PORT)) -> AddressBlock:
    """Hold the first free block.

    Raises:
        AddressError: every block is taken, or this process may not listen on the ports of a directory (not root).
    """
    place = folder or Path(tempfile.gettempdir())
    for number in range(FIRST_BLOCK, LAST_BLOCK + 1):
        lock = _lock(place / f"keyward-lab-{number}.lock")
        if lock is None:
            continue
        block = AddressBlock(number, lock)
        if all(_free(block.directory, port) for port in probe):
            return block
        block.close()
    raise AddressError(f"all loopback blocks 127.{FIRST_BLOCK}.0.0 to 127.{LAST_BLOCK}.0.0 are in use: stop a lab first")


def may_listen() -> bool:
    """Whether this process may listen on a directory's ports (root, or a namespace of its own)."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 1))
        except PermissionError:
            return False
        except OSError:
            pass
    return True


def _lock(path: Path) -> int | None:
    """A locked file descriptor, or None where somebody else (perhaps another user) holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except PermissionError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError as denied:
            raise AddressError(
                f"port {port} needs root: run as root, or let the lab make its own namespace (python -m …tests.lab run)"
            ) from denied
        except OSError as taken:
            if taken.errno == errno.EADDRINUSE:
                return False
            raise
    return True
