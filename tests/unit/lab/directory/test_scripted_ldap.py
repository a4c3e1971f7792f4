# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripted LDAP peer shows ldap3 what it was told to show."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import ldap3
import pytest
from ansible_collections.keyward.bitlocker.tests.lab.directory import memory_directory, scripted_ldap
from ansible_collections.keyward.bitlocker.tests.lab.directory.memory_directory import PARTIAL_SECRETS, MemoryDirectory
from ansible_collections.keyward.bitlocker.tests.lab.directory.scripted_ldap import Answer, BindRefusal, Entry, ScriptedLdap
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from ldap3.core.exceptions import LDAPSessionTerminatedByServerError, LDAPSocketReceiveError

BASE = "DC=lab,DC=example"
Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LabCA:
    return LabCA(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def files(authority: LabCA) -> Files:
    return authority.issue(dns_names=["dc1.lab.example"], addresses=["127.0.0.1"])


def entries(count: int) -> list[Entry]:
    return [
        Entry(
            f"CN=2026-01-01T00:00:00-00:00{{{number:08X}-0000}},CN=PC{number},OU=Clients,{BASE}",
            {
                "objectClass": ["top", "msFVE-RecoveryInformation"],
                "cn": [f"2026-01-01T00:00:00-00:00{{{number:08X}-0000}}"],
                "msFVE-RecoveryGuid": [number.to_bytes(16, "little")],
                "msFVE-RecoveryPassword": ["secret"],
                "userAccountControl": [str(number)],
            },
        )
        for number in range(count)
    ]


def connect(server: ScriptedLdap, authority: LabCA, *, start_tls: bool = False, **options: Any) -> ldap3.Connection:
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(authority.ca_pem), valid_names=["dc1.lab.example"])
    target = ldap3.Server(server.address, port=server.port, use_ssl=not start_tls, tls=tls, get_info=ldap3.NONE, connect_timeout=5)
    return ldap3.Connection(target, "reader@lab.example", options.pop("password", "pw"), receive_timeout=5, **options)


def search(connection: ldap3.Connection, text: str = "(objectClass=*)", **options: Any) -> list[dict[str, Any]]:
    connection.search(BASE, text, attributes=options.pop("attributes", ["cn"]), **options)
    return [found for found in connection.response if found["type"] == "searchResEntry"]


def test_an_unpaged_search_is_cut_with_result_4_and_partial_entries(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(MemoryDirectory(entries(30), max_page_size=10), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        assert len(search(connection)) == 10
        assert connection.result["result"] == scripted_ldap.SIZE_LIMIT
        assert server.searches[-1].page is None


def test_paging_brings_everything_over_an_empty_page(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(MemoryDirectory(entries(30), empty_pages=frozenset({1})), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        found = list(connection.extend.standard.paged_search(BASE, "(cn=*)", attributes=["cn"], paged_size=20, generator=True))
        assert len(found) == 30
        assert len(server.searches) == 3


def test_a_foreign_cookie_is_refused(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(MemoryDirectory(entries(3)), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        search(connection, paged_size=2, paged_cookie=b"made up")
        assert connection.result["result"] == scripted_ldap.UNWILLING


def test_a_read_only_controller_says_so_and_has_no_password(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(MemoryDirectory.read_only_controller(entries(2)), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        connection.search("", "(objectClass=*)", ldap3.BASE, attributes=["supportedCapabilities"])
        assert PARTIAL_SECRETS.encode() in connection.response[0]["raw_attributes"]["supportedCapabilities"]
        found = search(connection, attributes=["cn", "msFVE-RecoveryPassword"])
        assert [one["raw_attributes"]["msFVE-RecoveryPassword"] for one in found] == [[], []]
        assert not search(connection, "(msFVE-RecoveryPassword=*)")


def test_a_reference_comes_as_one(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(MemoryDirectory(entries(1), references=["ldap://other.example/DC=other"]), files) as server:
        connection = connect(server, authority, auto_referrals=False)
        assert connection.bind()
        connection.search(BASE, "(cn=*)", attributes=["cn"])
        assert [found["type"] for found in connection.response] == ["searchResEntry", "searchResRef"]


@pytest.mark.parametrize("code", [scripted_ldap.BUSY, scripted_ldap.UNAVAILABLE, scripted_ldap.REFERRAL])
def test_any_result_can_be_given(authority: LabCA, files: Files, code: int) -> None:
    answer = Answer(code=code, message="scripted", referrals=["ldap://other.example/"] if code == scripted_ldap.REFERRAL else ())
    with ScriptedLdap(lambda _request: answer, files) as server:
        connection = connect(server, authority, auto_referrals=False)
        assert connection.bind()
        assert search(connection) == []
        assert connection.result["result"] == code


def test_failing_in_the_middle_of_paging(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(MemoryDirectory(entries(30), failing_page={1: scripted_ldap.BUSY}), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        assert len(search(connection, paged_size=10)) == 10
        cookie = connection.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
        assert search(connection, paged_size=10, paged_cookie=cookie) == []
        assert connection.result["result"] == scripted_ldap.BUSY


def test_a_hanging_server_is_noticed_and_stopped(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(lambda _request: Answer(hang=True), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        connection.receive_timeout = 0.5
        connection.socket.settimeout(0.5)
        with pytest.raises(LDAPSocketReceiveError):
            search(connection)


def test_a_broken_off_search(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(lambda _request: Answer(entries=entries(1), drop=True), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        with pytest.raises(LDAPSessionTerminatedByServerError):
            search(connection)


def test_binds_are_judged_and_recorded_without_the_password(authority: LabCA, files: Files) -> None:
    passwords = {"reader@lab.example": "right"}
    with ScriptedLdap(MemoryDirectory(), files, passwords=passwords) as server:
        assert connect(server, authority, password="right").bind()
        wrong = connect(server, authority, password="wrong-password")
        assert not wrong.bind()
        assert "data 52e" in wrong.result["message"]
        assert [(seen.method, seen.encrypted, seen.accepted) for seen in server.binds] == [("simple", True, True), ("simple", True, False)]
        assert "wrong-password" not in repr(server.binds)


def test_a_bind_can_be_refused_for_a_reason(authority: LabCA, files: Files) -> None:
    locked = BindRefusal(message=scripted_ldap.REFUSED.format(data="775"))
    with ScriptedLdap(MemoryDirectory(), files, refusals={"reader@lab.example": locked}) as server:
        connection = connect(server, authority)
        assert not connection.bind()
        assert "data 775" in connection.result["message"]


def test_start_tls(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(MemoryDirectory(entries(1)), files, start_tls=True) as server:
        connection = connect(server, authority, start_tls=True, auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND)
        assert len(search(connection)) == 1
        assert server.binds[0].encrypted


def test_a_writer_is_seen(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(MemoryDirectory(entries(1)), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        assert not connection.delete(f"CN=PC0,{BASE}")
        assert server.other_operations == ["delete"]


def test_a_handler_that_fails_fails_the_test(authority: LabCA, files: Files) -> None:
    def broken(_request: object) -> Answer:
        raise ValueError("a mistake in a test")

    def use() -> None:
        with ScriptedLdap(broken, files) as server:
            connection = connect(server, authority)
            assert connection.bind()
            with pytest.raises(LDAPSessionTerminatedByServerError):
                search(connection)

    with pytest.raises(RuntimeError, match="could not cope"):
        use()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("(msFVE-RecoveryGuid=\\02\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00)", 1),
        ("(&(objectClass=MSFVE-recoveryinformation)(name=*))", 0),
        ("(cn=*{0000000*)", 5),
        ("(cn=*{00000003-*)", 1),
        ("(userAccountControl:1.2.840.113556.1.4.803:=2)", 2),
        ("(!(userAccountControl:1.2.840.113556.1.4.803:=2))", 3),
        ("(userAccountControl>=3)", 2),
        ("(unknown=x)", 0),
    ],
)
def test_filters(authority: LabCA, files: Files, text: str, count: int) -> None:
    with ScriptedLdap(MemoryDirectory(entries(5)), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        assert len(search(connection, text)) == count


def test_scopes(authority: LabCA, files: Files) -> None:
    with ScriptedLdap(MemoryDirectory(entries(5)), files) as server:
        connection = connect(server, authority)
        assert connection.bind()
        connection.search(f"CN=PC1,OU=Clients,{BASE}", "(objectClass=*)", ldap3.LEVEL, attributes=["1.1"])
        assert len(connection.response) == 1
        assert not connection.response[0]["raw_attributes"]
        connection.search("OU=Nowhere,DC=lab,DC=example", "(objectClass=*)", attributes=["cn"])
        assert connection.result["result"] == scripted_ldap.NO_SUCH_OBJECT


def test_dn_parsing() -> None:
    assert memory_directory.parse_dn("CN=a\\,b, OU=C,DC=d") == ["cn=a\\,b", "ou=c", "dc=d"]
