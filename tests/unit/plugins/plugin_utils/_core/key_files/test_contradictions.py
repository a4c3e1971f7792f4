# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that disagree with their content, IDs with two passwords, passwords with two IDs, and external keys."""

from __future__ import annotations

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_files.contents import EXTERNAL_KEY
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import FveVolume
from ansible_collections.keyward.bitlocker.tests.lab.key_files import texts
from ansible_collections.keyward.bitlocker.tests.lab.key_files.texts import encoded, lab_key, saved, saved_name
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.key_files.reading import expected, read, values

KEY, OTHER = lab_key("one"), lab_key("other")


def bek(windows_11: bool) -> tuple[bytes, str]:
    volume = FveVolume(seed="contradictions")
    volume.add_external_key(KEY.key_id)
    return volume.bek(KEY.key_id, windows_11=windows_11), volume.guid


def test_a_name_that_holds_another_id_marks_both() -> None:
    contents = read(encoded(saved(KEY), "utf-16"), saved_name(OTHER))
    assert [key.key_id for key in contents.keys] == [KEY.key_id, OTHER.key_id]
    assert [key.value is not None for key in contents.keys] == [True, False]
    assert all("the file's name" in key.defects[0] for key in contents.keys)


def test_a_shortened_name_agrees() -> None:
    shortened = f"BitLocker Recovery Key {KEY.key_id[:23].upper()}.TXT"
    assert read(saved(KEY), shortened).keys[0].defects == ()
    wrong = read(saved(KEY), f"{OTHER.key_id[:23].upper()}.TXT")
    assert [key.key_id for key in wrong.keys] == [KEY.key_id]
    assert wrong.keys[0].defects == ("the file's name holds another key ID",)


def test_a_name_may_be_one_of_several() -> None:
    contents = read(saved(KEY) + saved(OTHER), saved_name(OTHER))
    assert [key.defects for key in contents.keys] == [(), ()]


def test_one_id_with_two_passwords() -> None:
    for text in (f"{KEY.key_id}\n{KEY.password}\n{OTHER.password}\n", f"{KEY.key_id}\n{KEY.password}\n\n{KEY.key_id}\n{OTHER.password}\n"):
        contents = read(text)
        assert [key.key_id for key in contents.keys] == [KEY.key_id, KEY.key_id]
        assert {key.defects for key in contents.keys} == {("another recovery password has the same key ID",)}


def test_two_passwords_of_one_id_never_share_a_place() -> None:
    contents = read(f"{KEY.key_id}\n{KEY.password} {OTHER.password}\n")
    assert [key.place for key in contents.keys] == ["line 2", "line 2, password 2"]


def test_one_password_with_two_ids() -> None:
    contents = read(f"{KEY.key_id}\n{KEY.password}\n\n{OTHER.key_id}\n{KEY.password}\n")
    assert {key.defects for key in contents.keys} == {("the same recovery password stands under another key ID too",)}


def test_the_same_twice_is_once() -> None:
    assert values(read(saved(KEY) * 3)) == expected([KEY])


def test_an_id_and_its_own_beginning_are_one() -> None:
    contents = read(f"{KEY.key_id[:8]}\n{KEY.password}\n\n{KEY.key_id}\n{KEY.password}\n")
    assert all(key.defects == () for key in contents.keys)


def test_an_external_key_is_listed_as_such() -> None:
    for windows_11 in (False, True):
        data, volume_guid = bek(windows_11)
        for name in (f"{KEY.key_id.upper()}.BEK", "renamed.bin"):
            (key,) = read(data, name).keys
            assert (key.type, key.key_id, key.value, key.defects) == (EXTERNAL_KEY, KEY.key_id, None, ())
            assert key.volume_guid == (volume_guid if windows_11 else None)
            assert key.created is not None


def test_an_external_key_under_another_name() -> None:
    (key,) = read(bek(True)[0], f"{OTHER.key_id.upper()}.BEK").keys
    assert key.defects == ("the file's name holds another key ID",)


def test_a_damaged_external_key() -> None:
    data = bek(True)[0]
    for broken in (data[:-1], data[:40], b"", data[:60] + b"\xff" + data[61:]):
        contents = read(broken, f"{KEY.key_id.upper()}.BEK")
        assert contents.keys == () or contents.keys[0].type == EXTERNAL_KEY
    assert "is no sound external key" in read(data[:-1], "x.BEK").problems[0]


def test_nothing_shows_a_value() -> None:
    contents = read(saved(KEY))
    assert KEY.password not in repr(contents)
    assert KEY.password[:6] not in repr(read(texts.powershell_table([KEY, OTHER])))
