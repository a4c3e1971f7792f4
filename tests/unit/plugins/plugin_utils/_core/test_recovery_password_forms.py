# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of a recovery password for people, and that what holds its digits stays a secret."""

from __future__ import annotations

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import recovery_password, recovery_password_forms
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError, OptionError
from hypothesis import given, settings
from hypothesis import strategies as st

#: a published test key (cryptsetup's BitLocker test images)
PUBLISHED = "042647-302313-590458-071500-554323-116567-412181-516978"
KEYS = st.binary(min_size=16, max_size=16).map(lambda raw: recovery_password.from_binary(Secret(raw)))


def test_the_mask_shows_no_digit_and_is_the_same_for_all() -> None:
    assert recovery_password_forms.masked(Secret(PUBLISHED)) == "-".join(["******"] * 8)
    assert recovery_password_forms.masked(Secret("-".join(["000000"] * 8))) == "-".join(["******"] * 8)


def test_the_spoken_form() -> None:
    lines = [line.reveal() for line in recovery_password_forms.spoken(Secret(PUBLISHED.replace("-", " ")))]
    assert lines[0] == "Group one: zero four two, six four seven."
    assert lines[7] == "Group eight: five one six, nine seven eight."
    german = [line.reveal() for line in recovery_password_forms.spoken(Secret(PUBLISHED), "de")]
    assert german[0] == "Gruppe eins: null vier zwo, sechs vier sieben."
    assert german[1] == "Gruppe zwei: drei null zwo, drei eins drei."


@pytest.mark.parametrize("language", list(recovery_password_forms.LANGUAGES))
@settings(max_examples=60, deadline=None)
@given(key=KEYS)
def test_what_is_read_out_can_be_written_down_again(language: str, key: Secret[str]) -> None:
    words = recovery_password_forms.LANGUAGES[language].digits
    lines = recovery_password_forms.spoken(key, language)
    heard = [line.reveal().partition(": ")[2].rstrip(".").replace(",", "").split() for line in lines]
    assert "-".join("".join(str(words.index(word)) for word in line) for line in heard) == key.reveal()
    assert not any(any(char.isdigit() for char in line.reveal()) for line in lines)
    assert all(isinstance(line, Secret) for line in lines)


def test_every_language_has_ten_words_that_differ_and_eight_numbers() -> None:
    for words in recovery_password_forms.LANGUAGES.values():
        assert len(set(words.digits)) == 10
        assert len(set(words.numbers)) == 8


def test_groups_and_digits() -> None:
    assert "-".join(group.reveal() for group in recovery_password_forms.groups(Secret(PUBLISHED))) == PUBLISHED
    assert recovery_password_forms.digits(Secret(PUBLISHED)).reveal() == PUBLISHED.replace("-", "")


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(OptionError, match=r"Choose one of en, de\."):
        recovery_password_forms.spoken(Secret(PUBLISHED), "tlh")


FORMS = [
    recovery_password_forms.masked,
    recovery_password_forms.spoken,
    recovery_password_forms.groups,
    recovery_password_forms.digits,
]


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=100, deadline=None)
@given(text=st.one_of(st.text(max_size=200), st.from_regex(r"([0-9]{5,7}[- ]?){7,9}", fullmatch=True)))
def test_what_is_no_key_is_ours_and_quotes_no_digit(form: object, text: str) -> None:
    said = ""
    try:
        form(Secret(text))  # type: ignore[operator]  # one of FORMS
    except KeywardError as error:
        said = str(error)
    assert not any(char.isdigit() for char in said)
    assert bool(said) is not recovery_password.is_valid(Secret(text))
