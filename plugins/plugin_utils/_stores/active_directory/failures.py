# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a failed connection or bind means; pure."""

from __future__ import annotations

import re

from ..._errors import AuthenticationError, KeywardError, ProtocolError, StoreDownError, UnreachableError
from .search import RESULT_NAMES

_CONNECT = "connect to the directory"
_BIND = "authenticate to the directory"

#: sub-codes in the diagnostic message of result 49 ("... data 52e, v2580"): Windows logon errors in hexadecimal (MS-ERREF)
_LOGON = {
    "525": ("ERROR_NO_SUCH_USER", "the directory does not know the account", "Check username: user@domain, DOMAIN\\user or a full DN."),
    "52e": (
        "ERROR_LOGON_FAILURE",
        "the password is wrong, or the directory does not know the account in this form",
        "Correct them (user@domain, DOMAIN\\user or a full DN): further attempts may lock the account.",
    ),
    "530": ("ERROR_INVALID_LOGON_HOURS", "the account may not log on at this hour", "Widen its logon hours."),
    "531": ("ERROR_INVALID_WORKSTATION", "the account may not log on from here", "Take this machine into its logon workstations."),
    "532": ("ERROR_PASSWORD_EXPIRED", "the password has expired", "Change it."),
    "533": ("ERROR_ACCOUNT_DISABLED", "the account is disabled", "Enable it in Active Directory."),
    "568": ("ERROR_TOO_MANY_CONTEXT_IDS", "the account is in too many groups", "Take it out of some."),
    "701": ("ERROR_ACCOUNT_EXPIRED", "the account has expired", "Extend it in Active Directory."),
    "773": ("ERROR_PASSWORD_MUST_CHANGE", "the password must be changed before first use", "Change it, or clear that mark."),
    "775": ("ERROR_ACCOUNT_LOCKED_OUT", "the account is locked out", "Unlock it, and find what used a wrong password."),
    "80090346": (
        "SEC_E_BAD_BINDINGS",
        "the domain controller demands channel binding",
        "Use auth_protocol kerberos, which sends it, or a simple bind.",
    ),
}
_SUB_CODE = re.compile(r"\bdata ([0-9a-fA-F]{1,8})\b")
_ERRNO = re.compile(r"\[Errno -?\d+\] ([^\]'\"]+)")


def bind_failure(code: int, told: str, server: str) -> KeywardError:
    """The error of a bind's result code and the server's diagnostic message."""
    label = f"LDAP {code}"
    name = RESULT_NAMES.get(code, "")
    if code == 49:
        found = _SUB_CODE.search(told)
        sub = found[1].lower() if found else ""
        known = _LOGON.get(sub) or _LOGON.get("80090346" if told.startswith("80090346") else "")
        if known:
            return AuthenticationError(
                _BIND, target=server, code=f"{label} data {sub}" if sub else label, name=known[0], meaning=known[1], remedy=known[2]
            )
        return AuthenticationError(
            _BIND,
            target=server,
            code=label,
            name=name,
            meaning="the credentials were refused",
            remedy="Check username and password: further attempts may lock the account.",
        )
    if code == 8:
        return AuthenticationError(
            _BIND,
            target=server,
            code=label,
            name=name,
            meaning="the server wants this kind of bind signed or sealed, which is not offered over TLS",
            remedy="Use auth_protocol simple over TLS, or permit SASL binds over TLS on the server.",
        )
    if code in (51, 52):
        return StoreDownError(
            _BIND,
            target=server,
            code=label,
            name=name,
            meaning="the directory is not ready",
            remedy="Try again later, or name another server first.",
        )
    shown = " ".join(told.split())[:200]
    return ProtocolError(
        _BIND,
        target=server,
        code=label,
        name=name,
        meaning=f"the server says: {shown}" if shown else "",
        remedy="Check that it is a domain controller.",
    )


def open_failure(told: str, server: str) -> UnreachableError:
    """The error of a connection that did not come about, from ldap3's text."""
    if "invalid server address" in told:
        return UnreachableError(_CONNECT, target=server, meaning="its name does not resolve", remedy="Check server and DNS.")
    if "timed out" in told:
        return UnreachableError(_CONNECT, target=server, meaning="it did not answer in time", remedy="Check server, port and firewall.")
    found = _ERRNO.search(told)
    return UnreachableError(
        _CONNECT,
        target=server,
        meaning=found[1].strip().lower() if found else "the connection failed",
        remedy="Check server, port and firewall.",
    )


def all_failed(problems: list[KeywardError]) -> KeywardError:
    """One error for several servers: the only one, or a list of what each said."""
    if len(problems) == 1:
        return problems[0]
    each = "; ".join(f"{problem.target}: {problem.meaning or problem.name or problem.code}" for problem in problems)
    return StoreDownError("reach any of the directory's servers", meaning=each, remedy=problems[0].remedy)
