# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Tokens for Graph, by msal, over our own wire.

msal replays a 429 without asking again, and a 400 for a minute; it follows a discovery document to any host; it waits without end, and it
puts an answer that is no JSON into a log. So all its requests pass through :class:`_Line`, which waits where waiting is asked for, before
msal sees the answer, sends nothing to a host that was not meant, and lets nothing through that msal would stumble over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ..._core.redaction import Secret
from ..._errors import AuthenticationError, KeywardError, OptionError, ProtocolError
from . import failures
from .answer import Answer, json_object
from .credentials import client_credential
from .settings import DEVICE_CODE, MANAGED_IDENTITY, EntraSettings
from .throttle import BUSY
from .wire import Wire, origin

try:
    import msal as _msal
except ImportError:
    _msal = None  # type: ignore[assignment]  # optional: its absence is an error only where it is needed
#: msal has no types
msal: Any = _msal

#: seconds before a token's end from which on a new one is asked for
_EARLY = 300.0
#: seconds that a token is taken to live, at least and at most, whatever the service says
_SHORTEST, _LONGEST = 120.0, 86400.0
#: a person gets this many seconds to sign in, at most
_SIGN_IN_SECONDS = 900.0
_POLLS = 400
_PENDING = frozenset({"authorization_pending", "slow_down"})


class TokenSource:
    """One identity's token for Graph, got when first needed and again before it ends.

    Args:
        settings: who, and where.
        wire: what msal's requests go over.
        delegated: the permissions to ask for where a person signs in (``device_code``).
        say: shows a person where to sign in.
    """

    def __init__(
        self, settings: EntraSettings, wire: Wire, *, delegated: Sequence[str] = (), say: Callable[[str], None] | None = None
    ) -> None:
        self._settings = settings
        self._wire = wire
        self._delegated = [f"{settings.graph_root}/{name}" for name in delegated]
        self._say = say
        self._token: Secret[str] | None = None
        self._until = 0.0

    def token(self) -> Secret[str]:
        """A token that lives for some minutes yet.

        Raises:
            OptionError: the credential cannot be used, or msal is missing.
            KeywardError: why there is no token.
        """
        if self._token is None or self._wire.timing.clock() >= self._until:
            return self.renew()
        return self._token

    def renew(self, claims: str | None = None) -> Secret[str]:
        """Get a new token; ``claims`` is what Graph's claims challenge asked for, as JSON text. Raises as :meth:`token`."""
        self._token = None
        # at DEBUG it logs what it was sent and told, device codes among that
        logging.getLogger("msal").setLevel(logging.INFO)
        if msal is None:
            raise OptionError(
                "read Entra ID", meaning="the Python package msal is not installed", remedy="Install msal where Ansible runs."
            )
        try:
            # a new application object each time: an old one would give the same token again
            result = self._acquire(claims)
        except (KeyError, ValueError, TypeError, AttributeError, AssertionError, RuntimeError, OSError, ArithmeticError) as error:
            # not as a cause: msal quotes what it was given and what it got
            raise self._stumbled(error) from None
        token = result.get("access_token") if isinstance(result, Mapping) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token or not token:
            raise failures.sign_in_failure(result if isinstance(result, Mapping) else {}, self._settings.auth_method, self._target)
        seconds = _lifetime(result.get("expires_in"))
        self._until = self._wire.timing.clock() + max(seconds - _EARLY, seconds / 2)
        self._token = Secret(token)
        return self._token

    @property
    def _target(self) -> str:
        if self._settings.auth_method == MANAGED_IDENTITY:
            return "the managed identity of this machine"
        return f"{self._settings.authority_root}/{self._settings.tenant}"

    def _acquire(self, claims: str | None) -> Any:
        settings = self._settings
        if settings.auth_method == MANAGED_IDENTITY:
            # no proxy stands between a machine and its own identity endpoint
            line = _Line(self._wire, self._target, local=True)
            identity = (
                msal.UserAssignedManagedIdentity(client_id=settings.client_id)
                if settings.client_id
                else msal.SystemAssignedManagedIdentity()
            )
            return msal.ManagedIdentityClient(identity, http_client=line).acquire_token_for_client(resource=settings.graph_root)
        authority = f"{settings.authority_root}/{settings.tenant}"
        known = _is_known(authority)
        line = _Line(self._wire, self._target, authority=authority)
        common: dict[str, Any] = {
            "authority": authority,
            "http_client": line,
            # msal asks Microsoft about hosts that it does not know; a host that the user named need not be known there
            "instance_discovery": None if known else False,
        }
        if settings.auth_method == DEVICE_CODE:
            return self._sign_in(msal.PublicClientApplication(settings.client_id, **common), claims)
        # azure_region: MSAL_FORCE_REGION in the environment would lead to another host
        application = msal.ConfidentialClientApplication(
            settings.client_id, client_credential=client_credential(settings), azure_region=False, **common
        )
        return application.acquire_token_for_client([f"{settings.graph_root}/.default"], claims_challenge=claims)

    def _sign_in(self, application: Any, claims: str | None) -> Any:
        """Let a person sign in elsewhere (RFC 8628), polling with our own clock and within our own bounds."""
        if self._say is None:
            raise OptionError(
                "sign in with a device code", meaning="there is nobody to show the code to", remedy="Use another auth_method."
            )
        flow = application.initiate_device_flow(scopes=self._delegated, claims_challenge=claims)
        code, page, secret = flow.get("user_code"), flow.get("verification_uri"), flow.get("device_code")
        if not isinstance(code, str) or not isinstance(page, str) or not isinstance(secret, str) or secret in f"{page} {code}":
            # what is shown must not hold what the token is asked for with
            return flow
        self._say(f"Entra ID: open {page[:200]} in a browser and enter the code {code[:40]}")
        timing = self._wire.timing
        until = timing.clock() + min(max(float(flow["expires_in"]), 0.0), _SIGN_IN_SECONDS)
        for _number in range(_POLLS):
            interval = min(max(float(flow.get("interval", 5)), 1.0), 60.0)
            if timing.clock() + interval > until:
                break
            timing.sleep(interval)
            flow["latest_attempt_at"] = 0  # by msal's clock, which is not ours
            flow["interval"] = int(interval)
            result = application.acquire_token_by_device_flow(flow, exit_condition=lambda flow: True, claims_challenge=claims)
            if result.get("error") not in _PENDING:
                return result
        raise AuthenticationError(
            "sign in with a device code",
            target=self._target,
            meaning="nobody signed in in time",
            remedy="Run the task again and sign in sooner.",
        )

    def _stumbled(self, error: Exception) -> KeywardError:
        if self._settings.auth_method == MANAGED_IDENTITY:
            return failures.sign_in_failure({}, MANAGED_IDENTITY, self._target)
        return ProtocolError(
            failures.TOKEN,
            target=self._target,
            name=type(error).__name__,
            meaning="the token service's answer, or the credential, is not what msal can use",
            remedy="Check authority, tenant and the credential.",
        )


def _lifetime(seconds: object) -> float:
    """``expires_in`` (RFC 6749 5.1) as a number that can be reckoned with; a service may say anything, or nothing."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > _SHORTEST:
        return _SHORTEST
    return float(seconds) if seconds < _LONGEST else _LONGEST


def _is_known(authority: str) -> bool:
    """Whether msal knows the host as one of Microsoft's."""
    return urlsplit(authority).hostname in msal.authority.WELL_KNOWN_AUTHORITY_HOSTS and urlsplit(authority).port in (None, 443)


class _LineAnswer:
    """An answer in the shape that msal reads."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.headers = dict(answer.headers)
        # msal keeps a 429 or 5xx, and whatever has this header, and gives it again without asking
        self.headers.pop("retry-after", None)
        self.text = answer.body.decode("utf-8", "replace")

    def raise_for_status(self) -> None:
        """Nothing: what msal would raise here has been raised before."""


class _Line:
    """msal's ``http_client``: each request over our wire, to the hosts that were meant, with patience."""

    def __init__(self, wire: Wire, target: str, *, authority: str = "", local: bool = False) -> None:
        self._wire = wire
        self._target = target
        self._authority = authority
        self._local = local

    def get(self, url: str, *, params: Any = None, headers: Mapping[str, str] | None = None, **_more: Any) -> _LineAnswer:
        """Discovery, or a managed identity's token."""
        return self._exchange("GET", url, params, headers, None)

    def post(
        self, url: str, *, params: Any = None, headers: Mapping[str, str] | None = None, data: Any = None, **_more: Any
    ) -> _LineAnswer:
        """A token request: it carries the credential."""
        return self._exchange("POST", url, params, headers, data)

    def close(self) -> None:
        """Nothing: the wire is not msal's."""

    def _exchange(self, method: str, url: str, params: Any, headers: Mapping[str, str] | None, data: Any) -> _LineAnswer:
        if not self._local and not self._is_meant(url):
            raise ProtocolError(
                failures.TOKEN,
                target=self._target,
                meaning=f"the token service points to another host, {origin(url)[:200]}, which gets no credential",
                remedy="Check authority.",
            )
        shown = {name: value for name, value in (headers or {}).items() if value is not None}
        answer = self._wire.patiently(failures.TOKEN, method, url, headers=shown, params=params, data=data, local=self._local)
        if answer.status in BUSY or (answer.status >= 500 and not self._local):
            raise failures.busy_token_service(answer, self._target)
        if not self._local and (json_object(answer.body) is None or (method == "GET" and answer.status != 200)):
            raise failures.no_token_service(answer, self._target)
        if self._local and json_object(answer.body) is None and answer.status != 401:
            # 401 is Azure Arc's challenge, whose body is empty
            raise failures.no_token_service(answer, self._target)
        return _LineAnswer(answer)

    def _is_meant(self, url: str) -> bool:
        """The same scheme, host and port as the authority, or one of Microsoft's hosts where the authority is one."""
        there, here = urlsplit(url), urlsplit(self._authority)
        if there.scheme != "https" or there.username or there.password:
            return False
        if (there.hostname, there.port or 443) == (here.hostname, here.port or 443):
            return True
        return _is_known(url) and _is_known(self._authority)
