# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""TLS for the directory: TLS 1.2 or newer, the authority that is named and no other, the name or address checked by OpenSSL."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from ..._errors import KeywardError, OptionError, TlsError, UnreachableError
from ..shown import path_shown
from .settings import DirectorySettings

_ATTEMPTED = "make a TLS connection to the directory"
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"

#: OpenSSL's verification results (X509_V_ERR_*): what they mean and what to do
_VERIFY = {
    9: ("its certificate is not valid yet", "Check the clocks of both machines."),
    10: ("its certificate has expired", "Renew the domain controller's certificate."),
    18: ("its certificate is self-signed and not trusted", "Set ca_cert to the authority that issued it."),
    19: ("its certificate comes from an authority that is not trusted", "Set ca_cert to that authority's certificate."),
    20: ("its certificate comes from an authority that is not trusted", "Set ca_cert to that authority's certificate."),
    21: ("its certificate comes from an authority that is not trusted", "Set ca_cert to that authority's certificate."),
    23: ("its certificate was revoked", "Renew the domain controller's certificate."),
    62: ("its certificate does not name this server", "Set server to a name that is in the certificate."),
    64: ("its certificate does not name this address", "Set server to a name that is in the certificate."),
}


def make_context(settings: DirectorySettings) -> ssl.SSLContext:
    """An SSL context for these settings.

    Raises:
        OptionError: ca_cert is no certificate, or cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = settings.cert_validation == "always"
    if settings.cert_validation == "ignore":
        context.verify_mode = ssl.CERT_NONE
    elif settings.ca_cert:
        _load_authority(context, settings.ca_cert)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def _load_authority(context: ssl.SSLContext, ca_cert: str) -> None:
    shown = "the text given" if _CERTIFICATE in ca_cert else path_shown(ca_cert)
    try:
        if _CERTIFICATE in ca_cert:
            context.load_verify_locations(cadata=ca_cert)
        elif (path := Path(ca_cert).expanduser()).is_dir():
            context.load_verify_locations(capath=str(path))
        else:
            data = path.read_bytes()
            context.load_verify_locations(cadata=data.decode("ascii") if _CERTIFICATE.encode() in data else data)
    except (OSError, ValueError) as error:
        reason = (
            error.strerror
            if isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
            else "it holds no certificate that OpenSSL can read"
        )
        raise OptionError(
            "use the option ca_cert",
            target=shown,
            meaning=str(reason),
            remedy="Give the path of a PEM or DER certificate, a folder made by c_rehash, or PEM text.",
        ) from error


class VerifiedTls:
    """Stands where ldap3 expects its own ``Tls``; keeps the first failure, because ldap3 turns every one into text.

    ldap3 calls :meth:`wrap_socket` after connecting to an LDAPS port.
    """

    def __init__(self, settings: DirectorySettings, server: str) -> None:
        self._context = make_context(settings)
        self._server = server
        self._timeout = settings.connection_timeout
        self.failure: KeywardError | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Do the handshake over the connection's socket, with the time-out of connecting, and put the TLS socket in its place."""
        plain = connection.socket
        waits = plain.gettimeout()
        plain.settimeout(self._timeout)
        try:
            wrapped = self._context.wrap_socket(plain, server_hostname=self._server)
        except (OSError, ValueError) as error:
            self.failure = tls_error(error, self._server)
            raise
        wrapped.settimeout(waits)
        connection.socket = wrapped


def tls_error(error: BaseException, server: str) -> KeywardError:
    """What a failed handshake means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        meaning, remedy = _VERIFY.get(
            error.verify_code, (f"its certificate was refused ({error.verify_message})", "Check the certificate and ca_cert.")
        )
        return TlsError(_ATTEMPTED, target=server, code=f"X509 {error.verify_code}", meaning=meaning, remedy=remedy)
    if isinstance(error, TimeoutError | socket.timeout):
        return UnreachableError(
            _ATTEMPTED,
            target=server,
            meaning="it accepted the connection and then did not answer",
            remedy="Check the server, or name another first.",
        )
    if isinstance(error, ssl.SSLEOFError | ConnectionError):
        return TlsError(
            _ATTEMPTED,
            target=server,
            meaning="it closed the connection during the handshake",
            remedy="Check that the domain controller has a certificate for LDAPS and that port and tls_mode fit together.",
        )
    reason = getattr(error, "reason", None) or type(error).__name__
    return TlsError(
        _ATTEMPTED,
        target=server,
        name=str(reason),
        meaning="the two sides could not agree on TLS",
        remedy="Check that port and tls_mode fit together and that the server offers TLS 1.2 or newer.",
    )
