# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The options of the doc fragment ``active_directory`` as one checked value; what cannot be used is refused before anything is sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._core.redaction import Secret
from ..._errors import OptionError
from .parse import dn_key

LDAPS = "ldaps"
START_TLS = "start_tls"
SIMPLE = "simple"
KERBEROS = "kerberos"

#: environment variables as fallback, by option; microsoft.ad's names, so that one setting serves both collections
ENVIRONMENT: Mapping[str, str] = {
    "server": "MICROSOFT_AD_LDAP_SERVER",
    "port": "MICROSOFT_AD_LDAP_PORT",
    "tls_mode": "MICROSOFT_AD_LDAP_TLS_MODE",
    "auth_protocol": "MICROSOFT_AD_LDAP_AUTH_PROTOCOL",
    "ca_cert": "MICROSOFT_AD_LDAP_CA_CERT",
    "cert_validation": "MICROSOFT_AD_LDAP_CERT_VALIDATION",
    "connection_timeout": "MICROSOFT_AD_LDAP_CONNECTION_TIMEOUT",
    "username": "MICROSOFT_AD_LDAP_USERNAME",
    "password": "MICROSOFT_AD_LDAP_PASSWORD",
}

#: plain LDAP ports of a domain controller and of a Global Catalog: there TLS begins with StartTLS
_START_TLS_PORTS = frozenset({389, 3268})
_GLOBAL_CATALOG_PORTS = frozenset({3268, 3269})
_HOST = re.compile(r"^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?$", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySettings:
    """How to reach a directory, as whom, and what of it to read.

    ``servers`` are tried in this order; empty means discovery by SRV records of ``domain``. ``search_bases`` empty means the whole domain.
    ``ca_cert`` is a path (PEM, DER, or a folder) or PEM text; with it no other authority is trusted. Times are seconds.
    ``idle_days`` None: computers are never out of scope for not having logged on.
    """

    servers: tuple[str, ...] = ()
    domain: str | None = None
    port: int | None = None
    tls_mode: str = LDAPS
    auth_protocol: str = SIMPLE
    username: str | None = None
    password: Secret[str] | None = None
    ca_cert: str | None = None
    cert_validation: str = "always"
    connection_timeout: int = 5
    timeout: int = 60
    page_size: int = 1000
    search_bases: tuple[str, ...] = ()
    idle_days: int | None = 90
    include_deleted: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be used.

        Raises:
            OptionError: it names the option.
        """
        self._check_address()
        self._check_credentials()
        for name, low, high in (("connection_timeout", 1, 600), ("timeout", 1, 3600), ("page_size", 1, 5000)):
            if not low <= getattr(self, name) <= high:
                raise _refused(name, f"{getattr(self, name)} is outside {low} to {high}")
        for base in self.search_bases:
            if "=" not in base or "\0" in base:
                raise _refused("search_bases", f"{base!r} is no distinguished name", "Write it like OU=Clients,DC=corp,DC=example.")

    def _check_address(self) -> None:
        if not self.servers and not self.domain:
            raise _refused("server", "neither a server nor a domain is named", "Set server, or domain to find the servers by DNS.")
        for server in (*self.servers, *([self.domain] if self.domain else [])):
            if not _is_host(server):
                raise _refused("server", f"{server!r} is no host name or address", "Give the name alone; tls_mode and port say the rest.")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise _refused("port", f"{self.port} is no port")
        for name, value, known in (
            ("tls_mode", self.tls_mode, (LDAPS, START_TLS)),
            ("auth_protocol", self.auth_protocol, (SIMPLE, KERBEROS)),
            ("cert_validation", self.cert_validation, ("always", "ignore", "ignore_hostname")),
        ):
            if value not in known:
                raise _refused(name, f"{value!r} is not offered here", f"Use one of {', '.join(known)}.")

    def _check_credentials(self) -> None:
        if self.auth_protocol == SIMPLE and not (self.username and self.password):
            raise _refused(
                "username",
                "a simple bind needs a user name and a password that is not empty",
                "Set both, or auth_protocol to kerberos with a ticket from kinit.",
            )
        if self.password and not self.username:
            raise _refused("password", "a password without a user name", "Set username too.")

    @property
    def effective_port(self) -> int:
        """The port: as given, else 636 for LDAPS and 389 for StartTLS."""
        return self.port or (636 if self.tls_mode == LDAPS else 389)

    @property
    def global_catalog(self) -> bool:
        """Whether the port is a Global Catalog's, which never holds a recovery password."""
        return self.effective_port in _GLOBAL_CATALOG_PORTS

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> DirectorySettings:
        """Make settings from the validated options of the doc fragment; unset options may be None or missing.

        Raises:
            OptionError: an option, or several together, cannot be used.
        """
        password = options.get("password")
        if password is not None and not isinstance(password, Secret):
            password = Secret(str(password))
        given: dict[str, Any] = {
            "servers": _names(options.get("server")),
            "domain": _clean(options.get("domain")),
            "tls_mode": options.get("tls_mode") or (START_TLS if options.get("port") in _START_TLS_PORTS else LDAPS),
            "auth_protocol": options.get("auth_protocol") or (SIMPLE if password else KERBEROS),
            "username": _clean(options.get("username")),
            "password": password or None,
            "ca_cert": options.get("ca_cert") or None,
            "search_bases": _bases(options.get("search_bases")),
        }
        for name in ("port", "cert_validation", "connection_timeout", "timeout", "page_size", "include_deleted"):
            if options.get(name) is not None:
                given[name] = options[name]
        if options.get("max_idle_days") is not None:
            given["idle_days"] = options["max_idle_days"] or None
            if options["max_idle_days"] < 0:
                raise _refused("max_idle_days", "a number of days cannot be negative", "Use 0 for no limit.")
        return cls(**given)


def _is_host(name: str) -> bool:
    if ":" not in name:
        return bool(_HOST.match(name))
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _names(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    return tuple(dict.fromkeys(name for item in value or () for part in item.split(",") if (name := part.strip())))


def _clean(value: str | None) -> str | None:
    return (value or "").strip() or None


def _bases(value: Sequence[str] | None) -> tuple[str, ...]:
    """The bases without those that lie under another one: their objects would be read twice."""
    bases = list(dict.fromkeys(base.strip() for base in value or () if base.strip()))
    keys = [dn_key(base) for base in bases]
    return tuple(
        base for base, key in zip(bases, keys, strict=True) if not any(key != other and key.endswith("," + other) for other in keys)
    )


def _refused(option: str, meaning: str, remedy: str = "") -> OptionError:
    return OptionError("use the options for Active Directory", target=option, meaning=meaning, remedy=remedy)
