# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Key packages: a protector's wrapped volume master key, which opens nothing by itself, and against which an escrowed key is proven.

They travel in a SOAP body: callers must use a channel that is encrypted (HTTPS, or message encryption), and mark a result that holds one.
"""

from __future__ import annotations

import base64
from functools import partial

from .._core.redaction import Secret
from .encryptable_volume import EncryptableVolume
from .reads import Reads

#: how often each is read: nobody is told that a key is wrong on one reading alone
READINGS = 2


def key_package(volume: EncryptableVolume, protector_id: str) -> Secret[bytes]:
    """GetKeyPackage: the wrapped volume master key of a recovery password or external key, at most 64 KiB; a locked volume refuses it."""
    return volume.face.secret_octets("GetKeyPackage", "KeyPackage", VolumeKeyProtectorID=protector_id)


def encoded_readings(volume: EncryptableVolume, protector_id: str, reads: Reads) -> list[str]:
    """A protector's package in base64, once for each reading that succeeded; after one that failed, which is noted, no more is asked."""
    found: list[str] = []
    while len(found) < READINGS:
        package = reads.ask("GetKeyPackage", partial(key_package, volume, protector_id))
        if package is None:
            break
        found.append(base64.b64encode(package.reveal()).decode("ascii"))
    return found
