# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What can go wrong below SOAP, as our errors: names, routes, time-outs, TLS, HTTP statuses. One reading for both transports."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

from ...._errors import AuthenticationError, AuthorizationError, KeywardError, LimitError, ProtocolError, UnreachableError
from ..faults import is_local_account
from ..port import MAX_ENVELOPE, AnswerTimeoutError, ConnectionLostError, TruncatedAnswerError
from ..settings import ConnectionSettings
from .tls import tls_error

CONNECT = "connect to the host"
TALK = "talk to the host"


def socket_error(error: BaseException, settings: ConnectionSettings, *, connected: bool) -> KeywardError:
    """Our error for what a socket, or a library above it, raised; ``connected`` says that the connection stood (TLS included).

    A library's error is judged by the first error of the operating system or of TLS in its chain of causes.
    """
    target = settings.endpoint
    attempted = TALK if connected else CONNECT
    for cause in chain(error):
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError) and connected:
            return lost(target)
        if isinstance(cause, ssl.SSLError):
            return tls_error(cause, attempted=attempted, target=target)
        if isinstance(cause, socket.gaierror | UnicodeError):
            return UnreachableError(
                attempted,
                target=target,
                meaning="the host's name cannot be resolved",
                remedy="Check ansible_host and DNS.",
            )
        if isinstance(cause, TimeoutError):
            return _late(settings) if connected else _no_connection(settings)
        if isinstance(cause, ConnectionRefusedError):
            return UnreachableError(
                attempted,
                target=target,
                meaning="the host refuses connections at this port",
                remedy="Check that a WinRM listener runs at this port (winrm quickconfig) and that the firewall lets it through.",
            )
        if isinstance(cause, ConnectionError):
            return lost(target) if connected else tls_error(cause, attempted=attempted, target=target)
        if isinstance(cause, http.client.IncompleteRead):
            return cut_short(settings)
        if isinstance(cause, http.client.HTTPException):
            return no_http(settings)
        if isinstance(cause, OSError) and cause.errno is not None:
            return UnreachableError(
                attempted,
                target=target,
                code=f"errno {cause.errno}",
                meaning=(cause.strerror or "the network refuses").lower(),
                remedy="Check the address, the route and the firewall.",
            )
    if connected:
        return lost(target)
    return UnreachableError(attempted, target=target, meaning="no connection came about", remedy="Check the address and the port.")


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what is behind it: causes, contexts, and the errors that urllib3 and requests carry as arguments or ``reason``."""
    waiting = [error]
    seen: set[int] = set()
    while waiting and len(seen) < 32:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        waiting.extend(one for one in inner if isinstance(one, BaseException))


def _no_connection(settings: ConnectionSettings) -> UnreachableError:
    return UnreachableError(
        CONNECT,
        target=settings.endpoint,
        meaning=f"no connection within {settings.connect_timeout:g} s",
        remedy="Check that the host is on and that a firewall does not drop the port.",
    )


def _late(settings: ConnectionSettings) -> AnswerTimeoutError:
    return AnswerTimeoutError(
        TALK,
        target=settings.endpoint,
        meaning=f"no complete answer within {settings.read_timeout:g} s",
        remedy="Look at the host's load and its WMI service, or raise ansible_winrm_read_timeout_sec.",
    )


def lost(target: str) -> ConnectionLostError:
    """The connection ended before an answer came."""
    return ConnectionLostError(TALK, target=target, meaning="the connection ended before an answer came")


def too_long(settings: ConnectionSettings) -> LimitError:
    """The answer passes the bound of an envelope."""
    return LimitError(TALK, target=settings.endpoint, meaning=f"the answer is longer than {MAX_ENVELOPE} bytes")


def cut_short(settings: ConnectionSettings) -> TruncatedAnswerError:
    """The connection ended in the middle of an answer."""
    return TruncatedAnswerError(
        TALK,
        target=settings.endpoint,
        meaning="the connection ended in the middle of the answer",
        remedy="Check for a proxy or firewall that cuts answers, and the WinRM service on the host.",
    )


def no_http(settings: ConnectionSettings) -> ProtocolError:
    """The peer does not speak HTTP as it should."""
    return ProtocolError(
        TALK,
        target=settings.endpoint,
        meaning="what came back is no HTTP answer that can be used",
        remedy="Check that the port is a WinRM listener.",
    )


def status_error(status: int, settings: ConnectionSettings, *, method: str, empty: bool) -> KeywardError:
    """Our error for an HTTP status that carries no SOAP answer."""
    target = settings.endpoint
    code = f"HTTP {status}"
    if status == 401:
        return credentials_refused(settings, method)
    if status == 403:
        return AuthorizationError(
            TALK,
            target=target,
            code=code,
            meaning="the host's web service forbids the request",
            remedy="Check the client certificate's mapping on the host, and whether a proxy stands in between.",
        )
    meaning, remedy = "the host answers with a status that WS-Management does not use", "Check that the address is that of WinRM."
    if 300 <= status < 400:
        meaning, remedy = "the host redirects, and credentials are never sent elsewhere", "Give the final address in ansible_host."
    elif status == 404:
        meaning, remedy = "nothing answers at this path", "Check ansible_winrm_path (normally /wsman)."
    elif status == 407:
        meaning, remedy = "a proxy wants credentials", "Set ansible_winrm_proxy with credentials, or reach the host directly."
    elif status == 413:
        meaning, remedy = "the request is larger than the host allows", "Raise MaxEnvelopeSizekb on the host."
    elif status == 503:
        meaning, remedy = "the host's WinRM service does not run or is overloaded", "Start the service (Get-Service WinRM), or try later."
    elif status == 500 and empty and settings.scheme == "http":
        meaning = "the host refuses messages that are not encrypted, and says no more"
        remedy = "Use HTTPS, or ntlm, kerberos or credssp with ansible_winrm_message_encryption auto."
    elif status == 500 and empty:
        meaning, remedy = (
            "the host refuses the message and says no more",
            "Look at the host's event log Microsoft-Windows-WinRM/Operational.",
        )
    elif status == 400:
        meaning, remedy = "the host cannot read the message", "Check that nothing between here and the host changes messages."
    return ProtocolError(TALK, target=target, code=code, meaning=meaning, remedy=remedy)


def credentials_refused(settings: ConnectionSettings, method: str) -> AuthenticationError:
    """HTTP 401, which Windows also sends to an account that the service's RootSDDL rejects: it cannot be told from a wrong password."""
    remedy = f"Check user name and password, and that {method} is enabled on the host (winrm get winrm/config/service/auth)"
    if method == "certificate":
        remedy = "Check that certificate authentication is enabled on the host and that the certificate is mapped to a user there"
    elif method == "basic" and not is_local_account(settings.username):
        remedy += "; Basic knows local accounts only"
    elif is_local_account(settings.username):
        remedy += "; if they are right, the account may not be an administrator, or UAC filters it (LocalAccountTokenFilterPolicy)"
    else:
        remedy += "; if they are right, the account may not be an administrator, or the service's RootSDDL leaves it out"
    return AuthenticationError(
        "log on to the host", target=settings.endpoint, code="HTTP 401", meaning="the host refuses the credentials", remedy=remedy + "."
    )
