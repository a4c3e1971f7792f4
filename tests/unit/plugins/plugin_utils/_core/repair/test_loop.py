# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of a repair: errors, lost answers, lies and lags; and that check mode foresees what is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import EntryState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair import escrow, rotation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.loop import Repaired, foresee, repair
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.steps import (
    AddRecoveryPassword,
    BackUp,
    Done,
    RemoveProtector,
    Step,
    Stop,
    Tried,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.repair.view import VolumeView
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError

from .test_rotation import OLD, OTHER, World, intent_for, world


class Times:
    """Patience for so many looks; ``meanwhile`` happens at each."""

    def __init__(self, looks: int = 3, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.left = looks
        self.meanwhile = meanwhile

    def wait(self) -> bool:
        self.left -= 1
        self.meanwhile()
        return self.left >= 0


class Meddled:
    """A world in which the step of a given number goes wrong: ``lost`` is done and answers with an error, ``lie`` is not and says yes."""

    def __init__(self, at: World, number: int, how: str, *, always: bool = False) -> None:
        self.at, self.number, self.how, self.always = at, number, how, always
        self.asked: list[Step] = []
        self.least = at.working()

    def view(self) -> VolumeView:
        return self.at.view()

    def do(self, step: Step) -> None:
        self.asked.append(step)
        count = len(self.asked)
        meddle = count == self.number or (self.always and count > self.number)
        if not meddle or self.how == "lost":
            self.at.do(step)
        assert self.at.working() >= self.least
        if meddle and self.how != "lie":
            raise KeywardError("do a step", meaning=self.how)


def rotate(at: World | Meddled, intent: rotation.Intent) -> Repaired:
    return repair(at, lambda view, tried: rotation.next_step(view, intent, tried), Times())


def back_up(at: World | Meddled, patience: Times | None = None) -> Repaired:
    return repair(at, lambda view, tried: escrow.next_step(view, None, tried), patience or Times())


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("how", ["error", "lost", "lie"])
def test_a_rotation_survives_every_step_going_wrong_once(number: int, how: str) -> None:
    at = world()
    intent = intent_for(at)
    ended = rotate(Meddled(at, number, how), intent)
    if not isinstance(ended.end, Done):
        # a lie about a backup is not believed: it ends with what the store shows, and the next run goes on from there
        assert how == "lie"
        assert "not show" in ended.end.reason
        assert OLD in at.protectors
        ended = rotate(at, intent_for(at, "feedface"))
    assert ended.end == Done()
    assert at.working() == 1
    assert OLD not in at.protectors


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("how", ["error", "lost", "lie"])
def test_a_rotation_that_is_cut_off_is_finished_by_the_next_run(number: int, how: str) -> None:
    at = world()
    first = rotate(Meddled(at, number, how, always=True), intent_for(at))
    assert isinstance(first.end, Done | Stop)
    second = rotate(at, intent_for(at, "feedface")) if OLD in at.protectors else first
    assert OLD not in at.protectors
    assert second.end == Done() or how == "lost"
    assert at.working() == 1


def test_a_lost_answer_counts_as_the_change_that_it_was() -> None:
    at = world()
    ended = rotate(Meddled(at, 1, "lost"), intent_for(at))
    assert [type(step) for step in ended.steps] == [AddRecoveryPassword, BackUp, BackUp, RemoveProtector]
    assert len(ended.problems) == 1


def test_one_store_that_refuses_does_not_keep_the_key_from_the_other() -> None:
    at = world(escrowed=False)
    at.add(OTHER)

    class Refusing(Meddled):
        def do(self, step: Step) -> None:
            if isinstance(step, BackUp) and step.store == "ad":
                raise KeywardError("store it", meaning="policy")
            super().do(step)

    ended = back_up(Refusing(at, 99, "error"))
    assert isinstance(ended.end, Stop)
    assert "policy" in ended.end.reason
    assert ended.steps == (BackUp("entra", OLD), BackUp("entra", OTHER))
    assert set(at.held["entra"]) == {OLD, OTHER}


def test_a_store_that_lags_is_waited_for() -> None:
    at = world(escrowed=False)
    at.hidden = {("ad", OLD)}
    ended = back_up(at, Times(3, meanwhile=partial(at.hidden.clear)))
    assert ended.end == Done()
    assert ended.steps == (BackUp("ad", OLD), BackUp("entra", OLD))


def test_a_wrong_entry_is_found_and_asks_for_a_rotation() -> None:
    at = world(escrowed=False)
    at.held["ad"][OLD] = False
    ended = back_up(at)
    assert isinstance(ended.end, Stop)
    assert ended.end.needs_rotation == (OLD,)
    assert at.state("entra", OLD) is EntryState.PROVEN


@pytest.mark.parametrize("escrowed", [True, False])
def test_check_mode_foresees_the_steps_of_the_real_run(escrowed: bool) -> None:
    at = world(escrowed=escrowed)
    expected = foresee(at.view(), lambda view, tried: escrow.next_step(view, None, tried))
    assert expected.steps == back_up(at).steps
    intent = intent_for(at)

    def decide(view: VolumeView, tried: Tried) -> object:
        return rotation.next_step(view, intent, tried)

    foreseen = foresee(at.view(), decide)  # type: ignore[arg-type]  # the decisions are what next_step gives
    done = rotate(at, intent)
    assert [type(step) for step in foreseen.steps] == [type(step) for step in done.steps]
    assert foreseen.end == done.end == Done()


def test_a_second_backup_changes_nothing() -> None:
    at = world(escrowed=False)
    assert back_up(at).changed
    assert not back_up(at).changed


def test_a_step_of_which_nobody_sees_whether_it_was_done_is_uncertain_and_counts_as_a_change() -> None:
    at = world()

    class Gone(Meddled):
        """The host answers no more after the first step."""

        def view(self) -> VolumeView:
            seen = super().view()
            return replace(seen, locked=None, conversion=None, protectors=None) if self.asked else seen

    ended = rotate(Gone(at, 1, "lost"), intent_for(at))
    assert isinstance(ended.end, Stop)
    assert [type(step) for step in ended.uncertain] == [AddRecoveryPassword]
    assert (ended.steps, ended.changed) == ((), True)


def test_what_is_uncertain_at_first_and_seen_later_is_done() -> None:
    at = world(escrowed=False)

    class Blind(Meddled):
        """Of the store nobody can say anything once, just after the step whose answer was lost."""

        def view(self) -> VolumeView:
            at.down = {"ad"} if len(self.asked) == 1 and not self.looked else set()
            self.looked = bool(self.asked)
            return super().view()

        looked = False

    ended = back_up(Blind(at, 1, "lost"))
    assert ended.end == Done()
    assert ended.changed


def test_a_store_in_which_nothing_can_be_told_to_be_the_computers_is_not_written_to_and_others_are() -> None:
    at = world(escrowed=False)

    class Barred(Meddled):
        def view(self) -> VolumeView:
            return replace(super().view(), barred={"ad": "several objects answer to its name"})

    ended = back_up(Barred(at, 99, "error"))
    assert isinstance(ended.end, Stop)
    assert "several objects answer to its name" in ended.end.reason
    assert ended.steps == (BackUp("entra", OLD),)
    assert not ended.uncertain
