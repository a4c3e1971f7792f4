# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotation: whatever fails, whoever else is at it, never fewer working escrowed keys than before."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Conversion, EntryState, ProtectorType
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.removal import why_not_remove
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.rotation import Intent, intend, next_step, tag_for
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.steps import (
    AddRecoveryPassword,
    BackUp,
    Decision,
    Done,
    LookAgain,
    RemoveProtector,
    Step,
    Stop,
    Tried,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.view import ProtectorView, VolumeView
from hypothesis import settings, stateful
from hypothesis import strategies as st

STORES = ("ad", "entra")
TPM_PIN, OLD, OTHER = (str(uuid.UUID(int=number << 96)) for number in (1, 2, 3))


@dataclass
class World:
    """One volume and two stores; what a controller would meet."""

    protectors: dict[str, ProtectorView] = field(default_factory=dict)
    #: store -> key ID -> whether what it holds opens the volume
    held: dict[str, dict[str, bool]] = field(default_factory=lambda: {store: {} for store in STORES})
    #: written, and not shown to readers yet
    hidden: set[tuple[str, str]] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def add(self, key_id: str, kind: str = ProtectorType.RECOVERY_PASSWORD, name: str = "") -> None:
        self.protectors[key_id] = ProtectorView(key_id=key_id, type=kind, name=name)

    def escrow(self, key_id: str) -> None:
        for store in STORES:
            self.held[store][key_id] = True

    def working(self) -> int:
        """Recovery passwords on the volume that some store holds rightly."""
        return sum(
            1
            for item in self.protectors.values()
            if item.is_recovery_password and any(self.held[store].get(item.key_id) for store in STORES)
        )

    def state(self, store: str, key_id: str) -> EntryState:
        if store in self.down:
            return EntryState.UNKNOWN
        if key_id not in self.held[store] or (store, key_id) in self.hidden:
            return EntryState.ABSENT
        return EntryState.PROVEN if self.held[store][key_id] else EntryState.REFUTED

    def view(self) -> VolumeView:
        protectors = tuple(
            ProtectorView(key_id=item.key_id, type=item.type, name=item.name, stores={s: self.state(s, item.key_id) for s in STORES})
            for item in self.protectors.values()
        )
        return VolumeView(label="C:", stores=STORES, locked=False, conversion=Conversion.FULLY_ENCRYPTED, protectors=protectors)

    def do(self, step: Step) -> None:
        if isinstance(step, AddRecoveryPassword):
            self.add(str(uuid.UUID(int=self.random.getrandbits(128))), name=step.tag)
        elif isinstance(step, RemoveProtector):
            self.protectors.pop(step.key_id, None)
        elif isinstance(step, BackUp) and step.key_id in self.protectors and step.store not in self.down:
            # a store keeps what it has under a key ID
            self.held[step.store].setdefault(step.key_id, True)


def world(*, escrowed: bool = True) -> World:
    made = World()
    made.add(TPM_PIN, ProtectorType.TPM_PIN)
    made.add(OLD)
    if escrowed:
        made.escrow(OLD)
    return made


def intent_for(at: World, unique: str = "0badcafe") -> Intent:
    intent = intend(at.view(), OLD, tag_for(OLD, moment="20261123T031500Z", unique=unique))
    assert isinstance(intent, Intent)
    return intent


def run(at: World, intent: Intent) -> tuple[list[Step], Decision]:
    steps: list[Step] = []
    while len(steps) < 20:
        decision = next_step(at.view(), intent)
        if isinstance(decision, Done | Stop | LookAgain):
            return steps, decision
        at.do(decision)
        steps.append(decision)
    raise AssertionError("it does not end")


def test_a_rotation_adds_escrows_both_and_only_then_removes() -> None:
    at = world()
    steps, end = run(at, intent_for(at))
    assert [type(step) for step in steps] == [AddRecoveryPassword, BackUp, BackUp, RemoveProtector]
    assert steps[-1] == RemoveProtector(OLD)
    assert end == Done()
    assert TPM_PIN in at.protectors
    assert len(at.protectors) == 2


def test_a_second_run_takes_up_what_the_first_left_whatever_its_own_tag() -> None:
    at = world()
    at.do(next_step(at.view(), intent_for(at)))
    steps, end = run(at, intent_for(at, unique="feedface"))
    assert [type(step) for step in steps] == [BackUp, BackUp, RemoveProtector]
    assert end == Done()


@pytest.mark.parametrize("store", STORES)
def test_nothing_is_removed_while_a_store_is_down_shows_nothing_or_holds_another_value(store: str) -> None:
    for spoil in ("down", "hidden", "planted"):
        at = world()
        intent = intent_for(at)
        at.do(next_step(at.view(), intent))
        (new,) = at.view().key_ids - intent.snapshot
        if spoil == "down":
            at.down.add(store)
        elif spoil == "hidden":
            at.hidden.add((store, new))
        else:
            at.held[store][new] = False
        tried: list[Step] = []
        for _round in range(6):
            decision = next_step(at.view(), intent, Tried(done=frozenset(tried)))
            assert not isinstance(decision, RemoveProtector | Done | AddRecoveryPassword)
            if isinstance(decision, BackUp):
                at.do(decision)
                tried.append(decision)
        assert isinstance(decision, LookAgain if spoil != "planted" else Stop), spoil
        if isinstance(decision, Stop):
            assert decision.needs_rotation == (new,)


def test_a_protector_that_came_meanwhile_stops_it() -> None:
    at = world()
    intent = intent_for(at)
    at.do(next_step(at.view(), intent))
    at.add(OTHER)
    assert isinstance(next_step(at.view(), intent), Stop)


def test_a_protector_that_was_to_stay_and_is_gone_stops_it() -> None:
    at = world()
    at.add(OTHER)
    intent = intent_for(at)
    at.do(next_step(at.view(), intent))
    del at.protectors[OTHER]
    assert isinstance(next_step(at.view(), intent), Stop)


def test_two_controllers_leave_one_new_one() -> None:
    at = world()
    first, second = intent_for(at, "11111111"), intent_for(at, "22222222")
    at.do(AddRecoveryPassword(first.tag))
    at.do(AddRecoveryPassword(second.tag))
    assert run(at, first)[1] == Done()
    assert run(at, second)[1] == Done()
    assert len(at.protectors) == 2
    assert at.working() == 1


@pytest.mark.parametrize("broken", [{"locked": True}, {"locked": None}, {"conversion": None}, {"protectors": None}, {"stores": ()}])
def test_a_volume_that_could_not_be_read_whole_is_left_alone(broken: dict[str, object]) -> None:
    at = world()
    at.add(OTHER)
    at.escrow(OTHER)
    whole = at.view()
    assert why_not_remove(whole, OLD, expected=whole.key_ids) is None
    fields = {name: getattr(whole, name) for name in ("label", "stores", "locked", "conversion", "protectors")}
    spoilt = VolumeView(**{**fields, **broken})
    assert why_not_remove(spoilt, OLD, expected=whole.key_ids)
    assert isinstance(intend(spoilt, OLD, "x"), Stop)


def test_the_last_recovery_password_stays_even_beside_other_protectors() -> None:
    at = world()
    assert "no other recovery password" in str(why_not_remove(at.view(), OLD, expected=at.view().key_ids))


class Rotations(stateful.RuleBasedStateMachine):
    """Two controllers with views that grow old, answers that are lost, stores that fail and lag, kills and re-runs."""

    def __init__(self) -> None:
        super().__init__()
        self.at = world()
        self.least = self.at.working()
        self.intents: dict[int, Intent | None] = {0: None, 1: None}
        self.views: dict[int, VolumeView] = {}
        self.count = 0

    controller = st.sampled_from((0, 1))
    store = st.sampled_from(STORES)

    @stateful.rule(who=controller)
    def read(self, who: int) -> None:
        self.views[who] = self.at.view()

    @stateful.rule(who=controller)
    def begin(self, who: int) -> None:
        if who in self.views and self.intents[who] is None:
            self.count += 1
            intent = intend(self.views[who], OLD, tag_for(OLD, moment="20261123T031500Z", unique=f"{self.count:08x}"))
            self.intents[who] = intent if isinstance(intent, Intent) else None

    @stateful.rule(who=controller, fate=st.sampled_from(("done", "done", "lost answer", "not done")))
    def act(self, who: int, fate: str) -> None:
        intent, view = self.intents[who], self.views.get(who)
        if intent is None or view is None:
            return
        decision = next_step(view, intent)
        if not isinstance(decision, Done | Stop) and fate != "not done":
            self.at.do(decision)
        # after each step it reads again before the next one
        del self.views[who]

    @stateful.rule(who=controller)
    def kill(self, who: int) -> None:
        self.intents[who] = None
        self.views.pop(who, None)

    @stateful.rule(store=store)
    def fails(self, store: str) -> None:
        self.at.down ^= {store}

    @stateful.rule(store=store, keep=st.booleans())
    def lags(self, store: str, keep: bool) -> None:
        newest = list(self.at.protectors)[-1]
        self.at.hidden = {(store, newest)} if keep and newest not in (TPM_PIN, OLD) else set()

    @stateful.rule(store=store)
    def planted(self, store: str) -> None:
        newest = list(self.at.protectors)[-1]
        if newest not in self.at.held[store]:
            self.at.held[store][newest] = False

    @stateful.invariant()
    def never_fewer_working_keys(self) -> None:
        assert self.at.working() >= self.least
        assert TPM_PIN in self.at.protectors

    @stateful.invariant()
    def one_new_password_a_controller_at_most(self) -> None:
        assert len(self.at.protectors) <= 2 + self.count

    def teardown(self) -> None:
        """When all works again, a last run ends with one working recovery password or says why it cannot."""
        self.at.down.clear()
        self.at.hidden.clear()
        if OLD in self.at.protectors:
            end = run(self.at, intent_for(self.at, "ffffffff"))[1]
            assert isinstance(end, Done | Stop)
            assert isinstance(end, Stop) == any(False in held.values() for held in self.at.held.values()) or end == Done()


Rotations.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestRotations = Rotations.TestCase
