# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that were given where something else belongs: an error names the option and does not repeat its value."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import tls as directory_tls
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.auth import TokenSource
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.credentials import client_credential
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.tls import make_context
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.wire import Wire
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.shown import path_shown
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports.tls import client_context

SECRET = "xYz8Q~made_up.secret-4711"
KEY = "-----BEGIN PRIVATE KEY-----\nTUFERS1VUA==\n-----END PRIVATE KEY-----\n"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtYWRlIHVwIn0.bWFkZS11cC1zaWduYXR1cmU"
OPTIONS = {
    "auth_method": "client_secret",
    "tenant": "lab.example",
    "client_id": "99999999-8888-7777-6666-555555555555",
    "secret": "something",
}
CERTIFICATE = {**OPTIONS, "auth_method": "certificate"}
FEDERATED = {**OPTIONS, "auth_method": "federated_token"}


@pytest.mark.parametrize(
    "options",
    [
        {**OPTIONS, "client_id": SECRET},
        {**OPTIONS, "tenant": SECRET},
        {**CERTIFICATE, "x509_certificate_path": "x.pem", "thumbprint": SECRET},
        {**OPTIONS, "authority": f"https://user:{SECRET}@login.example"},
        {**OPTIONS, "graph_url": f"https://graph.example/?{SECRET}"},
        {**OPTIONS, "proxy": f"http://user:{SECRET}@proxy.example"},
        {**CERTIFICATE, "x509_certificate_path": KEY},
        {**CERTIFICATE, "x509_certificate_path": KEY.replace("\n", " ")},
        {**FEDERATED, "federated_token_file": TOKEN},
        {**FEDERATED, "federated_token_file": TOKEN * 10},
    ],
)
def test_an_entra_option_with_a_secret_in_the_wrong_place(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as refused:
        client_credential(EntraSettings.from_options(options))
    told = f"{refused.value} {vars(refused.value)}"
    assert not [value for value in (SECRET, "TUFERS1VUA", TOKEN[-20:]) if value in told]


def test_a_key_where_the_authority_of_graph_belongs() -> None:
    with pytest.raises(OptionError) as refused:
        make_context(KEY)
    assert "TUFERS1VUA" not in f"{refused.value} {vars(refused.value)}"


def test_a_key_where_the_directorys_authority_belongs() -> None:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.settings import DirectorySettings

    settings = DirectorySettings.from_options({"server": ["dc.lab.example"], "username": "u", "password": "p", "ca_cert": KEY})
    with pytest.raises(OptionError) as refused:
        directory_tls.make_context(settings)
    assert "TUFERS1VUA" not in f"{refused.value} {vars(refused.value)}"


def test_a_key_where_its_path_belongs_for_a_host() -> None:
    settings = ConnectionSettings(host="pc01", cert_pem=KEY, transport=("certificate",), server_cert_validation="ignore")
    with pytest.raises(OptionError) as refused:
        client_context(settings)
    assert "TUFERS1VUA" not in f"{refused.value} {vars(refused.value)}"


@pytest.mark.parametrize("path", ["/etc/keyward/report.pem", "report.pem", "~/a b.pfx", "/" + "a" * 255, "/x" * 400])
def test_paths_are_shown(path: str) -> None:
    assert path_shown(path) == path


@pytest.mark.parametrize("given", [KEY, TOKEN, f" {TOKEN}", "a" * 256, "one\ntwo", "one\0two", "see -----BEGIN RSA PRIVATE KEY-----"])
def test_what_is_no_path_is_not(given: str) -> None:
    assert path_shown(given) == "a text that is no path"


def test_msal_does_not_log_what_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = EntraSettings.from_options({**OPTIONS, "authority": "https://127.0.0.1:9", "proxy": "none", "connection_timeout": 1})
    wire = Wire(settings)
    try:
        with pytest.raises(Exception, match="Could not"):
            TokenSource(settings, wire).token()
    finally:
        wire.close()
    assert not logging.getLogger("msal.token_cache").isEnabledFor(logging.DEBUG)
