# SPDX-License-Identifier: GPL-3.0-or-later
"""The report never asks for a password, whoever runs it: read off the decoded LDAP requests and the logs of the hosts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Run, Watch
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import ADMINISTRATOR, accounts
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab

FORBIDDEN_ATTRIBUTES = frozenset({"msfve-recoverypassword", "msfve-keypackage", "*", "+"})
FORBIDDEN_METHODS = frozenset({"GetKeyProtectorNumericalPassword", "GetKeyPackage", "GetKeyProtectorExternalKey", "GetExternalKeyFromFile"})


def secret_searches(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Searches that ask for a secret: by name, by everything, or by nothing (which means everything, MS-ADTS 3.1.1.3)."""
    return [
        record
        for record in records
        if record["operation"] == "search"
        and (not record["attributes"] or {name.lower().partition(";")[0] for name in record["attributes"]} & FORBIDDEN_ATTRIBUTES)
    ]


def unpaged_searches(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Searches below a base that carry no paging control."""
    return [record for record in records if record["operation"] == "search" and record["scope"] != "base" and not record["page_size"]]


def exchanges(watch: Watch) -> list[dict[str, Any]]:
    return [row for rows in watch.hosts().values() for row in rows if row["event"] == "exchange"]


@pytest.fixture(scope="module")
def as_administrator(fleet: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Watch]:
    watch = Watch(fleet)
    account = accounts()[ADMINISTRATOR]
    login = {"username": account.principal, "password": account.password, "include_deleted": True, "page_size": 3}
    run = Player(tmp_path_factory.mktemp("admin"), fleet).report(keyward_ad=login, keyward_gather_subset=["all"])
    return run, watch.stop()


@pytest.fixture(params=["reported", "as_administrator"], ids=["svc-report", "Domain Admin"])
def seen(request: pytest.FixtureRequest) -> tuple[Run, Watch]:
    found: tuple[Run, Watch] = request.getfixturevalue(request.param)
    assert found[0].code == 0, found[0].output
    return found


def test_no_request_asks_the_directory_for_a_secret(seen: tuple[Run, Watch]) -> None:
    records = seen[1].ldap()
    searches = [record for record in records if record["operation"] == "search"]
    assert len(searches) > 5
    assert secret_searches(records) == []
    assert unpaged_searches(records) == []
    # nothing went by that the check could not read, and nothing but reading was tried
    assert {record["operation"] for record in records} <= {"bind", "search", "result", "unbind"}
    assert len([record for record in records if record["operation"] == "bind"]) == 1


def test_the_administrator_saw_what_others_cannot(as_administrator: tuple[Run, Watch], reported: tuple[Run, Watch]) -> None:
    """It got more for the same questions, so the checks here are no checks of blindness."""

    def hidden(run: Run) -> set[str]:
        return {
            protector["stores"]["ad"]["state"]
            for computer in run.report["computers"]
            if computer["name"] == "dmg-hidden.lab.example"
            for protector in computer["volumes"][0]["protectors"]
            if protector.get("stores")
        }

    assert (hidden(reported[0]), hidden(as_administrator[0])) == ({"unreadable"}, {"present"})


def test_no_host_was_asked_for_a_secret_or_given_a_shell(seen: tuple[Run, Watch]) -> None:
    rows = exchanges(seen[1])
    assert len(rows) > 50
    assert {row["method"] for row in rows} & FORBIDDEN_METHODS == set()
    assert not [row for row in rows if row["resource"] and "shell" in row["resource"].lower()]
    assert {row["operation"] for row in rows if row["operation"]} <= {"Enumerate", "Pull", "Release", "Get", "Invoke"}


def test_one_connection_a_host(seen: tuple[Run, Watch]) -> None:
    for name, rows in seen[1].hosts().items():
        connections = [row for row in rows if row["event"] == "connection"]
        assert len(connections) == (0 if name == "pc03" else 1), name


def test_the_check_of_searches_catches_one_that_asks(fleet: Lab, tmp_path: Path) -> None:
    """Positive control: ldapsearch asks for the password, for everything, for nothing in particular, and without pages."""
    assert fleet.proxy is not None
    account = accounts()[ADMINISTRATOR]
    login = ["-x", "-H", f"ldaps://{fleet.proxy.address}", "-D", account.principal, "-w", account.password]
    wanted = ["-b", "DC=lab,DC=example", "(objectClass=msFVE-RecoveryInformation)"]

    def asked(*attributes: str, paged: bool = True) -> list[dict[str, Any]]:
        watch = Watch(fleet)
        more = ["-E", "pr=100/noprompt"] if paged else []
        subprocess.run(
            ["ldapsearch", "-LLL", *login, *more, *wanted, *attributes],
            env={"LDAPTLS_CACERT": str(fleet.ca_file), "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            timeout=60,
        )
        return watch.ldap()

    for attributes in (("cn", "msFVE-RecoveryPassword"), ("MSFVE-KEYPACKAGE",), ("*",), ()):
        assert len(secret_searches(asked(*attributes))) == 1, attributes
    assert secret_searches(asked("1.1")) == []
    assert unpaged_searches(asked("cn")) == []
    assert len(unpaged_searches(asked("cn", paged=False))) == 1


ASK = """
import contextlib
import sys
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.faults import FaultError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports import open_transport

host, user, password, ca, device, key_id = sys.argv[1:]
settings = ConnectionSettings(host=host, username=user, password=Secret(password), ca_trust_path=ca)
with Session(open_transport(settings)) as session:
    for method in ("GetKeyProtectorNumericalPassword", "GetKeyPackage"):
        with contextlib.suppress(FaultError):  # a host that does not offer it was asked all the same
            session.invoke("root/cimv2/Security/MicrosoftVolumeEncryption", "Win32_EncryptableVolume", method,
                           selectors={"DeviceID": device}, arguments={"VolumeKeyProtectorID": key_id})
"""


def test_the_check_of_hosts_catches_one_that_asks(fleet: Lab) -> None:
    """Positive control: a client that does ask for the password leaves it in the host's log, and so does a shell."""
    from ansible_collections.keyward.bitlocker.tests.integration.estates import recovery
    from ansible_collections.keyward.bitlocker.tests.lab.lab import python_path

    host = next(host for host in fleet.estate.hosts if host.inventory_name == "pc01")
    watch = Watch(fleet)
    device = f"\\\\?\\Volume{{{host.volumes[0].device_guid}}}\\"
    key_id = f"{{{recovery(host).key_id.upper()}}}"
    given = [host.address, host.username, host.password, str(fleet.ca_file), device, key_id]
    subprocess.run([sys.executable, "-c", ASK, *given], env={"PYTHONPATH": python_path()}, check=True, timeout=60)
    assert {row["method"] for row in exchanges(watch)} >= {"GetKeyProtectorNumericalPassword", "GetKeyPackage"}


def test_the_check_of_shells_catches_one(player: Player, fleet: Lab) -> None:
    """Positive control: Ansible's own winrm connection opens a shell."""
    watch = Watch(fleet)
    player.play([{"hosts": "pc01", "gather_facts": False, "tasks": [{"ansible.builtin.raw": "hostname", "ignore_errors": True}]}])
    assert [row for row in exchanges(watch) if row["resource"] and "shell" in row["resource"].lower()]
