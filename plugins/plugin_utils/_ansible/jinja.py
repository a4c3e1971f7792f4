# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What the filters share: a value of a template becomes a Secret, and no error that leaves them quotes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ansible.errors import AnsibleFilterError

from .._core.redaction import Secret
from .._errors import KeywardError
from .options import plain

try:
    from jinja2 import Undefined
except ImportError:  # ansible-core stands on it; this is for whoever reads the file without
    Undefined = None  # type: ignore[assignment,misc]  # never compared with then

Result = TypeVar("Result")


def text_of(value: Any) -> Secret[str] | None:
    """The text that a template hands over, be it plain, tagged, unsafe or vaulted; None where it is no text.

    A variable that is not defined is Ansible's own error (ansible-core before 2.19 hands plugins a stand-in, whose text raises it).
    """
    if Undefined is not None and isinstance(value, Undefined):
        value = str(value)
    bare = plain(value)
    return Secret(bare) if isinstance(bare, str) else None


def filtered(name: str, value: Any, form: Callable[[Secret[str]], Result]) -> Result:
    """The form of a recovery password that a filter gives.

    Raises:
        AnsibleFilterError: the value is no recovery password, or the filter's options are wrong; it never holds the value.
    """
    password = text_of(value)
    if password is None:
        kind = type(value).__name__.lstrip("_")
        raise AnsibleFilterError(f"{name} takes one recovery password as text, not a value of type {kind}.")
    try:
        return form(password)
    except KeywardError as error:
        message = f"{name}: {error}"
    # outside of the handler, so that no cause that could be shown goes with it
    raise AnsibleFilterError(message)
