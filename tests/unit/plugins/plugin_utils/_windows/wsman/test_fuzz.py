# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a peer sends: an answer or an error of ours, never anything else, in bounded time. The long run is tests/fuzz/fuzz_wsman.py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman import answer as answers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.faults import FaultError, read_fault
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.instance import Instance
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.port import AnswerTimeoutError, ConnectionLostError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Limits
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.xml_reader import Element
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.answers import (
    CLASS,
    NAMESPACE,
    Step,
    frozen,
    names,
    session,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ANSWERS = names("enumerate") + names("pull") + names("invoke") + names("get") + names("fault") + names("hostile")
READERS = ("string", "integer", "boolean", "strings", "integers", "octets", "timestamp", "interval", "has")

texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "0", "-1", "2150694912", "true", "TRUE", "256", "AAAA", "2013-03-09T02:57:32Z", "P1D", "20130309025732.000000+060"]
    ),
    st.from_regex(r"[0-9TZ:.+PDHMS-]{1,30}", fullmatch=True),
)
local_names = st.sampled_from(
    [
        "Items",
        "EndOfSequence",
        "EnumerationContext",
        "Fault",
        "Code",
        "Value",
        "Subcode",
        "Reason",
        "Text",
        "Detail",
        "WSManFault",
        "Message",
        "ProviderFault",
        "MSFT_WmiError",
        "error_Code",
        "CIMStatusCode",
        "StatusCode",
        "Datetime",
        "Interval",
        "Item",
        "EndpointReference",
        "A",
    ]
)
attributes = st.dictionaries(
    st.sampled_from(["Code", "Machine", "provider", "http://www.w3.org/2001/XMLSchema-instance nil"]), texts | st.just("true"), max_size=3
)


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Lets errors of ours pass, which must have a text."""
    try:
        yield
    except KeywardError as error:
        if not str(error).startswith("Could not "):
            raise AssertionError("an error without a text") from error


def element(local: str, attributes: dict[str, str], text: str, children: list[Element]) -> Element:
    made = Element("urn:any", local, attributes)
    made.text = text
    made.children = children
    return made


trees = st.recursive(
    st.builds(element, local_names, attributes, texts, st.just([])),
    lambda inner: st.builds(element, local_names, attributes, texts, st.lists(inner, max_size=4)),
    max_leaves=25,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A frozen answer with a few bytes cut, doubled, changed or put in."""
    data = bytearray(frozen(draw(st.sampled_from(ANSWERS))))
    for _unused in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        end = min(len(data), start + draw(st.integers(0, 60)))
        data[start:end] = draw(
            st.one_of(
                st.binary(max_size=8),
                st.just(bytes(data[start:end]) * 2),
                st.sampled_from([b"<", b">", b"&#0;", b"<a/>", b"</s:Body>", b'"']),
            )
        )
    return bytes(data)


def read_everything(data: bytes) -> None:
    answer = answers.read_answer(data, attempted="read")
    if answer.fault is not None:
        assert isinstance(read_fault(answer.fault, attempted="read", username="bob"), FaultError)
    read_instance(answers.output(answer, "GetKeyProtectors"))
    for reader in (answers.page, answers.instance):
        try:
            got: Any = reader(answer, attempted="read")
        except KeywardError:
            continue
        for item in got.items if isinstance(got, answers.Page) else [got]:
            read_instance(item)


def read_instance(item: Instance) -> None:
    assert len(repr(item)) < 1_000_000
    for name in item.names:
        for reader in READERS:
            with ours():
                getattr(item, reader)(name)


@given(st.one_of(damaged(), st.binary(max_size=200)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with ours():
        read_everything(data)


@given(trees)
def test_any_tree_is_decoded_or_refused(root: Element) -> None:
    read_instance(Instance(root))
    error = read_fault(root, attempted="read", username="LAB\\bob")
    assert len(str(error)) < 2000
    for name in dir(type(error)):
        if name.startswith("is_"):
            assert isinstance(getattr(error, name), bool)
    answer = answers.Answer(root, "", "")
    for reader in (answers.page, answers.instance):
        with ours():
            reader(answer, attempted="read")


steps = st.one_of(
    st.sampled_from([*names("enumerate"), *names("pull"), *names("fault"), "get_whole", "invoke_output"]),
    st.sampled_from([ConnectionLostError("talk"), AnswerTimeoutError("talk")]),
    damaged(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=12), st.integers(0, 3), st.integers(0, 5))
def test_a_session_against_any_host_ends(script: list[Step], what: int, wanted: int) -> None:
    # a host that goes on for ever with its last answer
    endless = script[-1]

    def last(_envelope: bytes) -> bytes:
        if isinstance(endless, Exception):
            raise endless
        return frozen(endless) if isinstance(endless, str) else bytes(endless)  # type: ignore[arg-type]  # steps are these three kinds

    client, transport = session(*script, *[last] * 200, limits=Limits(pages=40, items=60))
    with ours():
        if what == 0:
            items = client.enumerate(NAMESPACE, CLASS)
            for _unused in zip(range(wanted), items, strict=False):
                pass
            items.close()  # type: ignore[attr-defined]  # a generator
        elif what == 1:
            assert len(list(client.query(NAMESPACE, "SELECT * FROM x"))) <= 60
        elif what == 2:
            read_instance(client.get(NAMESPACE, CLASS, {"DeviceID": "x"}))
        else:
            read_instance(client.invoke(NAMESPACE, CLASS, "GetKeyProtectors", repeatable=True))
    assert len(transport.sent) <= 45
    assert client.requests == len(transport.sent)
    # whatever was left open and could be ended was ended, and nothing after it
    assert transport.actions.count("Release") <= 1
    if "Release" in transport.actions:
        assert transport.actions[-1] == "Release"


@pytest.mark.parametrize("name", ANSWERS)
def test_every_prefix_of_every_frozen_answer(name: str) -> None:
    data = frozen(name)
    for cut in range(0, len(data), 37):
        with ours():
            read_everything(data[:cut])
