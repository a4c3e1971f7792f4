# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that stretches: a password and a salt (hex) a line in, a key (hex) a line out, until the input ends."""

from __future__ import annotations

import sys

from ansible_collections.keyward.bitlocker.tests.lab.fve.sealing import stretched


def main() -> None:
    """Stretch until the input ends."""
    for line in sys.stdin:
        password, salt = line.split()
        print(stretched(password, bytes.fromhex(salt)).hex(), flush=True)


if __name__ == "__main__":
    main()
