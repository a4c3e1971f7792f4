# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter keyward.bitlocker.recovery_key_spoken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..plugin_utils._ansible.jinja import filtered
from ..plugin_utils._core.recovery_password_forms import spoken
from ..plugin_utils._core.redaction import Secret


def recovery_key_spoken(value: Any, language: str = "en") -> str:
    """How a recovery key is read out, a line for each of its eight groups."""

    def read_out(password: Secret[str]) -> str:
        return "\n".join(line.reveal() for line in spoken(password, str(language)))

    return filtered("recovery_key_spoken", value, read_out)


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"recovery_key_spoken": recovery_key_spoken}
