# SPDX-License-Identifier: GPL-3.0-or-later
"""The Entra credentials of the secrets test as files, good and bad ones, and what in them must never be seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.entra.accounts import CredentialFiles
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

#: nobody accepts it; a secret all the same
WRONG_CLIENT_SECRET = "Wr0~8Q~ng.Client_Secret-8845.aBcDeFgHiJk"
WRONG_FILE_PASSWORD = "Wrong-File-8846"
PEM_PASSWORD = "Lab-Pem-Password-8847"
#: whatever has one of these shapes was made by somebody's secret: assertions are made anew for every request
SHAPES = {
    "a signed token": re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),
    "a token of the lab": re.compile(rb"kwlab(?:token|device)\."),
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
}


@dataclass(frozen=True)
class EntraFiles:
    """Beside the lab's own files: the report's certificate behind a password, one that has expired, one nobody registered."""

    lab: CredentialFiles
    sealed_pem: Path
    expired_pem: Path

    def secrets(self) -> dict[str, str | bytes]:
        """By name: private numbers, passwords, the federated token."""
        found: dict[str, str | bytes] = {
            "wrong client secret": WRONG_CLIENT_SECRET,
            "wrong password of a certificate": WRONG_FILE_PASSWORD,
            "password of a PEM file": PEM_PASSWORD,
            "password of a PFX file": self.lab.pfx_password,
            "federated token": self.lab.federated_token.read_text(encoding="ascii").strip(),
        }
        for name, path in (("report's key", self.lab.certificate_pem), ("expired key", self.expired_pem)):
            found |= private_numbers(name, _key(path.read_bytes()))
        return found


def _key(pem: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def private_numbers(name: str, key: rsa.RSAPrivateKey) -> dict[str, str | bytes]:
    """What makes a key private, as its encodings hold it, and the exponent as ``repr`` shows it."""
    numbers = key.private_numbers()
    found: dict[str, str | bytes] = {f"{name}, exponent in decimal": str(numbers.d)}
    for part, value in (("exponent", numbers.d), ("first prime", numbers.p), ("second prime", numbers.q)):
        found[f"{name}, {part}"] = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return found


def make(lab: CredentialFiles, folder: Path) -> EntraFiles:
    """Write the files that the lab does not have."""
    folder.mkdir(parents=True, exist_ok=True)
    pem = lab.certificate_pem.read_bytes()
    sealed = serialization.BestAvailableEncryption(PEM_PASSWORD.encode())
    private = _key(pem).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    expired_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = expired_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = EntraFiles(lab, folder / "sealed.pem", folder / "expired.pem")
    certificate = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.PEM)
    for path, data in ((files.sealed_pem, private + certificate), (files.expired_pem, plain + _expired(expired_key))):
        path.touch(mode=0o600)
        path.write_bytes(data)
    return files


def _expired(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "keyward lab, expired")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=400))
    return builder.not_valid_after(now - timedelta(days=1)).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def without(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Options without some of them."""
    return {name: value for name, value in options.items() if name not in names}
