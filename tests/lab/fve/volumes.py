# SPDX-License-Identifier: GPL-3.0-or-later
"""An encrypted volume: its keys, its protectors, its key packages, and the 512 KiB that other tools open.

volume = FveVolume(seed="a", method=XTS_128)
volume.add_recovery_password(KEY_ID, PASSWORD)
volume.image()
"""

from __future__ import annotations

import hashlib
import random
import struct
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ansible_collections.keyward.bitlocker.tests.lab.fve import datums, sealing

_FIXED_GUID = uuid.UUID("4967d63b-2e29-4ad8-8399-f6a339e3d001").bytes_le
IMAGE_SIZE = 512 * 1024
BLOCKS = (64 * 1024, 192 * 1024, 320 * 1024)
_AREA = 64 * 1024
_MOVED_AT, _MOVED_SECTORS = BLOCKS[0] + _AREA, 16
_ENCRYPTED = 4
Stretch = Callable[[str, bytes], bytes]


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a version of Windows writes a recovery password's protector."""

    #: role of the box with the password's own digits: 0 on Vista and 7
    digits_role: int = datums.DIGITS_ROLE
    #: the stretched key is kept too (Windows 8 and later)
    stretched_box: bool = True
    #: since Windows 10 1903
    backup_info: bool = False
    label: str = ""
    #: FIPS mode: PBKDF2 in place of the stretch
    fips: bool = False


WINDOWS_7 = Form(digits_role=0, stretched_box=False)
WINDOWS_8 = Form()
WINDOWS_10 = Form(backup_info=True)
FIPS = Form(fips=True, stretched_box=False)
LABELLED = Form(label="DiskPassword", backup_info=True)
FORMS = {"windows_7": WINDOWS_7, "windows_8": WINDOWS_8, "windows_10": WINDOWS_10, "labelled": LABELLED}


@dataclass(kw_only=True)
class FveVolume:
    """One volume; the same seed gives the same keys and GUID. ``stretch`` may remember what it has made."""

    seed: str
    method: int = sealing.XTS_128
    created: datetime = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
    stretch: Stretch = sealing.stretched
    protectors: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = random.Random(f"keyward lab volume {self.seed}")
        self.guid = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        self.vmk = rng.randbytes(32)
        self.fvek = rng.randbytes(sealing.FVEK_LENGTHS[self.method])
        self.external_keys: dict[str, bytes] = {}
        self._sealer = sealing.Sealer(moment=self.created)
        self._fvek_box = self._sealer.seal(self.vmk, datums.sealed_key(self.method, self.fvek), role=datums.FVEK_ROLE)

    @property
    def sealed(self) -> list[bytes]:
        """Check and ciphertext of each box that was made for it."""
        return list(self._sealer.sealed)

    def skip_nonces(self, number: int) -> None:
        """Leave nonces out, as if other protectors had taken them."""
        self._sealer.counter += number

    @property
    def nonces_used(self) -> int:
        """How far the session's nonces are."""
        return self._sealer.counter

    @nonces_used.setter
    def nonces_used(self, number: int) -> None:
        self._sealer.counter = number

    def salt(self, key_id: str) -> bytes:
        """The salt of a protector: the same whenever it is made again."""
        return random.Random(f"keyward lab salt {self.seed} {key_id}").randbytes(16)

    def add_recovery_password(self, key_id: str, password: str, form: Form = WINDOWS_8, *, salt: bytes | None = None) -> bytes:
        """Add a recovery password; its datum. A salt that is given spares a stretch that was made already."""
        salt = salt or self.salt(key_id)
        binary = sealing.password_bytes(password)
        nested, flags = self._sealer.seal(self.vmk, datums.sealed_key(datums.PASSWORD_KEY, binary), role=form.digits_role), 0
        if form.fips:
            flags, rounds = datums.PBKDF2, 10_000
            wrapping = hashlib.pbkdf2_hmac("sha256", binary, salt, rounds)
            nested += datums.text("PBKDF2_HMAC_SHA256", datums.PRF_ROLE) + datums.key(0x2000, salt, role=datums.PRF_SALT_ROLE)
            nested += datums.large_number(rounds, datums.PRF_ROUNDS_ROLE)
        else:
            wrapping = self.stretch(password, salt)
        if form.stretched_box:
            nested += self._sealer.seal(self.vmk, datums.sealed_key(datums.RECOVERY_KEY, wrapping), role=datums.STRETCHED_ROLE)
        content = datums.text(form.label) if form.label else b""
        content += datums.stretch_key(salt, nested, flags=flags) + self._wrapped(wrapping)
        if form.backup_info:
            content += datums.backup_info(self.created + timedelta(seconds=5), self.created + timedelta(seconds=5))
        return self._keep(key_id, datums.RECOVERY_PASSWORD, content)

    def add_external_key(self, key_id: str, outside: bytes | None = None) -> bytes:
        """Add a startup or recovery key on a drive (32 bytes, its own where none is given); its datum. It is in ``external_keys``."""
        outside = outside or random.Random(f"keyward lab external key {self.seed} {key_id}").randbytes(32)
        self.external_keys[key_id] = outside
        inner = datums.use_key(self._sealer.seal(self.vmk, datums.sealed_key(datums.EXTERNAL_KEY, outside)))
        return self._keep(key_id, datums.EXTERNAL, datums.text("ExternalKey") + inner + self._wrapped(outside))

    def add_clear_key(self, key_id: str) -> bytes:
        """Add what a suspended volume has: a key in clear that opens it."""
        clear = random.Random(f"keyward lab clear key {self.seed}").randbytes(32)
        return self._keep(key_id, datums.CLEAR, datums.key(0x2000, clear) + self._wrapped(clear))

    def bek(self, key_id: str, *, windows_11: bool = False) -> bytes:
        """The .BEK file of an external key."""
        inner = datums.text("ExternalKey")
        if windows_11:
            inner += datums.volume_guid(self.guid)
        inner += datums.key(datums.EXTERNAL_KEY, self.external_keys[key_id])
        content = datums.external_info(key_id, self._moment(), inner)
        return datums.dataset(key_id, content, counter=1, method=0, created=self._moment())

    def package(self, key_id: str, *, identifier: str | None = None, created: datetime | None = None, counter: int = 0) -> bytes:
        """The key package of a protector: its datum and the disk key's, framed as everything else is (an assumption)."""
        return datums.dataset(
            identifier or self.guid,
            self.protectors[key_id] + self._fvek_box,
            counter=counter or self._sealer.counter,
            method=self.method,
            created=created or self.created,
        )

    def _wrapped(self, key: bytes) -> bytes:
        return self._sealer.seal(key, datums.sealed_key(datums.VMK_KEY, self.vmk))

    def _keep(self, key_id: str, protection: int, content: bytes) -> bytes:
        self.protectors[key_id] = datums.vmk_info(key_id, self._moment(), protection, content)
        return self.protectors[key_id]

    def _moment(self) -> datetime:
        return self.created + timedelta(seconds=5)

    # --- the volume on its disk ----------------------------------------------------------------------------------

    def block(self) -> bytes:
        """One copy of the metadata with its validation, without the zeros behind."""
        content = datums.text("LAB C: 3/4/2025", datums.DESCRIPTION_ROLE) + b"".join(self.protectors.values()) + self._fvek_box
        content += datums.virtualisation(_MOVED_AT, _MOVED_SECTORS * sealing.SECTOR)
        sealer = sealing.Sealer(moment=self.created, counter=self._sealer.counter + 1)
        held = datums.dataset(self.guid, content, counter=sealer.counter + 1, method=self.method, created=self.created)
        size = 64 + len(held)
        padding = -size % 16
        head = struct.pack("<8s4HQII", b"-FVE-FS-", (size + padding) // 16, 2, _ENCRYPTED, _ENCRYPTED, IMAGE_SIZE, 0, _MOVED_SECTORS)
        data = head + struct.pack("<4Q", *BLOCKS, _MOVED_AT) + held + bytes(padding)
        check = datums.sealed_key(datums.HASH_KEY, hashlib.sha256(data).digest())
        return data + struct.pack("<HHI", _AREA - len(data), 2, zlib.crc32(data)) + sealer.seal(self.vmk, check)

    def image(self) -> bytes:
        """The whole volume."""
        disk = bytearray(IMAGE_SIZE)
        disk[: sealing.SECTOR] = boot_sector()
        block = self.block()
        for offset in BLOCKS:
            disk[offset : offset + len(block)] = block
        moved = _ntfs_boot_sector() + bytes((_MOVED_SECTORS - 1) * sealing.SECTOR)
        disk[_MOVED_AT : _MOVED_AT + len(moved)] = sealing.encrypt_sectors(self.method, self.fvek, _MOVED_AT, moved)
        return bytes(disk)


def boot_sector() -> bytes:
    """The first sector: who it belongs to, and where the metadata are."""
    sector = bytearray(sealing.SECTOR)
    sector[0:11] = b"\xeb\x58\x90-FVE-FS-"
    sector[11:14] = struct.pack("<HB", sealing.SECTOR, 8)
    sector[21] = 0xF8
    sector[160:200] = _FIXED_GUID + struct.pack("<3Q", *BLOCKS)
    sector[510:512] = b"\x55\xaa"
    return bytes(sector)


def _ntfs_boot_sector() -> bytes:
    """What was there before the encryption."""
    sector = bytearray(sealing.SECTOR)
    sector[0:11] = b"\xeb\x52\x90NTFS    "
    sector[11:14] = struct.pack("<HB", sealing.SECTOR, 8)
    sector[21] = 0xF8
    sector[0x28:0x40] = struct.pack("<3Q", IMAGE_SIZE // sealing.SECTOR - 1, 4, 8)
    sector[0x40], sector[0x44] = 0xF6, 1
    sector[0x48:0x50] = b"KEYWARD\0"
    sector[510:512] = b"\x55\xaa"
    return bytes(sector)
