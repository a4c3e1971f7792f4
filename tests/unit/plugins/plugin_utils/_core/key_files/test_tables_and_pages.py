# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports as tables, and the account's page in every form that it may have."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_files.facts import moment
from ansible_collections.keyward.bitlocker.tests.lab.key_files import pages, tables
from ansible_collections.keyward.bitlocker.tests.lab.key_files.texts import LabKey, damaged, encoded, lab_key
from ansible_collections.keyward.bitlocker.tests.lab.key_files.wording import PAGES
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.key_files.reading import expected, read, values

KEYS = [lab_key(f"row {number}", f"PC{number:02}") for number in range(12)]
MAPPING: dict[str, str | int] = {
    "computer": "Gerät",
    "serial": "Seriennummer",
    "key_id": "schlüssel-id",
    "recovery_password": "Kennwort",
    "volume": "Laufwerk",
    "created": "Erstellt",
}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("excel", [False, True])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_delimiter_with_known_headers_and_with_a_mapping(delimiter: str, excel: bool, encoding: str) -> None:
    for header, columns in (
        (tables.KNOWN_HEADER, {}),
        (tables.HEADER, MAPPING),
        ((), {name: place for place, name in enumerate(("computer", "serial", "key_id", "recovery_password", "volume", "created"), 1)}),
    ):
        text = tables.export(KEYS, delimiter=delimiter, header=header, excel=excel)
        contents = read(encoded(text, encoding), "keys.csv", columns)
        assert (values(contents), contents.problems) == (expected(KEYS), ())
        assert [key.computer for key in contents.keys] == [key.computer for key in KEYS]
        assert {(key.serial, key.volume, key.created) for key in contents.keys} == {
            ("5CD1234XYZ", "C:", datetime(2026, 5, 4, 9, 15, 2, tzinfo=UTC))
        }


def test_headers_of_any_language_leave_the_clear_columns() -> None:
    contents = read(tables.export(KEYS, header=tables.HEADER), "keys.csv")
    assert values(contents) == expected(KEYS)
    assert {key.computer for key in contents.keys} == {None}


def test_an_export_of_directory_objects() -> None:
    header = '"DistinguishedName","msFVE-RecoveryGuid","msFVE-RecoveryPassword","PSComputerName"\n'
    rows = [
        f'"CN=2026-05-04T09:15:02-00:00{{{key.key_id.upper()}}},CN={key.computer},DC=lab","12 200 7 1","{key.password}","{key.computer}"\n'
        for key in KEYS
    ]
    contents = read(header + "".join(rows), "export.csv")
    assert (values(contents), contents.problems) == (expected(KEYS), ())
    assert [key.computer for key in contents.keys] == [key.computer for key in KEYS]


def test_excel_says_what_separates() -> None:
    assert values(read("sep=;\n" + tables.export(KEYS, delimiter=";"))) == expected(KEYS)


def test_two_columns_of_guids_need_the_mapping() -> None:
    text = "Device;Key;Password\n" + "".join(f"{KEYS[-1 - place].key_id};{key.key_id};{key.password}\n" for place, key in enumerate(KEYS))
    contents = read(text)
    assert contents.keys == ()
    assert "name the right one in the option columns" in contents.problems[0]
    assert values(read(text, columns={"key_id": "key", "recovery_password": "PASSWORD"})) == expected(KEYS)
    assert values(read(text, columns={"key_id": 2, "recovery_password": 3})) == expected(KEYS)


def test_a_table_without_the_named_columns_is_read_as_if_none_were_named() -> None:
    assert values(read(tables.export(KEYS), columns=MAPPING)) == expected(KEYS)


def test_rows_that_lack_one_half() -> None:
    text = f"KeyID,RecoveryPassword\n{KEYS[0].key_id},\n,{KEYS[1].password}\n{KEYS[2].key_id},{KEYS[2].password}\n"
    contents = read(text)
    assert values(contents) == expected(KEYS[2:3])
    assert contents.problems == ("line 2: a key ID without a recovery password", "line 3: a recovery password without a key ID")


def test_what_excel_made_a_number_of_is_damaged() -> None:
    contents = read(f"KeyID,RecoveryPassword\n{KEYS[0].key_id},1.23457E+47\n{KEYS[1].key_id},{damaged(KEYS[1].password, 3)}\n")
    assert values(contents) == [(KEYS[0].key_id, None), (KEYS[1].key_id, None)]
    assert "not one password of 48 digits" in contents.keys[0].defects[0]
    assert "fourth group" in contents.keys[1].defects[0]


@pytest.mark.parametrize("language", PAGES)
@pytest.mark.parametrize("form", pages.FORMS)
def test_the_accounts_page(form: str, language: str) -> None:
    contents = read(pages.account_page(KEYS, form, language), "keys.html")
    assert (values(contents), contents.problems) == (expected(KEYS, short=True), ())
    assert {(key.volume, key.created) for key in contents.keys} == {("os", None)}
    named = [key.computer for key in contents.keys]
    assert named == ([None] * len(KEYS) if form == "cards" and language != "en-US" else [key.computer for key in KEYS])


@pytest.mark.parametrize("language", PAGES)
def test_the_accounts_page_pasted(language: str) -> None:
    contents = read(pages.pasted(KEYS, language))
    assert (values(contents), contents.problems) == (expected(KEYS, short=True), ())
    assert [(key.computer, key.volume) for key in contents.keys] == [(key.computer, "os") for key in KEYS]


def test_scripts_comments_and_hidden_fields_of_a_page_are_not_read() -> None:
    key = KEYS[0]
    page = (
        f"<!-- {key.key_id} --><html><script>'{key.key_id} {key.password}'</script><input type=hidden value='{key.password}'>"
        f"<template>{key.key_id} {key.password}</template><p>{KEYS[1].key_id}<p>{KEYS[1].password}"
    )
    assert values(read(page)) == expected(KEYS[1:2])


def test_an_input_field_shows_its_value() -> None:
    page = f"<html><label>ID</label><input value='{KEYS[0].key_id}'><br><input readonly value='{KEYS[0].password}'></html>"
    assert values(read(page)) == expected(KEYS[:1])


def test_an_8_digit_number_further_away_is_no_key_id() -> None:
    contents = read(f"20260504\n3 boxes\n{KEYS[0].password}\n")
    assert contents.keys == ()
    assert len(contents.problems) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-05-04T09:15:02Z", datetime(2026, 5, 4, 9, 15, 2, tzinfo=UTC)),
        ("2026-05-04 11:15:02 +02:00", datetime(2026, 5, 4, 9, 15, 2, tzinfo=UTC)),
        ("20260504091502.0Z", datetime(2026, 5, 4, 9, 15, 2, tzinfo=UTC)),
        ("2026-05-04 09:15:02", None),
        ("2026-05-04", None),
        ("5/4/2026 9:15 AM", None),
        ("04.05.2026 09:15", None),
        ("2026-13-04T09:15:02Z", None),
        ("2026-05-04T09:15:02Z 2026-05-05T09:15:02Z", None),
    ],
)
def test_only_a_clear_moment_counts(text: str, told: datetime | None) -> None:
    assert moment(text) == told


def test_a_name_that_is_no_host_name_is_left_out() -> None:
    keys = [LabKey(KEYS[0].key_id, KEYS[0].password, "Anna's laptop")]
    (key,) = read(pages.account_page(keys)).keys
    assert key.computer is None
