# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Judge a whole estate: what hosts said and what stores hold, joined, as computers with volumes, verdicts and findings. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from . import computer_findings, verdict
from .clusters import Hidden, name_object, shared_volumes
from .device_joins import join_devices
from .entries import StoreIndex
from .findings import make
from .holdings import FleetHoldings, in_order
from .joins import AD, ENTRA, NO_JOIN, Computer, StoreJoin, join_directory
from .model import Finding, Flag, ObservedVolume, ProtectorStanding, ProtectorType, StoreReading, StoreState, Verdict
from .proofs import NO_PROOFS, Proofs
from .requirements import Requirements
from .rows import ComputerRow, EstateJudgement, ProtectorRow, UnmatchedEntry, VolumeRow
from .verdict import VolumeEvidence, VolumeJudgement


@dataclass(slots=True)
class _Judge:
    """The state shared by the steps of one judgement."""

    computers: list[Computer]
    names: list[str]
    indexes: Mapping[str, StoreIndex]
    holdings: FleetHoldings
    requirements: Requirements
    now: datetime
    elsewhere: Hidden
    live_keys: Mapping[str, frozenset[int]]
    findings: list[Finding] = field(default_factory=list)


def known_computers(computers: Sequence[Computer], readings: Iterable[StoreReading]) -> list[Computer]:
    """Join the inventory's computers to the stores, and add those that only a store knows; an AD object and its device are one of them."""
    by_store = {reading.store: reading for reading in readings}
    directory, tenant = by_store.get(AD), by_store.get(ENTRA)
    known = list(computers)
    if directory is not None:
        known += [Computer(joins={AD: StoreJoin(owner=owner)}) for owner in join_directory(directory, computers)]
    if tenant is not None:
        known += join_devices(tenant, directory, known)
    for computer in known:
        for store in by_store:
            computer.joins.setdefault(store, NO_JOIN)
    return known


def owners_to_name(computers: Iterable[Computer], reading: StoreReading) -> list[str]:
    """Owners under which something is expected and nothing readable was found: there a hidden entry must be told from none.

    Only in AD can an entry be seen by its name alone.
    """
    if reading.store != AD:
        return []
    readable: dict[str, set[str]] = defaultdict(set)
    for entry in reading.entries:
        if not entry.deleted and not entry.defects:
            readable[entry.owner_id].update(entry.key_ids)
    wanted: dict[str, None] = {}
    for computer in computers:
        join = computer.joins.get(reading.store, NO_JOIN)
        if join.owner is None:
            continue
        found = readable.get(join.owner.owner_id, set())
        asked = set(_recovery_ids(computer)) if computer.observation and computer.observation.volumes else set()
        if (asked - found) if asked else not found:
            wanted[join.owner.owner_id] = None
        cluster = name_object(reading, computer.observation)
        if cluster is not None:
            wanted[cluster.owner_id] = None
    return list(wanted)


def _recovery_ids(computer: Computer) -> list[str]:
    volumes = (computer.observation.volumes if computer.observation else None) or ()
    return [p.key_id for volume in volumes for p in volume.protectors or () if p.type == ProtectorType.RECOVERY_PASSWORD]


def judge_estate(
    computers: Sequence[Computer],
    readings: Sequence[StoreReading],
    requirements: Requirements,
    *,
    now: datetime,
    proofs: Proofs = NO_PROOFS,
) -> EstateJudgement:
    """Judge every computer; ``computers`` come from :func:`known_computers` over the same ``readings``, ``proofs`` are about them."""
    names, ordered = in_order(computers)
    shared, elsewhere = shared_volumes(ordered)
    indexes = {reading.store: StoreIndex(reading) for reading in readings}
    judge = _Judge(
        computers=ordered,
        names=names,
        indexes=indexes,
        holdings=FleetHoldings(computers=ordered, indexes=indexes, shared=shared, proofs=proofs),
        requirements=requirements,
        now=now,
        elsewhere=elsewhere,
        live_keys=_live_keys(ordered),
    )
    rows = tuple(_computer_row(judge, index) for index in range(len(ordered)))
    observed = sum(computer.fresh for computer in ordered)
    run = _run_findings(readings, requirements, proofs, observed=observed, known=len(ordered))
    return _conclude(judge, rows, run, {reading.store: reading for reading in readings}, observed)


def _live_keys(computers: Sequence[Computer]) -> dict[str, frozenset[int]]:
    """Every protector's ID on a computer observed now -> the computers that have it."""
    keys: dict[str, set[int]] = defaultdict(set)
    for index, computer in enumerate(computers):
        for volume in (computer.seen.volumes if computer.seen else None) or ():
            for protector in volume.protectors or ():
                keys[protector.key_id].add(index)
    return {key_id: frozenset(indexes) for key_id, indexes in keys.items()}


def _standings(rows: Iterable[ProtectorRow]) -> tuple[ProtectorStanding, ...]:
    return tuple(
        ProtectorStanding(key_id=row.key_id, states={store: holding.state for store, holding in row.holdings.items()})
        for row in rows
        if row.holdings is not None
    )


def _judge_volume(judge: _Judge, computer: Computer, volume: ObservedVolume, rows: tuple[ProtectorRow, ...]) -> VolumeJudgement:
    requirements = judge.requirements
    standings = _standings(rows)
    required = requirements.stores
    holdings = [holding for row in rows if row.holdings for store, holding in row.holdings.items() if store in required]
    seen = computer.seen
    judgement = verdict.judge_volume(
        VolumeEvidence(
            volume=volume,
            standings=standings,
            duplicate=any(holding.duplicate for holding in holdings),
            conflicting=any(holding.conflicting for holding in holdings),
            malformed=any(holding.defects for holding in holdings),
            held_elsewhere=any(holding.elsewhere for holding in holdings),
            unreadable=any(not entry.readable for holding in holdings for entry in holding.own),
            backup_claims={p.key_id: frozenset(p.backup) for p in volume.protectors or () if p.backup},
            circular_stores=_circular_stores(judge, computer),
        ),
        requirements,
    )
    if seen is not None or not judgement.in_scope:
        return judgement
    on_file = verdict.judge_on_file(standings, requirements)
    return VolumeJudgement(in_scope=True, verdict=on_file, flags=(), codes=computer_findings.verdict_codes(on_file))


def _circular_stores(judge: _Judge, computer: Computer) -> frozenset[str]:
    """Stores that need this very machine to be read: a domain controller's own domain."""
    seen, index = computer.seen, judge.indexes.get(AD)
    if seen is None or index is None or not seen.domain_controller or seen.domain is None:
        return frozenset()
    return frozenset({AD} if (index.reading.domain or "").lower() == seen.domain else ())


def _computer_row(judge: _Judge, index: int) -> ComputerRow:
    computer, name = judge.computers[index], judge.names[index]
    volumes = _volume_rows(judge, index)
    unmatched = _unmatched(judge, index)
    if volumes:
        scoped = [row.judgement.verdict for row in volumes if row.judgement.verdict is not None]
        word = verdict.worst(scoped) if scoped else None
    elif index in judge.elsewhere:
        word = None
    else:
        word = _without_volumes(judge, computer)
    flags = tuple(flag for flag in Flag if any(flag in row.judgement.flags for row in volumes))
    held = _held(judge, computer)
    row = ComputerRow(name=name, computer=computer, verdict=word, flags=flags, volumes=volumes, unmatched=unmatched, held=held)
    judge.findings += computer_findings.of_volumes(row, judge.requirements, {store: i.reading.state for store, i in judge.indexes.items()})
    judge.findings += computer_findings.of_computer(row, judge.requirements, judge.now)
    return row


def _held(judge: _Judge, computer: Computer) -> dict[str, int]:
    owned = {store: computer.joins[store].owner_id for store in judge.indexes}
    return {store: len(judge.indexes[store].entries_of([owner_id])) for store, owner_id in owned.items() if owner_id is not None}


def _volume_rows(judge: _Judge, index: int) -> tuple[VolumeRow, ...]:
    computer = judge.computers[index]
    hidden = judge.elsewhere.get(index, frozenset())
    volumes = (computer.observation.volumes if computer.observation else None) or ()
    return tuple(_volume_row(judge, index, volume) for volume in volumes if volume.device_id not in hidden)


def _volume_row(judge: _Judge, index: int, volume: ObservedVolume) -> VolumeRow:
    """A volume where it is listed. One that nodes share is judged by each node's word, and the worst holds: none hides another's."""
    members = judge.holdings.members(index, volume)
    nodes = list(dict.fromkeys(node for node, _told in members))
    names = tuple(judge.names[node] for node in nodes) if len(nodes) > 1 else ()
    rows = []
    for node, told in members:
        protectors = judge.holdings.of_volume(nodes, node, told)
        judgement = _judge_volume(judge, judge.computers[node], told, protectors)
        here = told if told is volume else replace(told, device_id=volume.device_id, letter=volume.letter, mount_point=volume.mount_point)
        rows.append(VolumeRow(volume=here, judgement=judgement, protectors=protectors, nodes=names))
    worst = verdict.worst(row.judgement.verdict for row in rows if row.judgement.verdict is not None)
    return next(row for row in rows if row.judgement.verdict is worst)


def _without_volumes(judge: _Judge, computer: Computer) -> Verdict:
    """The verdict of a computer that lists no volume."""
    seen = computer.seen
    if seen is not None:
        return Verdict.UNAVAILABLE if seen.bitlocker_installed is False else Verdict.UNKNOWN
    standings = []
    for store, index in judge.indexes.items():
        join = computer.joins[store]
        if join.owner is None:
            continue
        owners = frozenset({join.owner.owner_id})
        keys = {key_id for entry in index.entries_of(owners) for key_id in entry.key_ids}
        for key_id in keys:
            state = index.holding(key_id, owners=owners, rivals=join.rivals, disputed=join.disputed).state
            standings.append(ProtectorStanding(key_id=key_id, states={store: state}))
    return verdict.judge_on_file(standings, judge.requirements)


def _unmatched(judge: _Judge, index: int) -> tuple[UnmatchedEntry, ...]:
    computer = judge.computers[index]
    listed = {
        p.key_id for volume in (computer.observation.volumes if computer.observation else None) or () for p in volume.protectors or ()
    }
    told_all, out = computer.told_all, []
    for store, stored in judge.indexes.items():
        join = computer.joins[store]
        for entry in stored.entries_of([join.owner.owner_id] if join.owner else []):
            if any(key_id in listed for key_id in entry.key_ids):
                continue
            if entry.defects:
                why = "malformed"
            elif any(judge.live_keys.get(key_id, frozenset()) - {index} for key_id in entry.key_ids):
                why = "belongs_elsewhere"
            else:
                why = "stale" if told_all else "not_observed"
            out.append(UnmatchedEntry(entry=entry, why=why))
    return tuple(out)


def _run_findings(
    readings: Sequence[StoreReading], requirements: Requirements, proofs: Proofs, *, observed: int, known: int
) -> list[Finding]:
    findings = []
    for reading in readings:
        if reading.state in (StoreState.DOWN, StoreState.PARTIAL):
            findings.append(make("KW-STO-001", store=reading.store, state=reading.state.value, reason=reading.reason))
        elif reading.state is StoreState.NO_RIGHTS:
            findings.append(make("KW-STO-002", store=reading.store, reason=reading.reason))
        elif reading.unsearched_owners:
            findings.append(
                make(
                    "KW-STO-001",
                    store=reading.store,
                    state="partial",
                    reason=f"{len(reading.unsearched_owners)} computer objects could not be searched",
                )
            )
        if reading.read_only and reading.store in proofs.asked:
            findings.append(make("KW-STO-003", store=reading.store))
    coverage = observed / known if known else 0.0
    if coverage < requirements.min_coverage or not known:
        findings.append(make("KW-RUN-001", observed=observed, known=known, min_coverage=requirements.min_coverage))
    return findings


def _conclude(
    judge: _Judge, rows: tuple[ComputerRow, ...], run: list[Finding], readings: Mapping[str, StoreReading], observed: int
) -> EstateJudgement:
    words = [row.judgement.verdict for computer in rows for row in computer.volumes if row.judgement.verdict is not None]
    words += [row.verdict for row in rows if not row.volumes and row.verdict is not None]
    passing = sum(verdict.is_passing(word, judge.requirements) for word in words)
    return EstateJudgement(
        generated_at=judge.now,
        requirements=judge.requirements,
        readings=readings,
        computers=rows,
        findings=tuple(run + judge.findings),
        verdicts=Counter(word.value for word in words),
        flags=Counter(flag.value for computer in rows for row in computer.volumes for flag in row.judgement.flags),
        volumes=sum(len(row.volumes) for row in rows),
        passing=passing,
        could_not_look=sum(verdict.could_not_look(word) for word in words),
        units=len(words),
        observed=observed,
        complete=not run,
        passed=not run and passing == len(words),
        proofs=judge.holdings.proofs.sums,
    )
