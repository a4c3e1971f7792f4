# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""An external key: the .BEK file of a startup key or of a recovery key on a USB drive.

Facts: the BDE format documentation of libyal/libbde, "Startup key (.BEK) file"; Windows 11 adds the volume's GUID. There is no checksum in
it, so that the file holds together says little, and only the proof says that it opens anything.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime

from ..._errors import BadDataError
from ..redaction import Secret
from .dataset import filetime, parse_dataset
from .datums import EXTERNAL_INFO, EXTERNAL_KEY, GUID, UNICODE, BrokenDatumError, Datum, Key, guid_text, key_of, walk

#: a file that is larger is none
MAX_SIZE = 64 * 1024
KEY_SIZE = 32

_ATTEMPTED = "read an external key (.BEK)"
_REMEDY = "Take the file from its source again."
_FIXED = struct.Struct("<16sQ")
_GUID_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalKey:
    """What a .BEK file holds; ``volume_guid`` only where Windows 11 wrote it, ``label`` is a text like ``ExternalKey``."""

    key_id: str
    key: Secret[bytes]
    created: datetime | None = None
    volume_guid: str | None = None
    label: str = ""


def parse_external_key(content: Secret[bytes]) -> ExternalKey:
    """Read a .BEK file.

    Raises:
        BadDataError: it is none, is damaged, or holds other than one external key.
    """
    data = content.reveal()
    if len(data) > MAX_SIZE:
        raise _broken(f"it is larger than {MAX_SIZE} bytes")
    dataset = parse_dataset(data, _ATTEMPTED)
    try:
        infos = [datum for datum in walk(dataset.datums) if datum.type == EXTERNAL_INFO]
        if len(infos) != 1 or len(infos[0].body) < _FIXED.size:
            raise _broken(f"it holds {len(infos)} external keys, and not one")
        guid, created = _FIXED.unpack_from(infos[0].body)
        inner = list(infos[0].nested(_FIXED.size))
    except BrokenDatumError as error:
        raise _broken(str(error)) from None
    if guid_text(guid) != dataset.guid:
        raise _broken("it names two protectors")
    return ExternalKey(
        key_id=dataset.guid,
        key=Secret(_the_key(inner).value),
        created=filetime(created),
        volume_guid=next((guid_text(datum.body) for datum in inner if datum.type == GUID and len(datum.body) == _GUID_SIZE), None),
        label=next((_text(datum) for datum in inner if datum.type == UNICODE), ""),
    )


def _the_key(inner: list[Datum]) -> Key:
    keys = [key for datum in inner if (key := key_of(datum)) is not None and key.type == EXTERNAL_KEY]
    if len(keys) != 1 or len(keys[0].value) != KEY_SIZE:
        raise _broken("it does not hold exactly one key of 32 bytes")
    return keys[0]


def _text(datum: Datum) -> str:
    return datum.body.decode("utf-16-le", "replace").rstrip("\0")[:256]


def _broken(meaning: str) -> BadDataError:
    return BadDataError(_ATTEMPTED, meaning=meaning, remedy=_REMEDY)
