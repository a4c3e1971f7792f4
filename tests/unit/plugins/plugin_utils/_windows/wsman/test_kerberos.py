# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed tickets: how kinit is called, what it may say, and which service a cache proves. A real KDC is asked elsewhere."""

from __future__ import annotations

import os
import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import (
    AuthenticationError,
    KeywardError,
    OptionError,
    UnreachableError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.settings import ConnectionSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports import open_transport
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports.kerberos import (
    TicketCache,
    kinit,
    service_principals,
)
from hypothesis import given
from hypothesis import strategies as st

PASSWORD = "not-A-real-1"
SETTINGS = ConnectionSettings(
    host="pc01.lab.example", username="admin@LAB.EXAMPLE", password=Secret(PASSWORD), transport=("kerberos",), kerberos_mode="managed"
)


def program(folder: Path, body: str) -> str:
    path = folder / "kinit"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_password_goes_by_standard_input_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRB5_CONFIG", "/lab/krb5.conf")
    monkeypatch.setenv("OTHER", "x")
    monkeypatch.setenv("ASKED", "y")
    command = program(
        tmp_path, f'echo "$@" > {tmp_path}/argv; env > {tmp_path}/env; cat > {tmp_path}/stdin; echo ticket > "${{KRB5CCNAME#FILE:}}"'
    )
    cache = TicketCache()
    try:
        kinit(replace(SETTINGS, kinit_cmd=command, kinit_args="-l '1 h'", kinit_env_vars=("ASKED",)), cache)
        assert Path(cache.path).read_text() == "ticket\n"
        assert os.stat(cache.path).st_mode & 0o077 == 0
    finally:
        cache.close()
    assert not Path(cache.path).exists()
    assert (tmp_path / "stdin").read_text() == PASSWORD + "\n"
    assert (tmp_path / "argv").read_text() == "-l 1 h admin@LAB.EXAMPLE\n"
    environment = (tmp_path / "env").read_text()
    assert PASSWORD not in environment
    assert "KRB5_CONFIG=/lab/krb5.conf" in environment
    assert "ASKED=y" in environment
    assert "OTHER=" not in environment


def test_delegation_asks_for_a_forwardable_ticket(tmp_path: Path) -> None:
    command = program(tmp_path, f'echo "$@" > {tmp_path}/argv')
    cache = TicketCache()
    kinit(replace(SETTINGS, kinit_cmd=command, kerberos_delegation=True), cache)
    cache.close()
    assert (tmp_path / "argv").read_text() == "-f admin@LAB.EXAMPLE\n"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("kinit: Password incorrect while getting initial credentials", AuthenticationError, "refuses user name or password"),
        ("kinit: Preauthentication failed", AuthenticationError, "refuses user name or password"),
        ("kinit: Client 'x' not found in Kerberos database", AuthenticationError, "does not know the user"),
        ("kinit: Cannot contact any KDC for realm 'LAB.EXAMPLE'", UnreachableError, "no KDC"),
        ("kinit: Cannot find KDC for realm", UnreachableError, "no KDC"),
        ("kinit: Clock skew too great", AuthenticationError, "clocks"),
        ("kinit: Password has expired", AuthenticationError, "expired"),
        ("kinit: Client's credentials have been revoked", AuthenticationError, "disabled or locked"),
        (f"echo of {PASSWORD}", AuthenticationError, "refuses"),
    ],
)
def test_what_kinit_says(tmp_path: Path, said: str, kind: type[KeywardError], words: str) -> None:
    command = program(tmp_path, f'cat > /dev/null; echo "{said}" >&2; exit 1')
    transport = open_transport(replace(SETTINGS, kinit_cmd=command))
    before = os.environ.get("KRB5CCNAME")
    with pytest.raises(kind) as caught:
        transport.send(b"<a/>")
    transport.close()
    assert words in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert os.environ.get("KRB5CCNAME") == before


def test_kinit_that_hangs_or_is_missing(tmp_path: Path) -> None:
    cache = TicketCache()
    began = time.monotonic()
    with pytest.raises(UnreachableError):
        kinit(replace(SETTINGS, kinit_cmd=program(tmp_path, "exec sleep 60")), cache, timeout=0.3)
    assert time.monotonic() - began < 5
    for wrong in ({"kinit_cmd": "/nowhere/kinit"}, {"username": "-x"}, {"username": ""}, {"password": None}, {"kinit_args": "'open"}):
        with pytest.raises(OptionError):
            kinit(replace(SETTINGS, **wrong), cache)
    cache.close()
    cache.close()


def counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def principal(*components: str, realm: str = "LAB.EXAMPLE") -> bytes:
    return struct.pack(">II", 1, len(components)) + counted(realm.encode()) + b"".join(counted(one.encode()) for one in components)


def credential(*service: str) -> bytes:
    return (
        principal("admin")
        + principal(*service)
        + struct.pack(">H", 18)
        + counted(b"k" * 32)
        + bytes(16 + 1 + 4)
        + struct.pack(">I", 1)
        + struct.pack(">H", 2)
        + counted(b"addr")
        + struct.pack(">I", 0)
        + counted(b"ticket" * 100)
        + counted(b"")
    )


CACHE = struct.pack(">HH", 0x0504, 12) + struct.pack(">HHii", 1, 8, 0, 0) + principal("admin")
CACHE += credential("krbtgt", "LAB.EXAMPLE") + credential("HTTP", "PC01.lab.example")


def test_the_service_of_a_cache() -> None:
    assert service_principals(CACHE) == [("krbtgt", "LAB.EXAMPLE"), ("HTTP", "PC01.lab.example")]
    cache = TicketCache()
    Path(cache.path).write_bytes(CACHE)
    assert cache.service_hosts("http") == ("pc01.lab.example",)
    assert cache.service_hosts("host") == ()
    cache.close()
    assert cache.service_hosts("HTTP") == ()


def test_a_broken_cache_proves_nothing() -> None:
    assert service_principals(b"") == []
    assert service_principals(b"\x05\x03" + CACHE[2:]) == []
    for cut in range(len(CACHE)):
        assert ("HTTP", "PC01.lab.example") not in service_principals(CACHE[:cut])


@given(st.binary(max_size=300), st.integers(0, len(CACHE)))
def test_any_bytes_are_read_without_an_error(noise: bytes, at: int) -> None:
    assert isinstance(service_principals(CACHE[:at] + noise), list)
    assert isinstance(service_principals(noise), list)


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = TicketCache()
    monkeypatch.setenv("KRB5CCNAME", "KEYRING:mine")
    with cache.in_environment():
        assert os.environ["KRB5CCNAME"] == cache.name
    assert os.environ["KRB5CCNAME"] == "KEYRING:mine"
    monkeypatch.delenv("KRB5CCNAME")
    with pytest.raises(ValueError, match="x"), cache.in_environment():
        raise ValueError("x")
    assert "KRB5CCNAME" not in os.environ
    cache.close()
