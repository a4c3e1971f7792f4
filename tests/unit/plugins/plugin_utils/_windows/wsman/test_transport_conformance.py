# SPDX-License-Identifier: GPL-3.0-or-later
"""The same cases over both adapters, against a scripted peer."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import (
    AuthenticationError,
    AuthorizationError,
    KeywardError,
    LimitError,
    OptionError,
    ProtocolError,
    TlsError,
    UnreachableError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.port import (
    MAX_ENVELOPE,
    AnswerTimeoutError,
    ConnectionLostError,
    Transport,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports import open_transport
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports.lean import LeanTransport
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports.pywinrm import PywinrmTransport
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.answers import frozen
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.peer import (
    ANSWER,
    BASIC,
    PASSWORD,
    Peer,
    Request,
    basic,
    chunked,
    reply,
)

Listen = Callable[..., Peer]
Open = Callable[..., Transport]


@pytest.fixture(params=["lean", "pywinrm"])
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connect(adapter: str, settings: ConnectionSettings) -> Iterator[Open]:
    """Open the adapter under test to a peer."""
    opened: list[Transport] = []

    def start(peer: Peer, **changes: Any) -> Transport:
        opened.append(open_transport(replace(settings, port=peer.port, **{"adapter": adapter, **changes})))
        return opened[-1]

    yield start
    for transport in opened:
        transport.close()


def fails(transport: Transport, kind: type[KeywardError]) -> KeywardError:
    with pytest.raises(kind) as caught:
        transport.send(b"<a/>")
    told: BaseException | None = caught.value
    while told is not None:
        assert PASSWORD not in f"{told} {told!r}"
        assert BASIC not in f"{told} {told!r}"
        told = told.__cause__
    return caught.value


def test_one_connection_serves_many_requests(listen: Listen, connect: Open, certificates: Any) -> None:
    peer = listen(basic, certificates.contexts["good"])
    transport = connect(peer)
    for number in range(5):
        assert transport.send(b"<a>%d</a>" % number) == ANSWER
    assert peer.connections == 1
    assert [request.body for request in peer.requests] == [b"<a>%d</a>" % number for number in range(5)]
    for request in peer.requests:
        assert request.line == "POST /wsman HTTP/1.1"
        assert request.headers["authorization"] == BASIC
        assert request.headers["content-type"] == "application/soap+xml;charset=UTF-8"
        assert request.headers["host"] == f"pc01.lab.example:{peer.port}"
        assert request.headers.get("accept-encoding") == "identity"


def test_a_whole_session(listen: Listen, connect: Open, certificates: Any) -> None:
    peer = listen(lambda request: reply(200, ANSWER), certificates.contexts["good"])
    with Session(connect(peer), new_id=lambda: "uuid:11111111-1111-4111-8111-111111111111") as session:
        for _unused in range(3):
            assert session.get("root/cimv2", "Win32_OperatingSystem", {"Name": "x"}).string("BuildNumber") == "26100"
        assert session.authenticated_names == ("pc01.lab.example", "pc01")
    assert peer.connections == 1


@pytest.mark.parametrize("make", [chunked, lambda body: chunked(body, 7), lambda body: chunked(body, 100_000)])
def test_chunked_answers_keep_the_connection(listen: Listen, connect: Open, certificates: Any, make: Callable[[bytes], bytes]) -> None:
    peer = listen(lambda request: make(ANSWER), certificates.contexts["good"])
    transport = connect(peer)
    assert [transport.send(b"<a/>") for _unused in range(3)] == [ANSWER] * 3
    assert peer.connections == 1


def test_large_answers_arrive_whole(listen: Listen, connect: Open, certificates: Any) -> None:
    body = b"x" * MAX_ENVELOPE
    peer = listen(lambda request: reply(200, body), certificates.contexts["good"])
    assert connect(peer).send(b"<a/>") == body


def test_a_fault_is_given_back(listen: Listen, connect: Open, certificates: Any) -> None:
    fault = frozen("fault_german")
    peer = listen(lambda request: reply(500, fault), certificates.contexts["good"])
    transport = connect(peer)
    assert transport.send(b"<a/>") == fault
    assert transport.send(b"<a/>") == fault


def test_wrong_password(listen: Listen, connect: Open, certificates: Any) -> None:
    peer = listen(lambda request: reply(401, b"", 'WWW-Authenticate: Basic realm="WSMAN"'), certificates.contexts["good"])
    error = fails(connect(peer), AuthenticationError)
    assert error.code == "HTTP 401"
    assert "LocalAccountTokenFilterPolicy" in error.remedy
    assert len(peer.requests) == 1
    domain = fails(connect(peer, username="admin@lab.example"), AuthenticationError)
    assert "local accounts only" in domain.remedy


def test_redirects_are_not_followed(listen: Listen, connect: Open, certificates: Any) -> None:
    other = listen(basic, certificates.contexts["good"])
    for status in (301, 302, 303, 307, 308):
        peer = listen(
            lambda request, status=status: reply(status, b"", f"Location: https://pc01.lab.example:{other.port}/wsman"),
            certificates.contexts["good"],
        )
        error = fails(connect(peer), ProtocolError)
        assert error.code == f"HTTP {status}"
        assert len(peer.requests) == 1
    assert other.connections == 0


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (403, b"<html>no</html>", AuthorizationError, "forbids"),
        (404, b"<html>no</html>", ProtocolError, "ansible_winrm_path"),
        (404, b"", ProtocolError, "ansible_winrm_path"),
        (503, b"<html>no</html>", ProtocolError, "WinRM service"),
        (503, b"", ProtocolError, "WinRM service"),
        (500, b"", ProtocolError, "says no more"),
        (400, b"", ProtocolError, "cannot read"),
        (418, b"", ProtocolError, "HTTP 418"),
        (200, b"", ProtocolError, "no HTTP answer"),
        (204, b"", ProtocolError, "Could not talk"),
    ],
)
def test_other_statuses(
    listen: Listen, connect: Open, certificates: Any, status: int, body: bytes, kind: type[KeywardError], words: str
) -> None:
    peer = listen(lambda request: reply(status, body, kind="text/html"), certificates.contexts["good"])
    error = fails(connect(peer), kind)
    assert words in str(error)
    assert str(peer.port) in str(error)


def test_answers_in_other_code_pages_are_no_crash(listen: Listen, connect: Open, certificates: Any) -> None:
    peer = listen(lambda request: reply(503, b"\xff\xfe\xe9", kind="text/html"), certificates.contexts["good"])
    fails(connect(peer), ProtocolError)


def endless(request: Request) -> None:
    request.wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        request.wire.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def until_close(request: Request) -> None:
    request.wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n\r\n")
    while True:
        request.wire.sendall(b"x" * 0x10000)


@pytest.mark.parametrize(
    "script",
    [
        lambda request: reply(200, b"x" * (MAX_ENVELOPE + 200_000)),
        lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * (2 * MAX_ENVELOPE),
        endless,
        until_close,
    ],
    ids=["longer", "says longer", "endless chunks", "until close"],
)
def test_answers_have_a_bound(listen: Listen, connect: Open, certificates: Any, script: Any) -> None:
    fails(connect(listen(script, certificates.contexts["good"])), LimitError)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<a/>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<a/>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n<a/>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n<a/>",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ],
)
def test_broken_answers_are_errors_of_ours(listen: Listen, connect: Open, certificates: Any, raw: bytes) -> None:
    def script(request: Request) -> None:
        request.wire.sendall(raw)

    error = fails(connect(listen(script, certificates.contexts["good"])), KeywardError)
    assert isinstance(error, (ProtocolError, ConnectionLostError))


def test_compressed_answers_are_refused(listen: Listen, connect: Open, certificates: Any) -> None:
    bomb = gzip.compress(b"\x00" * 50_000_000)
    peer = listen(lambda request: reply(200, bomb, "Content-Encoding: gzip"), certificates.contexts["good"])
    fails(connect(peer), ProtocolError)


def test_early_close_is_told_and_the_next_request_connects_anew(listen: Listen, connect: Open, certificates: Any) -> None:
    peer: Peer = listen(lambda request: None if len(peer.requests) == 2 else reply(200, ANSWER), certificates.contexts["good"])
    transport = connect(peer)
    transport.send(b"<a/>")
    fails(transport, ConnectionLostError)
    assert len(peer.requests) == 2
    assert transport.send(b"<a/>") == ANSWER
    assert peer.connections == 2


def test_a_connection_closed_while_idle_is_replaced_without_an_error(listen: Listen, connect: Open, certificates: Any) -> None:
    peer = listen(lambda request: reply(200, ANSWER, "X: 1\r\nConnection: close"), certificates.contexts["good"])
    transport = connect(peer)
    for _unused in range(3):
        assert transport.send(b"<a/>") == ANSWER
        time.sleep(0.05)
    assert len(peer.requests) == 3

    def silent_close(request: Request) -> bytes | None:
        if len(quiet.requests) % 2:
            request.wire.sendall(reply(200, ANSWER))
            return None
        return reply(200, ANSWER)

    quiet = listen(silent_close, certificates.contexts["good"])
    transport = connect(quiet)
    for _unused in range(4):
        assert transport.send(b"<a/>") == ANSWER
        time.sleep(0.05)
    assert len(quiet.requests) == 4


def test_slow_answers_end_at_the_read_timeout(listen: Listen, connect: Open, certificates: Any) -> None:
    peer = listen(lambda request: time.sleep(3), certificates.contexts["good"])
    began = time.monotonic()
    error = fails(connect(peer, read_timeout=1.0), AnswerTimeoutError)
    assert 0.9 < time.monotonic() - began < 2.5
    assert "within 1 s" in str(error)


def test_dripping_answers_end_too(listen: Listen, settings: ConnectionSettings, certificates: Any) -> None:
    def drip(request: Request) -> None:
        for byte in reply(200, ANSWER):
            request.wire.sendall(bytes([byte]))
            time.sleep(0.2)

    peer = listen(drip, certificates.contexts["good"])
    transport = open_transport(replace(settings, port=peer.port, read_timeout=1.0))
    began = time.monotonic()
    fails(transport, AnswerTimeoutError)
    assert time.monotonic() - began < 2.5


def test_nobody_listens(connect: Open, listen: Listen) -> None:
    peer = listen()
    peer.close()
    error = fails(connect(peer), UnreachableError)
    assert "refuses connections" in str(error)
    assert not isinstance(error, ConnectionLostError)


def test_unknown_name(connect: Open, listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_arguments: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    assert "cannot be resolved" in str(fails(connect(listen(), host="nowhere.invalid"), UnreachableError))
    assert "cannot be resolved" in str(fails(connect(listen(), host="a" * 70 + ".invalid"), UnreachableError))


def test_connecting_has_its_own_timeout(connect: Open, listen: Listen) -> None:
    # a listener whose queue is full answers no SYN
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    waiting = []
    for _unused in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
        waiting.append(one)
    peer = listen()
    peer.port = port
    began = time.monotonic()
    error = fails(connect(peer, connect_timeout=0.5, read_timeout=30.0), UnreachableError)
    assert time.monotonic() - began < 3
    assert "within 0.5 s" in str(error)
    for one in (full, *waiting):
        one.close()


@pytest.mark.parametrize(
    ("certificate", "host", "words"),
    [
        ("expired", "pc01.lab.example", "expired"),
        ("untrusted", "pc01.lab.example", "authority that is not trusted"),
        ("wrong_name", "pc01.lab.example", "does not name the host"),
        ("wrong_name", "127.0.0.1", "does not name this IP address"),
        ("name_only", "127.0.0.1", "does not name this IP address"),
    ],
)
def test_bad_certificates_have_their_own_remedies(
    listen: Listen, connect: Open, certificates: Any, certificate: str, host: str, words: str
) -> None:
    peer = listen(basic, certificates.contexts[certificate])
    transport = connect(peer, host=host)
    error = fails(transport, TlsError)
    assert words in str(error)
    assert transport.authenticated_names == ()
    assert peer.requests == []


def test_plain_http_where_tls_is_expected(listen: Listen, connect: Open) -> None:
    peer = listen(basic)
    error = fails(connect(peer), KeywardError)
    assert isinstance(error, (TlsError, ConnectionLostError))


@pytest.mark.parametrize(
    ("certificate", "host", "names"),
    [
        ("good", "pc01.lab.example", ("pc01.lab.example", "pc01")),
        ("good", "PC01.Lab.Example", ("pc01.lab.example", "pc01")),
        ("good", "127.0.0.1", ("pc01.lab.example", "pc01")),
        ("wildcard", "pc07.lab.example", ("pc07.lab.example",)),
    ],
)
def test_names_that_the_channel_proves(
    listen: Listen, connect: Open, certificates: Any, certificate: str, host: str, names: tuple[str, ...]
) -> None:
    transport = connect(listen(basic, certificates.contexts[certificate]), host=host)
    assert transport.authenticated_names == ()
    transport.send(b"<a/>")
    assert transport.authenticated_names == names


def test_without_verification_nothing_is_proved(listen: Listen, connect: Open, certificates: Any) -> None:
    peer = listen(basic, certificates.contexts["untrusted"])
    transport = connect(peer, server_cert_validation="ignore", host="127.0.0.1")
    assert transport.send(b"<a/>") == ANSWER
    assert transport.authenticated_names == ()


def test_an_explicit_ca_wins_over_the_environment(
    listen: Listen, connect: Open, certificates: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(variable, certificates.other_ca)
    good = listen(basic, certificates.contexts["good"])
    untrusted = listen(basic, certificates.contexts["untrusted"])
    assert connect(good).send(b"<a/>") == ANSWER
    fails(connect(untrusted), TlsError)
    assert connect(untrusted, ca_trust_path=None).send(b"<a/>") == ANSWER
    fails(connect(good, ca_trust_path=None), TlsError)


def test_without_any_ca_setting_the_system_is_asked(listen: Listen, connect: Open, certificates: Any) -> None:
    fails(connect(listen(basic, certificates.contexts["good"]), ca_trust_path=None), TlsError)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_file_that_cannot_be_used(listen: Listen, connect: Open, tmp_path: Any, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OptionError, match=r"ca\.pem"):
        connect(listen(), ca_trust_path=str(path)).send(b"<a/>")


def test_client_certificates(listen: Listen, connect: Open, certificates: Any) -> None:
    def mutual(request: Request) -> bytes:
        if request.headers.get("authorization") != "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual":
            return reply(401)
        return reply(200, ANSWER)

    peer = listen(mutual, certificates.contexts["mutual"])
    login = {"transport": ("certificate",), "username": "", "password": None}
    transport = connect(peer, cert_pem=certificates.client, cert_key_pem=certificates.client_key, **login)
    assert [transport.send(b"<a/>") for _unused in range(3)] == [ANSWER] * 3
    assert peer.connections == 1
    assert transport.authenticated_names == ("pc01.lab.example", "pc01")
    refused = listen(lambda request: reply(401), certificates.contexts["mutual"])
    error = fails(connect(refused, cert_pem=certificates.client, cert_key_pem=certificates.client_key, **login), AuthenticationError)
    assert "mapped" in error.remedy
    with pytest.raises(OptionError):
        connect(peer, cert_pem=certificates.client_key, cert_key_pem=certificates.client, **login).send(b"<a/>")
    with pytest.raises(OptionError):
        connect(peer, **login).send(b"<a/>")


def test_a_host_that_wants_a_certificate_we_do_not_have(listen: Listen, connect: Open, certificates: Any) -> None:
    error = fails(connect(listen(basic, certificates.contexts["mutual"])), KeywardError)
    assert isinstance(error, (TlsError, ConnectionLostError))


def test_missing_credentials(listen: Listen, connect: Open) -> None:
    for changes in ({"username": ""}, {"password": None}):
        with pytest.raises(OptionError):
            connect(listen(), **changes).send(b"<a/>")


def test_repr_shows_no_secret(listen: Listen, connect: Open) -> None:
    assert PASSWORD not in repr(connect(listen()))


def test_a_proxy_of_the_environment_only_where_it_counts(
    listen: Listen, settings: ConnectionSettings, certificates: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    peer = listen(basic, certificates.contexts["good"])
    assert isinstance(open_transport(replace(settings, port=peer.port)), PywinrmTransport)
    for adapter in ("auto", "pywinrm", "lean"):
        direct = open_transport(replace(settings, port=peer.port, environment_proxy=False, adapter=adapter))
        assert direct.send(b"<a/>") == ANSWER
        direct.close()
    fails(open_transport(replace(settings, port=peer.port)), UnreachableError)
    monkeypatch.setenv("no_proxy", "lab.example")
    assert isinstance(open_transport(replace(settings, port=peer.port)), LeanTransport)
    fails(open_transport(replace(settings, port=peer.port, proxy="http://127.0.0.1:1")), UnreachableError)


def test_which_adapter_is_taken(settings: ConnectionSettings, certificates: Any) -> None:
    changes: dict[str, Any]
    for changes, kind in (
        ({}, LeanTransport),
        ({"transport": ("certificate",), "cert_pem": certificates.client, "cert_key_pem": certificates.client_key}, LeanTransport),
        ({"adapter": "pywinrm"}, PywinrmTransport),
        ({"scheme": "http"}, PywinrmTransport),
        ({"transport": ("ntlm",)}, PywinrmTransport),
        ({"transport": ("kerberos",)}, PywinrmTransport),
        ({"transport": ("credssp",)}, PywinrmTransport),
        ({"proxy": "http://proxy:3128"}, PywinrmTransport),
        ({"message_encryption": "always"}, PywinrmTransport),
    ):
        assert isinstance(open_transport(replace(settings, **changes)), kind)
    wrong: dict[str, Any]
    for wrong in (
        {"adapter": "lean", "transport": ("ntlm",)},
        {"adapter": "lean", "scheme": "http"},
        {"adapter": "other"},
        {"transport": ()},
        {"transport": ("digest",)},
        {"host": "pc01 .lab"},
        {"path": "/wsman\r\nX: y"},
    ):
        with pytest.raises(OptionError):
            open_transport(replace(settings, **wrong))


def test_several_authentications_are_tried_in_order(listen: Listen, settings: ConnectionSettings, certificates: Any) -> None:
    peer = listen(basic, certificates.contexts["good"])
    transport = open_transport(replace(settings, port=peer.port, transport=("ntlm", "basic")))
    assert transport.send(b"<a/>") == ANSWER
    assert transport.authenticated_names == ("pc01.lab.example", "pc01")
    before = len(peer.requests)
    assert transport.send(b"<a/>") == ANSWER
    assert len(peer.requests) == before + 1
    transport.close()
    refusing = listen(lambda request: reply(401, b"", "WWW-Authenticate: Digest"), certificates.contexts["good"])
    fails(open_transport(replace(settings, port=refusing.port, transport=("ntlm", "basic"))), AuthenticationError)


def test_the_lean_adapter_leaves_heavy_libraries_out(listen: Listen, certificates: Any) -> None:
    peer = listen(basic, certificates.contexts["good"])
    program = f"""
import os, sys
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=[os.environ["ANSIBLE_COLLECTIONS_PATH"]])._install()
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports import open_transport
transport = open_transport(ConnectionSettings(
    host="127.0.0.1", port={peer.port}, username="helpdesk", password=Secret("not-A-real-1"), ca_trust_path={certificates.ca!r}))
assert transport.send(b"<a/>")
print(sorted({{"requests", "urllib3", "winrm", "spnego", "xmltodict"}} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")
