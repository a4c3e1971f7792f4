# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries that fail in the middle of their work with the worst of errors: its text quotes every secret that its callers hold.

The first word of KEYWARD_SABOTAGE is where; see PLACES. Nothing of the collection is touched: what is replaced are calls into libraries.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

PLACES = {
    # what the directory store does with ldap3, the password at hand
    "bind": ("ldap3", "Connection", "rebind"),
    # what the audit record does with the disk, recovery passwords at hand
    "fsync": ("os", "", "fsync"),
    # what the lean transport does with the host's answer
    "answer": ("http.client", "HTTPResponse", "begin"),
    # what pywinrm does before its first message
    "session": ("requests", "Session", "send"),
    # what the Entra store does with each request
    "adapter": ("requests.adapters", "HTTPAdapter", "send"),
    # what the Entra store does for a token, the client secret at hand
    "token": ("msal", "ConfidentialClientApplication", "acquire_token_for_client"),
    # what it does with an answer, the token at hand
    "json": ("json", "", "loads"),
}


class HorridError(Exception):
    """Not an error that anybody expects."""


def _secrets(value: Any, depth: int = 0) -> list[str]:
    hidden = getattr(type(value), "_hidden", None)
    if hidden is not None:
        return [str(value._hidden)]
    if isinstance(value, str | bytes):
        return [str(value)] if 8 <= len(value) <= 200 else []
    if depth > 3 or isinstance(value, type):
        return []
    if isinstance(value, dict):
        return [text for item in list(value.values())[:50] for text in _secrets(item, depth + 1)]
    if isinstance(value, list | tuple | set):
        return [text for item in list(value)[:50] for text in _secrets(item, depth + 1)]
    inner = {name: getattr(value, name, None) for name in getattr(type(value), "__slots__", ()) if isinstance(name, str)}
    inner |= getattr(value, "__dict__", {}) if type(value).__module__.startswith(("ansible_collections", "ldap3")) else {}
    return [text for item in inner.values() for text in _secrets(item, depth + 1)]


def _held(arguments: Any) -> list[str] | None:
    """What the collection's code that led here holds; None where there is none of it."""
    found, ours = _secrets(arguments), False
    frame: Any = sys._getframe(2)
    while frame is not None:
        if "ansible_collections/keyward" in frame.f_code.co_filename:
            ours = True
            found += _secrets(dict(frame.f_locals))
        frame = frame.f_back
    return list(dict.fromkeys(found)) if ours else None


def install(place: str, note: Callable[..., None]) -> None:
    """Replace the one call; for callers other than the collection it does what it always did."""
    module, owner, name = PLACES[place]
    target = importlib.import_module(module)
    target = getattr(target, owner) if owner else target
    original = getattr(target, name)

    def fail(*arguments: Any, **named: Any) -> Any:
        held = _held([arguments, named])
        if held is None:
            return original(*arguments, **named)
        note("sabotage", place=place, texts=len(held))
        raise HorridError(f"failed while holding {held}") from HorridError(*held)

    setattr(target, name, fail)
