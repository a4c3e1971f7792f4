# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed assertions (RFC 7523): an application's own, by a registered certificate, and those of an issuer that it trusts.

Read and checked with ``cryptography`` alone, so that the library under test does not check itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

#: the longest life an assertion of a certificate may have
_LONGEST = 24 * 3600
#: clocks may differ by this much
_SKEW = 300


class AssertionRefusedError(Exception):
    """The assertion does not hold; ``number`` is the AADSTS number of the answer."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number
        self.why = why


@dataclass(frozen=True)
class Assertion:
    """A JWT taken apart; nothing of it is believed yet."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    def text(self, name: str) -> str:
        """A claim that must be a text."""
        value = self.claims.get(name)
        if not isinstance(value, str) or not value:
            raise AssertionRefusedError(50027, f"the assertion's claim {name} is missing")
        return value


def parse(text: str) -> Assertion:
    """Take a compact JWS apart."""
    parts = text.split(".")
    try:
        if len(parts) != 3:
            raise ValueError("not three parts")
        header, claims = (json.loads(_decode(part)) for part in parts[:2])
        signature = _decode(parts[2])
    except ValueError as error:
        raise AssertionRefusedError(50027, "the assertion is no JWT") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise AssertionRefusedError(50027, "the assertion is no JWT")
    return Assertion(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error


def check_certificate(assertion: Assertion, certificates: list[str], audiences: frozenset[str], now: datetime) -> None:
    """An application's own assertion: signed by a certificate registered for it, for this token endpoint, for a short time.

    Raises:
        AssertionRefusedError: 700027 for what concerns the certificate, 700023 for the audience, 700024 for the times, 50027 for the rest.
    """
    registered = [x509.load_pem_x509_certificate(pem.encode()) for pem in certificates]
    certificate = next((known for known in registered if _names(assertion.header, known)), None)
    if certificate is None:
        raise AssertionRefusedError(700027, "the certificate with the identifier used to sign the client assertion is not registered")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise AssertionRefusedError(700027, "the certificate used to sign the client assertion is not valid now")
    chain = assertion.header.get("x5c")
    if chain is not None and not _leads(chain, certificate):
        raise AssertionRefusedError(700027, "the first certificate of x5c is another one than its thumbprint says")
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise AssertionRefusedError(700027, "the certificate's key is no RSA key")
    _check_signature(assertion, key, 700027)
    if assertion.claims.get("aud") not in audiences:
        raise AssertionRefusedError(700023, "the client assertion's audience is not this token endpoint")
    _check_times(assertion, now, longest=_LONGEST)
    assertion.text("jti")


def check_federated(assertion: Assertion, issuers: Mapping[str, str], now: datetime) -> None:
    """An assertion of an issuer that publishes its key; who is meant by it is the caller's to check.

    Raises:
        AssertionRefusedError: 700211 for an issuer nobody knows, 50013 for the signature, 700024 for the times.
    """
    pem = issuers.get(assertion.text("iss"))
    if pem is None:
        raise AssertionRefusedError(700211, "no matching federated identity record was found for the assertion's issuer")
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise AssertionRefusedError(50013, "the issuer's key is no RSA key")
    if assertion.header.get("alg") != "RS256":
        raise AssertionRefusedError(50013, "the assertion is not signed by RS256")
    _check_signature(assertion, key, 50013)
    _check_times(assertion, now, longest=None)


def _names(header: Mapping[str, Any], certificate: x509.Certificate) -> bool:
    """Whether a header's thumbprints are this certificate's, all of those that it carries."""
    digests = {"x5t": hashlib.sha1, "x5t#S256": hashlib.sha256}
    der = certificate.public_bytes(serialization.Encoding.DER)
    said = {name: header[name] for name in digests if name in header}
    expected = {name: base64.urlsafe_b64encode(digests[name](der).digest()).decode().rstrip("=") for name in said}
    return bool(said) and all(isinstance(value, str) and value.rstrip("=") == expected[name] for name, value in said.items())


def _leads(chain: Any, certificate: x509.Certificate) -> bool:
    der = certificate.public_bytes(serialization.Encoding.DER)
    first = chain[0] if isinstance(chain, list) and chain else chain
    # msal leaves the line breaks of PEM in it
    return isinstance(first, str) and "".join(first.split()) == base64.b64encode(der).decode()


def _check_signature(assertion: Assertion, key: rsa.RSAPublicKey, number: int) -> None:
    digest = hashes.SHA256()
    paddings: dict[str, padding.AsymmetricPadding] = {
        "RS256": padding.PKCS1v15(),
        "PS256": padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size),
    }
    chosen = paddings.get(str(assertion.header.get("alg")))
    if chosen is None:
        raise AssertionRefusedError(number, "the assertion's algorithm is not accepted")
    try:
        key.verify(assertion.signature, assertion.signed, chosen, digest)
    except InvalidSignature as error:
        raise AssertionRefusedError(number, "the assertion's signature is not valid") from error


def _check_times(assertion: Assertion, now: datetime, *, longest: float | None) -> None:
    moment = now.timestamp()
    expires, begins = assertion.claims.get("exp"), assertion.claims.get("nbf", assertion.claims.get("iat", moment))
    if not isinstance(expires, int | float) or not isinstance(begins, int | float) or isinstance(expires, bool):
        raise AssertionRefusedError(700024, "the assertion does not say when it is valid")
    if not begins - _SKEW <= moment < expires + _SKEW:
        raise AssertionRefusedError(700024, "the assertion is not within its valid time range")
    if longest is not None and expires - begins > longest:
        raise AssertionRefusedError(700024, "the assertion is valid for too long")
