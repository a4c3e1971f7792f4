# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made by the hundred thousand behaves as a frozen dataclass does, but for the check at run time."""

from __future__ import annotations

from dataclasses import fields, replace

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry, Owner


def entry(**more: str) -> Entry:
    return Entry(**({"store": "ad", "owner_id": "o", "entry_id": "e", "location": "l"} | more))  # type: ignore[arg-type]  # texts alone


def test_equal_values_are_equal_and_one_member_of_a_set() -> None:
    assert entry() == entry()
    assert len({entry(), entry(), entry(owner_id="p")}) == 2
    assert replace(entry(), owner_id="p") == entry(owner_id="p")
    assert entry() != Owner(store="ad", owner_id="o", name="n", location="l")


def test_there_is_no_room_for_anything_else() -> None:
    assert not hasattr(entry(), "__dict__")
    assert set(Entry.__slots__) == {field.name for field in fields(Entry)}
