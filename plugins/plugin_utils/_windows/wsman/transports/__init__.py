# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The transports behind the port, and the one place that chooses between them."""

from __future__ import annotations

import sys
import urllib.request

from ...._errors import AuthenticationError, OptionError
from ..port import Transport
from ..settings import ConnectionSettings
from .lean import LeanTransport

if "winrm" in sys.modules:
    # Ansible's own connection plugin brought the libraries along: so this, too, is loaded once and not by every worker
    from . import pywinrm as _pywinrm  # noqa: F401 (loading it is the purpose)

METHODS = ("basic", "certificate", "ntlm", "kerberos", "credssp")


def open_transport(settings: ConnectionSettings) -> Transport:
    """A transport for a host; nothing is sent before its first ``send``.

    The lean adapter is taken where it can do what is asked (Basic or certificate, HTTPS, no proxy), else pywinrm. Of several
    authentications the first that the host accepts is used. Errors: OptionError for settings that cannot be used.
    """
    if not settings.transport:
        raise OptionError(
            "open a connection", target=settings.endpoint, meaning="no authentication is given", remedy="Set ansible_winrm_transport."
        )
    if len(settings.transport) == 1:
        return _open(settings, settings.transport[0])
    return _FirstAccepted(settings)


def adapter_for(settings: ConnectionSettings, method: str) -> str:
    """``lean`` or ``pywinrm``, by the setting ``adapter`` and by what the lean one can do."""
    able = method in ("basic", "certificate") and settings.scheme == "https" and not _proxied(settings)
    able = able and settings.message_encryption != "always"
    if settings.adapter == "lean" and not able:
        raise OptionError(
            "open a connection",
            target=settings.endpoint,
            meaning="the lean adapter speaks only Basic and certificate over HTTPS, without a proxy and without message encryption",
            remedy="Choose the adapter auto or pywinrm.",
        )
    if settings.adapter not in ("auto", "lean", "pywinrm"):
        raise OptionError("open a connection", target=settings.endpoint, meaning="the adapter is none of auto, lean, pywinrm")
    return "lean" if able and settings.adapter != "pywinrm" else "pywinrm"


def _open(settings: ConnectionSettings, method: str) -> Transport:
    if method not in METHODS:
        raise OptionError(
            "open a connection",
            target=settings.endpoint,
            meaning=f"{method[:32]!r} is no authentication of WinRM",
            remedy=f"Use one of {', '.join(METHODS)}.",
        )
    if adapter_for(settings, method) == "lean":
        return LeanTransport(settings, method)
    # imported where it is used: the lean one, which Ansible's main process loads once for all its workers, leaves the libraries out
    from .pywinrm import PywinrmTransport

    return PywinrmTransport(settings, method)


def _proxied(settings: ConnectionSettings) -> bool:
    if settings.proxy:
        return True
    if not settings.environment_proxy:
        return False
    found = urllib.request.getproxies_environment()
    if not (found.get(settings.scheme) or found.get("all")):
        return False
    return not urllib.request.proxy_bypass(f"{settings.host}:{settings.port}")


class _FirstAccepted:
    """Tries several authentications in order until the host accepts one; a request that was refused with 401 was not carried out."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._waiting = list(settings.transport)
        self._current: Transport | None = None
        self._accepted = False

    @property
    def authenticated_names(self) -> tuple[str, ...]:
        """Those of the transport in use."""
        return self._current.authenticated_names if self._current is not None else ()

    def close(self) -> None:
        """Close the transport in use."""
        if self._current is not None:
            self._current.close()

    def send(self, envelope: bytes) -> bytes:
        """One exchange, by the first authentication that the host accepts."""
        while True:
            if self._current is None:
                self._current = _open(self._settings, self._waiting.pop(0))
            try:
                answer = self._current.send(envelope)
            except AuthenticationError:
                if self._accepted or not self._waiting:
                    raise
                self._current.close()
                self._current = None
                continue
            self._accepted = True
            return answer
