# SPDX-License-Identifier: GPL-3.0-or-later
"""The session over scripted answers: enumeration however the host does it, bounds, Release, repetition, checks of headers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import LimitError, ProtocolError, UnreachableError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.faults import AccessDeniedError, FaultError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.port import AnswerTimeoutError, ConnectionLostError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Limits, Session
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.answers import (
    CLASS,
    NAMESPACE,
    Clock,
    Step,
    frozen,
    session,
    tree,
)

KEYS = {"DeviceID": "\\\\?\\Volume{0f1e2d3c-4b5a-4697-8877-665544332211}\\"}
RELEASED = frozen("pull_end").replace(b"PullResponse", b"ReleaseResponse")
LOST = ConnectionLostError("talk to the host")
LATE = AnswerTimeoutError("talk to the host")


def letters(*steps: Step) -> tuple[list[str | None], list[str]]:
    client, transport = session(*steps)
    found = [item.string("DriveLetter") for item in client.enumerate(NAMESPACE, CLASS)]
    assert client.requests == len(transport.sent)
    return found, transport.actions


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        (["enumerate_complete"], ["C:", None]),
        (["enumerate_empty"], []),
        (["enumerate_empty_without_items"], []),
        (["enumerate_one_item", "pull_end"], ["C:", "E:"]),
        (["enumerate_one_item", "pull_more", "pull_end"], ["C:", "D:", "E:"]),
        (["enumerate_one_item", "pull_more_same_context", "pull_end"], ["C:", "D:", "E:"]),
        (["enumerate_context_only", "pull_empty_more", "pull_more", "pull_end"], ["D:", "E:"]),
        (["enumerate_context_only", "pull_end_without_items"], []),
        (["enumerate_object_and_address"], ["C:"]),
        (["enumerate_other_prefixes"], ["C:"]),
    ],
)
def test_enumeration_however_the_host_does_it(steps: list[Step], found: list[str | None]) -> None:
    got, actions = letters(*steps)
    assert got == found
    assert actions == ["Enumerate"] + ["Pull"] * (len(steps) - 1)


def test_the_newest_context_is_used_and_the_old_one_stays_without_a_new() -> None:
    client, transport = session("enumerate_one_item", "pull_more_same_context", "pull_more", "pull_end")
    assert len(list(client.enumerate(NAMESPACE, CLASS))) == 4
    contexts = [tree(envelope).find("Body", "Pull", "EnumerationContext") for envelope in transport.sent[1:]]
    assert [element.text[5:9] for element in contexts if element is not None] == ["67A6", "67A6", "0CBB"]


def test_nothing_is_sent_before_the_first_item_is_asked_for() -> None:
    client, transport = session("enumerate_complete")
    items = client.query("root/cimv2", "SELECT * FROM Win32_Volume")
    assert transport.sent == []
    next(items)
    assert transport.actions == ["Enumerate"]
    resource = tree(transport.sent[0]).find("Header", "ResourceURI")
    assert resource is not None
    assert resource.text.endswith("/wmi/root/cimv2/*")


def test_abandoning_sends_release_with_the_latest_context() -> None:
    client, transport = session("enumerate_one_item", "pull_more", RELEASED)
    items = client.enumerate(NAMESPACE, CLASS)
    next(items)
    next(items)
    items.close()  # type: ignore[attr-defined]  # a generator
    assert transport.actions == ["Enumerate", "Pull", "Release"]
    context = tree(transport.sent[-1]).find("Body", "Release", "EnumerationContext")
    assert context is not None
    assert context.text.startswith("uuid:0CBB")


def test_abandoning_a_finished_enumeration_sends_nothing() -> None:
    client, transport = session("enumerate_complete")
    items = client.enumerate(NAMESPACE, CLASS)
    next(items)
    items.close()  # type: ignore[attr-defined]  # a generator
    assert transport.actions == ["Enumerate"]


@pytest.mark.parametrize("answer", [b"garbage", LOST, "fault_bare", RELEASED])
def test_what_comes_back_for_release_does_not_matter(answer: Step) -> None:
    client, transport = session("enumerate_one_item", answer)
    items = client.enumerate(NAMESPACE, CLASS)
    next(items)
    items.close()  # type: ignore[attr-defined]  # a generator
    assert transport.actions == ["Enumerate", "Release"]


@pytest.mark.parametrize("broken", ["fault_timed_out", b"garbage", "get_whole", "hostile_entities"])
def test_an_answer_that_cannot_be_used_ends_and_releases(broken: Step) -> None:
    client, transport = session("enumerate_one_item", broken, RELEASED)
    with pytest.raises(ProtocolError):
        list(client.enumerate(NAMESPACE, CLASS))
    assert transport.actions == ["Enumerate", "Pull", "Release"]


@pytest.mark.parametrize("error", [LOST, LATE, UnreachableError("talk to the host")])
def test_a_dead_connection_is_not_asked_to_release(error: Exception) -> None:
    client, transport = session("enumerate_one_item", error)
    with pytest.raises(UnreachableError):
        list(client.enumerate(NAMESPACE, CLASS))
    assert transport.actions == ["Enumerate", "Pull"]


def test_neither_end_nor_context_is_refused() -> None:
    with pytest.raises(ProtocolError, match="neither an end nor a way"):
        letters("enumerate_neither_end_nor_context")


def test_a_host_that_never_ends_is_cut_off() -> None:
    for steps, limits, asked in (
        (["enumerate_context_only"] + ["pull_empty_more"] * 20, Limits(), 11),
        (["enumerate_one_item"] + ["pull_more_same_context"] * 50, Limits(pages=20), 21),
        (["enumerate_one_item"] + ["pull_more"] * 50, Limits(items=30), 31),
    ):
        client, transport = session(*steps, limits=limits)
        with pytest.raises(LimitError, match="does not end"):
            list(client.enumerate(NAMESPACE, CLASS))
        assert transport.actions == ["Enumerate"] + ["Pull"] * (asked - 1) + ["Release"]


def test_a_slow_host_is_cut_off_but_a_slow_reader_is_not() -> None:
    client, transport = session("enumerate_one_item", *["pull_more"] * 99, clock=Clock(step=60.0))
    with pytest.raises(LimitError):
        list(client.enumerate(NAMESPACE, CLASS))
    assert len(transport.sent) < 10
    clock = Clock()
    client, transport = session("enumerate_one_item", *["pull_more"] * 5, "pull_end", clock=clock)
    for _unused in client.enumerate(NAMESPACE, CLASS):
        clock.sleep(200.0)
    assert transport.actions[-1] == "Pull"


def get(client: Session) -> object:
    return client.get("root/cimv2", "Win32_OperatingSystem", KEYS)


def enumerate_(client: Session) -> object:
    return list(client.enumerate(NAMESPACE, CLASS))


def repeatable(client: Session) -> object:
    return client.invoke(NAMESPACE, CLASS, "GetKeyProtectors", selectors=KEYS, repeatable=True)


def once_only(client: Session) -> object:
    return client.invoke(NAMESPACE, CLASS, "GetKeyProtectors", selectors=KEYS)


SAFE: list[tuple[Callable[[Session], object], str]] = [
    (get, "get_whole"),
    (enumerate_, "enumerate_complete"),
    (repeatable, "invoke_output"),
]


@pytest.mark.parametrize(("call", "answer"), SAFE)
@pytest.mark.parametrize("first", [LOST, "fault_quota", "fault_operations_quota"])
def test_safe_requests_are_repeated_once(call: Callable[[Session], object], answer: str, first: Step) -> None:
    clock = Clock()
    client, transport = session(first, answer, clock=clock)
    call(client)
    assert len(transport.sent) == 2
    assert client.requests == 2
    assert clock.slept == ([1.0] if isinstance(first, str) else [])
    client, transport = session(first, first, first)
    with pytest.raises((UnreachableError, FaultError)):
        call(client)
    assert len(transport.sent) == 2


@pytest.mark.parametrize(("call", "answer"), SAFE)
def test_a_late_answer_is_waited_for_again_only_from_a_host_that_has_answered(call: Callable[[Session], object], answer: str) -> None:
    client, transport = session(LATE, answer)
    with pytest.raises(UnreachableError):
        call(client)
    assert len(transport.sent) == 1
    client, transport = session("get_whole", LATE, answer)
    get(client)
    call(client)
    assert len(transport.sent) == 3


@pytest.mark.parametrize("first", [LOST, LATE, "fault_quota"])
def test_other_requests_are_never_repeated(first: Step) -> None:
    client, transport = session(first, "invoke_output")
    with pytest.raises((UnreachableError, FaultError)):
        once_only(client)
    assert len(transport.sent) == 1
    client, transport = session("enumerate_one_item", first, RELEASED)
    with pytest.raises((UnreachableError, FaultError)):
        enumerate_(client)
    assert transport.actions[:2] == ["Enumerate", "Pull"]
    assert "Pull" not in transport.actions[2:]


@pytest.mark.parametrize("first", [UnreachableError("connect to the host"), "fault_access_denied", "fault_timed_out", b"garbage"])
def test_other_failures_are_never_repeated(first: Step) -> None:
    client, transport = session(first, "get_whole")
    with pytest.raises((UnreachableError, ProtocolError)):
        get(client)
    assert len(transport.sent) == 1


def test_a_host_that_hangs_costs_one_repetition_a_session() -> None:
    client, transport = session(LATE, LATE, LATE)
    for _unused in range(2):
        with pytest.raises(AnswerTimeoutError):
            get(client)
    assert len(transport.sent) == 3


def test_relates_to_and_action_are_checked() -> None:
    answer = frozen("get_whole")
    for wrong in (
        answer.replace(b"uuid:11111111-1111-4111-8111-111111111111", b"uuid:22222222-2222-4222-8222-222222222222"),
        answer.replace(b"/GetResponse", b"/PutResponse"),
        answer.replace(b"<a:Action>", b"<a:X>").replace(b"</a:Action>", b"</a:X>"),
    ):
        client, _unused = session(wrong)
        with pytest.raises(ProtocolError):
            get(client)
    for right in (
        answer.replace(b"<a:RelatesTo>uuid:11111111-1111-4111-8111-111111111111</a:RelatesTo>", b""),
        answer.replace(b"uuid:11111111-1111-4111-8111-111111111111", b"UUID:11111111-1111-4111-8111-111111111111"),
    ):
        client, _unused = session(right)
        get(client)


def test_the_case_of_the_uri_is_the_hosts_own() -> None:
    answer = frozen("invoke_output").replace(b"root/cimv2/Security", b"ROOT/CIMV2/security")
    client, _unused = session(answer)
    assert client.invoke(NAMESPACE, CLASS, "GetKeyProtectors", selectors=KEYS).integer("ReturnValue") == 0


def test_a_fault_is_typed_even_under_status_200_and_names_the_account() -> None:
    client, _unused = session("fault_access_denied", username="helpdesk")
    with pytest.raises(AccessDeniedError) as caught:
        once_only(client)
    assert caught.value.cause == "uac_filtered"
    assert caught.value.target == "https://pc01:5986/wsman"


def test_what_was_readable_before_tells_why_another_namespace_is_denied() -> None:
    client, _unused = session("fault_access_denied_wmi", "get_whole", "fault_access_denied_wmi", "fault_access_denied")
    with pytest.raises(AccessDeniedError) as caught:
        get(client)
    assert caught.value.cause == "not_administrator"
    get(client)
    for _unused in range(2):
        with pytest.raises(AccessDeniedError) as caught:
            once_only(client)
        assert caught.value.cause == "wmi_namespace"


def test_get_wants_exactly_one_instance() -> None:
    body = frozen("get_whole")
    client, _unused = session(body.replace(b"</s:Body>", b"<b/></s:Body>"))
    with pytest.raises(ProtocolError):
        get(client)


def test_arguments_never_appear_in_errors() -> None:
    secret = "111111-222222-333333-444444-555555-666666-077777-088888"
    for step in ("fault_schema", b"garbage", LOST):
        client, transport = session(step)
        with pytest.raises((ProtocolError, UnreachableError)) as caught:
            client.invoke(NAMESPACE, CLASS, "UnlockWithNumericalPassword", selectors=KEYS, arguments={"NumericalPassword": secret})
        assert secret.encode() in transport.sent[0]
        assert "111111" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"


def test_the_session_closes_its_transport() -> None:
    client, transport = session()
    with client as same:
        assert same.authenticated_names == ("pc01.lab.example",)
    assert transport.closed == 1
