# SPDX-License-Identifier: GPL-3.0-or-later
"""Positive controls of the scanner: every spelling in every sink is found, torn pieces are, and what is no secret is not."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import time
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.secrets.box import INPUTS, SINKS
from ansible_collections.keyward.bitlocker.tests.integration.secrets.canaries import make_entra_secrets
from ansible_collections.keyward.bitlocker.tests.integration.secrets.entra_credentials import SHAPES
from ansible_collections.keyward.bitlocker.tests.integration.secrets.ground import ODD_PASSWORD, make_estate, secrets_of
from ansible_collections.keyward.bitlocker.tests.integration.secrets.scanner import Leak, Scanner
from ansible_collections.keyward.bitlocker.tests.integration.secrets.spellings import GENERAL, OF_DIGITS, OF_TOKENS
from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from hypothesis import given, settings
from hypothesis import strategies as st

#: a group below 100000 and one below 10000, as arithmetic makes them
RECOVERY = "000077-123453-623447-720885-000011-109989-244442-475310"
SECRETS = {"recovery": RECOVERY, "account": "Lab-Report-4711", "odd": ODD_PASSWORD, **make_entra_secrets(random.Random(4))}
SCANNER = Scanner(SECRETS)
PACKAGE = random.Random(3).randbytes(160)
WITH_PACKAGE = Scanner({"package": PACKAGE})

CASES = [(name, spelling, secret) for name, spelling in GENERAL.items() for secret in SECRETS]
CASES += [(name, spelling, "recovery") for name, spelling in OF_DIGITS.items()]
CASES += [(name, spelling, "token") for name, spelling in OF_TOKENS.items()]
INNER = ("as it is", "base64, alignment 1", "Basic authentication", "hex", "hex with colons", "JSON", "URL, all of it", "backslash u")
OUTER = (
    "base64, alignment 2",
    "base64, wrapped",
    "HEX",
    "JSON",
    "gzip",
    "zlib, torn",
    "bz2",
    "xz",
    "zip",
    "zip in base64",
    "base64 of UTF-16",
)


def file_of(sink: str) -> str:
    """A file in a sink."""
    return f"{sink}host01.xml" if sink.endswith("/") else sink


@pytest.mark.parametrize("sink", SINKS)
def test_every_spelling_in_every_sink_is_found(tmp_path: Path, sink: str) -> None:
    path = tmp_path / file_of(sink)
    path.parent.mkdir(parents=True, exist_ok=True)
    missed = []
    for name, spelling, secret in CASES:
        path.write_bytes(b'{"task": "Observe", "time": "21:03:04.123456"}\n' + spelling(SECRETS[secret]) + b"\nok: [pc01] => 17\n")
        found = SCANNER.scan_files(tmp_path, inputs=[INPUTS])
        if {(leak.place, leak.secret) for leak in found} != {(file_of(sink), secret)}:
            missed.append((name, secret, sorted(found)))
    assert missed == []


def test_inputs_alone_are_left_out(tmp_path: Path) -> None:
    for folder in (INPUTS, "indeed", "home/in"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "variables.yml").write_text(RECOVERY)
    assert {leak.place for leak in SCANNER.scan_files(tmp_path, inputs=[INPUTS])} == {"indeed/variables.yml", "home/in/variables.yml"}


def test_names_of_files_and_targets_of_links_are_read(tmp_path: Path) -> None:
    (tmp_path / f"{RECOVERY}.txt").touch()
    (tmp_path / "link").symlink_to("Lab-Report-4711")
    assert {(leak.place, leak.secret) for leak in SCANNER.scan_files(tmp_path)} == {
        ("names of files", "recovery"),
        ("names of files", "account"),
    }


@pytest.mark.parametrize("start", range(5))
@pytest.mark.parametrize("mark", ["-", "", " ", ":", "\n", "</b> <b>"])
def test_any_four_groups_are_a_leak_and_three_are_none(start: int, mark: str) -> None:
    groups = RECOVERY.split("-")
    assert SCANNER.scan(mark.join(groups[start : start + 4]).encode())
    assert not SCANNER.scan(mark.join(groups[start : start + 3]).encode())


@settings(max_examples=100, deadline=None)
@given(before=st.binary(max_size=40), after=st.binary(max_size=40), start=st.integers(0, 144))
def test_any_sixteen_bytes_of_a_package_are_a_leak(before: bytes, after: bytes, start: int) -> None:
    piece = PACKAGE[start : start + 16]
    assert WITH_PACKAGE.scan(before + piece + after)
    assert not WITH_PACKAGE.scan(piece[:15])


# numbered entities of HTML stand for other characters where they are control characters of Latin-1
@pytest.mark.parametrize("name", [name for name in GENERAL if not name.startswith(("wrapped by", "folded", "coloured", "HTML, numbered"))])
def test_a_package_is_found_in_every_spelling(name: str) -> None:
    # as bytes that were taken for Latin-1 on the way, and in the spellings of bytes as they are
    assert WITH_PACKAGE.scan(GENERAL[name](PACKAGE.decode("latin-1"))), name


@pytest.mark.parametrize(
    "spelled",
    [
        PACKAGE,
        base64.b64encode(PACKAGE),
        base64.b64encode(b"x" + PACKAGE),
        base64.urlsafe_b64encode(PACKAGE),
        PACKAGE.hex().encode(),
        repr(PACKAGE).encode(),
        repr(list(PACKAGE)).encode(),
        gzip.compress(PACKAGE),
        json.dumps(PACKAGE.decode("utf-8", "surrogateescape")).encode(),
        # as a host sends it (DSP0230, 5.1: an array of octets)
        "".join(f"<p:KeyPackage>{octet}</p:KeyPackage>" for octet in PACKAGE).encode(),
        "\n".join(f'<n1:KeyPackage xsi:type="xs:unsignedByte">{octet}</n1:KeyPackage>' for octet in PACKAGE).encode(),
        json.dumps({"key_packages": [base64.b64encode(PACKAGE).decode()] * 2}).encode(),
        b"b64:" + base64.b64encode(base64.b64encode(PACKAGE)),
        "\\".join(f"{octet:02x}" for octet in PACKAGE).encode(),
        PACKAGE.hex("-").upper().encode(),
        ("0x" + PACKAGE.hex()).encode(),
        str(memoryview(PACKAGE).tolist()).replace(" ", "").encode(),
    ],
    ids=[
        "bytes",
        "base64",
        "base64 shifted",
        "base64 URL",
        "hex",
        "repr",
        "list",
        "gzip",
        "surrogates",
        "XML array",
        "typed XML array",
        "observation",
        "base64 twice",
        "LDAP filter",
        "hex with hyphens",
        "hexadecimal number",
        "list without blanks",
    ],
)
def test_bytes_are_found_as_bytes(spelled: bytes) -> None:
    assert WITH_PACKAGE.scan(b"some text " + spelled + b" more text")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_scanned(data: bytes) -> None:
    assert SCANNER.scan(data) == set()


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", INNER)
def test_spellings_within_spellings_are_found(inner: str, outer: str) -> None:
    assert SCANNER.scan(GENERAL[outer](GENERAL[inner]("Lab-Report-4711").decode("ascii")))


def test_neighbours_of_a_secret_are_none() -> None:
    digits = [f"{int(group) + 11:06d}" for group in RECOVERY.split("-")]
    clean = [
        "-".join(digits).encode(),
        RECOVERY[:20].encode(),
        "-".join(reversed(RECOVERY.split("-"))).encode(),
        b"Lab-Report-4712 Lab-Report-x4711-Report-Lab",
        "".join(str(uuid) for uuid in range(3000)).encode(),
    ]
    assert [SCANNER.scan(data) for data in clean] == [set()] * len(clean)


@pytest.mark.parametrize("start", [0, 21, 150])
def test_any_sixteen_characters_of_a_long_text_are_a_leak(start: int) -> None:
    piece = SECRETS["token"][start : start + 16]
    assert {leak.secret for leak in SCANNER.scan(f"x{piece}x".encode())} == {"token"}
    assert not SCANNER.scan(f"x{piece[:15]}x".encode())


@pytest.mark.parametrize("name", ["as it is", "JSON", "base64 twice", "gzip in base64 in JSON", "URL, all of it", "HTML, numbered in hex"])
def test_shapes_are_found_whoever_made_them(name: str) -> None:
    shaped = Scanner({}, SHAPES)
    for text, shape in (
        (SECRETS["token"], "a signed token"),
        ("kwlabtoken.eyJhIjoxfQ.00ff", "a token of the lab"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "a private key"),
    ):
        assert {leak.secret for leak in shaped.scan(GENERAL[name](text))} == {shape}
    assert not shaped.scan(b"-----BEGIN CERTIFICATE----- eyJhbGciOi and kwlab tokens")


def test_what_is_learnt_later_is_found() -> None:
    scanner = Scanner({"account": "Lab-Report-4711"})
    assert not scanner.scan(b"nothing")
    scanner.learn({"token": SECRETS["token"], "recovery": RECOVERY})
    assert {leak.secret for leak in scanner.scan(f"{SECRETS['token']} {RECOVERY} Lab-Report-4711".encode())} == {
        "token",
        "recovery",
        "account",
    }


def test_it_says_whose_secret_is_where_and_how() -> None:
    (found,) = SCANNER.scan(GENERAL["gzip in base64 in JSON"](RECOVERY), "log")
    assert found == Leak("log", "recovery", found.view)
    assert found.view.endswith("gzip")
    assert RECOVERY not in str(found)


def test_a_secret_too_short_to_look_for_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Scanner({"pin": "1234567"})
    with pytest.raises(ValueError, match="too short"):
        Scanner({"package": b"x" * 15})


def test_the_secrets_of_the_lab_are_many_and_all_looked_for() -> None:
    secrets = secrets_of(make_estate())
    kinds = {name.split()[0] for name in secrets}
    assert kinds == {"wrong", "account", "host", "protector", "machine", "entry", "package", "entra", "client"}
    assert len(secrets) > 200
    scanner = Scanner(secrets)
    for name, value in secrets.items():
        spelled = value if isinstance(value, bytes) else value.encode()
        assert name in {leak.secret for leak in scanner.scan(spelled)} or list(secrets.values()).count(value) > 1


def test_it_is_fast() -> None:
    rng = random.Random(5)
    scanner = Scanner({str(number): values.recovery_password(rng) for number in range(1000)})
    line = '{"key_id": "1a2b3c4d-0102-4304-8506-0708090a0b0c", "created": "2026-11-22T20:00:00Z", "dn": "CN=PC01,OU=Clients,DC=lab"}\n'
    data = line.encode() * 2000 + os.urandom(200_000)
    began = time.process_time()
    assert scanner.scan(data) == set()
    assert time.process_time() - began < 10
