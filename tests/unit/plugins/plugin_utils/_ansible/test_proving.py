# SPDX-License-Identifier: GPL-3.0-or-later
"""The proofs of a run: what is read, within which budget and time, what is kept of it, and what comes out. All made up."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import proving
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proof_pool import ProofJob, prove_all
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proving import ProofLimits, prove_fleet
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import Computer, InventoryHost, StoreJoin
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Outcome, Proof
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.unsealing import recovery_password_key
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.ledger_types import ProofRecord
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    Entry,
    Observation,
    ObservedProtector,
    ObservedVolume,
    Owner,
    StoreReading,
    StoreState,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.proofs import Basis, Place, Proofs
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.recovery_password import to_binary
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.port import StoreNames, StoreValue
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIVE = Requirements(stores=("ad", "entra"), proof="live")


def key(number: int) -> str:
    return f"{number:08x}-1111-4222-8333-444444444444"


def password(number: int) -> str:
    return "-".join([f"{11 * (number + 1):06d}"] * 8)


def _datum(role: int, kind: int, body: bytes) -> bytes:
    return struct.pack("<4H", 8 + len(body), role, kind, 1) + body


def package(key_id: str, opened_by: str, *, master_key: bytes = bytes(range(32))) -> bytes:
    """A recovery password's protector, as the format documentation of libbde has it."""
    salt = bytes(16)
    wrapping = recovery_password_key(to_binary(Secret(opened_by)), salt).reveal()
    sealed = AESCCM(wrapping, tag_length=16).encrypt(bytes(12), _datum(0, 1, struct.pack("<2H", 0x2003, 0) + master_key), None)
    stretch = _datum(0, 3, struct.pack("<2H", 0x1000, 0) + salt)
    box = _datum(0, 5, bytes(12) + sealed[-16:] + sealed[:-16])
    return _datum(2, 8, uuid.UUID(key_id).bytes_le + struct.pack("<Q2H", 1, 0, 0x0800) + stretch + box)


@dataclass
class FakeStore:
    """Values by entry ID; a text that is none of the values is why there is none."""

    name: str
    held: Mapping[str, str]
    packages: Mapping[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    asked_packages: set[str] = field(default_factory=set)

    def read(self) -> StoreReading:
        raise AssertionError("it was read before")

    def name_hidden(self, owner_ids: Iterable[str]) -> StoreNames:
        return StoreNames()

    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        self.asked_packages |= set(packages)
        for entry in entries:
            self.asked.append(entry.entry_id)
            value = self.held[entry.entry_id]
            if value.startswith("not "):
                yield StoreValue(entry=entry, problem=value)
            elif value.startswith("bad "):
                yield StoreValue(entry=replace(entry, value=Secret(value), defects=("it is no recovery password",)))
            else:
                kept = self.packages.get(entry.entry_id) if entry.entry_id in packages else None
                yield StoreValue(entry=replace(entry, value=Secret(value)), package=Secret(kept) if kept else None)

    def close(self) -> None:
        pass


class Fleet:
    """Computers with one volume and one recovery password each; in both stores as the values say."""

    def __init__(
        self, number: int, ad: Mapping[int, str] | None = None, entra: Mapping[int, str] | None = None, packages: bool = True
    ) -> None:
        self.computers = [self._computer(n, packages) for n in range(number)]
        self.stores: dict[str, FakeStore] = {}
        self.readings = []
        for store, held in (("ad", ad), ("entra", entra)):
            if held is not None:
                entries = tuple(
                    Entry(store=store, owner_id=f"{store} {n}", entry_id=f"{store} {n}", location=f"{store} {n}", key_ids=(key(n),))
                    for n in held
                )
                owners = tuple(Owner(store=store, owner_id=f"{store} {n}", name=f"PC{n}", location="") for n in range(number))
                self.readings.append(StoreReading(store=store, state=StoreState.SEARCHED, owners=owners, entries=entries))
                self.stores[store] = FakeStore(store, {f"{store} {n}": value for n, value in held.items()})
        self.said: list[str] = []
        self.warned: list[str] = []

    def _computer(self, n: int, packages: bool) -> Computer:
        readings = (Secret(b"package"), Secret(b"package")) if packages else ()
        protector = ObservedProtector(key_id=key(n), type="recovery_password", key_packages=readings)
        volume = ObservedVolume(device_id=f"d{n}", type="os", conversion="fully_encrypted", protection="on", protectors=(protector,))
        seen = Observation(host=f"pc{n:05}", observed_at=NOW, bitlocker_installed=True, volumes=(volume,))
        joins = {store: StoreJoin(owner=Owner(store=store, owner_id=f"{store} {n}", name="", location="")) for store in ("ad", "entra")}
        return Computer(host=InventoryHost(name=seen.host), observation=seen, fresh=True, joins=joins)

    def with_package(self, n: int, *readings: bytes) -> Fleet:
        computer = self.computers[n]
        assert computer.observation is not None
        assert computer.observation.volumes is not None
        volume = computer.observation.volumes[0]
        assert volume.protectors is not None
        protector = replace(volume.protectors[0], key_packages=tuple(Secret(reading) for reading in readings))
        computer.observation = replace(computer.observation, volumes=(replace(volume, protectors=(protector,)),))
        return self

    def proven(self, limits: ProofLimits | None = None, *, prove_jobs: Any = prove_all, **options: Any) -> Proofs:
        needed = replace(LIVE, stores=tuple(self.stores))
        return prove_fleet(
            self.computers,
            self.readings,
            self.stores,
            needed,
            limits or ProofLimits(),
            now=NOW,
            say=self.said.append,
            warn=self.warned.append,
            prove_jobs=prove_jobs,
            **options,
        )


class Prover:
    """Says of each job what the test wants, by the password's first six digits; counts jobs."""

    def __init__(self, word: Callable[[ProofJob], Outcome] = lambda _job: Outcome.PROVEN, *, first: int | None = None) -> None:
        self.jobs: list[ProofJob] = []
        self.calls: list[tuple[int, int]] = []
        self._word = word
        self._first = first

    def __call__(
        self, jobs: Sequence[ProofJob], *, say: Callable[[str], None], time_limit: float, before: int, of: int
    ) -> dict[int, Proof]:
        self.calls.append((before, of))
        self.jobs += jobs
        return {
            n: Proof(outcome=self._word(job), reason="so it is") for n, job in enumerate(jobs) if self._first is None or n < self._first
        }


def outcomes(proofs: Proofs) -> dict[str, str]:
    return {ref.entry_id: proof.outcome.value for (ref, _key, _place), proof in proofs.made.items()}


def test_real_packages_and_real_workers_tell_right_from_wrong() -> None:
    right, other = password(1), password(2)
    fleet = Fleet(3, ad={0: right, 1: other, 2: right}, entra={0: right})
    for n in range(3):
        fleet.with_package(n, *[package(key(n), right)] * 2)
    fleet.with_package(2, b"no package", b"no package")
    proofs = fleet.proven()
    assert outcomes(proofs) == {"ad 0": "proven", "entra 0": "proven", "ad 1": "refuted", "ad 2": "inconclusive"}
    assert proofs.sums is not None
    assert (proofs.sums.wanted, proofs.sums.made, proofs.sums.values_read, proofs.sums.days_until_all) == (4, 4, 4, 0)
    assert all(proof.basis is Basis.LIVE and proof.made_at == NOW for proof in proofs.made.values())
    assert right not in repr(proofs)


def test_a_package_that_was_read_once_never_refutes() -> None:
    fleet = Fleet(1, ad={0: password(2)}).with_package(0, package(key(0), password(1)))
    assert outcomes(fleet.proven()) == {"ad 0": "inconclusive"}


def test_equal_values_are_proven_once_and_shown_twice() -> None:
    prover = Prover()
    fleet = Fleet(1, ad={0: password(1)}, entra={0: password(1)})
    proofs = fleet.proven(prove_jobs=prover)
    assert len(prover.jobs) == 1
    assert outcomes(proofs) == {"ad 0": "proven", "entra 0": "proven"}
    assert len({value.number for value in proofs.values.values()}) == 1
    assert (
        len({value.number for value in Fleet(1, ad={0: password(1)}, entra={0: password(2)}).proven(prove_jobs=prover).values.values()})
        == 2
    )


def test_a_value_that_is_no_recovery_password_is_malformed_and_not_proven() -> None:
    prover = Prover()
    proofs = Fleet(1, ad={0: "bad one"}).proven(prove_jobs=prover)
    assert prover.jobs == []
    assert [value.defects for value in proofs.values.values()] == [("it is no recovery password",)]
    assert proofs.sums is not None
    assert (proofs.sums.wanted, proofs.sums.made, proofs.sums.not_read, proofs.sums.days_until_all) == (1, 0, 0, 0)


def test_what_cannot_be_read_takes_nothing_along_and_is_warned_of_once_for_each_store() -> None:
    fleet = Fleet(4, ad={0: "not allowed", 1: password(1), 2: "not there"}, entra={3: "not this one"})
    proofs = fleet.proven(prove_jobs=Prover())
    assert outcomes(proofs) == {"ad 1": "proven"}
    assert proofs.sums is not None
    assert (proofs.sums.wanted, proofs.sums.not_read, proofs.sums.values_read) == (4, 3, 1)
    assert fleet.warned == [
        "ad: 2 recovery passwords could not be read to be proven, the first because: not allowed",
        "entra: 1 recovery password could not be read to be proven, the first because: not this one",
    ]
    assert proofs.asked == {"ad", "entra"}


@pytest.mark.parametrize(("budget", "days"), [(10, 0), (9, 1), (5, 1), (4, 2), (1, 9), (0, None)])
def test_the_budget_bounds_what_is_read_from_entra_and_the_run_says_how_long_all_takes(budget: int, days: int | None) -> None:
    fleet = Fleet(10, entra={n: password(n) for n in range(10)})
    proofs = fleet.proven(ProofLimits(entra_reads=budget), prove_jobs=Prover())
    assert len(fleet.stores["entra"].asked) == budget
    assert proofs.sums is not None
    assert (proofs.sums.proven, proofs.sums.not_read, proofs.sums.days_until_all) == (budget, 10 - budget, days)


def test_without_a_live_package_the_directory_s_own_is_tried_and_entra_is_not_asked() -> None:
    fleet = Fleet(2, ad={0: password(1), 1: password(1)}, entra={0: password(1)}, packages=False)
    fleet.stores["ad"].packages = {"ad 0": package(key(0), password(1))}
    proofs = fleet.proven()
    assert fleet.stores["entra"].asked == []
    assert fleet.stores["ad"].asked_packages == {"ad 0", "ad 1"}
    assert [(ref.entry_id, proof.outcome, proof.basis) for (ref, _k, _p), proof in proofs.made.items()] == [
        ("ad 0", Outcome.PROVEN, Basis.DIRECTORY)
    ]
    assert proofs.sums is not None
    assert (proofs.sums.wanted, proofs.sums.made, proofs.sums.directory, proofs.sums.without_package) == (0, 0, 1, 2)


def test_when_the_time_is_up_what_was_proven_stays_and_nothing_more_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "BATCH", 2)
    now = iter([0.0, 1.0, 1.0, 1.0, 1.0, *[11.0] * 20])
    fleet = Fleet(6, ad={n: password(n) for n in range(6)})
    proofs = fleet.proven(ProofLimits(seconds=10), prove_jobs=Prover(first=1), clock=lambda: next(now))
    assert len(fleet.stores["ad"].asked) == 2
    assert outcomes(proofs) == {"ad 0": "proven"}
    assert fleet.said[-1] == "the time for proofs is up: 2 of 6 recovery passwords looked at"
    assert proofs.sums is not None
    assert (proofs.sums.wanted, proofs.sums.made, proofs.sums.not_read, proofs.sums.days_until_all) == (6, 1, 4, 5)


def test_values_are_dropped_with_their_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "BATCH", 2)
    held: list[int] = []
    prove = proving._Run._prove

    def watched(run: Any, batch: Any) -> None:
        held.append(len(run.held))
        prove(run, batch)

    monkeypatch.setattr(proving._Run, "_prove", watched)
    prover = Prover()
    proofs = Fleet(5, ad={n: password(n) for n in range(5)}).proven(prove_jobs=prover)
    assert held == [2, 2, 1]
    assert prover.calls == [(0, 5), (2, 5), (4, 5)]
    assert len(proofs.made) == 5


def test_one_entry_for_two_volumes_is_read_once_and_proven_against_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "BATCH", 1)
    fleet = Fleet(1, ad={0: password(1)})
    seen = fleet.computers[0].observation
    assert seen is not None
    assert seen.volumes is not None
    protector = ObservedProtector(key_id=key(0), type="recovery_password", key_packages=(Secret(b"other"), Secret(b"other")))
    fleet.computers[0].observation = replace(
        seen, volumes=(*seen.volumes, replace(seen.volumes[0], device_id="d9", protectors=(protector,)))
    )
    prover = Prover(lambda job: Outcome.PROVEN if job.readings[0] == Secret(b"other") else Outcome.REFUTED)
    proofs = fleet.proven(prove_jobs=prover)
    assert fleet.stores["ad"].asked == ["ad 0"]
    assert {place: proof.outcome for (_ref, _key, place), proof in proofs.made.items()} == {
        Place("pc00000", "d0"): Outcome.REFUTED,
        Place("pc00000", "d9"): Outcome.PROVEN,
    }


def test_nothing_to_prove_asks_nobody_and_says_nothing() -> None:
    fleet = Fleet(2, ad={}, entra={})
    proofs = fleet.proven(prove_jobs=pytest.fail)
    assert (fleet.said, proofs.asked) == ([], frozenset())
    assert proofs.sums is not None
    assert proofs.sums.days_until_all == 0


@pytest.mark.parametrize("wrong", [{"entra_reads": -1}, {"seconds": -1.0}, {"seconds": float("nan")}, {"seconds": 1e9}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="limit the proofs"):
        ProofLimits(**wrong)


@dataclass
class Remembers:
    """Knows one entry's proof."""

    entry_id: str
    kept: list[str] = field(default_factory=list)

    def recall(self, entry: Entry, key_id: str, datum: str) -> ProofRecord | None:
        if entry.entry_id != self.entry_id:
            return None
        return ProofRecord(
            store=entry.store,
            owner_id=entry.owner_id,
            entry_id=entry.entry_id,
            key_id=key_id,
            datum=datum,
            version="",
            value_mark="",
            outcome="proven",
            basis="live",
            made_at=NOW,
        )

    def remember(self, entry: Entry, key_id: str, datum: str, outcome: str, basis: str, made_at: datetime, reason: str) -> None:
        self.kept.append(entry.entry_id)

    def last_proven(self) -> dict[tuple[str, str, str], datetime]:
        return {("ad", self.entry_id, ""): NOW}


def test_the_sums_tell_what_was_remembered_from_what_was_made_now() -> None:
    prover, memory = Prover(), Remembers("ad 1")
    proofs = Fleet(3, ad={0: password(1), 1: password(2), 2: password(3)}).proven(prove_jobs=prover, memory=memory)
    assert proofs.sums is not None
    assert (proofs.sums.made, proofs.sums.remembered, proofs.sums.proven, len(prover.jobs)) == (3, 1, 3, 2)
    assert memory.kept == ["ad 0", "ad 2"]
