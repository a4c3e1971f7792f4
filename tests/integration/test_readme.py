# SPDX-License-Identifier: GPL-3.0-or-later
"""README's first real run, taken from README and run: its files and its command, with addresses, accounts and authority swapped.

And its table of messages: each is made to appear by its cause.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from ansible_collections.keyward.bitlocker.tests.integration.playing import OBSERVE, QUICK, ROOT, Player
from ansible_collections.keyward.bitlocker.tests.integration.playing import REPORT as REPORT_TASK
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import METADATA_ACE, NO_RIGHTS, REPORT, accounts
from ansible_collections.keyward.bitlocker.tests.lab.directory.recording_proxy import RecordingProxy
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_RUN = README.partition("## The first real run")[2].partition("\n### ")[0]


def blocks(language: str, text: str) -> list[str]:
    return [dedent(found) for found in re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)]


def swapped(text: str, lab: Lab) -> str:
    """The example's organisation becomes the lab's: domain, account, directory servers (the first one dead), authority, place."""
    servers = f"{lab.block.infrastructure(200)}, {lab.block.directory}"
    changes = {
        "dc1.corp.example, dc2.corp.example": servers,
        "corp.example": lab.estate.realm,
        "CORP.EXAMPLE": lab.estate.realm.upper(),
        "svc-keyward": REPORT,
        "/etc/pki/corp-ca.pem": str(lab.ca_file),
    }
    for old, new in changes.items():
        assert old in README, f"README no longer has {old}: teach this test its new example"
        text = text.replace(old, new)
    return text


def test_the_first_run_works_as_written(ways: Lab, tmp_path: Path) -> None:
    inventory_text, variables_text = blocks("yaml", FIRST_RUN)
    environment = {
        "KRB5_CONFIG": str(ways.folder / "directory" / "krb5.conf"),
        "KEYWARD_WINRM_PASSWORD": accounts()[REPORT].password,
        "MICROSOFT_AD_LDAP_PASSWORD": accounts()[REPORT].password,
    }
    player = Player(tmp_path, ways, environment)
    inventory: dict[str, Any] = yaml.safe_load(swapped(inventory_text, ways))
    written = list(inventory["windows"]["hosts"])
    # nothing resolves the lab's names: the two hosts that speak Kerberos stand for README's two, with addresses beside the names
    renamed = dict(zip(written, ("krb.lab.example", "krb-http.lab.example"), strict=True))
    inventory["windows"]["hosts"] = dict.fromkeys(renamed.values())
    player.write("inventory.yml", inventory)
    addresses = {host.dns_name: host for host in ways.estate.hosts}
    (tmp_path / "host_vars").mkdir()
    for name in renamed.values():
        host = addresses[name]
        beside = {
            "ansible_host": host.address,
            "ansible_winrm_kerberos_hostname_override": name,
            "ansible_winrm_ca_trust_path": str(ways.ca_file),
        }
        if host.scheme == "http":
            beside |= {"ansible_port": host.port, "ansible_winrm_scheme": "http"}
        player.write(f"host_vars/{name}.yml", beside | QUICK)
    player.write("keyward.yml", swapped(variables_text, ways).replace("/var/lib/keyward", str(tmp_path / "report")))
    (command,) = re.findall(r"^\d\. `(ansible-playbook .*)`$", FIRST_RUN, re.MULTILINE)
    run = player.command(shlex.split(command)).no_traceback()
    assert run.code == 0, run.output
    found = {computer["name"]: computer for computer in run.report["computers"]}
    for name in renamed.values():
        assert found[name]["verdict"] == "escrowed", run.output
        assert found[name]["identities"]["joins"]["ad"] == "authenticated"
    assert len(run.events(OBSERVE)) == 2
    for said in ("Verdicts:", "Stores:", "escrow-report.json"):
        assert said in run.output


def test_a_directory_without_answer_fails_the_run_at_its_end_as_readme_says(player: Player, fleet: Lab) -> None:
    assert "the playbook fails at its end, unless `keyward_allow_incomplete` is set" in " ".join(README.split())
    run = player.report(hosts=player.inventory(only=["pc01"]), keyward_ad={"server": [fleet.block.infrastructure(200)]})
    assert run.code == 2
    assert run.record[-1]["task"] == "Say so when something could not be looked at"


def test_the_stated_ace_is_the_one_the_lab_grants() -> None:
    """What README states as an ACE is what every run of the lab proves to be enough."""
    stated = re.search(r"`\((OA;CIIO;[A-Z]+;;[0-9a-f-]+);SID\)`", README)
    assert stated
    assert f"({stated[1]};{{sid}})" == METADATA_ACE


#: host of the small fleet, what is done to it -> words of README's table that its message must have
CAUSES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "pc03": ({}, ("refuses connections",)),
    "pc02": ({"ansible_winrm_ca_trust_path": "UNTRUSTED"}, ("authority that is not trusted",)),
    "pc04": ({}, ("HTTP 401", "refuses the credentials")),
    "dmg-text": ({"ansible_host": "no-such-name.invalid"}, ("cannot be resolved",)),
    "dmg-cn": ({"ansible_become": True}, ("become",)),
    "dmg-guid": ({"ansible_host": "PROXY", "ansible_port": 636}, ("does not name this IP address",)),
    "limited": ({}, ("is not an administrator",)),
}


def test_messages_of_the_troubleshooting_table_are_real(player: Player, fleet: Lab, tmp_path: Path) -> None:
    """Each row's words are read in a run that has its cause."""
    assert fleet.authority is not None
    rows = README.partition("## Troubleshooting")[2].partition("\n## ")[0]
    here = fleet.block.infrastructure(25)
    certificate = fleet.authority.issue(dns_names=["other.lab.example"])
    swaps = {"UNTRUSTED": str(fleet.authority.untrusted_pem), "PROXY": here}
    changes = {host: {key: swaps.get(value, value) for key, value in change.items()} for host, (change, _said) in CAUSES.items()}
    with RecordingProxy(tmp_path / "other.jsonl", certificate, (fleet.block.directory, 636), fleet.ca_file, address=here, port=636):
        run = player.report(hosts=player.inventory(changes, only=[*CAUSES, "srv01"])).no_traceback()
    for host, (_change, words) in CAUSES.items():
        for said in words:
            assert f"`{said}`" in rows, said
            assert said in run.result(OBSERVE, host)["msg"], (host, run.result(OBSERVE, host)["msg"])
    verdicts = {computer["identities"]["inventory"]: computer["verdict"] for computer in run.report["computers"]}
    assert "verdict `unavailable`" in rows
    assert verdicts["srv01"] == "unavailable"


@pytest.mark.parametrize(
    ("code", "change"), [("KW-STO-001", {"server": ["192.0.2.1"], "connection_timeout": 1}), ("KW-STO-002", {"username": NO_RIGHTS})]
)
def test_codes_of_the_troubleshooting_table_are_real(player: Player, code: str, change: dict[str, Any]) -> None:
    assert f"| {code} |" in README
    if change.get("username") == NO_RIGHTS:
        change = {"username": accounts()[NO_RIGHTS].principal, "password": accounts()[NO_RIGHTS].password}
    run = player.report(hosts=player.inventory(only=["pc01"]), keyward_ad=change).no_traceback()
    assert run.code == 2
    assert [finding["code"] for finding in run.result(REPORT_TASK)["findings"]] == [code]
