# SPDX-License-Identifier: GPL-3.0-or-later
"""ad_recovery_key_info in real playbooks: what it finds for whom, how it reaches the directory, and that it tells nobody else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.estates import NO_PASSWORD, recovery
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Run, Watch, clean_environment, play, task
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import ADMINISTRATOR, NO_RIGHTS, REPORT, REVEAL, accounts
from ansible_collections.keyward.bitlocker.tests.lab.directory.recording_proxy import RecordingProxy
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntry, LabHost

MODULE = "ad_recovery_key_info"


def host(lab: Lab, name: str) -> LabHost:
    return next(host for host in lab.estate.hosts if host.inventory_name == name)


def entries(lab: Lab, computer: str) -> list[LabEntry]:
    return [entry for entry in lab.estate.entries if entry.computer == computer.upper()]


def login(lab: Lab, account: str = REPORT, **more: Any) -> dict[str, Any]:
    assert lab.directory is not None
    known = accounts()[account]
    here: dict[str, Any] = {
        "server": lab.directory.address,
        "username": known.principal,
        "password": known.password,
        "ca_cert": str(lab.ca_file),
        "connection_timeout": 3,
    }
    return {key: value for key, value in (here | more).items() if value is not None}


def ask(player: Player, tasks: Mapping[str, dict[str, Any]], *arguments: str) -> Run:
    """Run tasks by name, each allowed to fail, and keep what each registered where only the test can read it."""
    listed = [task(name, MODULE, given, register=f"kept{number}", ignore_errors=True) for number, (name, given) in enumerate(tasks.items())]
    everything = ", ".join(f"kept{number}" for number in range(len(listed)))
    keep = {"content": f"{{{{ [{everything}] | to_json }}}}", "dest": str(player.folder / "kept.json"), "mode": "0600"}
    listed.append({"name": "keep", "ansible.builtin.copy": keep, "no_log": True, "diff": False})
    here = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    inventory = player.write("here.yml", {"all": {"hosts": here}})
    run = player.play([play("localhost", *listed)], *arguments, hosts=inventory).no_traceback()
    assert run.code == 0, run.output
    return run


def kept(player: Player, tasks: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the named task registered, uncensored."""
    return dict(json.loads((player.folder / "kept.json").read_text(encoding="utf-8"))[list(tasks).index(name)])


def found(player: Player, tasks: Mapping[str, Any], name: str) -> set[tuple[str, str, bool]]:
    result = kept(player, tasks, name)
    assert not result.get("failed"), result
    return {(entry["computer"], entry["key_id"], entry["readable"]) for entry in result["entries"]}


def test_what_each_question_finds(player: Player, fleet: Lab) -> None:
    key = recovery(host(fleet, "pc01")).key_id
    here = login(fleet)
    tasks: dict[str, dict[str, Any]] = {
        "by name": here | {"computer": "pc01"},
        "by account name": here | {"computer": "PC01$"},
        "by DNS name": here | {"computer": ["pc01.lab.example"]},
        "by DN": here | {"computer": "CN=PC01,OU=Good,DC=lab,DC=example"},
        "by key": here | {"key_id": key},
        "by key in braces": here | {"key_id": f"{{{key.upper()}}}"},
        "by 8 characters": here | {"key_id": key[:8].upper()},
        "both": here | {"computer": "pc01", "key_id": key[:8]},
        "another's key": here | {"computer": "pc02", "key_id": key},
        "planted": here | {"key_id": recovery(host(fleet, "dmg-moved")).key_id},
        "hidden": here | {"computer": "dmg-hidden"},
        "all": here | {"all": True},
        "all as admin": login(fleet, ADMINISTRATOR, all=True),
        "deleted as admin": login(fleet, ADMINISTRATOR, all=True, include_deleted=True),
        "deleted without rights": here | {"all": True, "include_deleted": True},
        "nobody's": here | {"computer": "nobody"},
    }
    ask(player, tasks)
    mine = {("PC01", key, True)}
    same = ["by name", "by account name", "by DNS name", "by DN", "by key", "by key in braces", "by 8 characters", "both"]
    assert {name: found(player, tasks, name) for name in same} == dict.fromkeys(same, mine)
    assert found(player, tasks, "another's key") == set()
    assert kept(player, tasks, "another's key")["not_found"] == [key]
    assert {owner for owner, _key, _readable in found(player, tasks, "planted")} == {"NOHOST"}
    assert found(player, tasks, "hidden") == {("DMG-HIDDEN", recovery(host(fleet, "dmg-hidden")).key_id, False)}
    alive = len(fleet.estate.entries) - 1
    counts = {name: len(kept(player, tasks, name)["entries"]) for name in tasks if name.startswith(("all", "deleted"))}
    assert counts == {"all": alive - 1, "all as admin": alive, "deleted as admin": alive + 1, "deleted without rights": alive - 1}
    (gone,) = [entry for entry in kept(player, tasks, "deleted as admin")["entries"] if entry["deleted"]]
    assert (gone["computer"], gone["key_id"]) == ("GONE", entries(fleet, "gone")[0].key_id)
    assert kept(player, tasks, "nobody's")["not_found"] == ["nobody"]
    everything = json.dumps([kept(player, tasks, name) for name in tasks])
    assert [entry.password for entry in fleet.estate.entries if entry.password in everything] == []


def test_each_damage_is_told(player: Player, fleet: Lab, tmp_path: Path) -> None:
    damaged = ["dmg-guid", "dmg-cn", "dmg-text", "dmg-twice"]
    more: dict[str, Any] = {"reveal": True, "reason": "INC-1", "audit_file": str(tmp_path / "audit.jsonl")}
    tasks = {name: login(fleet, REVEAL, computer=name, **more) for name in damaged}
    run = ask(player, tasks)
    results = {name: kept(player, tasks, name)["entries"] for name in damaged}
    assert "3 bytes instead of 16" in results["dmg-guid"][0]["defects"][0]
    assert len(results["dmg-cn"][0]["key_ids"]) == 2
    assert results["dmg-cn"][0]["malformed"] is True
    (text,) = results["dmg-text"]
    assert (text["malformed"], text["recovery_password"]) == (True, NO_PASSWORD)
    assert "no recovery password" in text["defects"][0]
    assert [entry["conflicting"] for entry in results["dmg-twice"]] == [True, True]
    assert not any(entry.password in run.output + json.dumps(run.record) for entry in fleet.estate.entries)


def test_rights_decide_what_is_said(player: Player, fleet: Lab, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    reveal: dict[str, Any] = {"computer": "pc01", "reveal": True, "reason": "INC-1", "audit_file": str(audit)}
    tasks = {
        "metadata account, metadata": login(fleet, computer="pc01"),
        "metadata account, reveal": login(fleet, **reveal),
        "no rights, metadata": login(fleet, NO_RIGHTS, computer="pc01"),
        "no rights, all": login(fleet, NO_RIGHTS, all=True),
        "no rights, reveal": login(fleet, NO_RIGHTS, **reveal),
    }
    run = ask(player, tasks)
    assert kept(player, tasks, "metadata account, metadata")["store"]["state"] == "searched"
    for name in ("metadata account, reveal", "no rights, reveal"):
        assert run.event(name) == "failed"
        assert "Grant read and control access" in run.result(name)["msg"]
    assert kept(player, tasks, "no rights, metadata")["store"]["state"] == "no_rights"
    assert [entry["readable"] for entry in kept(player, tasks, "no rights, metadata")["entries"]] == [False]
    assert kept(player, tasks, "no rights, all")["store"]["state"] == "no_rights"
    assert "lacks the rights" in run.output
    # nothing was handed out, so nothing is on record
    assert not audit.exists()


@pytest.fixture(scope="module")
def revealed(fleet: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Player, Run, dict[str, Any], Path]:
    """Passwords handed out with every sink open: -vvvv, a fact cache, callbacks, diff."""
    folder = tmp_path_factory.mktemp("revealed")
    audit = folder / "private" / "audit.jsonl"
    cache = {"ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "facts")}
    player = Player(folder, fleet, cache | {"KEYWARD_AUDIT_FILE": str(audit), "ANSIBLE_LOG_PATH": str(folder / "ansible.log")})
    tasks: dict[str, Any] = {
        "one": login(fleet, REVEAL, computer="pc01", reveal=True, reason="INC-4711: caller identified"),
        "by key": login(fleet, REVEAL, key_id=recovery(host(fleet, "pc01")).key_id, reveal=True, reason="INC-4712"),
        "several": login(fleet, REVEAL, computer=["dmg-twice", "dmg-hidden"], reveal=True, reason="INC-4713"),
    }
    return player, ask(player, tasks, "-vvvv", "--diff"), tasks, audit


def test_a_revealed_password_reaches_the_next_task_and_nobody_else(revealed: tuple[Player, Run, dict[str, Any], Path], fleet: Lab) -> None:
    player, run, tasks, audit = revealed
    password = entries(fleet, "pc01")[0].password
    assert [entry["recovery_password"] for entry in kept(player, tasks, "one")["entries"]] == [password]
    assert [entry["recovery_password"] for entry in kept(player, tasks, "by key")["entries"]] == [password]
    for name in tasks:
        assert "censored" in run.result(name)
        assert "entries" not in run.result(name)
    secrets = [entry.password for entry in fleet.estate.entries]
    spelt = [spelling for secret in secrets for spelling in (secret, secret.replace("-", ""), secret.replace("-", " "))]
    # the test's own file apart, into which a later task was asked to write them
    files = [path for path in player.folder.rglob("*") if path.is_file() and path.name != "kept.json"]
    assert player.folder / "ansible.log" in files
    sinks = {"output": run.output} | {str(path): path.read_text(encoding="utf-8", errors="replace") for path in files}
    assert [sink for sink, text in sinks.items() if any(spelling in text for spelling in spelt)] == []
    assert audit in files


def test_a_part_that_cannot_be_read_does_not_lose_the_rest(revealed: tuple[Player, Run, dict[str, Any], Path], fleet: Lab) -> None:
    player, _run, tasks, _audit = revealed
    rows = kept(player, tasks, "several")["entries"]
    assert {row["recovery_password"] for row in rows if row["computer"] == "DMG-TWICE"} == {
        entry.password for entry in entries(fleet, "dmg-twice")
    }
    # the reveal account is not shut out of that one object as the report's account is
    (hidden,) = [row for row in rows if row["computer"] == "DMG-HIDDEN"]
    assert (hidden["recovery_password"] is None) is bool(hidden["problem"])


def test_every_disclosure_is_on_record(revealed: tuple[Player, Run, dict[str, Any], Path], fleet: Lab) -> None:
    player, _run, tasks, audit = revealed
    records = [record for line in audit.read_text(encoding="utf-8").splitlines() if (record := json.loads(line))["kind"] == "disclosure"]
    given = [row for name in tasks for row in kept(player, tasks, name)["entries"] if row["recovery_password"]]
    assert [(record["key_id"], record["owner"]) for record in records] == [(row["key_id"], row["dn"]) for row in given]
    assert records[0]["reason"] == "INC-4711: caller identified"
    assert {record["task"] for record in records} == set(tasks)
    assert audit.stat().st_mode & 0o177 == 0
    assert audit.parent.stat().st_mode & 0o077 == 0


def test_without_a_record_nothing_is_handed_out(player: Player, fleet: Lab, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    reveal: dict[str, Any] = {"computer": "pc01", "reveal": True, "reason": "INC-1"}
    tasks: dict[str, Any] = {
        "a folder": login(fleet, REVEAL, audit_file=str(tmp_path / "folder"), **reveal),
        "a link": login(fleet, REVEAL, audit_file=str(tmp_path / "link"), **reveal),
        "a device": login(fleet, REVEAL, audit_file="/dev/null", **reveal),
        "no reason": login(fleet, REVEAL, computer="pc01", reveal=True),
        "blank reason": login(fleet, REVEAL, computer="pc01", reveal=True, reason="   "),
        "endless reason": login(fleet, REVEAL, computer="pc01", reveal=True, reason="x" * 2000),
        "all": login(fleet, REVEAL, all=True, reveal=True, reason="INC-1"),
    }
    run = ask(player, tasks)
    password = entries(fleet, "pc01")[0].password
    for name in tasks:
        assert run.event(name) == "failed", name
        assert run.result(name)["error"]["remedy"], name
        assert password not in json.dumps(kept(player, tasks, name)), name
    assert "audit" in run.result("a folder")["msg"]
    assert "reason" in run.result("no reason")["msg"]
    assert "without reveal" in run.result("all")["msg"]


HOSTILE = [
    "*",
    "pc01)(objectClass=*",
    "*)(cn=*",
    "CN=*,DC=lab,DC=example",
    "CN=PC01)(x=*,DC=lab",
    "\\2a",
    "pc0*",
    "(|(cn=*))",
    "ä" * 300,
    "",
]


def test_hostile_names_find_nothing(player: Player, fleet: Lab) -> None:
    watch = Watch(fleet)
    assert fleet.proxy is not None
    here = login(fleet, ADMINISTRATOR, server=fleet.proxy.address)
    tasks = {f"name {number}": here | {"computer": [name]} for number, name in enumerate(HOSTILE)}
    keys = ["*", "1a2b3c4*", "1a2b3c4d)(cn=*", "zzzzzzzz", "1a2b", ""]
    tasks |= {f"key {number}": here | {"key_id": [key]} for number, key in enumerate(keys)}
    run = ask(player, tasks)
    for name in tasks:
        if name.startswith("key") or run.event(name) == "failed":
            assert run.event(name) == "failed", name
            assert run.result(name)["error"]["remedy"], name
        else:
            assert kept(player, tasks, name)["entries"] == [], name
            assert kept(player, tasks, name)["computers"] == [], name
    # what was sent held the names as values: the searches were made, and brought nothing
    records = watch.ldap()
    asked = [record for record in records if record["operation"] == "search" and "sAMAccountName" in record["attributes"]]
    assert len(asked) >= len(HOSTILE) / 2


# --- how the directory is reached --------------------------------------------------------------------------------------------------


@contextmanager
def proxy(
    lab: Lab, folder: Path, last: int, *, names: tuple[str, ...] = (), addresses: tuple[str, ...] | None = None
) -> Iterator[RecordingProxy]:
    """Another server of the directory, which writes down what it is asked."""
    assert lab.authority is not None
    assert lab.directory is not None
    here = lab.block.infrastructure(last)
    certificate = lab.authority.issue(dns_names=names, addresses=(here,) if addresses is None else addresses)
    log = folder / f"server-{last}.jsonl"
    with RecordingProxy(log, certificate, (lab.directory.address, 636), lab.authority.ca_pem, address=here, port=636) as running:
        yield running


def binds(server: RecordingProxy) -> int:
    return len([record for record in server.records() if record["operation"] == "bind"])


def test_fail_over(player: Player, fleet: Lab, tmp_path: Path) -> None:
    dead = fleet.block.infrastructure(200)
    with (
        proxy(fleet, tmp_path, 21) as first,
        proxy(fleet, tmp_path, 22) as second,
        proxy(fleet, tmp_path, 23, names=("other.lab.example",), addresses=()) as misnamed,
    ):
        pair = [first.address, second.address]
        tasks: dict[str, Any] = {
            "first answers": login(fleet, computer="pc01", server=pair),
            "first dead": login(fleet, computer="pc01", server=[dead, second.address]),
            "first has a wrong name": login(fleet, computer="pc01", server=[misnamed.address, second.address]),
            "in one word": login(fleet, computer="pc01", server=f"{dead},{second.address}"),
            "all dead": login(fleet, computer="pc01", server=[dead, fleet.block.infrastructure(201)]),
        }
        run = ask(player, tasks)
        before = binds(first), binds(second)
        wrong = {"wrong password": login(fleet, computer="pc01", server=pair, password="Wrong-Password-2")}
        refused = ask(player, wrong)
        after = binds(first), binds(second)
    assert before == (1, 3)
    assert kept(player, wrong, "wrong password")["failed"]
    # one attempt in all: a second one would count towards the account's lock-out
    assert after == (2, 3)
    assert "Wrong-Password-2" not in refused.output + json.dumps(refused.record)
    assert "password is wrong" in refused.result("wrong password")["msg"]
    servers = {name: run.result(name)["store"]["server"] for name in tasks if name != "all dead"}
    assert servers["first answers"].startswith(first.address)
    assert {name for name, server in servers.items() if server.startswith(second.address)} == set(servers) - {"first answers"}
    assert binds(misnamed) == 0
    assert run.event("all dead") == "failed"
    assert run.result("all dead")["msg"].count("127.") >= 2


def test_tls(player: Player, fleet: Lab, tmp_path: Path) -> None:
    assert fleet.authority is not None
    pem = fleet.ca_file.read_text(encoding="utf-8")
    with proxy(fleet, tmp_path, 24, names=("other.lab.example",), addresses=()) as misnamed:
        tasks: dict[str, Any] = {
            "start_tls": login(fleet, computer="pc01", tls_mode="start_tls"),
            "start_tls by its port": login(fleet, computer="pc01", port=389),
            "authority as text": login(fleet, computer="pc01", ca_cert=pem),
            "name not looked at": login(fleet, computer="pc01", server=misnamed.address, cert_validation="ignore_hostname"),
            "nothing looked at": login(
                fleet, computer="pc01", server=misnamed.address, ca_cert=str(fleet.authority.untrusted_pem), cert_validation="ignore"
            ),
            "wrong authority": login(fleet, computer="pc01", ca_cert=str(fleet.authority.untrusted_pem)),
            "wrong authority, start_tls": login(fleet, computer="pc01", port=389, ca_cert=str(fleet.authority.untrusted_pem)),
            "system's authorities": login(fleet, computer="pc01", ca_cert=None),
            "wrong name": login(fleet, computer="pc01", server=misnamed.address),
            "no such file": login(fleet, computer="pc01", ca_cert="/no/such/ca.pem"),
        }
        run = ask(player, tasks)
        assert binds(misnamed) == 2
    good = {name for name in tasks if run.event(name) == "ok"}
    assert good == {"start_tls", "start_tls by its port", "authority as text", "name not looked at", "nothing looked at"}
    for name in good:
        assert len(kept(player, tasks, name)["entries"]) == 1
    for name in ("wrong authority", "wrong authority, start_tls", "system's authorities", "wrong name"):
        assert run.result(name)["error"]["type"] == "TlsError", (name, run.result(name))
    assert "/no/such/ca.pem" in run.result("no such file")["msg"]


def test_environment_variables_serve_as_for_microsoft_ad(player: Player, fleet: Lab) -> None:
    here = login(fleet)
    player.environment |= {
        "MICROSOFT_AD_LDAP_SERVER": here["server"],
        "MICROSOFT_AD_LDAP_USERNAME": here["username"],
        "MICROSOFT_AD_LDAP_PASSWORD": here["password"],
        "MICROSOFT_AD_LDAP_CA_CERT": here["ca_cert"],
        "MICROSOFT_AD_LDAP_CONNECTION_TIMEOUT": "3",
    }
    tasks: dict[str, Any] = {
        "from the environment": {"computer": "pc01"},
        "an option wins": {"computer": "pc01", "server": "127.0.0.1", "port": 1},
    }
    run = ask(player, tasks)
    assert len(kept(player, tasks, "from the environment")["entries"]) == 1
    assert run.event("an option wins") == "failed"
    # for the report too, which has them under ad
    report = task("report", "escrow_report", {"ad": {"timeout": 30}})
    assert player.play([play("localhost", report)]).no_traceback().result("report")["stores"]["ad"]["state"] == "searched"


def test_defaults_of_the_action_group(player: Player, fleet: Lab) -> None:
    one = task("by group", MODULE, {"computer": "pc01"})
    run = player.play([play("localhost", one, module_defaults={"group/keyward.bitlocker.ad": login(fleet)})]).no_traceback()
    assert run.code == 0, run.output
    assert len(run.result("by group")["entries"]) == 1


def test_kerberos(ways: Lab, tmp_path: Path) -> None:
    """With a password, with a ticket of kinit's, and without either."""
    environment = {"KRB5_CONFIG": str(ways.folder / "directory" / "krb5.conf"), "KRB5CCNAME": f"FILE:{tmp_path}/tickets"}
    player = Player(tmp_path, ways, environment)
    account = accounts()[REPORT]
    kerberos = {"computer": "basic", "auth_protocol": "kerberos"}
    tasks: dict[str, Any] = {
        "with a password": login(ways, **kerberos, username=account.kerberos_principal),
        "wrong password": login(ways, **kerberos, username=account.kerberos_principal, password="Wrong-Password-3"),
        "by ticket": login(ways, **kerberos, username=None, password=None),
    }
    run = ask(player, tasks)
    assert len(kept(player, tasks, "with a password")["entries"]) == 1
    assert "password is wrong" in run.result("wrong password")["msg"]
    assert "kinit" in run.result("by ticket")["msg"]
    subprocess.run(
        ["kinit", account.kerberos_principal],
        input=account.password,
        env=clean_environment(tmp_path) | environment,
        text=True,
        check=True,
        capture_output=True,
        timeout=30,
    )
    ticket = {"by ticket": tasks["by ticket"]}
    ask(player, ticket)
    assert len(kept(player, ticket, "by ticket")["entries"]) == 1
    assert "Wrong-Password-3" not in run.output + json.dumps(run.record)
