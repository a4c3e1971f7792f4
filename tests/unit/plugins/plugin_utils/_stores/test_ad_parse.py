# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw values to owners and entries: every kind of damage is a defect, none an exception."""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry, Owner
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import parse
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.message import RawEntry
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SCOPE = parse.Scope(now=NOW)
ID = "1a2b3c4d-0102-0304-0506-0708090a0b0c"
OTHER = "ffffffff-0102-0304-0506-0708090a0b0c"
NAME = f"2026-01-02T03:04:05-08:00{{{ID.upper()}}}"


def le(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


def entry(name: str = NAME, *guids: bytes, **attributes: bytes) -> Entry:
    values = {"cn": [name.encode()], "msfve-recoveryguid": list(guids)} | {key: [value] for key, value in attributes.items()}
    return parse.parse_entry(RawEntry(f"CN={name},CN=PC01,DC=lab,DC=example", values), "owner")


def test_a_sound_entry() -> None:
    found = entry(NAME, le(ID), **{"objectguid": le(OTHER), "msfve-volumeguid": le(OTHER), "whencreated": b"20260102110406.0Z"})
    assert found.key_ids == (ID,)
    assert found.defects == ()
    assert found.readable
    assert (found.entry_id, found.volume_guid, found.owner_id) == (OTHER, OTHER, "owner")
    assert found.created == datetime(2026, 1, 2, 11, 4, 6, tzinfo=UTC)


def test_name_and_attribute_that_disagree_stand_for_both_and_are_malformed() -> None:
    found = entry(NAME, le(OTHER))
    assert set(found.key_ids) == {ID, OTHER}
    assert len(found.defects) == 1
    assert ID in found.defects[0]
    assert OTHER in found.defects[0]


@pytest.mark.parametrize("length", [0, 1, 15, 17, 128])
def test_a_guid_of_wrong_length_leaves_the_name(length: int) -> None:
    found = entry(NAME, bytes(length))
    assert found.key_ids == (ID,)
    assert found.defects == (f"msFVE-RecoveryGuid has {length} bytes instead of 16",)


def test_big_endian_bytes_are_another_id() -> None:
    assert set(entry(NAME, uuid.UUID(ID).bytes).key_ids) == {ID, str(uuid.UUID(bytes_le=uuid.UUID(ID).bytes))}


@pytest.mark.parametrize("name", ["nonsense", "2026-01-02T03:04:05-08:00{1A2B3C4D}", "", "{}", "2026-01-02T03:04:05-08:00"])
def test_a_name_without_an_id_leaves_the_attribute(name: str) -> None:
    found = entry(name, le(ID))
    assert found.key_ids == (ID,)
    assert found.defects == ("the object's name holds no key ID",)


def test_neither_name_nor_attribute_is_no_id() -> None:
    found = entry("nonsense", b"\x01")
    assert found.key_ids == ()
    assert len(found.defects) == 2


def test_two_values_of_the_attribute_are_a_defect() -> None:
    found = entry(NAME, le(ID), le(OTHER))
    assert set(found.key_ids) == {ID, OTHER}
    assert any("2 values" in defect for defect in found.defects)


def test_an_attribute_that_is_not_shown_is_a_matter_of_rights() -> None:
    found = entry(NAME)
    assert not found.readable
    assert found.key_ids == (ID,)
    assert found.defects == ()


def test_a_tombstone_is_read_by_the_name_it_had() -> None:
    found = entry(f"{NAME}\nDEL:{OTHER}", le(ID))
    assert found.key_ids == (ID,)
    assert found.defects == ()


def test_the_name_comes_from_the_dn_where_cn_is_missing() -> None:
    found = parse.parse_entry(RawEntry(f"CN={NAME}\\0ADEL:{OTHER},CN=Deleted Objects,DC=lab", {"msfve-recoveryguid": [le(ID)]}), "o")
    assert found.key_ids == (ID,)
    assert found.defects == ()


def test_hidden_objects_are_told_from_other_children() -> None:
    hidden = parse.parse_hidden(f"CN={NAME},CN=PC01,DC=lab", "owner")
    assert hidden is not None
    assert hidden.key_ids == (ID,)
    assert not hidden.readable
    assert parse.parse_hidden("CN=RouterIdentity,CN=PC01,DC=lab", "owner") is None
    broken = parse.parse_hidden("CN=2026-01-02T03:04:05-08:00{not a guid},CN=PC01,DC=lab", "owner")
    assert broken is not None
    assert broken.key_ids == ()


@pytest.mark.parametrize(
    ("dn", "name", "parent"),
    [
        ("CN=a,DC=b", "a", "DC=b"),
        (r"CN=a\,b,DC=c", "a,b", "DC=c"),
        (r"CN=a\\,DC=c", "a\\", "DC=c"),
        (r"CN=a\2Cb\C3\A4,DC=c", "a,bä", "DC=c"),
        (r"CN=PC\0ADEL:x,DC=c", "PC\nDEL:x", "DC=c"),
        ("CN=only", "only", ""),
        ("", "", ""),
        ("CN=a\\", "a", ""),
        ('CN=a\\",CN=b', 'a"', "CN=b"),
    ],
)
def test_dns_are_split_at_the_first_comma_that_counts(dn: str, name: str, parent: str) -> None:
    assert parse.split_dn(dn) == (name, parent)
    assert parse.parent_dn(dn) == parent


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"20261122205952.0Z", datetime(2026, 11, 22, 20, 59, 52, tzinfo=UTC)),
        (b"202611222059Z", datetime(2026, 11, 22, 20, 59, tzinfo=UTC)),
        (b"20261122205952+0130", datetime(2026, 11, 22, 19, 29, 52, tzinfo=UTC)),
        (b"20261332000000Z", None),
        (b"99991231235959-2359", None),
        (b"00000000000000Z", None),
        ("２０２６1122205952Z".encode(), None),
        (b"now", None),
        (None, None),
    ],
)
def test_generalized_times(text: bytes | None, moment: datetime | None) -> None:
    assert parse.generalized_time(text) == moment


@pytest.mark.parametrize(
    ("ticks", "moment"),
    [
        (b"116444736000000000", datetime(1970, 1, 1, tzinfo=UTC)),
        (b"0", None),
        (b"9223372036854775807", None),
        (b"-5", None),
        (b"x", None),
        (b"9" * 40, None),
        (None, None),
    ],
)
def test_filetimes(ticks: bytes | None, moment: datetime | None) -> None:
    assert parse.filetime(ticks) == moment


def test_sids() -> None:
    raw = bytes([1, 2, 0, 0, 0, 0, 0, 5]) + struct.pack("<2I", 32, 544)
    assert parse.sid(raw) == "S-1-5-32-544"
    for broken in (None, b"", raw[:-1], raw + b"\0", b"\x02" + raw[1:], bytes([1, 16]) + raw[2:]):
        assert parse.sid(broken) is None


def owner(scope: parse.Scope = SCOPE, *, deleted: bool = False, **attributes: bytes | list[bytes]) -> Owner:
    base: dict[str, bytes | list[bytes]] = {
        "samaccountname": b"PC01$",
        "objectguid": le(ID),
        "operatingsystem": b"Windows 11 Enterprise",
        "useraccountcontrol": b"4096",
        "dnshostname": b"PC01.Lab.Example.",
    }
    values = {name: value if isinstance(value, list) else [value] for name, value in (base | attributes).items() if value != b""}
    return parse.parse_owner(RawEntry("CN=PC01,DC=lab", values), scope, deleted=deleted)


def ticks(moment: datetime) -> bytes:
    return str((moment - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10).encode()


def test_a_computer() -> None:
    found = owner(lastlogontimestamp=ticks(NOW - timedelta(days=1)))
    assert (found.name, found.dns_name, found.owner_id) == ("PC01", "pc01.lab.example", ID)
    assert found.enabled
    assert found.in_scope
    assert found.last_seen == NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("attributes", "in_scope"),
    [
        ({}, True),
        ({"operatingsystem": b"Samba"}, False),
        ({"operatingsystem": b""}, False),
        ({"operatingsystem": b"WINDOWS Server 2022 Standard"}, True),
        ({"useraccountcontrol": b"4098"}, False),
        ({"lastlogontimestamp": ticks(NOW - timedelta(days=90))}, True),
        ({"lastlogontimestamp": ticks(NOW - timedelta(days=90, seconds=1))}, False),
        ({"lastlogontimestamp": ticks(NOW + timedelta(days=400))}, True),
        ({"whencreated": b"20200101000000.0Z"}, False),
        ({"whencreated": b"20261101000000.0Z"}, True),
        ({"whencreated": b"20200101000000.0Z", "lastlogontimestamp": ticks(NOW)}, True),
        ({"serviceprincipalname": [b"HOST/x", b"msclustervirtualserver/CL1"]}, False),
        ({"serviceprincipalname": [b"MSServerClusterMgmtAPI/node1"]}, True),
    ],
)
def test_who_is_in_scope(attributes: dict[str, bytes | list[bytes]], in_scope: bool) -> None:
    assert owner(**attributes).in_scope is in_scope


def test_idle_computers_stay_where_there_is_no_limit() -> None:
    assert owner(parse.Scope(now=NOW, idle_days=None), whencreated=b"20000101000000.0Z").in_scope


def test_a_deleted_computer_is_out_of_scope_and_bears_the_name_it_had() -> None:
    found = parse.parse_owner(RawEntry(f"CN=PC01\\0ADEL:{ID},CN=Deleted Objects,DC=lab", {"objectguid": [le(ID)]}), SCOPE, deleted=True)
    assert found.name == "PC01"
    assert found.deleted
    assert not found.in_scope


values = st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([le(ID), NAME.encode(), b"20261122205952.0Z", b"4096"])), max_size=3)
attribute = st.sampled_from(
    (
        *("cn", "objectguid", "objectsid", "msfve-recoveryguid", "msfve-volumeguid", "whencreated", "samaccountname", "dnshostname"),
        *("operatingsystem", "useraccountcontrol", "lastlogontimestamp", "serviceprincipalname"),
    )
)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.dictionaries(attribute, values))
def test_nothing_that_a_directory_says_raises(dn: str, attributes: dict[str, list[bytes]]) -> None:
    raw = RawEntry(dn, attributes)
    for deleted in (False, True):
        found = parse.parse_entry(raw, "owner", deleted=deleted)
        assert len(found.key_ids) <= 2
        assert all(len(key_id) == 36 and key_id == key_id.lower() for key_id in found.key_ids)
        assert found.readable == bool(attributes.get("msfve-recoveryguid"))
        # without a defect exactly one ID, and name and attribute agree on it
        assert found.defects or len(found.key_ids) == 1
        assert parse.parse_owner(raw, SCOPE, deleted=deleted).owner_id
    parse.parse_hidden(dn, "owner")


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_guids_are_little_endian(raw: bytes) -> None:
    assert parse.guid(raw) == str(uuid.UUID(bytes_le=raw))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_dns_of_any_text_are_split_in_bounded_time(text: str) -> None:
    name, parent = parse.split_dn(text)
    assert parse.parent_dn(text) == parent
    assert len(parent) <= len(text)
    assert isinstance(name, str)


def test_a_hostile_dn_is_split_at_once() -> None:
    assert parse.split_dn("CN=" + "\\" * 1_000_001)[1] == ""
    assert parse.split_dn("CN=" + "a" * 1_000_000 + ",DC=x")[1] == "DC=x"
