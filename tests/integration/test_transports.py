# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to authenticate, through real inventories and ansible-playbook: what it observes, what it proves, what it warns of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.keyward.bitlocker.tests.integration.playing import (
    OBSERVE,
    Player,
    Run,
    Watch,
    clean_environment,
    play,
    task,
)
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import REPORT, accounts
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab

#: warnings that each run should give once, by what they speak of
DOMAIN_BASIC, CREDSSP, DELEGATION = "Basic authentication sends", "CredSSP hands", "Kerberos delegation hands"


@pytest.fixture
def there(ways: Lab, tmp_path: Path) -> Player:
    """Plays against the hosts of all transports, with the KDC's configuration and no ticket."""
    environment = {"KRB5_CONFIG": str(ways.folder / "directory" / "krb5.conf"), "KRB5CCNAME": f"FILE:{tmp_path}/tickets"}
    return Player(tmp_path, ways, environment)


def dns(host: str) -> str:
    return f"{host}.lab.example"


@pytest.fixture(scope="session")
def certificate(ways: Lab) -> dict[str, Any]:
    assert ways.authority is not None
    chain, key = ways.authority.issue(client=True, common_name="keyward@lab.example")
    return {"ansible_winrm_cert_pem": str(chain), "ansible_winrm_cert_key_pem": str(key), "ansible_password": None}


@pytest.fixture
def changes(certificate: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What an inventory that names hosts by address has to add."""
    kerberos = {name: {"ansible_winrm_kerberos_hostname_override": dns(name)} for name in ("krb", "krb-http")}
    return {"cert": dict(certificate)} | kerberos


def joins(run: Run) -> dict[str, str]:
    known = {computer["identities"]["inventory"]: computer["identities"]["joins"] for computer in run.report["computers"]}
    return {str(name): found["ad"] for name, found in known.items() if name}


#: host -> (adapter when left to choose, whether the channel proves the name)
EXPECTED = {
    "basic": ("lean", True),
    "address": ("lean", False),
    "cert": ("lean", True),
    "ntlm": ("pywinrm", True),
    "ntlm-http": ("pywinrm", False),
    "krb": ("pywinrm", True),
    "krb-http": ("pywinrm", True),
    "credssp": ("pywinrm", True),
}


@pytest.mark.parametrize("adapter", ["auto", "pywinrm"])
def test_every_transport_observes_and_proves_what_it_can(
    there: Player, ways: Lab, changes: dict[str, dict[str, Any]], adapter: str
) -> None:
    watch = Watch(ways)
    run = there.report("-e", f"keyward_adapter={adapter}", hosts=there.inventory(changes, only=list(EXPECTED))).no_traceback()
    assert run.code == 0, run.output
    for host, (chosen, proves) in EXPECTED.items():
        observation = run.observation(host)
        assert observation["state"] == "observed", (host, observation)
        channel = observation["channel"]
        assert channel["adapter"] == (chosen if adapter == "auto" else "pywinrm"), host
        assert (dns(host) in channel["authenticated_names"]) is proves, (host, channel)
    assert {host: joins(run)[host] for host in EXPECTED} == {
        host: "authenticated" if proves else "claimed" for host, (_unused, proves) in EXPECTED.items()
    }
    assert {computer["verdict"] for computer in run.report["computers"] if computer["identities"]["inventory"]} == {"escrowed"}
    _one_conversation_each(watch, list(EXPECTED))


def _one_conversation_each(watch: Watch, hosts: list[str]) -> None:
    for host in hosts:
        rows = watch.host(host)
        assert len([row for row in rows if row["event"] == "connection"]) == 1, host
        answered = [row for row in rows if row["event"] == "exchange" and not row["auth_exchange"]]
        assert answered, host
        assert all(row["account"] for row in answered), host
        # over HTTP every message is sealed; over TLS nothing is sealed twice, CredSSP apart
        if host.endswith("-http"):
            assert all(row["encrypted"] for row in answered), host


def test_kerberos_with_a_ticket_that_is_there(there: Player, ways: Lab, changes: dict[str, dict[str, Any]]) -> None:
    account = accounts()[REPORT]
    manual = {"ansible_winrm_kinit_mode": "manual", "ansible_password": None}
    hosts = there.inventory({name: changes[name] | manual for name in ("krb", "krb-http")}, only=["krb", "krb-http"])
    without = there.report(hosts=hosts).no_traceback()
    for host in ("krb", "krb-http"):
        assert without.observation(host)["reason"] == "authentication", without.observation(host)
        assert "no Kerberos ticket for svc-report@" in without.result(OBSERVE, host)["msg"]
    environment = clean_environment(there.folder) | there.environment
    subprocess.run(
        ["kinit", account.kerberos_principal],
        input=account.password,
        env=environment,
        text=True,
        check=True,
        capture_output=True,
        timeout=30,
    )
    run = there.report(hosts=hosts).no_traceback()
    # a ticket of somebody else's making proves nothing to the report; a verified certificate does
    assert (joins(run)["krb"], joins(run)["krb-http"]) == ("authenticated", "claimed")


def test_a_wrong_password_is_told_for_every_transport(there: Player, changes: dict[str, dict[str, Any]]) -> None:
    hosts = [host for host in EXPECTED if host not in ("address", "cert")]
    wrong = {host: changes.get(host, {}) | {"ansible_password": "Wrong-Password-1"} for host in hosts}
    run = there.report(hosts=there.inventory(wrong, only=hosts)).no_traceback()
    assert run.code == 0, run.output
    assert {host: run.observation(host)["reason"] for host in hosts} == dict.fromkeys(hosts, "authentication")
    assert "Wrong-Password-1" not in run.output + json.dumps(run.record)


def test_a_certificate_of_another_account_is_refused(there: Player, ways: Lab) -> None:
    assert ways.authority is not None
    chain, key = ways.authority.issue(client=True, common_name="somebody@lab.example")
    change = {"ansible_winrm_cert_pem": str(chain), "ansible_winrm_cert_key_pem": str(key)}
    for adapter in ("lean", "pywinrm"):
        run = there.report("-e", f"keyward_adapter={adapter}", hosts=there.inventory({"cert": change}, only=["cert"])).no_traceback()
        assert run.observation("cert")["reason"] == "authentication", (adapter, run.observation("cert"))


@pytest.mark.parametrize("adapter", ["lean", "pywinrm"])
def test_another_authority_is_told_as_tls(there: Player, ways: Lab, adapter: str) -> None:
    assert ways.authority is not None
    other = {"ansible_winrm_ca_trust_path": str(ways.authority.untrusted_pem), "keyward_adapter": adapter}
    no_file = {"ansible_winrm_ca_trust_path": "/no/such/ca.pem", "keyward_adapter": adapter}
    run = there.report(hosts=there.inventory({"basic": other, "address": no_file}, only=["basic", "address"])).no_traceback()
    assert run.observation("basic")["reason"] == "tls"
    assert run.event(OBSERVE, "address") == "failed"
    assert "/no/such/ca.pem" in run.result(OBSERVE, "address")["msg"]


@pytest.mark.parametrize(
    ("hosts", "more", "warning"),
    [
        (["domain1", "domain2"], {}, DOMAIN_BASIC),
        (["credssp", "credssp2"], {}, CREDSSP),
        (["krb", "krb-http"], {"ansible_winrm_kerberos_delegation": True}, DELEGATION),
    ],
)
def test_a_warning_is_given_once_a_run(
    there: Player, changes: dict[str, dict[str, Any]], hosts: list[str], more: dict[str, Any], warning: str
) -> None:
    inventory = there.inventory({host: changes.get(host, {}) | more for host in hosts}, only=hosts)
    run = there.report(hosts=inventory).no_traceback()
    for host in hosts:
        assert run.observation(host)["state"] == "observed", run.observation(host)
    assert run.output.replace("\n", " ").count(warning) == 1, run.output


def test_nothing_is_warned_of_without_a_cause(there: Player, changes: dict[str, dict[str, Any]]) -> None:
    quiet = ["basic", "cert", "ntlm-http", "krb"]
    run = there.report(hosts=there.inventory(changes, only=quiet)).no_traceback()
    assert "[WARNING]" not in run.output


def test_the_variables_of_psrp_are_read(there: Player, ways: Lab, certificate: dict[str, Any]) -> None:
    common: dict[str, Any] = {
        "ansible_connection": "psrp",
        "ansible_psrp_ca_cert": str(ways.ca_file),
        "ansible_psrp_operation_timeout": 5,
        "ansible_psrp_read_timeout": 8,
        "ansible_psrp_connection_timeout": 3,
    }
    hosts: dict[str, dict[str, Any]] = {
        "basic": {"ansible_psrp_auth": "basic"},
        "ntlm": {"ansible_psrp_auth": "ntlm"},
        # negotiate, the default: NTLM for a name without a realm, sealed over HTTP
        "ntlm-http": {"ansible_psrp_protocol": "http"},
        "krb-http": {"ansible_psrp_protocol": "http", "ansible_psrp_negotiate_hostname_override": dns("krb-http")},
        "cert": {
            "ansible_psrp_auth": "certificate",
            "ansible_psrp_certificate_pem": certificate["ansible_winrm_cert_pem"],
            "ansible_psrp_certificate_key_pem": certificate["ansible_winrm_cert_key_pem"],
            "ansible_password": None,
        },
    }
    refused = {"address": {"ansible_psrp_auth": "basic", "ansible_psrp_ca_cert": None, "ansible_winrm_ca_trust_path": str(ways.ca_file)}}
    changes = {name: common | values for name, values in (hosts | refused).items()}
    run = there.report(hosts=there.inventory(changes, only=list(changes))).no_traceback()
    for host in hosts:
        assert run.observation(host)["state"] == "observed", (host, run.observation(host))
    assert dns("krb-http") in run.observation("krb-http")["channel"]["authenticated_names"]
    assert run.observation("krb-http")["channel"]["transport"] == "kerberos,ntlm"
    assert run.observation("ntlm-http")["channel"]["transport"] == "ntlm"
    # winrm's variables are not psrp's: this host's authority is not known
    assert run.observation("address")["reason"] == "tls"


def test_user_and_password_of_the_command_line(there: Player, ways: Lab) -> None:
    """As automation platforms pass a machine credential."""
    host = next(host for host in ways.estate.hosts if host.inventory_name == "basic")
    bare = {"basic": {"ansible_user": None, "ansible_password": None, "ansible_connection": None}}
    there.write("machine-password", host.password + "\n")
    inventory = there.inventory(bare, only=["basic"])
    observe = task(OBSERVE, "volume_info")
    arguments = ["--user", host.username, "--connection-password-file", "machine-password", "--connection", "winrm"]
    run = there.play([play("basic", observe)], *arguments, hosts=inventory).no_traceback()
    assert run.code == 0, run.output
    assert run.observation("basic")["state"] == "observed"
    assert host.password not in run.output + json.dumps(run.record)
    without = there.play([play("basic", observe)], hosts=inventory).no_traceback()
    assert "ansible_user" in without.result(OBSERVE, "basic")["msg"]


def test_a_vaulted_password_in_the_inventory(there: Player, ways: Lab) -> None:
    host = next(host for host in ways.estate.hosts if host.inventory_name == "basic")
    key = "vault-key-of-the-test"
    text = VaultLib([("default", VaultSecret(key.encode()))]).encrypt(host.password).decode()
    there.write("vault-key", key + "\n")
    path = there.inventory({"basic": {"ansible_password": "VAULTED"}}, only=["basic"])
    vaulted = "!vault |\n" + "\n".join(" " * 12 + line for line in text.splitlines())
    path.write_text(path.read_text(encoding="utf-8").replace("VAULTED", vaulted), encoding="utf-8")
    run = there.report("--vault-password-file", "vault-key", hosts=path).no_traceback()
    assert run.code == 0, run.output
    assert run.observation("basic")["state"] == "observed"
    assert joins(run)["basic"] == "authenticated"
    assert not any(secret in run.output + json.dumps(run.record) for secret in (host.password, key))
    locked = there.play([play("basic", task(OBSERVE, "volume_info"))], hosts=path).no_traceback()
    assert locked.code != 0
    assert "vault" in locked.output.lower()


def test_a_list_of_transports_takes_the_first_that_is_accepted(there: Player) -> None:
    several: dict[str, dict[str, Any]] = {
        "ntlm": {"ansible_winrm_transport": "basic,ntlm"},
        "basic": {"ansible_winrm_transport": ["kerberos", "basic"]},
    }
    run = there.report(hosts=there.inventory(several, only=list(several))).no_traceback()
    assert run.observation("ntlm")["state"] == "observed", run.observation("ntlm")
    assert run.observation("basic")["state"] == "observed", run.observation("basic")


def test_the_command_line_shows_no_password_to_other_processes(there: Player, changes: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """kinit gets the password on its standard input: a stand-in that writes down its words and environment, then does the work."""
    spy = tmp_path / "kinit-spy"
    code = "import json,os,sys; open(sys.argv[0] + '.log', 'a').write(json.dumps([sys.argv, dict(os.environ)]) + chr(10)); "
    spy.write_text(f"#!{sys.executable}\n{code}os.execvp('kinit', ['kinit', *sys.argv[1:]])\n", encoding="utf-8")
    spy.chmod(0o700)
    change = changes["krb"] | {"ansible_winrm_kinit_cmd": str(spy)}
    run = there.report(hosts=there.inventory({"krb": change}, only=["krb"])).no_traceback()
    assert run.observation("krb")["state"] == "observed", run.observation("krb")
    log = Path(f"{spy}.log").read_text(encoding="utf-8")
    assert accounts()[REPORT].principal.partition("@")[0] in log
    assert accounts()[REPORT].password not in log
