# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The head that stands before datums in a volume's metadata, in a .BEK file and, as far as anybody knows, in a key package.

Facts: the BDE format documentation of libyal/libbde, "FVE metadata header".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..._errors import BadDataError
from .datums import guid_text

HEAD = struct.Struct("<4I16sI2HQ")

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Dataset:
    """``guid`` is the volume's in its metadata and the protector's in a .BEK file; ``datums`` are the bytes behind the head."""

    guid: str
    method: int
    created: datetime | None
    datums: bytes


def parse_dataset(data: bytes, attempted: str) -> Dataset:
    """The dataset that begins with the first byte; what stands behind its end is not looked at.

    Raises:
        BadDataError: it is none, or is cut short.
    """
    if len(data) < HEAD.size:
        raise BadDataError(attempted, meaning="it is too short to be BitLocker's metadata")
    size, version, head, end, guid, _nonce, method, _unknown, created = HEAD.unpack_from(data)
    if version != 1 or head != HEAD.size or not HEAD.size <= size or end > size:
        raise BadDataError(attempted, meaning="it does not begin as BitLocker's metadata do")
    if size > len(data):
        raise BadDataError(attempted, meaning=f"it is cut short: {len(data)} of {size} bytes are there")
    return Dataset(guid=guid_text(guid), method=method, created=filetime(created), datums=bytes(data[HEAD.size : max(end, HEAD.size)]))


def filetime(number: int) -> datetime | None:
    """A FILETIME (100 ns since 1601 in UTC), None for 0 and for what no calendar has."""
    try:
        return _EPOCH + timedelta(microseconds=number // 10) if number else None
    except OverflowError:
        return None
