# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What an observed volume says of its own encryption: DESIGN section 5, the rows above the recovery passwords and the flags of its state.

A read is *needed* where the verdict depends on it. A needed read that is None, a word that these rules do not know (``unknown_9``), or
listed among the volume's errors gives ``unknown``, never a guess. Each function says which reads it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .model import Conversion, Flag, Method, ObservedProtector, ObservedVolume, Protection, ProtectorType, Verdict, VolumeType
from .requirements import Requirements

_CONVERSIONS = frozenset(Conversion)
_DECRYPTING = frozenset({Conversion.DECRYPTION_IN_PROGRESS, Conversion.DECRYPTION_PAUSED})
_ENCRYPTING = frozenset({Conversion.ENCRYPTION_IN_PROGRESS, Conversion.ENCRYPTION_PAUSED})
_CONVERTING = _DECRYPTING | _ENCRYPTING
_HOLDS_CIPHERTEXT = _ENCRYPTING | {Conversion.FULLY_ENCRYPTED}
_VOLUME_TYPES = frozenset(VolumeType)
_METHODS = frozenset(Method) - {Method.NONE}
_PROTECTOR_TYPES = frozenset(ProtectorType)
#: protector types by which a person, a server or a recovery agent can open the volume without a recovery password
_OTHER_RECOVERY = frozenset({ProtectorType.PASSPHRASE, ProtectorType.SID, ProtectorType.CERTIFICATE})


_T = TypeVar("_T")


def _same(readings: Sequence[_T], otherwise: _T) -> _T:
    """What every reading says, or ``otherwise`` where they differ."""
    return readings[0] if all(reading == readings[0] for reading in readings) else otherwise


class VolumeState:
    """One observed volume, its reads sifted: what failed is None here.

    A locked volume counts as fully encrypted, whatever else was read: Windows refuses GetConversionStatus on it, and what its properties
    hold is documented nowhere. Where the lock status itself was not read, the volume is looked at both ways, and only what is the same
    is said.
    """

    __slots__ = ("_locks", "conversion", "failed", "protectors", "volume")

    def __init__(self, volume: ObservedVolume) -> None:
        self.volume = volume
        self.failed = frozenset(error.read.partition(" ")[0] for error in volume.errors) if volume.errors else frozenset()
        self.protectors: tuple[ObservedProtector, ...] | None = None if "GetKeyProtectors" in self.failed else volume.protectors
        self._locks = (True, False) if volume.locked is None or "GetLockStatus" in self.failed else (volume.locked,)
        #: the conversion to judge by; None where it is not known
        self.conversion = _same([self._conversion(locked) for locked in self._locks], None)

    def _conversion(self, locked: bool) -> str | None:
        if locked:
            return Conversion.FULLY_ENCRYPTED
        known = self.volume.conversion in _CONVERSIONS and "GetConversionStatus" not in self.failed
        return self.volume.conversion if known else None

    def in_scope(self, requirements: Requirements) -> bool:
        """Needs the type, and the conversion where decrypted volumes are left out; what was not read is in scope, never dropped."""
        if self.volume.type in _VOLUME_TYPES and self.volume.type not in requirements.volume_types:
            return False
        return requirements.encryption or self.conversion != Conversion.FULLY_DECRYPTED

    def verdict(self) -> Verdict | None:
        """The rows above the recovery passwords: a verdict, or None to judge on.

        Needs the conversion; unless decrypted or decrypting, the list of protectors; when fully encrypted, ProtectionStatus; when that is
        0, the suspend count, which may be not offered (None) but must not have failed. A volume that has no protector, or that is certainly
        unprotected, is so whatever else was not read.
        """
        return _same([self._by_encryption(locked) for locked in self._locks], Verdict.UNKNOWN)

    def _by_encryption(self, locked: bool) -> Verdict | None:
        conversion = self._conversion(locked)
        if conversion is None:
            return Verdict.UNKNOWN
        if conversion == Conversion.FULLY_DECRYPTED:
            return Verdict.NOT_ENCRYPTED
        if conversion in _DECRYPTING or self.protectors == ():
            return Verdict.UNPROTECTED
        verdict = self._by_protection(locked) if conversion == Conversion.FULLY_ENCRYPTED else None
        return Verdict.UNKNOWN if verdict is None and self.protectors is None else verdict

    def _by_protection(self, locked: bool) -> Verdict | None:
        """What ProtectionStatus says of a fully encrypted volume: a verdict, or None to judge on.

        Status 2 is Windows' word for "could not be determined", which is what it says of every locked volume; of one that is not locked it
        is a read that did not succeed.
        """
        protection = None if "GetProtectionStatus" in self.failed else self.volume.protection
        if protection == Protection.ON or (protection == Protection.UNKNOWN and locked):
            return None
        if protection != Protection.OFF or "GetSuspendCount" in self.failed:
            return Verdict.UNKNOWN
        return None if (self.volume.suspend_count or 0) >= 1 else Verdict.UNPROTECTED

    def flags(self, requirements: Requirements) -> set[Flag]:
        """The flags of the volume's own state; a flag whose reads are missing is not given.

        ``weak_method`` needs a method that these rules know: a locked volume may not tell its own (then NULL, none or 0xFFFFFFFF).
        """
        volume, failed, conversion = self.volume, self.failed, self.conversion
        flags = set()
        if self._locks == (True,):
            flags.add(Flag.LOCKED)
        if conversion in _CONVERTING:
            flags.add(Flag.CONVERTING)
        if conversion == Conversion.FULLY_ENCRYPTED and volume.protection == Protection.OFF and volume.suspend_count is not None:
            flags |= set() if failed & {"GetProtectionStatus", "GetSuspendCount"} else {Flag.SUSPENDED}
        method = None if "GetEncryptionMethod" in failed else volume.method
        if conversion in _HOLDS_CIPHERTEXT and method in _METHODS and method not in requirements.methods:
            flags.add(Flag.WEAK_METHOD)
        if conversion == Conversion.FULLY_DECRYPTED and volume.hardware_test == "pending" and self.protectors:
            flags.add(Flag.ACTIVATION_PENDING)
        return flags

    @property
    def untyped(self) -> bool:
        """Whether a protector's type was not read, or is one that these rules do not know: it may be a recovery password."""
        return any(protector.type not in _PROTECTOR_TYPES for protector in self.volume.protectors or ())

    def other_recovery(self) -> bool:
        """Whether something other than a recovery password opens the volume: recovery agent, external key, passphrase, SID, certificate.

        The external key that Windows itself uses for auto-unlock never counts, nor does network unlock. Where it could not be read which
        external key that is, at most one of them is it.
        """
        externals = 0
        for protector in self.volume.protectors or ():
            if protector.type in _OTHER_RECOVERY:
                return True
            if protector.type == ProtectorType.EXTERNAL_KEY and protector.key_id != self.volume.auto_unlock_key_id:
                externals += 1
        return externals > (1 if "IsAutoUnlockEnabled" in self.failed else 0)
