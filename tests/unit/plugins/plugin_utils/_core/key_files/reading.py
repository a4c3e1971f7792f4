# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests read files, and what they compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_files.contents import FileContents, Reading, recognise
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.tests.lab.key_files.texts import LabKey


def read(content: str | bytes, name: str = "notes.txt", columns: Mapping[str, str | int] | None = None) -> FileContents:
    """A file as bytes, or as text in UTF-8."""
    data = content.encode() if isinstance(content, str) else content
    return recognise(Secret(data), name, Reading(salt=b"test salt", columns=columns or {}))


def values(contents: FileContents) -> list[tuple[str, str | None]]:
    """Key IDs with passwords."""
    return [(key.key_id, key.value.reveal() if key.value is not None else None) for key in contents.keys]


def expected(keys: Sequence[LabKey], *, short: bool = False) -> list[tuple[str, str | None]]:
    """What a file with these keys has to give; ``short``: it shows eight digits of each ID."""
    return [(key.key_id[:8] if short else key.key_id, key.password) for key in keys]
