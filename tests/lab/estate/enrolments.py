# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with Intune's list of devices in every real tenant, and what it comes to for one device."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabManagedDevice

NOBODY = "00000000-0000-0000-0000-000000000000"
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What Intune says of a device: by the newest of its enrolments."""

    encrypted: bool
    last_sync: datetime | None
    enrolments: int


def muddle(estate: Estate) -> None:
    """Enrol some devices twice (the older says the opposite), some machines that are no device, and one whose device is not listed.

    With a generator of its own, so that nothing else in an estate of this seed is another.
    """
    rng = random.Random(f"enrolments {estate.seed}")
    devices = list(estate.entra_managed)
    for number, device in enumerate(devices):
        if number % 5 == 0:
            older = None if device.last_sync is None else device.last_sync - timedelta(days=rng.randrange(1, 300))
            again = replace(device, intune_id=values.guid(rng), last_sync=older)
            if device.last_sync is not None:
                again.is_encrypted = not device.is_encrypted
            estate.entra_managed.append(again)
        elif number % 5 == 1:
            # a namesake that never joined: what is said of it is said of nobody
            namesake = LabManagedDevice(intune_id=values.guid(rng), azure_ad_device_id=NOBODY, device_name=device.device_name)
            estate.entra_managed.append(replace(namesake, is_encrypted=not device.is_encrypted, last_sync=estate.now))
    gone = LabManagedDevice(intune_id=values.guid(rng), azure_ad_device_id=values.guid(rng), device_name="GONE")
    estate.entra_managed.append(replace(gone, last_sync=estate.now - timedelta(days=400)))
    rng.shuffle(estate.entra_managed)


def said_of(enrolments: Sequence[LabManagedDevice], device_id: str) -> Said | None:
    """What a list comes to for a device; None where it is not in it."""
    own = [item for item in enrolments if item.azure_ad_device_id == device_id]
    if not own:
        return None
    newest = max(own, key=lambda item: item.last_sync or _NEVER)
    return Said(encrypted=newest.is_encrypted, last_sync=newest.last_sync, enrolments=len(own))
