# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The key that lies outside the ledger: every row bears a seal made with it, and a row without a right one is not believed.

Who can write into the database but does not hold the key can take rows away, and is found out by the sums that a closed run bears; he can
make no proof, no observation and no verdict. Seals name their run and table, so a row is right in its own place alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from .._core.redaction import Secret
from .._errors import OptionError

SEAL_SIZE = 16
_KEY_SIZE = 32
_KEY_HEAD = "keyward-ledger-key-1:"
#: numbers of seals are added up in this ring
_RING = 1 << (8 * SEAL_SIZE)
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), check_circular=False).encode


class Seal:
    """Makes and checks seals; ``fresh``: its key was made just now, so nothing older can bear its seal."""

    def __init__(self, key: Secret[bytes], *, fresh: bool = False) -> None:
        self._rows = _digest(Secret(_derive(key, b"rows")))
        self._values = _digest(Secret(_derive(key, b"values")))
        self.fresh = fresh

    def of(self, table: str, run_id: str, *fields: str | int | None) -> bytes:
        """The seal of a row."""
        # Python's own spelling of texts and numbers: one for each, the same in every version, and a third of JSON's time
        return self._rows(ascii((table, run_id, *fields)).encode("ascii"))[:SEAL_SIZE]

    def fits(self, seal: object, table: str, run_id: str, *fields: str | int | None) -> bool:
        """Whether a row bears its seal."""
        return isinstance(seal, bytes) and hmac.compare_digest(seal, self.of(table, run_id, *fields))

    def value_mark(self, store: str, entry_id: str, key_id: str, value: Secret[str]) -> str:
        """A keyed digest by which the same value under the same entry is known again; nothing about it follows without the key."""
        return self._values(_encode(["value", store, entry_id, key_id, value.reveal()]).encode("ascii")).hex()


def _derive(key: Secret[bytes], purpose: bytes) -> bytes:
    return hmac.digest(key.reveal(), b"keyward ledger " + purpose, "sha256")


def _digest(key: Secret[bytes]) -> Callable[[bytes], bytes]:
    """What makes HMAC-SHA-256 (RFC 2104) with this key: the two hashes that begin with it are begun once, which is a third of the time."""
    padded = key.reveal().ljust(hashlib.sha256().block_size, b"\0")
    inner, outer = (hashlib.sha256(bytes(octet ^ mask for octet in padded)).copy for mask in (0x36, 0x5C))

    def digest(message: bytes) -> bytes:
        within, around = inner(), outer()
        within.update(message)
        around.update(within.digest())
        return around.digest()

    return digest


def content_digest(data: bytes) -> bytes:
    """The name of a body: what hosts and stores say openly, no secret."""
    return hashlib.sha256(data).digest()


def add(total: int, seal: bytes) -> int:
    """One seal more in a table's sum."""
    return (total + int.from_bytes(seal, "big")) % _RING


def load_key(path: Path, *, make: bool) -> Seal:
    """The key in a file; with ``make`` a file that is not there is made, mode 0600.

    Raises:
        OptionError: it is not there, is no key, or can be read or replaced by others.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if make:
            return _make_key(path)
        raise _refused(path, "it is not there", "Give the file that the ledger's rows were sealed with.") from None
    except (OSError, ValueError) as error:
        raise _refused(path, getattr(error, "strerror", None) or "it cannot be opened", _OWN_FILE) from error
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in (os.geteuid(), 0) or facts.st_mode & 0o077:
            raise _refused(path, "it is no file of this account's alone", _OWN_FILE)
        text = file.read(1024)
    try:
        head, encoded = text.decode("ascii").strip().split(":")
        key = bytes.fromhex(encoded)
    except ValueError:
        head, key = "", b""
    if f"{head}:" != _KEY_HEAD or len(key) != _KEY_SIZE:
        raise _refused(path, "it holds no key of a ledger", "Give another file; one that is not there is made.")
    return Seal(Secret(key))


_OWN_FILE = "Give a regular file, no link, that belongs to the account that runs the playbook, with mode 0600."


def _make_key(path: Path) -> Seal:
    key = Secret(secrets.token_bytes(_KEY_SIZE))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_mode & 0o022:
            raise _refused(path, "other accounts can write to its folder, and so replace it", "Give it a folder with mode 0700.")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                _write_key(file.fileno(), key)
            os.link(temporary, path)  # unlike a rename it fails where another run was quicker
        finally:
            os.unlink(temporary)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        return load_key(path, make=False)
    except (OSError, ValueError) as error:
        raise _refused(
            path, getattr(error, "strerror", None) or "it cannot be made", "Give a path in a folder of this account's."
        ) from error
    return Seal(key, fresh=True)


def _write_key(descriptor: int, key: Secret[bytes]) -> None:
    os.write(descriptor, f"{_KEY_HEAD}{key.reveal().hex()}\n".encode("ascii"))
    os.fsync(descriptor)


def _refused(path: Path, meaning: str, remedy: str) -> OptionError:
    return OptionError("use the ledger's key", target=str(path), meaning=meaning, remedy=remedy)
