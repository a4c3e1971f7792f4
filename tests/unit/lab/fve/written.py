# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that the lab writes for tests, each once in a process, and a stretch that makes each key once."""

from __future__ import annotations

from functools import cache

from ansible_collections.keyward.bitlocker.tests.lab.fve import sealing
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import FORMS, FveVolume

KEY_ID = "0f5c8a52-7c4e-4a0b-9a57-3c1d5e6f7a8b"
OTHER_ID = "c3b2a190-1f2e-4d3c-8b5a-6f7e8d9c0b1a"
EXTERNAL_ID = "7d9e0f12-3456-4789-8abc-def012345678"
#: a published test password, and one with two groups exchanged: every check digit is right
PASSWORD = "042647-302313-590458-071500-554323-116567-412181-516978"
SWAPPED = "042647-302313-590458-071500-554323-116567-516978-412181"
ANOTHER = "000011-000022-000033-000044-000055-000066-000077-000088"


@cache
def stretched(password: str, salt: bytes) -> bytes:
    """The lab's own stretch, each once."""
    return sealing.stretched(password, salt)


@cache
def volume(form: str = "windows_8", method: int = sealing.XTS_128) -> FveVolume:
    """A volume with one recovery password in this form and one external key; not to be changed."""
    made = FveVolume(seed="unit test", method=method, stretch=stretched)
    made.add_recovery_password(KEY_ID, PASSWORD, FORMS[form])
    made.add_external_key(EXTERNAL_ID)
    return made
