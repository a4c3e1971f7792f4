# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens: every identity on the wire, every refusal, TLS that no environment variable weakens, and secrets that go nowhere else."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import (
    AuthenticationError,
    KeywardError,
    OptionError,
    ProtocolError,
    StoreDownError,
    TlsError,
    UnreachableError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import auth
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.reader import OWN_DEVICES_REASON, EntraReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.store import EntraStore
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import (
    CLIENT,
    CLIENT_SECRET,
    TENANT,
    Peer,
    Reply,
    running,
    token,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
Made = Callable[..., EntraSettings]
TOKEN = f"/{TENANT}/oauth2/v2.0/token"
DEVICE_CODE = f"/{TENANT}/oauth2/v2.0/devicecode"
DISCOVERY = f"/{TENANT}/v2.0/.well-known/openid-configuration"
PHRASE = "made up phrase"


def connect(settings: EntraSettings, timing: Timing, say: Callable[[str], None] | None = None, *, values: bool = False) -> None:
    reader = EntraReader(settings, now=NOW, timing=timing, progress=say, values=values)
    try:
        reader.connect()
    finally:
        reader.close()


def refused(settings: EntraSettings, timing: Timing) -> KeywardError:
    with pytest.raises(KeywardError) as caught:
        connect(settings, timing)
    return caught.value


# --- who we are ---------------------------------------------------------------------------------------------------------------------------


def test_a_client_secret_goes_to_the_token_endpoint_and_nowhere_else(peer: Peer, made: Made, timing: Timing) -> None:
    connect(made(), timing)
    discovery, request = peer.requests
    assert (discovery.method, discovery.path) == ("GET", DISCOVERY)
    assert (request.method, request.path) == ("POST", TOKEN)
    assert request.form["client_secret"] == CLIENT_SECRET
    assert (request.form["client_id"], request.form["grant_type"]) == (CLIENT, "client_credentials")
    assert request.form["scope"] == f"{peer.url}/.default"
    assert CLIENT_SECRET not in discovery.target + str(discovery.headers) + request.target + str(request.headers)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def own_certificate(rsa_key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "keyward")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(rsa_key.public_key()).serial_number(1)
    return builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=900)).sign(rsa_key, hashes.SHA256())


def pem_key(key: Any, phrase: str = "") -> bytes:
    encryption = serialization.BestAvailableEncryption(phrase.encode()) if phrase else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def pfx(key: Any, certificate: x509.Certificate, phrase: str) -> bytes:
    encryption = serialization.BestAvailableEncryption(phrase.encode()) if phrase else serialization.NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"keyward", key, certificate, None, encryption)


@pytest.mark.parametrize("form", ["pem", "pem, certificate first", "encrypted pem", "pfx", "pfx without password", "key and thumbprint"])
def test_a_certificate_in_every_form_signs_the_assertion(
    peer: Peer, made: Made, timing: Timing, tmp_path: Path, rsa_key: rsa.RSAPrivateKey, own_certificate: x509.Certificate, form: str
) -> None:
    thumbprint = own_certificate.fingerprint(hashes.SHA1()).hex(":").upper()
    data, more = {
        "pem": (pem_key(rsa_key) + pem(own_certificate), {"certificate_password": "of another file"}),
        "pem, certificate first": (pem(own_certificate) + pem_key(rsa_key), {"thumbprint": thumbprint}),
        "encrypted pem": (pem_key(rsa_key, PHRASE) + pem(own_certificate), {"certificate_password": PHRASE}),
        "pfx": (pfx(rsa_key, own_certificate, PHRASE), {"certificate_password": Secret(PHRASE)}),
        "pfx without password": (pfx(rsa_key, own_certificate, ""), {}),
        "key and thumbprint": (pem_key(rsa_key), {"thumbprint": thumbprint}),
    }[form]
    path = tmp_path / "credential"
    path.write_bytes(data)
    connect(made(auth_method="certificate", secret=None, x509_certificate_path=str(path), **more), timing)
    (request,) = peer.token_requests()
    assert "client_secret" not in request.form
    assertion = request.form["client_assertion"]
    claims = jwt.decode(
        assertion, rsa_key.public_key(), algorithms=["PS256", "RS256"], audience=f"{peer.url}{TOKEN}", options={"verify_nbf": False}
    )
    assert claims["iss"] == claims["sub"] == CLIENT
    header = jwt.get_unverified_header(assertion)
    assert ("x5c" in header) == (form != "key and thumbprint")


def test_certificates_that_cannot_be_used_are_refused_before_anything_is_sent(
    peer: Peer, made: Made, timing: Timing, tmp_path: Path, rsa_key: rsa.RSAPrivateKey, own_certificate: x509.Certificate
) -> None:
    curve, other = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    cases: list[tuple[bytes, dict[str, Any], str]] = [
        (pem_key(rsa_key, PHRASE) + pem(own_certificate), {}, "password is wrong or missing"),
        (pem_key(rsa_key, PHRASE) + pem(own_certificate), {"certificate_password": "wrong"}, "password is wrong or missing"),
        (pfx(rsa_key, own_certificate, PHRASE), {"certificate_password": "wrong"}, "password is wrong or missing"),
        (pfx(rsa_key, own_certificate, PHRASE), {}, "password is wrong or missing"),
        (b"garbage", {}, "no PEM or PFX"),
        (b"-----BEGIN PRIVATE KEY-----\ngarbage\n-----END PRIVATE KEY-----\n", {}, "no PEM or PFX"),
        (pem(own_certificate), {}, "no PEM or PFX"),
        (b" \n", {}, "it is empty"),
        (b"x" * 300_000, {}, "far too long"),
        (pem_key(rsa_key), {}, "no certificate"),
        (pem_key(other) + pem(own_certificate), {}, "do not belong together"),
        (pem_key(curve), {}, "no RSA key"),
        (pem_key(rsa_key) + pem(own_certificate), {"thumbprint": "00" * 20}, "another certificate's"),
    ]
    for data, more, told in cases:
        path = tmp_path / "credential"
        path.write_bytes(data)
        problem = refused(made(auth_method="certificate", x509_certificate_path=str(path), **more), timing)
        assert isinstance(problem, OptionError), told
        assert told in str(problem)
        assert PHRASE not in str(problem)
    assert "No such file" in str(refused(made(auth_method="certificate", x509_certificate_path=str(tmp_path / "none")), timing))
    assert not peer.token_requests()


def test_a_federated_token_is_read_anew_each_time(peer: Peer, made: Made, timing: Timing, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first.made.up\n", encoding="ascii")
    reader = EntraReader(made(auth_method="federated_token", secret=None, federated_token_file=str(path)), now=NOW, timing=timing)
    reader.connect()
    path.write_text("second.made.up", encoding="ascii")
    reader._tokens.renew()
    reader.close()
    assert [request.form["client_assertion"] for request in peer.token_requests()] == ["first.made.up", "second.made.up"]
    assert all("jwt-bearer" in request.form["client_assertion_type"] for request in peer.token_requests())


@pytest.mark.parametrize("data", [b"", b"no token", b"a.b", b"a.b.c d", b"\xff.\xfe.\xfd", b"x" * 300_000])
def test_a_file_without_a_token_is_refused(peer: Peer, made: Made, timing: Timing, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(data)
    problem = refused(made(auth_method="federated_token", federated_token_file=str(path)), timing)
    assert isinstance(problem, OptionError)
    assert "federated_token_file" in str(problem)
    assert not peer.token_requests()


@pytest.mark.parametrize("client_id", [None, CLIENT])
def test_a_managed_identity_is_asked_on_this_machine_and_past_every_proxy(
    peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch, client_id: str | None
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{peer.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "made-up-header")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    peer.on("/msi/token", Reply(body={"access_token": token(9), "expires_on": "99999999999", "token_type": "Bearer", "resource": peer.url}))
    connect(made(auth_method="managed_identity", tenant=None, client_id=client_id), timing)
    (request,) = peer.requests
    assert request.query["resource"] == peer.url
    assert request.query.get("client_id") == client_id
    assert request.headers["x-identity-header"] == "made-up-header"


@pytest.mark.parametrize(
    "reply", [Reply(400, {"statusCode": 400, "message": "no"}), Reply(200, b"<html>"), Reply(500, {}), Reply(200, []), Reply(404, b"")]
)
def test_a_machine_without_an_identity_says_so(
    peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{peer.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "made-up-header")
    peer.on("/msi/token", reply)
    problem = refused(made(auth_method="managed_identity"), timing)
    assert "the managed identity of this machine" in str(problem)
    assert "made-up-header" not in str(problem)


def device_code(peer: Peer, *replies: Reply, **more: Any) -> None:
    flow = {
        "user_code": "ABCD-EFGH",
        "device_code": "made-up-device-code",
        "verification_uri": "https://login.example/device",
        "expires_in": 900,
    }
    peer.on(DEVICE_CODE, Reply(body=flow | {"interval": 5, "message": "hostile words"} | more))
    peer.on(TOKEN, *replies)


PENDING = Reply(400, {"error": "authorization_pending", "error_description": "AADSTS70016: pending"})
GRANTED = Reply(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "of-a-person"})


@pytest.mark.parametrize("values", [False, True])
def test_a_person_signs_in_elsewhere(peer: Peer, made: Made, timing: Timing, waits: list[float], values: bool) -> None:
    device_code(peer, PENDING, Reply(400, {"error": "slow_down"}), GRANTED)
    told: list[str] = []
    connect(made(auth_method="device_code", secret=None), timing, told.append, values=values)
    assert told == ["Entra ID: open https://login.example/device in a browser and enter the code ABCD-EFGH"]
    assert waits == [5, 5, 10]
    scope = next(request for request in peer.requests if request.path == DEVICE_CODE).form["scope"].split()
    wanted = "BitlockerKey.Read.All" if values else "BitlockerKey.ReadBasic.All"
    assert f"{peer.url}/{wanted}" in scope
    assert f"{peer.url}/Device.Read.All" in scope
    assert len([item for item in scope if "Bitlocker" in item]) == 1


def test_what_a_person_may_read_is_never_all(peer: Peer, made: Made, timing: Timing) -> None:
    device_code(peer, GRANTED)
    store = EntraStore(made(auth_method="device_code"), now=NOW, timing=timing, progress=lambda _text: None)
    reading = store.read()
    store.close()
    assert (reading.state, reading.reason) == (StoreState.PARTIAL, OWN_DEVICES_REASON)


@pytest.mark.parametrize("more", [{"expires_in": 12}, {"expires_in": 10**9}, {"expires_in": 10**9, "interval": 0}, {"interval": 10**9}])
def test_nobody_signs_in(peer: Peer, made: Made, timing: Timing, waits: list[float], more: dict[str, Any]) -> None:
    device_code(peer, PENDING, **more)
    with pytest.raises(AuthenticationError, match="nobody signed in in time"):
        connect(made(auth_method="device_code"), timing, lambda _text: None)
    assert sum(waits) <= 900
    assert len(waits) <= 400


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "authorization_declined"}, "declined"),
        ({"error": "expired_token", "error_codes": [70020]}, "AADSTS70020"),
        ({"error": "access_denied", "error_codes": [53003]}, "Conditional Access"),
    ],
)
def test_a_sign_in_that_fails(peer: Peer, made: Made, timing: Timing, answer: dict[str, Any], told: str) -> None:
    device_code(peer, Reply(400, answer))
    with pytest.raises(AuthenticationError, match=told):
        connect(made(auth_method="device_code"), timing, lambda _text: None)


@pytest.mark.parametrize(
    "flow", [{}, {"error": "invalid_client", "error_codes": [7000218]}, {"user_code": 5}, {"expires_in": "x"}, {"interval": None}]
)
def test_a_device_code_that_is_none(peer: Peer, made: Made, timing: Timing, flow: dict[str, Any]) -> None:
    peer.on(DEVICE_CODE, Reply(400 if flow else 200, flow))
    with pytest.raises(KeywardError):
        connect(made(auth_method="device_code"), timing, lambda _text: None)


@pytest.mark.parametrize("member", ["user_code", "verification_uri"])
def test_a_page_that_would_show_the_device_code(peer: Peer, made: Made, timing: Timing, member: str) -> None:
    device_code(peer, GRANTED, **{member: "https://login.example/made-up-device-code"})
    said: list[str] = []
    with pytest.raises(AuthenticationError):
        connect(made(auth_method="device_code"), timing, said.append)
    assert said == []


def test_a_device_code_needs_somebody_to_show_it_to(peer: Peer, made: Made, timing: Timing) -> None:
    assert isinstance(refused(made(auth_method="device_code"), timing), OptionError)


# --- refusals -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (7000215, "its ID, shown beside it in the portal, is another thing"),
        (7000222, "Make a new secret"),
        (700016, "Check client_id and tenant"),
        (90002, "Check tenant"),
        (700213, "subject"),
        (700024, "clock"),
        (53003, "sign-in logs"),
        (99999999, "Check client_id, secret and tenant"),
    ],
)
@pytest.mark.parametrize("with_list", [True, False])
def test_a_refused_token_names_code_and_remedy_and_is_asked_for_once(
    peer: Peer, made: Made, timing: Timing, number: int, remedy: str, with_list: bool
) -> None:
    body: dict[str, Any] = {
        "error": "invalid_client",
        "error_description": f"AADSTS{number}: quoted {CLIENT_SECRET}",
        "correlation_id": "c-1",
    }
    peer.on(TOKEN, Reply(401, body | ({"error_codes": [number]} if with_list else {})))
    problem = refused(made(), timing)
    assert isinstance(problem, AuthenticationError)
    assert problem.code == f"AADSTS{number}"
    assert remedy in problem.remedy
    assert "c-1" in problem.name
    assert len(peer.token_requests()) == 1


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"access_token": ""}, {"access_token": 5}, {"access_token": "two words"}, {"access_token": "a\nb"}, {"access_token": None}),
        *({"error": {"a": 1}, "error_codes": ["x"], "error_description": 7}, {"error_codes": []}, {"error_codes": [True]}),
        *({"access_token": "x", "expires_in": "soon"}, {"access_token": "x", "token_type": 7, "expires_in": []}),
    ],
)
def test_an_answer_without_a_token_is_none(peer: Peer, made: Made, timing: Timing, body: Any) -> None:
    peer.on(TOKEN, Reply(200, body))
    assert isinstance(refused(made(), timing), AuthenticationError | ProtocolError)


@pytest.mark.parametrize("path", [DISCOVERY, TOKEN])
@pytest.mark.parametrize("reply", [Reply(200, b"<html>"), Reply(200, b""), Reply(200, []), Reply(302, None, {"Location": "https://x/"})])
def test_what_is_no_token_service(peer: Peer, made: Made, timing: Timing, path: str, reply: Reply) -> None:
    peer.on(path, reply)
    problem = refused(made(), timing)
    assert isinstance(problem, ProtocolError)
    assert f"{peer.url}/{TENANT}" in str(problem)


@pytest.mark.parametrize("document", [{}, {"token_endpoint": 5}, {"token_endpoint": "https://x/y", "authorization_endpoint": None}])
def test_a_discovery_document_that_lacks_something(peer: Peer, made: Made, timing: Timing, document: dict[str, Any]) -> None:
    peer.on(DISCOVERY, Reply(body=document))
    assert isinstance(refused(made(), timing), ProtocolError)


def test_an_unknown_tenant(peer: Peer, made: Made, timing: Timing) -> None:
    peer.on(DISCOVERY, Reply(400, {"error": "invalid_tenant", "error_description": "AADSTS90002"}))
    problem = refused(made(), timing)
    assert isinstance(problem, AuthenticationError)
    assert "does not know the tenant" in str(problem)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/t/token",
        "http://localhost/t/token",
        "https://localhost:1/t/token",
        "https://login.microsoftonline.com/t/token",
    ],
)
def test_a_credential_goes_to_no_host_that_a_document_names(peer: Peer, made: Made, timing: Timing, endpoint: str) -> None:
    document = {"token_endpoint": endpoint, "authorization_endpoint": f"{peer.url}/a/b", "issuer": peer.url}
    peer.on(DISCOVERY, Reply(body=document))
    problem = refused(made(), timing)
    assert isinstance(problem, ProtocolError)
    assert "gets no credential" in str(problem) or endpoint.startswith("http:")  # msal itself refuses that one
    assert [request.path for request in peer.requests] == [DISCOVERY]


def test_a_busy_token_service_is_waited_for_past_msals_memory(peer: Peer, made: Made, timing: Timing, waits: list[float]) -> None:
    granted = Reply(body={"token_type": "Bearer", "expires_in": 3600, "access_token": "x"})
    peer.on(TOKEN, Reply(429, {"error": "temporarily_unavailable"}, {"Retry-After": "30"}), Reply(503, b""), granted)
    connect(made(), timing)
    assert waits == [30, 2]
    assert len(peer.token_requests()) == 3


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_token_service_that_stays_busy_is_down(peer: Peer, made: Made, timing: Timing, status: int) -> None:
    peer.on(TOKEN, Reply(status, {"error": "x"}, {"Retry-After": "200"}))
    problem = refused(made(), timing)
    assert isinstance(problem, StoreDownError)
    assert f"HTTP {status}" in str(problem)
    store = EntraStore(made(), now=NOW, timing=timing)
    reading = store.read()
    store.close()
    assert reading.state is StoreState.DOWN
    assert reading.owners == reading.entries == ()


def test_nothing_listens(made: Made, timing: Timing) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert isinstance(refused(made(authority=f"https://localhost:{port}"), timing), UnreachableError)


def test_a_name_that_does_not_resolve(made: Made, timing: Timing) -> None:
    problem = refused(made(authority="https://login.keyward.invalid"), timing)
    assert isinstance(problem, UnreachableError)


def test_msal_forced_into_a_region_stays_where_it_is(peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSAL_FORCE_REGION", "westeurope")
    connect(made(), timing)
    assert len(peer.token_requests()) == 1


@pytest.mark.parametrize(
    ("authority", "known"),
    [
        ("https://login.microsoftonline.com/t", True),
        ("https://login.microsoftonline.us/t", True),
        ("https://login.chinacloudapi.cn/t", True),
        ("https://login.microsoftonline.com:444/t", False),
        ("https://localhost:8443/t", False),
        ("https://login.microsoftonline.com.evil.example/t", False),
    ],
)
def test_microsoft_is_asked_about_hosts_only_where_it_must_know_them(authority: str, known: bool) -> None:
    assert auth._is_known(authority) is known


# --- TLS ----------------------------------------------------------------------------------------------------------------------------------

TRUSTED = pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])


@TRUSTED
def test_a_wrong_authority_in_the_environment_hinders_nothing(
    peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch, authority: LabCA, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority.untrusted_pem))
    connect(made(), timing)
    monkeypatch.setenv(variable, "/does/not/exist")
    connect(made(), timing)


@TRUSTED
@pytest.mark.parametrize("given", ["wrong", None])
def test_an_authority_in_the_environment_opens_nothing(
    peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch, authority: LabCA, variable: str, given: str | None
) -> None:
    monkeypatch.setenv(variable, str(authority.ca_pem))
    problem = refused(made(ca_cert=str(authority.untrusted_pem) if given else None), timing)
    assert isinstance(problem, TlsError)
    assert problem.code.startswith("X509")
    assert peer.requests == []


def test_session_keys_are_written_nowhere(peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    connect(made(), timing)
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("form", ["text", "der", "path"])
def test_an_authority_in_every_form(peer: Peer, made: Made, timing: Timing, authority: LabCA, tmp_path: Path, form: str) -> None:
    text = authority.ca_pem.read_text(encoding="ascii")
    der = tmp_path / "ca.der"
    der.write_bytes(x509.load_pem_x509_certificate(text.encode()).public_bytes(serialization.Encoding.DER))
    connect(made(ca_cert={"text": text, "der": str(der), "path": str(authority.ca_pem)}[form]), timing)


@pytest.mark.parametrize("ca_cert", ["/does/not/exist", "-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n"])
def test_an_authority_that_is_none(made: Made, timing: Timing, ca_cert: str) -> None:
    assert isinstance(refused(made(ca_cert=ca_cert), timing), OptionError)


@pytest.mark.parametrize(("kind", "code"), [("expired", "X509 10"), ("name", "X509 62"), ("authority", "X509")])
def test_a_certificate_that_is_not_right(made: Made, timing: Timing, authority: LabCA, kind: str, code: str) -> None:
    issued = {
        "expired": {"dns_names": ["localhost"], "not_after": datetime.now(UTC) - timedelta(days=1)},
        "name": {"dns_names": ["other.example"]},
        "authority": {"dns_names": ["localhost"], "ca": "untrusted"},
    }[kind]
    with running(*authority.issue(**issued)) as wrong:  # type: ignore[arg-type]  # three shapes of arguments in one table
        problem = refused(made(authority=wrong.url, graph_url=wrong.url), timing)
        assert isinstance(problem, TlsError)
        assert problem.code.startswith(code)
        assert wrong.requests == []


# --- proxies and ~/.netrc -----------------------------------------------------------------------------------------------------------------


def test_proxies_come_from_the_option_or_the_environment(peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = "http://user:made-up-word@127.0.0.1:9"
    problem = refused(made(proxy="http://127.0.0.1:9"), timing)
    assert "proxy" in str(problem)
    monkeypatch.setenv("HTTPS_PROXY", dead)
    problem = refused(made(), timing)
    assert "proxy" in str(problem)
    assert "made-up-word" not in str(problem)
    connect(made(proxy="none"), timing)
    monkeypatch.setenv("NO_PROXY", "localhost")
    connect(made(), timing)
    assert len(peer.token_requests()) == 2


def test_no_password_from_the_home_directory(
    peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login somebody password made-up\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    connect(made(), timing)
    assert not any("authorization" in request.headers for request in peer.requests)


# --- secrets ------------------------------------------------------------------------------------------------------------------------------


def test_no_secret_in_any_error_log_or_repr(peer: Peer, made: Made, timing: Timing, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    settings = made()
    reader = EntraReader(settings, now=NOW, timing=timing)
    reader.connect()
    peer.on("/v1.0/devices", Reply(200, b"<html>" + token(1).encode()))
    store = EntraStore(settings, now=NOW, timing=timing)
    reading = store.read()
    peer.on(TOKEN, Reply(200, f"no json {CLIENT_SECRET}".encode()))
    with pytest.raises(KeywardError) as caught:
        reader._tokens.renew()
    told = "".join(traceback.format_exception(caught.value))
    reader.close()
    store.close()
    shown = [
        told,
        caplog.text,
        reading.reason,
        repr(settings),
        repr(reader.__dict__),
        repr(reader._tokens.__dict__),
        repr(reader._wire.__dict__),
    ]
    for text in shown:
        assert CLIENT_SECRET not in text
        assert token(1) not in text
        assert token(2) not in text


def test_nothing_of_a_surprise_inside_msal_is_told(peer: Peer, made: Made, timing: Timing, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_arguments: Any, **_more: Any) -> Any:
        raise ValueError(f"quoted {CLIENT_SECRET}")

    monkeypatch.setattr(auth.msal, "ConfidentialClientApplication", stumble)
    problem = refused(made(), timing)
    assert CLIENT_SECRET not in "".join(traceback.format_exception(problem))
    assert "ValueError" in json.dumps(problem.name)
