# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""An application's credentials in the forms that msal takes, each checked before anything is sent.

msal looks at them only after its first request, and some mistakes only when a token is due; an empty secret it does not notice at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..._core.redaction import Secret
from ..._errors import OptionError
from ..shown import path_shown
from .settings import CERTIFICATE, FEDERATED_TOKEN, EntraSettings

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import pkcs12
except ImportError:
    x509 = None  # type: ignore[assignment]  # optional: its absence is an error only where it is needed

#: bytes of a certificate file or a token file; both have a few thousand
_MAX_FILE = 256 * 1024


def client_credential(settings: EntraSettings) -> Any:
    """What msal's ``client_credential`` is for these settings.

    Raises:
        OptionError: a file cannot be read or does not hold what it should.
    """
    if settings.auth_method == CERTIFICATE:
        return _certificate(settings)
    if settings.auth_method == FEDERATED_TOKEN:
        return {"client_assertion": _assertion_reader(settings.federated_token_file or "")}
    return settings.secret.reveal() if settings.secret else ""


def _assertion_reader(path: str) -> Callable[[], str]:
    """Reads the token file on each call: its owner (a kubelet, a CI runner) replaces it while we run."""
    read_token(path)  # a missing file is an option error now, not in the middle

    def read() -> str:
        return read_token(path).reveal()

    return read


def read_token(path: str) -> Secret[str]:
    """The token in a federated token file: one JWT.

    Raises:
        OptionError: the file cannot be read, is empty, or holds something else.
    """
    text = _read(path, "federated_token_file").decode("ascii", "replace").strip()
    if text.count(".") != 2 or not text.isascii() or any(character.isspace() for character in text):
        raise _refused(
            "federated_token_file", path, "it holds no token (three parts with dots between)", "Write the job's OIDC token into it."
        )
    return Secret(text)


def _certificate(settings: EntraSettings) -> dict[str, str]:
    """Key and certificate in PEM. Without a certificate in the file the thumbprint must name it; with both they must agree."""
    path = settings.x509_certificate_path or ""
    if x509 is None:
        raise _refused("x509_certificate_path", path, "the Python package cryptography is not installed", "Install it where Ansible runs.")
    key, certificate = _load(path, settings.certificate_password)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _refused(
            "x509_certificate_path", path, "its key is no RSA key, and Entra ID takes no other", "Make a certificate with an RSA key."
        )
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    credential = {"private_key": encoded.decode("ascii")}
    if certificate is None:
        if not settings.thumbprint:
            raise _refused(
                "thumbprint", path, "the file holds a key and no certificate", "Append the certificate to it, or set thumbprint."
            )
        return credential | {"thumbprint": settings.thumbprint}
    if certificate.public_key() != key.public_key():
        raise _refused("x509_certificate_path", path, "key and certificate do not belong together", "Put the matching pair into the file.")
    # SHA-1 names a certificate in Azure, no more: nothing rests on its strength
    if settings.thumbprint and certificate.fingerprint(hashes.SHA1()).hex() != settings.thumbprint:
        raise _refused("thumbprint", path, "it is another certificate's", "Remove thumbprint, or name the right file.")
    return credential | {"public_certificate": certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")}


def _load(path: str, password: Secret[str] | None) -> tuple[Any, Any]:
    """Key and certificate (or None) of a PEM or PKCS #12 file."""
    data = _read(path, "x509_certificate_path")
    phrase = password.reveal().encode() if password else None
    try:
        if b"-----BEGIN " not in data:
            key, certificate, _others = pkcs12.load_key_and_certificates(data, phrase)
        else:
            # a password for a key that has none is refused, and may be meant for another file
            encrypted = b"ENCRYPTED" in data
            key = serialization.load_pem_private_key(data, phrase if encrypted else None)
            certificate = _first_certificate(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        meaning = "the password is wrong or missing, or it is no PEM or PFX file with a private key"
        # not as a cause: OpenSSL's words may quote what it read
        raise _refused("x509_certificate_path", path, meaning, "Check the file and certificate_password.") from None
    if key is None:
        raise _refused("x509_certificate_path", path, "the file holds no private key", "Export the certificate with its key.")
    return key, certificate


def _first_certificate(data: bytes) -> Any:
    return x509.load_pem_x509_certificate(data) if b"-----BEGIN CERTIFICATE-----" in data else None


def _read(path: str, option: str) -> bytes:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read(_MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise _refused(option, path, f"it cannot be read ({reason})", "Correct the path, or let this account read it.") from error
    if not data.strip() or len(data) > _MAX_FILE:
        raise _refused(option, path, "it is empty" if len(data) <= _MAX_FILE else "it is far too long", "Name the right file.")
    return data


def _refused(option: str, path: str, meaning: str, remedy: str) -> OptionError:
    return OptionError(f"use the option {option}", target=path_shown(path), meaning=meaning, remedy=remedy)
