# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What each computer is called in the report (DESIGN section 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .joins import AD, ENTRA, NO_JOIN, Computer


def unique_names(computers: Sequence[Computer]) -> list[str]:
    """The DNS host name where known, else the inventory's name, else an Entra device's display name and device ID; each name once.

    What would occur twice takes its inventory name, else its object's ID behind its name. Repeated, because a host that calls itself by
    another's inventory name must not end up with the other's name.
    """
    names = [_first_name(computer) for computer in computers]
    while clashing := {name for name, count in Counter(names).items() if count > 1}:
        distinct = [_distinct_name(c, name) if name in clashing else name for name, c in zip(names, computers, strict=True)]
        if distinct == names:
            return _told_apart(names, computers)
        names = distinct
    return names


def _told_apart(names: Sequence[str], computers: Sequence[Computer]) -> list[str]:
    """Names that chance or an attacker made equal in spite of their IDs: the inventory's host keeps its own, others add their store."""
    count = Counter(names)
    told, used = list(names), {name for name in names if count[name] == 1}
    for index in sorted((i for i, name in enumerate(names) if count[name] > 1), key=lambda index: _known_as(computers[index])):
        while told[index] in used:
            told[index] += "/" + (_known_as(computers[index])[0] or "inventory")
        used.add(told[index])
    return told


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
