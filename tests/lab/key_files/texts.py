# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts with keys: what Windows saves or prints, what its tools show, what scripts write. The sentences between the labels are our own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ..estate.values import guid, recovery_password
from .wording import WORDINGS

UTF_16 = "utf-16"


@dataclass(frozen=True)
class LabKey:
    """One made-up key: the ID in lower case, the password with hyphens, and where it belongs."""

    key_id: str
    password: str
    computer: str = "LAPTOP-7Q2M"
    letter: str = "C:"
    serial: str = "5CD1234XYZ"


def lab_key(seed: int | str, computer: str = "LAPTOP-7Q2M") -> LabKey:
    """The same seed gives the same key."""
    rng = random.Random(f"keyward lab key file {seed}")
    return LabKey(guid(rng), recovery_password(rng), computer)


def encoded(text: str, encoding: str) -> bytes:
    """``utf-16`` is Windows' own: little-endian with a mark."""
    text = text.replace("\n", "\r\n")
    return b"\xff\xfe" + text.encode("utf-16-le") if encoding == UTF_16 else text.encode(encoding)


def saved_name(key: LabKey) -> str:
    """What Windows calls the file."""
    return f"BitLocker Recovery Key {key.key_id.upper()}.TXT"


def saved(key: LabKey, language: str = "en-US") -> str:
    """The file that Windows 8 and later save and print."""
    words = WORDINGS[language]
    return (
        f"{words.title}\n\n1234 {words.identifier}.\n\n{words.identifier}{words.colon}\n\n      {key.key_id.upper()}\n\n"
        f"({words.identifier} = PC?)\n\n{words.key}{words.colon}\n\n      {key.password}\n\n"
        f"({words.identifier} 2, {words.key} 0x80310000)\nhttps://lab.example/fwlink/?LinkID=589571\n"
    )


def saved_by_windows_7(key: LabKey) -> str:
    """The older form: the beginning of the ID first, then the whole."""
    whole = key.key_id.upper()
    return (
        "BitLocker Drive Encryption Recovery Key\n\nRecovery key identification: "
        f"{whole[:16]}\nFull recovery key identification: {whole}\n\nBitLocker Recovery Key:\n{key.password}\n"
    )


def one_line(key: LabKey, language: str) -> str:
    """A script's line with labels right at the values, as some countries' colons invite to."""
    words = WORDINGS[language]
    return f"{words.identifier}{words.colon}{key.key_id.upper()}\n{words.key}{words.colon}{key.password}\n"


def manage_bde(keys: Sequence[LabKey], tpm: str) -> str:
    """``manage-bde -protectors -get``: passwords, a TPM and an external key, each with an ID, and a volume's name."""
    parts = [f"Volume {keys[0].letter} [Windows]\nAll Key Protectors\n"]
    for key in keys:
        parts.append(f"    Numerical Password:\n      ID: {{{key.key_id.upper()}}}\n      Password:\n        {key.password}\n")
    parts.append(
        f"    External Key:\n      ID: {{{tpm[::-1].replace('-', '')[:8].upper()}{tpm[8:].upper()}}}\n      External Key File Name:\n"
    )
    parts.append(f"        {tpm.upper()}.BEK\n")
    parts.append(f"    TPM:\n      ID: {{{tpm.upper()}}}\n      PCR Validation Profile:\n        7, 11\n        (Uses Secure Boot)\n")
    return "\n".join(parts)


def powershell_list(keys: Sequence[LabKey]) -> str:
    """``(Get-BitLockerVolume).KeyProtector | Format-List``."""
    rows = []
    for key in keys:
        rows.append(
            f"KeyProtectorId      : {{{key.key_id.upper()}}}\nAutoUnlockProtector :\nKeyProtectorType    : RecoveryPassword\n"
            f"KeyFileName         :\nRecoveryPassword    : {key.password}\nKeyCertificateType  :\nThumbprint          :\n"
        )
    return "\n" + "\n".join(rows) + "\n\n"


def powershell_table(keys: Sequence[LabKey]) -> str:
    """The same as a table of two columns, the password first."""
    lines = [
        "RecoveryPassword                                        KeyProtectorId",
        "----------------                                        --------------",
    ]
    lines += [f"{key.password} {{{key.key_id.upper()}}}" for key in keys]
    return "\n" + "\n".join(lines) + "\n\n"


def script_text(key: LabKey) -> str:
    """A script's file that names the computer."""
    return f"Computer: {key.computer}\nDrive: {key.letter}\nID: {key.key_id}\nKey: {key.password}\nÄÖÜ ✓\n"


def damaged(password: str, group: int) -> str:
    """The password with one digit of a group (0 to 7) made another one, so that the check digit does not fit."""
    groups = password.split("-")
    last = int(groups[group][-1])
    groups[group] = groups[group][:-1] + str((last + 1) % 10)
    return "-".join(groups)
