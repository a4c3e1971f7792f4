# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports of keys as tables."""

from __future__ import annotations

from collections.abc import Sequence

from .texts import LabKey

HEADER = ("Gerät", "Seriennummer", "Schlüssel-ID", "Kennwort", "Laufwerk", "Erstellt")
KNOWN_HEADER = ("ComputerName", "SerialNumber", "KeyProtectorId", "RecoveryPassword", "MountPoint", "whenCreated")
CREATED = "2026-05-04T09:15:02Z"


def export(keys: Sequence[LabKey], *, delimiter: str = ",", header: Sequence[str] = KNOWN_HEADER, excel: bool = False) -> str:
    """Rows of computer, serial, key ID, password, letter, time; ``excel``: passwords as formulas, so that they stay text."""
    lines = [delimiter.join(header)] if header else []
    for key in keys:
        password = f'"=""{key.password}"""' if excel else key.password
        lines.append(delimiter.join((key.computer, key.serial, f"{{{key.key_id.upper()}}}", password, key.letter, CREATED)))
    return "\n".join(lines) + "\n"
