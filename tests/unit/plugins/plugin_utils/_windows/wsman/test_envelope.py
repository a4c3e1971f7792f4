# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests as they go out."""

from __future__ import annotations

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman import envelope
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.envelope import (
    EnvelopeWriter,
    Value,
    escape,
    resource_uri,
    wql_literal,
)
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.answers import CLASS, NAMESPACE, tree
from hypothesis import given
from hypothesis import strategies as st

URI = f"http://schemas.microsoft.com/wbem/wsman/1/wmi/{NAMESPACE}/{CLASS}"
VOLUME = "\\\\?\\Volume{0f1e2d3c-4b5a-4697-8877-665544332211}\\"
WRITER = EnvelopeWriter(operation_timeout=20, max_envelope_size=512_000)


def header(data: bytes, local: str) -> str:
    element = tree(data).find("Header", local)
    assert element is not None
    return element.text


def test_header_of_every_request() -> None:
    for data in (
        WRITER.enumerate(URI, "uuid:1"),
        WRITER.pull(URI, "uuid:1", "uuid:2"),
        WRITER.release(URI, "uuid:1", "uuid:2"),
        WRITER.get(URI, "uuid:1", {"DeviceID": VOLUME}),
        WRITER.invoke(URI, "uuid:1", "GetLockStatus", {"DeviceID": VOLUME}, None),
    ):
        assert header(data, "ResourceURI") == URI
        assert header(data, "MessageID") == "uuid:1"
        assert header(data, "OperationTimeout") == "PT20.000S"
        assert header(data, "MaxEnvelopeSize") == "512000"
        assert header(data, "To")
        reply = tree(data).find("Header", "ReplyTo", "Address")
        assert reply is not None
        assert reply.text.endswith("/role/anonymous")
        assert len(data) < 2000
        for element in tree(data).walk():
            assert element.namespace


def test_enumerate_is_optimised_and_carries_the_query() -> None:
    query = "SELECT DeviceID FROM Win32_Volume WHERE Capacity < 5 AND Label = 'a&b'"
    body = tree(WRITER.enumerate(resource_uri(NAMESPACE, "*"), "uuid:1", wql=query)).find("Body", "Enumerate")
    assert body is not None
    assert [child.local for child in body.children] == ["OptimizeEnumeration", "MaxElements", "Filter"]
    assert body.children[2].text == query
    assert body.children[2].attribute("Dialect") == envelope.WQL
    plain = tree(WRITER.enumerate(URI, "uuid:1")).find("Body", "Enumerate")
    assert plain is not None
    assert plain.child("Filter") is None


def test_pull_and_release_name_the_context() -> None:
    for data, local in ((WRITER.pull(URI, "uuid:1", "a<b>&"), "Pull"), (WRITER.release(URI, "uuid:1", "a<b>&"), "Release")):
        context = tree(data).find("Body", local, "EnumerationContext")
        assert context is not None
        assert context.text == "a<b>&"
        assert header(data, "Action").endswith(f"/{local}")


def test_selectors_are_literal() -> None:
    data = WRITER.get(URI, "uuid:1", {"DeviceID": VOLUME})
    selector = tree(data).find("Header", "SelectorSet", "Selector")
    assert selector is not None
    assert selector.attribute("Name") == "DeviceID"
    assert selector.text == VOLUME


def test_invoke_writes_every_kind_of_argument() -> None:
    arguments: dict[str, Value] = {
        "Text": "a<b",
        "Number": 7,
        "Flag": True,
        "Key": b"\x00\xff",
        "Names": ["x", "y"],
        "Numbers": (1, 2),
        "Empty": "",
        "Null": None,
    }
    data = WRITER.invoke(URI, "uuid:1", "DoIt", None, arguments)
    body = tree(data).find("Body", "DoIt_INPUT")
    assert body is not None
    assert body.namespace == URI
    assert all(child.namespace == URI for child in body.children)
    assert [(child.local, child.text) for child in body.children] == [
        ("Text", "a<b"),
        ("Number", "7"),
        ("Flag", "true"),
        ("Key", "0"),
        ("Key", "255"),
        ("Names", "x"),
        ("Names", "y"),
        ("Numbers", "1"),
        ("Numbers", "2"),
        ("Empty", ""),
    ]
    assert header(data, "Action") == f"{URI}/DoIt"
    assert b"SelectorSet" not in data


def test_invoke_without_arguments_has_an_empty_input() -> None:
    body = tree(WRITER.invoke(URI, "uuid:1", "Decrypt", None, {"DisableCount": None})).find("Body", "Decrypt_INPUT")
    assert body is not None
    assert body.children == []


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "1a", "a\n", 'a"', "ä", "a" * 256])
def test_names_are_checked(bad: str) -> None:
    with pytest.raises(OptionError):
        resource_uri("root/cimv2", bad)
    with pytest.raises(OptionError):
        WRITER.invoke(URI, "uuid:1", bad, None, None)
    with pytest.raises(OptionError):
        WRITER.invoke(URI, "uuid:1", "A", {bad: "x"}, None)
    with pytest.raises(OptionError):
        WRITER.invoke(URI, "uuid:1", "A", None, {bad: "x"})


@pytest.mark.parametrize("bad", ["", "root\\cimv2", "/root", "root/", "root//cimv2", "root/cim v2", "root\n"])
def test_namespaces_are_checked(bad: str) -> None:
    with pytest.raises(OptionError):
        resource_uri(bad, "Win32_Volume")


def test_wql_literal() -> None:
    assert wql_literal(VOLUME) == "'" + VOLUME.replace("\\", "\\\\") + "'"
    assert wql_literal("o'neill") == "'o\\'neill'"


@pytest.mark.parametrize("bad", ["\x00", "a\x1f", "\ud800", "\ufffe", "\uffff", "\x0b"])
def test_what_xml_cannot_carry(bad: str) -> None:
    with pytest.raises(OptionError) as caught:
        escape(bad)
    assert bad not in str(caught.value)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"), max_size=200))
def test_every_text_survives(text: str) -> None:
    if any(ord(character) < 32 and character not in "\t\n\r" for character in text):
        return
    context = tree(WRITER.pull(URI, "uuid:1", text)).find("Body", "Pull", "EnumerationContext")
    assert context is not None
    assert context.text == text
    attribute = tree(f'<a x="{escape(text)}"/>'.encode()).attribute("x")
    assert attribute == text


@given(st.text(max_size=60))
def test_wql_literals_cannot_be_left(text: str) -> None:
    literal = wql_literal(text)
    inside = literal[1:-1]
    # every quote inside is behind an odd run of backslashes, and the last run of backslashes is even
    run = 0
    for character in inside:
        if character == "\\":
            run += 1
            continue
        assert character != "'" or run % 2 == 1
        run = 0
    assert run % 2 == 0
