# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a file or a pulled disk holds to prove a key against: a volume's boot sector and the copies of its metadata, or key packages.

Of a volume some 200 kilobytes are read, wherever on it they lie. A copy that cannot be read, as beyond the end of a file that holds only
the first sectors, is left out and counted.
"""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from .._core.key_proof import external_key, volume
from .._core.key_proof.contents import ListedProtector, list_protectors, method_word
from .._core.key_proof.proof import Outcome, Proof, prove_external_key, prove_recovery_password
from .._core.key_proof.protector import MAX_SIZE
from .._core.redaction import Secret
from .._errors import BadDataError, OptionError

#: where a key package of a file comes from is not known; an image's metadata are the volume's own
IMAGE, PACKAGE = "image", "package"
_KEY_ID = re.compile(r"[0-9a-f]{8,32}", re.ASCII)
_WHOLE = 32
#: offsets beyond this are none: no disk is larger
_MAX_OFFSET = 2**60
#: places that are looked at: three copies, and as many more as a damaged boot sector may name
_MOST_COPIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What was read. ``readings``: groups of readings of one thing, the first of which counts most; ``facts`` go into the result."""

    basis: str
    readings: tuple[tuple[bytes, ...], ...]
    block: volume.Block | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def protectors(self) -> tuple[ListedProtector, ...]:
        """Every protector that any of it holds, each once."""
        found = {item.key_id: item for group in self.readings for data in group for item in list_protectors(data)}
        return tuple(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProof:
    """The answer: the best of the proofs of each protector, which one that is, and whether the key authenticates the metadata."""

    outcome: Outcome
    reason: str
    key_id: str | None
    tried: tuple[tuple[str, Proof], ...] = ()
    authenticated: bool | None = None


def read_image(path: str, offset: int) -> Material:
    """The metadata of the volume that begins ``offset`` bytes into an image or a device.

    Raises:
        OptionError: it cannot be read.
        BadDataError: it is no volume encrypted with BitLocker, or not one copy of its metadata is there.
    """
    if not 0 <= offset < _MAX_OFFSET:
        raise OptionError("read an image", target="option offset", meaning=f"{offset} is no place in it", remedy="Give 0 or more.")
    with _opened(path, "image") as file:
        blocks = _blocks(file, offset)
    if not blocks:
        raise BadDataError(
            "read a volume's metadata",
            target=path,
            meaning="its first sector is that of an encrypted volume, and no copy of the metadata is where it says",
            remedy="Take more of the disk: the copies lie far apart, and one is enough to prove a key.",
        )
    intact = [block for block in blocks if block.intact]
    first = (intact or blocks)[0]
    # a damaged copy may prove a key, and never refute one: each is a reading of its own
    readings = (tuple(block.content for block in intact),) if intact else tuple((block.content,) for block in blocks)
    facts = {
        "copies": len(blocks),
        "intact_copies": len(intact),
        "version": first.version,
        "state": first.state,
        "method": method_word(first.method),
        "volume_guid": first.volume_guid,
    }
    return Material(basis=IMAGE, readings=readings, block=first, facts=facts)


def read_packages(paths: Sequence[str]) -> Material:
    """Exports of one key package. One is a reading; a second export is the second reading that a refutation needs.

    Raises:
        OptionError: one cannot be read, or is named twice.
        BadDataError: one is empty, or too large to be one.
    """
    names = [os.path.realpath(path) for path in paths]
    if len(set(names)) != len(names):
        raise OptionError(
            "read key packages", target="option package_files", meaning="one file is named twice", remedy="Export the package twice."
        )
    return Material(basis=PACKAGE, readings=(tuple(_whole(path, "package_files", MAX_SIZE, "a key package") for path in paths),))


def chosen(material: Material, wanted: str) -> str:
    """The protector's ID of which ``wanted`` is the whole, or the first 8 or more characters, as the recovery screen shows them.

    Raises:
        OptionError: it is no key ID, or several protectors begin like that.
    """
    digits = re.sub(r"[\s{}-]", "", wanted).lower()
    if not _KEY_ID.fullmatch(digits):
        raise _no_key_id(wanted, "it is no key ID and no beginning of one")
    if len(digits) == _WHOLE:
        return str(uuid.UUID(digits))
    found = [item.key_id for item in material.protectors if item.key_id.replace("-", "").startswith(digits)]
    if len(found) != 1:
        raise _no_key_id(wanted, "several protectors begin like that" if found else "no protector begins like that")
    return found[0]


def _no_key_id(wanted: str, meaning: str) -> OptionError:
    return OptionError(
        "choose a protector",
        target=f"option key_id: {wanted[:64]!r}",
        meaning=meaning,
        remedy="Give the whole ID, or leave it out: then every recovery password's protector is tried.",
    )


def read_external_key(path: str) -> external_key.ExternalKey:
    """The key of a .BEK file; raises as :func:`read_packages` and :func:`.external_key.parse_external_key`."""
    return external_key.parse_external_key(Secret(_whole(path, "bek_file", external_key.MAX_SIZE, "an external key")))


def prove_password(password: Secret[str], material: Material, key_id: str | None) -> KeyProof:
    """Hold a recovery password against the protector ``key_id``, or without one against each recovery password of the material."""
    wanted = [key_id] if key_id else [item.key_id for item in material.protectors if item.type == "recovery_password"]
    return _prove(material, wanted, lambda one, readings: prove_recovery_password(password, one, readings), "recovery password")


def prove_bek(key: external_key.ExternalKey, material: Material) -> KeyProof:
    """Hold an external key against the protector that it names."""
    return _prove(material, [key.key_id], lambda one, readings: prove_external_key(key.key, one, readings), "external key")


def _prove(material: Material, wanted: Sequence[str], prove: Callable[[str, Sequence[bytes]], Proof], what: str) -> KeyProof:
    tried = []
    for key_id in wanted:
        proof = _best(material, key_id, prove)
        tried.append((key_id, proof))
        if proof.outcome is Outcome.PROVEN:
            key = proof.master_key
            authenticated = material.block.authenticated(key) if material.block is not None and key is not None else None
            return KeyProof(outcome=proof.outcome, reason=proof.reason, key_id=key_id, tried=tuple(tried), authenticated=authenticated)
    if not tried:
        return KeyProof(outcome=Outcome.INCONCLUSIVE, reason=f"it holds no protector of a {what}", key_id=None)
    open_ones = [proof for _key_id, proof in tried if proof.outcome is not Outcome.REFUTED]
    decisive = open_ones[0] if open_ones else tried[0][1]
    return KeyProof(outcome=decisive.outcome, reason=decisive.reason, key_id=tried[0][0] if len(tried) == 1 else None, tried=tuple(tried))


def _best(material: Material, key_id: str, prove: Callable[[str, Sequence[bytes]], Proof]) -> Proof:
    """Against each group of readings until one proves it; else what the first said."""
    first: Proof | None = None
    for readings in material.readings:
        proof = prove(key_id, readings)
        if proof.outcome is Outcome.PROVEN:
            return proof
        first = first or proof
    return first or Proof(outcome=Outcome.INCONCLUSIVE, reason="nothing was read")


def _blocks(file: BinaryIO, base: int) -> list[volume.Block]:
    """Every copy of the metadata that is there, by where the boot sector and the copies themselves say that they are."""
    waiting = list(volume.metadata_offsets(_at(file, base, volume.BOOT_SECTOR_SIZE)))
    seen: set[int] = set()
    blocks: list[volume.Block] = []
    while waiting and len(seen) < _MOST_COPIES:
        offset = waiting.pop(0)
        if offset in seen or not 0 < offset < _MAX_OFFSET:
            continue
        seen.add(offset)
        try:
            block = volume.parse_block(_at(file, base + offset, volume.BLOCK_SIZE))
        except BadDataError:
            continue
        blocks.append(block)
        if block.intact:
            waiting += block.offsets
    return blocks


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    try:
        file.seek(offset)
        return file.read(size)
    except (OSError, ValueError, OverflowError):
        return b""


def _opened(path: str, option: str) -> BinaryIO:
    """A regular file or a block device, opened to be read; a pipe is never waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb")
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode) or (stat.S_ISBLK(mode) and option == "image"):
            return file
        file.close()
        why = "it is no file and no disk" if option == "image" else "it is no regular file"
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise _unreadable(path, option, getattr(error, "strerror", None) or str(error)) from error
    raise _unreadable(path, option, why)


def _whole(path: str, option: str, most: int, what: str) -> bytes:
    with _opened(path, option) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise _unreadable(path, option, error.strerror or "it cannot be read") from error
    if not content or len(content) > most:
        meaning = "it is empty" if not content else f"it is larger than {most} bytes"
        raise BadDataError(f"read {what}", target=str(Path(path)), meaning=meaning, remedy="Take the file from its source again.")
    return content


def _unreadable(path: str, option: str, why: str) -> OptionError:
    return OptionError(
        "read what a key is to be proven against" if option != "bek_file" else "read an external key",
        target=f"option {option}: {path}",
        meaning=why,
        remedy="Name a file or disk of the controller that the user who runs the playbook may read.",
    )
