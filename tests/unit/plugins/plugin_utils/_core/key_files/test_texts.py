# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved and printed texts in every language and encoding, tools' output, and what must not be paired."""

from __future__ import annotations

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.key_files import texts
from ansible_collections.keyward.bitlocker.tests.lab.key_files.texts import encoded, lab_key
from ansible_collections.keyward.bitlocker.tests.lab.key_files.wording import WORDINGS
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.key_files.reading import expected, read, values

KEY, OTHER, THIRD = (lab_key(number, f"PC0{number}") for number in range(3))
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig", "code page")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("language", WORDINGS)
def test_windows_file_in_every_language_and_encoding(language: str, encoding: str) -> None:
    codec = WORDINGS[language].code_page if encoding == "code page" else encoding
    for text in (texts.saved(KEY, language), texts.one_line(KEY, language)):
        contents = read(encoded(text, codec), texts.saved_name(KEY))
        assert (values(contents), contents.problems) == (expected([KEY]), ())
        assert contents.keys[0].defects == ()


def test_english_utf_16_without_mark_is_not_taken_for_utf_8() -> None:
    data = encoded(texts.saved(KEY), "utf-16-le")
    data.decode("utf-8")  # it is valid, which is the trap
    assert values(read(data)) == expected([KEY])


def test_a_script_that_appends_in_another_encoding_loses_nothing() -> None:
    for first, second in (("utf-16", "cp1252"), ("utf-16", "utf-8"), ("utf-8", "utf-16-le")):
        data = encoded(texts.saved(KEY), first) + encoded(f"\n{texts.one_line(OTHER, 'de-DE')}", second)
        contents = read(data)
        assert (values(contents), contents.problems) == (expected([KEY, OTHER]), ())


def test_a_file_that_is_padded_with_nothing() -> None:
    assert values(read(encoded(texts.saved(KEY), "utf-8") + bytes(4096))) == expected([KEY])


def test_windows_7_names_the_beginning_of_the_id_before_the_id() -> None:
    assert values(read(encoded(texts.saved_by_windows_7(KEY), "utf-16"))) == expected([KEY])


def test_many_saved_files_pasted_into_one() -> None:
    keys = [lab_key(f"many {number}") for number in range(40)]
    contents = read("\n".join(texts.saved(key, language) for key, language in zip(keys, list(WORDINGS) * 3, strict=False)))
    assert (values(contents), contents.problems) == (expected(keys), ())


def test_manage_bde() -> None:
    contents = read(encoded(texts.manage_bde([KEY, OTHER], THIRD.key_id), "cp437"))
    assert (values(contents), contents.problems) == (expected([KEY, OTHER]), ())
    assert {key.volume for key in contents.keys} == {"C:"}


@pytest.mark.parametrize("form", [texts.powershell_list, texts.powershell_table])
def test_powershell(form: object) -> None:
    assert callable(form)
    contents = read(encoded(form([KEY, OTHER, THIRD]), "utf-16"))
    assert (values(contents), contents.problems) == (expected([KEY, OTHER, THIRD]), ())


def test_a_script_that_names_the_computer() -> None:
    (key,) = read(texts.script_text(OTHER)).keys
    assert (key.computer, key.volume, key.place) == ("PC01", "C:", "line 4")


def test_digits_of_other_scripts_and_other_hyphens() -> None:
    wide = KEY.password.translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"} | {ord("-"): "－"})
    arabic = OTHER.password.translate({ord(digit): 0x0660 + int(digit) for digit in "0123456789"})
    dashes = THIRD.password.replace("-", "\u2011")
    text = f"{KEY.key_id}\n{wide}\n\n{OTHER.key_id}\n\u200f{arabic}\n\n{THIRD.key_id}\n{dashes}\u200b\n"
    assert values(read(text)) == expected([KEY, OTHER, THIRD])


@pytest.mark.parametrize(
    "spelled",
    [
        KEY.password.replace("-", " "),
        KEY.password.replace("-", ""),
        KEY.password.replace("-", " - "),
        KEY.password.replace("-", "-\n"),
        KEY.password.replace("-", "\n", 7),
        KEY.password[:17] + "\n" + KEY.password[17:],
        f"key{KEY.password}.",
        f'"{KEY.password}"',
    ],
)
def test_spellings_of_a_password(spelled: str) -> None:
    contents = read(f"{KEY.key_id}\nkey:\n{spelled}\n31 December 2026\n")
    assert (values(contents), contents.problems) == (expected([KEY]), ())


def test_a_broken_line_within_a_key_id() -> None:
    broken = KEY.key_id[:14] + "\n" + KEY.key_id[14:]
    assert values(read(f"{broken}\n{KEY.password}\n")) == expected([KEY])


def test_a_number_beside_the_first_group_is_not_drawn_into_it() -> None:
    short = KEY.password[1:]
    contents = read(f"{KEY.key_id}\n1 {short}\n")
    assert values(contents) == [(KEY.key_id, None)]
    assert "the first group lacks digits" in contents.keys[0].defects[0]


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY.password}\n{KEY.key_id}\n",
        f"{KEY.password}\n{KEY.key_id}\n{OTHER.password}\n{OTHER.key_id}\n",
        f"Device {THIRD.key_id}\n{KEY.password}\n{KEY.key_id}\n{OTHER.password}\n{OTHER.key_id}\n",
        f"Device {THIRD.key_id}\nPassword {KEY.password}\nID {KEY.key_id}\n",
    ],
)
def test_nothing_is_paired_where_ids_may_stand_behind(text: str) -> None:
    contents = read(text)
    assert contents.keys == ()
    assert all("cannot be told" in problem for problem in contents.problems)
    assert contents.problems


def test_a_line_with_two_ids_pairs_with_neither() -> None:
    contents = read(f"{THIRD.key_id} {KEY.key_id} {KEY.password}\n")
    assert contents.keys == ()
    assert contents.problems == ("line 1: a recovery password cannot be used: its line has several key IDs",)


def test_a_password_without_id() -> None:
    contents = read(f"my key is {KEY.password}\n")
    assert contents.keys == ()
    assert contents.problems == ("line 1: a recovery password cannot be used: it has no key ID beside it",)


def test_a_password_without_id_is_not_helped_by_the_name() -> None:
    contents = read(f"my key is {KEY.password}\n", texts.saved_name(KEY))
    assert contents.keys == ()
    assert len(contents.problems) == 1


def test_an_id_without_password_is_told_of_where_bitlocker_is_meant() -> None:
    assert read(f"BitLocker\n{KEY.key_id}\n").problems == ("line 2: a key ID without a recovery password",)
    assert read(f"<guid>\n{KEY.key_id}\n").problems == ()


def test_volume_guids_and_names_of_external_keys_are_no_key_ids() -> None:
    text = f"{KEY.key_id}\n\\\\?\\Volume{{{THIRD.key_id}}}\\\n{OTHER.key_id}.BEK\n{KEY.password}\n"
    (key,) = read(text).keys
    assert (key.key_id, key.volume_guid) == (KEY.key_id, THIRD.key_id)


def test_columns_of_numbers_are_no_passwords() -> None:
    contents = read("\n".join(str(100_000 + number) for number in range(50)) + "\n" + "1234567890" * 5)
    assert contents.keys == ()
    assert contents.problems == ()


def test_pictures_archives_and_programs_are_not_looked_into() -> None:
    for start in (b"PK\x03\x04", b"\x89PNG", b"MZ", b"\x7fELF"):
        assert read(start + encoded(texts.saved(KEY), "utf-8")) == read("")
