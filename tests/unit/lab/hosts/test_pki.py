# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's authorities: what they issue verifies, and what should not verify does not."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA


def _handshake(server: tuple[Path, Path], ca_pem: Path, name: str, client: tuple[Path, Path] | None = None) -> str:
    left, right = socket.socketpair()
    right.settimeout(5)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(*server)
    server_context.load_verify_locations(ca_pem)
    if client:
        server_context.verify_mode = ssl.CERT_REQUIRED
    seen: list[str] = []

    def serve() -> None:
        try:
            with server_context.wrap_socket(right, server_side=True) as wrapped:
                wrapped.recv(1)
                peer = wrapped.getpeercert() or {}
                seen.append(str(peer.get("subject", "")))
                wrapped.send(b"y")
        except OSError:
            right.close()

    thread = threading.Thread(target=serve)
    thread.start()
    context = ssl.create_default_context(cafile=str(ca_pem))
    if client:
        context.load_cert_chain(*client)
    try:
        with context.wrap_socket(left, server_hostname=name) as wrapped:
            wrapped.send(b"x")
            wrapped.recv(1)
    finally:
        left.close()
        thread.join(5)
    return seen[0]


def test_a_lab_certificate_verifies_by_name_and_by_address(tmp_path: Path) -> None:
    ca = LabCA(tmp_path)
    pair = ca.issue(dns_names=["pc01.lab.example"], addresses=["127.0.1.5"])
    assert stat.S_IMODE(pair[1].stat().st_mode) == 0o600
    _handshake(pair, ca.ca_pem, "pc01.lab.example")
    _handshake(pair, ca.ca_pem, "127.0.1.5")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _handshake(pair, ca.ca_pem, "pc02.lab.example")


def test_untrusted_and_expired_do_not_verify(tmp_path: Path) -> None:
    ca = LabCA(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer|self-signed"):
        _handshake(ca.issue(dns_names=["a.example"], ca="untrusted"), ca.ca_pem, "a.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        _handshake(ca.issue(dns_names=["a.example"], not_after=datetime.now(UTC) - timedelta(days=2)), ca.ca_pem, "a.example")


def test_a_client_certificate_names_its_account(tmp_path: Path) -> None:
    ca = LabCA(tmp_path)
    server = ca.issue(dns_names=["a.example"])
    subject = _handshake(server, ca.ca_pem, "a.example", ca.issue(common_name="svc-keyward", client=True))
    assert "svc-keyward" in subject


def test_the_authority_is_loaded_again(tmp_path: Path) -> None:
    first = LabCA(tmp_path)
    pair = first.issue(dns_names=["a.example"])
    before = first.ca_pem.read_bytes()
    second = LabCA(tmp_path)
    assert second.ca_pem.read_bytes() == before
    _handshake(pair, second.ca_pem, "a.example")
