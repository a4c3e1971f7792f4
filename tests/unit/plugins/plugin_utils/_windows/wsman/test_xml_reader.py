# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardened reader: what it refuses, and that it refuses in our words and in bounded time."""

from __future__ import annotations

import contextlib
import time

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import LimitError, ProtocolError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman import xml_reader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.answer import read_answer
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.port import MAX_ENVELOPE
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.answers import frozen, names


def read(data: bytes) -> xml_reader.Element:
    return xml_reader.read_xml(data, attempted="read", target="https://pc01:5986/wsman")


@pytest.mark.parametrize("name", names("hostile"))
def test_hostile_answers_are_refused(name: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_answer(frozen(name), attempted="read the volumes", target="https://pc01:5986/wsman")
    assert "read the volumes" in str(caught.value)
    assert "https://pc01:5986/wsman" in str(caught.value)


def test_namespaces_attributes_and_text() -> None:
    root = read(b'<a:r xmlns:a="urn:a" x="1" a:y="2"> one <b>two</b><![CDATA[<three>]]>&amp;</a:r>')
    assert (root.namespace, root.local) == ("urn:a", "r")
    assert root.attribute("x") == "1"
    assert root.attribute("y") == "2"
    assert root.attribute("z") is None
    assert root.text == " one <three>&"
    assert root.whole_text() == "one <three>& two"
    assert root.find("b", "c") is None
    assert [element.local for element in root.walk()] == ["r", "b"]
    assert "two" not in repr(root.child("b"))


def test_encodings() -> None:
    assert read('<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode("utf-16")).text == "é"
    assert read(b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>').text == "é"
    assert read(b"\xef\xbb\xbf<a/>").local == "a"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\x00",
        b"<",
        b"<a>\x01</a>",
        b"<a>\xff</a>",
        b"<a x='1' x='2'/>",
        b"<a>&nothing;</a>",
        b'<?xml version="1.0" encoding="no-such-code"?><a/>',
        b'<?xml version="1.0" encoding="rot13"?><a/>',
        b'<?xml version="1.0" encoding="idna"?><a/>',
        b"%PDF-1.7",
    ],
)
def test_garbage_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(data)


def test_bounds() -> None:
    assert read(b"<a>" * 64 + b"</a>" * 64).local == "a"
    for data in (
        b"<a>" * 65 + b"</a>" * 65,
        b"<a>" + b"<b/>" * 50_000 + b"</a>",
        b"<a " + b" ".join(b"x%d='1'" % number for number in range(65)) + b"/>",
        b"<a>" + b"x" * MAX_ENVELOPE + b"</a>",
    ):
        with pytest.raises(LimitError):
            read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" + b"x<b/>" * 49_000 + b"</a>",
        b"<a>" + b"&amp;" * 200_000 + b"</a>",
        b"<a " + b"".join(b" x%d='%s'" % (number, b"y" * 15_000) for number in range(60)) + b"/>",
        b"<a>" * 300_000,
        b"<" + b"a" * 1_000_000,
    ],
    ids=["mixed", "references", "attributes", "deep", "endless name"],
)
def test_the_worst_within_a_megabyte_takes_no_time(data: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(ProtocolError):
        read(data).whole_text()
    assert time.process_time() - began < 2.0
