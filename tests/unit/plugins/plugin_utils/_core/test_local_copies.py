# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file's name says, and which paths are folders; whatever a host calls its files."""

from __future__ import annotations

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.local_copies import Volumes, folder, found_file, row
from hypothesis import given
from hypothesis import strategies as st

ID = "0bf1d2a3-7c44-4e9e-9a51-3a1f0d2c9b77"


@pytest.mark.parametrize(
    ("name", "extension", "expected"),
    [
        (f"BitLocker Recovery Key {ID.upper()}.TXT", "txt", ("recovery_text", ID)),
        (f"{{{ID}}}.bek", "bek", ("external_key", ID)),
        ("usb.bek", "bek", ("external_key", None)),
        (f"0{ID}.txt", "txt", None),
        (f"{ID}0.txt", "txt", None),
        ("notes.txt", "txt", None),
        (f"{ID[:8]}.txt", "txt", None),
    ],
)
def test_names(name: str, extension: str, expected: tuple[str, str | None] | None) -> None:
    found = found_file(f"C:\\{ID.replace('0', '1')}\\{name}", extension)
    assert (None if found is None else (found.kind, found.key_id)) == expected


@given(st.text(max_size=80), st.sampled_from(["txt", "bek"]), st.booleans())
def test_any_name_gives_a_row_or_nothing(name: str, extension: str, complete: bool) -> None:
    found = found_file(f"C:\\{name}", extension)
    if found is not None:
        one = row(found, Volumes(complete=complete, labels={ID: (("C:", None), ("D:", "recovery_password"))}))
        assert one["current"] in (True, False, None)
        assert one["current"] is not True or one["key_id"] == ID


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z]:\\(?:[a-z .']{1,8}\\){0,4}", fullmatch=True))
def test_a_folder_stays_the_folder_that_it_is(text: str) -> None:
    path = folder(text)
    if path is not None:
        assert folder(path) == path
        assert path.endswith("\\")
        assert not set(path[2:]) & set('*?"<>|:/')
