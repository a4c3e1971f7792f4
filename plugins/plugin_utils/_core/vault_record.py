# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What our second copy keeps of one machine: who it is, and its recovery passwords; what is added when more is known; pure.

Nothing is ever taken away by adding: a key that is known stays, and where one key ID comes with two values, both stay, marked conflicting.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from .._errors import BadDataError
from . import recovery_password
from .redaction import Secret

#: bounds of one machine
MAX_KEYS = 2000
MAX_NAMES = 16
MAX_ORIGINS = 32
MAX_TEXT = 2048

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
#: enough to tell two passwords of one key ID apart, and far from enough to find one of them
_MARK_DIGITS = 8
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def kept(text: str) -> str:
    """A name or place as a copy can keep it: half characters (as in a file's name that is no UTF-8) written out, the end cut off."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:MAX_TEXT]


def is_guid(text: str | None) -> bool:
    """Whether a text is a GUID as we write them: lower case, no braces."""
    return text is not None and _GUID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Whose keys these are. ``names`` are in lower case, the full one first; IDs are GUIDs in lower case; None where nobody told."""

    names: tuple[str, ...] = ()
    ad_guid: str | None = None
    entra_device_id: str | None = None
    serial: str | None = None
    hardware_uuid: str | None = None

    @property
    def label(self) -> str:
        """What people call it."""
        return next((text for text in (*self.names, self.ad_guid, self.entra_device_id, self.serial) if text), "an unnamed computer")

    @property
    def guids(self) -> frozenset[str]:
        """Its IDs in the directories; a hybrid joined device bears the same one in both."""
        return frozenset(text for text in (self.ad_guid, self.entra_device_id) if text)

    def is_the_same(self, other: Machine) -> bool:
        """Whether both are one: by an ID in a directory, else by a full DNS name that no ID contradicts; serials prove nothing."""
        if self.guids & other.guids:
            return True
        if _differ(self.ad_guid, other.ad_guid) or _differ(self.entra_device_id, other.entra_device_id):
            return False
        return bool({name for name in self.names if "." in name} & set(other.names))

    def joined(self, other: Machine) -> Machine:
        """This one with what the other knows beyond it."""
        names = dict.fromkeys((*self.names, *other.names))
        return Machine(
            names=tuple(sorted(names, key=lambda name: "." not in name))[:MAX_NAMES],
            ad_guid=self.ad_guid or other.ad_guid,
            entra_device_id=self.entra_device_id or other.entra_device_id,
            serial=self.serial or other.serial,
            hardware_uuid=self.hardware_uuid or other.hardware_uuid,
        )


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value was copied from: the source, its owner there by name and ID, where it lay, when it was made, when we copied it."""

    source: str
    owner: str
    owner_id: str = ""
    location: str
    created: datetime | None = None
    copied_at: datetime

    @property
    def place(self) -> tuple[str, str, datetime | None]:
        """What makes it another origin than the others: an entry that was made anew is one, an owner that was renamed or moved is none."""
        return self.source, self.owner_id or self.location, self.created


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCopy:
    """One recovery password: its protector's ID, what is known of the volume, where it comes from, and its value where that was opened.

    ``mark`` tells values of one key ID apart, without the value (:func:`mark_of`). ``conflicting``: another value is kept for this key ID.
    """

    key_id: str
    mark: str
    origins: tuple[Origin, ...]
    volume: str | None = None
    volume_guid: str | None = None
    conflicting: bool = False
    value: Secret[str] | None = None

    @property
    def created(self) -> datetime | None:
        """When it was first escrowed, as far as its origins say."""
        return min((origin.created for origin in self.origins if origin.created is not None), default=None)

    @property
    def copied_at(self) -> datetime:
        """When the first copy was made."""
        return min(origin.copied_at for origin in self.origins)

    def is_value_of(self, other: KeyCopy) -> bool:
        """Whether both are the same password of the same protector, by the value where both have it, else by the mark."""
        if self.key_id != other.key_id:
            return False
        if self.value is not None and other.value is not None:
            return self.value == other.value
        return self.mark == other.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCopies:
    """One machine with its keys, newest first."""

    machine: Machine
    keys: tuple[KeyCopy, ...] = ()


def whole_seconds(moment: datetime | None) -> datetime | None:
    """A time as the copy keeps it: in UTC, to the second."""
    return None if moment is None else moment.astimezone(UTC).replace(microsecond=0)


def mark_of(key_id: str, value: Secret[str]) -> str:
    """A mark that two different passwords of one key ID do not share, but for one chance in four milliards.

    Most of the digest is left out, so that whoever reads it learns at most 32 of a password's 128 bits. It is no part of BitLocker's own
    derivation, which begins with a plain SHA-256.

    Raises:
        MalformedPasswordError: the value is no recovery password.
    """
    digits = recovery_password.parse(value).reveal()
    return hmac.new(b"keyward.bitlocker vault mark 1\0" + key_id.encode("ascii"), digits.encode("ascii"), hashlib.sha256).hexdigest()[
        :_MARK_DIGITS
    ]


def key_copy(key_id: str, value: Secret[str], origin: Origin, *, volume: str | None = None, volume_guid: str | None = None) -> KeyCopy:
    """One value that is to be kept, in the canonical form.

    Raises:
        BadDataError: the key ID is no GUID, or the value is no recovery password.
    """
    if not is_guid(key_id):
        raise BadDataError("keep a copy of a recovery password", target=key_id[:64], meaning="its key ID is no GUID")
    canonical = recovery_password.parse(value)
    return KeyCopy(
        key_id=key_id, mark=mark_of(key_id, canonical), origins=(origin,), volume=volume, volume_guid=volume_guid, value=canonical
    )


def merged(known: MachineCopies, more: MachineCopies) -> MachineCopies:
    """What is known and what came, in one; nothing is dropped.

    Raises:
        BadDataError: they would be more keys than one machine can have.
    """
    keys = list(known.keys)
    for key in more.keys:
        for position, old in enumerate(keys):
            if old.is_value_of(key):
                keys[position] = _one(old, key)
                break
        else:
            keys.append(key)
    if len(keys) > MAX_KEYS:
        raise BadDataError(
            "keep copies of recovery passwords",
            target=known.machine.label,
            meaning=f"one computer would have more than {MAX_KEYS}",
            remedy="Copy the keys of chosen computers, and find out what fills this one.",
        )
    return MachineCopies(machine=known.machine.joined(more.machine), keys=ordered(keys))


def _one(old: KeyCopy, new: KeyCopy) -> KeyCopy:
    places = {origin.place: origin for origin in (*new.origins, *old.origins)}
    origins = sorted(places.values(), key=lambda origin: (origin.copied_at, origin.source, origin.location))
    return replace(
        old,
        origins=tuple(origins[:MAX_ORIGINS]),
        volume=old.volume or new.volume,
        volume_guid=old.volume_guid or new.volume_guid,
        value=old.value or new.value,
    )


def ordered(keys: Iterable[KeyCopy]) -> tuple[KeyCopy, ...]:
    """Newest first, and every key ID that has more than one value marked as conflicting."""
    listed = list(keys)
    count: dict[str, int] = {}
    for key in listed:
        count[key.key_id] = count.get(key.key_id, 0) + 1
    marked = [key if key.conflicting == (count[key.key_id] > 1) else replace(key, conflicting=count[key.key_id] > 1) for key in listed]
    by_name = sorted(marked, key=lambda key: (key.key_id, key.mark))
    return tuple(sorted(by_name, key=lambda key: (key.created or _LONG_AGO, key.copied_at), reverse=True))
