# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""TLS for both transports: contexts kept by their settings, the names a verified certificate proves, failures told apart."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from typing import Any, Final

from ...._errors import OptionError, TlsError
from ..settings import ConnectionSettings

_Key = tuple[bool, str | None, tuple[int, int, int] | None, str | None, str | None]
_contexts: dict[_Key, ssl.SSLContext] = {}
# OpenSSL reads its configuration with a process's first context (2 ms). Here that is Ansible's main process, and its workers inherit it.
ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

#: X509_V_ERR_* of OpenSSL (x509_vfy.h): what went wrong, and the remedy
_NAME: Final = (
    "Connect by a name that the certificate lists, or give the host's listener a certificate with the right subject alternative name."
)
_CHAIN: Final = "Give the CA that signed the host's certificate as ansible_winrm_ca_trust_path."
_CLOCK: Final = "Renew the certificate of the host's WinRM listener, and check the clocks on both sides."
_VERIFY: Final[dict[int, tuple[str, str]]] = {
    9: ("the host's certificate is not valid yet", _CLOCK),
    10: ("the host's certificate has expired", _CLOCK),
    18: ("the host's certificate is signed by itself and not trusted", _CHAIN),
    19: ("the host's certificate chain ends in an authority that is not trusted", _CHAIN),
    20: ("the host's certificate comes from an authority that is not trusted", _CHAIN),
    21: ("the host's certificate comes from an authority that is not trusted", _CHAIN),
    23: ("the host's certificate is revoked", "Give the host's WinRM listener a new certificate."),
    26: ("the host's certificate is not meant for a server", "Give the listener a certificate with the usage Server Authentication."),
    62: ("the host's certificate does not name the host", _NAME),
    64: ("the host's certificate does not name this IP address", _NAME),
}


def client_context(settings: ConnectionSettings) -> ssl.SSLContext:
    """The TLS context for a host: with a CA given, that CA alone is trusted and the system's bundle is not even loaded.

    ``ca_trust_path`` is a PEM file, or a folder as OpenSSL's ``rehash`` leaves it; without it REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE,
    as the winrm connection plugin has it, else the system's trust. Raises OptionError for files that cannot be used.
    """
    verify = settings.server_cert_validation != "ignore"
    trust = trust_path(settings) if verify else None
    key: _Key = (verify, trust, _stamp(trust), settings.cert_pem, settings.cert_key_pem)
    context = _contexts.get(key)
    if context is None:
        context = _contexts[key] = _new_context(verify, trust, settings)
    return context


def trust_path(settings: ConnectionSettings) -> str | None:
    """The CA file or folder that counts: the explicit one always wins over the environment's."""
    if settings.ca_trust_path:
        return settings.ca_trust_path
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None


def _stamp(path: str | None) -> tuple[int, int, int] | None:
    """A CA file that was replaced is another CA setting, also in a process that lives long."""
    try:
        seen = os.stat(path) if path else None
    except OSError:
        return None
    return (seen.st_ino, seen.st_mtime_ns, seen.st_size) if seen else None


def _new_context(verify: bool, trust: str | None, settings: ConnectionSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        # the common name has not been a host name since RFC 6125, and urllib3 does not take it either
        context.hostname_checks_common_name = False
        _load_trust(context, trust)
    if settings.cert_pem:
        # Windows asks for the certificate after the handshake, when the request is there (RFC 8446 4.6.2)
        context.post_handshake_auth = True
        _load_client_certificate(context, settings.cert_pem, settings.cert_key_pem)
    return context


def _load_trust(context: ssl.SSLContext, trust: str | None) -> None:
    if trust is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        if os.path.isdir(trust):
            context.load_verify_locations(capath=trust)
        else:
            context.load_verify_locations(cafile=trust)
    except (OSError, ValueError) as cause:
        raise OptionError(
            "read the trusted CA",
            target=trust,
            meaning="the file cannot be read or holds no certificate in PEM form",
            remedy="Correct ansible_winrm_ca_trust_path (or REQUESTS_CA_BUNDLE).",
        ) from cause


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    try:
        # an encrypted key would make OpenSSL ask on the terminal
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ValueError, TypeError) as cause:
        raise OptionError(
            "read the client certificate",
            # somebody may have given the content, key and all, in place of a path
            target=certificate if "-----BEGIN" not in certificate else "a text that is no path",
            meaning="certificate or key cannot be read, do not fit each other, or the key is encrypted",
            remedy="Correct ansible_winrm_cert_pem and ansible_winrm_cert_key_pem; the key must be a PEM file without a passphrase.",
        ) from cause


def _no_passphrase() -> str:
    return ""


def certified_names(certificate: Mapping[str, Any] | None, connected_to: str) -> tuple[str, ...]:
    """The DNS names that a verified certificate proves: exact names of its SAN, and the name connected to where a wildcard covers it.

    ``certificate`` is ``SSLSocket.getpeercert()``, which is empty unless the certificate was verified. An address proves no name by
    itself, but a certificate that is valid for the address proves the names beside it.
    """
    names: list[str] = []
    wanted = connected_to.rstrip(".").lower()
    for kind, value in (certificate or {}).get("subjectAltName", ()):
        if kind != "DNS" or not isinstance(value, str):
            continue
        name = value.rstrip(".").lower()
        if "*" not in name:
            names.append(name)
        elif not is_address(wanted) and name.startswith("*.") and "*" not in name[1:] and wanted.partition(".")[2] == name[2:]:
            names.append(wanted)
    return tuple(dict.fromkeys(name for name in names if name))


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def tls_error(error: ssl.SSLError | OSError, *, attempted: str, target: str) -> TlsError:
    """The error for a TLS failure, each cause with its own remedy."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        meaning, remedy = _VERIFY.get(code, ("the host's certificate is not accepted", _CHAIN))
        return TlsError(attempted, target=target, code=f"X509 {code}", meaning=meaning, remedy=remedy)
    said = str(getattr(error, "reason", "") or "").upper()
    if "CERTIFICATE_REQUIRED" in said or "ALERT_HANDSHAKE_FAILURE" in said or "ALERT_BAD_CERTIFICATE" in said or "UNKNOWN_CA" in said:
        return TlsError(
            attempted,
            target=target,
            code=said,
            meaning="the host ended TLS: it wants another client certificate, or no cipher fits",
            remedy="Check the client certificate and its mapping on the host, and the host's TLS settings.",
        )
    if "WRONG_VERSION_NUMBER" in said or "HTTP_REQUEST" in said or "UNKNOWN_PROTOCOL" in said:
        return TlsError(
            attempted,
            target=target,
            code=said,
            meaning="the port does not speak TLS",
            remedy="Use the HTTPS listener's port (5986), or ansible_winrm_scheme http with an authentication that encrypts.",
        )
    if "PROTOCOL_VERSION" in said or "UNSUPPORTED_PROTOCOL" in said or "NO_SHARED_CIPHER" in said:
        return TlsError(
            attempted,
            target=target,
            code=said,
            meaning="the host offers no TLS version or cipher that is still safe",
            remedy="Enable TLS 1.2 on the host.",
        )
    return TlsError(
        attempted,
        target=target,
        code=said,
        meaning="the TLS handshake did not succeed",
        remedy="Check that the port is an HTTPS listener of WinRM with a certificate (winrm enumerate winrm/config/listener).",
    )
