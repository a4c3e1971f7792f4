# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""HTTP to Graph and to the token service: connections kept, verified, without redirects and cookies, bounded in bytes and time.

Requests go straight to requests' adapter. Its session adds redirects, cookies, ~/.netrc and the environment, of which nothing is wanted
here, and costs as much as what is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..._errors import KeywardError, LimitError, OptionError, ProtocolError, UnreachableError
from .answer import Answer
from .echo import Confided
from .settings import NO_PROXY, EntraSettings
from .throttle import Patience, Timing
from .tls import VerifiedAdapter, make_context, tls_error
from .unpack import ACCEPTED, Unpacker

try:
    import requests
    import urllib3
    from requests import exceptions as problems
except ImportError:
    requests = None  # type: ignore[assignment]  # optional: its absence is an error only where it is needed

#: bytes of one answer, unpacked; a page of 999 devices has about one million
MAX_BODY = 32 * 1024 * 1024
_CHUNK = 128 * 1024
_CHECK = "Check the network, the proxy and the address."


class Wire:
    """Exchanges with any number of servers over one pool of connections.

    Args:
        settings: TLS, proxy and time-outs.
        timing: clocks and pauses.
        say: told when the service asks for a long wait.
    """

    def __init__(self, settings: EntraSettings, *, timing: Timing | None = None, say: Callable[[str], None] | None = None) -> None:
        if requests is None:
            raise OptionError(
                "read Entra ID", meaning="the Python package requests is not installed", remedy="Install requests where Ansible runs."
            )
        self.settings = settings
        self.timing = timing or Timing()
        self.patience = Patience(settings.throttle_wait, self.timing, say)
        self._confided = Confided()
        self._proxies: dict[str, dict[str, str]] = {}
        #: who speaks, and what answers may be packed with
        self._usual = {**requests.utils.default_headers(), "Accept-Encoding": ACCEPTED}
        self._adapter = VerifiedAdapter(make_context(settings.ca_cert))

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._adapter.close()

    def patiently(
        self,
        attempted: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        local: bool = False,
    ) -> Answer:
        """One request, repeated while the service is busy and patience lasts; the last answer, whatever its status.

        A connection that broke before the end of an answer is tried once more: idle ones are closed by the other side, and in a long list
        one breaks sooner or later.

        Args:
            attempted: what is being done, for errors.
            method, url, headers, params, data: as requests has them.
            local: the peer is an identity endpoint of this very machine, where no proxy may come between.

        Raises:
            UnreachableError, TlsError, ProtocolError, LimitError: there was no whole answer.
        """
        attempt, broken = 0, False
        while True:
            try:
                answer = self._exchange(attempted, method, url, headers=headers, params=params, data=data, local=local)
            except (BrokenConnectionError, CutOffError):
                if broken:
                    raise
                broken = True
                continue
            attempt += 1
            if not self.patience.wait(answer, attempt):
                return answer

    def _exchange(
        self,
        attempted: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None,
        data: Any,
        local: bool,
    ) -> Answer:
        target = origin(url)
        settings = self.settings
        with_token = self._confided.sent(headers, data)
        until = self.timing.clock() + settings.timeout
        try:
            prepared = requests.PreparedRequest()
            prepared.prepare_method(method)
            prepared.prepare_url(url, params)
            prepared.prepare_headers({**self._usual, **headers})
            prepared.prepare_body(data, None)
            response = self._adapter.send(
                prepared,
                stream=True,
                verify=True,
                proxies={} if local else self._proxies_for(url),
                timeout=(settings.connection_timeout, settings.timeout),
            )
            try:
                body = self._body(response, attempted, target, until)
            finally:
                response.close()
        except (problems.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # not as a cause: it carries the request, and that the token or the client secret
            raise failure(error, attempted, target) from None
        answer = Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)
        return self._confided.without(answer, tokens=with_token)

    def _body(self, response: Any, attempted: str, target: str, until: float) -> bytes:
        """The body within its bounds. ``read1`` gives what is there, so a peer that drips is noticed at each drop."""
        raw = response.raw
        read = getattr(raw, "read1", raw.read)
        try:
            unpacker = Unpacker(response.headers.get("content-encoding", ""))
        except ValueError:
            raise _not_packed(attempted, target) from None
        parts: list[bytes] = []
        room = MAX_BODY
        while chunk := read(_CHUNK, decode_content=False):
            try:
                parts.append(unpacker.feed(chunk, room))
            except ValueError:
                raise _not_packed(attempted, target) from None
            room -= len(parts[-1])
            if room < 0:
                raise LimitError(attempted, target=target, meaning=f"the answer is longer than {MAX_BODY} bytes", remedy=_CHECK)
            if self.timing.clock() > until:
                raise UnreachableError(
                    attempted, target=target, meaning=f"the answer did not end within {self.settings.timeout} seconds", remedy=_CHECK
                )
        if not unpacker.ended:
            raise CutOffError(attempted, target=target, meaning="the answer was cut off", remedy=_CHECK)
        return b"".join(parts)

    def _proxies_for(self, url: str) -> dict[str, str]:
        if self.settings.proxy == NO_PROXY:
            return {}
        if self.settings.proxy:
            return {"https": self.settings.proxy, "http": self.settings.proxy}
        key = origin(url)
        if key not in self._proxies:
            self._proxies[key] = dict(requests.utils.get_environ_proxies(url, no_proxy=None))
        return self._proxies[key]


class BrokenConnectionError(UnreachableError):
    """The connection ended before an answer came."""


class CutOffError(ProtocolError):
    """The connection ended within an answer."""


def origin(url: str) -> str:
    """Scheme, host and port of an address, for errors: paths and queries may name a key."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{(parts.hostname or '')}{port}"


def failure(error: Exception, attempted: str, target: str) -> KeywardError:
    """What a failed exchange means; nothing of the library's text is kept, which quotes addresses and proxies."""
    if isinstance(error, KeywardError):
        return error
    if isinstance(error, problems.ProxyError | urllib3.exceptions.ProxyError):
        return UnreachableError(
            attempted, target=target, meaning="the proxy could not be used", remedy="Check proxy, or HTTPS_PROXY and NO_PROXY."
        )
    if isinstance(error, problems.SSLError | urllib3.exceptions.SSLError):
        return tls_error(error, attempted, target)
    if isinstance(error, problems.ConnectTimeout | urllib3.exceptions.ConnectTimeoutError):
        return UnreachableError(attempted, target=target, meaning="it did not accept the connection in time", remedy=_CHECK)
    if isinstance(error, problems.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return UnreachableError(attempted, target=target, meaning="it accepted the connection and did not answer in time", remedy=_CHECK)
    if isinstance(error, problems.ConnectionError):
        return _connection_failure(error, attempted, target)
    if isinstance(error, urllib3.exceptions.ProtocolError | ConnectionError | problems.ChunkedEncodingError):
        return CutOffError(attempted, target=target, meaning="the answer was cut off", remedy=_CHECK)
    return ProtocolError(attempted, target=target, name=type(error).__name__, meaning="it does not speak HTTP as it should", remedy=_CHECK)


def _not_packed(attempted: str, target: str) -> ProtocolError:
    return ProtocolError(attempted, target=target, meaning="the answer cannot be unpacked", remedy=_CHECK)


def _connection_failure(error: Exception, attempted: str, target: str) -> KeywardError:
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", None)
    if type(reason).__name__ == "NameResolutionError" or "Name or service not known" in str(reason):
        return UnreachableError(attempted, target=target, meaning="its name does not resolve", remedy="Check DNS, and the address.")
    if isinstance(inner, urllib3.exceptions.ProtocolError):
        return BrokenConnectionError(attempted, target=target, meaning="it closed the connection without an answer", remedy=_CHECK)
    return UnreachableError(attempted, target=target, meaning="no connection could be made", remedy=_CHECK)
