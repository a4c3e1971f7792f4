# SPDX-License-Identifier: GPL-3.0-or-later
"""Kerberos against the lab's own KDC: pywinrm's kerberos transport, sealed messages over HTTP, plain ones over HTTPS."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.directory.domain_controller import LabDirectory, missing_packages
from ansible_collections.keyward.bitlocker.tests.lab.hosts import read_log, start, summarize
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import BITLOCKER, NOW, Answer, Message, make_host
from winrm.exceptions import InvalidCredentialsError
from winrm.protocol import Protocol

pytestmark = pytest.mark.skipif(bool(missing_packages(kerberos=True)), reason="a KDC needs Samba and kinit (make test installs them)")

QUERY = Message.query(BITLOCKER, "SELECT DriveLetter FROM Win32_EncryptableVolume").decode()


class Domain(NamedTuple):
    """What a Kerberos test needs of the running domain."""

    ca: LabCA
    keytab: Path
    principal: str
    folder: Path


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    """A running KDC that knows pc01, its keytab, and a ticket of the report account in the environment."""
    folder = tmp_path_factory.mktemp("kerberos")
    ca = LabCA(folder / "ca")
    directory = LabDirectory(folder / "dc", "127.0.55.7", ca, kerberos=True)
    directory.prepare()
    computer = LabComputerObject(name="PC01", dns_name="pc01.lab.example", machine_password="Lab-Machine-4711")
    directory.seed(Estate(seed=1, now=NOW, computers=[computer]))
    keytab = folder / "http.keytab"
    directory.export_keytab(keytab, ["HTTP/pc01.lab.example"])
    account = directory.accounts["svc-report"]
    with directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KRB5_CONFIG", str(directory.krb5_conf))
        patch.setenv("KRB5CCNAME", f"FILE:{folder / 'tickets'}")
        subprocess.run(["kinit", account.kerberos_principal], input=f"{account.password}\n", text=True, check=True, capture_output=True)
        yield Domain(ca, keytab, account.kerberos_principal, folder)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_pywinrm_reads_volumes_with_a_ticket(domain: Domain, scheme: str) -> None:
    host = make_host(transport="kerberos", scheme=scheme, username=domain.principal)
    logs = domain.folder / f"logs-{scheme}"
    with start([host], domain.ca, domain.folder / "state", logs, keytab=domain.keytab) as endpoint:
        protocol = _protocol(domain, f"{scheme}://{host.address}:{endpoint.port_of('pc01')}/wsman")
        assert [Answer(200, protocol.send_message(QUERY)).texts("DriveLetter") for _unused in range(2)] == [["C:"], ["C:"]]
    found = summarize(logs, "pc01")
    assert (found.connections, found.requests) == (1, 2)
    exchanges = [row for row in read_log(logs, "pc01") if row["event"] == "exchange" and row["operation"]]
    assert {row["account"] for row in exchanges} == {domain.principal}
    assert [row["encrypted"] for row in exchanges] == [scheme == "http"] * 2


def test_a_ticket_of_somebody_else_is_refused(domain: Domain) -> None:
    host = make_host(transport="kerberos", username="svc-other@LAB.EXAMPLE")
    with start([host], domain.ca, domain.folder / "state", domain.folder / "logs-other", keytab=domain.keytab) as endpoint:
        protocol = _protocol(domain, f"https://{host.address}:{endpoint.port_of('pc01')}/wsman")
        with pytest.raises(InvalidCredentialsError):
            protocol.send_message(QUERY)


def _protocol(domain: Domain, url: str) -> Protocol:
    return Protocol(
        url,
        transport="kerberos",
        username=domain.principal,
        kerberos_hostname_override="pc01.lab.example",
        ca_trust_path=str(domain.ca.ca_pem),
        proxy=None,
    )
