# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One volume as a repair must see it before each step: its lock, how far it is encrypted, and every protector.

An observation notes what could not be read and goes on; here the first read that fails is raised, because nothing may be changed on a
volume of which a part was not seen. Requests: 3, one or two a protector.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._core.model import Conversion
from .._core.observation import MAX_PROTECTORS, normalise_key_id
from .._errors import BadDataError, LimitError
from .encryptable_volume import EncryptableVolume

#: longest protector ID that is taken for one (a GUID in braces has 38)
_MAX_ID = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectorNow:
    """One protector; ``protector_id`` as the host spells it, ``name`` empty where it was not asked or there is none."""

    key_id: str
    protector_id: str
    type: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeNow:
    """A volume now. A locked one counts as fully encrypted, as it refuses to say."""

    locked: bool
    conversion: str
    protectors: tuple[ProtectorNow, ...]


def look(volume: EncryptableVolume, *, names: bool) -> VolumeNow:
    """Read it; ``names``: with the friendly names.

    Raises:
        KeywardError: a read failed, or brought what cannot be right; then nothing is known.
    """
    locked = volume.locked()
    conversion = str(Conversion.FULLY_ENCRYPTED) if locked else volume.conversion().conversion()
    found: dict[str, ProtectorNow] = {}
    for protector_id in listed(volume).values():
        key_id = normalise_key_id(protector_id)
        kind = volume.protector_type(protector_id)
        name = (volume.protector_name(protector_id) or "") if names else ""
        found[key_id] = ProtectorNow(key_id=key_id, protector_id=protector_id, type=kind, name=name)
    return VolumeNow(locked=locked, conversion=conversion, protectors=tuple(found.values()))


def listed(volume: EncryptableVolume) -> dict[str, str]:
    """The protectors' IDs as ours -> as the host spells them.

    Raises:
        KeywardError: they could not be read, are too many, or one is none.
    """
    protector_ids = volume.protector_ids()
    if len(protector_ids) > MAX_PROTECTORS:
        raise LimitError(
            "take the protectors of a volume",
            target=volume.device_id,
            meaning=f"it lists {len(protector_ids)}, and more than {MAX_PROTECTORS} are not taken",
            remedy="Remove protectors that nobody needs.",
        )
    found: dict[str, str] = {}
    for protector_id in protector_ids:
        key_id = normalise_key_id(protector_id) if len(protector_id) <= _MAX_ID else ""
        if not key_id:
            raise BadDataError("take a protector's ID", target=volume.device_id, meaning="one of the list is none")
        found[key_id] = protector_id
    return found
