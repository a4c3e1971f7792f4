# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A volume with its protectors and what every required store holds of them, as it was just read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..model import Conversion, EntryState, ProtectorType

#: nothing of ours is to be found there
MISSING = frozenset({EntryState.ABSENT, EntryState.DELETED})
#: something is there, and it does not open the volume
WRONG = frozenset({EntryState.REFUTED, EntryState.CONFLICTING, EntryState.MALFORMED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectorView:
    """One protector; ``stores``: of a recovery password, its state in every required store (a store that is not named is unknown)."""

    key_id: str
    type: str
    name: str = ""
    stores: Mapping[str, EntryState] = field(default_factory=dict)

    @property
    def is_recovery_password(self) -> bool:
        """Whether it is one of those that are escrowed."""
        return self.type == ProtectorType.RECOVERY_PASSWORD

    def state(self, store: str) -> EntryState:
        """Its state in a store."""
        return self.stores.get(store, EntryState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeView:
    """One volume now.

    ``stores`` are the required ones. ``locked`` and ``conversion`` None: could not be read. ``protectors`` None: the list, or the type of
    one in it, could not be read, so nothing may be concluded from it. ``barred``: why a store can show nothing of this computer's, by
    store; nothing is asked of it then.
    """

    label: str
    stores: tuple[str, ...]
    locked: bool | None
    conversion: str | None
    protectors: tuple[ProtectorView, ...] | None
    barred: Mapping[str, str] = field(default_factory=dict)

    @property
    def recovery_passwords(self) -> tuple[ProtectorView, ...]:
        """The protectors that are escrowed."""
        return tuple(item for item in self.protectors or () if item.is_recovery_password)

    @property
    def key_ids(self) -> frozenset[str]:
        """All protectors there are, of every type."""
        return frozenset(item.key_id for item in self.protectors or ())

    def protector(self, key_id: str) -> ProtectorView | None:
        """The protector of this ID."""
        return next((item for item in self.protectors or () if item.key_id == key_id), None)

    def is_proven(self, item: ProtectorView) -> bool:
        """Whether every required store holds this recovery password and it was seen to open the volume."""
        return bool(self.stores) and all(item.state(store) is EntryState.PROVEN for store in self.stores)

    def obstacle(self) -> str | None:
        """Why nothing may be changed on this volume, None where it may."""
        if self.protectors is None:
            return "its protectors could not all be read"
        if self.locked is None or self.conversion is None:
            return "whether it is locked or encrypted could not be read"
        if self.locked:
            return "it is locked"
        if self.conversion == Conversion.FULLY_DECRYPTED:
            return "it is not encrypted"
        if self.conversion in (Conversion.DECRYPTION_IN_PROGRESS, Conversion.DECRYPTION_PAUSED):
            return "it is being decrypted"
        return None if self.stores else "no store is required, so nothing would hold a key"
