# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Where a SQLite ledger may lie: a file of this account's alone, in a folder that nobody else can write to, on a disk of this machine.

SQLite's locks do not hold on network file systems (its documentation, "How To Corrupt An SQLite Database File", section 2.1; its
write-ahead log needs memory that all writers share, "Write-Ahead Logging", section 1).
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from .._errors import OptionError

#: kinds of file systems that other machines write to as well, as /proc/self/mountinfo names them
NETWORK_FILE_SYSTEMS = frozenset(
    [
        "9p",
        "acfs",
        "afs",
        "afpfs",
        "beegfs",
        "beegfs_nodev",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "drvfs",
        "fhgfs",
        "gfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "mapr",
        "mvfs",
        "ncp",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "prl_fs",
        "pvfs2",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "webdav",
        "xrootd",
    ]
)
#: kinds under FUSE that are disks of this machine; every other kind under FUSE may be anything
_LOCAL_FUSE = frozenset({"fuseblk", "fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.gocryptfs", "fuse.encfs"})
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")
#: what SQLite puts beside the file
_COMPANIONS = ("-journal", "-wal", "-shm")


def is_network(kind: str) -> bool:
    """Whether a kind of file system may have writers on other machines."""
    return kind in NETWORK_FILE_SYSTEMS or ((kind == "fuse" or kind.startswith("fuse.")) and kind not in _LOCAL_FUSE)


def file_system(folder: str, mounts: str) -> str | None:
    """The kind of file system that a folder (absolute, without links) lies on, from the text of /proc/self/mountinfo (proc(5))."""
    found, depth = None, -1
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        words = before.split(" ")
        if not dash or len(words) < 5 or not after:
            continue
        point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), words[4])
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= depth:  # what was mounted later lies on top
            found, depth = after.split(" ")[0], len(point)
    return found


def prepare(path: Path, *, make: bool, mounts: Path = _MOUNTS) -> Path:
    """The file, made with mode 0600 where there is none (only with ``make``), and every reason not to use it.

    Raises:
        OptionError: it is a link, belongs to another account or can be read by one, its folder can be written to by others, it lies on a
            network file system, or is not there and is not to be made.
    """
    try:
        folder = Path(os.path.realpath(path.parent))
        if make:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_folder(folder, mounts)
        whole = folder / path.name
        _check_file(whole, make=make)
    except (OSError, ValueError) as error:
        raise refused(path, getattr(error, "strerror", None) or "it cannot be used", "Give another path.") from error
    return whole


def _check_folder(folder: Path, mounts: Path) -> None:
    facts = folder.stat()
    if facts.st_uid not in (os.geteuid(), 0) or facts.st_mode & 0o022:
        raise refused(
            folder,
            "other accounts can write to this folder, and so replace the ledger",
            "Give it a folder of its own that belongs to the account that runs the playbook, with mode 0700.",
        )
    try:
        kind = file_system(str(folder), mounts.read_text(encoding="utf-8", errors="replace"))
    except OSError:  # no Linux: the guide says what is not checked there
        return
    if kind is not None and is_network(kind):
        raise refused(
            folder,
            f"it lies on a network file system ({kind}), where SQLite's locks do not hold and the ledger would be damaged",
            "Put it on a disk of this machine, or use PostgreSQL (option url) where several controllers write.",
        )


def _check_file(path: Path, *, make: bool) -> None:
    if make:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    for name in (path.name, *(path.name + ending for ending in _COMPANIONS)):
        try:
            facts = path.with_name(name).lstat()
        except FileNotFoundError:
            if name == path.name:
                raise
            continue
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in (os.geteuid(), 0) or facts.st_mode & 0o077 or facts.st_nlink > 1:
            raise refused(
                path.with_name(name),
                "it is a link, or no file of this account's alone",
                "Give a regular file that belongs to the account that runs the playbook, with mode 0600.",
            )


def refused(path: Path, meaning: str, remedy: str) -> OptionError:
    """The error of a path that the ledger does not use."""
    return OptionError("use the ledger", target=str(path), meaning=meaning, remedy=remedy)
