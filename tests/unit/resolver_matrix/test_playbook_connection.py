# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolver on the real path: ansible-playbook's command line, keywords, templates, vaults, delegation, and a lookup."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.constants import DEFAULT_VAULT_ID_MATCH
from ansible.parsing.vault import VaultLib, VaultSecret

_spec = importlib.util.spec_from_file_location("resolver_matrix_playbook", Path(__file__).with_name("playbook.py"))
assert _spec is not None
assert _spec.loader is not None
playbook = sys.modules.setdefault("resolver_matrix_playbook", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(playbook)

VAULT = "vault-pass"


def vaulted(text: str) -> str:
    return VaultLib([(DEFAULT_VAULT_ID_MATCH, VaultSecret(VAULT.encode()))]).encrypt(text).decode()


HOSTS = {
    "bare": {"ansible_connection": "winrm", "ansible_winrm_transport": "ntlm"},
    "own": {
        "ansible_connection": "winrm",
        "ansible_host": "192.0.2.9",
        "ansible_user": "u-own",
        "ansible_password": "p-own",
        "ansible_port": 5985,
    },
    "templated": {
        "ansible_connection": "{{ way }}",
        "way": "winrm",
        "name_part": "t",
        "ansible_user": "{{ name_part }}-user",
        "ansible_password": "{{ name_part }}-{{ way }}-pw",
    },
    "vault": {
        "ansible_connection": "psrp",
        "ansible_user": "u-vault",
        "ansible_password": "{{ from_vault }}",
        "ansible_psrp_auth": "basic",
    },
    "linux": {"ansible_connection": "ssh"},
    "crosswise": {"ansible_connection": "local"},
}


def task(name: str, password: str, **keywords: Any) -> dict[str, Any]:
    return {"name": name, "keyward_probe": {"connect": True, "password": password}, "ignore_errors": True} | keywords


PLAYS = [
    {"hosts": "bare", "gather_facts": False, "tasks": [task("command line", "p-cli")]},
    {
        "hosts": "bare",
        "gather_facts": False,
        "remote_user": "u-play",
        "port": 5985,
        "tasks": [task("play keyword", "p-cli"), task("task keyword", "p-cli", remote_user="u-task")],
    },
    {
        "hosts": "own",
        "gather_facts": False,
        "remote_user": "u-play",
        "tasks": [
            task("variables", "p-own"),
            task("task variable", "p-var", vars={"ansible_password": "p-var", "keyward_adapter": "pywinrm"}),
        ],
    },
    {"hosts": "templated", "gather_facts": False, "tasks": [task("templates", "t-winrm-pw")]},
    {"hosts": "vault", "gather_facts": False, "vars_files": ["vault.yml"], "tasks": [task("vault", "p-from-vault")]},
    {"hosts": "linux", "gather_facts": False, "tasks": [task("refused", "x")]},
    {
        "hosts": "crosswise",
        "gather_facts": False,
        "tasks": [
            task("delegated", "p-own", delegate_to="own"),
            task("delegated to a template", "t-winrm-pw", delegate_to="templated"),
            task("delegated in vain", "x", delegate_to="linux"),
            {"name": "lookup", "debug": {"msg": "{{ lookup('keyward_probe', 'own', 'templated') }}"}},
        ],
    },
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    files = {"cli-password": "p-cli\n", "vault-password": VAULT, "vault.yml": vaulted("from_vault: p-from-vault\n")}
    arguments = ("-vvv", "--user", "u-cli", "--connection-password-file", "cli-password", "--vault-password-file", "vault-password")
    return playbook.run_playbook(tmp_path_factory.mktemp("play"), PLAYS, HOSTS, *arguments, files=files)


HTTPS, HTTP = (5986, "https"), (5985, "http")
REACHED = [
    ("command line", "bare", "bare", "u-cli", HTTPS, ["ntlm"], "auto"),
    ("play keyword", "bare", "bare", "u-play", HTTP, ["ntlm"], "auto"),
    ("task keyword", "bare", "bare", "u-task", HTTP, ["ntlm"], "auto"),
    ("variables", "own", "192.0.2.9", "u-own", HTTP, ["basic"], "auto"),
    ("task variable", "own", "192.0.2.9", "u-own", HTTP, ["basic"], "pywinrm"),
    ("templates", "templated", "templated", "t-user", HTTPS, ["basic"], "auto"),
    ("vault", "vault", "vault", "u-vault", HTTPS, ["basic"], "auto"),
    ("delegated", "crosswise", "192.0.2.9", "u-own", HTTP, ["basic"], "auto"),
    ("delegated to a template", "crosswise", "templated", "t-user", HTTPS, ["basic"], "auto"),
]


@pytest.mark.parametrize("row", REACHED, ids=lambda row: row[0])
def test_the_task_reaches(run: Any, row: Any) -> None:
    name, host, address, username, (port, scheme), transport, adapter = row
    result = run.result(name, host)
    assert result.get("settings") == {
        "host": address,
        "port": port,
        "scheme": scheme,
        "username": username,
        "transport": transport,
        "adapter": adapter,
    }, run.output
    assert result["password_matches"] is True


@pytest.mark.parametrize(("name", "host", "target"), [("refused", "linux", "linux"), ("delegated in vain", "crosswise", "linux")])
def test_another_connection_is_refused(run: Any, name: str, host: str, target: str) -> None:
    result = run.failure(name, host)
    assert result["error"]["target"] == target
    assert "Set ansible_connection to winrm" in result["msg"]


def test_a_lookup_resolves_without_a_connection(run: Any) -> None:
    assert run.result("lookup", "crosswise")["msg"] == [
        {"host": "192.0.2.9", "username": "u-own", "has_password": True},
        {"host": "templated", "username": "t-user", "has_password": True},
    ]


def test_no_password_is_shown(run: Any) -> None:
    shown = run.output + repr([entry["result"] for entry in run.record])
    for password in ("p-cli", "p-own", "p-var", "t-winrm-pw", "p-from-vault", VAULT):
        assert password not in shown.replace("vault-password", "")
