# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The observation: what a Windows host says about itself and its volumes, as JSON. It asks for no recovery password and no key, ever.

Its shape is documented in the RETURN section of keyward.bitlocker.volume_info. What was not asked is absent; null was asked and is not
offered by this Windows, or is NULL, or the read failed, and then an item in ``errors`` says so. A list that would have a gap is null:
more than 64 volumes, or an enumeration that broke off, give ``volumes: null``, more than 64 protectors give ``protectors: null``.

Requests of the subset ``escrow``, with V volumes and P protectors each, Pulls included: 6 + V(3+P). Added are: two or three for an Entra
join; for a volume one if its state asks for it (suspend count, hardware test, auto-unlock), one if it has no letter (mount point); one on
a member server with a fixed volume (cluster); on old Windows one for a property that only a method gives. Key packages
are two requests a recovery password.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from .._core.model import VolumeType
from .._core.observation import MAX_VOLUMES, SCHEMA_VERSION
from .._errors import AuthorizationError, BadDataError, KeywardError, LimitError
from . import computer, words
from .calls import is_absent
from .encryptable_volume import CLASS_NAME, volume_instances
from .join_state import entra_join
from .policy import policy_values
from .reads import MAX_MESSAGE, Reads
from .registry import Registry
from .tpm import tpm_facts
from .volume_facts import HostMemory, VolumeReader
from .wsman.faults import FaultError
from .wsman.instance import Instance
from .wsman.session import Session

ESCROW: Final = "escrow"
#: subsets that say more about what ``escrow`` lists, and so bring it along
_OF_VOLUMES: Final = frozenset({"names", "backup_records", "conversion"})
#: what is gathered only by its own option, which marks the result: ``all`` does not bring it
KEY_PACKAGES: Final = "key_packages"
SUBSETS: Final = frozenset({ESCROW, "policy", "tpm"}) | _OF_VOLUMES
_MEMBER_SERVER: Final = words.DOMAIN_ROLE[3]


def resolve_subsets(wanted: frozenset[str]) -> frozenset[str]:
    """The subsets that are gathered for a choice: ``all`` is every one, what describes volumes brings ``escrow``."""
    asked = wanted & (SUBSETS | {KEY_PACKAGES})
    if "all" in wanted:
        return asked | SUBSETS
    return asked | (frozenset({ESCROW}) if wanted & (_OF_VOLUMES | {KEY_PACKAGES}) else frozenset())


def observe(
    session: Session, *, subsets: frozenset[str], now: Callable[[], datetime], host: str, channel: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Observe one host and return the observation, a failed one where the host as a whole could not be observed.

    Args:
        subsets: what to gather, see :data:`SUBSETS`; computer and OS are always read.
        now: the controller's clock, with a time zone; also bounds how long the host may take.
        host: the inventory name.
        channel: endpoint, transport and adapter, for the record; the names that the channel proved are added.

    Raises:
        KeywardError: only what does not concern the host (no ``reason``), such as a missing library.
    """
    gathered = resolve_subsets(subsets)
    started = now()
    try:
        return _Observer(session, gathered, now).observation(host, started, dict(channel or {}))
    except KeywardError as error:
        return failed_observation(error, host=host, observed_at=started, subsets=gathered, channel=channel)


def failed_observation(
    error: KeywardError, *, host: str, observed_at: datetime, subsets: frozenset[str], channel: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The observation of a host that could not be observed; an error that does not concern a host (no ``reason``) is raised again."""
    if not error.reason:
        raise error
    failed = _head(host, observed_at, resolve_subsets(subsets))
    failed.update(state="failed", reason=error.reason, message=str(error)[:MAX_MESSAGE])
    if channel is not None:
        failed["channel"] = {**channel, "authenticated_names": []}
    return failed


def _head(host: str, observed_at: datetime, gathered: frozenset[str]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "host": host,
        "observed_at": observed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "state": "observed",
        "reason": None,
        "message": "",
        "gathered": sorted(gathered),
    }


class _Observer:
    """One pass over one host."""

    def __init__(self, session: Session, subsets: frozenset[str], now: Callable[[], datetime]) -> None:
        self._session = session
        self._subsets = subsets
        self._reads = Reads.begin(now)
        self._registry = Registry(session)

    def observation(self, host: str, started: datetime, channel: dict[str, Any]) -> dict[str, Any]:
        facts = _head(host, started, self._subsets)
        machine = self._computer()
        channel["authenticated_names"] = list(self._session.authenticated_names)
        facts.update(channel=channel, computer=machine, os=self._operating_system())
        self._product(machine)
        if ESCROW in self._subsets:
            # after the identity, and before what takes longer
            drive = facts["os"]["system_drive"] if facts["os"] else None
            facts["bitlocker_installed"], facts["volumes"] = self._volumes(drive)
            facts["join"] = self._join(machine, facts["volumes"])
        if "policy" in self._subsets:
            values = policy_values(self._registry, self._reads)
            facts["policy"] = None if values is None else {"values": values}
        if "tpm" in self._subsets:
            facts["tpm"] = tpm_facts(self._session, self._reads)
        facts["errors"] = self._reads.errors
        return facts

    def _computer(self) -> dict[str, Any] | None:
        """The first exchange: what fails here other than by a fault about this class concerns the host as a whole."""
        try:
            found = computer.single(self._session, computer.NAMESPACE, computer.COMPUTER_SYSTEM, "Win32_ComputerSystem")
        except AuthorizationError:
            raise
        except (FaultError, BadDataError) as error:
            self._reads.note("Win32_ComputerSystem", error)
            return None
        return computer.computer_facts(found, self._reads)

    def _operating_system(self) -> dict[str, Any] | None:
        found = self._single(computer.OPERATING_SYSTEM, "Win32_OperatingSystem")
        return None if found is None else computer.os_facts(found, self._reads)

    def _product(self, machine: dict[str, Any] | None) -> None:
        found = self._single(computer.PRODUCT, "Win32_ComputerSystemProduct")
        facts = {"serial": None, "hardware_uuid": None} if found is None else computer.product_facts(found, self._reads)
        if machine is not None:
            machine.update(facts)

    def _single(self, wql: str, class_name: str) -> Instance | None:
        return self._reads.ask(class_name, lambda: computer.single(self._session, computer.NAMESPACE, wql, class_name))

    def _volumes(self, system_drive: str | None) -> tuple[bool | None, list[dict[str, Any]] | None]:
        """Whether BitLocker is installed, and the volumes; a refused namespace is raised, since nothing can be judged without it."""
        installed: bool | None = True

        def listed() -> list[Instance]:
            nonlocal installed
            try:
                return volume_instances(self._session, MAX_VOLUMES + 1)
            except FaultError as error:
                if not is_absent(error):
                    raise
                installed = False
                return []

        instances = self._reads.ask(CLASS_NAME, listed, fatal=(AuthorizationError,))
        if instances is None:
            return None, None
        if not installed:
            return False, None
        if len(instances) > MAX_VOLUMES:
            self._reads.note(
                CLASS_NAME,
                LimitError("list the volumes", meaning=f"the host lists more than {MAX_VOLUMES}, and a part is not taken for all"),
            )
            return True, None
        return True, self._each(instances, system_drive)

    def _each(self, instances: list[Instance], system_drive: str | None) -> list[dict[str, Any]]:
        memory = HostMemory()
        volumes: dict[str, dict[str, Any]] = {}
        for place, instance in enumerate(instances, start=1):
            reader = VolumeReader(self._session, instance, place=place, subsets=self._subsets, system_drive=system_drive, reads=self._reads)
            facts = reader.facts(memory)
            if facts["device_id"] in volumes:
                self._reads.note(CLASS_NAME, BadDataError("list the volumes", target=facts["device_id"], meaning="the host lists it twice"))
                continue
            volumes[facts["device_id"]] = facts
        return list(volumes.values())

    def _join(self, machine: dict[str, Any] | None, volumes: list[dict[str, Any]] | None) -> dict[str, Any]:
        entra = entra_join(self._registry, self._reads)
        join: dict[str, Any] = {"entra": None if entra is None else {"device_id": entra.device_id, "tenant_id": entra.tenant_id}}
        server = machine is not None and machine["domain_role"] == _MEMBER_SERVER
        if server and any(volume["type"] == VolumeType.FIXED for volume in volumes or ()):
            join["cluster"] = self._reads.ask("MSCluster_Cluster", lambda: computer.cluster_name(self._session))
        return join
