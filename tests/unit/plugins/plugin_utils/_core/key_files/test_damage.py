# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged passwords are named by group and count, never by digit, and never put right."""

from __future__ import annotations

import re

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_files.damage import judge, possibilities
from ansible_collections.keyward.bitlocker.tests.lab.key_files import texts
from ansible_collections.keyward.bitlocker.tests.lab.key_files.texts import damaged, lab_key
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.key_files.reading import read, values
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = lab_key("damage")
NAMES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


@pytest.mark.parametrize("group", range(8))
def test_a_wrong_digit_is_told_by_its_group(group: int) -> None:
    contents = read(texts.saved(KEY, "ja-JP").replace(KEY.password, damaged(KEY.password, group)))
    assert values(contents) == [(KEY.key_id, None)]
    (defect,) = contents.keys[0].defects
    assert f"the {NAMES[group]} group does not fit its check digit" in defect
    assert sum(name in defect for name in NAMES) == 1
    assert not re.search("[0-9]{2}", defect)


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("12345", "lacks digits"),
        ("1234567", "has too many digits"),
        ("12?456", "a sign that is no digit"),
        ("12O456", "a sign that is no digit"),
        ("720896", "larger than a group can be"),
        ("123457", "does not fit its check digit"),
    ],
)
def test_what_is_wrong_with_a_group(group: str, told: str) -> None:
    groups = tuple(KEY.password.split("-"))
    value, wrong = judge((*groups[:4], group, *groups[5:]))
    assert value is None
    assert wrong.startswith("the fifth group ")
    assert told in wrong
    assert group not in wrong


def test_what_the_check_digit_allows() -> None:
    # 000011 with its last digit unread: 000000 + d is divisible by 11 for d = 0 or 11, so 00001? has one value
    assert possibilities("00001?") == 1
    # one missing of 00011: 000011 by a zero anywhere before, and what else is divisible
    sound = {value for place in range(6) for digit in "0123456789" if int(value := "00011"[:place] + digit + "00011"[place:]) % 11 == 0}
    assert possibilities("00011") == len(sound)
    assert possibilities("??????") is None
    assert possibilities("1234") is None


def test_several_damaged_groups_and_lost_groups() -> None:
    text = texts.saved(KEY)
    twice = damaged(damaged(KEY.password, 1), 6)
    (defect,) = read(text.replace(KEY.password, twice)).keys[0].defects
    assert "second group" in defect
    assert "seventh group" in defect
    (defect,) = read(text.replace(KEY.password, KEY.password[:-7])).keys[0].defects
    assert "it has 7 groups of digits, and not eight" in defect


def test_a_damaged_password_without_id_is_told_of() -> None:
    (problem,) = read(f"key: {damaged(KEY.password, 0)}\n").problems
    assert problem.startswith("line 1: a damaged recovery password (the first group does not fit its check digit")


def test_a_masked_password_is_damaged_and_not_passed_over() -> None:
    masked = "******-" * 3 + KEY.password[21:]
    contents = read(f"{KEY.key_id}\n{masked}\n")
    assert values(contents) == [(KEY.key_id, None)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("0123456789?OlXx*", min_size=1, max_size=9), min_size=1, max_size=10))
def test_no_digit_of_a_group_is_ever_told(groups: list[str]) -> None:
    value, wrong = judge(tuple(groups))
    if value is None:
        assert wrong
        assert not any(group in wrong for group in groups if len(group) > 2)
    else:
        assert all(int(group) % 11 == 0 for group in groups)


@pytest.mark.parametrize("sign", ["\u00b2", "\u2460", "\u2070"])
@pytest.mark.parametrize(
    "text",
    [
        "{groups} {group} {group}\n",
        "{solid}{sign}\n",
        "KeyID,RecoveryPassword\n1a2b3c4d-0102-4304-8506-0708090a0b0c,{groups} {group} {group}\n",
    ],
)
def test_signs_that_only_look_like_digits_are_damage(sign: str, text: str) -> None:
    groups = " ".join(["111111"] * 6)
    contents = read(text.format(groups=groups, group="11111" + sign, solid="1" * 47, sign=sign).encode("utf-8"))
    assert not any(key.value for key in contents.keys)
