# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The one place that says whether a protector may be removed.

The rule of the project: at no moment does an encrypted volume have fewer working escrowed keys than before. Windows would allow more: it
refuses only the last protector of a volume whose protection is on (FVE_E_KEY_REQUIRED), and nothing while protection is suspended
(Win32_EncryptableVolume.DeleteKeyProtector).
"""

from __future__ import annotations

from collections.abc import Collection

from .view import VolumeView


def why_not_remove(view: VolumeView, key_id: str, *, expected: Collection[str], replacement: str | None = None) -> str | None:
    """Why a protector must stay, as a clause; None where it may go.

    Args:
        view: the volume as it was just read.
        key_id: whose removal is asked.
        expected: the protectors that the volume must have now, of every type: exactly these.
        replacement: the recovery password that takes its place; None: any other one will do.
    """
    obstacle = view.obstacle()
    if obstacle is not None:
        return obstacle
    if view.protector(key_id) is None:
        return "it is not there"
    if view.key_ids != frozenset(expected):
        return "the volume has other protectors than it should: somebody else is changing it"
    left = [item for item in view.recovery_passwords if item.key_id != key_id and replacement in (None, item.key_id)]
    if not any(view.is_proven(item) for item in left):
        which = "no other recovery password" if replacement is None else "its replacement is not there, or not yet one"
        return f"{which} that every required store holds and that was proven to open the volume"
    return None
