# SPDX-License-Identifier: GPL-3.0-or-later
"""That a second run with a ledger makes no proof again: the frames of every key package are others, and what they hold is the same.

A few computers, whose keys are on file in Active Directory and in Entra ID, go through what the report does with them: joined, proven by
worker processes, judged, recorded. The control is a third run, before which one value was changed in place: that one is made again.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.ledger_run import ledger_run
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proof_pool import ProofJob, prove_all
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proving import ProofLimits, prove_fleet
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.estate import judge_estate, known_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import inventory_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Proof
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry, StoreReading
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.proofs import ProofSums
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.port import StoreNames, StoreValue
from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import FORMS, FveVolume, Stretch

from .figures import Figure
from .judging import NOW, Fleet
from .measure import BenchError

COMPUTERS = 8


class Escrow:
    """One store with values; what it says of its entries never tells that one was changed."""

    def __init__(self, reading: StoreReading, held: dict[str, str]) -> None:
        self.reading = reading
        self.held = held

    def read(self) -> StoreReading:
        """The entries without their values."""
        return self.reading

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        """Nothing is hidden."""
        return StoreNames()

    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        """The entries with their values."""
        for entry in entries:
            yield StoreValue(entry=replace(entry, value=Secret(self.held[entry.entry_id])))

    def close(self) -> None:
        """Nothing to close."""


class ProvableFleet:
    """Computers whose recovery passwords open their volumes, and the stores that hold them."""

    def __init__(self, computers: int, stretch: Stretch) -> None:
        rng = random.Random("keyward bench remembered")
        self._fleet = Fleet(computers, entra=True)
        self.hosts, self.requirements = self._fleet.hosts, replace(self._fleet.requirements, proof="live")
        self._volumes: dict[str, FveVolume] = {}
        passwords: dict[str, str] = {}
        for protector in self._recovery_passwords():
            key_id = protector["key_id"]
            passwords[key_id] = values.recovery_password(rng)
            self._volumes[key_id] = FveVolume(seed=key_id, stretch=stretch)
            self._volumes[key_id].add_recovery_password(key_id, passwords[key_id], rng.choice(list(FORMS.values())))
        readings = [store.read() for store in self._fleet.stores]
        self.stores = {
            reading.store: Escrow(reading, {entry.entry_id: passwords[entry.key_ids[0]] for entry in reading.entries})
            for reading in readings
        }

    def _recovery_passwords(self) -> Iterator[dict[str, Any]]:
        for said in self._fleet.observations.values():
            for volume in said["volumes"]:
                yield from (protector for protector in volume["protectors"] if protector["type"] == "recovery_password")

    def observed(self, at: datetime, run: int) -> dict[str, dict[str, Any]]:
        """What the hosts say then: two readings of each package, in frames that no other reading has."""
        for protector in self._recovery_passwords():
            volume, key_id = self._volumes[protector["key_id"]], protector["key_id"]
            frames = [volume.package(key_id, created=at, counter=100 * run + reading) for reading in range(2)]
            protector["key_packages"] = [base64.b64encode(frame).decode("ascii") for frame in frames]
        for said in self._fleet.observations.values():
            said["observed_at"] = at.isoformat(timespec="seconds").replace("+00:00", "Z")
        return self._fleet.observations

    def change_one_value(self) -> None:
        """One entry of the directory gets another well-formed password, in place."""
        held = self.stores["ad"].held
        entry_id = min(entry.entry_id for entry in self.stores["ad"].reading.entries if not entry.defects)
        held[entry_id] = values.swapped_groups(held[entry_id])


def measure_second_run(folder: Path, stretch: Stretch, *, computers: int = COMPUTERS) -> Figure:
    """Three runs with one ledger.

    Args:
        folder: for the ledger and its key; empty.
        stretch: makes the lab's keys.
        computers: with two recovery passwords each.

    Raises:
        BenchError: the first run did not prove what it should, the second says something else, or the changed value was not made again.
    """
    fleet = ProvableFleet(computers, stretch)
    first, sums = _run(folder, fleet, 1)
    if not sums.wanted or sums.proven != sums.wanted or not first:
        raise BenchError(f"the first run with a ledger proved {sums.proven} of {sums.wanted}")
    second, again = _run(folder, fleet, 2)
    if again.proven != sums.proven:
        raise BenchError(f"the second run with the ledger says that {again.proven} are proven, not {sums.proven}")
    fleet.change_one_value()
    third, changed = _run(folder, fleet, 3)
    if not third or (changed.refuted, changed.proven) != (1, sums.proven - 1):
        raise BenchError(f"one value was changed in place, and {third} proofs were made again, {changed.refuted} refuted")
    return Figure(
        name="proofs_repeated_second_run",
        value=max(second, third - 1),
        unit="proofs",
        bound=0,
        exact=True,
        note=f"of the {first} that the first run made with a ledger, all frames of the packages being others; of these one whose value "
        f"was changed in place was made again by a third run, which is the control",
    )


def _run(folder: Path, fleet: ProvableFleet, number: int) -> tuple[int, ProofSums]:
    """One run of the report as far as the proofs and the ledger go: how many proofs were made, and what it says of them."""
    now = NOW + timedelta(hours=number)
    made: list[ProofJob] = []

    def counted(jobs: Sequence[ProofJob], *, say: Callable[[str], None], time_limit: float, before: int, of: int) -> dict[int, Proof]:
        made.extend(jobs)
        return prove_all(jobs, say=say, time_limit=time_limit, before=before, of=of)

    params = {
        "ledger": {"path": str(folder / "ledger" / "ledger.db"), "hmac_key_file": str(folder / "key"), "keep_days": 400, "compare_days": 7}
    }
    with ledger_run(params, check_mode=False, say=_nothing, warn=_fail, clock=lambda: now) as run:
        said = {name: [parse_observation(name, data)] for name, data in fleet.observed(now - timedelta(minutes=5), number).items()}
        observations = run.with_earlier(fleet.hosts, said)
        readings = [store.read() for store in fleet.stores.values()]
        computers = inventory_computers(fleet.hosts, observations, now=now, requirements=fleet.requirements)
        known = known_computers(computers, readings)
        proofs = prove_fleet(
            known,
            readings,
            fleet.stores,
            fleet.requirements,
            ProofLimits(),
            now=now,
            say=_nothing,
            warn=_fail,
            prove_jobs=counted,
            memory=run.memory_of_proofs,
        )
        judgement = judge_estate(known, readings, fleet.requirements, now=now, proofs=proofs)
        recorded = run.record(run.compared(judgement, {}), {})
    if proofs.sums is None or not recorded["recorded"]:
        raise BenchError("a run with a ledger was not kept")
    return len(made), proofs.sums


def _nothing(_text: str) -> None:
    return


def _fail(text: str) -> None:
    raise BenchError(text)
