# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The options of the doc fragment ``entra`` as one checked value; what cannot be used is refused before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..._core.redaction import Secret
from ..._errors import OptionError

CLIENT_SECRET = "client_secret"
CERTIFICATE = "certificate"
FEDERATED_TOKEN = "federated_token"
MANAGED_IDENTITY = "managed_identity"
DEVICE_CODE = "device_code"

#: environment variables as fallback, by option; the Azure collections' names, so that one setting serves both, and the Azure SDK's where
#: those collections have no such option
ENVIRONMENT: Mapping[str, str] = {
    "tenant": "AZURE_TENANT",
    "client_id": "AZURE_CLIENT_ID",
    "secret": "AZURE_SECRET",
    "x509_certificate_path": "AZURE_X509_CERTIFICATE_PATH",
    "thumbprint": "AZURE_THUMBPRINT",
    "certificate_password": "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "federated_token_file": "AZURE_FEDERATED_TOKEN_FILE",
    "cloud_environment": "AZURE_CLOUD_ENVIRONMENT",
}


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where one of Microsoft's clouds has its Graph and its token service (Graph documentation, "National cloud deployments")."""

    graph: str
    authority: str


CLOUDS: Mapping[str, Cloud] = {
    "AzureCloud": Cloud("https://graph.microsoft.com", "https://login.microsoftonline.com"),
    "AzureUSGovernment": Cloud("https://graph.microsoft.us", "https://login.microsoftonline.us"),
    "AzureUSGovernmentDoD": Cloud("https://dod-graph.microsoft.us", "https://login.microsoftonline.us"),
    "AzureChinaCloud": Cloud("https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
}

TRUST_TYPES = ("AzureAd", "ServerAd", "Workplace")
#: value of the option ``proxy`` that leaves out the environment's proxies too
NO_PROXY = "none"

#: what each method needs
_NEEDS: Mapping[str, tuple[str, ...]] = {
    CLIENT_SECRET: ("tenant", "client_id", "secret"),
    CERTIFICATE: ("tenant", "client_id", "x509_certificate_path"),
    FEDERATED_TOKEN: ("tenant", "client_id", "federated_token_file"),
    MANAGED_IDENTITY: (),
    DEVICE_CODE: ("tenant", "client_id"),
}
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?", re.ASCII)
#: tenants of sign-in pages, which give an application no token
_NO_TENANTS = frozenset({"common", "organizations", "consumers"})
_CLIENT_ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraSettings:
    """How to get a token, as whom, where Graph is, and which devices count.

    ``authority`` and ``graph_url`` None: those of ``cloud_environment``. ``ca_cert`` is a path (PEM or DER) or PEM text; with it no
    other authority is trusted. Times are seconds. ``throttle_wait`` bounds all waiting for a busy service in one run, together.
    ``idle_days`` None: devices are never out of scope for not having been seen. ``intune``: also ask what Intune says of the devices.
    """

    auth_method: str
    tenant: str | None = None
    client_id: str | None = None
    secret: Secret[str] | None = None
    x509_certificate_path: str | None = None
    thumbprint: str | None = None
    certificate_password: Secret[str] | None = None
    federated_token_file: str | None = None
    cloud_environment: str = "AzureCloud"
    authority: str | None = None
    graph_url: str | None = None
    ca_cert: str | None = None
    proxy: str | None = None
    connection_timeout: int = 10
    timeout: int = 60
    throttle_wait: int = 300
    trust_types: tuple[str, ...] = ("AzureAd", "ServerAd")
    idle_days: int | None = 90
    intune: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be used.

        Raises:
            OptionError: it names the option.
        """
        if self.auth_method not in _NEEDS:
            raise _refused("auth_method", f"{self.auth_method!r} is not offered here", f"Use one of {', '.join(_NEEDS)}.")
        if missing := [name for name in _NEEDS[self.auth_method] if not getattr(self, name)]:
            raise _refused(missing[0], f"auth_method {self.auth_method} needs {' and '.join(missing)}", "Set it.")
        self._check_identity()
        self._check_addresses()
        for name, low, high in (("connection_timeout", 1, 600), ("timeout", 1, 3600), ("throttle_wait", 0, 86400)):
            if not low <= getattr(self, name) <= high:
                raise _refused(name, f"{getattr(self, name)} is outside {low} to {high}")
        if unknown := [name for name in self.trust_types if name not in TRUST_TYPES]:
            raise _refused("trust_types", f"{unknown[0]!r} is no trust type", f"Use {', '.join(TRUST_TYPES)}.")

    def _check_identity(self) -> None:
        # their values are not repeated: people put the secret where the ID belongs
        if self.tenant and (not _TENANT.fullmatch(self.tenant) or self.tenant.lower() in _NO_TENANTS):
            raise _refused("tenant", "it is no tenant", "Give its ID or one of its domains, like contoso.onmicrosoft.com.")
        if self.client_id and not _CLIENT_ID.fullmatch(self.client_id):
            raise _refused("client_id", "it is no GUID", "Give the application (client) ID of the app registration.")
        if self.thumbprint and not _THUMBPRINT.fullmatch(self.thumbprint):
            raise _refused("thumbprint", "it is no SHA-1 thumbprint", "Give 40 hexadecimal digits; colons and blanks do not matter.")

    def _check_addresses(self) -> None:
        if self.cloud_environment not in CLOUDS:
            raise _refused("cloud_environment", f"{self.cloud_environment!r} is not known here", f"Use one of {', '.join(CLOUDS)}.")
        for name in ("authority", "graph_url"):
            value = getattr(self, name)
            if value is not None and not is_https_root(value):
                raise _refused(name, "it is no https:// address of a server alone", "Write it like https://graph.microsoft.com.")
        if self.proxy is not None and self.proxy != NO_PROXY:
            parts = _split(self.proxy)
            if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
                raise _refused(
                    "proxy",
                    "it is no http:// or https:// address, or holds credentials",
                    f"Write it like http://proxy.corp.example:3128, or {NO_PROXY}; one with credentials belongs into HTTPS_PROXY.",
                )

    @property
    def graph_root(self) -> str:
        """Root of Graph, without a slash at its end."""
        return self.graph_url or CLOUDS[self.cloud_environment].graph

    @property
    def authority_root(self) -> str:
        """Root of the token service, without tenant and without a slash at its end."""
        return self.authority or CLOUDS[self.cloud_environment].authority

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> EntraSettings:
        """Make settings from the validated options of the doc fragment; unset options may be None or missing.

        Raises:
            OptionError: an option, or several together, cannot be used.
        """
        given: dict[str, Any] = {"auth_method": str(options.get("auth_method") or "")}
        if not given["auth_method"]:
            raise _refused("auth_method", "it is not set, and nothing is tried in turn here", f"Set it to one of {', '.join(_NEEDS)}.")
        for name in ("tenant", "client_id", "x509_certificate_path", "federated_token_file", "proxy"):
            given[name] = (options.get(name) or "").strip() or None
        for name in ("secret", "certificate_password"):
            value = options.get(name)
            given[name] = (value if isinstance(value, Secret) else Secret(str(value))) if value else None
        given["thumbprint"] = re.sub(r"[:\s]", "", options.get("thumbprint") or "").lower() or None
        given["ca_cert"] = options.get("ca_cert") or None
        given["authority"] = _without_tenant(options.get("authority"), given["tenant"])
        given["graph_url"] = (options.get("graph_url") or "").strip().rstrip("/") or None
        for name in ("cloud_environment", "connection_timeout", "timeout", "throttle_wait", "intune"):
            if options.get(name) is not None:
                given[name] = options[name]
        if options.get("trust_types") is not None:
            given["trust_types"] = tuple(dict.fromkeys(options["trust_types"]))
        if options.get("max_idle_days") is not None:
            if options["max_idle_days"] < 0:
                raise _refused("max_idle_days", "a number of days cannot be negative", "Use 0 for no limit.")
            given["idle_days"] = options["max_idle_days"] or None
        return cls(**given)


def is_https_root(url: str) -> bool:
    """Whether this is an https:// address of a server and nothing behind it, without credentials."""
    parts = _split(url)
    if parts is None or parts.scheme != "https" or not parts.hostname or not url.isascii() or re.search(r"[\s\\]", url):
        return False
    return not (parts.path or parts.query or parts.fragment or "@" in parts.netloc or "?" in url or "#" in url)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        # the port is only looked at when it is asked for
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _without_tenant(authority: str | None, tenant: str | None) -> str | None:
    """Microsoft's pages show the address with the tenant behind it; that, and slashes at the end, are taken too."""
    text = (authority or "").strip().rstrip("/")
    ending = f"/{tenant}".lower() if tenant else ""
    if ending and text.lower().endswith(ending):
        text = text[: -len(ending)].rstrip("/")
    return text or None


def _refused(option: str, meaning: str, remedy: str = "") -> OptionError:
    return OptionError("use the options for Entra ID", target=option, meaning=meaning, remedy=remedy)
