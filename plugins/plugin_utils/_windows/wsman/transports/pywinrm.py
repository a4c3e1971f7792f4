# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The transport over pywinrm: every authentication it offers, with our envelopes, our TLS contexts, and its traps closed.

Closed traps of pywinrm 0.5.0: a Transport whose first message failed may send the next one in clear (so it is thrown away after any
error); an answer in clear is taken on an encrypted connection; ``auto`` sends in clear where a library cannot encrypt; redirects are
followed; proxies, CA bundles and netrc come from the environment; answers have no bound; one time-out serves connecting and reading.
The read timeout holds between two pieces of an answer here, not over all of it.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from ...._errors import KeywardError, OptionError, ProtocolError
from ..port import MAX_ENVELOPE
from ..settings import ConnectionSettings
from . import problems
from .kerberos import TicketCache, kinit
from .library_problems import library_error
from .tls import certified_names, client_context

MISSING: ImportError | None = None
if TYPE_CHECKING:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.models import PreparedRequest, Response
    from winrm.exceptions import WinRMTransportError
    from winrm.transport import Transport as WinrmTransport
else:
    try:
        import requests
        from requests.adapters import HTTPAdapter
        from requests.models import PreparedRequest, Response
        from winrm.exceptions import WinRMTransportError
        from winrm.transport import Transport as WinrmTransport
    except ImportError as error:
        MISSING = error
        HTTPAdapter = Response = WinrmTransport = object

#: authentications that can encrypt messages by themselves
ENCRYPTING: Final = ("ntlm", "kerberos", "credssp")
_CHUNK: Final = 64 * 1024


class PywinrmTransport:
    """One authentication of pywinrm; see the port for what ``send`` does."""

    def __init__(self, settings: ConnectionSettings, method: str) -> None:
        if MISSING is not None:
            raise OptionError(
                "open a connection",
                target=settings.endpoint,
                meaning=f"the Python package {MISSING.name or 'winrm'} is missing on the controller",
                remedy="Install pywinrm.",
            ) from MISSING
        self._settings = settings
        self._method = method
        self._context = client_context(settings) if settings.scheme == "https" else None
        self._inner: _Transport | None = None
        self._cache: TicketCache | None = None
        self._names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<PywinrmTransport {self._settings.endpoint} {self._method}>"

    @property
    def authenticated_names(self) -> tuple[str, ...]:
        """Names of the verified certificate, and of the Kerberos service that a ticket of our own cache is for."""
        return self._names

    def close(self) -> None:
        """Close the connection and remove the tickets."""
        self._discard()
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()

    def send(self, envelope: bytes) -> bytes:
        """One exchange; after any error the next one begins with a fresh Transport."""
        with self._tickets():
            try:
                inner = self._inner = self._inner or _Transport(self._settings, self._method, self._context)
                answer = inner.send_message(envelope)
            except WinRMTransportError as error:
                answer = self._fault_body(error)
            except KeywardError:
                self._discard()
                raise
            # pywinrm and the authentications beneath it raise plain errors of many kinds on what a peer sends
            except Exception as error:
                spoke = self._inner is not None and self._inner.spoke
                self._discard()
                raise library_error(error, self._settings, self._method, spoke=spoke) from error
        if not answer:
            self._discard()
            raise problems.no_http(self._settings)
        self._learn_names()
        return answer

    def _fault_body(self, error: WinRMTransportError) -> bytes:
        body = error.response_text.encode("utf-8")
        if error.code == 500 and body:
            return body
        self._discard()
        # not as a cause: it carries what the peer sent
        raise problems.status_error(error.code, self._settings, method=self._method, empty=not body) from None

    def _discard(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.close_session()

    @contextlib.contextmanager
    def _tickets(self) -> Iterator[None]:
        """With managed Kerberos: a ticket in a cache of our own, seen by the Kerberos library while a message is under way."""
        if self._method != "kerberos" or self._settings.kerberos_mode != "managed":
            yield
            return
        if self._cache is None:
            cache = TicketCache()
            try:
                kinit(self._settings, cache)
            except KeywardError:
                cache.close()
                raise
            self._cache = cache
        with self._cache.in_environment():
            yield

    def _learn_names(self) -> None:
        if self._names or self._inner is None:
            return
        names = list(self._inner.certified)
        if self._cache is not None and self._inner.proved_itself:
            # the name that counts is that of the ticket: the Kerberos library may have found another by DNS than the one asked for
            names += [host for host in self._cache.service_hosts(self._settings.service) if "." in host]
        self._names = tuple(dict.fromkeys(names))


class _Transport(WinrmTransport):
    """Pywinrm's Transport with a session prepared before its first message."""

    def __init__(self, settings: ConnectionSettings, method: str, context: ssl.SSLContext | None) -> None:
        self._keyward = settings
        self._context = context
        #: names of the verified certificate
        self.certified: tuple[str, ...] = ()
        #: whether any HTTP answer came
        self.spoke = False
        self._wire: Any = None
        super().__init__(
            settings.endpoint,
            username=settings.username or None,
            password=settings.password.reveal() if settings.password is not None else None,
            service=settings.service,
            ca_trust_path=None,  # type: ignore[arg-type]  # None is documented: nothing from the environment; the context has the CA
            cert_pem=settings.cert_pem,
            cert_key_pem=settings.cert_key_pem or settings.cert_pem,
            read_timeout_sec=int(settings.read_timeout),
            server_cert_validation="ignore" if settings.server_cert_validation == "ignore" else "validate",
            kerberos_delegation=settings.kerberos_delegation,
            kerberos_hostname_override=settings.kerberos_hostname_override,
            auth_method=cast(Literal["auto"], method),
            message_encryption=cast(Literal["auto"], settings.message_encryption),
            credssp_disable_tlsv1_2=settings.credssp_disable_tlsv1_2,
            send_cbt=settings.send_cbt,
            proxy=proxy_for(settings),
        )

    @property
    def proved_itself(self) -> bool:
        """Whether Kerberos' mutual authentication is done."""
        return bool(getattr(getattr(self.session, "auth", None), "auth_done", False))

    def build_session(self) -> requests.Session:
        """The session, prepared; refuses to go on in clear where ``auto`` means encryption."""
        if self.session is not None:
            return self.session
        session = super().build_session()
        self._prepare(session)
        plain = not self.endpoint.lower().startswith("https") and self.message_encryption == "auto"
        if plain and self.auth_method in ENCRYPTING and self.encryption is None:
            raise OptionError(
                "encrypt messages",
                target=self.endpoint,
                meaning=f"the installed library for {self.auth_method} cannot encrypt, and messages over HTTP would go in clear",
                remedy="Use HTTPS, or install a library that can (pykerberos, requests-ntlm or requests-credssp).",
            )
        return session

    def setup_encryption(self, session: requests.Session) -> None:
        """Called by pywinrm before the first message of an encrypted conversation."""
        self._prepare(session)
        super().setup_encryption(session)
        encryption = self.encryption
        if encryption is None:
            raise ProtocolError(problems.TALK, target=self.endpoint, meaning="no encrypted conversation came about")
        decrypt = encryption.parse_encrypted_response
        named = f'protocol="{encryption.protocol_string.decode()}"'

        def only_encrypted(response: requests.Response) -> bytes:
            if named not in response.headers.get("Content-Type", "") and response.status_code in (200, 500):
                raise ProtocolError(
                    problems.TALK,
                    target=self.endpoint,
                    meaning="an answer came in clear on an encrypted connection",
                    remedy="Somebody between here and the host may be changing messages.",
                )
            return decrypt(response) if named in response.headers.get("Content-Type", "") else b""

        encryption.parse_encrypted_response = only_encrypted  # type: ignore[method-assign]  # closes pywinrm's fall-back to clear text

    def _prepare(self, session: requests.Session) -> None:
        if isinstance(session.get_adapter(self.endpoint), _Adapter):
            # another adapter would mean another connection, which the security context does not belong to
            return
        session.trust_env = False
        session.verify = self._keyward.server_cert_validation != "ignore"
        # the context has it already
        session.cert = None
        session.headers["Accept-Encoding"] = "identity"
        adapter = _Adapter(self)
        session.mount("https://", adapter)
        session.mount("http://", adapter)

    def seen(self, raw: Any) -> None:
        """Take note of an HTTP answer, and of its connection while that is at hand: its certificate, and whether it is still the same."""
        self.spoke = True
        connected = getattr(getattr(raw, "connection", None), "sock", None)
        if connected is None:
            return
        if self.encryption is not None and self._wire is not None and connected is not self._wire:
            # what was sealed for the old connection cannot be opened on a new one, so nothing was carried out
            raise problems.lost(self.endpoint)
        self._wire = connected
        if self._context is not None and self._context.verify_mode == ssl.CERT_REQUIRED and isinstance(connected, ssl.SSLSocket):
            self.certified = self.certified or certified_names(connected.getpeercert(), self._keyward.host)

    @property
    def settings(self) -> ConnectionSettings:
        """The connection's settings."""
        return self._keyward

    @property
    def context(self) -> ssl.SSLContext | None:
        """The TLS context, None over HTTP."""
        return self._context


class _Adapter(HTTPAdapter):
    """What every HTTP message of a session passes, those of the authentications too: bounds, time-outs, TLS, no redirect."""

    def __init__(self, owner: _Transport) -> None:
        self._owner = owner
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        if self._owner.context is not None:
            options["ssl_context"] = self._owner.context
        super().init_poolmanager(*arguments, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if self._owner.context is not None:
            options["ssl_context"] = self._owner.context
        return super().proxy_manager_for(proxy, **options)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing to load: requests would add its own CA bundle to the context."""
        conn.cert_reqs = "CERT_REQUIRED" if verify else "CERT_NONE"

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        settings = self._owner.settings
        options["timeout"] = (settings.connect_timeout, settings.read_timeout)
        return super().send(request, *arguments, **options)

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        self._owner.seen(resp)
        response = super().build_response(req, resp)
        settings = self._owner.settings
        if 300 <= response.status_code < 400:
            response.close()
            raise problems.status_error(response.status_code, settings, method=self._owner.auth_method, empty=True)
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            response.close()
            raise problems.no_http(settings)
        bounded = _BoundedResponse(settings)
        bounded.__dict__.update(response.__dict__)
        return bounded


class _BoundedResponse(Response):
    """A response whose body cannot grow beyond an envelope and the wrapping of an encrypted one."""

    def __init__(self, settings: ConnectionSettings) -> None:
        super().__init__()
        self._bound_settings = settings

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
        total = 0
        for chunk in super().iter_content(_CHUNK, decode_unicode):
            total += len(chunk)
            if total > MAX_ENVELOPE + _CHUNK:
                self.close()
                raise problems.too_long(self._bound_settings)
            yield chunk


def proxy_for(settings: ConnectionSettings) -> str | None:
    """The proxy to go through: the one set, else that of the environment where it counts, else None."""
    if settings.proxy:
        return settings.proxy
    if not settings.environment_proxy or MISSING is not None:
        return None
    found = requests.utils.get_environ_proxies(settings.endpoint)
    return found.get(settings.scheme) or found.get("all")
