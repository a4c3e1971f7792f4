# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolver against ansible-core's own connection plugins: same answers, and no option of theirs that nobody here has decided on."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from ansible import constants
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import connection
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.connection import resolve_connection
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.host_options import Keywords
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret

WINRM_OPTIONS = {
    "connection_timeout",
    "kerberos_command",
    "kerberos_mode",
    "kinit_args",
    "kinit_env_vars",
    "path",
    "pipelining",
    "port",
    "remote_addr",
    "remote_password",
    "remote_user",
    "scheme",
    "transport",
}
PSRP_OPTIONS = {
    "auth",
    "ca_cert",
    "cert_validation",
    "certificate_key_password",
    "certificate_key_pem",
    "certificate_pem",
    "configuration_name",
    "connection_timeout",
    "credssp_auth_mechanism",
    "credssp_disable_tlsv1_2",
    "credssp_minimum_version",
    "ignore_proxy",
    "max_envelope_size",
    "message_encryption",
    "negotiate_delegate",
    "negotiate_hostname_override",
    "negotiate_send_cbt",
    "negotiate_service",
    "no_profile",
    "operation_timeout",
    "path",
    "pipelining",
    "port",
    "protocol",
    "proxy",
    "read_timeout",
    "reconnection_backoff",
    "reconnection_retries",
    "remote_addr",
    "remote_password",
    "remote_user",
}
#: arguments of pywinrm's Protocol that the plugin sets from its own options, or that pywinrm itself ignores
PROTOCOL_ELSEWHERE = {"self", "endpoint", "transport", "username", "password", "keytab"}

BASE = {"inventory_hostname": "pc01", "ansible_user": "svc", "ansible_password": "made-up"}
WINRM_CASES: list[dict[str, Any]] = [
    {},
    {"ansible_host": "a", "ansible_winrm_host": "b", "ansible_winrm_user": "u", "ansible_winrm_pass": "p1", "ansible_winrm_password": "p2"},
    {"ansible_port": "5985"},
    {"ansible_port": 5985, "ansible_winrm_scheme": "https", "ansible_winrm_path": "/x"},
    {"ansible_winrm_transport": "ntlm,kerberos"},
    {
        "ansible_winrm_transport": ["kerberos"],
        "ansible_winrm_kinit_mode": "manual",
        "ansible_winrm_kinit_cmd": "k",
        "ansible_winrm_kinit_args": "-f",
    },
    {
        "ansible_winrm_transport": "ntlm",
        "ansible_winrm_server_cert_validation": "ignore",
        "ansible_winrm_ca_trust_path": "/ca",
        "ansible_winrm_send_cbt": False,
    },
]
PSRP_CASES: list[dict[str, Any]] = [
    {},
    {"ansible_psrp_host": "b", "ansible_psrp_user": "u", "ansible_winrm_pass": "p1"},
    {"ansible_port": 5985},
    {"ansible_psrp_protocol": "http", "ansible_psrp_path": "x"},
    {
        "ansible_psrp_port": 443,
        "ansible_psrp_auth": "basic",
        "ansible_psrp_message_encryption": "always",
        "ansible_psrp_proxy": "http://p:1",
    },
]


def ansible_plugin(name: str, variables: dict[str, Any], keys: dict[str, Any]) -> Any:
    """A connection plugin with its options set as the task executor does it; it connects to nothing."""
    plugin = connection_loader.get(name, PlayContext(), new_stdin=None)
    known = constants.config.get_plugin_vars("connection", plugin._load_name)
    options: dict[str, Any] = {variable: value for variable, value in variables.items() if variable in known}
    options["_extras"] = {v: value for v, value in variables.items() if v.startswith(f"ansible_{name}_") and v not in known}
    plugin.set_options(task_keys=keys, var_options=options)
    return plugin


@pytest.mark.parametrize("extra", WINRM_CASES)
@pytest.mark.parametrize("keys", [{}, {"remote_user": "kw", "port": 5985, "password": "kwpw"}])
def test_same_answers_as_ansibles_winrm(extra: dict[str, Any], keys: dict[str, Any]) -> None:
    variables = (BASE if not keys else {"inventory_hostname": "pc01"}) | extra
    plugin = ansible_plugin("winrm", variables, keys)
    plugin._build_winrm_kwargs()
    ours = resolve_connection(
        variables,
        template=lambda value: value,
        keywords=Keywords(connection="winrm", remote_user=keys.get("remote_user"), port=keys.get("port"), password=keys.get("password")),
    )
    assert (ours.host, ours.username, ours.port, ours.scheme) == (
        plugin._winrm_host,
        plugin._winrm_user,
        plugin._winrm_port,
        plugin._winrm_scheme,
    )
    assert ours.password == Secret(plugin._winrm_pass)
    assert ours.path == plugin._winrm_path
    assert ours.kinit_cmd == plugin._kinit_cmd
    assert ours.kinit_args == plugin.get_option("kinit_args")
    assert ours.kerberos_mode == ("managed" if plugin._kerb_managed else "manual")
    assert list(ours.transport) == [{"ssl": "basic", "plaintext": "basic"}.get(word, word) for word in plugin._winrm_transport]
    for argument in ("server_cert_validation", "ca_trust_path", "send_cbt"):
        if argument in plugin._winrm_kwargs:
            assert getattr(ours, argument) == plugin._winrm_kwargs[argument]


@pytest.mark.parametrize("extra", PSRP_CASES)
def test_same_answers_as_ansibles_psrp(extra: dict[str, Any]) -> None:
    variables = BASE | {"ansible_connection": "psrp"} | extra
    plugin = ansible_plugin("psrp", variables, {})
    ours = resolve_connection(variables, template=lambda value: value)
    get = plugin.get_option
    assert (ours.host, ours.username, ours.password) == (get("remote_addr"), get("remote_user"), Secret(get("remote_password")))
    assert ours.path.lstrip("/") == get("path").lstrip("/")
    assert ours.message_encryption == get("message_encryption")
    assert ours.proxy == get("proxy")
    if get("port") is not None:
        assert ours.port == get("port")
    if get("protocol") is not None:
        assert ours.scheme == get("protocol")


@pytest.mark.parametrize(("name", "decided"), [("winrm", WINRM_OPTIONS), ("psrp", PSRP_OPTIONS)])
def test_no_option_of_ansibles_plugin_is_undecided(name: str, decided: set[str]) -> None:
    loaded = connection_loader.get(name, class_only=True)
    there = set(constants.config.get_configuration_definitions("connection", loaded._load_name))
    assert there <= decided, f"new options of {name}: decide on them in _ansible/connection.py"
    used = {"remote_addr", "remote_user", "remote_password", "port", "path"}
    assert used <= there


def test_no_argument_of_pywinrm_is_undecided() -> None:
    winrm_protocol = pytest.importorskip("winrm.protocol", reason="pywinrm is not installed for this ansible-core")
    arguments = set(inspect.signature(winrm_protocol.Protocol.__init__).parameters)
    assert arguments <= set(connection._EXTRAS) | PROTOCOL_ELSEWHERE
    assert set(connection._EXTRAS) <= arguments
