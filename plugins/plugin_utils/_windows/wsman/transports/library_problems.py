# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What pywinrm and the authentication libraries beneath it raise, as our errors.

Kinds are told by the names of classes and modules, so that none of the libraries has to be there.
"""

from __future__ import annotations

from ...._errors import AuthenticationError, KeywardError, OptionError, ProtocolError, UnreachableError
from ..settings import ConnectionSettings
from . import problems


def library_error(error: Exception, settings: ConnectionSettings, method: str, *, spoke: bool) -> KeywardError:
    """Our error for anything raised below us; ``spoke`` says that some HTTP answer had come."""
    target = settings.endpoint
    kinds = {kind.__name__ for kind in type(error).__mro__}
    home = type(error).__module__.partition(".")[0]
    if "InvalidCredentialsError" in kinds:
        if spoke:
            return problems.credentials_refused(settings, method)
        return OptionError("log on to the host", target=target, meaning=str(error))
    if "WinRMError" in kinds:
        if spoke:
            return ProtocolError(problems.TALK, target=target, meaning="an encrypted answer cannot be opened")
        return OptionError("open a connection", target=target, meaning=f"pywinrm says: {error}")
    if "MutualAuthenticationError" in kinds:
        return AuthenticationError(
            "log on to the host",
            target=target,
            meaning="the host did not prove by Kerberos that it is the one meant",
            remedy="Check that nothing stands between here and the host, and its service principal name (setspn -L).",
        )
    if home in ("winrm", "requests_ntlm", "requests_credssp", "spnego") or (isinstance(error, PermissionError) and error.errno is None):
        return _logon_error(error, settings, method)
    if "RequestException" in kinds or isinstance(error, OSError):
        return problems.socket_error(error, settings, connected=not _never_connected(error))
    if home == "urllib3":
        return problems.socket_error(error, settings, connected=spoke)
    return problems.no_http(settings)


#: no cache at all, and a cache without this account's ticket
_NO_TICKET = ("no kerberos credentials", "credentials cache", "in cache collection")


def _never_connected(error: BaseException) -> bool:
    names = {type(one).__name__ for one in problems.chain(error)}
    return bool(names & {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ConnectTimeout", "SSLError", "ProxyError"})


def _logon_error(error: Exception, settings: ConnectionSettings, method: str) -> KeywardError:
    """What an authentication library says, judged by the words that MIT Kerberos has for it."""
    words = str(error).lower()
    target = settings.endpoint
    attempted = "log on to the host"
    if "cannot contact any kdc" in words or "cannot find kdc" in words:
        return UnreachableError(
            attempted,
            target=target,
            meaning="no KDC of the realm answers",
            remedy="Check /etc/krb5.conf and the way to a domain controller (port 88).",
        )
    if "not found in kerberos database" in words:
        host = settings.kerberos_hostname_override or settings.host
        return AuthenticationError(
            attempted,
            target=target,
            meaning=f"the domain knows no service {settings.service}/{host}",
            remedy="Connect by the host's DNS name, or set ansible_winrm_kerberos_hostname_override to it.",
        )
    if any(known in words for known in _NO_TICKET):
        return AuthenticationError(
            attempted,
            target=target,
            meaning=f"there is no Kerberos ticket for {settings.username}" if settings.username else "there is no Kerberos ticket",
            remedy="Run kinit before, or give ansible_password so that a ticket is fetched for each host.",
        )
    if "clock skew" in words:
        return AuthenticationError(attempted, target=target, meaning="the clocks differ too much", remedy="Synchronise the clocks.")
    if "expired" in words:
        return AuthenticationError(attempted, target=target, meaning="the Kerberos ticket has expired", remedy="Run kinit again.")
    return AuthenticationError(
        attempted,
        target=target,
        meaning=f"{method} did not come to an end",
        remedy=f"Check user name and password, and that {method} is enabled on the host (winrm get winrm/config/service/auth).",
    )
