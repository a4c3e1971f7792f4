# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes: a healthy one, and one builder for each condition that a single volume can carry."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.plot import EXTERNAL_KEY, TPM_PIN, Plot

CERTIFICATE, PASSPHRASE, NETWORK_UNLOCK, SID = 7, 8, 9, 10
E_ACCESS_DENIED = 0x80070005
FVE_E_BAD_INFORMATION = 0x80310010
MOUNT_POINTS = ("C:\\Mounts\\Archive\\", "C:\\Data\\=1+1 & 'x'\u202egnp\\", "C:\\Mounts\\Büro Süd\\", "C:\\inetpub\\logs\\")


def healthy(plot: Plot) -> None:
    """Encrypted, protected, escrowed."""
    plot.escrowed()


def _unescrowed(plot: Plot) -> None:
    plot.protected(plot.recovery_password())


def _backup_record_disagrees(plot: Plot) -> None:
    plot.protected(plot.recovery_password(records=plot.site.rng.choice((1, 1, 3, 9))))


def _no_recovery_password(plot: Plot) -> None:
    plot.protected()


def _network_unlock_only(plot: Plot) -> None:
    plot.volume(plot.protector(TPM_PIN), plot.protector(NETWORK_UNLOCK))


def _other_recovery(plot: Plot) -> None:
    kinds = (EXTERNAL_KEY, CERTIFICATE) if plot.os else (PASSPHRASE, SID, CERTIFICATE, EXTERNAL_KEY)
    plot.protected(plot.protector(plot.site.rng.choice(kinds), friendly_name="Recovery"))


def _malformed_length(plot: Plot) -> None:
    rng = plot.site.rng
    plot.with_entry(raw_recovery_guid=rng.randbytes(rng.choice((1, 8, 15, 17, 32))))


def _malformed_name(plot: Plot) -> None:
    """The attribute or the name is right, or the attribute is right in the wrong byte order."""
    password = plot.recovery_password(records=0)
    volume = plot.protected(password)
    other = values.guid(plot.site.rng)
    right = uuid.UUID(password.key_id)
    changes = plot.site.rng.choice(
        ({"cn_key_id": other}, {"raw_recovery_guid": uuid.UUID(other).bytes_le}, {"raw_recovery_guid": right.bytes})
    )
    plot.escrow(password, volume, **changes)


def _malformed_beside_sound(plot: Plot) -> None:
    password, volume = plot.escrowed()
    plot.escrow(password, volume, raw_recovery_guid=plot.site.rng.randbytes(12))


def _no_protector(plot: Plot) -> None:
    plot.volume(protection_status=0)


def _protection_off(plot: Plot) -> None:
    plot.escrowed(protection_status=0, suspend_count=0 if plot.os else None)


def _decrypting(plot: Plot) -> None:
    rng = plot.site.rng
    plot.escrowed(conversion_status=rng.choice((3, 5)), encryption_percentage=rng.randrange(5, 95), protection_status=0)


def _encrypting(plot: Plot) -> None:
    rng = plot.site.rng
    plot.escrowed(conversion_status=rng.choice((2, 4)), encryption_percentage=rng.randrange(5, 95), protection_status=0)


def _encrypting_bare(plot: Plot) -> None:
    rng = plot.site.rng
    plot.volume(conversion_status=rng.choice((2, 4)), encryption_percentage=rng.randrange(5, 95), protection_status=0)


def _not_encrypted(plot: Plot) -> None:
    plot.volume(persistent_id=None, conversion_status=0, encryption_percentage=0, encryption_method=0, protection_status=0)


def _activation_pending(plot: Plot) -> None:
    plot.escrowed(conversion_status=0, encryption_percentage=0, encryption_method=0, protection_status=0, hardware_test_status=2)


def _suspended(plot: Plot) -> None:
    plot.escrowed(protection_status=0, suspend_count=plot.site.rng.choice((1, 2)))


def _suspended_long(plot: Plot) -> None:
    plot.escrowed(protection_status=0, suspend_count=plot.site.rng.randrange(3, 16))


def _suspend_count_unreadable(plot: Plot) -> None:
    plot.escrowed(protection_status=0, suspend_count=1, failing_methods={"GetSuspendCount": E_ACCESS_DENIED})


def _protectors_unreadable(plot: Plot) -> None:
    plot.escrowed(failing_methods={"GetKeyProtectors": FVE_E_BAD_INFORMATION})


def _type_unreadable(plot: Plot) -> None:
    plot.escrowed(failing_methods={"GetKeyProtectorType": FVE_E_BAD_INFORMATION})


def _locked(plot: Plot) -> None:
    password = plot.recovery_password(records=0)
    volume = plot.volume(plot.protector(PASSPHRASE), password, locked=True)
    if plot.site.rng.random() < 0.7:
        plot.escrow(password, volume)


def _weak_method(plot: Plot) -> None:
    plot.escrowed(encryption_method=plot.site.rng.choice((1, 2, 5, 5)))


def _sibling_not_escrowed(plot: Plot) -> None:
    _unused, volume = plot.escrowed()
    volume.protectors.append(plot.recovery_password())
    plot.site.rng.shuffle(volume.protectors)


def _duplicate_entries(plot: Plot) -> None:
    password, volume = plot.escrowed()
    plot.escrow(password, volume)


def _unreadable_entry(plot: Plot) -> None:
    plot.with_entry(hidden=True)


def _held_elsewhere(plot: Plot) -> None:
    password = plot.recovery_password(records=plot.site.rng.choice((0, 1)))
    plot.site.escrow(plot.site.elsewhere(plot.owner), password, volume=plot.protected(password))


def _planted_elsewhere(plot: Plot) -> None:
    password, volume = plot.escrowed()
    plot.site.escrow(
        plot.site.elsewhere(plot.owner), password, volume=volume, password=values.recovery_password(plot.site.rng), created=plot.site.now
    )


def _owner_deleted(plot: Plot) -> None:
    password = plot.recovery_password(records=plot.site.rng.choice((0, 1)))
    plot.site.escrow(plot.site.rng.choice(plot.site.deleted), password, volume=plot.protected(password))


def _value_of_another(plot: Plot) -> None:
    plot.with_entry(password=values.recovery_password(plot.site.rng))


def _value_swapped(plot: Plot) -> None:
    password = plot.recovery_password(records=0)
    plot.escrow(password, plot.protected(password), password=values.swapped_groups(password.password or ""))


def _value_no_password(plot: Plot) -> None:
    plot.with_entry(password=plot.site.rng.choice(values.NOT_PASSWORDS))


def _mount_point(plot: Plot) -> None:
    taken = {volume.mount_point for volume in plot.host.volumes}
    free = [path for path in MOUNT_POINTS if path not in taken]
    plot.escrowed(drive_letter=None, mount_point=plot.site.rng.choice(free))


def _letterless(plot: Plot) -> None:
    plot.escrowed(drive_letter=None)


def _removable(plot: Plot) -> None:
    password = plot.recovery_password(records=0)
    volume = plot.volume(plot.protector(PASSPHRASE), password, volume_type=2)
    if plot.site.rng.random() < 0.5:
        plot.escrow(password, volume)


BUILDERS: dict[str, Callable[[Plot], None]] = {
    "unescrowed": _unescrowed,
    "backup_record_disagrees": _backup_record_disagrees,
    "no_recovery_password": _no_recovery_password,
    "auto_unlock_only": _no_recovery_password,
    "network_unlock_only": _network_unlock_only,
    "other_recovery": _other_recovery,
    "malformed_length": _malformed_length,
    "malformed_name": _malformed_name,
    "malformed_beside_sound": _malformed_beside_sound,
    "no_protector": _no_protector,
    "protection_off": _protection_off,
    "decrypting": _decrypting,
    "encrypting": _encrypting,
    "encrypting_bare": _encrypting_bare,
    "not_encrypted": _not_encrypted,
    "activation_pending": _activation_pending,
    "suspended": _suspended,
    "suspended_long": _suspended_long,
    "suspend_count_unreadable": _suspend_count_unreadable,
    "protectors_unreadable": _protectors_unreadable,
    "type_unreadable": _type_unreadable,
    "locked": _locked,
    "weak_method": _weak_method,
    "sibling_not_escrowed": _sibling_not_escrowed,
    "duplicate_entries": _duplicate_entries,
    "unreadable_entry": _unreadable_entry,
    "held_elsewhere": _held_elsewhere,
    "planted_elsewhere": _planted_elsewhere,
    "owner_deleted": _owner_deleted,
    "value_of_another": _value_of_another,
    "value_swapped": _value_swapped,
    "value_no_password": _value_no_password,
    "mount_point": _mount_point,
    "letterless": _letterless,
    "removable": _removable,
}
