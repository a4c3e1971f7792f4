# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolver's tables: variables in, connection settings or a clear refusal out. tests/matrix.py runs them on every ansible-core."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import connection
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.connection import resolve_connection
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.host_options import Keywords
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings

PASSWORD = "Tr0ub4dor-and-3"
WINRM = {"inventory_hostname": "pc01", "ansible_connection": "winrm", "ansible_user": "svc", "ansible_password": PASSWORD}
PSRP = WINRM | {"ansible_connection": "psrp"}


def resolve(variables: dict[str, Any], **arguments: Any) -> ConnectionSettings:
    return resolve_connection(variables, template=lambda value: value, **arguments)


DEFAULTS = {"host": "pc01", "port": 5986, "scheme": "https", "path": "/wsman", "username": "svc", "password": Secret(PASSWORD)}

WINRM_TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, DEFAULTS | {"transport": ("basic",), "adapter": "auto", "server_cert_validation": "validate", "environment_proxy": True}),
    ({"ansible_host": "192.0.2.7"}, {"host": "192.0.2.7", "endpoint": "https://192.0.2.7:5986/wsman"}),
    ({"ansible_host": "a.example", "ansible_winrm_host": "b.example"}, {"host": "b.example"}),
    ({"ansible_host": "2001:db8::7"}, {"host": "2001:db8::7", "endpoint": "https://[2001:db8::7]:5986/wsman"}),
    ({"ansible_winrm_user": "other"}, {"username": "other"}),
    ({"ansible_winrm_pass": "second"}, {"password": Secret("second")}),
    ({"ansible_winrm_pass": "second", "ansible_winrm_password": "third"}, {"password": Secret("third")}),
    ({"ansible_port": 5985}, {"port": 5985, "scheme": "http", "transport": ("basic",)}),
    ({"ansible_port": "5985", "ansible_winrm_scheme": "https"}, {"port": 5985, "scheme": "https"}),
    ({"ansible_port": 1, "ansible_winrm_port": "8443"}, {"port": 8443, "scheme": "https"}),
    ({"ansible_winrm_path": "wsman/x"}, {"path": "/wsman/x"}),
    ({"ansible_winrm_transport": "ntlm"}, {"transport": ("ntlm",), "kerberos_mode": "manual"}),
    ({"ansible_winrm_transport": "kerberos, ntlm"}, {"transport": ("kerberos", "ntlm"), "kerberos_mode": "managed"}),
    ({"ansible_winrm_transport": ["ssl", "basic", "plaintext"]}, {"transport": ("basic",)}),
    ({"ansible_user": "svc@LAB.EXAMPLE"}, {"transport": ("kerberos",), "kerberos_mode": "managed"}),
    ({"ansible_winrm_transport": "kerberos", "ansible_winrm_kinit_mode": "manual"}, {"kerberos_mode": "manual"}),
    (
        {"ansible_winrm_kinit_cmd": "/opt/kinit", "ansible_winrm_kinit_args": "-f -p", "ansible_winrm_kinit_env_vars": ["A", "B"]},
        {"kinit_cmd": "/opt/kinit", "kinit_args": "-f -p", "kinit_env_vars": ("A", "B")},
    ),
    ({"ansible_winrm_connection_timeout": 60}, {"operation_timeout": 60, "read_timeout": 70, "connect_timeout": 5}),
    ({"ansible_winrm_operation_timeout_sec": "60", "ansible_winrm_read_timeout_sec": 90}, {"operation_timeout": 60, "read_timeout": 90}),
    ({"ansible_winrm_operation_timeout_sec": 60}, {"operation_timeout": 60, "read_timeout": 70}),
    ({"ansible_winrm_operation_timeout_sec": 5}, {"operation_timeout": 5, "read_timeout": 30}),
    ({"ansible_winrm_server_cert_validation": "ignore"}, {"server_cert_validation": "ignore"}),
    ({"ansible_winrm_ca_trust_path": "/etc/ca.pem"}, {"ca_trust_path": "/etc/ca.pem"}),
    ({"ansible_winrm_ca_trust_path": "legacy_requests"}, {"ca_trust_path": None}),
    (
        {"ansible_winrm_transport": "certificate", "ansible_winrm_cert_pem": "/c", "ansible_winrm_cert_key_pem": "/k"},
        {"transport": ("certificate",), "cert_pem": "/c", "cert_key_pem": "/k"},
    ),
    (
        {"ansible_winrm_transport": "ssl", "ansible_winrm_cert_pem": "/c", "ansible_winrm_cert_key_pem": "/k"},
        {"transport": ("certificate",)},
    ),
    ({"ansible_winrm_message_encryption": "always"}, {"message_encryption": "always"}),
    (
        {"ansible_winrm_kerberos_delegation": "yes", "ansible_winrm_kerberos_hostname_override": "pc01.lab"},
        {"kerberos_delegation": True, "kerberos_hostname_override": "pc01.lab"},
    ),
    (
        {"ansible_winrm_credssp_disable_tlsv1_2": "true", "ansible_winrm_send_cbt": "no"},
        {"credssp_disable_tlsv1_2": True, "send_cbt": False},
    ),
    ({"ansible_winrm_service": "WSMAN", "ansible_winrm_realm": "LAB"}, {"service": "WSMAN", "realm": "LAB"}),
    ({"ansible_winrm_proxy": "http://proxy:3128"}, {"proxy": "http://proxy:3128", "environment_proxy": False}),
    ({"ansible_winrm_proxy": None}, {"proxy": None, "environment_proxy": False}),
    ({"ansible_winrm_proxy": "legacy_requests"}, {"proxy": None, "environment_proxy": True}),
    ({"keyward_adapter": "lean"}, {"adapter": "lean"}),
    ({"ansible_connection": "ansible.builtin.winrm"}, {"host": "pc01"}),
    ({"ansible_password": 12345}, {"password": Secret("12345")}),
]

PSRP_TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {},
        DEFAULTS
        | {"transport": ("ntlm",), "connect_timeout": 5, "operation_timeout": 20, "read_timeout": 30, "service": "HTTP", "send_cbt": True},
    ),
    (
        {"ansible_psrp_host": "b.example", "ansible_psrp_user": "other", "ansible_winrm_pass": "second"},
        {"host": "b.example", "username": "other", "password": Secret("second")},
    ),
    ({"ansible_psrp_auth": "basic"}, {"transport": ("basic",)}),
    ({"ansible_user": "svc@LAB"}, {"transport": ("kerberos", "ntlm"), "kerberos_mode": "managed"}),
    (
        {"ansible_psrp_auth": "kerberos", "ansible_user": "svc@LAB", "ansible_password": None},
        {"transport": ("kerberos",), "kerberos_mode": "manual"},
    ),
    (
        {"ansible_psrp_auth": "certificate", "ansible_psrp_certificate_pem": "/c", "ansible_psrp_certificate_key_pem": "/k"},
        {"transport": ("certificate",), "cert_pem": "/c", "cert_key_pem": "/k"},
    ),
    ({"ansible_port": 5985}, {"port": 5985, "scheme": "http"}),
    ({"ansible_psrp_protocol": "http"}, {"port": 5985, "scheme": "http"}),
    (
        {"ansible_psrp_protocol": "https", "ansible_psrp_port": 443, "ansible_psrp_path": "x"},
        {"port": 443, "scheme": "https", "path": "/x"},
    ),
    ({"ansible_psrp_cert_validation": "ignore"}, {"server_cert_validation": "ignore"}),
    ({"ansible_psrp_ca_cert": "/etc/ca.pem"}, {"ca_trust_path": "/etc/ca.pem"}),
    ({"ansible_psrp_cert_trust_path": "/etc/ca.pem"}, {"ca_trust_path": "/etc/ca.pem"}),
    (
        {"ansible_psrp_connection_timeout": 9, "ansible_psrp_operation_timeout": 40, "ansible_psrp_read_timeout": 45},
        {"connect_timeout": 9, "operation_timeout": 40, "read_timeout": 45},
    ),
    ({"ansible_psrp_operation_timeout": 40}, {"operation_timeout": 40, "read_timeout": 50}),
    ({"ansible_psrp_message_encryption": "always"}, {"message_encryption": "always"}),
    (
        {
            "ansible_psrp_negotiate_delegate": True,
            "ansible_psrp_negotiate_hostname_override": "h",
            "ansible_psrp_negotiate_service": "HOST",
            "ansible_psrp_negotiate_send_cbt": False,
        },
        {"kerberos_delegation": True, "kerberos_hostname_override": "h", "service": "HOST", "send_cbt": False},
    ),
    ({"ansible_psrp_proxy": "http://p:1"}, {"proxy": "http://p:1", "environment_proxy": False}),
    ({"ansible_psrp_ignore_proxy": True}, {"proxy": None, "environment_proxy": False}),
    ({"ansible_psrp_credssp_disable_tlsv1_2": True}, {"credssp_disable_tlsv1_2": True}),
]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [(WINRM | extra, expected) for extra, expected in WINRM_TABLE] + [(PSRP | extra, expected) for extra, expected in PSRP_TABLE],
)
def test_table(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = resolve(variables)
    assert {name: getattr(settings, name) for name in expected} == expected
    assert PASSWORD not in repr(settings)


def test_keywords_stand_below_variables() -> None:
    keywords = Keywords(connection="winrm", remote_user="from-keyword", port=5985, password="from-prompt")
    bare = resolve({"inventory_hostname": "pc01"}, keywords=keywords)
    assert (bare.username, bare.port, bare.password) == ("from-keyword", 5985, Secret("from-prompt"))
    full = resolve(WINRM | {"ansible_port": 5986}, keywords=keywords)
    assert (full.username, full.port, full.password) == ("svc", 5986, Secret(PASSWORD))
    assert "from-prompt" not in repr(keywords)


@pytest.mark.parametrize("name", ["ssh", "local", "smart", "network_cli", "my.own.winrm", "", None])
def test_other_connections_are_refused(name: str | None) -> None:
    with pytest.raises(OptionError, match="pc01") as caught:
        resolve(WINRM | {"ansible_connection": name})
    assert "Set ansible_connection to winrm" in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (WINRM | {"ansible_port": "many"}, "port"),
        (WINRM | {"ansible_port": 0}, "port"),
        (WINRM | {"ansible_port": 65536}, "port"),
        (WINRM | {"ansible_winrm_scheme": "gopher"}, "scheme"),
        (WINRM | {"ansible_winrm_transport": "telepathy"}, "telepathy"),
        (WINRM | {"ansible_winrm_transport": "certificate"}, "ansible_winrm_cert_pem"),
        (WINRM | {"ansible_winrm_server_cert_validation": "maybe"}, "ansible_winrm_server_cert_validation"),
        (WINRM | {"ansible_winrm_message_encryption": "often"}, "ansible_winrm_message_encryption"),
        (WINRM | {"ansible_winrm_send_cbt": "perhaps"}, "ansible_winrm_send_cbt"),
        (WINRM | {"ansible_winrm_send_cbt": []}, "ansible_winrm_send_cbt"),
        (WINRM | {"ansible_winrm_read_timeout_sec": "long"}, "ansible_winrm_read_timeout_sec"),
        (WINRM | {"ansible_winrm_operation_timeout_sec": -1}, "ansible_winrm_operation_timeout_sec"),
        (WINRM | {"ansible_winrm_operation_timeout_sec": 30, "ansible_winrm_read_timeout_sec": 30}, "time-out"),
        (WINRM | {"ansible_winrm_operation_timeout_sec": float("nan")}, "ansible_winrm_operation_timeout_sec"),
        (WINRM | {"keyward_adapter": "curl"}, "keyward_adapter"),
        (WINRM | {"ansible_user": None}, "--user"),
        (WINRM | {"ansible_password": None}, "--ask-pass"),
        (WINRM | {"ansible_password": None, "ansible_winrm_transport": "kerberos", "ansible_winrm_kinit_mode": "managed"}, "managed"),
        (PSRP | {"ansible_psrp_credssp_auth_mechanism": "kerberos"}, "credssp_auth_mechanism"),
        (PSRP | {"ansible_psrp_credssp_minimum_version": 5}, "credssp_minimum_version"),
        (PSRP | {"ansible_psrp_auth": "digest"}, "auth"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(variables: dict[str, Any], expected: str) -> None:
    with pytest.raises(OptionError) as caught:
        resolve(variables)
    assert expected in str(caught.value)
    assert "pc01" in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (WINRM, set()),
        (WINRM | {"ansible_user": ".\\svc"}, set()),
        (WINRM | {"ansible_user": "LAB\\svc"}, {connection.DOMAIN_ACCOUNT_OVER_BASIC}),
        (WINRM | {"ansible_user": "svc@LAB", "ansible_winrm_transport": "basic"}, {connection.DOMAIN_ACCOUNT_OVER_BASIC}),
        (WINRM | {"ansible_user": "svc@LAB"}, set()),
        (WINRM | {"ansible_port": 5985}, {connection.BASIC_IN_CLEAR}),
        (
            WINRM | {"ansible_port": 5985, "ansible_winrm_transport": "ntlm", "ansible_winrm_message_encryption": "never"},
            {connection.MESSAGES_IN_CLEAR},
        ),
        (WINRM | {"ansible_winrm_transport": "credssp"}, {connection.CREDSSP_DELEGATES}),
        (WINRM | {"ansible_winrm_transport": "kerberos", "ansible_winrm_kerberos_delegation": True}, {connection.KERBEROS_DELEGATES}),
        (WINRM | {"ansible_winrm_server_cert_validation": "ignore"}, {connection.UNVERIFIED}),
    ],
)
def test_warnings(variables: dict[str, Any], expected: set[str]) -> None:
    assert set(resolve(variables).warnings) == expected


@pytest.mark.parametrize(
    "variables",
    [
        WINRM | {"ansible_winrm_nonsense": PASSWORD},
        WINRM | {"ansible_winrm_keytab": "/etc/krb5.keytab"},
        PSRP | {"ansible_psrp_nonsense": PASSWORD},
        PSRP | {"ansible_psrp_reconnection_retries": 3},
        PSRP | {"ansible_psrp_configuration_name": "JEA"},
    ],
)
def test_what_has_no_effect_is_said_without_its_value_or_host(variables: dict[str, Any]) -> None:
    (warning,) = resolve(variables).warnings
    assert "no effect" in warning
    assert PASSWORD not in warning
    assert "pc01" not in warning


def test_templates_are_used_for_every_variable_and_only_for_those_needed() -> None:
    seen: list[Any] = []

    def template(value: Any) -> Any:
        seen.append(value)
        return value.replace("{{ x }}", "X") if isinstance(value, str) else value

    variables = WINRM | {
        "ansible_password": "a{{ x }}",
        "ansible_winrm_ca_trust_path": "/{{ x }}.pem",
        "other": "{{ lookup('expensive') }}",
    }
    settings = resolve_connection(variables, template=template)
    assert (settings.password, settings.ca_trust_path) == (Secret("aX"), "/X.pem")
    assert "{{ lookup('expensive') }}" not in seen


@pytest.mark.parametrize(
    "variable", ["ansible_password", "ansible_host", "ansible_winrm_ca_trust_path", "ansible_connection", "keyward_adapter"]
)
def test_a_template_that_fails_is_named_and_never_quoted(variable: str) -> None:
    def template(value: Any) -> Any:
        if isinstance(value, str) and "{{" in value:
            raise ValueError(f"template error in {value}")
        return value

    with pytest.raises(OptionError) as caught:
        resolve_connection(WINRM | {variable: f"{{{{ broken {PASSWORD}"}, template=template)
    assert variable in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
