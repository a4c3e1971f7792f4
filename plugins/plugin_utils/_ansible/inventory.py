# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The inventory as far as a search for keys needs it: which host a term names, what else that host is called, and how it is reached.

What a host said of itself in this play (the variable ``keyward_observation``) is a claim: names from it are tried only where the name that
was asked for finds nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleError

from .._core.key_lookup import ProtectorList
from .._core.key_search import Term, TermKind, parse_term
from .._core.model import Observation, ProtectorType
from .._core.observation import parse_observation
from .._errors import BadDataError, OptionError
from .._windows.wsman.settings import ConnectionSettings
from .connection import resolve_connection
from .fleet import raw_variables
from .host_options import Keywords
from .options import plain

OBSERVATION = "keyward_observation"
_ADDRESS_VARIABLES = ("ansible_host", "ansible_winrm_host", "ansible_psrp_host")


class Inventory:
    """The hosts that a task or a lookup sees.

    Args:
        variables: the variables of the task (``hostvars``, ``groups``).
        own: the task's own host, where ``connect`` knows better how to reach it (its play and task may say more than variables).
        connect: gives the connection settings of ``own``.
        keywords: what the command line says beside the variables of any other host.
    """

    def __init__(
        self,
        variables: Mapping[str, Any],
        *,
        own: str = "",
        connect: Callable[[], ConnectionSettings] | None = None,
        keywords: Keywords | None = None,
    ) -> None:
        self._variables = variables
        self._own, self._connect = own, connect
        self._keywords = keywords
        self._names: dict[str, str] | None = None
        self._serials: dict[str, list[str]] | None = None
        self._observed: dict[str, Observation | None] = {}

    @property
    def hosts(self) -> Mapping[str, str]:
        """Every inventory host, by its name in lower case."""
        if self._names is None:
            groups = self._variables.get("groups") or {}
            listed = [str(plain(name)) for name in (groups.get("all") or ())] if isinstance(groups, Mapping) else []
            self._names = {name.lower(): name for name in ([self._own] if self._own else []) + listed}
        return self._names

    def host_of(self, term: Term) -> str | None:
        """The inventory host that a term names, None where it names none."""
        return self.hosts.get(term.word.lower()) if term.means(TermKind.HOST) else None

    def connection(self, host: str) -> ConnectionSettings:
        """How a host is reached, from its own connection variables.

        Raises:
            OptionError: it is reached by something else than winrm or psrp, or a variable cannot be used.
        """
        if self._connect is not None and host == self._own:
            return self._connect()
        try:
            variables = self._variables["hostvars"][host]
        except (KeyError, AnsibleError):
            raise OptionError(
                "reach a host", target=host, meaning="its variables are not known here", remedy="Check the inventory."
            ) from None
        # hostvars templates what is taken from it
        return resolve_connection(variables, template=_as_it_is, keywords=self._keywords or Keywords.of_command_line(), name=host)

    def others(self, term: Term) -> list[Term]:
        """What else may find what a term means: the address and the own names of the host it names, the host of a serial number."""
        host = self.host_of(term)
        hosts = [host] if host else self._hosts_of_serial(term)
        found: dict[str, Term] = {}
        for name in hosts:
            for kind, word in self._also(name):
                if word.lower() == term.word.lower():
                    continue
                # what a host claims to be called need not be a name
                with suppress(OptionError):
                    other = parse_term(f"{kind}:{word}")
                    found.setdefault(other.text.lower(), other)
        return list(found.values())

    def hosts_for(self, term: Term, computers: Iterable[str]) -> list[str]:
        """The hosts that a term, or names of computers, stand for."""
        host = self.host_of(term)
        hosts = [host] if host else self._hosts_of_serial(term)
        return list(dict.fromkeys(hosts + [self.hosts[name] for name in computers if name in self.hosts]))

    def lists(self, term: Term, computers: Iterable[str]) -> list[ProtectorList]:
        """What the hosts that a term, or names of computers, stand for listed of themselves when they were observed in this play."""
        listed = []
        for name in self.hosts_for(term, computers):
            observation = self.observation(name)
            if observation is not None and observation.volumes is not None:
                listed.append(_protectors(name, observation))
        return listed

    def observation(self, host: str) -> Observation | None:
        """What a host said of itself in this play, None where it said nothing that can be used."""
        if host not in self._observed:
            self._observed[host] = self._parsed(host)
        return self._observed[host]

    def _parsed(self, host: str) -> Observation | None:
        data = self._raw_observation(host)
        if data is None:
            return None
        try:
            observation = parse_observation(host, data)
        except BadDataError:
            # the report says what is wrong with it; here it is as if there were none
            return None
        return observation if observation.reason is None else None

    def _raw_observation(self, host: str) -> Mapping[str, Any] | None:
        hostvars = self._variables.get("hostvars")
        if hostvars is None:
            return None
        try:
            result = raw_variables(hostvars, host).get(OBSERVATION)
        except (KeyError, AnsibleError):
            return None
        if isinstance(result, Mapping) and isinstance(result.get("observation"), Mapping):
            result = result["observation"]
        return result if isinstance(result, Mapping) else None

    def _hosts_of_serial(self, term: Term) -> list[str]:
        if not term.means(TermKind.SERIAL) or term.guid:
            return []
        if self._serials is None:
            self._serials = {}
            for host in self.hosts.values():
                computer = (self._raw_observation(host) or {}).get("computer")
                serial = computer.get("serial") if isinstance(computer, Mapping) else None
                if isinstance(serial, str) and serial.strip():
                    self._serials.setdefault(serial.strip().lower(), []).append(host)
        return self._serials.get(term.word.lower(), [])

    def _also(self, host: str) -> Iterator[tuple[TermKind, str]]:
        yield TermKind.HOST, host
        address = self._address(host)
        if address and not _is_address(address):
            yield TermKind.HOST, address
        observation = self.observation(host)
        if observation is None:
            return
        for name in (observation.dns_name, observation.name):
            if name:
                yield TermKind.HOST, name
        if observation.entra_device_id:
            yield TermKind.DEVICE_ID, observation.entra_device_id

    def _address(self, host: str) -> str | None:
        hostvars = self._variables.get("hostvars")
        if hostvars is None:
            return None
        try:
            raw = raw_variables(hostvars, host)
            name = next((name for name in _ADDRESS_VARIABLES if raw.get(name)), None)
            return None if name is None else str(plain(hostvars[host][name]))
        except (KeyError, AnsibleError):
            return None


def _protectors(host: str, observation: Observation) -> ProtectorList:
    volumes = observation.volumes or ()
    whole = all(volume.protectors is not None and all(item.type for item in volume.protectors) for volume in volumes)
    names = {host.lower(), *(name.lower() for name in (observation.name, observation.dns_name) if name)}
    key_ids = frozenset(
        item.key_id for volume in volumes for item in volume.protectors or () if item.type == ProtectorType.RECOVERY_PASSWORD
    )
    # a list with gaps says what there is, and not what there is not
    return ProtectorList(computers=frozenset(names) if whole else frozenset(), key_ids=key_ids, as_of=observation.observed_at)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _as_it_is(value: Any) -> Any:
    return value
