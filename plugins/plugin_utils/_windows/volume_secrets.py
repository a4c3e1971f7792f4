# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The reads of Win32_EncryptableVolume that answer with a secret. A test holds that volume_info's code does not import this file.

The secret travels in a SOAP body: callers must use a channel that is encrypted (HTTPS, or message encryption).
"""

from __future__ import annotations

from .._core.redaction import Secret
from .calls import missing
from .encryptable_volume import EncryptableVolume


def external_key(volume: EncryptableVolume, protector_id: str) -> Secret[bytes]:
    """GetKeyProtectorExternalKey: the 32 bytes of an external key; a locked volume refuses it."""
    return volume.face.secret_octets("GetKeyProtectorExternalKey", "ExternalKey", VolumeKeyProtectorID=protector_id)


def numerical_password(volume: EncryptableVolume, protector_id: str) -> Secret[str]:
    """GetKeyProtectorNumericalPassword: the 48 digits, as Windows writes them; needed only to escrow a password that was just made."""
    out = volume.face.read("GetKeyProtectorNumericalPassword", VolumeKeyProtectorID=protector_id)
    password = out.string("NumericalPassword")
    if not password:
        raise missing("GetKeyProtectorNumericalPassword", "NumericalPassword")
    return Secret(password)
