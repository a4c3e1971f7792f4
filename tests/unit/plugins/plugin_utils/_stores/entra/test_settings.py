# SPDX-License-Identifier: GPL-3.0-or-later
"""Options to settings: what cannot be used is refused, by name and before anything is sent; documentation and code say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.keyward.bitlocker.plugins.doc_fragments.entra import ModuleDocFragment
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.options import derive, under
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import graph, settings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import (
    CLOUDS,
    ENVIRONMENT,
    TRUST_TYPES,
    EntraSettings,
)
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

CLIENT = "99999999-8888-7777-6666-555555555555"
LOGIN = {"auth_method": "client_secret", "tenant": "corp.example", "client_id": CLIENT, "secret": Secret("made up")}
OPTIONS = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]


def made(**options: Any) -> EntraSettings:
    return EntraSettings.from_options(LOGIN | options)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"auth_method": None}, "auth_method"),
        ({"auth_method": ""}, "auth_method"),
        ({"auth_method": "password"}, "auth_method"),
        ({"tenant": None}, "tenant"),
        ({"client_id": ""}, "client_id"),
        ({"secret": None}, "secret"),
        ({"secret": ""}, "secret"),
        ({"secret": Secret("")}, "secret"),
        ({"auth_method": "certificate"}, "x509_certificate_path"),
        ({"auth_method": "federated_token"}, "federated_token_file"),
        ({"auth_method": "device_code", "client_id": None}, "client_id"),
        ({"tenant": "common"}, "tenant"),
        ({"tenant": "Organizations"}, "tenant"),
        ({"tenant": "../x"}, "tenant"),
        ({"tenant": "a/b"}, "tenant"),
        ({"tenant": "a b"}, "tenant"),
        ({"tenant": "a?b"}, "tenant"),
        ({"tenant": "t\u00e9nant"}, "tenant"),
        ({"client_id": "not a GUID"}, "client_id"),
        ({"thumbprint": "abc"}, "thumbprint"),
        ({"cloud_environment": "AzureGermanCloud"}, "cloud_environment"),
        ({"authority": "http://localhost"}, "authority"),
        ({"authority": "localhost"}, "authority"),
        ({"authority": "https://localhost/other"}, "authority"),
        ({"authority": "https://localhost/corp.example/v2.0"}, "authority"),
        ({"authority": "https://user:word@localhost"}, "authority"),
        ({"graph_url": "https://graph.microsoft.com/v1.0"}, "graph_url"),
        ({"graph_url": "https://graph.microsoft.com?x"}, "graph_url"),
        ({"graph_url": "https://graph.microsoft.com#x"}, "graph_url"),
        ({"graph_url": "https://localhost:0"}, "graph_url"),
        ({"graph_url": "https://localhost:99999"}, "graph_url"),
        ({"graph_url": "https://"}, "graph_url"),
        ({"graph_url": "https://a\\b"}, "graph_url"),
        ({"proxy": "socks5://localhost:1080"}, "proxy"),
        ({"proxy": "localhost:3128"}, "proxy"),
        ({"proxy": "http://user:word@localhost:3128"}, "proxy"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 3601}, "timeout"),
        ({"connection_timeout": 0}, "connection_timeout"),
        ({"throttle_wait": -1}, "throttle_wait"),
        ({"trust_types": ["Other"]}, "trust_types"),
        ({"max_idle_days": -1}, "max_idle_days"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError) as caught:
        made(**options)
    assert caught.value.target == named
    assert caught.value.meaning
    assert "word@" not in str(caught.value)


def test_a_managed_identity_needs_nothing() -> None:
    found = EntraSettings.from_options({"auth_method": "managed_identity"})
    assert (found.tenant, found.client_id, found.secret) == (None, None, None)


@pytest.mark.parametrize(
    ("cloud", "graph_root", "authority"),
    [
        (None, "https://graph.microsoft.com", "https://login.microsoftonline.com"),
        ("AzureCloud", "https://graph.microsoft.com", "https://login.microsoftonline.com"),
        ("AzureUSGovernment", "https://graph.microsoft.us", "https://login.microsoftonline.us"),
        ("AzureUSGovernmentDoD", "https://dod-graph.microsoft.us", "https://login.microsoftonline.us"),
        ("AzureChinaCloud", "https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
    ],
)
def test_clouds(cloud: str | None, graph_root: str, authority: str) -> None:
    found = made(cloud_environment=cloud)
    assert (found.graph_root, found.authority_root) == (graph_root, authority)


@pytest.mark.parametrize(
    "given_as",
    ["https://localhost:8443", "https://localhost:8443/", "https://localhost:8443/corp.example", " https://localhost:8443//corp.example/ "],
)
def test_an_authority_loses_slashes_and_tenant(given_as: str) -> None:
    assert made(authority=given_as).authority_root == "https://localhost:8443"


def test_thumbprints_lose_their_colons() -> None:
    assert made(thumbprint="AB:" * 19 + "CD").thumbprint == "ab" * 19 + "cd"


def test_scope_and_times() -> None:
    assert (made().trust_types, made().idle_days) == (("AzureAd", "ServerAd"), 90)
    assert (made(trust_types=["Workplace", "Workplace"]).trust_types, made(max_idle_days=0).idle_days) == (("Workplace",), None)
    assert made(trust_types=[]).trust_types == ()


def test_a_secret_is_not_shown() -> None:
    assert "made up" not in repr(made())
    assert "made up" not in repr(made(certificate_password="made up", secret="made up"))


# --- documentation ------------------------------------------------------------------------------------------------------------------------


def test_the_fragment_holds_the_same_options_twice() -> None:
    assert yaml.safe_load(ModuleDocFragment.SUBOPTIONS)["options"]["entra"]["suboptions"] == OPTIONS


def test_the_documentation_has_what_the_code_has() -> None:
    names = set(EntraSettings.__dataclass_fields__) - {"idle_days"} | {"max_idle_days"}
    assert set(OPTIONS) == names
    assert set(OPTIONS["auth_method"]["choices"]) == set(settings._NEEDS)
    assert OPTIONS["cloud_environment"]["choices"] == list(CLOUDS)
    assert OPTIONS["trust_types"]["choices"] == list(TRUST_TYPES)
    defaults = EntraSettings.from_options({"auth_method": "managed_identity"})
    for name, option in OPTIONS.items():
        if "default" in option:
            told = option["default"]
            found = getattr(defaults, "idle_days" if name == "max_idle_days" else name)
            assert (list(found) if isinstance(found, tuple) else found) == told, name


def test_the_fragment_works_at_the_top_and_under_an_option(tmp_path: Path) -> None:
    for fragment, environment, arguments in (
        ("entra", ENVIRONMENT, {"auth_method": "managed_identity"}),
        ("entra.suboptions", under("entra", ENVIRONMENT), {"entra": {"auth_method": "managed_identity"}}),
    ):
        path = tmp_path / f"{fragment.replace('.', '_')}.py"
        nested = "options:\n  entra:\n    description: Entra ID.\n    type: dict\n" if "." in fragment else "options: {}\n"
        text = f"module: x\nshort_description: x\ndescription: x\n{nested}extends_documentation_fragment: [keyward.bitlocker.{fragment}]\n"
        path.write_text(f"DOCUMENTATION = r'''\n{text}'''\n", encoding="utf-8")
        spec = derive(path.stem, documentation=path, environment=environment)
        values = spec.validate(arguments).values
        options = values["entra"] if "." in fragment else values
        assert EntraSettings.from_options(options).auth_method == "managed_identity"
        inner = spec.argument_spec["entra"]["options"] if "." in fragment else spec.argument_spec
        assert inner["secret"]["no_log"]
        assert inner["certificate_password"]["no_log"]
        assert not inner["federated_token_file"]["no_log"]


def test_the_version_we_name_is_the_collections() -> None:
    galaxy = Path(__file__).resolve().parents[6] / "galaxy.yml"
    found = re.search(r"^version: (\S+)$", galaxy.read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert found[1] == graph.CLIENT_VERSION


@given(
    st.dictionaries(
        st.sampled_from(sorted(set(OPTIONS) - {"timeout", "connection_timeout", "throttle_wait", "max_idle_days", "trust_types"})),
        st.text(max_size=60),
    )
)
@hypothesis_settings(max_examples=200, deadline=None)
def test_any_text_is_taken_or_refused_by_ours(options: dict[str, str]) -> None:
    try:
        found = EntraSettings.from_options({"auth_method": "managed_identity"} | options)
    except OptionError:
        return
    assert found.graph_root.startswith("https://")
    assert found.authority_root.startswith("https://")
