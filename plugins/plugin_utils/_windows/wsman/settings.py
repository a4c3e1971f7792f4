# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""How one host is reached over WS-Management: what the resolver found in the host's variables, and what the transports read."""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass

from ..._core.redaction import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """Everything a transport needs; names and meanings follow pywinrm's ``Protocol`` where it has the word.

    ``transport`` lists authentications to try in order: basic, certificate, ntlm, kerberos, credssp (ansible's and pywinrm's ``ssl`` and
    ``plaintext`` are already turned into basic or certificate). ``adapter`` is auto, lean or pywinrm. Times are seconds.
    ``ca_trust_path`` None: what the environment (REQUESTS_CA_BUNDLE) or the system trusts. ``proxy`` None: none of our own;
    ``environment_proxy`` says whether proxy variables of the environment count. ``kerberos_mode`` managed: we run kinit with the
    password; manual: a ticket is there already. ``warnings`` are sentences the user should read once a run.
    """

    host: str
    port: int = 5986
    scheme: str = "https"
    path: str = "/wsman"
    username: str = ""
    password: Secret[str] | None = None
    transport: tuple[str, ...] = ("basic",)
    adapter: str = "auto"
    server_cert_validation: str = "validate"
    ca_trust_path: str | None = None
    cert_pem: str | None = None
    cert_key_pem: str | None = None
    connect_timeout: float = 5.0
    operation_timeout: float = 20.0
    read_timeout: float = 30.0
    message_encryption: str = "auto"
    kerberos_mode: str = "manual"
    kerberos_delegation: bool = False
    kerberos_hostname_override: str | None = None
    kinit_cmd: str = "kinit"
    kinit_args: str | None = None
    kinit_env_vars: tuple[str, ...] = ()
    service: str = "HTTP"
    realm: str | None = None
    send_cbt: bool = True
    credssp_disable_tlsv1_2: bool = False
    proxy: str | None = None
    environment_proxy: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def endpoint(self) -> str:
        """The URL, with an IPv6 address in brackets."""
        bracketed = self.host
        with contextlib.suppress(ValueError):  # a name is no address and needs no brackets
            bracketed = f"[{ipaddress.IPv6Address(self.host)}]"
        return f"{self.scheme}://{bracketed}:{self.port}{self.path}"
