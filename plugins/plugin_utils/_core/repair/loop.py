# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The loop of every repair: read, decide, do one step, read again; or, in check mode, the same over a model of what a step would bring."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Protocol

from ..._errors import KeywardError
from ..model import EntryState, ProtectorType
from .steps import NOTHING_TRIED, AddRecoveryPassword, BackUp, Decision, Done, LookAgain, RemoveProtector, Step, Stop, Tried
from .view import ProtectorView, VolumeView

#: more than any sound repair of one volume takes: 64 protectors in five stores
MAX_ROUNDS = 400
#: the ID of a recovery password that check mode only imagines; no Windows gives it
IMAGINED = "00000000-0000-0000-0000-000000000000"

Decide = Callable[[VolumeView, Tried], Decision]


class Volume(Protocol):
    """One volume of a host with the stores that must hold its keys."""

    def view(self) -> VolumeView:
        """What is there now; what cannot be read is unknown in it. Raises only where nothing can be said of the volume at all."""

    def do(self, step: Step) -> None:
        """Do a step. An error leaves open whether it was done; the next view tells."""


class Patience(Protocol):
    """How long a store may take to show what it was given."""

    def wait(self) -> bool:
        """Wait a little; False when there is no more time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What a repair came to: the steps that were done, in order, how it ended, the errors that steps gave, and the last view.

    ``uncertain``: steps that gave an error, and of which what was seen next does not tell whether they were done.
    """

    steps: tuple[Step, ...]
    end: Done | Stop
    problems: tuple[KeywardError, ...]
    before: VolumeView
    after: VolumeView
    uncertain: tuple[Step, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the world is another one now. A step whose answer was lost counts where its effect is seen, or where nobody can see."""
        return bool(self.steps or self.uncertain)


def repair(volume: Volume, decide: Decide, patience: Patience) -> Repaired:
    """Run the loop until nothing is left to do, or something stands in the way.

    A step that gave an error is tried once more, if the next view still asks for it. After the second error a backup is counted as
    refused, so that others go on; any other step ends the repair.
    """
    before = view = volume.view()
    done: list[Step] = []
    failed: set[Step] = set()
    refused: dict[Step, str] = {}
    problems: list[KeywardError] = []
    uncertain: dict[Step, None] = {}

    def ended(end: Done | Stop) -> Repaired:
        open_still = tuple(step for step in uncertain if step not in done)
        return Repaired(steps=tuple(done), end=end, problems=tuple(problems), before=before, after=view, uncertain=open_still)

    for _round in range(MAX_ROUNDS):
        decision = decide(view, Tried(done=frozenset(done), refused=refused))
        if isinstance(decision, Done | Stop):
            return ended(decision)
        if isinstance(decision, LookAgain):
            if not patience.wait():
                return ended(_not_shown(decision))
            view = volume.view()
            continue
        if decision in done:
            return ended(Stop("the computer says that it did a step, and its volume does not show it", remedy="Look at the computer."))
        seen, (view, problem) = view, _done(volume, decision)
        if problem is None or _shows(seen, view, decision):
            done.append(decision)
        elif _hides(view, decision):
            uncertain[decision] = None
        if problem is not None:
            problems.append(problem)
            if decision in failed and not isinstance(decision, BackUp):
                return ended(Stop(str(problem)))
            if decision in failed:
                refused[decision] = str(problem)
            failed.add(decision)
    raise RuntimeError("a repair of one volume does not end")


def _not_shown(decision: LookAgain) -> Stop:
    return Stop(
        f"{decision.store} does not show the recovery password {decision.key_id} yet, or cannot be read",
        remedy="Run it again later: it goes on from there. Nothing was removed.",
    )


def foresee(view: VolumeView, decide: Decide) -> Repaired:
    """What :func:`repair` would do if every step succeeded: for check mode; nothing is touched."""
    before, done = view, list[Step]()
    for _round in range(MAX_ROUNDS):
        decision = decide(view, NOTHING_TRIED)
        if isinstance(decision, LookAgain):
            decision = _not_shown(decision)
        if isinstance(decision, Done | Stop):
            return Repaired(steps=tuple(done), end=decision, problems=(), before=before, after=view)
        done.append(decision)
        view = _after(view, decision)
    raise RuntimeError("a repair of one volume does not end")


def _done(volume: Volume, step: Step) -> tuple[VolumeView, KeywardError | None]:
    problem: KeywardError | None = None
    try:
        volume.do(step)
    except KeywardError as error:
        problem = error
    return volume.view(), problem


def _shows(before: VolumeView, after: VolumeView, step: Step) -> bool:
    """Whether a step whose answer was an error was done all the same."""
    if isinstance(step, AddRecoveryPassword):
        return any(item.name == step.tag for item in after.protectors or ()) and not any(
            item.name == step.tag for item in before.protectors or ()
        )
    if isinstance(step, RemoveProtector):
        return after.protectors is not None and after.protector(step.key_id) is None
    if isinstance(step, BackUp):
        item = after.protector(step.key_id)
        return item is not None and item.state(step.store) is EntryState.PROVEN
    return False


def _hides(after: VolumeView, step: Step) -> bool:
    """Whether what was seen after a step does not tell if it was done."""
    if after.protectors is None:
        return True
    item = after.protector(step.key_id) if isinstance(step, BackUp) else None
    return isinstance(step, BackUp) and (item is None or item.state(step.store) is EntryState.UNKNOWN)


def _after(view: VolumeView, step: Step) -> VolumeView:
    protectors: Collection[ProtectorView] = view.protectors or ()
    if isinstance(step, AddRecoveryPassword):
        absent = dict.fromkeys(view.stores, EntryState.ABSENT)
        made = ProtectorView(key_id=IMAGINED, type=ProtectorType.RECOVERY_PASSWORD, name=step.tag, stores=absent)
        protectors = (*protectors, made)
    elif isinstance(step, RemoveProtector):
        protectors = tuple(item for item in protectors if item.key_id != step.key_id)
    elif isinstance(step, BackUp):
        protectors = tuple(
            replace(item, stores={**item.stores, step.store: EntryState.PROVEN}) if item.key_id == step.key_id else item
            for item in protectors
        )
    return replace(view, protectors=tuple(protectors))
