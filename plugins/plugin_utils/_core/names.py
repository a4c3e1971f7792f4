# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What each computer is called in the report (DESIGN section 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .joins import Computer


def unique_names(computers: Sequence[Computer]) -> list[str]:
    """The DNS host name where known, else the inventory's name; what would occur twice takes its inventory name, else its object's ID.

    Repeated, because a host that calls itself by another's inventory name must not end up with the other's name.
    """
    names = [_first_name(computer) for computer in computers]
    while clashing := {name for name, count in Counter(names).items() if count > 1}:
        distinct = [_distinct_name(c, name) if name in clashing else name for name, c in zip(names, computers, strict=True)]
        if distinct == names:
            break
        names = distinct
    return names


def _distinct_name(computer: Computer, name: str) -> str:
    if computer.host is not None:
        return computer.host.name
    suffix = "/" + next((join.owner.owner_id for join in computer.joins.values() if join.owner is not None), "")
    return name if name.endswith(suffix) else name + suffix


def _first_name(computer: Computer) -> str:
    for join in computer.joins.values():
        if join.owner is not None and join.owner.dns_name:
            return join.owner.dns_name.lower()
    if computer.observation is not None and computer.observation.dns_name:
        return computer.observation.dns_name
    if computer.host is not None:
        return computer.host.name
    return next((join.owner.name.lower() or join.owner.owner_id for join in computer.joins.values() if join.owner is not None), "")
