# SPDX-License-Identifier: GPL-3.0-or-later
"""Options to settings, filters from what users write, servers from DNS: refused before anything is sent."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.action.escrow_report import ActionModule
from ansible_collections.keyward.bitlocker.plugins.doc_fragments.active_directory import ModuleDocFragment
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.disclosure import ENVIRONMENT as AUDIT_ENVIRONMENT
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.options import derive
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError, UnreachableError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import filters
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.discovery import (
    MAX_SERVERS,
    ServiceRecord,
    discover,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.search import BASE, SUBTREE, Query
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.settings import ENVIRONMENT, DirectorySettings
from hypothesis import given, settings
from hypothesis import strategies as st

LOGIN = {"username": "reader@lab.example", "password": Secret("made up")}


def made(**options: Any) -> DirectorySettings:
    return DirectorySettings.from_options({"server": ["dc1.lab.example"], **LOGIN, **options})


@pytest.mark.parametrize(
    ("options", "mode", "port"),
    [
        ({}, "ldaps", 636),
        ({"port": 636}, "ldaps", 636),
        ({"port": 389}, "start_tls", 389),
        ({"port": 3268}, "start_tls", 3268),
        ({"port": 3269}, "ldaps", 3269),
        ({"tls_mode": "start_tls"}, "start_tls", 389),
        ({"tls_mode": "ldaps", "port": 389}, "ldaps", 389),
        ({"port": 10636}, "ldaps", 10636),
    ],
)
def test_mode_and_port_follow_each_other(options: dict[str, Any], mode: str, port: int) -> None:
    found = made(**options)
    assert (found.tls_mode, found.effective_port) == (mode, port)
    assert found.global_catalog == (port in (3268, 3269))


def test_protocol_follows_the_password() -> None:
    assert made().auth_protocol == "simple"
    assert made(username=None, password=None).auth_protocol == "kerberos"
    assert made(auth_protocol="kerberos").auth_protocol == "kerberos"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"server": []}, "server"),
        ({"server": ["ldaps://dc1"]}, "server"),
        ({"server": ["dc1:636"]}, "server"),
        ({"server": ["dc1 dc2"]}, "server"),
        ({"server": [], "domain": "lab/example"}, "server"),
        ({"port": 0}, "port"),
        ({"port": 70000}, "port"),
        ({"auth_protocol": "ntlm"}, "auth_protocol"),
        ({"auth_protocol": "simple", "password": Secret("")}, "username"),
        ({"auth_protocol": "simple", "username": ""}, "username"),
        ({"auth_protocol": "kerberos", "username": None}, "password"),
        ({"cert_validation": "never"}, "cert_validation"),
        ({"tls_mode": "none"}, "tls_mode"),
        ({"search_bases": ["Clients"]}, "search_bases"),
        ({"timeout": 0}, "timeout"),
        ({"page_size": 0}, "page_size"),
        ({"max_idle_days": -1}, "max_idle_days"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError) as refused:
        made(**options)
    assert refused.value.target == named
    assert "made up" not in str(refused.value)


def test_servers_as_text_and_bases_within_bases() -> None:
    found = made(server="dc1.lab.example, dc2.lab.example,dc1.lab.example", search_bases=["OU=A,DC=lab", "ou=b,ou=a,dc=LAB", "OU=C,DC=lab"])
    assert found.servers == ("dc1.lab.example", "dc2.lab.example")
    assert found.search_bases == ("OU=A,DC=lab", "OU=C,DC=lab")


def test_no_limit_of_idleness() -> None:
    assert made().idle_days == 90
    assert made(max_idle_days=0).idle_days is None
    assert made(max_idle_days=7).idle_days == 7


def test_settings_show_no_password() -> None:
    assert "made up" not in repr(made())


def test_the_fragment_says_the_same_at_the_top_and_under_ad() -> None:
    top = derive("ad_recovery_key_info", environment={**ENVIRONMENT, **AUDIT_ENVIRONMENT}).argument_spec
    below = derive("escrow_report", environment=ActionModule.environment).argument_spec["ad"]["options"]
    assert len(below) == 15
    assert {name: top[name] for name in below} == below
    assert ModuleDocFragment.DOCUMENTATION.count("description:") == ModuleDocFragment.SUBOPTIONS.count("description:") == 15


def test_defaults_of_documentation_and_code_are_equal() -> None:
    spec = derive("escrow_report", environment=ActionModule.environment).argument_spec["ad"]["options"]
    defaults = {name: option["default"] for name, option in spec.items() if "default" in option}
    assert made() == made(**defaults)


@pytest.mark.parametrize(
    "wanted", ["*", "pc01)(objectClass=*", "a*b", "(", "\\", "\0", "pc01))(|(cn=*", "ä*", "\ud800", "x" * 5000, "\x7f\n"]
)
def test_a_name_never_becomes_a_filter(wanted: str) -> None:
    made_filter = filters.computer(wanted)
    shape = re.sub(r"(sAMAccountName|cn|dNSHostName)=[^()*]*\)", r"\1=)", made_filter)
    assert shape == "(&(objectCategory=computer)(|(sAMAccountName=)(cn=)(dNSHostName=)))"


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_escaped_values_hold_nothing_that_a_filter_reads(value: str) -> None:
    assert re.fullmatch(r"(?:[A-Za-z0-9._ -]|\\[0-9a-f]{2})*", filters.escape(value))


def test_filters_of_key_ids() -> None:
    whole = filters.entries_of_key("{1A2B3C4D-0102-0304-0506-0708090A0B0C}")
    assert whole.startswith("(&(objectClass=msFVE-RecoveryInformation)(|(msFVE-RecoveryGuid=\\4d\\3c\\2b\\1a\\02\\01\\04\\03\\05\\06")
    assert "(name=*\\7b1A2B3C4D-0102-0304-0506-0708090A0B0C\\7d*)" in whole
    assert filters.entries_of_key("1a2b3c4d") == "(&(objectClass=msFVE-RecoveryInformation)(name=*\\7b1A2B3C4D-*))"
    assert filters.entries_of_key("1a2b3c4d-01") == filters.entries_of_key("1A2B3C4D01").replace("01*", "01*")
    assert "1A2B3C4D-0102-*" in filters.entries_of_key("1a2b3c4d0102")


@pytest.mark.parametrize("wanted", ["", "1a2b3c4", "1a2b3c4g", "*", "1a2b3c4d*", "1" * 33, "1a2b3c4d)(cn=*", "１a2b3c4d5"])
def test_what_is_no_key_id_is_refused(wanted: str) -> None:
    with pytest.raises(OptionError):
        filters.entries_of_key(wanted)


@pytest.mark.parametrize(
    ("attributes", "scope", "password"),
    [
        ((), SUBTREE, False),
        (("*",), SUBTREE, False),
        (("cn", "+"), SUBTREE, False),
        (("cn", "MSFVE-recoverypassword"), SUBTREE, False),
        (("cn", "msFVE-RecoveryPassword"), SUBTREE, True),
        (("cn", "msFVE-RecoveryPassword"), BASE, False),
        (("msFVE-KeyPackage",), BASE, True),
    ],
)
def test_a_search_for_secrets_cannot_even_be_written(attributes: tuple[str, ...], scope: int, password: bool) -> None:
    with pytest.raises(ValueError, match="secret"):
        Query(base="DC=lab", filter="(objectClass=*)", attributes=attributes, scope=scope, password=password)


def records(*items: tuple[int, int, str]) -> Any:
    return lambda name, timeout: [ServiceRecord(*item) for item in items]


def test_servers_come_by_priority_then_weight_and_only_from_the_domain() -> None:
    found = discover(
        "Lab.Example",
        5,
        records(
            (10, 0, "dc9.lab.example."),
            (0, 5, "dc2.lab.example."),
            (0, 100, "DC1.lab.example."),
            (0, 100, "evil.example."),
            (0, 1, "xlab.example."),
        ),
    )
    assert found == ("dc1.lab.example", "dc2.lab.example", "dc9.lab.example")


def test_no_record_that_can_be_used_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="only servers outside"):
        discover("lab.example", 5, records((0, 0, "dc1.evil.example.")))
    with pytest.raises(UnreachableError, match="no such records"):
        discover("lab.example", 5, records())


def test_servers_found_are_bounded() -> None:
    assert len(discover("lab.example", 5, records(*((0, 0, f"dc{number}.lab.example.") for number in range(200))))) == MAX_SERVERS


def test_dns_that_does_not_answer_is_unreachable() -> None:
    with pytest.raises(UnreachableError) as lost:
        discover("keyward.invalid", 1)
    assert "server" in lost.value.remedy
