# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of a recovery password; the known ones are published test secrets (cryptsetup's BitLocker test images)."""

from __future__ import annotations

import logging
import traceback

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.recovery_password import MalformedPasswordError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError
from hypothesis import given, settings
from hypothesis import strategies as st

PUBLISHED = "042647-302313-590458-071500-554323-116567-412181-516978"
ZEROS = "-".join(["000000"] * 8)
LARGEST = "-".join(["720885"] * 8)

binaries = st.binary(min_size=16, max_size=16)


def broken(text: str) -> MalformedPasswordError:
    with pytest.raises(MalformedPasswordError) as caught:
        recovery_password.parse(Secret(text))
    return caught.value


@pytest.mark.parametrize("known", [PUBLISHED, ZEROS, LARGEST])
def test_every_form_windows_takes_has_one_canonical_form(known: str) -> None:
    forms = [
        known,
        known.replace("-", " "),
        known.replace("-", ""),
        f"  {known}\r\n",
        known.replace("-", " ", 3),
        known.replace("-", "", 3),
    ]
    for form in forms:
        assert recovery_password.parse(Secret(form)).reveal() == known
        assert recovery_password.is_valid(Secret(form))
        assert recovery_password.damaged_groups(Secret(form)) == ()


def test_the_binary_form_is_eight_little_endian_numbers() -> None:
    binary = recovery_password.to_binary(Secret(PUBLISHED)).reveal()
    assert [int.from_bytes(binary[at : at + 2], "little") * 11 for at in range(0, 16, 2)] == [int(group) for group in PUBLISHED.split("-")]
    assert recovery_password.to_binary(Secret(ZEROS)).reveal() == bytes(16)
    assert recovery_password.to_binary(Secret(LARGEST)).reveal() == b"\xff" * 16
    assert recovery_password.from_binary(Secret(bytes(16))).reveal() == ZEROS
    with pytest.raises(MalformedPasswordError):
        recovery_password.from_binary(Secret(bytes(15)))


@given(binaries)
def test_binary_and_text_are_one(binary: bytes) -> None:
    text = recovery_password.from_binary(Secret(binary))
    assert recovery_password.is_valid(text)
    assert recovery_password.to_binary(text).reveal() == binary
    assert recovery_password.parse(text) == text


@pytest.mark.parametrize(
    ("group", "why"),
    [
        ("042648", "not divisible by 11"),
        ("720896", "divisible, one step above the largest"),
        ("999999", "divisible, far above the largest"),
        ("04264", "five digits"),
        ("0426470", "seven digits"),
        ("", "nothing"),
        ("O42647", "a letter for a zero"),
        ("+42647", "a sign"),
        ("４２６４７０", "digits of another script"),
        ("٠٤٢٦٤٧", "digits of another script"),
        ("04_647", "what int() would take"),
    ],
)
@pytest.mark.parametrize("place", [0, 3, 7])
def test_a_damaged_group_is_named(group: str, why: str, place: int) -> None:
    groups = PUBLISHED.split("-")
    groups[place] = group
    damaged = recovery_password.damaged_groups(Secret("-".join(groups)))
    if not (group == "" and place in (0, 7)):
        assert damaged == (place,), why
        assert broken("-".join(groups)).groups == (place,)
        assert f"the {recovery_password.ORDINALS[place]} group is damaged" in str(broken("-".join(groups)))
    assert not recovery_password.is_valid(Secret("-".join(groups)))


def test_several_damaged_groups_are_all_named() -> None:
    groups = PUBLISHED.split("-")
    groups[1], groups[4], groups[7] = "123456", "111", "99999x"
    error = broken(" ".join(groups))
    assert error.groups == (1, 4, 7)
    assert "the second, fifth and eighth groups are damaged" in str(error)


@given(binaries, st.integers(0, 47), st.integers(1, 9))
def test_any_single_wrong_digit_is_found_in_its_group(binary: bytes, place: int, shift: int) -> None:
    digits = recovery_password.from_binary(Secret(binary)).reveal().replace("-", "")
    wrong = digits[:place] + str((int(digits[place]) + shift) % 10) + digits[place + 1 :]
    assert recovery_password.damaged_groups(Secret(wrong)) == (place // 6,)


@given(binaries, st.integers(0, 7), st.integers(0, 4))
def test_any_swap_of_neighbours_in_a_group_is_found(binary: bytes, group: int, at: int) -> None:
    digits = list(recovery_password.from_binary(Secret(binary)).reveal().replace("-", ""))
    place = group * 6 + at
    if digits[place] == digits[place + 1]:
        return
    digits[place], digits[place + 1] = digits[place + 1], digits[place]
    assert recovery_password.damaged_groups(Secret("".join(digits))) == (group,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "no password",
        PUBLISHED[:-7],
        PUBLISHED + "-000000",
        PUBLISHED.replace("-", "")[:-1],
        PUBLISHED.replace("-", "") + "0",
        PUBLISHED.replace("-", "--"),
        PUBLISHED.replace("-", "\u2011"),
        PUBLISHED.replace("-", "\n"),
        PUBLISHED + "\x00",
        "{B7ADC334-FE6D-4AE4-B5C4-1C1D0DBC335B}",
        "0" * 1_000_000,
        "-" * 1_000_000,
        ("000000-" * 8)[:-1] + " " * 1_000_000,
    ],
)
def test_what_is_no_password_is_refused(text: str) -> None:
    assert not recovery_password.is_valid(Secret(text))
    assert isinstance(broken(text), BadDataError)


@settings(deadline=None)
@given(st.text() | st.text(alphabet="0123456789- ", max_size=80))
def test_any_text_parses_or_raises_ours(text: str) -> None:
    secret = Secret(text)
    if not recovery_password.is_valid(secret):
        assert not any(char.isdigit() for char in str(broken(text)))
        return
    parsed = recovery_password.parse(secret).reveal()
    assert parsed.replace("-", "") == text.strip().replace("-", "").replace(" ", "")
    assert all(int(group) % 11 == 0 and int(group) <= 720885 for group in parsed.split("-"))
    assert len(parsed) == 55


@pytest.mark.parametrize("damage", [PUBLISHED[:-1] + "0", PUBLISHED[:-7], "1" * 500, "x" + PUBLISHED])
def test_no_digit_of_a_secret_is_in_an_error(damage: str, caplog: pytest.LogCaptureFixture) -> None:
    error = broken(damage)
    logging.getLogger("keyward").error("failed: %s", error, exc_info=error)
    chained: BaseException | None = error
    while chained is not None:
        shown = "".join([str(chained), repr(chained), repr(chained.args), repr({k: v for k, v in vars(chained).items() if k != "groups"})])
        assert not any(char.isdigit() for char in shown)
        chained = chained.__cause__ or chained.__context__
    shown = caplog.text + "".join(traceback.format_exception(error))
    for group in damage.replace(" ", "-").split("-"):
        assert group not in shown


def test_frames_of_the_error_hold_the_secret_only_in_its_type() -> None:
    """A traceback printed with local variables shows the mask."""
    error = broken(PUBLISHED[:-1] + "0")
    frames = [frame for frame, _line in traceback.walk_tb(error.__traceback__) if "recovery_password.py" in frame.f_code.co_filename]
    ours = [frame for frame in frames if not frame.f_code.co_filename.endswith("test_recovery_password.py")]
    assert ours
    for frame in ours:
        assert PUBLISHED[:13] not in repr(frame.f_locals)
