# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificate authorities: one that the lab's clients trust, and one that nobody does.

Everything is EC P-256, so a thousand host certificates take about a second. The authorities are created on first use in a folder and
loaded from it afterwards, also by several processes at once.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: how long an authority and, unless asked otherwise, a certificate is valid
_LIFETIME = timedelta(days=20 * 365)
_NAMES = {"lab": "Keyward Lab CA", "untrusted": "Keyward Lab CA nobody trusts"}


class LabCA:
    """The lab's certificate authorities in one folder: ``lab`` (to be trusted by clients through :attr:`ca_pem`) and ``untrusted``."""

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._issued = self.directory / "issued"
        self._issued.mkdir(exist_ok=True)
        self._authorities = {kind: self._load_or_create(kind) for kind in _NAMES}

    @property
    def ca_pem(self) -> Path:
        """The certificate that clients of the lab trust."""
        return self.directory / "lab-ca.pem"

    @property
    def untrusted_pem(self) -> Path:
        """The certificate of the authority that clients of the lab do not trust."""
        return self.directory / "untrusted-ca.pem"

    def issue(
        self,
        *,
        dns_names: Iterable[str] = (),
        addresses: Iterable[str] = (),
        common_name: str | None = None,
        ca: str = "lab",
        not_after: datetime | None = None,
        client: bool = False,
    ) -> tuple[Path, Path]:
        """Issue a certificate: (chain as PEM, leaf first; unencrypted key as PEM, mode 0600).

        Args:
            dns_names: subjectAltName dNSName entries.
            addresses: subjectAltName iPAddress entries.
            common_name: subject CN; the first DNS name or address where not given.
            ca: ``lab`` or ``untrusted``.
            not_after: end of validity (aware); a time in the past makes an expired certificate.
            client: for client authentication; a common name with an ``@`` or any other account name is then also put
                into the subjectAltName as a user principal name would be mapped by Windows.
        """
        names = list(dns_names)
        numbers = list(addresses)
        subject = common_name or next(iter([*names, *numbers]), "lab host")
        authority_key, authority = self._authorities[ca]
        key = ec.generate_private_key(ec.SECP256R1())
        end = not_after or datetime.now(UTC) + _LIFETIME
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(number)) for number in numbers]
        if client:
            alternatives.append(x509.OtherName(_UPN, _der_utf8(subject)))
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            _builder(subject, authority.subject, key.public_key(), min(datetime.now(UTC), end) - timedelta(days=1), end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(authority_key, hashes.SHA256())
        stem = f"{certificate.serial_number:x}"
        chain = certificate.public_bytes(serialization.Encoding.PEM) + authority.public_bytes(serialization.Encoding.PEM)
        chain_path, key_path = self._issued / f"{stem}.pem", self._issued / f"{stem}.key"
        _write(key_path, _key_pem(key), 0o600)
        _write(chain_path, chain, 0o644)
        return chain_path, key_path

    def _load_or_create(self, kind: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key_path, pem_path = self.directory / f"{kind}-ca.key", self.directory / f"{kind}-ca.pem"
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not pem_path.exists():
                key = ec.generate_private_key(ec.SECP256R1())
                name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAMES[kind])])
                now = datetime.now(UTC)
                certificate = (
                    _builder(_NAMES[kind], name, key.public_key(), now - timedelta(days=1), now + _LIFETIME)
                    .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                    .add_extension(_ca_key_usage(), critical=True)
                    .sign(key, hashes.SHA256())
                )
                _write(key_path, _key_pem(key), 0o600)
                _write(pem_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        loaded = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key_path} holds no EC key")
        return loaded, x509.load_pem_x509_certificate(pem_path.read_bytes())


_UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def _der_utf8(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 127:
        raise ValueError("the account name is too long for a short DER length")
    return bytes([0x0C, len(raw)]) + raw


def _builder(
    subject: str, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject[:64])]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _ca_key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # SEC1 ("EC PRIVATE KEY") is not read by every TLS library the directory may use, PKCS#8 is
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
