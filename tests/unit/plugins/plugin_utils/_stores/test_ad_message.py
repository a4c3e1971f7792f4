# SPDX-License-Identifier: GPL-3.0-or-later
"""LDAP answers from bytes: what is sound is read, what is not is one of our errors, whatever it is."""

from __future__ import annotations

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError, LimitError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import message
from ansible_collections.keyward.bitlocker.tests.lab.directory import ldap_wire
from ansible_collections.keyward.bitlocker.tests.lab.directory.ldap_wire import Page
from hypothesis import given, settings
from hypothesis import strategies as st

ENTRY = ldap_wire.encode(7, ldap_wire.entry("CN=PC01,DC=lab,DC=example", {"cn": ["PC01"], "objectGUID": [bytes(range(16))], "empty": []}))
DONE = ldap_wire.encode(7, ldap_wire.result(ldap_wire.SEARCH_DONE, 4, message="told"), [Page(0, b"\x00cookie").control()])


def test_an_entry_is_read_with_raw_values() -> None:
    envelope = message.open_envelope(ENTRY)
    assert (envelope.message_id, envelope.operation) == (7, message.SEARCH_ENTRY)
    entry = message.read_entry(envelope)
    assert entry.dn == "CN=PC01,DC=lab,DC=example"
    assert entry.first("cn") == b"PC01"
    assert entry.first("objectguid") == bytes(range(16))
    assert entry.first("empty") is None
    assert entry.first("absent") is None


def test_a_range_option_counts_as_the_attribute() -> None:
    data = ldap_wire.encode(1, ldap_wire.entry("", {"servicePrincipalName;range=0-1": ["HOST/a", "HOST/b"]}))
    assert message.read_entry(message.open_envelope(data)).attributes == {"serviceprincipalname": [b"HOST/a", b"HOST/b"]}


def test_a_result_has_code_text_and_cookie() -> None:
    assert message.read_done(message.open_envelope(DONE)) == message.Done(4, "told", b"\x00cookie")


def test_a_result_without_the_control_has_no_cookie() -> None:
    data = ldap_wire.encode(7, ldap_wire.result(ldap_wire.SEARCH_DONE, 0))
    assert message.read_done(message.open_envelope(data)) == message.Done(0, "", None)


def test_the_length_is_known_as_soon_as_the_head_is_there() -> None:
    assert message.message_length(b"") is None
    assert message.message_length(b"\x30") is None
    assert message.message_length(b"\x30\x82\x01") is None
    assert message.message_length(b"\x30\x82\x01\x00") == 260
    assert message.message_length(b"x\x30\x05", 1) == 7


@pytest.mark.parametrize("head", [b"\x30\x84\x7f\xff\xff\xff", b"\x30\x88" + b"\xff" * 8, b"\x30\x83\x10\x00\x00"])
def test_a_message_too_large_is_refused_by_its_head(head: bytes) -> None:
    with pytest.raises(LimitError):
        message.message_length(head)


@pytest.mark.parametrize("head", [b"HTTP/1.1 400", b"\x30\x80\x00\x00", b"\x30\x8f" + b"\x01" * 15, b"\x16\x03\x01"])
def test_what_is_no_ldap_is_said_so(head: bytes) -> None:
    with pytest.raises(BadDataError):
        message.message_length(head)


def _read(data: bytes) -> None:
    envelope = message.open_envelope(data)
    message.read_entry(envelope)


@pytest.mark.parametrize("whole", [ENTRY, DONE])
def test_every_truncation_is_ours(whole: bytes) -> None:
    for end in range(len(whole)):
        with pytest.raises(BadDataError):
            _read(whole[:end])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([ENTRY, DONE]), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_bytes_are_read_or_refused_by_ours(whole: bytes, damage: list[tuple[int, int]]) -> None:
    data = bytearray(whole)
    for position, value in damage:
        data[position % len(data)] = value
    for reader in (message.read_entry, message.read_done):
        try:
            reader(message.open_envelope(bytes(data)))
        except (BadDataError, LimitError):
            continue


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_by_ours(data: bytes) -> None:
    for reader in (message.message_length, message.open_envelope):
        try:
            reader(data)
        except (BadDataError, LimitError):
            continue


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=40),
    st.dictionaries(st.text("abcXYZ", min_size=1, max_size=8), st.lists(st.binary(max_size=300), max_size=3), max_size=4),
)
def test_what_was_encoded_is_what_is_read(dn: str, attributes: dict[str, list[bytes]]) -> None:
    entry = message.read_entry(message.open_envelope(ldap_wire.encode(1, ldap_wire.entry(dn, attributes))))
    merged: dict[str, list[bytes]] = {}
    for name, values in attributes.items():
        merged.setdefault(name.lower(), []).extend(values)
    assert entry.dn == dn
    assert {name: list(values) for name, values in entry.attributes.items()} == merged
