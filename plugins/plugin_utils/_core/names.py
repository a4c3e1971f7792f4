# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What each computer is called in the report (DESIGN section 8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from .joins import AD, ENTRA, NO_JOIN, Computer


def unique_names(computers: Sequence[Computer]) -> list[str]:
    """The DNS host name where known, else the inventory's name, else an Entra device's display name and device ID; each name once.

    What would occur twice takes its inventory name, else its object's ID behind its name. Nobody keeps a name that another is given in this
    way, because a host that calls itself by another's inventory name must not end up with the other's name.
    """
    names = [_first_name(computer) for computer in computers]
    bearers: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        bearers[name].append(index)
    clashing = [name for name, found in bearers.items() if len(found) > 1]
    while clashing:
        name = clashing.pop()
        leaving = {index: distinct for index in bearers[name] if (distinct := _distinct_name(computers[index], name)) != name}
        bearers[name] = [index for index in bearers[name] if index not in leaving]
        for index, distinct in leaving.items():
            names[index] = distinct
            bearers[distinct].append(index)
            if len(bearers[distinct]) > 1:
                clashing.append(distinct)
    for name in sorted(name for name, found in bearers.items() if len(found) > 1):
        _tell_apart(names, computers, bearers, name)
    return names


def _tell_apart(names: list[str], computers: Sequence[Computer], bearers: dict[str, list[int]], name: str) -> None:
    """Whom chance or an attacker named alike in spite of their IDs: the inventory's host keeps the name, the others add their store."""
    _first, *others = sorted(bearers[name], key=lambda index: _known_as(computers[index]))
    for index in others:
        while bearers.get(names[index]):
            names[index] += "/" + (_known_as(computers[index])[0] or "inventory")
        bearers[names[index]] = [index]


def _known_as(computer: Computer) -> tuple[str, str]:
    """The store that knows a computer and its ID there; no store and its inventory name where the inventory does."""
    if computer.host is not None:
        return "", computer.host.name
    return next(((store, join.owner_id or "") for store, join in sorted(computer.joins.items()) if join.owner is not None), ("?", ""))


def _distinct_name(computer: Computer, name: str) -> str:
    store, own = _known_as(computer)
    if not store:
        return own
    return name if name.endswith("/" + own) else f"{name}/{own}"


def _first_name(computer: Computer) -> str:
    directory, tenant = computer.joins.get(AD, NO_JOIN).owner, computer.joins.get(ENTRA, NO_JOIN).owner
    if directory is not None and directory.dns_name:
        return directory.dns_name.lower()
    if computer.observation is not None and computer.observation.dns_name:
        return computer.observation.dns_name
    if computer.host is not None:
        return computer.host.name
    if directory is not None:
        return directory.name.lower() or directory.owner_id
    return f"{tenant.name}/{tenant.owner_id}" if tenant is not None else ""
