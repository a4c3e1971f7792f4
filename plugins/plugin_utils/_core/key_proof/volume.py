# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""An encrypted volume's own metadata: where a boot sector says that the three copies are, and what one copy holds.

Facts: the BDE format documentation of libyal/libbde, "Volume header" and "FVE metadata block". A proof needs the boot sector and one copy,
about two kilobytes, and neither the disk nor its machine.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
import zlib
from dataclasses import dataclass

from ..._errors import BadDataError
from ..redaction import Secret
from . import unsealing
from .dataset import parse_dataset
from .datums import AES_CCM_BOX, HEADER, box_of, datum_at, only_key

BOOT_SECTOR_SIZE = 512
#: what one copy of the metadata takes on the disk
BLOCK_SIZE = 64 * 1024
SIGNATURE = b"-FVE-FS-"
#: states of a volume, from the block's head
STATES = {1: "decrypted", 2: "switching", 3: "paused", 4: "encrypted", 5: "switching"}

_ATTEMPTED = "read a volume's metadata"
_FIXED_VOLUME = uuid.UUID("4967d63b-2e29-4ad8-8399-f6a339e3d001").bytes_le
_ENCRYPT_ON_WRITE = uuid.UUID("92a84d3b-dd80-4d0e-9e4e-b1e3284eaed8").bytes_le
_OFFSETS = struct.Struct("<3Q")
_VISTA_SIGNATURE_AT, _VISTA_CLUSTER_AT = 3, 0x38
_BLOCK_HEAD = struct.Struct("<8s4HQ2I4Q")
_VALIDATION = struct.Struct("<2HI")
_UNIT = 16


def metadata_offsets(boot_sector: bytes) -> tuple[int, ...]:
    """Where the copies of the metadata begin, in bytes from the volume's first; three, or one on Windows Vista.

    Raises:
        BadDataError: this is no boot sector of a volume that BitLocker encrypted.
    """
    for guid in (_FIXED_VOLUME, _ENCRYPT_ON_WRITE):
        place = boot_sector.find(guid, 0, BOOT_SECTOR_SIZE)
        if 0 <= place <= BOOT_SECTOR_SIZE - len(guid) - _OFFSETS.size and len(boot_sector) >= place + len(guid) + _OFFSETS.size:
            offsets = tuple(dict.fromkeys(offset for offset in _OFFSETS.unpack_from(boot_sector, place + len(guid)) if offset))
            if offsets:
                return offsets
    if boot_sector[_VISTA_SIGNATURE_AT : _VISTA_SIGNATURE_AT + len(SIGNATURE)] == SIGNATURE and len(boot_sector) >= BOOT_SECTOR_SIZE:
        sector, clusters = struct.unpack_from("<HB", boot_sector, 11)
        (cluster,) = struct.unpack_from("<Q", boot_sector, _VISTA_CLUSTER_AT)
        if sector and clusters and cluster:
            return (cluster * sector * clusters,)
    raise BadDataError(
        _ATTEMPTED,
        meaning="its first sector is not that of a volume encrypted with BitLocker",
        remedy="Give the first sectors of the volume, not of the whole disk.",
    )


@dataclass(frozen=True, slots=True)
class Block:
    """One copy of the metadata. ``intact``: its CRC-32 is right; ``offsets``: where it says that the copies are."""

    version: int
    state: str
    volume_guid: str
    method: int
    offsets: tuple[int, ...]
    intact: bool
    content: bytes
    validation: bytes

    def authenticated(self, master_key: Secret[bytes]) -> bool | None:
        """Whether the volume master key sealed this very content, times and records included; None where nothing was sealed (Vista)."""
        datum = datum_at(self.validation, _VALIDATION.size)
        box = box_of(datum) if datum is not None and datum.type == AES_CCM_BOX else None
        if box is None:
            return None
        plain = unsealing.unwrap(master_key, box)
        held = only_key(plain) if plain is not None else None
        return held is not None and held.value == hashlib.sha256(self.content).digest()


def parse_block(data: bytes) -> Block:
    """One copy of the metadata, from its signature on.

    Raises:
        BadDataError: there is none, or it is cut short.
    """
    if len(data) < _BLOCK_HEAD.size or not data.startswith(SIGNATURE):
        raise BadDataError(_ATTEMPTED, meaning="there is no copy of BitLocker's metadata at this place")
    _signature, size, version, state, _next, _encrypted, _unknown, _moved, *offsets, _moved_at = _BLOCK_HEAD.unpack_from(data)
    length = size * _UNIT if version >= 2 else size
    if not _BLOCK_HEAD.size <= length <= min(len(data), BLOCK_SIZE):
        raise BadDataError(_ATTEMPTED, meaning="a copy of BitLocker's metadata is cut short")
    content = bytes(data[:length])
    dataset = parse_dataset(content[_BLOCK_HEAD.size :], _ATTEMPTED)
    validation, intact = b"", False
    if len(data) >= length + _VALIDATION.size:
        _rest, _version, crc = _VALIDATION.unpack_from(data, length)
        intact = crc == zlib.crc32(content)
        sealed = datum_at(data, length + _VALIDATION.size)
        validation = bytes(data[length : length + _VALIDATION.size + (HEADER.size + len(sealed.body) if sealed is not None else 0)])
    return Block(
        version=version,
        state=STATES.get(state, f"unknown_{state}"),
        volume_guid=dataset.guid,
        method=dataset.method,
        offsets=tuple(offset for offset in offsets if offset),
        intact=intact,
        content=content,
        validation=validation,
    )
