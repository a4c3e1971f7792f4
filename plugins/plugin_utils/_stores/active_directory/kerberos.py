# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Credentials for a Kerberos bind: the ticket that kinit left, or one got with user name and password, kept in memory only."""

from __future__ import annotations

from typing import Any

from ..._errors import AuthenticationError, KeywardError, OptionError, UnreachableError
from .settings import DirectorySettings

try:
    import gssapi
    import gssapi.raw
    from gssapi.raw.misc import GSSError
except ImportError:
    gssapi = None  # type: ignore[assignment]  # optional: its absence is an error only where it is needed

_ATTEMPTED = "authenticate to the directory with Kerberos"

#: minor codes of MIT Kerberos (KRB5KDC_ERR_*, KRB5_*) by what krb5 calls them in its text: meaning and remedy
_TOLD = (
    ("Preauthentication failed", "the password is wrong", "Correct it: further attempts may lock the account."),
    (
        "not found in Kerberos database",
        "the KDC does not know the account or the server's service name",
        "Check username (user@REALM) and that server is the server's full DNS name.",
    ),
    ("Clock skew", "the clocks differ too much", "Set the clocks of this machine and the domain controller."),
    ("credentials have been revoked", "the account is disabled or locked out", "Enable or unlock it in Active Directory."),
    ("expired", "the ticket or the password has expired", "Run kinit again, or change the password."),
    ("No Kerberos credentials available", "there is no ticket", "Run kinit, or set username and password."),
    ("No credentials", "there is no ticket", "Run kinit, or set username and password."),
    ("Can't find client principal", "the ticket cache holds no ticket of this account", "Run kinit for it, or set password."),
)
_NO_KDC = ("Cannot contact any KDC", "Cannot find KDC")


def available() -> bool:
    """Whether the gssapi package is there."""
    return gssapi is not None


def credentials(settings: DirectorySettings) -> Any:
    """What the bind authenticates with: gssapi credentials, or None for the ticket cache's default.

    Raises:
        OptionError: gssapi is not installed, or the user name has no form that Kerberos knows.
        AuthenticationError: there are no such credentials.
    """
    if gssapi is None:
        raise OptionError(
            "use the option auth_protocol",
            target="kerberos",
            meaning="the Python package gssapi is not installed",
            remedy="Install gssapi, or use simple.",
        )
    if not settings.username:
        return None
    user, at, realm = settings.username.rpartition("@")
    if not at or not user or not realm:
        raise OptionError(
            "use the option username",
            target=settings.username,
            meaning="Kerberos needs the form user@REALM",
            remedy="Write it like svc-keyward@CORP.EXAMPLE.",
        )
    try:
        name = gssapi.Name(f"{user}@{realm.upper()}", gssapi.NameType.kerberos_principal)
        if settings.password is None:
            return gssapi.Credentials(name=name, usage="initiate", mechs=[gssapi.MechType.kerberos])
        acquired = gssapi.raw.acquire_cred_with_password(
            name, settings.password.reveal().encode(), usage="initiate", mechs=[gssapi.MechType.kerberos]
        )
        return acquired.creds
    except GSSError as error:
        raise bind_error(error, "") from error


def is_gss_error(error: BaseException) -> bool:
    """Whether this is an error of gssapi."""
    return gssapi is not None and isinstance(error, GSSError)


def bind_error(error: BaseException, server: str) -> KeywardError:
    """What a failure of gssapi means."""
    told = " ".join(str(error).split())[:300]
    if any(text in told for text in _NO_KDC):
        return UnreachableError(_ATTEMPTED, target=server, meaning="no KDC answered", remedy="Check krb5.conf and DNS.")
    for text, meaning, remedy in _TOLD:
        if text in told:
            return AuthenticationError(_ATTEMPTED, target=server, name=text, meaning=meaning, remedy=remedy)
    return AuthenticationError(
        _ATTEMPTED, target=server, meaning=told, remedy="Check the ticket with klist and the service name with kvno ldap/<server>."
    )
