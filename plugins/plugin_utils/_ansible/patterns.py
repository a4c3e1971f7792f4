# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Which hosts a host pattern names. Ansible leaves out what names nobody and only warns; a report that did so would look complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.parsing.dataloader import DataLoader

#: in front of a pattern: not these, and of those only these (Ansible documentation, "Patterns: targeting hosts and groups")
_EXCEPT, _OPERATORS = "!", "!&"


def resolve(wanted: Sequence[str], groups: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """The hosts that names and patterns together name, as in a play's ``hosts``, and those of them that name nobody.

    A group that the inventory has names somebody though it is empty, and so does ``all``; what is to be left out need not be there.

    Args:
        wanted: names and patterns; each may be several, separated by a comma or a colon.
        groups: the inventory's groups by name with their hosts' names, ``all`` with every host.
    """
    inventory = dict.fromkeys(groups.get("all", ()))
    if list(wanted) == ["all"]:
        return list(inventory), []
    if all(name in inventory for name in wanted):
        return list(dict.fromkeys(wanted)), []
    manager = InventoryManager(DataLoader(), parse=False)
    for group, hosts in groups.items():
        manager.add_group(group)
        for host in hosts:
            manager.add_host(host, group=group)
    # a name that could be read as a pattern is that of a host
    parts = [part for text in wanted for part in ([text] if text in inventory else split_host_pattern(text))]
    strangers = [part for part in parts if not part.startswith(_EXCEPT) and not _names_somebody(manager, part.lstrip(_OPERATORS), groups)]
    if strangers:
        return [], strangers
    return [name for name in (str(host.name) for host in manager.get_hosts(parts)) if name in inventory], []


def _names_somebody(manager: InventoryManager, part: str, groups: Mapping[str, Sequence[str]]) -> bool:
    if part in groups or part == "*":
        return True
    try:
        # localhost is made up where the inventory does not have it
        return any(host.name in groups.get("all", ()) for host in manager.get_hosts(part))
    except AnsibleError:
        return False
