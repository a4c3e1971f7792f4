# SPDX-License-Identifier: GPL-3.0-or-later
"""Our BER and LDAP against ldap3's, which was written by somebody else."""

from __future__ import annotations

import contextlib

import ldap3
import pytest
from ansible_collections.keyward.bitlocker.tests.lab.directory import ber, ldap_wire
from hypothesis import given, settings
from hypothesis import strategies as st
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc2696 import paged_search_control
from ldap3.protocol.rfc4511 import Controls, LDAPMessage, MessageID, ProtocolOp
from pyasn1.codec.ber import encoder


def request_bytes(text: str, scope: str = ldap3.SUBTREE, attributes: tuple[str, ...] = ("cn",), page: int | None = None) -> bytes:
    message = LDAPMessage()
    message["messageID"] = MessageID(7)
    search = search_operation("DC=lab,DC=example", text, scope, ldap3.DEREF_NEVER, list(attributes), 5, 6, False, None, None)
    message["protocolOp"] = ProtocolOp().setComponentByName("searchRequest", search)
    if page is not None:
        controls = Controls()
        controls.setComponentByPosition(0, paged_search_control(True, page, b"cookie"))
        message["controls"] = controls
    return bytes(encoder.encode(message))


@pytest.mark.parametrize(
    "text",
    [
        "(objectClass=*)",
        "(&(objectClass=msFVE-RecoveryInformation)(name=*{1A2B3C4D-\\2a*))",
        "(|(cn=a)(!(cn=b*c*d))(cn=*e))",
        "(lastLogonTimestamp>=133000000000000000)",
        "(cn<=5)",
        "(msFVE-RecoveryGuid=\\01\\02\\ff)",
        "(userAccountControl:1.2.840.113556.1.4.803:=2)",
    ],
)
def test_filters_come_back_as_they_were_written(text: str) -> None:
    assert str(ldap_wire.decode(request_bytes(text)).search().filter) == text


def test_a_search_with_paging_is_read_whole() -> None:
    message = ldap_wire.decode(request_bytes("(cn=a)", ldap3.LEVEL, ("cn", "whenCreated"), page=500))
    assert message.id == 7
    assert message.search().to_json() == {
        "base": "DC=lab,DC=example",
        "scope": "one",
        "filter": "(cn=a)",
        "attributes": ["cn", "whenCreated"],
        "controls": [ldap_wire.PAGED_RESULTS],
        "page_size": 500,
        "first_page": False,
        "size_limit": 5,
        "time_limit": 6,
    }


def test_without_paging_there_is_no_page() -> None:
    assert ldap_wire.decode(request_bytes("(cn=a)")).search().page is None


@given(st.integers(min_value=-(2**70), max_value=2**70))
@settings(max_examples=100, deadline=None)
def test_integers_survive(value: int) -> None:
    assert ber.decode(ber.integer(value))[0].integer == value


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_an_element_is_read_from_any_stream(content: bytes) -> None:
    encoded = ber.octets(content)
    rest = bytearray(encoded + b"next")

    def receive(count: int) -> bytes:
        part = bytes(rest[: min(count, 3)])
        del rest[: len(part)]
        return part

    assert ber.read_element(receive) == encoded
    assert ber.element_length(encoded + b"next") == len(encoded)
    assert all(ber.element_length(encoded[:end]) in (None, len(encoded)) for end in range(len(encoded)))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_garbage_is_a_ber_error_or_a_message(data: bytes) -> None:
    with contextlib.suppress(ber.BerError):
        ldap_wire.decode(data)
