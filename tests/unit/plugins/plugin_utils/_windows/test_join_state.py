# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Entra device a host says it is: by value, by certificate, and by nothing that could be another device."""

from __future__ import annotations

import contextlib
import hashlib
import struct
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError, LimitError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows import join_state
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.join_state import (
    EntraJoin,
    certificate_in,
    entra_join,
    guid,
    subject_guid,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.reads import Reads
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.registry import Registry
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.fake_host import FakeHost, fault, workstation
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
DEVICE, TENANT = "6c5b0f0e-6a2d-4f53-9f0c-1d8c3a7b5e44", "0d4e6f0a-1b2c-4d3e-8f90-a1b2c3d4e5f6"


def certificate(*names: str) -> bytes:
    """A made-up device certificate in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MS-Organization-Access")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(7)
    built = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=3650)).sign(key, hashes.SHA256())
    return built.public_bytes(serialization.Encoding.DER)


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<III", kind, 1, len(data)) + data


def thumbprint(der: bytes) -> str:
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def joined(host: FakeHost, name: str, **values: str) -> None:
    host.registry.setdefault(join_state.JOIN_INFO, {})
    host.registry[rf"{join_state.JOIN_INFO}\{name}"] = {key: (1, value) for key, value in values.items()}


def stored(host: FakeHost, name: str, blob: bytes) -> None:
    host.registry[rf"{join_state.CERTIFICATES}\{name}"] = {"Blob": (3, list(blob))}


def seen(host: FakeHost) -> tuple[EntraJoin | None, list[dict[str, str]], int]:
    reads = Reads.begin(lambda: NOW)
    return entra_join(Registry(host), reads), reads.errors, host.requests


def test_no_join() -> None:
    assert seen(workstation()) == (None, [], 1)
    empty = workstation()
    empty.registry[join_state.JOIN_INFO] = {}
    assert seen(empty) == (None, [], 1)


def test_the_value_is_enough() -> None:
    host = workstation()
    joined(host, "A" * 40, DeviceId=f"{{{DEVICE.upper()}}}", TenantId=TENANT)
    assert seen(host) == (EntraJoin(DEVICE, TENANT), [], 3)


def test_without_the_value_the_certificate_tells() -> None:
    host, der = workstation(), certificate(DEVICE)
    joined(host, thumbprint(der), TenantId=TENANT)
    stored(host, thumbprint(der), element(3, b"x" * 20) + element(11, b"name") + element(32, der))
    assert seen(host) == (EntraJoin(DEVICE, TENANT), [], 4)


def test_a_certificate_that_is_another_is_not_believed() -> None:
    host, der = workstation(), certificate(DEVICE)
    joined(host, "A" * 40, TenantId=TENANT)
    stored(host, "A" * 40, element(32, der))
    join, errors, _unused = seen(host)
    assert join == EntraJoin(None, TENANT)
    assert "another thumbprint" in errors[0]["message"]


@pytest.mark.parametrize(
    "blob", [b"", b"\x00" * 11, element(3, b"x"), element(32, b"junk"), struct.pack("<III", 32, 1, 2**32 - 1) + b"short"]
)
def test_a_store_entry_that_is_none(blob: bytes) -> None:
    host = workstation()
    name = thumbprint(b"junk")
    joined(host, name, TenantId=TENANT)
    stored(host, name, blob)
    join, errors, _unused = seen(host)
    assert join == EntraJoin(None, TENANT)
    assert len(errors) == 1


@pytest.mark.parametrize("names", [("PC01",), (), (DEVICE, DEVICE)])
def test_a_subject_that_is_no_device(names: tuple[str, ...]) -> None:
    with pytest.raises(KeywardError, match="no device ID"):
        subject_guid(certificate(*names))


def test_a_join_not_named_by_a_thumbprint_leads_to_no_registry_path_of_its_own() -> None:
    host = workstation()
    joined(host, "odd", TenantId=TENANT)
    join, errors, _unused = seen(host)
    assert join == EntraJoin(None, TENANT)
    assert "GetBinaryValue" not in host.log
    assert "thumbprint" in errors[0]["message"]


@pytest.mark.parametrize("count", [2, 5])
def test_joins_that_disagree_name_no_device(count: int) -> None:
    host = workstation()
    for number in range(count):
        joined(host, f"{number:040X}", DeviceId=DEVICE[:-1] + str(number), TenantId=TENANT)
    join, errors, requests = seen(host)
    assert join == EntraJoin(None, None)
    assert errors[0]["read"] == "CloudDomainJoin"
    assert requests <= 1 + 4 * 3


def test_two_joins_of_one_device_are_one() -> None:
    host = workstation()
    joined(host, "0" * 40, DeviceId=DEVICE)
    joined(host, "1" * 40, DeviceId=DEVICE, TenantId=TENANT)
    join, errors, _unused = seen(host)
    assert (join, errors) == (EntraJoin(DEVICE, TENANT), [])


def test_a_registry_that_refuses_is_not_an_absent_join() -> None:
    host = workstation()
    host.failures["EnumKey"] = 5
    join, errors, _unused = seen(host)
    assert join is None
    assert [(error["read"], error["name"]) for error in errors] == [("CloudDomainJoin", "ERROR_ACCESS_DENIED")]
    host = workstation()
    host.failures["root/cimv2"] = host.failures["root/default"] = fault("InternalError", 0x80041001)
    assert seen(host)[1][0]["code"] == "0x80041001"


def test_without_the_library_the_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join_state, "x509", None)
    with pytest.raises(KeywardError, match="cryptography is not installed"):
        subject_guid(certificate(DEVICE))


def test_a_huge_blob_is_refused() -> None:
    with pytest.raises(LimitError):
        certificate_in(b"\x00" * (64 * 1024 + 1))


@given(
    st.binary(max_size=400)
    | st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=40))).map(lambda parts: b"".join(element(*part) for part in parts))
)
@settings(max_examples=200, deadline=None)
def test_any_blob_gives_bytes_of_it_or_an_error_of_ours(blob: bytes) -> None:
    try:
        found = certificate_in(blob)
    except KeywardError:
        return
    assert found in blob


SOUND = certificate(DEVICE)


@given(
    st.binary(max_size=300)
    | st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)).map(lambda at: SOUND[: at[0]] + bytes([at[1]]) + SOUND[at[0] + 1 :])
)
@settings(max_examples=200, deadline=None)
def test_any_certificate_gives_a_device_or_an_error_of_ours(der: bytes) -> None:
    with contextlib.suppress(KeywardError):
        assert guid(subject_guid(der)) is not None


@pytest.mark.parametrize(
    "text", [None, "", "x", " ", "{}", DEVICE + "0", f"{{{DEVICE}", f"{DEVICE}}}", f"{{{{{DEVICE}}}}}", DEVICE.replace("-", "")]
)
def test_what_is_no_guid(text: str | None) -> None:
    assert guid(text) is None


@pytest.mark.parametrize("text", [DEVICE, DEVICE.upper(), f"{{{DEVICE}}}", f" {DEVICE}\n"])
def test_what_is_a_guid(text: str) -> None:
    assert guid(text) == DEVICE
