# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kerberos acceptor by python-gssapi alone: pyspnego's needs a second library, and the lab has gssapi for the directory anyway."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

gssapi: Any
try:
    gssapi = importlib.import_module("gssapi")
except (ImportError, OSError):
    # without libkrb5 the lab plays every other authentication
    gssapi = None


class Sealed(Protocol):
    """A sealed message in WinRM's parts; ``padding_length`` counts towards the length that the message states."""

    @property
    def header(self) -> bytes:
        """The signature."""

    @property
    def data(self) -> bytes:
        """The sealed text."""

    @property
    def padding_length(self) -> int:
        """Octets of padding."""


class SecurityContext(Protocol):
    """What the lab needs of a security context; pyspnego's contexts have it too."""

    @property
    def complete(self) -> bool:
        """Whether the peer is authenticated."""

    @property
    def client_principal(self) -> str | None:
        """Who the peer is."""

    def step(self, in_token: bytes | None = None) -> bytes | None:
        """Take a token of the peer, give one back."""

    def wrap_winrm(self, data: bytes) -> Sealed:
        """Seal a message."""

    def unwrap_winrm(self, header: bytes, data: bytes) -> bytes:
        """Open a message."""


class KerberosError(Exception):
    """The ticket, or a sealed message, is not accepted."""


@dataclass(frozen=True)
class _Parts:
    header: bytes
    data: bytes
    padding_length: int


class KerberosContext:
    """One connection's context: raw Kerberos and SPNEGO tokens for any service of the keytab."""

    def __init__(self, keytab: Path) -> None:
        if gssapi is None:
            raise KerberosError("python-gssapi is not installed")
        try:
            credentials = gssapi.Credentials(usage="accept", store={"keytab": f"FILE:{keytab}"})
            self._context: Any = gssapi.SecurityContext(creds=credentials, usage="accept")
        except gssapi.exceptions.GSSError as error:
            raise KerberosError("the keytab cannot be used") from error

    @property
    def complete(self) -> bool:
        """Whether the peer is authenticated."""
        return bool(self._context.complete)

    @property
    def client_principal(self) -> str | None:
        """Who the peer is: name@REALM."""
        return str(self._context.initiator_name) if self.complete else None

    def step(self, in_token: bytes | None = None) -> bytes | None:
        """Take a token of the peer, give one back."""
        try:
            answer = self._context.step(in_token)
        except gssapi.exceptions.GSSError as error:
            raise KerberosError("the ticket is not accepted") from error
        return bytes(answer) if answer else None

    def wrap_winrm(self, data: bytes) -> Sealed:
        """Seal a message: header, text and padding apart."""
        gss = gssapi.raw
        kinds = gss.IOVBufferType
        buffers = gss.IOV(kinds.header, data, kinds.padding, std_layout=False)
        gss.wrap_iov(self._context, buffers, confidential=True)
        header, text, padding = (part.value or b"" for part in buffers)
        return _Parts(header, text + padding, len(padding))

    def unwrap_winrm(self, header: bytes, data: bytes) -> bytes:
        """Open a message."""
        gss = gssapi.raw
        kinds = gss.IOVBufferType
        buffers = gss.IOV((kinds.header, False, header), data, kinds.data, std_layout=False)
        try:
            gss.unwrap_iov(self._context, buffers)
        except gssapi.exceptions.GSSError as error:
            raise KerberosError("a message does not open") from error
        return bytes(buffers[1].value or b"")
