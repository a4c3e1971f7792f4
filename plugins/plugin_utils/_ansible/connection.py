# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The one resolver: a host's variables become connection settings, for actions, lookups and whatever comes.

Which variable sets which option, in which precedence, is asked of Ansible's own connection plugins ``winrm`` and ``psrp`` (their
configuration definitions), so aliases, keywords, ini settings and types are the ones of the running ansible-core. No connection is
made, as that would open a shell on the host. What pywinrm takes beyond the plugin's options (``ansible_winrm_*`` extras) is mapped here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._core.redaction import Secret
from .._windows.wsman.settings import ConnectionSettings
from .host_options import HostOptions, Keywords

ADAPTER_VARIABLE = "keyward_adapter"
ADAPTERS = ("auto", "lean", "pywinrm")
AUTHENTICATIONS = frozenset({"basic", "certificate", "ntlm", "kerberos", "credssp"})

DOMAIN_ACCOUNT_OVER_BASIC = (
    "Basic authentication sends the password of a domain account to every host, and a host that is not what it seems can keep it. "
    "Use Kerberos for domain accounts (ansible_winrm_transport: kerberos)."
)
BASIC_IN_CLEAR = "Basic authentication over HTTP sends the password in clear text. Use HTTPS (port 5986)."
MESSAGES_IN_CLEAR = "message_encryption is 'never' over HTTP: everything travels in clear text. Use HTTPS (port 5986) or leave it at auto."
CREDSSP_DELEGATES = "CredSSP hands the password itself to every host. Nothing in this collection needs it; use Kerberos or NTLM."
KERBEROS_DELEGATES = "Kerberos delegation hands a ticket of the account to every host. Nothing in this collection needs it; switch it off."
UNVERIFIED = "The certificates of hosts are not verified (certificate validation is 'ignore'): anybody on the way can read and answer."


def resolve_connection(
    variables: Mapping[str, Any], *, template: Callable[[Any], Any], keywords: Keywords | None = None, name: str = ""
) -> ConnectionSettings:
    """Turn a host's variables into connection settings, without connecting.

    Args:
        variables: the variables of the host that is to be reached (for a delegated task: of that host), templated or not.
        template: templates one value with those variables.
        keywords: what play, task and command line say beside variables.
        name: the inventory name, for messages; by default the variable ``inventory_hostname``.

    Raises:
        OptionError: the host is reached by something else than winrm or psrp, or a variable cannot be used. No value is quoted.
    """
    host = HostOptions(
        name=name or str(variables.get("inventory_hostname", "")), variables=variables, template=template, keywords=keywords or Keywords()
    )
    wanted = host.variable("ansible_connection")
    connection = str(wanted if wanted is not None else host.keywords.connection or "")
    short = connection.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")
    if short not in {"winrm", "psrp"}:
        raise host.refuse(
            f"its connection is {connection or 'not set'!r}, and BitLocker is reached by WS-Management only",
            "Set ansible_connection to winrm (or psrp) for this host, or run the task on a Windows host (hosts or delegate_to).",
        )
    host.load(short)
    fields = _from_winrm(host) if short == "winrm" else _from_psrp(host)
    settings = ConnectionSettings(**(_common(host) | {key: value for key, value in fields.items() if value is not None}))
    return _checked(host, settings)


def _common(host: HostOptions) -> dict[str, Any]:
    password = host.value("remote_password")
    return {
        "host": str(host.value("remote_addr")),
        "username": str(host.value("remote_user") or ""),
        "password": None if password is None else Secret(str(password)),
        "adapter": host.choice(ADAPTER_VARIABLE, host.variable(ADAPTER_VARIABLE) or "auto", ADAPTERS),
    }


def _from_winrm(host: HostOptions) -> dict[str, Any]:
    port = int(host.value("port"))
    scheme = host.value("scheme") or ("http" if port == 5985 else "https")
    extras = _winrm_extras(host)
    cert_pem, cert_key_pem = extras.get("cert_pem"), extras.get("cert_key_pem")
    transport = _winrm_transport(host, scheme, bool(cert_pem or cert_key_pem))
    mode = host.value("kerberos_mode") or ("managed" if "kerberos" in transport and host.value("remote_password") else "manual")
    timeout = host.seconds("ansible_winrm_connection_timeout", host.value("connection_timeout") or None)
    times = {"operation_timeout": timeout, "read_timeout": timeout + 10} if timeout else {}
    return (
        {
            "port": port,
            "scheme": scheme,
            "path": _path(host.value("path")),
            "transport": transport,
            "kerberos_mode": mode,
            "kinit_cmd": host.value("kerberos_command"),
            "kinit_args": host.value("kinit_args"),
            "kinit_env_vars": tuple(str(item) for item in host.value("kinit_env_vars") or ()),
        }
        | extras
        | times
    )


def _winrm_transport(host: HostOptions, scheme: str, certificate: bool) -> tuple[str, ...]:
    """Authentications in order; unset as the plugin of 2.18 and newer does it: a UPN is a domain account and never falls back to Basic."""
    words = [str(word).strip() for word in host.value("transport") or () if word is not None and str(word).strip()]
    if not words:
        if "@" in str(host.value("remote_user") or ""):
            return ("kerberos",)
        words = ["ssl" if scheme == "https" else "plaintext"]
    known = {"plaintext": "basic", "ssl": "certificate" if certificate else "basic"}
    transport = tuple(dict.fromkeys(known.get(word, word) for word in words))
    if strangers := sorted(set(transport) - AUTHENTICATIONS):
        raise host.refuse(
            f"ansible_winrm_transport names {', '.join(strangers)}", f"Known are {', '.join(sorted(AUTHENTICATIONS))}, ssl and plaintext."
        )
    return transport


def _winrm_extras(host: HostOptions) -> dict[str, Any]:
    """``ansible_winrm_*`` variables that are arguments of pywinrm's Protocol and no option of the plugin."""
    found: dict[str, Any] = {}
    for variable in sorted(host.variables):
        if not variable.startswith("ansible_winrm_") or variable in host.templated:
            continue
        extra = variable.removeprefix("ansible_winrm_")
        if extra in _EXTRAS:
            field_name, convert = _EXTRAS[extra]
            value = host.variable(variable)
            if extra == "proxy":
                found |= _proxy(value)
            elif value is not None:
                found[field_name] = convert(host, variable, value)
        else:
            host.warnings.append(
                f"The variable {variable} has no effect on keyward.bitlocker: it is no option of the winrm connection that is known here."
            )
    if "operation_timeout" in found:
        found.setdefault("read_timeout", max(30.0, found["operation_timeout"] + 10))
    return found


def _proxy(value: Any) -> dict[str, Any]:
    """pywinrm's meaning: ``legacy_requests`` (its default) is the environment's proxy, nothing is none, a URL is that one."""
    if value == "legacy_requests":
        return {"environment_proxy": True}
    return {"proxy": str(value) if value else None, "environment_proxy": False}


def _as_text(_host: HostOptions, _name: str, value: Any) -> str | None:
    return None if value in ("", "legacy_requests") else str(value)


def _as_path(host: HostOptions, name: str, value: Any) -> str | None:
    text = _as_text(host, name, value)
    return None if text is None else str(Path(text).expanduser())


def _as_service(_host: HostOptions, _name: str, value: Any) -> str:
    return str(value)


def _one_of(*words: str) -> Callable[[HostOptions, str, Any], str]:
    return lambda host, name, value: host.choice(name, value, words)


def _as_flag(host: HostOptions, name: str, value: Any) -> bool:
    return host.flag(name, value)


def _as_seconds(host: HostOptions, name: str, value: Any) -> float | None:
    return host.seconds(name, value)


#: pywinrm's argument -> our field and its conversion
_EXTRAS: dict[str, tuple[str, Callable[[HostOptions, str, Any], Any]]] = {
    "server_cert_validation": ("server_cert_validation", _one_of("validate", "ignore")),
    "ca_trust_path": ("ca_trust_path", _as_path),
    "cert_pem": ("cert_pem", _as_path),
    "cert_key_pem": ("cert_key_pem", _as_path),
    "message_encryption": ("message_encryption", _one_of("auto", "always", "never")),
    "read_timeout_sec": ("read_timeout", _as_seconds),
    "operation_timeout_sec": ("operation_timeout", _as_seconds),
    "kerberos_delegation": ("kerberos_delegation", _as_flag),
    "kerberos_hostname_override": ("kerberos_hostname_override", _as_text),
    "credssp_disable_tlsv1_2": ("credssp_disable_tlsv1_2", _as_flag),
    "send_cbt": ("send_cbt", _as_flag),
    "proxy": ("proxy", _as_text),
    "service": ("service", _as_service),
    "realm": ("realm", _as_text),
}

#: options of psrp that pypsrp has and our transports have not: option -> (harmless value, refuse it else; False: only warn)
_PSRP_ELSEWHERE: dict[str, tuple[Any, bool]] = {
    "credssp_auth_mechanism": ("auto", True),
    "credssp_minimum_version": (2, True),
    "certificate_key_password": (None, True),
    "reconnection_retries": (0, False),
    "max_envelope_size": (153600, False),
    "configuration_name": ("Microsoft.PowerShell", False),
}


def _from_psrp(host: HostOptions) -> dict[str, Any]:
    for option, (harmless, refused) in _PSRP_ELSEWHERE.items():
        if not host.offers(option) or host.value(option) == harmless:
            continue
        if refused:
            raise host.refuse(
                f"the psrp option {option} is set, which keyward.bitlocker does not offer",
                f"Unset {option}, or use ansible_connection: winrm.",
            )
        host.warnings.append(f"The psrp option {option} has no effect on keyward.bitlocker.")
    _warn_of_unknown_psrp(host)
    port, protocol = host.value("port"), host.value("protocol")
    scheme = protocol or ("http" if port is not None and int(port) == 5985 else "https")
    transport = _psrp_transport(host)
    operation = host.seconds("ansible_psrp_operation_timeout", host.chosen("operation_timeout"))
    read = host.seconds("ansible_psrp_read_timeout", host.chosen("read_timeout"))
    proxy = host.value("proxy")
    return {
        "port": int(port) if port is not None else (5986 if scheme == "https" else 5985),
        "scheme": scheme,
        "path": _path(host.value("path")),
        "transport": transport,
        "server_cert_validation": host.value("cert_validation"),
        "ca_trust_path": host.value("ca_cert"),
        "cert_pem": host.value("certificate_pem"),
        "cert_key_pem": host.value("certificate_key_pem"),
        "connect_timeout": host.seconds("ansible_psrp_connection_timeout", host.chosen("connection_timeout")),
        "operation_timeout": operation,
        "read_timeout": read or (max(30.0, operation + 10) if operation else None),
        "message_encryption": host.value("message_encryption"),
        "kerberos_mode": "managed" if "kerberos" in transport and host.value("remote_password") else "manual",
        "kerberos_delegation": host.value("negotiate_delegate"),
        "kerberos_hostname_override": host.value("negotiate_hostname_override"),
        "service": host.chosen("negotiate_service"),
        "send_cbt": host.value("negotiate_send_cbt"),
        "credssp_disable_tlsv1_2": host.value("credssp_disable_tlsv1_2"),
        "proxy": proxy,
        "environment_proxy": not (proxy or host.value("ignore_proxy")),
    }


def _warn_of_unknown_psrp(host: HostOptions) -> None:
    for variable in sorted(host.variables):
        if variable.startswith("ansible_psrp_") and variable not in host.templated:
            host.warnings.append(f"The variable {variable} has no effect on keyward.bitlocker: it is no option of the psrp connection.")


def _psrp_transport(host: HostOptions) -> tuple[str, ...]:
    """psrp's ``negotiate`` is Kerberos where it can be and NTLM else; Kerberos needs a user of the form user@REALM here."""
    auth = str(host.value("auth"))
    if auth != "negotiate":
        return (auth,)
    return ("kerberos", "ntlm") if "@" in str(host.value("remote_user") or "") else ("ntlm",)


def _path(value: Any) -> str:
    text = str(value or "/wsman")
    return text if text.startswith("/") else f"/{text}"


def _checked(host: HostOptions, settings: ConnectionSettings) -> ConnectionSettings:
    """Refuse what cannot work, and collect what the user should hear once a run."""
    if settings.read_timeout <= settings.operation_timeout:
        raise host.refuse(
            "the read time-out does not exceed the operation time-out",
            "Set ansible_winrm_read_timeout_sec (psrp: ansible_psrp_read_timeout) higher.",
        )
    if not 0 < settings.port < 65_536:
        raise host.refuse("its port is not between 1 and 65535", "Set ansible_port.")
    if "certificate" in settings.transport and not (settings.cert_pem and settings.cert_key_pem):
        raise host.refuse(
            "certificate authentication needs a certificate and its key",
            "Set ansible_winrm_cert_pem and ansible_winrm_cert_key_pem (psrp: ansible_psrp_certificate_pem and …_key_pem).",
        )
    if set(settings.transport) & {"basic", "ntlm", "credssp"}:
        if not settings.username:
            raise host.refuse("no user is known for it", "Set ansible_user (or --user).")
        if settings.password is None:
            raise host.refuse("no password is known for it", "Set ansible_password from a vault (or --ask-pass).")
    if "kerberos" in settings.transport and settings.kerberos_mode == "managed" and not (settings.username and settings.password):
        raise host.refuse(
            "Kerberos in managed mode needs a user and a password",
            "Set ansible_user and ansible_password, or ansible_winrm_kinit_mode: manual with a ticket.",
        )
    return _with_warnings(host, settings)


def _with_warnings(host: HostOptions, settings: ConnectionSettings) -> ConnectionSettings:
    basic, clear = "basic" in settings.transport, settings.scheme == "http"
    domain_account = "@" in settings.username or "\\" in settings.username.removeprefix(".\\")
    spoken = {
        DOMAIN_ACCOUNT_OVER_BASIC: basic and domain_account,
        BASIC_IN_CLEAR: basic and clear,
        MESSAGES_IN_CLEAR: clear and not basic and settings.message_encryption == "never",
        CREDSSP_DELEGATES: "credssp" in settings.transport,
        KERBEROS_DELEGATES: settings.kerberos_delegation and "kerberos" in settings.transport,
        UNVERIFIED: settings.scheme == "https" and settings.server_cert_validation == "ignore",
    }
    return replace(settings, warnings=(*(text for text, applies in spoken.items() if applies), *host.warnings))
