# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy passes everything on and writes down what was asked for."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import ldap3
import pytest
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import REPORT, REVEAL
from ansible_collections.keyward.bitlocker.tests.lab.directory.ldap_wire import PAGED_RESULTS
from ansible_collections.keyward.bitlocker.tests.lab.directory.recording_proxy import RecordingProxy
from ansible_collections.keyward.bitlocker.tests.lab.directory.sample import PASSWORD, Ground

ENTRIES = "(objectClass=msFVE-RecoveryInformation)"
LIVE = 9


@pytest.fixture
def proxy(ground: Ground) -> Iterator[RecordingProxy]:
    address = ground.block.infrastructure(11)
    certificate = ground.authority.issue(dns_names=[ground.directory.host_name], addresses=[address])
    log = ground.folder / "ldap-requests.jsonl"
    log.unlink(missing_ok=True)
    with RecordingProxy(log, certificate, (ground.directory.address, 636), ground.authority.ca_pem, address=address) as proxy:
        yield proxy


def through(ground: Ground, proxy: RecordingProxy, account: str) -> ldap3.Connection:
    made = ground.directory.accounts[account]
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(ground.authority.ca_pem), valid_names=[ground.directory.host_name])
    server = ldap3.Server(proxy.address, port=proxy.port, use_ssl=True, tls=tls, get_info=ldap3.NONE, connect_timeout=5)
    connection = ldap3.Connection(server, made.principal, made.password, receive_timeout=20)
    assert connection.bind(), connection.result
    return connection


def test_a_paged_search_is_recorded_page_by_page(ground: Ground, proxy: RecordingProxy) -> None:
    connection = through(ground, proxy, REVEAL)
    pages = connection.extend.standard.paged_search(
        ground.directory.base_dn, ENTRIES, attributes=["cn", "msFVE-RecoveryPassword"], paged_size=4, generator=True
    )
    assert len([one for one in pages if one["type"] == "searchResEntry"]) == LIVE
    searches = proxy.searches()
    assert [(one["page_size"], one["first_page"]) for one in searches] == [(4, True), (4, False), (4, False)]
    assert all(one["controls"] == [PAGED_RESULTS] and one["scope"] == "sub" and one["filter"] == ENTRIES for one in searches)
    assert searches[0]["attributes"] == ["cn", "msFVE-RecoveryPassword"]
    assert [one["entries"] for one in proxy.records() if one["operation"] == "result"] == [4, 4, 1]


def test_an_unpaged_search_for_everything_stands_out(ground: Ground, proxy: RecordingProxy) -> None:
    connection = through(ground, proxy, REPORT)
    connection.search(ground.directory.base_dn, ENTRIES, attributes=["*"])
    connection.search("", "(objectClass=*)", ldap3.BASE, attributes=["1.1"])
    first, second = proxy.searches()
    assert first["page_size"] is None
    assert first["attributes"] == ["*"]
    assert second["scope"] == "base"
    assert second["attributes"] == ["1.1"]


def test_no_credential_is_written(ground: Ground, proxy: RecordingProxy) -> None:
    through(ground, proxy, REVEAL).search(ground.directory.base_dn, ENTRIES, attributes=["msFVE-RecoveryPassword"], paged_size=100)
    text = proxy.log.read_text(encoding="utf-8")
    assert ground.directory.accounts[REVEAL].principal in text
    assert ground.directory.accounts[REVEAL].password not in text
    assert PASSWORD not in text


def test_a_client_that_breaks_off_leaves_the_proxy_working(ground: Ground, proxy: RecordingProxy) -> None:
    first = through(ground, proxy, REPORT)
    first.socket.close()
    assert through(ground, proxy, REPORT).search(ground.directory.base_dn, ENTRIES, attributes=["cn"], paged_size=100)
    assert proxy.connections == 2
