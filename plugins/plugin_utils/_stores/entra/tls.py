# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""TLS for Graph and the token service: one context that no environment variable can weaken, and what a failed handshake means.

requests and urllib3 obey REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSLKEYLOGFILE, and ``ssl`` SSL_CERT_FILE and SSL_CERT_DIR; a context of our
own, filled from a file of our own choosing, obeys none of them.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from ..._errors import KeywardError, OptionError, TlsError
from ..shown import path_shown

try:
    from requests import Response
    from requests.adapters import HTTPAdapter
    from requests.utils import DEFAULT_CA_BUNDLE_PATH
except ImportError:
    HTTPAdapter = object  # type: ignore[assignment,misc]  # optional: its absence is an error only where it is needed
    DEFAULT_CA_BUNDLE_PATH = ""

_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_SET_CA = "Set ca_cert to that authority's certificate; a proxy that opens TLS has one of its own."

#: OpenSSL's verification results (X509_V_ERR_*): what they mean and what to do
_VERIFY = {
    9: ("its certificate is not valid yet", "Check the clocks of both machines."),
    10: ("its certificate has expired", "Check the clock of this machine, and whether a proxy stands between."),
    18: ("its certificate is self-signed and not trusted", _SET_CA),
    19: ("its certificate comes from an authority that is not trusted", _SET_CA),
    20: ("its certificate comes from an authority that is not trusted", _SET_CA),
    21: ("its certificate comes from an authority that is not trusted", _SET_CA),
    23: ("its certificate was revoked", "Check whether a proxy stands between."),
    62: ("its certificate does not name this server", "Check graph_url and authority, and whether a proxy stands between."),
    64: ("its certificate does not name this address", "Check graph_url and authority, and whether a proxy stands between."),
}


def make_context(ca_cert: str | None) -> ssl.SSLContext:
    """A context that verifies against ``ca_cert`` (path or PEM text) alone, without it against the set that comes with requests.

    Raises:
        OptionError: ca_cert is no certificate, or cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not ca_cert:
        context.load_verify_locations(cafile=DEFAULT_CA_BUNDLE_PATH)
        return context
    try:
        if _CERTIFICATE in ca_cert:
            context.load_verify_locations(cadata=ca_cert)
        else:
            data = Path(ca_cert).expanduser().read_bytes()
            context.load_verify_locations(cadata=data.decode("ascii") if _CERTIFICATE.encode() in data else data)
    except (OSError, ValueError) as error:
        unreadable = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
        raise OptionError(
            "use the option ca_cert",
            target="the text given" if _CERTIFICATE in ca_cert else path_shown(ca_cert),
            meaning=str(getattr(error, "strerror", "")) if unreadable else "it holds no certificate that OpenSSL can read",
            remedy="Give the path of a PEM or DER file, or PEM text.",
        ) from error
    return context


class VerifiedAdapter(HTTPAdapter):
    """Connections of one requests session with one context, whatever ``verify`` and the environment say."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(max_retries=0, pool_connections=4, pool_maxsize=4)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Direct connections: with our context."""
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """Connections through a proxy: with our context inside the tunnel, and to the proxy itself where that speaks TLS."""
        options["ssl_context"] = self._context
        if proxy.lower().startswith("https:"):
            options["proxy_ssl_context"] = self._context
        return super().proxy_manager_for(proxy, **options)

    def build_response(self, req: Any, resp: Any) -> Response:
        """Status, headers and the body yet to be read; no cookie is looked for."""
        response = Response()
        response.status_code, response.headers, response.raw = resp.status, resp.headers, resp
        return response

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The base class would load the default authorities into our context here, beside the one that alone is to be trusted."""
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = None
        conn.ca_cert_dir = None


def tls_error(error: BaseException, attempted: str, target: str) -> KeywardError:
    """What a failed handshake means; ``error`` may hold OpenSSL's own error deep inside."""
    found = _inner(error, ssl.SSLError)
    if isinstance(found, ssl.SSLCertVerificationError):
        meaning, remedy = _VERIFY.get(found.verify_code, ("its certificate was refused", "Check the certificate and ca_cert."))
        return TlsError(attempted, target=target, code=f"X509 {found.verify_code}", meaning=meaning, remedy=remedy)
    return TlsError(
        attempted,
        target=target,
        name=str(getattr(found, "reason", None) or ""),
        meaning="the two sides could not agree on TLS",
        remedy="Check the address, and whether a proxy stands between; TLS 1.2 or newer is needed.",
    )


def _inner(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The first exception of a kind among an exception, its causes and its arguments; libraries wrap in all three ways."""
    waiting: list[object] = [error]
    seen: list[object] = []
    while waiting and len(seen) < 32:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or any(current is other for other in seen):
            continue
        seen.append(current)
        if isinstance(current, kind) and type(current).__module__ == "ssl":
            return current
        waiting += [getattr(current, "reason", None), current.__cause__, current.__context__, *current.args]
    return None
