# SPDX-License-Identifier: GPL-3.0-or-later
"""Values the lab makes up: GUIDs, recovery passwords, account passwords. All from the seeded generator that is passed in.

A recovery password is eight groups of six digits, each divisible by 11 and below 720896 (65536 x 11); a group divided by 11 is a
16-bit number (win32 documentation of ProtectKeyWithNumericalPassword; libbde's format description).
"""

from __future__ import annotations

import random
import string
import uuid
from datetime import UTC, datetime, timedelta

GROUPS = 8
GROUP_VALUES = 65536

#: texts that an administrator might have left where a password belongs
NOT_PASSWORDS = ("see ticket 4711", "000000", "n/a", "</script><script>alert(1)</script>", '=HYPERLINK("http://lab.example")')

#: texts that break a careless sink: HTML, spreadsheet, bidirectional override, CI log command, terminal escape in words, Markdown
HOSTILE_TEXTS = (
    "</script><script>alert(1)</script>",
    '=HYPERLINK("http://lab.example","x")',
    "PC\u202egnp.exe",
    "::error::lab",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "[x](javascript:alert(1)) | `y`",
    '\u2066Acme\u2069 & Söhne "<b>"',
)


def guid(rng: random.Random) -> str:
    """A random GUID, lower case without braces."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def recovery_password(rng: random.Random) -> str:
    """A well-formed recovery password with hyphens."""
    return "-".join(f"{rng.randrange(GROUP_VALUES) * 11:06d}" for _unused in range(GROUPS))


def is_recovery_password(text: str) -> bool:
    """Whether ``text`` is eight hyphenated groups that keep the arithmetic."""
    groups = text.split("-")
    return len(groups) == GROUPS and all(
        len(group) == 6 and group.isascii() and group.isdigit() and int(group) % 11 == 0 and int(group) < GROUP_VALUES * 11
        for group in groups
    )


def swapped_groups(password: str) -> str:
    """The same password with its first two different groups exchanged: every checksum still holds, the key is another one."""
    groups = password.split("-")
    for index in range(len(groups) - 1):
        if groups[index] != groups[index + 1]:
            groups[index], groups[index + 1] = groups[index + 1], groups[index]
            break
    return "-".join(groups)


def account_password(rng: random.Random) -> str:
    """A password that a domain's complexity rules accept; no character that a shell, YAML or a template would read as its own."""
    body = "".join(rng.choice(string.ascii_letters + string.digits) for _unused in range(14))
    return f"Lab-{body}-{rng.randrange(10)}"


def moment_before(rng: random.Random, now: datetime, *, days: tuple[int, int]) -> datetime:
    """A whole second between ``days[0]`` and ``days[1]`` days before ``now``, in UTC."""
    back = timedelta(days=days[0], seconds=rng.randrange(max(1, (days[1] - days[0]) * 86400)))
    return (now - back).astimezone(UTC).replace(microsecond=0)
