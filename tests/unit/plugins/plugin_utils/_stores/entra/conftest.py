# SPDX-License-Identifier: GPL-3.0-or-later
"""A peer per test, and a store that talks to it with a clock that does not make anybody wait.

The collection is imported inside the fixtures: pytest may load this file before the collection finder is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing
    from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
    from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import Peer

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
#: whatever the environment of a build machine says must not matter, unless a test says so
VARIABLES = [
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "MSAL_FORCE_REGION"),
    *(name + "_proxy" for name in ("https", "http", "all", "no")),
    *(name + "_PROXY" for name in ("HTTPS", "HTTP", "ALL", "NO")),
    *("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "MSI_ENDPOINT", "MSI_SECRET"),
]


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LabCA:
    from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA

    return LabCA(tmp_path_factory.mktemp("entra-pki"))


@pytest.fixture(scope="session")
def certificate(authority: LabCA) -> tuple[Path, Path]:
    return authority.issue(dns_names=["localhost"], addresses=["127.0.0.1"])


@pytest.fixture
def peer(certificate: tuple[Path, Path]) -> Iterator[Peer]:
    from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import running

    with running(*certificate) as found:
        yield found


@pytest.fixture
def options(peer: Peer, authority: LabCA) -> dict[str, Any]:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
    from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.entra.peer import CLIENT, CLIENT_SECRET, TENANT

    return {
        "auth_method": "client_secret",
        "tenant": TENANT,
        "client_id": CLIENT,
        "secret": Secret(CLIENT_SECRET),
        "authority": peer.url,
        "graph_url": peer.url,
        "ca_cert": str(authority.ca_pem),
        "timeout": 5,
        "connection_timeout": 5,
    }


@pytest.fixture
def made(options: dict[str, Any]) -> Callable[..., EntraSettings]:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings

    return lambda **more: EntraSettings.from_options(options | more)


@pytest.fixture
def waits() -> list[float]:
    """The pauses that were made, in seconds; none of them really."""
    return []


@pytest.fixture
def timing(waits: list[float]) -> Timing:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.throttle import Timing

    ahead = [0.0]

    def clock() -> float:
        import time

        return time.monotonic() + ahead[0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        ahead[0] += seconds

    return Timing(clock=clock, now=lambda: NOW, sleep=sleep, chance=lambda: 1.0)
