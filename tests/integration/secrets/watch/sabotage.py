# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries that fail in the middle of their work with the worst of errors: its text quotes every secret that its callers hold.

The first word of KEYWARD_SABOTAGE is where; see PLACES. Nothing of the collection is touched: what is replaced are calls into libraries.
"""

from __future__ import annotations

import importlib
import sys
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


def _fail(*arguments: Any, **named: Any) -> Any:
    found = _secrets([arguments, named])
    frame = sys._getframe(1)
    while frame is not None and "keyward" in frame.f_code.co_filename:
        found += _secrets(dict(frame.f_locals))
        frame = frame.f_back
    texts = list(dict.fromkeys(found))
    raise HorridError(f"failed while holding {texts}") from HorridError(*texts)


def install(place: str) -> None:
    """Replace the one call."""
    module, owner, name = PLACES[place]
    target = importlib.import_module(module)
    setattr(getattr(target, owner) if owner else target, name, _fail)
