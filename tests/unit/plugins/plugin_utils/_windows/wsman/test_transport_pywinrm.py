# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the pywinrm adapter does: NTLM with and without message encryption, Basic over HTTP, and pywinrm's traps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import (
    AuthenticationError,
    KeywardError,
    LimitError,
    OptionError,
    ProtocolError,
    UnreachableError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.port import ConnectionLostError, Transport
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports import library_problems, open_transport, pywinrm
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.answers import frozen
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.peer import (
    ANSWER,
    PASSWORD,
    USER,
    Peer,
    Request,
    basic,
    ntlm_script,
    reply,
)

Listen = Callable[..., Peer]
Open = Callable[..., Transport]


@pytest.fixture
def connect(settings: ConnectionSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    users = tmp_path / "ntlm-users"
    users.write_text(f"LAB:{USER}:{PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    opened: list[Transport] = []

    def start(peer: Peer, **changes: Any) -> Transport:
        login = {"adapter": "pywinrm", "transport": ("ntlm",), "username": f"LAB\\{USER}", "scheme": "http"}
        opened.append(open_transport(replace(settings, port=peer.port, **{**login, **changes})))
        return opened[-1]

    yield start
    for transport in opened:
        transport.close()


def ok(request: Request) -> bytes:
    return reply(200, ANSWER)


def fails(transport: Transport, kind: type[KeywardError]) -> KeywardError:
    with pytest.raises(kind) as caught:
        transport.send(b"<secret-envelope/>")
    assert PASSWORD not in f"{caught.value} {caught.value.__cause__!r}"
    return caught.value


def test_ntlm_over_http_seals_every_message(listen: Listen, connect: Open) -> None:
    peer = listen(ntlm_script(ok, encrypted=True))
    transport = connect(peer)
    for _unused in range(3):
        assert transport.send(b"<secret-envelope/>") == ANSWER
        assert peer.requests[-1].state["opened"] == b"<secret-envelope/>"
    assert peer.connections == 1
    assert peer.failures == []
    assert not any(b"secret-envelope" in request.body for request in peer.requests)
    assert transport.authenticated_names == ()


def test_ntlm_over_https(listen: Listen, connect: Open, certificates: Any) -> None:
    peer = listen(ntlm_script(ok, encrypted=False), certificates.contexts["good"])
    transport = connect(peer, scheme="https")
    assert [transport.send(b"<a/>") for _unused in range(3)] == [ANSWER] * 3
    assert peer.connections == 1
    assert transport.authenticated_names == ("pc01.lab.example", "pc01")
    sealed = listen(ntlm_script(ok, encrypted=True), certificates.contexts["good"])
    always = connect(sealed, scheme="https", message_encryption="always")
    assert always.send(b"<secret-envelope/>") == ANSWER
    assert not any(b"secret-envelope" in request.body for request in sealed.requests)


def test_sealed_faults_are_opened(listen: Listen, connect: Open) -> None:
    fault = frozen("fault_access_denied")
    peer = listen(ntlm_script(lambda request: reply(500, fault), encrypted=True))
    assert connect(peer).send(b"<a/>") == fault


def test_ntlm_with_a_wrong_password(listen: Listen, connect: Open) -> None:
    peer = listen(ntlm_script(ok, encrypted=True))
    error = fails(connect(peer, password=Secret("wrong")), AuthenticationError)
    assert error.code == "HTTP 401"
    assert not any(b"secret-envelope" in request.body for request in peer.requests)


def test_an_answer_in_clear_on_a_sealed_conversation_is_refused(listen: Listen, connect: Open) -> None:
    for status in (200, 500):
        in_clear = reply(status, ANSWER, "X-In-Clear: yes")
        peer = listen(ntlm_script(lambda request, raw=in_clear: raw, encrypted=True))  # type: ignore[misc]  # a default binds the loop's value
        assert "in clear" in str(fails(connect(peer), ProtocolError))


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.replace(b"Length=", b"Length=1"),
        lambda raw: raw.replace(b"Length=", b"Longth="),
        lambda raw: raw.replace(b"octet-stream\r\n\x10\x00\x00\x00\x01", b"octet-stream\r\n\x10\x00\x00\x00\x02"),
        lambda raw: raw.replace(b"--Encrypted Boundary\r\n", b"--Other Boundary----\r\n"),
        lambda raw: raw[:-60] + b"\x00" * 10 + raw[-50:],
    ],
)
def test_damaged_sealed_answers_are_errors_of_ours(listen: Listen, connect: Open, damage: Callable[[bytes], bytes]) -> None:
    sealed = ntlm_script(ok, encrypted=True)

    def script(request: Request) -> bytes | None:
        raw = sealed(request)
        return damage(raw) if raw is not None and b"multipart/encrypted" in raw else raw

    fails(connect(listen(script)), KeywardError)


def test_after_a_failed_first_message_nothing_goes_in_clear(listen: Listen, connect: Open) -> None:
    inner = ntlm_script(ok, encrypted=True)
    peer: Peer = listen(lambda request: reply(503) if len(peer.requests) == 1 else inner(request))
    transport = connect(peer)
    fails(transport, ProtocolError)
    assert transport.send(b"<secret-envelope/>") == ANSWER
    assert not any(b"secret-envelope" in request.body for request in peer.requests)
    assert peer.failures == []


def test_a_sealed_conversation_ends_with_its_connection(listen: Listen, connect: Open) -> None:
    inner = ntlm_script(ok, encrypted=True)

    def script(request: Request) -> bytes | None:
        raw = inner(request)
        if raw is not None and b"multipart/encrypted" in raw and request.connection == 1:
            request.wire.sendall(raw)
            return None
        return raw

    peer = listen(script)
    transport = connect(peer)
    assert transport.send(b"<secret-envelope/>") == ANSWER
    time.sleep(0.05)
    fails(transport, ConnectionLostError)
    assert transport.send(b"<secret-envelope/>") == ANSWER
    assert not any(b"secret-envelope" in request.body for request in peer.requests)


def test_auto_never_sends_in_clear_what_cannot_be_sealed(listen: Listen, connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import winrm.transport

    class OldNtlm(winrm.transport.HttpNtlmAuth):  # type: ignore[name-defined, misc]  # from another library
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            del self.session_security

    monkeypatch.setattr(winrm.transport, "HttpNtlmAuth", OldNtlm)
    peer = listen(ntlm_script(ok, encrypted=False))
    assert "cannot encrypt" in str(fails(connect(peer), OptionError))
    assert not any(b"secret-envelope" in request.body for request in peer.requests)
    never = connect(peer, message_encryption="never")
    assert never.send(b"<a/>") == ANSWER


def test_basic_over_http_is_possible(listen: Listen, connect: Open) -> None:
    peer = listen(basic)
    transport = connect(peer, transport=("basic",), username=USER)
    assert [transport.send(b"<a/>") for _unused in range(3)] == [ANSWER] * 3
    assert peer.connections == 1
    assert transport.authenticated_names == ()


def test_an_empty_500_over_http_speaks_of_encryption(listen: Listen, connect: Open) -> None:
    error = fails(connect(listen(lambda request: reply(500)), transport=("basic",), username=USER), ProtocolError)
    assert "not encrypted" in str(error)
    assert "ntlm" in error.remedy


def test_encryption_that_basic_does_not_have(listen: Listen, connect: Open) -> None:
    peer = listen(basic)
    fails(connect(peer, transport=("basic",), message_encryption="always"), OptionError)
    assert peer.requests == []


def test_redirects_and_bounds_hold_in_the_handshake_too(listen: Listen, connect: Open) -> None:
    other = listen(ok)
    redirecting = listen(lambda request: reply(307, b"", f"Location: http://pc01.lab.example:{other.port}/wsman"))
    assert fails(connect(redirecting), ProtocolError).code == "HTTP 307"
    assert other.connections == 0
    huge = listen(lambda request: reply(401, b"x" * 3_000_000, "WWW-Authenticate: Negotiate"))
    fails(connect(huge), LimitError)


@pytest.mark.parametrize("header", ["Negotiate", "Negotiate !!!!", "Negotiate AAAA", "NTLM TlRMTVNTUAACAAAA", "", "Basic"])
def test_broken_ntlm_handshakes_are_errors_of_ours(listen: Listen, connect: Open, header: str) -> None:
    peer = listen(lambda request: reply(401, b"", f"WWW-Authenticate: {header}"))
    assert isinstance(fails(connect(peer), KeywardError), (AuthenticationError, ProtocolError))


def test_netrc_is_not_read(listen: Listen, connect: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificates: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine pc01.lab.example login thief password thief\n")
    monkeypatch.setenv("NETRC", str(netrc))
    peer = listen(ok, certificates.contexts["mutual"])
    transport = connect(
        peer, scheme="https", transport=("certificate",), cert_pem=certificates.client, cert_key_pem=certificates.client_key
    )
    transport.send(b"<a/>")
    assert "Basic" not in peer.requests[0].headers["authorization"]


def test_without_pywinrm_the_error_says_what_to_install(settings: ConnectionSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pywinrm, "MISSING", ImportError("no", name="winrm"))
    with pytest.raises(OptionError, match="Install pywinrm"):
        open_transport(replace(settings, adapter="pywinrm"))


class KerberosExchangeError(Exception):
    __module__ = "winrm.vendor.requests_kerberos.exceptions"


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        ("('Server not found in Kerberos database', -1765328377)", AuthenticationError, "HTTP/pc01.lab.example"),
        ("No Kerberos credentials available (default cache: FILE:/tmp/x)", AuthenticationError, "no Kerberos ticket"),
        (
            "Can't find client principal u@LAB.EXAMPLE in cache collection",
            AuthenticationError,
            "no Kerberos ticket",
        ),
        ("Cannot contact any KDC for realm 'LAB.EXAMPLE'", UnreachableError, "no KDC"),
        ("Clock skew too great", AuthenticationError, "clocks"),
        ("Ticket expired", AuthenticationError, "expired"),
        ("something else", AuthenticationError, "kerberos did not come to an end"),
    ],
)
def test_what_kerberos_says(settings: ConnectionSettings, words: str, kind: type[KeywardError], told: str) -> None:
    error = library_problems.library_error(KerberosExchangeError(words), settings, "kerberos", spoke=False)
    assert error.__class__ is kind
    assert told in str(error)


def test_unknown_errors_of_libraries_become_ours(settings: ConnectionSettings) -> None:
    for error in (ValueError("x"), KeyError("Content-Type"), IndexError(), RuntimeError()):
        assert isinstance(library_problems.library_error(error, settings, "ntlm", spoke=True), ProtocolError)
    assert isinstance(library_problems.library_error(ConnectionResetError(), settings, "ntlm", spoke=True), ConnectionLostError)
