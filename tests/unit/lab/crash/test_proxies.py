# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's proxies make of messages: cut where they end, named without a secret, answered as each side would."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from ansible_collections.keyward.bitlocker.tests.lab.crash import soap
from ansible_collections.keyward.bitlocker.tests.lab.crash.fate import ERROR, KILLED_BEFORE, LIED, LOST, Fate, Mishap
from ansible_collections.keyward.bitlocker.tests.lab.crash.http_proxy import GRAPH_MANNERS, HOST_MANNERS, Cutter, HttpMessage, HttpProxy
from ansible_collections.keyward.bitlocker.tests.lab.crash.proxies import CrashProxies
from ansible_collections.keyward.bitlocker.tests.lab.directory.ldap_server import server_context
from ansible_collections.keyward.bitlocker.tests.lab.hosts.classes.volume_schema import METHODS
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabError, LabOptions
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import CLIENT_HEADERS, KEYS, run, tenant
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import Lab as TenantLab
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import BITLOCKER, Answer, Message
from hypothesis import given, settings
from hypothesis import strategies as st


def _cut(*pieces: bytes) -> list[HttpMessage]:
    here, there = socket.socketpair()
    with here, there:
        for piece in pieces:
            there.sendall(piece)
        there.close()
        cutter = Cutter(here)
        return list(iter(cutter.next, None))


def test_messages_are_cut_where_they_end() -> None:
    first, second = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
    assert [(item.first_line, item.body) for item in _cut(first + second)] == [("POST /a HTTP/1.1", b"abc"), ("GET /b HTTP/1.1", b"")]
    assert [item.body for item in _cut(first[:-2], first[-2:])] == [b"abc"]
    assert [item.raw for item in _cut(first[:-1])] == [first[:-1]]
    assert _cut(b"GET / HTTP/1.1\r\n") == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_whatever_comes_is_passed_on_as_it_came(bodies: list[bytes]) -> None:
    sent = [b"POST / HTTP/1.1\r\nA: b\r\ncontent-length: %d\r\n\r\n" % len(body) + body for body in bodies]
    assert [item.raw for item in _cut(b"".join(sent))] == sent


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.sampled_from([b"<a/>", b"<a><b/></a>", b"<a"])))
def test_what_is_no_envelope_asks_for_nothing(data: bytes) -> None:
    asked = soap.read(data)
    assert (asked.method, asked.changes) == (None, False)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_method_changes_unless_it_only_tells(method: str) -> None:
    asked = soap.read(Message.volume(method))
    assert (asked.what, asked.method) == (f"Invoke {method}", method)
    assert asked.changes is not method.startswith(("Get", "Is", "Find", "TpmProtectorContains"))
    if asked.changes:
        answer = Answer(200, soap.lie(asked))
        assert answer.result == 0
        assert answer.texts("RelatesTo") == [asked.message_id]


def test_reads_are_named_and_not_lied_about() -> None:
    envelope = Message.query(BITLOCKER, "SELECT * FROM Win32_EncryptableVolume")
    request = HttpMessage(head=b"POST /wsman HTTP/1.1\r\n\r\n", body=envelope)
    assert HOST_MANNERS.asked(request) == ("Enumerate", False)
    assert HOST_MANNERS.lie(request) is None
    assert b"InternalError" in HOST_MANNERS.refusal(request)
    with pytest.raises(ValueError, match="not known"):
        soap.lie(soap.read(envelope))


@pytest.mark.parametrize(
    ("line", "lies"),
    [
        ("GET /v1.0/informationProtection/bitlocker/recoveryKeys HTTP/1.1", True),
        ("GET /beta/informationProtection/bitlocker/recoveryKeys?$filter=deviceId%20eq%20'x' HTTP/1.1", True),
        ("GET /v1.0/devices?$top=999 HTTP/1.1", True),
        ("GET /v1.0/informationProtection/bitlocker/recoveryKeys/1?$select=key HTTP/1.1", False),
        ("POST /x/oauth2/v2.0/token HTTP/1.1", False),
    ],
)
def test_graph_is_lied_about_as_an_empty_list(line: str, lies: bool) -> None:
    request = HttpMessage(head=f"{line}\r\nAuthorization: Bearer secret\r\n\r\n".encode(), body=b"client_secret=hidden")
    answer = GRAPH_MANNERS.lie(request)
    assert (answer is not None) is lies
    if answer is not None:
        assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"value": []}
    assert "secret" not in GRAPH_MANNERS.asked(request)[0]


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[TenantLab]:
    """A tenant to stand before."""
    made: TenantLab = run(tmp_path, tenant())
    yield made
    made.session.close()
    made.endpoint.stop()


@pytest.mark.parametrize(
    ("mishap", "outcome"),
    [(None, 5), (Mishap(at=2, kind=ERROR), 503), (Mishap(at=2, kind=LIED), 0), (Mishap(at=2, kind=LOST), None)],
)
def test_a_tenant_behind_a_proxy(proxied: TenantLab, mishap: Mishap | None, outcome: int | None) -> None:
    fate = Fate()
    fate.arm(mishap)
    endpoint = proxied.endpoint
    certificate = server_context(*proxied.ca.issue(addresses=[endpoint.address]))
    upstream = (endpoint.address, endpoint.port)
    with HttpProxy(fate, GRAPH_MANNERS, peer="graph", address=endpoint.address, port=0, tls=certificate, upstream=upstream) as proxy:
        headers = {**CLIENT_HEADERS, "Authorization": f"Bearer {proxied.token()}", "Host": f"{endpoint.address}:{endpoint.port}"}

        def ask() -> requests.Response:
            return proxied.session.get(f"https://{endpoint.address}:{proxy.port}{KEYS}", headers=headers, timeout=10)

        assert len(ask().json()["value"]) == 5
        if outcome is None:
            with pytest.raises(requests.ConnectionError):
                ask()
        elif outcome == 503:
            assert ask().status_code == 503
        else:
            assert len(ask().json()["value"]) == outcome
    assert [item.mishap for item in fate.exchanges][1:2] == [None if mishap is None else mishap.kind]


def test_a_killed_exchange_reaches_nobody(proxied: TenantLab) -> None:
    fate = Fate()
    fate.arm(Mishap(at=1, kind=KILLED_BEFORE))
    endpoint = proxied.endpoint
    certificate = server_context(*proxied.ca.issue(addresses=[endpoint.address]))
    upstream = (endpoint.address, endpoint.port)
    with (
        HttpProxy(fate, GRAPH_MANNERS, peer="graph", address=endpoint.address, port=0, tls=certificate, upstream=upstream) as proxy,
        pytest.raises(requests.ConnectionError),
    ):
        proxied.session.get(f"https://{endpoint.address}:{proxy.port}{KEYS}", timeout=10)
    assert proxied.log() == []


def test_proxies_want_a_lab_that_leaves_room(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="behind_proxies"):
        CrashProxies(Lab(tmp_path))
    with pytest.raises(LabError, match="one proxy"):
        LabOptions(record_ldap=True, behind_proxies=True).check()
