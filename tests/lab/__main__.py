# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m ansible_collections.keyward.bitlocker.tests.lab: see cli.py."""

from __future__ import annotations

import sys

from ansible_collections.keyward.bitlocker.tests.lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
