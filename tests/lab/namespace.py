# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the lab without root: in a user and network namespace of its own, where it may listen on a directory's ports."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Sequence

from ansible_collections.keyward.bitlocker.tests.lab.directory.address import may_listen

#: set for the process inside, so that one that still may not listen says so and does not start itself for ever
MARKER = "KEYWARD_LAB_NAMESPACE"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


class NamespaceError(RuntimeError):
    """Neither root nor a namespace can be had; the text says what to do."""


def enclosing_command() -> list[str]:
    """The words to put before a command so that it may listen on low ports; none where this process may already.

    Raises:
        NamespaceError: the machine does not allow user namespaces to this user.
    """
    if may_listen():
        return []
    if MARKER in os.environ:
        raise NamespaceError("even in a namespace of its own the lab may not listen on port 636: run it as root")
    unshare = shutil.which("unshare")
    if unshare is None:
        raise NamespaceError("the lab needs root, or unshare: apt-get install -y --no-install-recommends util-linux")
    probe = subprocess.run([unshare, "-Urn", "true"], capture_output=True, text=True, timeout=30, check=False)
    if probe.returncode != 0:
        raise NamespaceError(f"the lab needs root, or user namespaces, which this machine refuses ({probe.stderr.strip()})")
    return [unshare, "-Urn", "--"]


def enter(command: Sequence[str]) -> None:
    """Become ``command`` inside a namespace if this process may not listen on low ports; else prepare the loopback and return.

    Raises:
        NamespaceError: see enclosing_command.
    """
    words = enclosing_command()
    if words:
        os.environ[MARKER] = "1"
        os.execv(words[0], [*words, *command])
    if MARKER in os.environ:
        bring_loopback_up()


def bring_loopback_up() -> None:
    """A new network namespace has a loopback interface that is down; needs no package, unlike ``ip``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def enter_hint(pid: int) -> str:
    """The command that starts a shell inside the namespace of a process."""
    return f"nsenter --preserve-credentials -U -n -t {pid} -- $SHELL"
