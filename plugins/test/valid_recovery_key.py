# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test keyward.bitlocker.valid_recovery_key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..plugin_utils._ansible.jinja import text_of
from ..plugin_utils._core.recovery_password import is_valid


def valid_recovery_key(value: Any) -> bool:
    """Whether a value is a recovery key whose check digits are right; False for what is no text."""
    password = text_of(value)
    return password is not None and is_valid(password)


class TestModule:
    """What Ansible asks for."""

    # the name that Ansible looks for is also what pytest collects
    __test__ = False

    def tests(self) -> dict[str, Callable[..., bool]]:
        """Tests by name."""
        return {"valid_recovery_key": valid_recovery_key}
