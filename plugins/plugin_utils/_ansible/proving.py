# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The proofs of one run of the report: read the values that the plan asks for, hold each against its package, and keep only what came out.

Values are read a batch at a time and dropped with it, so a run that ends early has read hardly more than it has proven.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .._core.joins import ENTRA, Computer
from .._core.key_proof.proof import Outcome, Proof
from .._core.ledger_types import ProofRecord
from .._core.model import Entry, StoreReading
from .._core.proof_plan import LastProven, ProofPlan, Target, datum_digest, make_plan
from .._core.proofs import Basis, EntryProof, EntryRef, Place, Proofs, ProofSums, ReadValue
from .._core.redaction import Secret
from .._core.requirements import Requirements
from .._errors import OptionError
from .._stores.port import Store
from .proof_pool import ProofJob, prove_all

#: protectors whose values are in memory at a time
BATCH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofLimits:
    """How much a run may read and how long it may take, and what is told meanwhile.

    ``entra_reads``: recovery keys that may be read from Entra ID, which writes each down and slows down who reads many. ``seconds`` is the
    time for reading and proving together.
    """

    entra_reads: int = 500
    seconds: float = 1800.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.entra_reads < 0:
            raise _wrong("entra_read_budget", f"{self.entra_reads} is no number of keys")
        if not 0 <= self.seconds <= 7 * 24 * 3600:
            raise _wrong("proof_time_limit", f"{self.seconds} is no number of seconds within a week")

    @property
    def scope(self) -> dict[str, Any]:
        """What of the proofs was to be made, for the report."""
        return {"proof": {"entra_read_budget": self.entra_reads, "proof_time_limit": self.seconds}}


def _wrong(option: str, meaning: str) -> OptionError:
    return OptionError("limit the proofs", target=f"option {option}", meaning=meaning, remedy="Give 0 or more.")


class Memory(Protocol):
    """What earlier runs proved; :class:`.ledger_run.LedgerRun` is one."""

    def recall(self, entry: Entry, key_id: str, datum: str) -> ProofRecord | None:
        """A proof that holds still, so that it need not be made again."""

    def remember(self, entry: Entry, key_id: str, datum: str, outcome: str, basis: str, made_at: datetime, reason: str) -> None:
        """Keep a proof that was made now."""

    def last_proven(self) -> LastProven:
        """When what was proven, so that the oldest comes first."""


class Prove(Protocol):
    """:func:`.proof_pool.prove_all`, or what stands in for it."""

    def __call__(
        self, jobs: Sequence[ProofJob], *, say: Callable[[str], None], time_limit: float, before: int, of: int
    ) -> dict[int, Proof]:
        """The proofs by the job's place."""


@dataclass(slots=True)
class _Value:
    """A value while it is needed: ``entry`` holds it, ``number`` is that of its equals."""

    entry: Entry
    number: int
    package: Secret[bytes] | None


@dataclass(slots=True, kw_only=True)
class _Run:
    """What the steps of one run share; :meth:`prove` is the whole of it."""

    plan: ProofPlan
    stores: Mapping[str, Store]
    say: Callable[[str], None]
    now: datetime
    clock: Callable[[], float]
    deadline: float
    prove_jobs: Prove
    held: dict[EntryRef, _Value] = field(default_factory=dict)
    read: dict[EntryRef, ReadValue] = field(default_factory=dict)
    made: dict[tuple[EntryRef, str, Place], EntryProof] = field(default_factory=dict)
    failed: dict[EntryRef, str] = field(default_factory=dict)
    uses: Counter[EntryRef] = field(default_factory=Counter)
    done: int = 0
    memory: Memory | None = None
    unread: set[EntryRef] = field(default_factory=set)
    remembered: int = 0

    def prove(self) -> None:
        """Batch after batch, until the plan or the time is at its end."""
        targets = self.plan.targets
        self.uses.update(ref for target in targets for ref in _refs(target))
        for start in range(0, len(targets), BATCH):
            if self.clock() >= self.deadline:
                self.say(f"the time for proofs is up: {start} of {len(targets)} recovery passwords looked at")
                return
            batch = targets[start : start + BATCH]
            self._read(batch)
            self._prove(batch)
            self._drop(batch)

    def _read(self, batch: Sequence[Target]) -> None:
        """The values of the batch that are not there yet, store by store."""
        wanted: dict[str, dict[EntryRef, Entry]] = {}
        packages: set[str] = set()
        for target in batch:
            for ref, entry in zip(_refs(target), target.entries, strict=True):
                if ref not in self.read and ref not in self.failed:
                    wanted.setdefault(ref.store, {})[ref] = entry
                if not target.packages:
                    packages.add(ref.entry_id)
        equals = _Equals(self.held.values(), first=len(self.read))
        for store, entries in wanted.items():
            values = self.stores[store].values(entries.values(), packages=packages)
            for ref, value in zip(entries, values, strict=False):
                secret = value.entry.value
                if secret is None:
                    self.failed[ref] = value.problem or "it came without a value"
                else:
                    number = equals.number(secret, value.entry.key_ids[0])
                    defects = value.entry.defects[len(entries[ref].defects) :]
                    self.read[ref] = ReadValue(number=number, defects=defects)
                    self.held[ref] = _Value(value.entry, number, value.package)
                if self.clock() >= self.deadline:
                    break

    def _prove(self, batch: Sequence[Target]) -> None:
        """Each value against its package; equal values against equal packages once."""
        jobs: list[ProofJob] = []
        asked: list[tuple[int, EntryRef, Target, Basis, Entry]] = []
        known: dict[tuple[str, int], list[int]] = {}
        for target in batch:
            for ref in _refs(target):
                value = self.held.get(ref)
                if value is None or self.read[ref].defects or value.entry.value is None:
                    continue
                readings = target.packages or ((value.package,) if value.package is not None else ())
                if not readings:
                    continue
                if self.memory is not None and self._recalled(ref, value.entry, target):
                    continue
                alike = known.setdefault((target.key_id, value.number), [])
                job = next((number for number in alike if tuple(jobs[number].readings) == readings), None)
                if job is None:
                    job = len(jobs)
                    alike.append(job)
                    jobs.append(ProofJob(key_id=target.key_id, secret=value.entry.value, readings=readings))
                asked.append((job, ref, target, Basis.LIVE if target.packages else Basis.DIRECTORY, value.entry))
        left = max(self.deadline - self.clock(), 0.0)
        proofs = self.prove_jobs(jobs, say=self.say, time_limit=left, before=self.done, of=max(self.plan.wanted, self.done + len(jobs)))
        self.done += len(jobs)
        for job, ref, target, basis, entry in asked:
            proof = proofs.get(job)
            if proof is not None:
                moment = target.observed_at if basis is Basis.LIVE else self.now
                made = EntryProof(outcome=proof.outcome, basis=basis, made_at=moment, reason=proof.reason)
                self.made[ref, target.key_id, target.place] = made
                if self.memory is not None:
                    self.memory.remember(entry, target.key_id, datum_digest(target), made.outcome, made.basis, made.made_at, made.reason)

    def recall_unread(self, targets: Iterable[Target]) -> None:
        """Proofs of earlier runs for what the budget left out, where the store itself says that nothing was written since."""
        for target in targets:
            for ref, entry in zip(_refs(target), target.entries, strict=True):
                if ref not in self.read and ref not in self.failed and self._recalled(ref, entry, target):
                    self.unread.add(ref)
        for number, ref in enumerate(sorted(self.unread), len(self.read)):
            self.read[ref] = ReadValue(number=number)

    def _recalled(self, ref: EntryRef, entry: Entry, target: Target) -> bool:
        """Whether an earlier proof holds, which is then laid over the entry."""
        record = self.memory.recall(entry, target.key_id, datum_digest(target)) if self.memory is not None and target.packages else None
        if record is None:
            return False
        moment = record.made_at
        if entry.value is not None:
            # the same value and the same live wrapping as then: that holds as of now, and whose value is dear to read has had its turn
            moment = target.observed_at
            if self.memory is not None and ref.store == ENTRA:
                self.memory.remember(entry, target.key_id, record.datum, record.outcome, record.basis, moment, record.reason)
        made = EntryProof(outcome=Outcome(record.outcome), basis=Basis.LIVE, made_at=moment, reason=record.reason)
        self.made[ref, target.key_id, target.place] = made
        self.remembered += 1
        return True

    def _drop(self, batch: Sequence[Target]) -> None:
        """Forget what no later batch needs."""
        for target in batch:
            for ref in _refs(target):
                self.uses[ref] -= 1
                if not self.uses[ref]:
                    self.held.pop(ref, None)


class _Equals:
    """Numbers for values, equal ones for equal values of one protector; a new one is higher than all that were given."""

    def __init__(self, held: Iterable[_Value], *, first: int) -> None:
        self._known: dict[str, list[tuple[Secret[str], int]]] = {}
        self._next = first
        for value in held:
            if value.entry.value is not None:
                self._known.setdefault(value.entry.key_ids[0], []).append((value.entry.value, value.number))

    def number(self, secret: Secret[str], key_id: str) -> int:
        """The number of a value."""
        known = self._known.setdefault(key_id, [])
        found = next((number for other, number in known if other == secret), None)
        if found is None:
            found, self._next = self._next, self._next + 1
            known.append((secret, found))
        return found


def prove_fleet(
    computers: Sequence[Computer],
    readings: Sequence[StoreReading],
    stores: Mapping[str, Store],
    requirements: Requirements,
    limits: ProofLimits,
    *,
    now: datetime,
    say: Callable[[str], None],
    warn: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    prove_jobs: Prove = prove_all,
    memory: Memory | None = None,
) -> Proofs:
    """Prove what the fleet's own entries hold against the packages that its computers gave.

    Args:
        computers: those of the report, joined (see :func:`.._core.estate.known_computers`).
        readings: what the stores brought, by metadata.
        stores: by name, still open.
        requirements: only their stores are asked for values.
        limits: budget and time.
        now: when the run is.
        say, warn: told how far it is; and once for each store why values could not be read.
        clock: seconds of a clock that never goes back.
        prove_jobs: makes the proofs.
        memory: what earlier runs proved: the oldest comes first, and what holds still is not made again.
    """
    last_proven = memory.last_proven() if memory is not None else None
    plan = make_plan(computers, readings, requirements, budgets={ENTRA: limits.entra_reads}, last_proven=last_proven)
    run = _Run(
        plan=plan, stores=stores, say=say, now=now, clock=clock, deadline=clock() + limits.seconds, prove_jobs=prove_jobs, memory=memory
    )
    if plan.targets:
        say(f"proofs: {plan.wanted} wanted{_beyond(plan, limits)}")
        run.prove()
    if memory is not None and len(memory.last_proven()):
        run.recall_unread(make_plan(computers, readings, requirements, budgets={}).targets)
    for store in sorted({ref.store for ref in run.failed}):
        reasons = [reason for ref, reason in run.failed.items() if ref.store == store]
        more = f"{len(reasons)} recovery passwords" if len(reasons) > 1 else "1 recovery password"
        warn(f"{store}: {more} could not be read to be proven, the first because: {reasons[0]}")
    asked = frozenset(ref.store for ref in (*run.read, *run.failed))
    return Proofs(values=run.read, made=run.made, asked=asked, sums=_sums(run, limits))


def _beyond(plan: ProofPlan, limits: ProofLimits) -> str:
    if not plan.over_budget:
        return ""
    return f", {plan.over_budget} of them beyond the budget of {limits.entra_reads} keys from Entra ID (entra_read_budget)"


def _sums(run: _Run, limits: ProofLimits) -> ProofSums:
    plan = run.plan
    live = Counter(proof.outcome for proof in run.made.values() if proof.basis is Basis.LIVE)
    pairs = [ref for target in plan.targets if target.packages for ref in _refs(target)]
    looked_at = sum(ref in run.read or ref in run.failed for ref in pairs)
    settled = live.total() + sum(ref in run.failed or bool(ref in run.read and run.read[ref].defects) for ref in pairs)
    days = [_more_runs(plan.reads.get(ENTRA, 0) - len(run.unread), limits.entra_reads)]
    if settled < len(pairs):  # the time was up
        days.append(_more_runs(plan.wanted, min(looked_at, settled)))
    return ProofSums(
        wanted=plan.wanted,
        made=live.total(),
        remembered=run.remembered,
        proven=live[Outcome.PROVEN],
        refuted=live[Outcome.REFUTED],
        inconclusive=live[Outcome.INCONCLUSIVE],
        not_read=max(plan.over_budget - len(run.unread), 0) + sum(ref not in run.read for ref in pairs),
        values_read=len(run.read) - len(run.unread),
        days_until_all=None if None in days else max(day for day in days if day is not None),
        directory=sum(proof.basis is Basis.DIRECTORY for proof in run.made.values()),
        without_package=plan.without_package,
    )


def _more_runs(number: int, a_run: int) -> int | None:
    """How many runs after this one it takes until all of a number were had; None where none ever is."""
    if not number:
        return 0
    return math.ceil(number / a_run) - 1 if a_run else None


def _refs(target: Target) -> list[EntryRef]:
    return [EntryRef(entry.store, entry.entry_id) for entry in target.entries]
