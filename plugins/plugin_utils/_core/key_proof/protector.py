# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One protector's datum inside a key package or a block of volume metadata: found by its GUID whatever stands around it, then taken apart.

How Windows frames a key package is not public, so the frame is not looked at: the sixteen bytes of the GUID behind the header of a VMK info
datum are found once, or nothing is said. What of the datum is not understood is remembered, since then nobody may say that a key is wrong.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from datetime import datetime

from .dataset import filetime
from .datums import (
    AES_CCM_BOX,
    BACKUP_INFO,
    HEADER,
    STRETCH_KEY,
    STRETCHED_PASSWORD,
    UNICODE,
    USE_KEY,
    VMK_INFO,
    Box,
    BrokenDatumError,
    Datum,
    box_of,
    datum_at,
    guid_bytes,
)
from .unsealing import SALT_SIZE

#: protection of a VMK info datum
EXTERNAL_KEY_PROTECTION, RECOVERY_PASSWORD_PROTECTION = 0x0200, 0x0800
#: a package or a block of metadata that is larger is not looked at
MAX_SIZE = 64 * 1024
#: key flag of a stretch datum: FIPS mode, PBKDF2 in the place of the stretch
PBKDF2 = 0x40

_VMK_FIXED = struct.Struct("<16sQ2H")
_STRETCH_FIXED = struct.Struct("<2H16s")
_USE_KEY_FIXED = 4
_ROLES = (2, 0)
#: bytes of a box that holds a volume master key, without its header
_WRAPPED_VMK = 72
#: roles of boxes that the volume master key sealed: the password's digits (0 on Vista and 7), the stretched key
_SEALED_ROLES = (0, 0x12, 0x13)
#: flags of a datum: none, or inside a container
_FLAGS = (0, 1)
#: reasons kept: a hostile datum has thousands
_REASONS = 3


@dataclass(slots=True)
class Protector:
    """What a VMK info datum holds. ``odd``: why it is not wholly understood; empty where every byte of it has a known meaning.

    ``salt`` None: there is no stretch, or more than one. ``wrapped``: the boxes that may hold the volume master key. ``sealed``: boxes that
    it sealed in turn. ``modified``: when it was last written, as it says itself. ``digest`` is the SHA-256 of the datum: it names this very
    wrapping of the key, and nothing secret follows from it.
    """

    protection: int
    digest: str
    salt: bytes | None = None
    pbkdf2: bool = False
    wrapped: list[Box] = field(default_factory=list)
    sealed: list[Box] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    modified: datetime | None = None

    def note(self, reason: str) -> None:
        """Remember why the datum is not wholly understood; the first few reasons are enough."""
        if len(self.odd) < _REASONS and reason not in self.odd:
            self.odd.append(reason)


class NoProtectorError(ValueError):
    """The protector's datum is not there, or not only once; the text says which."""


def find_protector(data: bytes, key_id: str) -> Protector:
    """The protector with this GUID in a key package or a block of metadata.

    Raises:
        NoProtectorError: it is not to be found exactly once.
    """
    if len(data) > MAX_SIZE:
        raise NoProtectorError(f"it is larger than {MAX_SIZE} bytes")
    try:
        needle = guid_bytes(key_id)
    except ValueError:
        raise NoProtectorError("the key ID is no GUID") from None
    found: list[Datum] = []
    place = data.find(needle)
    # a key ID may be made so that it is found everywhere
    while place >= 0 and len(found) < 2:
        datum = datum_at(data, place - HEADER.size)
        if datum is not None and datum.type == VMK_INFO and datum.role in _ROLES and len(datum.body) >= _VMK_FIXED.size:
            found.append(datum)
        place = data.find(needle, place + 1)
    if len(found) != 1:
        raise NoProtectorError("it holds the protector more than once" if found else "it does not hold the protector")
    return _take_apart(found[0])


def _take_apart(datum: Datum) -> Protector:
    _guid, modified, unknown, protection = _VMK_FIXED.unpack_from(datum.body)
    size = HEADER.size + len(datum.body)
    digest = hashlib.sha256(HEADER.pack(size, datum.role, datum.type, datum.flags) + datum.body).hexdigest()
    protector = Protector(protection=protection, digest=digest, modified=filetime(modified))
    if unknown or datum.flags not in _FLAGS:
        protector.note(f"its head has an unknown mark ({unknown:#x}, flags {datum.flags:#x})")
    stretches = uses = 0
    try:
        for inner in datum.nested(_VMK_FIXED.size):
            _check_flags(protector, inner)
            if inner.type == STRETCH_KEY:
                stretches += 1
                _take_stretch(protector, inner)
            elif inner.type == USE_KEY:
                uses += 1
                _take_sealed(protector, inner, _USE_KEY_FIXED)
            elif inner.type == AES_CCM_BOX:
                _take_wrapped(protector, inner)
            elif inner.type not in (UNICODE, BACKUP_INFO):
                protector.note(f"it holds a datum of type {inner.type:#x}")
    except BrokenDatumError as error:
        protector.note(str(error))
    if stretches > 1:
        protector.salt = None
    if stretches + uses != 1:
        protector.note("it does not say in exactly one way how its key is made")
    if len(protector.wrapped) != 1:
        protector.note("it does not wrap exactly one key")
    return protector


def _check_flags(protector: Protector, datum: Datum) -> None:
    if datum.flags not in _FLAGS:
        protector.note(f"a datum of type {datum.type:#x} has flags {datum.flags:#x}")


def _take_wrapped(protector: Protector, datum: Datum) -> None:
    box = box_of(datum)
    if box is None or len(datum.body) != _WRAPPED_VMK or datum.role != 0:
        protector.note("what it wraps is no volume master key")
    if box is not None:
        protector.wrapped.append(box)


def _take_stretch(protector: Protector, datum: Datum) -> None:
    if len(datum.body) < _STRETCH_FIXED.size:
        protector.note("its stretch is cut short")
        return
    key_type, key_flags, salt = _STRETCH_FIXED.unpack_from(datum.body)
    protector.salt = salt
    protector.pbkdf2 = bool(key_flags & PBKDF2)
    if key_type != STRETCHED_PASSWORD or key_flags or len(salt) != SALT_SIZE:
        protector.note(f"its stretch is of type {key_type:#x} with flags {key_flags:#x}")
    _take_sealed(protector, datum, _STRETCH_FIXED.size)


def _take_sealed(protector: Protector, datum: Datum, fixed: int) -> None:
    try:
        for inner in datum.nested(fixed):
            _check_flags(protector, inner)
            box = box_of(inner)
            if box is not None:
                protector.sealed.append(box)
                if box.role not in _SEALED_ROLES:
                    protector.note(f"its stretch holds a key of role {box.role:#x}")
            else:
                protector.note(f"its stretch holds a datum of type {inner.type:#x}")
                # PBKDF2 is named by a text and a number in here
                protector.pbkdf2 |= datum.type == STRETCH_KEY and inner.type == UNICODE
    except BrokenDatumError as error:
        protector.note(str(error))
