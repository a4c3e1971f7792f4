# SPDX-License-Identifier: GPL-3.0-or-later
"""The screen of a key: it fits a small terminal, its large digits can be read, and nothing that a peer said commands the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report.key_screen import HEIGHT, WIDTH, screen
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report.sheet import SheetKey
from hypothesis import given, settings
from hypothesis import strategies as st

#: seven segments of each digit: top, upper left, upper right, middle, lower left, lower right, bottom
SEGMENTS = {
    "0": "1110111",
    "2": "1011101",
    "3": "1011011",
    "4": "0111010",
    "5": "1101011",
    "6": "1101111",
    "7": "1010010",
    "8": "1111111",
    "9": "1111011",
}
KEYS = st.binary(min_size=16, max_size=16).map(lambda raw: recovery_password.from_binary(Secret(raw)))


def key(password: Secret[str], computer: str = "pc01.corp.example", drive: str = "C:") -> SheetKey:
    return SheetKey(key_id="0123abcd-1111-2222-3333-444444444444", password=password, computer=computer, facts=(("Drive", drive),))


def dots(lines: list[str]) -> list[str]:
    """Half blocks as rows of dots."""
    upper = str.maketrans({"▀": "1", "█": "1", "▄": "0", " ": "0"})
    lower = str.maketrans({"▀": "0", "█": "1", "▄": "1", " ": "0"})
    return [row for line in lines for row in (line.translate(upper), line.translate(lower))]


def seen(rows: list[str], column: int) -> str:
    """The digit that stands from that column on, as somebody reads seven segments."""
    cell = [row[column : column + 3].ljust(3, "0") for row in rows]
    if cell[0] == "010":
        return "1"
    lit = cell[0][1] + cell[1][0] + cell[1][2] + cell[2][1] + cell[3][0] + cell[3][2] + cell[4][1]
    return next(digit for digit, segments in SEGMENTS.items() if segments == lit)


def large(text: str) -> str:
    """The key that the large digits show."""
    lines = [line.ljust(WIDTH) for line in text.split("\n")]
    groups = []
    for first in range(3, 15, 4):
        for place in range(3):
            start = 27 * place
            label = lines[first + 1][start]
            if label == " ":
                continue
            rows = dots([lines[first + number][start + 2 : start + 25] for number in range(3)])
            groups.append((label, "".join(seen(rows, 4 * digit) for digit in range(6))))
    assert [label for label, _group in groups] == list("12345678")
    return "-".join(group for _label, group in groups)


@settings(max_examples=60, deadline=None)
@given(password=KEYS)
def test_the_large_digits_are_the_key(password: Secret[str]) -> None:
    shown = screen(key(password))
    assert large(shown.reveal()) == password.reveal()
    assert isinstance(shown, Secret)


@pytest.mark.parametrize("language", ["en", "de"])
@settings(max_examples=30, deadline=None)
@given(password=KEYS, computer=st.text(max_size=300), drive=st.text(max_size=300))
def test_it_fits_and_nothing_in_it_commands_the_terminal(language: str, password: Secret[str], computer: str, drive: str) -> None:
    for drawn in (True, False):
        lines = screen(key(password, computer, drive), language=language, large=drawn).reveal().split("\n")
        # one more is the line that says how it ends
        assert len(lines) < HEIGHT
        assert max(len(line) for line in lines) <= WIDTH
        assert not any(unicodedata.category(char)[0] == "C" for line in lines for char in line)


def test_the_plain_form_has_only_text() -> None:
    lines = screen(key(Secret("-".join(["000011"] * 8))), large=False).reveal().split("\n")
    assert lines[3:5] == ["1  0 0 0 0 1 1   zero zero zero, zero one one.", "2  0 0 0 0 1 1   zero zero zero, zero one one."]
    assert len(lines) == 11
