# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter keyward.bitlocker.recovery_key_mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..plugin_utils._ansible.jinja import filtered
from ..plugin_utils._core.recovery_password_forms import masked


def recovery_key_mask(value: Any) -> str:
    """The shape of a recovery key without any of its digits."""
    return filtered("recovery_key_mask", value, masked)


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"recovery_key_mask": recovery_key_mask}
