# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is calling: Basic, client certificate, NTLM, Negotiate, Kerberos and CredSSP, on one connection each.

NTLM and CredSSP are the acceptors of pyspnego, which knows the host's one account from a file; Kerberos is that of kerberos.py.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import spnego
from spnego.exceptions import SpnegoError

from ..model import LabHost
from .kerberos import KerberosContext, KerberosError, SecurityContext
from .profiles import WIRE_FORMS

#: what pywinrm sends beside a client certificate
MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
_NTLM = b"NTLMSSP\x00"
#: pyspnego reads the account file's name from the environment
_ENVIRONMENT = threading.Lock()


@dataclass(frozen=True)
class AuthSetup:
    """What a host accepts; ``keytab`` None: no Kerberos."""

    host: LabHost
    tls: bool
    account_file: Path
    keytab: Path | None = None

    @property
    def schemes(self) -> tuple[str, ...]:
        """The challenges of a 401, in Windows' order."""
        schemes = ["Negotiate"]
        if self.host.transport == "kerberos" or self.keytab:
            schemes.append("Kerberos")
        if self.host.transport == "basic" and self.tls:
            schemes.append('Basic realm="WSMAN"')
        if self.host.transport == "credssp":
            schemes.append("CredSSP")
        return tuple(schemes)

    @property
    def refuses_everybody(self) -> bool:
        """The fault of this host is a 401 whatever is sent."""
        fault = self.host.fault
        return fault == "wrong_password" or (fault == "root_sddl" and WIRE_FORMS[self.host.wire_form].root_sddl_401)


def write_account_file(path: Path, host: LabHost) -> None:
    """The account in pyspnego's file format: once without a domain, once for the machine, once as it was given."""
    domain, _unused, user = host.username.rpartition("\\")
    domains = {"", host.netbios_name, domain, *([host.domain.split(".")[0]] if host.domain else [])}
    # a client that is given user@domain sends the whole as user name
    lines = [f"{name}:{user}:{host.password}" for name in sorted(domains)]
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")


@dataclass
class Decision:
    """What follows from the credentials of a request: go on, or answer 401 with these challenges."""

    accepted: bool
    challenges: tuple[str, ...] = ()
    account: str | None = None
    #: headers to add to the answer of an accepted request
    headers: list[str] = field(default_factory=list)


class ConnectionAuth:
    """The authentication of one connection; ``context`` is the security context that encrypts messages, once there is one."""

    def __init__(self, setup: AuthSetup, certificate_name: str | None) -> None:
        self._setup = setup
        self._certificate_name = certificate_name
        self._pending: SecurityContext | None = None
        self.context: SecurityContext | None = None

    def decide(self, authorization: str | None) -> Decision:
        """Judge the Authorization header of one request."""
        refused = Decision(False, self._setup.schemes)
        if self._setup.refuses_everybody:
            return refused
        if authorization is None:
            # NTLM and Kerberos authenticate the connection, not the request
            return Decision(True, account=self._setup.host.username) if self.context else refused
        scheme, _unused, rest = authorization.partition(" ")
        if scheme.lower() == "basic" and self._setup.host.transport == "basic":
            return Decision(True, account=self._setup.host.username) if self._basic(rest) else refused
        if authorization == MUTUAL and self._setup.host.transport == "certificate" and self._setup.tls:
            wanted = self._setup.host.username
            return Decision(True, account=wanted) if self._certificate_name == wanted else refused
        if scheme.lower() in ("negotiate", "kerberos", "ntlm") or (scheme.lower() == "credssp" and "CredSSP" in self._setup.schemes):
            return self._step(scheme, rest, refused)
        return refused

    def _basic(self, encoded: str) -> bool:
        try:
            user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        host = self._setup.host
        names = {host.username.lower(), f"{host.netbios_name}\\{host.username}".lower(), f".\\{host.username}".lower()}
        return bool(colon) and user.lower() in names and password == host.password

    def _step(self, scheme: str, encoded: str, refused: Decision) -> Decision:
        try:
            token = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return refused
        with _ENVIRONMENT:
            os.environ["NTLM_USER_FILE"] = str(self._setup.account_file)
            try:
                if self._pending is None:
                    self._pending = self._new_context(scheme, token)
                answer = self._pending.step(token)
            except (SpnegoError, KerberosError, ValueError, OSError):
                self._pending = None
                return refused
        challenge = f"{scheme} {base64.b64encode(answer).decode()}" if answer else scheme
        if not self._pending.complete:
            return Decision(False, (challenge,))
        finished, self._pending = self._pending, None
        account = str(finished.client_principal)
        if isinstance(finished, KerberosContext) and not self._is_account(account):
            return refused
        self.context = finished
        return Decision(True, account=account, headers=[f"WWW-Authenticate: {challenge}"] if answer else [])

    def _is_account(self, principal: str) -> bool:
        """Whether a Kerberos principal is the host's one account, which may be written with or without its realm."""
        wanted = self._setup.host.username.lower()
        return principal.lower() == wanted or ("@" not in wanted and principal.lower().rpartition("@")[0] == wanted.rpartition("\\")[2])

    def _new_context(self, scheme: str, token: bytes) -> SecurityContext:
        if scheme.lower() == "credssp":
            return spnego.server(protocol="credssp")
        if token.startswith(_NTLM):
            return spnego.server(protocol="ntlm")
        if self._setup.keytab and _NTLM not in token:
            return KerberosContext(self._setup.keytab)
        return spnego.server(protocol="negotiate", options=spnego.NegotiateOptions.use_negotiate)


def challenge_headers(challenges: Iterable[str]) -> list[str]:
    """One WWW-Authenticate header a challenge."""
    return [f"WWW-Authenticate: {challenge}" for challenge in challenges]
