# SPDX-License-Identifier: GPL-3.0-or-later
"""One host over a real socket: the lab's endpoints, sound and with every fault, through the lean transport."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.host import observe_host
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
from ansible_collections.keyward.bitlocker.tests.lab.hosts.faults import CERTIFICATES, FAULTS
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import summarize
from ansible_collections.keyward.bitlocker.tests.lab.hosts.server import HostsEndpoint, start
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.lab_host import lab_computer, lab_volume

CONDITIONS: list[tuple[str, str]] = [
    ("fault", name) for name, fault in sorted(FAULTS.items()) if name not in ("refused", "blackhole", "hung") or fault.reason is None
] + [("certificate", name) for name in sorted(CERTIFICATES)]


def played(**changes: Any) -> LabHost:
    return lab_computer(
        lab_volume(1, "C:", 0),
        lab_volume(2, "D:", 1, (8, 3)),
        **({"address": "127.0.0.1", "port": 0, "username": "LAB\\svc-keyward", "password": "made-up-5"} | changes),
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HostsEndpoint, LabCA, dict[str, LabHost], Path]]:
    folder = tmp_path_factory.mktemp("lab")
    ca = LabCA(folder / "ca")
    hosts = [played(inventory_name=f"{kind}-{name}", **{kind: name}) for kind, name in CONDITIONS]
    hosts += [played(inventory_name="sound"), played(inventory_name="hung", fault="hung")]
    with start(hosts, ca, folder / "state", folder / "logs") as endpoint:
        yield endpoint, ca, {host.inventory_name: host for host in hosts}, folder / "logs"


def settings(lab: Any, name: str, **changes: Any) -> ConnectionSettings:
    endpoint, ca, hosts, _logs = lab
    found = {
        "host": "127.0.0.1",
        "port": endpoint.port_of(name),
        "username": hosts[name].username,
        "password": Secret(hosts[name].password),
        "ca_trust_path": str(ca.ca_pem),
        "environment_proxy": False,
    }
    return ConnectionSettings(**(found | changes))


def seen(lab: Any, name: str, **changes: Any) -> dict[str, Any]:
    observation = observe_host(settings(lab, name, **changes), subsets=frozenset({"escrow"}), now=lambda: datetime.now(UTC), host=name)
    parse_observation(name, observation)
    return observation


def test_a_sound_host_is_observed_over_one_connection_in_few_octets(lab: Any) -> None:
    observation = seen(lab, "sound")
    assert observation["state"] == "observed"
    assert observation["errors"] == []
    assert [len(item["protectors"]) for item in observation["volumes"]] == [2, 2]
    assert observation["channel"]["transport"] == "basic"
    assert observation["channel"]["adapter"] == "lean"
    assert "pc01.lab.example" in observation["channel"]["authenticated_names"]
    summary = summarize(lab[3], "sound")
    assert summary.connections == 1
    assert summary.requests == 16
    assert summary.bytes_in + summary.bytes_out <= 60_000


@pytest.mark.parametrize(("kind", "name"), CONDITIONS)
def test_every_fault_and_certificate_gives_its_reason(lab: Any, kind: str, name: str) -> None:
    expected = (FAULTS if kind == "fault" else CERTIFICATES)[name].reason
    observation = seen(lab, f"{kind}-{name}")
    assert observation["reason"] == expected, observation["message"]
    assert observation["state"] == ("observed" if expected is None else "failed")
    if expected is not None:
        assert observation["message"].startswith("Could not ")
        assert "made-up-5" not in str(observation)


def test_nothing_listens(lab: Any) -> None:
    observation = seen(lab, "sound", port=1)
    assert (observation["state"], observation["reason"]) == ("failed", "unreachable")
    assert observation["channel"]["authenticated_names"] == []


def test_a_host_that_hangs(lab: Any) -> None:
    observation = seen(lab, "hung", operation_timeout=0.5, read_timeout=0.6)
    assert (observation["state"], observation["reason"]) == ("failed", "unreachable")


def test_settings_that_cannot_be_used_are_no_observation(lab: Any) -> None:
    with pytest.raises(OptionError):
        seen(lab, "sound", transport=())
    with pytest.raises(OptionError):
        seen(lab, "sound", transport=("kerberos",), adapter="lean")
