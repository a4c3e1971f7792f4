# SPDX-License-Identifier: GPL-3.0-or-later
"""Running endpoints: HTTP, TLS, authentication, faults, logs."""

from __future__ import annotations

import base64
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
import spnego
from ansible_collections.keyward.bitlocker.tests.lab.hosts import CERTIFICATES, FAULTS, expected_reason, read_log, summarize
from ansible_collections.keyward.bitlocker.tests.lab.hosts.faults import HUGE_OCTETS, SLOW_SECONDS
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from ansible_collections.keyward.bitlocker.tests.lab.serialize import to_json
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import BITLOCKER, NOW, Answer, Lab, Message, make_host
from cryptography import x509
from requests_credssp.exceptions import NTStatusException
from winrm.exceptions import InvalidCredentialsError, WSManFaultError
from winrm.protocol import Protocol

Starter = Callable[..., Lab]
QUERY = Message.query(BITLOCKER, "SELECT DeviceID, DriveLetter FROM Win32_EncryptableVolume")


def _protocol(lab: Lab, name: str, **changes: Any) -> Protocol:
    host = lab.hosts[name]
    fields: dict[str, Any] = {
        "transport": host.transport,
        "username": host.username,
        "password": host.password,
        "ca_trust_path": str(lab.ca.ca_pem),
        "proxy": None,
    }
    return Protocol(lab.url(name), **{**fields, **changes})


def _pywinrm_query(protocol: Protocol) -> Answer:
    wql = "SELECT DriveLetter FROM Win32_EncryptableVolume"
    return Answer(200, protocol.send_message(Message.query(BITLOCKER, wql).decode()))


def test_one_connection_many_requests_and_the_log_of_them(lab: Starter) -> None:
    made = lab(make_host())
    wire = made.connect("pc01")
    sizes = [len(made.post("pc01", QUERY, wire)[2]) for _unused in range(3)]
    made.post("pc01", Message.volume("GetKeyProtectors"), wire)
    wire.close()
    found = summarize(made.logs, "pc01")
    assert (found.connections, found.requests, found.auth_exchanges, found.shells) == (1, 4, 0, 0)
    assert found.methods == {"GetKeyProtectors": 1}
    assert found.operations == {"Enumerate": 3, "Invoke": 1}
    assert found.bytes_in > 3 * len(QUERY) + 4 * 100
    assert found.bytes_out > sum(sizes) + 4 * 100
    row = list(read_log(made.logs, "pc01"))[-1]
    assert (row["class_name"], row["method"], row["selectors"]) == ("Win32_EncryptableVolume", "GetKeyProtectors", ["DeviceID"])


def test_the_log_holds_no_credential(lab: Starter) -> None:
    made = lab(make_host(password="s3cret-password"))
    made.post("pc01", QUERY)
    text = (made.logs / "pc01.jsonl").read_text()
    assert "s3cret-password" not in text
    assert made.headers("pc01")["Authorization"].split()[1] not in text


def test_http_is_refused_where_it_is_wrong(lab: Starter) -> None:
    made = lab(make_host())
    status, headers, body = made.post("pc01", QUERY, headers={"Content-Type": "application/soap+xml"})
    assert (status, body, "Negotiate" in headers["WWW-Authenticate"]) == (401, b"", True)
    assert made.post("pc01", QUERY, headers=made.headers("pc01", "wrong"))[0] == 401
    assert made.post("pc01", QUERY, headers={**made.headers("pc01"), "Content-Type": "text/plain"})[0] == 415
    wire = made.connect("pc01")
    wire.request("POST", "/elsewhere", body=QUERY, headers=made.headers("pc01"))
    assert wire.getresponse().status == 404


def test_a_request_above_the_envelope_size_is_cut_off(lab: Starter) -> None:
    made = lab(make_host())
    assert made.post("pc01", QUERY + b" " * (512000 - len(QUERY)))[0] == 200
    assert made.post("pc01", QUERY + b" " * (512001 - len(QUERY)))[::2] == (413, b"")


def test_ntlm_inside_spnego(lab: Starter) -> None:
    made = lab(make_host(transport="ntlm"))
    context = spnego.client("svc-keyward", "correct horse", protocol="negotiate", options=spnego.NegotiateOptions.use_negotiate)
    wire = made.connect("pc01")
    token = context.step()
    for _unused in range(4):
        headers = {**made.headers("pc01"), "Authorization": f"Negotiate {base64.b64encode(token or b'').decode()}"}
        status, answered, body = made.post("pc01", QUERY, wire, headers=headers)
        if status != 401:
            break
        token = context.step(base64.b64decode(answered["WWW-Authenticate"].split(" ")[1]))
    assert Answer(status, body).texts("DriveLetter") == ["C:"]
    assert made.post("pc01", QUERY, wire, headers={"Content-Type": "application/soap+xml"})[0] == 200
    wire.close()
    assert made.post("pc01", QUERY, headers={"Content-Type": "application/soap+xml"})[0] == 401


def test_basic_in_clear_is_refused_with_an_empty_500(lab: Starter) -> None:
    made = lab(make_host(scheme="http"))
    status, _unused, body = made.post("pc01", QUERY)
    assert (status, body) == (500, b"")
    status, headers, _unused = made.post("pc01", QUERY, headers=made.headers("pc01", "wrong"))
    assert (status, "Basic" in headers["WWW-Authenticate"]) == (401, False)


@pytest.mark.parametrize(("transport", "scheme"), [("basic", "https"), ("ntlm", "http"), ("ntlm", "https"), ("credssp", "http")])
def test_pywinrm_reads_volumes(lab: Starter, transport: str, scheme: str) -> None:
    made = lab(make_host(transport=transport, scheme=scheme))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        protocol = _protocol(made, "pc01")
        assert _pywinrm_query(protocol).texts("DriveLetter") == ["C:"]
        assert _pywinrm_query(protocol).status == 200
        with pytest.raises((InvalidCredentialsError, NTStatusException), match=r"credentials|0x8009030c"):
            _pywinrm_query(_protocol(made, "pc01", password="wrong"))
    found = summarize(made.logs, "pc01")
    assert found.requests == 2
    # Basic is sent at once and refused once; the others negotiate
    assert found.auth_exchanges == 1 if transport == "basic" else found.auth_exchanges > 3
    encrypted = [row["encrypted"] for row in read_log(made.logs, "pc01") if row["event"] == "exchange" and row["operation"]]
    assert encrypted == [scheme == "http"] * 2


def test_a_client_certificate_is_mapped_to_its_account(lab: Starter) -> None:
    made = lab(make_host(transport="certificate"))
    right = made.ca.issue(common_name="svc-keyward", client=True)
    other = made.ca.issue(common_name="svc-other", client=True)
    chosen = {"cert_pem": str(right[0]), "cert_key_pem": str(right[1])}
    assert _pywinrm_query(_protocol(made, "pc01", **chosen)).texts("DriveLetter") == ["C:"]
    with pytest.raises(InvalidCredentialsError):
        _pywinrm_query(_protocol(made, "pc01", cert_pem=str(other[0]), cert_key_pem=str(other[1])))


def test_pywinrm_sees_faults_as_faults(lab: Starter) -> None:
    made = lab(make_host(fault="uac_filtered"))
    with pytest.raises(WSManFaultError) as caught:
        _pywinrm_query(_protocol(made, "pc01"))
    assert (caught.value.fault_subcode, caught.value.wsman_fault_code) == ("w:AccessDenied", 5)


def test_pywinrm_runs_a_command_in_a_shell(lab: Starter) -> None:
    made = lab(make_host())
    protocol = _protocol(made, "pc01")
    shell = protocol.open_shell(codepage=65001)
    command = protocol.run_command(shell, "PowerShell", ["-EncodedCommand", "AA=="])
    protocol.send_command_input(shell, command, b"input", end=True)
    assert protocol.get_command_output(shell, command) == (b'{"changed": false, "ping": "pong"}\r\n', b"", 0)
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)
    assert summarize(made.logs, "pc01").shells == 1
    assert len(made.endpoint.service_of("pc01").shells) == 0


def test_sealed_messages_must_be_of_this_connection(lab: Starter) -> None:
    made = lab(make_host(transport="ntlm", scheme="http"))
    kind = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
    status, _unused, _unused = made.post("pc01", b"--Encrypted Boundary--\r\n", headers={"Content-Type": kind})
    assert status == 401


def _tls_names(lab: Lab, name: str) -> set[str]:
    context = ssl.create_default_context(cafile=str(lab.ca.ca_pem))
    host = lab.hosts[name]
    with (
        socket.create_connection((host.address, lab.endpoint.port_of(name)), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=host.address) as stream,
    ):
        certificate = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True) or b"")
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return set(names.get_values_for_type(x509.DNSName))


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_certificates(lab: Starter, kind: str) -> None:
    made = lab(make_host(certificate=kind))
    if CERTIFICATES[kind].reason == "tls":
        with pytest.raises(ssl.SSLCertVerificationError):
            _tls_names(made, "pc01")
        deadline = time.monotonic() + 5
        while not summarize(made.logs, "pc01").tls_failures and time.monotonic() < deadline:
            time.sleep(0.01)
        assert summarize(made.logs, "pc01").tls_failures == 1
    else:
        assert _tls_names(made, "pc01") == ({"pc01.lab.example"} if kind == "lab" else set())


@pytest.mark.parametrize(("fault", "status"), [("http_503", 503), ("http_404", 404), ("empty_500", 500), ("wrong_password", 401)])
def test_plain_statuses(lab: Starter, fault: str, status: int) -> None:
    answer = lab(make_host(fault=fault)).post("pc01", QUERY)
    assert (answer[0], answer[2]) == (status, b"")


def test_refused_does_not_listen_and_blackhole_says_nothing(lab: Starter) -> None:
    made = lab(
        make_host(fault="refused"), make_host(inventory_name="hole", fault="blackhole"), make_host(inventory_name="hung", fault="hung")
    )
    with pytest.raises(KeyError):
        made.endpoint.port_of("pc01")
    for name in ("hole", "hung"):
        wire = made.connect(name, timeout=0.3)
        with pytest.raises(TimeoutError):
            made.post(name, QUERY, wire)


@pytest.mark.parametrize("fault", ["garbage", "truncated"])
def test_answers_that_are_no_http(lab: Starter, fault: str) -> None:
    with pytest.raises(HTTPException):
        lab(make_host(fault=fault)).post("pc01", QUERY)


def test_spoiled_answers(lab: Starter) -> None:
    kinds = ("not_xml", "huge", "entity_bomb", "lying_relates_to", "wrong_types", "slow")
    made = lab(*(make_host(inventory_name=kind, fault=kind) for kind in kinds))
    bodies = {kind: made.post(kind, QUERY)[2] for kind in kinds if kind != "slow"}
    assert bodies["not_xml"].startswith(b"<!doctype html>")
    assert len(bodies["huge"]) == HUGE_OCTETS
    assert Answer(200, bodies["huge"]).texts("DriveLetter") == ["C:"]
    assert b"<!DOCTYPE bomb" in bodies["entity_bomb"]
    assert Answer(200, bodies["lying_relates_to"]).texts("RelatesTo") == ["uuid:00000000-0000-4000-8000-00000000BAD0"]
    words = made.post("wrong_types", Message.volume("GetProtectionStatus"))[2]
    assert Answer(200, words).texts("ProtectionStatus") == ["banana"]
    before = time.monotonic()
    assert made.post("slow", QUERY)[0] == 200
    assert time.monotonic() - before >= SLOW_SECONDS


def test_denials(lab: Starter) -> None:
    kinds = ("not_admin", "uac_filtered", "wmi_denied", "root_sddl")
    made = lab(*(make_host(inventory_name=kind, fault=kind) for kind in kinds))
    bios = Message.query("root/cimv2", "SELECT SerialNumber FROM Win32_BIOS")
    assert {kind: Answer(*made.post(kind, bios)[::2]).status for kind in kinds} == {
        "not_admin": 500,
        "uac_filtered": 500,
        "wmi_denied": 200,
        "root_sddl": 500,
    }
    assert all(Answer(*made.post(kind, QUERY)[::2]).fault[0] == "w:AccessDenied" for kind in kinds)


def test_root_sddl_may_be_a_401(lab: Starter) -> None:
    host = make_host(fault="root_sddl", wire_form="root_sddl_401")
    assert lab(host).post("pc01", QUERY)[0] == 401
    assert expected_reason(host) == "authentication"


def test_every_fault_has_a_conclusion() -> None:
    reasons = {"unreachable", "authentication", "authorization", "tls", "protocol", None}
    assert {fault.reason for fault in FAULTS.values()} | {kind.reason for kind in CERTIFICATES.values()} == reasons
    assert expected_reason(make_host()) is None
    assert expected_reason(make_host(fault="hung", certificate="expired")) == "tls"


def test_an_unknown_word_stops_the_start(lab: Starter) -> None:
    for change in ({"fault": "x"}, {"profile": "x"}, {"wire_form": "x"}, {"certificate": "x"}, {"scheme": "x"}):
        with pytest.raises(ValueError, match="pc01: unknown"):
            lab(make_host(**change))


def test_as_a_process(tmp_path: Path) -> None:
    estate = Estate(seed=1, now=NOW, hosts=[make_host()])
    (tmp_path / "estate.json").write_text(to_json(estate))
    module = "ansible_collections.keyward.bitlocker.tests.lab.hosts"
    arguments = ["--estate", "estate.json", "--ca", "ca", "--state", "state", "--logs", "logs", "--ready", "ready"]
    environment = {**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "READY\n"
        assert (tmp_path / "ready").exists()
        assert LabCA(tmp_path / "ca").ca_pem.exists()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
