# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What the play knows of the fleet: the inventory's hosts and the observations registered on them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible.errors import AnsibleError

from .._core.joins import InventoryHost
from .._core.model import FailureReason, Observation
from .._core.observation import parse_observation
from .._errors import BadDataError, OptionError
from .options import plain
from .patterns import resolve

#: variables that say where an inventory host is reached, first found counts
_ADDRESS_VARIABLES = ("ansible_host", "ansible_winrm_host", "ansible_psrp_host")
#: the gate's own variables begin so
_GATE_VARIABLES = "keyward_gate_"
_WITH_SECRETS = frozenset({"keyward_ad", "keyward_entra"})


def raw_variables(hostvars: Any, host: str) -> Mapping[str, Any]:
    """A host's variables without templating them all: a registered result is data already, and a fleet has many hosts."""
    raw = getattr(hostvars, "raw_get", None)
    found = raw(host) if callable(raw) else hostvars[host]
    return found if isinstance(found, Mapping) else {}


def known_hosts(wanted: Sequence[str] | None, task_vars: Mapping[str, Any], *, settings: Collection[str] = ()) -> list[InventoryHost]:
    """The inventory hosts the report must account for.

    Args:
        wanted: inventory names and patterns; None for every host.
        task_vars: the variables of the task.
        settings: the playbooks' variables that count once, where the report is made. One that a host has for itself would ask for
            something that nobody checks.

    Raises:
        OptionError: names and patterns that name nobody in the inventory, or a setting that a host has for itself.
    """
    groups = {plain(group): [plain(name) for name in names] for group, names in task_vars.get("groups", {}).items()}
    names, strangers = resolve(["all"] if wanted is None else wanted, {"all": [], **groups})
    if strangers:
        raise OptionError(
            "account for the hosts of the fleet",
            target="hosts",
            meaning=f"the inventory does not know {', '.join(strangers[:5])}" + (" and others" if len(strangers) > 5 else ""),
            remedy="Look for a typing error, or for a host or group that is missing; in the playbooks it is in keyward_hosts.",
        )
    hosts: list[InventoryHost] = []
    ignored: dict[str, str] = {}
    for name in names:
        variables = raw_variables(task_vars["hostvars"], name)
        hosts.append(InventoryHost(name=name, address=_address(task_vars["hostvars"], name, variables)))
        ignored |= dict.fromkeys(_ignored(variables, task_vars, settings), name)
    for setting in sorted(ignored):
        raise OptionError(
            "use the playbook's variables",
            target=f"variable {setting}",
            meaning=f"{ignored[setting]} has one of its own, which would not count: one report is made of all hosts, on the controller",
            remedy="Set it with -e or for the group all, and not for other groups or hosts.",
        )
    return hosts


def _ignored(variables: Mapping[str, Any], task_vars: Mapping[str, Any], settings: Collection[str]) -> list[str]:
    """The settings that a host has, and the report's task has not, or otherwise. What may hold a secret is not compared."""
    found = [name for name in variables if name in settings or (settings and name.startswith(_GATE_VARIABLES))]
    return [name for name in found if name not in task_vars or (name not in _WITH_SECRETS and variables[name] != task_vars[name])]


def _address(hostvars: Any, host: str, variables: Mapping[str, Any]) -> str | None:
    """Where a host is reached; None where no variable says it, or the one that does cannot be templated: then nobody reaches it anyway."""
    name = next((name for name in _ADDRESS_VARIABLES if variables.get(name)), None)
    if name is None:
        return None
    try:
        text = str(plain(variables[name]))
        return str(plain(hostvars[host][name])) if "{{" in text or "{%" in text else text
    except AnsibleError:
        return None


def collect_observations(
    hosts: Sequence[InventoryHost],
    given: Mapping[str, Any],
    task_vars: Mapping[str, Any],
    *,
    variable: str,
    now: datetime,
    warn: Callable[[str], None],
) -> dict[str, list[Observation]]:
    """Every observation of every host: registered ones and given ones. One that cannot be read counts as a broken answer of that host."""
    found: dict[str, list[Observation]] = {}
    for host in hosts:
        registered = raw_variables(task_vars["hostvars"], host.name).get(variable)
        items = [*_registered(host.name, registered, now), *_parsed(host.name, given.get(host.name), now)]
        if items:
            found[host.name] = items
    strangers = sorted(map(str, given.keys() - {host.name for host in hosts}))
    if strangers:
        first = ", ".join(strangers[:5])
        warn(f"{len(strangers)} observations are left out, as the report does not account for their hosts: {first}.")
    return found


def _registered(host: str, result: object, now: datetime) -> list[Observation]:
    if not isinstance(result, Mapping):
        return _parsed(host, result, now)
    if result.get("skipped"):
        return []
    if isinstance(result.get("observation"), Mapping):
        return _parsed(host, result["observation"], now)
    if result.get("failed") or result.get("unreachable"):
        reason = FailureReason.UNREACHABLE if result.get("unreachable") else FailureReason.PROTOCOL
        return [Observation(host=host, observed_at=now, reason=reason, message=str(result.get("msg", "")))]
    return _parsed(host, result, now)


def _parsed(host: str, data: object, now: datetime) -> list[Observation]:
    if data is None:
        return []
    try:
        return [parse_observation(host, data)]
    except BadDataError as error:
        return [Observation(host=host, observed_at=now, reason=FailureReason.PROTOCOL, message=str(error))]
