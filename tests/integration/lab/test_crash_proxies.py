# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs through the lab's proxies: every exchange is numbered, and the chosen one goes wrong as it should."""

from __future__ import annotations

import base64
import http.client
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import ldap3
import pytest
from ansible_collections.keyward.bitlocker.tests.integration.estates import Drawing
from ansible_collections.keyward.bitlocker.tests.lab.crash.fate import (
    AD,
    ERROR,
    GRAPH,
    HOST,
    KILLED_AFTER,
    KILLED_BEFORE,
    LIED,
    LOST,
    Mishap,
    in_group,
    read_journal,
    write_control,
)
from ansible_collections.keyward.bitlocker.tests.lab.crash.proxies import CrashProxies
from ansible_collections.keyward.bitlocker.tests.lab.directory import layout
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntraDevice
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import Answer, Message
from ldap3.core.exceptions import LDAPExceptionError

TENANT = "5b1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d10"
ADD = "ProtectKeyWithNumericalPassword"


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashProxies]:
    drawing = Drawing(21)
    drawing.estate.entra_tenant_id = TENANT
    device = drawing.another_guid()
    drawing.escrow(drawing.host("pc01", entra_device_id=device, entra_tenant_id=TENANT))
    drawing.estate.entra_devices.append(LabEntraDevice(object_id=drawing.another_guid(), device_id=device, display_name="PC01"))
    options = LabOptions(behind_proxies=True)
    with Lab(tmp_path_factory.mktemp("crash"), options, estate=drawing.estate) as lab, CrashProxies(lab) as made:
        yield made


def passwords(proxies: CrashProxies) -> int:
    return sum(item.type == 3 for item in proxies.lab.estate_now().hosts[0].volumes[0].protectors)


def change(proxies: CrashProxies) -> Answer:
    lab = proxies.lab
    host = lab.estate.hosts[0]
    context = ssl.create_default_context(cafile=str(lab.ca_file))
    wire = http.client.HTTPSConnection(host.address, host.port, timeout=20, context=context)
    token = base64.b64encode(f"{host.username}:{host.password}".encode()).decode()
    headers = {"Content-Type": "application/soap+xml;charset=UTF-8", "Authorization": f"Basic {token}"}
    wire.request("POST", "/wsman", body=Message.volume(ADD, guid=host.volumes[0].device_guid), headers=headers)
    answer = wire.getresponse()
    return Answer(answer.status, answer.read())


def report(proxies: CrashProxies, folder: Path) -> subprocess.Popen[str]:
    lab = proxies.lab
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(lab.inventory_file), "-e", f"@{lab.vars_file}"]
    command += ["keyward.bitlocker.escrow_report"]
    out = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, env=lab.environment(), stdout=out, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def test_a_real_run_passes_and_each_side_is_numbered(proxies: CrashProxies, tmp_path: Path) -> None:
    proxies.fate.arm(None)
    run = report(proxies, tmp_path)
    output = run.communicate(timeout=120)[0]
    found = read_journal(proxies.journal)
    assert {item.side for item in found} == {HOST, AD, GRAPH}, output
    assert [item.number for item in found] == list(range(1, len(found) + 1))
    assert all(item.mishap is None and not item.changes for item in found)
    assert "unreachable=0" in output
    assert any("/oauth2/v2.0/token" in item.what for item in found)


def test_a_run_is_killed_where_it_should_be(proxies: CrashProxies, tmp_path: Path) -> None:
    number = next(item.number for item in proxies.fate.exchanges if item.side == AD)
    run = report(proxies, tmp_path)
    write_control(proxies.control, in_group(Mishap(at=number, kind=KILLED_BEFORE), run.pid))
    assert run.wait(timeout=120) == -9
    assert read_journal(proxies.journal)[-1].mishap == KILLED_BEFORE


def until_quiet(proxies: CrashProxies) -> None:
    """The workers of a run that was killed have sessions of their own since ansible-core 2.19, and outlive it for some exchanges."""
    deadline, seen, since = time.monotonic() + 60, -1, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < 2:
        if len(proxies.fate.exchanges) != seen:
            seen, since = len(proxies.fate.exchanges), time.monotonic()
        time.sleep(0.05)


@pytest.mark.parametrize(("kind", "done"), [(LOST, 1), (KILLED_BEFORE, 0), (KILLED_AFTER, 1), (ERROR, 0), (LIED, 0)])
def test_what_a_host_was_asked_is_done_or_not(proxies: CrashProxies, kind: str, done: int) -> None:
    until_quiet(proxies)
    before = passwords(proxies)
    proxies.fate.arm(Mishap(at=1, kind=kind))
    if kind in (ERROR, LIED):
        answer = change(proxies)
        assert answer.fault[1] == 0x80004005 if kind == ERROR else answer.result == 0
    else:
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected, ssl.SSLError)):
            change(proxies)
    assert passwords(proxies) == before + done
    assert [(item.what, item.changes, item.mishap) for item in proxies.fate.exchanges] == [(f"Invoke {ADD}", True, kind)]


@pytest.mark.parametrize("kind", [ERROR, LIED, LOST])
def test_the_directory_refuses_lies_and_breaks_off(proxies: CrashProxies, kind: str) -> None:
    lab = proxies.lab
    administrator = layout.accounts(lab.estate.realm)[layout.ADMINISTRATOR]
    tls = ldap3.Tls(ca_certs_file=str(lab.ca_file), validate=ssl.CERT_REQUIRED)
    server = ldap3.Server(lab.ldap_address, port=layout.LDAPS_PORT, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    proxies.fate.arm(Mishap(at=2, kind=kind))
    connection = ldap3.Connection(server, administrator.principal, administrator.password, receive_timeout=10)
    assert connection.bind()
    asked = (layout.base_dn(lab.estate.realm), "(objectClass=msFVE-RecoveryInformation)")
    if kind == LOST:
        with pytest.raises(LDAPExceptionError):
            connection.search(*asked)
    else:
        connection.search(*asked)
        assert (connection.result["result"], connection.response) == (52 if kind == ERROR else 0, [])
        assert connection.search(*asked)
    assert proxies.fate.exchanges[1].what.startswith("search DC=lab")
