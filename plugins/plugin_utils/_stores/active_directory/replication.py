# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""When a recovery password was written last, by what the directory keeps for its replication; pure, and without the password.

replPropertyMetaData holds a stamp for each replicated attribute of an object (MS-ADTS 3.1.1.1.9, its layout as MS-DRSR's
PROPERTY_META_DATA_VECTOR): a number that each change raises, the time and the controller of the last change, and that controller's
update sequence number. These are the same on every controller; the local update sequence number beside them is not, and is left out.
"""

from __future__ import annotations

import struct

#: asked for by name, as it is operational
METADATA_ATTRIBUTE = "replPropertyMetaData"
#: 1.2.840.113556.1.4.1964 under the prefix 9 that every directory knows (MS-DRSR 5.16.4)
_PASSWORD = struct.pack("<I", (9 << 16) | 1964)
#: version 1, reserved, number of stamps, reserved
_HEAD = struct.Struct("<IIII")
#: attribute, version, seconds since 1601, invocation ID, originating and local update sequence number
_STAMP = struct.Struct("<IIq16sqq")
#: a recovery object has some twelve
_MAX_STAMPS = 1000


def password_version(metadata: bytes | None) -> str | None:
    """The stamp of msFVE-RecoveryPassword as a text that another value never bears; None where there is none, or nothing to be read.

    A controller without the attribute (read-only, Global Catalog) has no stamp of it.
    """
    if metadata is None or not _HEAD.size <= len(metadata) <= _HEAD.size + _MAX_STAMPS * _STAMP.size:
        return None
    kind, _reserved, count, _more = _HEAD.unpack_from(metadata)
    if kind != 1 or len(metadata) < _HEAD.size + count * _STAMP.size:
        return None
    # looked for as bytes: a large directory has hundreds of thousands of these
    end, found = _HEAD.size + count * _STAMP.size, []
    position = metadata.find(_PASSWORD, _HEAD.size, end)
    while position >= 0:
        if (position - _HEAD.size) % _STAMP.size == 0:
            found.append(position)
        position = metadata.find(_PASSWORD, position + 1, end)
    if len(found) != 1:
        return None
    _attribute, version, seconds, invocation, sequence, _local = _STAMP.unpack_from(metadata, found[0])
    return f"repl:{version}:{seconds}:{invocation.hex()}:{sequence}"
