# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_EncryptableVolume: what a volume makes of every method that changes it (wire reference 1.3, 2.1 to 2.4).

The state is the host's own list of volumes. What Windows refuses is refused here, with its codes; what it would allow although no key
is left anywhere is allowed here too: to be careful is the caller's part.
"""

from __future__ import annotations

from .encryption_changes import EncryptionChanges
from .escrow_changes import EscrowChanges
from .lock_changes import LockChanges
from .protector_changes import ProtectorChanges

__all__ = ["VolumeChanges"]


class VolumeChanges(ProtectorChanges, EscrowChanges, EncryptionChanges, LockChanges):
    """The changing half of one host's provider."""
