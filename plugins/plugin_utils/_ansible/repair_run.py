# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One host's repair from options to result: reach it, find whose it is, repair volume after volume, tell what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .._core.model import Conversion, Observation, ObservedVolume
from .._core.observation import parse_observation
from .._core.repair.loop import Decide, Repaired, foresee, repair
from .._core.repair.steps import AddRecoveryPassword, BackUp, RemoveProtector, Step, Stop
from .._core.repair.view import VolumeView
from .._errors import AuthorizationError, KeywardError, OptionError, UnreachableError
from .._windows.observe import ESCROW, observe
from .._windows.wsman.port import Transport
from .._windows.wsman.session import Session
from .._windows.wsman.settings import ConnectionSettings
from .._windows.wsman.transports import open_transport
from .repair_proofs import ProveOne, RepairProofs, prove_one
from .repair_stores import OwnStores
from .repair_world import HostLink, LiveVolume
from .report_stores import StoreSources

#: seconds of the first wait for a store; each next one is twice as long, up to the last
FIRST_WAIT, LONGEST_WAIT = 1.0, 15.0


class ReadBack:
    """Patience for so many seconds of waiting in all (see :class:`.._core.repair.loop.Patience`)."""

    def __init__(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._left = seconds
        self._next = FIRST_WAIT
        self._sleep = sleep

    def wait(self) -> bool:
        """Wait longer than before, as long as there is time."""
        if self._left <= 0:
            return False
        pause = min(self._next, self._left)
        self._sleep(pause)
        self._left -= pause
        self._next = min(self._next * 2, LONGEST_WAIT)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a run needs of the outside world; tests give their own."""

    now: Callable[[], datetime]
    opener: Callable[[ConnectionSettings], Transport] = open_transport
    prove: ProveOne = prove_one
    sleep: Callable[[float], None] = time.sleep


class HostUnreadableError(KeywardError):
    """The host as a whole could not be observed; ``observation`` says why."""

    def __init__(self, observation: Mapping[str, Any]) -> None:
        super().__init__("observe the host")
        self.observation = observation

    def __str__(self) -> str:
        return str(self.observation["message"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host that was reached, with the stores that hold its keys."""

    observation: Observation
    link: HostLink
    stores: OwnStores
    required: tuple[str, ...]
    proofs: RepairProofs

    def live(self, volume: ObservedVolume, *, names: bool) -> LiveVolume:
        """One of its volumes for the loop."""
        return LiveVolume(
            self.link,
            volume,
            required=self.required,
            parts=self.stores.parts,
            barred=self.stores.barred,
            proofs=self.proofs,
            names=names,
        )


def required_stores(asked: Sequence[str] | None, sources: StoreSources) -> tuple[str, ...]:
    """The stores that must hold each recovery password.

    Raises:
        OptionError: none, or one that nothing says how to reach.
    """
    required = tuple(dict.fromkeys(asked or sources.names))
    missing = [name for name in required if name not in sources.names]
    if missing or not required:
        raise OptionError(
            "back up recovery passwords",
            target="stores",
            meaning=f"nothing says how to reach {', '.join(missing) or 'a store'}, and what is not read back counts for nothing",
            remedy="Give the options ad or entra.",
        )
    return required


def refuse_clear_text(settings: ConnectionSettings) -> None:
    """Key packages are asked of the host: refuse a channel that nobody encrypts.

    Raises:
        OptionError: it is one.
    """
    bare = settings.message_encryption == "never" or bool({"basic", "certificate"} & set(settings.transport))
    if settings.scheme == "http" and bare:
        raise OptionError(
            "ask a host for its key packages",
            target=settings.endpoint,
            meaning="the connection is not encrypted",
            remedy="Use HTTPS (port 5986), or Kerberos with message encryption.",
        )


@contextmanager
def reached(
    name: str, settings: ConnectionSettings, sources: StoreSources, required: tuple[str, ...], say: Callable[[str], None], means: Means
) -> Iterator[Host]:
    """The host, observed and joined to its part of each store.

    Raises:
        HostUnreadableError: it could not be observed.
        OptionError: an option cannot be used.
    """

    def connect() -> Session:
        return Session(
            means.opener(settings), operation_timeout=settings.operation_timeout, target=settings.endpoint, username=settings.username
        )

    with ExitStack() as stack:
        link = HostLink(connect)
        stack.callback(link.drop)
        channel = {"endpoint": settings.endpoint, "transport": ",".join(settings.transport)}
        told = observe(link.session(), subsets=frozenset({ESCROW}), now=means.now, host=name, channel=channel)
        if told["state"] == "failed":
            raise HostUnreadableError(told)
        observation = parse_observation(name, told)
        wanted = StoreSources(
            directory=sources.directory if "ad" in required else None, tenant=sources.tenant if "entra" in required else None
        )
        opened = stack.enter_context(wanted.opened(means.now(), say, values=True))
        stores = OwnStores(dict(zip(wanted.names, opened, strict=True)), observation)
        yield Host(
            observation=observation,
            link=link,
            stores=stores,
            required=required,
            proofs=RepairProofs(now=means.now, prove=means.prove),
        )


def chosen_volumes(observation: Observation, names: Sequence[str] | None, types: Sequence[str]) -> list[ObservedVolume]:
    """The volumes by letter, mount point or device ID; without names those of the types that are not decrypted.

    Raises:
        KeywardError: the host did not list its volumes, or has none of a name.
    """
    if observation.volumes is None:
        first = observation.errors[0].message if observation.errors else ""
        raise AuthorizationError(
            "list the volumes",
            target=observation.host,
            meaning=first or ("BitLocker is not installed" if observation.bitlocker_installed is False else "the host did not tell them"),
        )
    if names is None:
        return [v for v in observation.volumes if v.type in types and (v.locked or v.conversion != Conversion.FULLY_DECRYPTED)]
    found: dict[str, ObservedVolume] = {}
    for name in names:
        wanted = name.strip().rstrip("\\").lower()
        match = next((v for v in observation.volumes if wanted in _names_of(v)), None)
        if match is None:
            raise OptionError(
                "choose the volumes",
                target=f"option volumes, {name[:80]!r}",
                meaning="the host has no such volume",
                remedy="Give letters with a colon, mount points, or device IDs as volume_info shows them.",
            )
        found[match.device_id] = match
    return list(found.values())


def _names_of(volume: ObservedVolume) -> set[str]:
    return {name.rstrip("\\").lower() for name in (volume.letter, volume.mount_point, volume.device_id) if name}


def run_volume(live: LiveVolume, decide: Decide, *, check_mode: bool, patience: ReadBack) -> Repaired:
    """Repair one volume, or say what would be done."""
    return foresee(live.view(), decide) if check_mode else repair(live, decide, patience)


# --- telling ------------------------------------------------------------------------------------------------------------------------


def step_row(step: Step) -> dict[str, Any]:
    """A step for the result."""
    if isinstance(step, BackUp):
        return {"step": "back_up", "store": step.store, "key_id": step.key_id}
    if isinstance(step, AddRecoveryPassword):
        return {"step": "add_recovery_password", "name": step.tag}
    if isinstance(step, RemoveProtector):
        return {"step": "remove_protector", "key_id": step.key_id}
    raise TypeError("to look again is no step of a result")


def volume_row(volume: ObservedVolume, live: LiveVolume, ended: Repaired) -> dict[str, Any]:
    """What came of one volume, without any secret."""
    stop = ended.end if isinstance(ended.end, Stop) else None
    after = ended.after
    return {
        "volume": volume.label,
        "device_id": volume.device_id,
        "changed": ended.changed,
        "done": stop is None,
        "steps": [step_row(step) for step in ended.steps],
        "uncertain": [step_row(step) for step in ended.uncertain],
        "keys": [
            {
                "key_id": item.key_id,
                "stores": {store: str(item.state(store)) for store in after.stores},
                "reasons": {store: reason for store in after.stores if (reason := live.reason(store, item.key_id))},
            }
            for item in after.recovery_passwords
        ],
        "reason": "" if stop is None else f"{stop.reason}: {live.trouble}" if live.trouble else stop.reason,
        "remedy": "" if stop is None else stop.remedy,
        "needs_rotation": [] if stop is None else list(stop.needs_rotation),
        "problems": [str(problem) for problem in ended.problems],
    }


def diff_of(ended: Repaired) -> dict[str, str]:
    """Before and after, by key ID and store."""
    label = ended.before.label
    return {"before_header": label, "after_header": label, "before": _lines(ended.before), "after": _lines(ended.after)}


def _lines(view: VolumeView) -> str:
    lines = []
    for item in view.protectors or ():
        states = ", ".join(f"{store} {item.state(store)}" for store in view.stores) if item.is_recovery_password else ""
        lines.append(" ".join(part for part in (item.key_id, item.type, item.name and f"({item.name})", states) if part))
    return "".join(f"{line}\n" for line in sorted(lines))


def result_of(rows: Sequence[dict[str, Any]], ended: Sequence[Repaired], *, diff: bool) -> dict[str, Any]:
    """The task's result; failed where anything that was asked for is not proven at the end."""
    result: dict[str, Any] = {"changed": any(item.changed for item in ended), "volumes": list(rows)}
    if diff:
        result["diff"] = [diff_of(item) for item in ended if item.steps or item.before != item.after]
    open_still = [row for row in rows if not row["done"]]
    if open_still:
        first = open_still[0]
        more = f" ({len(open_still)} of {len(rows)} volumes are not done; see volumes.)" if len(rows) > 1 else ""
        result |= {"failed": True, "msg": f"{first['volume']}: {first['reason']}. {first['remedy']}".rstrip() + more}
    return result


def unreadable(error: HostUnreadableError) -> dict[str, Any]:
    """The result for a host that could not be observed."""
    result: dict[str, Any] = {"changed": False, "msg": str(error)}
    result["unreachable" if error.observation["reason"] == UnreachableError.reason else "failed"] = True
    return result
