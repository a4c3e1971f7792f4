# SPDX-License-Identifier: GPL-3.0-or-later
"""What all methods that change a volume have in common: the host, its policy, its lock, and how arguments are read."""

from __future__ import annotations

import random
import re
import threading
import uuid
from collections.abc import Callable
from typing import Final

from ...model import LabHost, LabProtector, LabVolume
from ..cim import Values
from ..escrow import Escrow
from ..profiles import Profile, WireForm
from .volume_schema import E_INVALIDARG, NOT_ACTIVATED

Answer = tuple[int, Values]

TPM, EXTERNAL, PASSWORD, TPM_PIN, TPM_STARTUP_KEY, TPM_PIN_STARTUP_KEY = 1, 2, 3, 4, 5, 6
PASSPHRASE: Final = 8
TPM_KINDS: Final = frozenset({TPM, TPM_PIN, TPM_STARTUP_KEY, TPM_PIN_STARTUP_KEY})
#: those of which a volume may have one of each kind
SINGLE_KINDS: Final = TPM_KINDS | {PASSPHRASE}
#: those with a .BEK file
FILE_KINDS: Final = frozenset({EXTERNAL, TPM_STARTUP_KEY, TPM_PIN_STARTUP_KEY})
OS: Final = 0
DECRYPTED, ENCRYPTED, ENCRYPTING, DECRYPTING, ENCRYPTION_PAUSED, DECRYPTION_PAUSED = range(6)
#: how policy values of a kind of drive begin, by Win32_EncryptableVolume.VolumeType
DRIVES: Final = {0: "OS", 1: "FDV", 2: "RDV"}
_ID = re.compile(r"\{([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}")


class Changing:
    """One host's volumes, about to be changed.

    ``rng`` makes IDs and passwords, so a seeded host makes the same ones again. ``changed`` is called after every change, with the lock
    held: state may be written down there.
    """

    def __init__(
        self,
        host: LabHost,
        profile: Profile,
        form: WireForm,
        escrow: Escrow,
        rng: random.Random | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._profile = profile
        self._form = form
        self._escrow = escrow
        self._rng = rng or random.Random(f"keyward lab changes {host.inventory_name}")
        self._changed = changed
        self.lock = threading.RLock()

    def _recovery_policy(self, volume: LabVolume, name: str) -> int | str | None:
        """A value of the policy on how drives of this kind can be recovered; without effect where that policy is disabled."""
        policy, drives = self._host.fve_policy or {}, DRIVES[volume.volume_type]
        return policy.get(drives + name) if policy.get(f"{drives}Recovery", 1) == 1 else None

    def _guid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    @staticmethod
    def _find(volume: LabVolume, arguments: Values) -> LabProtector | int:
        if not volume.protectors:
            return NOT_ACTIVATED
        match = _ID.fullmatch(str(arguments.get("VolumeKeyProtectorID")))
        if match is None:
            return E_INVALIDARG
        return next((item for item in volume.protectors if item.key_id == match[1].lower()), E_INVALIDARG)


def suspended(volume: LabVolume) -> bool:
    """Whether a clear key opens the volume (wire reference 2.3); while it is converted, ProtectionStatus 0 proves nothing."""
    return volume.clear_key or volume.suspend_count is not None or (volume.conversion_status == ENCRYPTED and volume.protection_status == 0)


def protected(volume: LabVolume) -> bool:
    """Whether the last protector is needed: wholly or partly encrypted, and no clear key."""
    return volume.conversion_status != DECRYPTED and not suspended(volume)


def hyphened(password: str) -> str:
    """A recovery password as Windows returns it."""
    digits = re.sub("[ -]", "", password)
    return "-".join(digits[start : start + 6] for start in range(0, 48, 6))


def well_formed(password: str) -> bool:
    """Eight groups of six digits, each a multiple of 11 below 11 times 65536 (wire reference 2.1)."""
    digits = re.sub("[ -]", "", password)
    return re.fullmatch("[0-9]{48}", digits) is not None and all(
        int(digits[start : start + 6]) % 11 == 0 and int(digits[start : start + 6]) < 720896 for start in range(0, 48, 6)
    )
