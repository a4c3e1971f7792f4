# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, names and peers for the tests of the transports.

The collection is imported inside the fixtures: pytest may load this file before the collection finder is there.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
    from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.peer import Peer, Script

NAMES = ("pc01.lab.example", "pc01")


class Certificates:
    """A CA and the server contexts the tests want, made once."""

    def __init__(self, folder: Path) -> None:
        from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
        from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.peer import server_context

        ca = LabCA(folder)
        self.ca = str(ca.ca_pem)
        self.other_ca = str(ca.untrusted_pem)
        good = ca.issue(dns_names=NAMES, addresses=["127.0.0.1"])
        self.client, self.client_key = map(str, ca.issue(common_name="helpdesk@localhost", client=True))
        self.contexts = {
            "good": server_context(*good),
            "mutual": server_context(*good, client_ca=ca.ca_pem),
            "expired": server_context(*ca.issue(dns_names=NAMES, addresses=["127.0.0.1"], not_after=datetime.now(UTC) - timedelta(days=2))),
            "wrong_name": server_context(*ca.issue(dns_names=["other.lab.example"])),
            "untrusted": server_context(*ca.issue(dns_names=NAMES, ca="untrusted")),
            "wildcard": server_context(*ca.issue(dns_names=["*.lab.example", "*.other.example"])),
            "name_only": server_context(*ca.issue(dns_names=NAMES)),
        }


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("wsman-pki"))


@pytest.fixture(autouse=True)
def _lab_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the lab are at home here, and nothing of the environment reaches a transport."""
    resolve = socket.getaddrinfo

    def lab(host: Any, *arguments: Any, **options: Any) -> Any:
        return resolve(
            "127.0.0.1" if isinstance(host, str) and host.lower().endswith(("lab.example", "pc01")) else host, *arguments, **options
        )

    monkeypatch.setattr(socket, "getaddrinfo", lab)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "KRB5CCNAME"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def listen() -> Iterator[Callable[..., Peer]]:
    """Start peers that end with the test."""
    from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.peer import Peer, basic

    peers: list[Peer] = []

    def start(script: Script | None = None, tls: ssl.SSLContext | None = None) -> Peer:
        peers.append(Peer(script or basic, tls))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


@pytest.fixture
def settings(certificates: Certificates) -> ConnectionSettings:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
    from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.peer import PASSWORD, USER

    return ConnectionSettings(
        host="pc01.lab.example",
        username=USER,
        password=Secret(PASSWORD),
        ca_trust_path=certificates.ca,
        connect_timeout=2.0,
        operation_timeout=1.0,
        read_timeout=2.0,
    )
