# SPDX-License-Identifier: GPL-3.0-or-later
"""What each account sees of a real Samba: the facts of the reference (active-directory-samba, section 4) that everything else relies on."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
import uuid
from datetime import timedelta
from typing import Any

import ldap3
import pytest
from ansible_collections.keyward.bitlocker.tests.lab.directory import domain_controller, layout
from ansible_collections.keyward.bitlocker.tests.lab.directory.domain_controller import DirectoryError, LabDirectory
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import ADMINISTRATOR, NO_RIGHTS, PROOF, REPORT, REVEAL
from ansible_collections.keyward.bitlocker.tests.lab.directory.plan import filetime
from ansible_collections.keyward.bitlocker.tests.lab.directory.processes import Child, ChildError
from ansible_collections.keyward.bitlocker.tests.lab.directory.sample import (
    GUID_PC01,
    KEYS,
    MACHINE_PASSWORD,
    NOW,
    PASSWORD,
    Ground,
    small_estate,
)

ENTRIES = "(objectClass=msFVE-RecoveryInformation)"
ATTRIBUTES = ["cn", "whenCreated", "msFVE-RecoveryGuid", "msFVE-VolumeGuid", "msFVE-RecoveryPassword", "msFVE-KeyPackage"]
SHOW_DELETED = ("1.2.840.113556.1.4.417", True, None)
TREE_DELETE = ("1.2.840.113556.1.4.805", True, None)
#: entries of the small estate below computers that still exist, and how many of them the metadata account may not read
LIVE, HIDDEN = 9, 1


def connect(
    directory: LabDirectory, user: str, password: str, *, port: int = 636, use_ssl: bool = True, **options: Any
) -> ldap3.Connection:
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(directory.ca_file), valid_names=[directory.host_name])
    server = ldap3.Server(directory.address, port=port, use_ssl=use_ssl, tls=tls, get_info=ldap3.NONE, connect_timeout=5)
    return ldap3.Connection(server, user, password, receive_timeout=20, return_empty_attributes=False, **options)


def as_account(ground: Ground, name: str) -> ldap3.Connection:
    account = ground.directory.accounts[name]
    connection = connect(ground.directory, account.principal, account.password)
    assert connection.bind(), connection.result
    return connection


def found(
    connection: ldap3.Connection, text: str = ENTRIES, base: str = "", scope: str = ldap3.SUBTREE, **options: Any
) -> list[dict[str, Any]]:
    base = base or "DC=lab,DC=example"
    connection.search(base, text, scope, attributes=options.pop("attributes", ATTRIBUTES), **options)
    assert connection.result["result"] == 0, connection.result
    return [one for one in connection.response if one["type"] == "searchResEntry"]


@pytest.mark.parametrize(
    ("account", "entries", "passwords", "packages"),
    [
        (REPORT, LIVE - HIDDEN, 0, 0),
        (REVEAL, LIVE, LIVE, 0),
        (PROOF, LIVE - HIDDEN, LIVE - HIDDEN, 1),
        (NO_RIGHTS, 0, 0, 0),
        (ADMINISTRATOR, LIVE, LIVE, 1),
    ],
)
def test_what_each_account_reads(ground: Ground, account: str, entries: int, passwords: int, packages: int) -> None:
    seen = found(as_account(ground, account))
    assert len(seen) == entries
    assert sum("msFVE-RecoveryPassword" in one["raw_attributes"] for one in seen) == passwords
    assert sum("msFVE-KeyPackage" in one["raw_attributes"] for one in seen) == packages
    assert all({"cn", "whenCreated", "msFVE-RecoveryGuid"} <= set(one["raw_attributes"]) for one in seen)


@pytest.mark.parametrize("account", [REPORT, NO_RIGHTS])
def test_a_password_filter_matches_nothing_without_control_access(ground: Ground, account: str) -> None:
    assert found(as_account(ground, account), "(msFVE-RecoveryPassword=*)") == []


@pytest.mark.parametrize(("account", "bare"), [(REPORT, 1), (NO_RIGHTS, 4), (REVEAL, 0)])
def test_hidden_entries_show_their_dn_and_no_attribute(ground: Ground, account: str, bare: int) -> None:
    below = f"CN=PC01,OU=Clients,{ground.directory.base_dn}"
    seen = found(as_account(ground, account), "(objectClass=*)", below, ldap3.LEVEL, attributes=["*"])
    assert len(seen) == 4
    empty = [one["dn"] for one in seen if not one["raw_attributes"]]
    assert len(empty) == bare
    if account == REPORT:
        assert KEYS["hidden"].upper() in empty[0]


def test_ldapsearch_sees_the_hidden_dn_alone_too(ground: Ground) -> None:
    account = ground.directory.accounts[REPORT]
    command = [
        *("ldapsearch", "-LLL", "-x", "-o", "ldif-wrap=no", "-H", ground.directory.url, "-D", account.principal, "-w", account.password),
        *("-b", f"CN=PC01,OU=Clients,{ground.directory.base_dn}", "-s", "one", "(objectClass=*)", "*"),
    ]
    environment = {**os.environ, "LDAPTLS_CACERT": str(ground.directory.ca_file), "LDAPTLS_REQCERT": "demand"}
    shown = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, env=environment).stdout
    blocks = [block.splitlines() for block in shown.strip().split("\n\n")]
    assert [len(block) for block in blocks if KEYS["hidden"].upper() in block[0]] == [1]
    assert all(len(block) > 5 for block in blocks if KEYS["hidden"].upper() not in block[0])


def test_the_machine_itself_cannot_read_its_entries_but_writes_and_deletes_them(ground: Ground) -> None:
    connection = connect(ground.directory, "PC01$@lab.example", MACHINE_PASSWORD)
    assert connection.bind(), connection.result
    base = ground.directory.base_dn
    own = f"CN=2026-11-22T21:00:00-08:00{{{KEYS['by_itself'].upper()}}},CN=PC01,OU=Clients,{base}"
    attributes = {"msFVE-RecoveryGuid": uuid.UUID(KEYS["by_itself"]).bytes_le, "msFVE-RecoveryPassword": PASSWORD}
    assert found(connection) == []
    assert connection.add(own, ["msFVE-RecoveryInformation"], attributes), connection.result
    try:
        assert found(connection) == []
        assert len(found(as_account(ground, REPORT), f"(name=*{{{KEYS['by_itself'][:8].upper()}-*)")) == 1
        assert not connection.add(
            own.replace("CN=PC01,OU=Clients", "CN=DC2,OU=Domain Controllers"), ["msFVE-RecoveryInformation"], attributes
        )
        assert connection.result["result"] == 50
    finally:
        assert connection.delete(own), connection.result


def test_dates_are_the_planted_ones(ground: Ground) -> None:
    seen = {one["raw_attributes"]["cn"][0]: one["raw_attributes"]["whenCreated"][0] for one in found(as_account(ground, REPORT))}
    expected = (NOW - timedelta(days=200)).strftime("%Y%m%d%H%M%S.0Z").encode()
    assert set(seen.values()) == {expected}
    assert any(name.startswith(b"2026-11-21T") for name in seen)


def test_damage_arrives_unchanged(ground: Ground) -> None:
    seen = {one["dn"]: one["raw_attributes"] for one in found(as_account(ground, REVEAL))}

    def by_id(kind: str) -> list[dict[str, Any]]:
        return [values for dn, values in seen.items() if KEYS[kind].upper() in dn]

    assert by_id("broken_guid")[0]["msFVE-RecoveryGuid"] == [b"\x01\x02\x03"]
    crossed = [values for values in by_id("planted") if values["msFVE-RecoveryGuid"] == [uuid.UUID(KEYS["other_cn"]).bytes_le]]
    assert len(crossed) == 1
    assert by_id("text")[0]["msFVE-RecoveryPassword"] == [b"no password at all"]
    twice = by_id("twice")
    assert len({values["msFVE-RecoveryPassword"][0] for values in twice}) == 2
    assert {values["msFVE-RecoveryGuid"][0] for values in twice} == {uuid.UUID(KEYS["twice"]).bytes_le}


def test_by_full_guid_only_the_little_endian_bytes_find_it(ground: Ground) -> None:
    connection = as_account(ground, REPORT)

    def by_bytes(raw: bytes) -> int:
        return len(found(connection, "(msFVE-RecoveryGuid=" + "".join(rf"\{byte:02x}" for byte in raw) + ")"))

    assert by_bytes(uuid.UUID(KEYS["planted"]).bytes_le) == 1
    assert by_bytes(uuid.UUID(KEYS["planted"]).bytes) == 0


def test_deleted_entries_keep_password_and_package_and_only_administrators_see_them(ground: Ground) -> None:
    text = f"(&{ENTRIES}(isDeleted=TRUE)(name=*{{{KEYS['deleted'][:8].upper()}-*))"
    seen = found(as_account(ground, ADMINISTRATOR), text, attributes=[*ATTRIBUTES, "lastKnownParent"], controls=[SHOW_DELETED])
    assert len(seen) == 1
    values = seen[0]["raw_attributes"]
    assert values["msFVE-RecoveryPassword"] == [PASSWORD.encode()]
    assert values["msFVE-KeyPackage"] == [b"kept"]
    assert values["lastKnownParent"][0].startswith(b"CN=GONE\\0ADEL:")
    assert b"\nDEL:" in values["cn"][0]
    assert found(as_account(ground, REPORT), text, controls=[SHOW_DELETED]) == []


def test_computer_objects_are_as_planned(ground: Ground) -> None:
    wanted = ["userAccountControl", "operatingSystem", "dNSHostName", "lastLogonTimestamp", "servicePrincipalName", "objectGUID"]
    seen = {
        one["dn"].split(",")[0]: one["raw_attributes"]
        for one in found(as_account(ground, NO_RIGHTS), "(objectCategory=computer)", attributes=wanted)
    }
    assert set(seen) == {"CN=PC01", "CN=PC02", "CN=CL1", "CN=DC1", "CN=DC2"}
    assert seen["CN=PC01"]["objectGUID"] == [uuid.UUID(GUID_PC01).bytes_le]
    assert seen["CN=PC02"]["userAccountControl"] == [b"4098"]
    assert b"MSClusterVirtualServer/cl1.lab.example" in seen["CN=CL1"]["servicePrincipalName"]
    assert seen["CN=DC1"]["operatingSystem"] == [b"Samba"]
    # a bind as the machine (another test's) may move it forward, as in a real domain; never back
    assert int(seen["CN=PC01"]["lastLogonTimestamp"][0]) >= filetime(NOW - timedelta(days=3))


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [("svc-report@lab.example", "wrong", "data 52e"), ("nobody@lab.example", "wrong", "data 52e"), ("PC02$@lab.example", "wrong", "")],
)
def test_refused_binds(ground: Ground, user: str, password: str, reason: str) -> None:
    connection = connect(ground.directory, user, password)
    assert not connection.bind()
    assert connection.result["result"] == 49
    assert reason in connection.result["message"]


def test_start_tls_works_and_a_clear_bind_is_refused(ground: Ground) -> None:
    account = ground.directory.accounts[REPORT]
    secured = connect(
        ground.directory, account.principal, account.password, port=389, use_ssl=False, auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND
    )
    assert len(found(secured)) == LIVE - HIDDEN
    clear = connect(ground.directory, account.principal, account.password, port=389, use_ssl=False)
    assert not clear.bind()
    assert clear.result["result"] == 8


def test_the_certificate_bears_name_and_address(ground: Ground) -> None:
    import socket

    context = ssl.create_default_context(cafile=str(ground.directory.ca_file))
    for name in (ground.directory.host_name, ground.directory.address):
        with (
            socket.create_connection((ground.directory.address, 636), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=name),
        ):
            pass


def test_kerberos_over_tls(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    account = ground.directory.accounts[REPORT]
    monkeypatch.setenv("KRB5_CONFIG", str(ground.directory.krb5_conf))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{ground.folder}/ccache")
    subprocess.run(
        ["kinit", account.kerberos_principal], input=account.password + "\n", text=True, capture_output=True, timeout=30, check=True
    )
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(ground.directory.ca_file), valid_names=[ground.directory.host_name])
    server = ldap3.Server(ground.directory.address, use_ssl=True, port=636, tls=tls, get_info=ldap3.NONE)
    connection = ldap3.Connection(
        server,
        authentication=ldap3.SASL,
        sasl_mechanism=ldap3.KERBEROS,
        sasl_credentials=(ground.directory.host_name,),
        return_empty_attributes=False,
    )
    assert connection.bind(), connection.result
    assert len(found(connection)) == LIVE - HIDDEN


def test_start_to_first_answer_takes_about_a_second_and_stop_leaves_nothing(ground: Ground) -> None:
    second = LabDirectory(ground.folder / "second", ground.block.infrastructure(20), ground.authority)
    second.prepare()
    second.seed(small_estate())
    begun = time.monotonic()
    with second:
        pid = second.pid
        account = second.accounts[REPORT]
        assert connect(second, account.principal, account.password).bind()
        # a second on an idle machine; this one may be busy
        assert time.monotonic() - begun < 10
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert second.pid is None


def test_seeding_a_running_directory_is_refused(ground: Ground) -> None:
    with pytest.raises(DirectoryError, match="seed before starting"):
        ground.directory.seed(small_estate())


def test_missing_packages_are_named_with_the_command(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_controller, "SAMBA", "/nonexistent/samba")
    with pytest.raises(DirectoryError, match="apt-get install -y --no-install-recommends samba samba-dsdb-modules samba-ad-provision"):
        LabDirectory(ground.folder / "third", ground.block.infrastructure(21), ground.authority).prepare()


def test_a_server_that_dies_shows_the_end_of_its_log(ground: Ground) -> None:
    child = Child("dying", ["/bin/sh", "-c", "echo the reason; exit 3"], ground.folder / "dying.log")
    with pytest.raises(ChildError, match="the reason"):
        child.wait_for_port(ground.block.infrastructure(22), layout.LDAPS_PORT, 5)
