# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the tests' probe action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keyward_probe
short_description: Probe of the tests
description: [Probe of the tests.]
options:
  reveal: {description: x, type: bool, default: false}
  crash: {description: x, type: bool, default: false}
  fail: {description: x, type: bool, default: false}
  miss: {description: x, type: bool, default: false}
  connect: {description: x, type: bool, default: false}
  say: {description: x, type: bool, default: false}
  number: {description: x, type: int}
  password: {description: x, type: str}
"""
