# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the second copy: merging adds and never drops, the two texts are read strictly, and cards hold nothing secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import vault_record, vault_text
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.recovery_password import from_binary
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.vault_record import KeyCopy, Machine, MachineCopies, Origin
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.vault_text import Card, CardKey, Part
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError
from hypothesis import given, settings
from hypothesis import strategies as st

T0 = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
GUIDS = st.uuids().map(str)
PASSWORDS = st.binary(min_size=16, max_size=16).map(lambda data: from_binary(Secret(data)))
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0))
NAMES = st.text(st.characters(codec="utf-8"), max_size=60)
ORIGINS = st.builds(
    Origin,
    source=st.sampled_from(["ad", "entra", "host", "file"]),
    owner=NAMES,
    owner_id=NAMES,
    location=NAMES,
    created=st.none() | TIMES,
    copied_at=TIMES,
)
MACHINES = st.builds(
    Machine,
    names=st.lists(NAMES, max_size=4, unique=True).map(tuple),
    ad_guid=st.none() | GUIDS,
    entra_device_id=st.none() | GUIDS,
    serial=st.none() | NAMES,
    hardware_uuid=st.none() | NAMES,
)
#: few key IDs and few values, so that they meet
FEW_IDS = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(3)]
FEW_VALUES = [from_binary(Secret(bytes([number]) * 16)) for number in range(3)]


@st.composite
def keys(draw: st.DrawFn) -> KeyCopy:
    key_id = draw(st.sampled_from(FEW_IDS) | GUIDS)
    value = draw(st.sampled_from(FEW_VALUES) | PASSWORDS)
    return vault_record.key_copy(key_id, value, draw(ORIGINS), volume=draw(st.none() | NAMES), volume_guid=draw(st.none() | GUIDS))


@st.composite
def machines(draw: st.DrawFn) -> MachineCopies:
    found = MachineCopies(machine=draw(MACHINES))
    return vault_record.merged(found, MachineCopies(machine=found.machine, keys=tuple(draw(st.lists(keys(), max_size=6)))))


def key(number: int, value: int, *, source: str = "ad", created: datetime | None = T0, copied: datetime = T0) -> KeyCopy:
    origin = Origin(source=source, owner="PC01", location=f"{source} {number}", created=created, copied_at=copied)
    return vault_record.key_copy(FEW_IDS[number], FEW_VALUES[value], origin)


def pairs(copies: MachineCopies) -> set[tuple[str, str]]:
    return {(item.key_id, item.value.reveal()) for item in copies.keys if item.value is not None}


class TestMerging:
    def test_the_same_value_from_elsewhere_is_one_key_with_two_origins(self) -> None:
        one, two = key(0, 0), key(0, 0, source="entra")
        (only,) = vault_record.merged(MachineCopies(machine=Machine(), keys=(one,)), MachineCopies(machine=Machine(), keys=(two,))).keys
        assert [origin.source for origin in only.origins] == ["ad", "entra"]
        assert not only.conflicting

    def test_another_value_for_one_key_id_is_kept_beside_it_and_both_are_marked(self) -> None:
        known = MachineCopies(machine=Machine(), keys=(key(0, 0), key(1, 0)))
        found = vault_record.merged(known, MachineCopies(machine=Machine(), keys=(key(0, 1),)))
        assert {(item.key_id, item.conflicting) for item in found.keys} == {(FEW_IDS[0], True), (FEW_IDS[1], False)}
        assert len(found.keys) == 3

    def test_newest_first_and_what_has_no_date_last(self) -> None:
        older, newer, undated = key(0, 0), key(1, 1, created=T0 + timedelta(days=1)), key(2, 2, created=None)
        found = vault_record.merged(
            MachineCopies(machine=Machine(), keys=(undated, older)), MachineCopies(machine=Machine(), keys=(newer,))
        )
        assert [item.key_id for item in found.keys] == [FEW_IDS[1], FEW_IDS[0], FEW_IDS[2]]

    def test_the_first_copy_keeps_its_date(self) -> None:
        again = key(0, 0, copied=T0 + timedelta(days=9))
        found = vault_record.merged(MachineCopies(machine=Machine(), keys=(key(0, 0),)), MachineCopies(machine=Machine(), keys=(again,)))
        assert found.keys[0].copied_at == T0
        assert len(found.keys[0].origins) == 1

    def test_there_is_an_end_to_what_one_computer_may_have(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vault_record, "MAX_KEYS", 1)
        with pytest.raises(BadDataError, match="more than 1"):
            vault_record.merged(MachineCopies(machine=Machine(), keys=(key(0, 0),)), MachineCopies(machine=Machine(), keys=(key(1, 0),)))

    @settings(max_examples=40, deadline=None)
    @given(machines(), machines())
    def test_nothing_is_ever_dropped_and_twice_is_once(self, known: MachineCopies, more: MachineCopies) -> None:
        found = vault_record.merged(known, more)
        assert pairs(found) == pairs(known) | pairs(more)
        assert set(found.machine.names) >= set(known.machine.names)
        assert vault_record.merged(found, more) == found
        for item in found.keys:
            assert item.conflicting == (len({other.mark for other in found.keys if other.key_id == item.key_id}) > 1)


class TestIdentity:
    def test_ids_of_directories_decide(self) -> None:
        guid, other = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
        in_ad = Machine(names=("pc01.lab.example", "pc01"), ad_guid=guid)
        assert in_ad.is_the_same(Machine(names=("somebody",), entra_device_id=guid))
        assert in_ad.is_the_same(Machine(names=("pc01.lab.example",)))
        assert not in_ad.is_the_same(Machine(names=("pc01.lab.example",), ad_guid=other))
        assert not in_ad.is_the_same(Machine(names=("pc01",)))
        assert not Machine(serial="1").is_the_same(Machine(serial="1"))

    def test_the_full_name_comes_first(self) -> None:
        assert Machine(names=("pc01",)).joined(Machine(names=("pc01.lab.example",))).label == "pc01.lab.example"


class TestMark:
    def test_it_is_short_tells_values_apart_and_is_no_derivation_of_bitlockers(self) -> None:
        marks = {vault_record.mark_of(FEW_IDS[0], value) for value in FEW_VALUES}
        assert len(marks) == 3
        assert {len(mark) for mark in marks} == {8}
        assert vault_record.mark_of(FEW_IDS[1], FEW_VALUES[0]) not in marks


class TestTexts:
    @settings(max_examples=30, deadline=None)
    @given(machines())
    def test_what_is_sealed_comes_back(self, copies: MachineCopies) -> None:
        text = vault_text.body_text(copies)
        assert vault_text.read_body(text, "x") == copies

    def test_it_can_be_read_by_people_and_as_yaml(self) -> None:
        yaml = pytest.importorskip("yaml")
        text = vault_text.body_text(MachineCopies(machine=Machine(names=("pc01",)), keys=(key(0, 0),))).reveal()
        assert yaml.safe_load(text)["keys"][0]["recovery_password"] == FEW_VALUES[0].reveal()

    @settings(max_examples=30, deadline=None)
    @given(machines(), st.none() | TIMES)
    def test_a_card_comes_back_and_holds_no_value(self, copies: MachineCopies, verified: datetime | None) -> None:
        listed = [CardKey(key=_without_value(item), part="x.age", run="r", verified_at=verified) for item in copies.keys]
        card = Card(machine=copies.machine, parts={"x.age": Part(digest="00", sealing="age", sealed_for="y")}, keys=tuple(listed))
        text = vault_text.card_text(card)
        assert vault_text.read_card(text, "x") == card
        assert not any(group in text for item in copies.keys if item.value for group in item.value.reveal().split("-") if int(group) > 9999)

    @pytest.mark.parametrize("text", ["", "{}", "[]", "null", "1", "{" * 100_000, "[" * 100_000, '{"keyward_vault": 1}', "\ud800", "NaN"])
    def test_what_is_nothing_of_ours_is_refused(self, text: str) -> None:
        with pytest.raises(BadDataError):
            vault_text.read_body(Secret(text), "x")
        with pytest.raises(BadDataError):
            vault_text.read_card(text, "x")

    def test_a_damaged_password_is_refused_without_a_digit_of_it(self) -> None:
        good = vault_text.body_text(MachineCopies(machine=Machine(), keys=(key(0, 2),))).reveal()
        bad = good.replace(FEW_VALUES[2].reveal()[:6], "111112")
        with pytest.raises(BadDataError) as caught:
            vault_text.read_body(Secret(bad), "x")
        assert "111112" not in str(caught.value)

    def test_a_newer_version_is_not_guessed_at(self) -> None:
        good = vault_text.body_text(MachineCopies(machine=Machine(), keys=())).reveal()
        with pytest.raises(BadDataError, match="another version"):
            vault_text.read_body(Secret(good.replace('"keyward_vault": 1', '"keyward_vault": 2')), "x")

    def test_a_field_that_stands_twice_is_refused(self) -> None:
        with pytest.raises(BadDataError):
            vault_text.read_body(Secret('{"keyward_vault": 1, "machine": {}, "machine": {}, "keys": []}'), "x")

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_whatever_is_changed_in_it_is_ours_or_refused(self, data: st.DataObject) -> None:
        whole = json.loads(vault_text.body_text(MachineCopies(machine=Machine(names=("pc01",)), keys=(key(0, 0),))).reveal())
        junk = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3))
        place = data.draw(st.sampled_from([whole, whole["machine"], whole["keys"][0], whole["keys"][0]["origins"][0]]))
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(junk)
        try:
            found = vault_text.read_body(Secret(json.dumps(whole)), "x")
        except BadDataError:
            return
        assert vault_text.read_body(vault_text.body_text(found), "x") == found

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=400))
    def test_any_text_is_ours_or_refused(self, text: str) -> None:
        for read in (lambda: vault_text.read_body(Secret(text), "x"), lambda: vault_text.read_card(text, "x")):
            with pytest.raises(BadDataError):
                read()


def _without_value(item: KeyCopy) -> KeyCopy:
    return KeyCopy(
        key_id=item.key_id,
        mark=item.mark,
        origins=item.origins,
        volume=item.volume,
        volume_guid=item.volume_guid,
        conflicting=item.conflicting,
    )
