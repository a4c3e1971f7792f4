# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""BitLocker's group policy as a host has it: the values of HKLM\\SOFTWARE\\Policies\\Microsoft\\FVE (VolumeEncryption.admx).

What Intune delivers lies first in a key of its own, of whose values nothing but the names is needed here (windows-itpro-docs,
bitlocker-csp).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final

from .._errors import BadDataError
from .reads import Reads
from .registry import REG_BINARY, REG_DWORD, REG_EXPAND_SZ, REG_MULTI_SZ, REG_QWORD, REG_SZ, Registry

KEY: Final = r"SOFTWARE\Policies\Microsoft\FVE"
MDM_KEY: Final = r"SOFTWARE\Microsoft\PolicyManager\current\device\BitLocker"


def policy_values(registry: Registry, reads: Reads) -> dict[str, int | str] | None:
    """Every value of the key: numbers as numbers, several texts as lines of one, bytes in hexadecimal; empty where there is no policy.

    None as soon as one value could not be read (``reads`` says which): a policy with a gap would look like a setting that is not made.
    One request for the names, one a value. A value of a type that no policy uses is left out and noted.
    """
    listed = reads.ask("EnumValues FVE", lambda: registry.values(KEY) or {})
    if listed is None:
        return None
    readers = _readers(registry)
    values: dict[str, int | str] = {}
    complete = True
    for name, kind in listed.items():
        if not name:
            # the unnamed default value of a key is no policy
            continue
        if kind not in readers:
            reads.note(
                f"FVE policy {name}", BadDataError(f"read policy {name}", meaning=f"its registry type {kind} is none that policies use")
            )
            continue
        value = reads.ask(f"FVE policy {name}", partial(_needed, readers[kind], name))
        if value is None:
            complete = False
        else:
            values[name] = value
    return values if complete else None


def named_values(registry: Registry, names: Collection[str]) -> dict[str, int | str] | None:
    """The values of these names (in any case) that are there, by the host's spelling; None where the whole key does not exist.

    One request for the list and one a value. A value whose type no policy has is given as a text that says so.

    Raises:
        KeywardError: one of them could not be read; what is wanted cannot be held against a part.
    """
    listed = registry.values(KEY)
    if listed is None:
        return None
    wanted = {name.casefold() for name in names}
    readers = _readers(registry)
    return {
        name: _needed(readers[kind], name) if kind in readers else f"(registry type {kind})"
        for name, kind in listed.items()
        if name.casefold() in wanted
    }


def mdm_names(registry: Registry) -> tuple[str, ...]:
    """The names of what Intune, or another MDM, has delivered for BitLocker; empty where there is nothing. One request."""
    return tuple(sorted(name for name in registry.values(MDM_KEY) or {} if name))


def _needed(read: Callable[[str], int | str | None], name: str) -> int | str:
    value = read(name)
    if value is None:
        raise BadDataError(f"read policy {name}", meaning="it was listed and is not there")
    return value


def _readers(registry: Registry) -> Mapping[int, Callable[[str], int | str | None]]:
    def lines(name: str) -> str | None:
        texts = registry.texts(KEY, name)
        return None if texts is None else "\n".join(texts)

    def hexadecimal(name: str) -> str | None:
        octets = registry.binary(KEY, name)
        return None if octets is None else octets.hex()

    return {
        REG_SZ: partial(registry.text, KEY),
        REG_EXPAND_SZ: partial(registry.text, KEY, expanded=True),
        REG_BINARY: hexadecimal,
        REG_DWORD: partial(registry.number, KEY),
        REG_MULTI_SZ: lines,
        REG_QWORD: partial(registry.number, KEY, wide=True),
    }
