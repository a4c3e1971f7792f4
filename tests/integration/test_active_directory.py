# SPDX-License-Identifier: GPL-3.0-or-later
"""The Active Directory store and ad_recovery_key_info against a real Samba: rights, TLS, binds, damage, tombstones, and what was asked."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import ldap3
import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry, StoreReading, StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import (
    AuthenticationError,
    AuthorizationError,
    OptionError,
    TlsError,
    UnreachableError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.lookup import DirectoryLookup, Found
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.reader import DirectoryReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.settings import DirectorySettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.store import ActiveDirectoryStore
from ansible_collections.keyward.bitlocker.tests.lab.directory import sample
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import ADMINISTRATOR, NO_RIGHTS, REPORT, REVEAL
from ansible_collections.keyward.bitlocker.tests.lab.directory.recording_proxy import RecordingProxy
from ansible_collections.keyward.bitlocker.tests.lab.directory.sample import GUID_PC01, KEYS, NOW, PASSWORD, Ground

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {"msfve-recoverypassword", "msfve-keypackage", "*", "+"}
#: live entries of the small estate, one of them hidden from the metadata account
LIVE = 10 - 1


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with sample.running(tmp_path_factory.mktemp("ad"), kerberos=True) as ground:
        yield ground


@pytest.fixture
def kerberos(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRB5_CONFIG", str(ground.directory.krb5_conf))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/tickets")


def options(ground: Ground, account: str = REPORT, **more: Any) -> dict[str, Any]:
    directory = ground.directory
    given: dict[str, Any] = {
        "server": [directory.address],
        "username": directory.accounts[account].principal,
        "password": Secret(directory.accounts[account].password),
        "ca_cert": str(directory.ca_file),
        "timeout": 20,
    }
    return given | more


def read(ground: Ground, account: str = REPORT, **more: Any) -> StoreReading:
    store = ActiveDirectoryStore(DirectorySettings.from_options(options(ground, account, **more)), now=NOW)
    try:
        return store.read()
    finally:
        store.close()


def look(ground: Ground, what: Callable[[DirectoryLookup], Any], account: str = REPORT, **more: Any) -> Any:
    reader = DirectoryReader(DirectorySettings.from_options(options(ground, account, **more)), now=NOW)
    try:
        return what(DirectoryLookup(reader))
    finally:
        reader.close()


def replace_password(ground: Ground, location: str, password: str) -> None:
    directory = ground.directory
    account = directory.accounts[ADMINISTRATOR]
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(directory.ca_file))
    server = ldap3.Server(directory.address, port=636, use_ssl=True, tls=tls, get_info=ldap3.NONE, connect_timeout=20)
    with ldap3.Connection(server, account.principal, account.password, auto_bind=True, receive_timeout=20) as connection:
        assert connection.modify(location, {"msFVE-RecoveryPassword": [(ldap3.MODIFY_REPLACE, [password])]}), connection.result


def by_key(entries: tuple[Entry, ...], name: str) -> list[Entry]:
    return [entry for entry in entries if KEYS[name] in entry.key_ids]


def test_the_metadata_account_reads_all_but_what_is_hidden(ground: Ground) -> None:
    reading = read(ground)
    assert (reading.state, reading.reason, reading.domain, reading.read_only) == (StoreState.SEARCHED, "", "lab.example", False)
    assert len(reading.entries) == LIVE - 1
    owners = {owner.name: owner for owner in reading.owners}
    assert owners["PC01"].owner_id == GUID_PC01
    assert owners["PC01"].dns_name == "pc01.lab.example"
    assert owners["PC01"].in_scope
    assert owners["PC01"].last_seen == NOW - timedelta(days=3)
    assert (owners["PC01"].sid or "").startswith("S-1-5-21-")
    assert (owners["PC02"].enabled, owners["PC02"].in_scope) == (False, False)
    assert (owners["CL1"].cluster_name_object, owners["CL1"].in_scope) == (True, False)
    assert owners["DC2"].in_scope
    assert not owners["DC1"].in_scope
    assert "GONE" not in owners
    good = next(entry for entry in by_key(reading.entries, "good") if entry.owner_id == GUID_PC01)
    assert good.created == NOW - timedelta(days=200)
    assert good.volume_guid == KEYS["other_cn"]
    assert good.defects == ()


def test_the_metadata_account_sees_that_a_password_was_written_again(ground: Ground) -> None:
    def versions() -> dict[str, str | None]:
        settings = DirectorySettings.from_options(options(ground))
        store = ActiveDirectoryStore(settings, now=NOW, versions=True)
        try:
            return {entry.entry_id: entry.version for entry in store.read().entries}
        finally:
            store.close()

    before = versions()
    assert len(before) == LIVE - 1
    assert all(version and version.startswith("repl:1:") for version in before.values())
    (own,) = (entry for entry in by_key(read(ground).entries, "good") if entry.owner_id == GUID_PC01)
    assert own.version is None, "nobody asked"
    replace_password(ground, own.location, PASSWORD.replace("123453", "111111"))
    after = versions()
    assert {name for name, version in after.items() if version != before[name]} == {own.entry_id}
    assert (after[own.entry_id] or "").startswith("repl:2:")
    replace_password(ground, own.location, PASSWORD)


def test_damage_is_a_defect_of_its_entry(ground: Ground) -> None:
    entries = read(ground).entries
    (broken,) = by_key(entries, "broken_guid")
    assert broken.key_ids == (KEYS["broken_guid"],)
    assert "3 bytes instead of 16" in broken.defects[0]
    (disagrees,) = by_key(entries, "other_cn")
    assert set(disagrees.key_ids) == {KEYS["other_cn"], KEYS["planted"]}
    assert disagrees.defects
    assert len(by_key(entries, "twice")) == 2
    # what is no password shows only when passwords are read
    assert by_key(entries, "text")[0].defects == ()


def test_what_is_hidden_is_named_and_nothing_else(ground: Ground) -> None:
    store = ActiveDirectoryStore(DirectorySettings.from_options(options(ground)), now=NOW)
    reading = store.read()
    names = store.name_hidden([owner.owner_id for owner in reading.owners])
    store.close()
    assert [(entry.key_ids, entry.owner_id, entry.readable) for entry in names.entries] == [((KEYS["hidden"],), GUID_PC01, False)]
    assert (names.not_searched, names.reason) == (frozenset(), "")


def test_an_account_without_rights_is_told_from_an_empty_computer(ground: Ground) -> None:
    store = ActiveDirectoryStore(DirectorySettings.from_options(options(ground, NO_RIGHTS)), now=NOW)
    reading = store.read()
    assert (reading.state, reading.entries) == (StoreState.NO_RIGHTS, ())
    assert len(reading.owners) == 5
    names = store.name_hidden([owner.owner_id for owner in reading.owners])
    store.close()
    assert len(names.entries) == LIVE
    found: Found = look(ground, lambda lookup: lookup.find(["pc01"], []), NO_RIGHTS)
    assert found.state is StoreState.NO_RIGHTS
    assert {entry.readable for entry in found.entries} == {False}


def test_an_administrator_reads_everything_and_still_asks_for_no_secret(ground: Ground, tmp_path: Path) -> None:
    address = ground.block.infrastructure(30)
    certificate = ground.authority.issue(addresses=[address])
    upstream = (ground.directory.address, 636)
    with RecordingProxy(tmp_path / "asked.jsonl", certificate, upstream, ground.directory.ca_file, address=address) as proxy:
        more = {"server": [address], "port": proxy.port, "tls_mode": "ldaps", "page_size": 3, "include_deleted": True}
        store = ActiveDirectoryStore(DirectorySettings.from_options(options(ground, ADMINISTRATOR, **more)), now=NOW)
        reading = store.read()
        store.name_hidden([owner.owner_id for owner in reading.owners])
        store.close()
        look(
            ground,
            lambda lookup: (lookup.everything(), lookup.find(["pc01"], []), lookup.find([], [KEYS["good"][:8]])),
            ADMINISTRATOR,
            **more,
        )
        searches = proxy.searches()
        records = proxy.records()
    assert reading.state is StoreState.SEARCHED
    assert len([entry for entry in reading.entries if not entry.deleted]) == LIVE
    assert len(searches) > 20
    for asked in searches:
        names = {name.lower() for name in asked["attributes"]}
        assert names
        assert not names & FORBIDDEN
        assert asked["scope"] == "base" or asked["page_size"]
    assert {record["operation"] for record in records} <= {"search", "bind", "result", "unbind"}


def test_deleted_entries_are_seen_by_an_administrator_under_their_deleted_owner(ground: Ground) -> None:
    reading = read(ground, ADMINISTRATOR, include_deleted=True)
    (deleted,) = [entry for entry in reading.entries if entry.deleted]
    assert deleted.key_ids == (KEYS["deleted"],)
    assert deleted.defects == ()
    owner = next(owner for owner in reading.owners if owner.owner_id == deleted.owner_id)
    assert (owner.name, owner.deleted, owner.in_scope) == ("GONE", True, False)
    assert not any(entry.deleted for entry in read(ground, ADMINISTRATOR).entries)
    assert not any(entry.deleted for entry in read(ground, REPORT, include_deleted=True).entries)
    assert not any(
        entry.deleted
        for entry in read(ground, ADMINISTRATOR, include_deleted=True, search_bases=["OU=Kiosk,OU=Clients,DC=lab,DC=example"]).entries
    )


def test_a_deleted_computer_is_found_and_its_key_revealed(ground: Ground) -> None:
    def ask(lookup: DirectoryLookup) -> tuple[Found, Found, Entry]:
        found = lookup.find(["gone"], [])
        return found, lookup.find([], [KEYS["deleted"]]), lookup.reveal(found.entries[0])

    by_name, by_id, revealed = look(ground, ask, ADMINISTRATOR, include_deleted=True)
    assert [owner.name for owner in by_name.owners] == ["GONE"]
    assert by_name.not_found == ()
    assert by_id.entries == by_name.entries
    assert revealed.value == Secret(PASSWORD)


def test_search_bases_bound_the_reading(ground: Ground) -> None:
    reading = read(ground, search_bases=["OU=Kiosk,OU=Clients,DC=lab,DC=example"])
    assert [owner.name for owner in reading.owners] == ["PC02"]
    assert len(reading.entries) == 3
    missing = read(ground, search_bases=["OU=Nowhere,DC=lab,DC=example"])
    assert missing.state is StoreState.DOWN
    assert "OU=Nowhere" in missing.reason


@pytest.mark.parametrize("page_size", [1, 2, 5000])
def test_pages_of_any_size_bring_the_same(ground: Ground, page_size: int) -> None:
    assert {entry.location for entry in read(ground, page_size=page_size).entries} == {entry.location for entry in read(ground).entries}


def test_key_ids_are_found_in_every_spelling(ground: Ground) -> None:
    whole = KEYS["other_cn"]
    for wanted in (whole, whole.upper(), f"{{{whole}}}", whole.replace("-", "")):
        found = look(ground, lambda lookup, wanted=wanted: lookup.find([], [wanted]))
        assert len(found.entries) == 1, wanted
    # the name of that entry claims another ID: a beginning finds it by its name
    planted = look(ground, lambda lookup: lookup.find([], [KEYS["planted"][:8]]))
    assert {owner.name for owner in planted.owners} == {"PC02", "CL1"}
    assert look(ground, lambda lookup: lookup.find([], [KEYS["good"][:13]])).not_found == ()


@pytest.mark.parametrize(
    "hostile", ["*", "pc01)(objectClass=*", "*)(cn=*", "pc01\0", "CN=*,DC=lab", "CN=x)(cn=*,DC=lab,DC=example", "\\2a", "ä" * 300]
)
def test_hostile_names_find_nothing(ground: Ground, hostile: str) -> None:
    found = look(ground, lambda lookup: lookup.find([hostile], []))
    assert (found.owners, found.not_found) == ((), (hostile,))


def test_only_the_reveal_account_gets_a_password(ground: Ground) -> None:
    def ask(lookup: DirectoryLookup) -> Entry:
        entry = next(entry for entry in lookup.find(["pc01"], [KEYS["good"]]).entries if entry.readable)
        return lookup.reveal(entry)

    assert look(ground, ask, REVEAL).value == Secret(PASSWORD)
    with pytest.raises(AuthorizationError, match="control access"):
        look(ground, ask, REPORT)


def test_text_that_is_no_password_is_told_when_revealed(ground: Ground) -> None:
    revealed = look(ground, lambda lookup: lookup.reveal(lookup.find([], [KEYS["text"]]).entries[0]), REVEAL)
    assert "no recovery password" in revealed.defects[0]


def test_a_wrong_password_is_told_and_tried_once(ground: Ground) -> None:
    with pytest.raises(AuthenticationError) as refused:
        look(ground, lambda lookup: lookup.find(["pc01"], []), password=Secret("wrong"), server=[ground.directory.address] * 2)
    assert (refused.value.code, refused.value.name) == ("LDAP 49 data 52e", "ERROR_LOGON_FAILURE")
    reading = read(ground, password=Secret("wrong"))
    assert reading.state is StoreState.DOWN
    assert "wrong" in reading.reason


@pytest.mark.parametrize("form", ["LAB\\svc-report", "svc-report@LAB.EXAMPLE", "CN=svc-report,CN=Users,DC=lab,DC=example"])
def test_user_names_in_every_form(ground: Ground, form: str) -> None:
    assert read(ground, username=form).state is StoreState.SEARCHED


def test_start_tls(ground: Ground) -> None:
    assert read(ground, tls_mode="start_tls").state is StoreState.SEARCHED
    assert read(ground, port=389).state is StoreState.SEARCHED


def test_the_global_catalog_is_recognised(ground: Ground) -> None:
    reading = read(ground, port=3269)
    assert (reading.state, reading.read_only) == (StoreState.SEARCHED, True)


def test_tls_failures_are_told_apart(ground: Ground) -> None:
    cases = [
        ({"ca_cert": str(ground.authority.untrusted_pem)}, TlsError, "not trusted"),
        ({"ca_cert": str(ground.folder / "no-such.pem")}, OptionError, "No such file"),
        ({"port": 389, "tls_mode": "ldaps"}, TlsError, "port and tls_mode fit together"),
        ({"port": 1, "tls_mode": "ldaps"}, UnreachableError, "refused"),
        ({"port": 636, "tls_mode": "start_tls"}, UnreachableError, "StartTLS"),
    ]
    for more, kind, said in cases:
        with pytest.raises(kind, match=said):
            look(ground, lambda lookup: lookup.find(["pc01"], []), connection_timeout=2, **({"timeout": 3} | more))


@pytest.mark.usefixtures("kerberos")
@pytest.mark.parametrize("mode", ["ldaps", "start_tls"])
def test_kerberos_with_a_password(ground: Ground, mode: str) -> None:
    assert read(ground, auth_protocol="kerberos", tls_mode=mode).state is StoreState.SEARCHED


@pytest.mark.usefixtures("kerberos")
def test_kerberos_with_a_ticket(ground: Ground) -> None:
    account = ground.directory.accounts[REPORT]
    no_ticket = {"auth_protocol": "kerberos", "username": None, "password": None}
    with pytest.raises(AuthenticationError, match="kinit"):
        look(ground, lambda lookup: lookup.find(["pc01"], []), **no_ticket)
    subprocess.run(["kinit", account.kerberos_principal], input=account.password, text=True, check=True, capture_output=True, timeout=30)
    assert read(ground, **no_ticket).state is StoreState.SEARCHED
    assert read(ground, **(no_ticket | {"username": account.principal})).state is StoreState.SEARCHED


@pytest.mark.usefixtures("kerberos")
def test_kerberos_with_a_wrong_password(ground: Ground) -> None:
    with pytest.raises(AuthenticationError) as refused:
        look(ground, lambda lookup: lookup.find(["pc01"], []), auth_protocol="kerberos", password=Secret("wrong"))
    assert "password is wrong" in refused.value.meaning
    with pytest.raises(OptionError, match="REALM"):
        look(ground, lambda lookup: lookup.find(["pc01"], []), auth_protocol="kerberos", username="LAB\\svc-report")


def play(ground: Ground, folder: Path, account: str, task: dict[str, Any], **environment: str) -> tuple[dict[str, Any], str]:
    """Run one task with a real ansible-playbook: what was registered (written by a later task), and everything that was shown."""
    login = {
        "server": ground.directory.address,
        "username": ground.directory.accounts[account].principal,
        "password": ground.directory.accounts[account].password,
        "ca_cert": str(ground.directory.ca_file),
    }
    result = folder / "result.json"
    book = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [
                {"keyward.bitlocker.ad_recovery_key_info": login | task, "register": "found", "ignore_errors": True},
                {"ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": str(result), "mode": "0600"}, "no_log": True},
            ],
        }
    ]
    (folder / "play.json").write_text(json.dumps(book))
    run = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-vvvv", "-i", "localhost,", "-c", "local", str(folder / "play.json")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env=os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_LOCALHOST_WARNING": "false"} | environment,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(result.read_text()), run.stdout + run.stderr


def test_the_module_gives_metadata(ground: Ground, tmp_path: Path) -> None:
    found, shown = play(ground, tmp_path, REPORT, {"computer": ["pc01", "nobody"]})
    assert found["store"]["state"] == "searched"
    assert found["not_found"] == ["nobody"]
    assert [computer["guid"] for computer in found["computers"]] == [GUID_PC01]
    assert sorted((entry["key_id"], entry["readable"]) for entry in found["entries"]) == sorted(
        [(KEYS["good"], True), (KEYS["twice"], True), (KEYS["twice"], True), (KEYS["hidden"], False)]
    )
    assert "recovery_password" not in found["entries"][0]
    assert ground.directory.accounts[REPORT].password not in shown


def test_the_module_reveals_with_a_reason_and_a_record(ground: Ground, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    task = {"computer": "pc01", "reveal": True, "reason": "INC-4711", "audit_file": str(audit)}
    found, shown = play(ground, tmp_path, REVEAL, task)
    passwords = {entry["key_id"]: entry["recovery_password"] for entry in found["entries"] if entry["key_id"] != KEYS["twice"]}
    assert passwords[KEYS["good"]] == PASSWORD
    twice = [entry for entry in found["entries"] if entry["key_id"] == KEYS["twice"]]
    assert [entry["conflicting"] for entry in twice] == [True, True]
    assert len({entry["recovery_password"] for entry in twice}) == 2
    records = [record for line in audit.read_text().splitlines() if (record := json.loads(line))["kind"] == "disclosure"]
    given = [entry for entry in found["entries"] if entry["recovery_password"]]
    assert sorted(record["key_id"] for record in records) == sorted(entry["key_id"] for entry in given)
    assert {record["reason"] for record in records} == {"INC-4711"}
    for spelling in (PASSWORD, PASSWORD.replace("-", ""), PASSWORD.replace("-", " ")):
        assert spelling not in shown
        assert spelling not in audit.read_text()


@pytest.mark.parametrize(
    ("account", "task", "said"),
    [
        (REPORT, {"computer": "pc01", "reveal": True, "reason": "INC-1"}, "control access"),
        (REVEAL, {"computer": "pc01", "reveal": True}, "reason"),
        (REVEAL, {"all": True, "reveal": True, "reason": "INC-1"}, "without reveal"),
        (REPORT, {}, "choose what to find"),
        (REPORT, {"all": True, "computer": "pc01"}, "alone"),
        (REPORT, {"key_id": "1a2b"}, "key_id"),
        (REPORT, {"computer": "pc01", "auth_protocol": "ntlm"}, "auth_protocol"),
    ],
)
def test_the_module_fails_in_a_sentence(ground: Ground, tmp_path: Path, account: str, task: dict[str, Any], said: str) -> None:
    found, shown = play(ground, tmp_path, account, task, KEYWARD_AUDIT_FILE=str(tmp_path / "audit.jsonl"))
    assert found["failed"]
    assert said in found["msg"]
    assert "Traceback" not in shown
    assert PASSWORD not in shown


def test_the_module_reports_missing_rights(ground: Ground, tmp_path: Path) -> None:
    found, shown = play(ground, tmp_path, NO_RIGHTS, {"all": True})
    assert (found["store"]["state"], found["entries"]) == ("no_rights", [])
    assert "lacks the rights" in shown
