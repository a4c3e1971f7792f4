# SPDX-License-Identifier: GPL-3.0-or-later
"""A live host of the lab in this process and two stores in memory, for repairs whose every exchange can go wrong.

Envelopes are real both ways and so are key packages. One stand-in: the stretch, half a second of a core for each password, is a hash on
both sides.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.intents import IntentFiles
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proof_pool import ProofJob
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.repair_proofs import RepairProofs
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.repair_run import ReadBack, run_volume
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.repair_world import HostLink, LiveVolume
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.rotate_run import RotationOptions, VolumeRotations
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Outcome, Proof, prove_recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry, ObservedVolume, Owner, StoreReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair import escrow
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.choice import Wishes
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.loop import Repaired
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError, StoreDownError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.port import ConnectionLostError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.tests.lab.crash.fate import AD, GRAPH, Exchange, Fate
from ansible_collections.keyward.bitlocker.tests.lab.crash.ports import Forms, Meddled, MeddledTransport
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import gpo_policy
from ansible_collections.keyward.bitlocker.tests.lab.fve import played, sealing
from ansible_collections.keyward.bitlocker.tests.lab.hosts import record
from ansible_collections.keyward.bitlocker.tests.lab.hosts.escrow import MemoryEscrow
from ansible_collections.keyward.bitlocker.tests.lab.hosts.wsman import WsmanService
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost, LabProtector, LabVolume

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
GUID = "11111111-aaaa-4aaa-8aaa-000000000001"
TPM_PIN_KEY, OLD, OTHER = (f"{number:08x}-bbbb-4bbb-8bbb-00000000000{number}" for number in (1, 2, 3))
PASSWORDS = {OLD: "-".join(["000011"] * 8), OTHER: "-".join(["000022"] * 8)}
WRONG = "-".join(["000033"] * 8)
STORES = ("ad", "entra")


def lab_stretch(password: str, salt: bytes) -> bytes:
    return hashlib.sha256(b"stand-in" + sealing.password_bytes(password) + salt).digest()


def our_stretch(binary: Secret[bytes], salt: bytes) -> Secret[bytes]:
    return Secret(hashlib.sha256(b"stand-in" + binary.reveal() + salt).digest())


def prove_here(job: ProofJob) -> Proof:
    assert isinstance(job.secret.reveal(), str)
    readings = [reading.reveal() for reading in job.readings]
    return prove_recovery_password(job.secret, job.key_id, readings, stretch=our_stretch)  # type: ignore[arg-type]  # a text


class MemoryPart:
    """One store's part of the host, over what the lab's host backed up. ``hidden``: key IDs that it does not show yet."""

    def __init__(self, store: str, held: dict[str, str]) -> None:
        self.store, self.held = store, held
        self.hidden: set[str] = set()
        self.created: dict[str, datetime] = {}

    def read(self) -> StoreReading:
        owner = Owner(store=self.store, owner_id="own", name="PC01", location="PC01")
        entries = tuple(
            Entry(
                store=self.store, owner_id="own", entry_id=key_id, location=key_id, key_ids=(key_id,), created=self.created.get(key_id, NOW)
            )
            for key_id in self.held
            if key_id not in self.hidden
        )
        return StoreReading(store=self.store, state=StoreState.SEARCHED, owners=(owner,), entries=entries)

    def values(self, entries: Iterable[Entry]) -> Mapping[str, Entry | str]:
        return {entry.entry_id: replace(entry, value=Secret(self.held[entry.entry_id])) for entry in entries}


class SteadyPart:
    """As our stores are: what fails is a state or a reason, no exception."""

    def __init__(self, store: str, real: Any) -> None:
        self.store, self.real = store, real

    def read(self) -> StoreReading:
        try:
            found: StoreReading = self.real.read()
        except KeywardError as problem:
            return StoreReading(store=self.store, state=StoreState.DOWN, reason=str(problem))
        return found

    def values(self, entries: Iterable[Entry]) -> Mapping[str, Entry | str]:
        entries = list(entries)
        try:
            found: Mapping[str, Entry | str] = self.real.values(entries)
        except KeywardError as problem:
            return {entry.entry_id: str(problem) for entry in entries}
        return found


@dataclass
class Ground:
    """One host and its stores, and a controller that may be killed; everything that is sent passes a fate."""

    folder: Path
    escrowed: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {OLD: STORES})
    extra: tuple[str, ...] = ()
    policy: dict[str, int | str] = field(default_factory=gpo_policy)

    def __post_init__(self) -> None:
        keys = (OLD, *self.extra)
        volume = LabVolume(
            device_guid=GUID,
            persistent_id="33333333-cccc-4ccc-8ccc-000000000001",
            drive_letter="C:",
            protectors=[LabProtector(key_id=TPM_PIN_KEY, type=4)]
            + [LabProtector(key_id=key_id, type=3, password=PASSWORDS[key_id]) for key_id in keys],
        )
        host = LabHost(
            inventory_name="pc01",
            netbios_name="PC01",
            domain="lab.example",
            password="none",
            serial="SN-1",
            hardware_uuid="44444444-dddd-4ddd-8ddd-000000000001",
            entra_device_id="6c1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d11",
            fve_policy=self.policy,
            volumes=[volume],
        )
        self.escrow = MemoryEscrow()
        held = {"ad": self.escrow.directory, "entra": self.escrow.tenant}
        for key_id, stores in self.escrowed.items():
            for store in stores:
                held[store][key_id] = PASSWORDS[key_id]
        self.service = WsmanService(host, NOW, self.escrow)
        self.parts = {store: MemoryPart(store, held[store]) for store in STORES}
        self.least = self.working()
        self.watched: list[str] = []
        self.fate = Fate(watch=self.watch)
        self.asked: list[str] = []
        self.uniques = (f"{number:08x}" for number in itertools.count(1))
        self.now = NOW

    # --- the truth --------------------------------------------------------------------------------------------------------------------

    @property
    def volume(self) -> LabVolume:
        return self.service.host.volumes[0]

    @property
    def passwords(self) -> list[LabProtector]:
        return [item for item in self.volume.protectors if item.type == 3]

    def working(self) -> tuple[int, int]:
        """Recovery passwords of the volume that any store holds rightly, and those that every store does."""
        right = [[part.held.get(item.key_id) == item.password for part in self.parts.values()] for item in self.passwords]
        return sum(any(each) for each in right), sum(all(each) for each in right)

    def watch(self, exchange: Exchange) -> None:
        now = self.working()
        if now[0] < self.least[0] or now[1] < self.least[1]:
            self.watched.append(f"fewer working keys after {exchange}")
        if TPM_PIN_KEY not in {item.key_id for item in self.volume.protectors}:
            self.watched.append(f"the PIN is gone after {exchange}")
        self.asked.append(exchange.what)

    def opens(self) -> bool:
        """Whether some recovery password that every store holds opens the volume's own package, by the proof."""
        for item in self.passwords:
            values = {part.held.get(item.key_id) for part in self.parts.values()}
            if len(values) == 1 and (value := values.pop()) is not None:
                package = played.package(self.service.host, self.volume, item, played.Reading(), lab_stretch)
                job = ProofJob(key_id=item.key_id, secret=Secret(value), readings=(Secret(package),))
                if prove_here(job).outcome is Outcome.PROVEN:
                    return True
        return False

    # --- the controller ---------------------------------------------------------------------------------------------------------------

    def live(self, *, names: bool) -> LiveVolume:
        service = self.service

        class Direct:
            authenticated_names: tuple[str, ...] = ()

            def send(self, envelope: bytes) -> bytes:
                return service.handle(envelope, record.Exchange(connection=1, request=1))[1]

            def close(self) -> None:
                pass

        def lost() -> KeywardError:
            return ConnectionLostError("call the host", meaning="the connection ended")

        def connect() -> Session:
            transport = MeddledTransport(Direct(), self.fate, peer="pc01", lost=lost, sleep=_no_sleep)
            return Session(transport, target="pc01", sleep=_no_sleep)

        def down() -> KeywardError:
            return StoreDownError("read the store", meaning="it is down")

        parts = {}
        for (store, part), side in zip(self.parts.items(), (AD, GRAPH), strict=True):
            reads = Forms(lost=down, error=down, lie=lambda store=store: MemoryPart(store, {}).read())
            meddled = Meddled(part, self.fate, side=side, peer=store, forms={"read": reads, "values": Forms(lost=down, error=down)})
            parts[store] = SteadyPart(store, meddled)
        return LiveVolume(
            HostLink(connect),
            ObservedVolume(device_id="\\\\?\\Volume{" + GUID + "}\\", letter="C:", type="os"),
            required=STORES,
            parts=parts,
            barred={},
            proofs=RepairProofs(now=lambda: self.now, prove=prove_here),
            names=names,
        )

    def back_up(self, *, check_mode: bool = False) -> Repaired:
        live = self.live(names=False)
        return run_volume(live, lambda v, t: escrow.next_step(v, None, t), check_mode=check_mode, patience=ReadBack(3, _no_sleep))

    def files(self, warn: Callable[[str], None] = lambda text: None) -> IntentFiles:
        return IntentFiles(self.folder, "pc01.lab.example", "volume", warn)

    def rotate(self, wishes: Wishes | None = None, *, check_mode: bool = False, keep_hours: float = 0, **more: Any) -> dict[str, Any]:
        options = RotationOptions(
            wishes=wishes or Wishes(key_ids=(OLD,)),
            keep_old_for=timedelta(hours=keep_hours),
            disclosed=more.get("disclosed", lambda key_id: False),
            now=lambda: self.now,
            patience=lambda: ReadBack(3, _no_sleep),
            check_mode=check_mode,
            unique=lambda: next(self.uniques),
        )
        observed = ObservedVolume(device_id="volume", letter="C:", type="os")
        return VolumeRotations(observed, self.live(names=True), self.files(), options).run()

    def snapshot(self) -> object:
        return copy.deepcopy((self.volume, self.escrow.directory, self.escrow.tenant))


def _no_sleep(_seconds: float) -> None:
    return None
