# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The verdict on a volume: pure and total, DESIGN section 5 as code.

What the host says of the volume's encryption comes first (:mod:`.volume_state`), then what the stores hold for its recovery passwords. What
could not be looked at is judged twice, at its worst and at its best (the bounds rule); only what both say is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .findings import FLAG_CODES, VERDICT_CODES
from .model import COUNTED, EntryState, Flag, ObservedVolume, ProtectorStanding, ProtectorType, Verdict
from .requirements import Requirements
from .volume_state import VolumeState

#: an observation that claims to be made later than this after now is too old to be judged by: a clock is wrong
FUTURE_TOLERANCE = timedelta(minutes=5)

_STATE_RANK = {state: rank for rank, state in enumerate(EntryState)}
_BADNESS = {verdict: rank for rank, verdict in enumerate(Verdict)}
_BEST_FIRST = (Verdict.RECOVERABLE, Verdict.ESCROWED, Verdict.AT_RISK, Verdict.WRONG_KEY, Verdict.UNESCROWED)
_GOOD = frozenset({Verdict.ESCROWED, Verdict.RECOVERABLE})
_CONTRADICTED = frozenset({EntryState.REFUTED, EntryState.CONFLICTING})

#: a state of a protector in a store -> the code it puts on the volume
_STATE_CODES = {
    EntryState.CONFLICTING: "KW-ESC-003",
    EntryState.MALFORMED: "KW-ESC-004",
    EntryState.REFUTED: "KW-ESC-005",
    EntryState.UNREADABLE: "KW-ESC-007",
    EntryState.DELETED: "KW-ESC-008",
}

#: the recovery passwords of a volume by key ID, each with its states in the required stores, in their order
_Rows = Mapping[str, tuple[EntryState, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeEvidence:
    """All that is known about one volume of an observed computer.

    ``standings``: one for every recovery_password protector of the volume; a protector or a required store that has none is ``unknown``.
    The marks ``duplicate`` to ``unreadable`` are facts read from entries of this volume's protectors; they do not depend on unknown states.
    ``backup_claims``: stores named by Windows' own backup record ("ad", "entra"), per key ID.
    ``circular_stores``: stores whose copy needs this very machine to be read (a domain controller's own domain).
    """

    volume: ObservedVolume
    standings: tuple[ProtectorStanding, ...] = ()
    duplicate: bool = False
    conflicting: bool = False
    malformed: bool = False
    held_elsewhere: bool = False
    unreadable: bool = False
    backup_claims: Mapping[str, frozenset[str]] = field(default_factory=dict)
    circular_stores: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeJudgement:
    """What is said of a volume. ``verdict`` is None exactly when it is out of scope.

    ``flags`` in the order of :class:`Flag`; ``codes``: every KW-VOL and KW-ESC code that sits on the volume, sorted, each once.
    """

    in_scope: bool
    verdict: Verdict | None
    flags: tuple[Flag, ...]
    codes: tuple[str, ...]


_OUT_OF_SCOPE = VolumeJudgement(in_scope=False, verdict=None, flags=(), codes=())


def combine(states: Iterable[EntryState]) -> EntryState:
    """The state of a protector in a store from the states of its several own entries there; none at all is ``absent``."""
    return min(states, key=_STATE_RANK.__getitem__, default=EntryState.ABSENT)


def judge_volume(evidence: VolumeEvidence, requirements: Requirements) -> VolumeJudgement:
    """Judge a volume of an observed computer whose observation is young enough."""
    state = VolumeState(evidence.volume)
    if not state.in_scope(requirements):
        return _OUT_OF_SCOPE
    rows = _rows(evidence, requirements)
    flags = state.flags(requirements)
    verdict = state.verdict()
    if verdict is None:
        verdict, found = _by_stores(state, rows, requirements)
        flags |= found
    codes = _entry_codes(evidence, rows, state, requirements)
    if verdict in VERDICT_CODES:
        codes.add(VERDICT_CODES[verdict])
    codes.update(FLAG_CODES[flag] for flag in flags)
    if (evidence.volume.suspend_count or 0) <= requirements.suspended_reboots_allowed:
        codes.discard(FLAG_CODES[Flag.SUSPENDED])
    ordered = tuple(flag for flag in Flag if flag in flags) if flags else ()
    return VolumeJudgement(in_scope=True, verdict=verdict, flags=ordered, codes=tuple(sorted(codes)))


def judge_on_file(standings: Sequence[ProtectorStanding], requirements: Requirements) -> Verdict:
    """The verdict where the computer was not observed or its observation is too old: is anything on file in a required store?

    ``standings`` are those of a listed volume's recovery passwords, or of every key ID found under the computer's own owners.
    """
    counted = any(standing.states.get(store) in COUNTED for standing in standings for store in requirements.stores)
    return Verdict.ON_FILE if counted else Verdict.UNKNOWN


def worst(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The verdict of a computer over those of its volumes in scope; None when there are none."""
    return min(verdicts, key=_BADNESS.__getitem__, default=None)


def is_passing(verdict: Verdict, requirements: Requirements) -> bool:
    """Whether a volume with this verdict meets the requirements."""
    return verdict is Verdict.RECOVERABLE or (verdict is Verdict.ESCROWED and requirements.proof != "live")


def could_not_look(verdict: Verdict) -> bool:
    """Whether this verdict says that nobody could look: neither passing nor missing."""
    return verdict in (Verdict.UNKNOWN, Verdict.ON_FILE)


def is_too_old(observed_at: datetime, now: datetime, requirements: Requirements) -> bool:
    """Whether an observation may not be judged by, which includes one from more than 5 minutes ahead. Both times carry an offset."""
    age = now - observed_at
    return age > requirements.max_observation_age or age < -FUTURE_TOLERANCE


def _rows(evidence: VolumeEvidence, requirements: Requirements) -> _Rows:
    """Every recovery password of the volume; what nobody searched is unknown."""
    by_key = {standing.key_id: standing.states for standing in evidence.standings}
    nothing: Mapping[str, EntryState] = {}
    return {
        protector.key_id: tuple([by_key.get(protector.key_id, nothing).get(store, EntryState.UNKNOWN) for store in requirements.stores])
        for protector in evidence.volume.protectors or ()
        if protector.type == ProtectorType.RECOVERY_PASSWORD
    }


def _by_stores(state: VolumeState, rows: _Rows, requirements: Requirements) -> tuple[Verdict, set[Flag]]:
    """The rows of the recovery passwords, by the bounds rule.

    Needs every protector's type. One that was not read, or that these rules do not know, may be a recovery password whose escrow nobody
    looked for: at worst it is none, at best it is one that lies in every store. Where both bounds pass, the lower is certain and is the
    verdict: else a proof in one store could turn ``escrowed`` into ``unknown``, and a proof never makes a verdict worse.
    """
    passwords = list(rows.values())
    low, low_flags = _bound(state, passwords, EntryState.ABSENT, requirements)
    untyped = state.untyped
    if not untyped and not any(EntryState.UNKNOWN in states for states in passwords):
        return low, low_flags
    best = EntryState.PROVEN if requirements.proof == "live" else EntryState.PRESENT
    if untyped:
        passwords.append((best,) * len(requirements.stores))
    high, high_flags = _bound(state, passwords, best, requirements)
    certain = low is high or (is_passing(low, requirements) and is_passing(high, requirements))
    return low if certain else Verdict.UNKNOWN, low_flags & high_flags


def _bound(
    state: VolumeState, passwords: Sequence[tuple[EntryState, ...]], unknown: EntryState, requirements: Requirements
) -> tuple[Verdict, set[Flag]]:
    """Verdict and flags with every unknown state taken as ``unknown``: the best protector's verdict, and its siblings' mark."""
    if not passwords:
        return Verdict.NO_RECOVERY_PASSWORD, {Flag.OTHER_RECOVERY} if state.other_recovery() else set()
    verdicts = {_of_password([unknown if s is EntryState.UNKNOWN else s for s in states], requirements.copies) for states in passwords}
    best = next(verdict for verdict in _BEST_FIRST if verdict in verdicts)
    return best, {Flag.SIBLING_NOT_ESCROWED} if best in _GOOD and not verdicts <= _GOOD else set()


def _of_password(states: Sequence[EntryState], copies: int) -> Verdict:
    """The verdict of one recovery password from its states in the required stores, none of them unknown."""
    counted = sum(state in COUNTED for state in states)
    proven = EntryState.PROVEN in states
    if counted >= copies and proven:
        return Verdict.RECOVERABLE
    if not proven and any(state in _CONTRADICTED for state in states):
        return Verdict.WRONG_KEY
    if counted >= copies:
        return Verdict.ESCROWED
    if counted:
        return Verdict.AT_RISK
    return Verdict.WRONG_KEY if EntryState.MALFORMED in states else Verdict.UNESCROWED


def _entry_codes(evidence: VolumeEvidence, rows: _Rows, state: VolumeState, requirements: Requirements) -> set[str]:
    """The KW-ESC codes of the volume's recovery passwords, those that hold under both bounds: none rests on an unknown state."""
    marks = (
        (evidence.duplicate, "KW-ESC-002"),
        (evidence.conflicting, "KW-ESC-003"),
        (evidence.malformed, "KW-ESC-004"),
        (evidence.held_elsewhere, "KW-ESC-006"),
        (evidence.unreadable, "KW-ESC-007"),
    )
    codes = {code for mark, code in marks if mark}
    codes.update(_STATE_CODES[found] for states in rows.values() for found in states if found in _STATE_CODES)
    for key_id, claimed in evidence.backup_claims.items():
        for store, found in zip(requirements.stores, rows.get(key_id, ()), strict=False):
            if found is EntryState.ABSENT and store in claimed:
                codes.add("KW-ESC-011")
    if evidence.circular_stores and _only_circular(evidence.circular_stores, rows, state, requirements):
        codes.add("KW-ESC-012")
    return codes


def _only_circular(circular: frozenset[str], rows: _Rows, state: VolumeState, requirements: Requirements) -> bool:
    """Whether there are counted copies, all where this machine itself is needed; an unknown state elsewhere may be a copy."""
    found = False
    for states in rows.values():
        for store, held in zip(requirements.stores, states, strict=True):
            if store in circular:
                found |= held in COUNTED
            elif held in COUNTED or held is EntryState.UNKNOWN:
                return False
    return found and not (state.untyped and not circular.issuperset(requirements.stores))
