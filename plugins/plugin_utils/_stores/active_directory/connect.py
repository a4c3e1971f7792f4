# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""From settings to a bound connection: server after server, TLS that is verified, never a bind in clear.

ldap3 opens the socket, begins StartTLS, binds, and encodes what is sent. Its own TLS is not used (it verifies nothing by default, loads the
system's authorities beside a given one, and cannot match an address on Python 3.12 and newer), nor are its referrals, which take the
credentials along, nor its decoder (see :mod:`.message`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..._errors import KeywardError, OptionError, ProtocolError, StoreDownError, TlsError, UnreachableError
from . import failures, kerberos
from .discovery import Resolver, discover
from .message import RawEntry
from .search import BASE, SHOW_DELETED, Conversation, Outcome, Query
from .settings import KERBEROS, LDAPS, DirectorySettings
from .tls import VerifiedTls

try:
    import ldap3
    from ldap3.core.exceptions import LDAPExceptionError
    from ldap3.operation.search import search_operation
    from ldap3.protocol.controls import build_control
    from ldap3.protocol.convert import build_controls_list
    from ldap3.protocol.rfc2696 import paged_search_control
    from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
    from ldap3.utils.asn1 import encode as encode_ber  # type: ignore[attr-defined]  # the stubs do not know it
    from pyasn1.error import PyAsn1Error
except ImportError:
    ldap3 = None  # type: ignore[assignment]  # optional: its absence is an error only where it is needed

_START_TLS = "1.3.6.1.4.1.1466.20037"
_ACTIVE_DIRECTORY = b"1.2.840.113556.1.4.800"
#: LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID (MS-ADTS 3.1.1.3.4.3): a read-only domain controller
_READ_ONLY_DC = b"1.2.840.113556.1.4.1920"
_ROOT_ATTRIBUTES = ("defaultNamingContext", "dnsHostName", "supportedCapabilities")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What the server says of itself (rootDSE). ``read_only``: a read-only DC or a Global Catalog, both without passwords."""

    server: str
    naming_context: str
    dns_host_name: str
    read_only: bool

    @property
    def domain(self) -> str:
        """DNS name of the domain, from its naming context."""
        return ".".join(part.partition("=")[2] for part in self.naming_context.split(",")).lower()


@dataclass(slots=True)
class Link:
    """A bound connection to one server."""

    directory: Directory
    conversation: Conversation
    _connection: Any

    def close(self) -> None:
        """Say goodbye and let the socket go; a connection that is gone already is no matter."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _discard(connection)


def encode_search(message_id: int, query: Query, cookie: bytes) -> bytes:
    """The bytes of one search request, with the paging control unless the search is of base scope."""
    request = search_operation(
        query.base, query.filter, query.scope, 0, list(query.attributes), 0, 0, False, auto_escape=False, auto_encode=False
    )
    controls = []
    if query.scope != BASE:
        controls.append(paged_search_control(True, query.page_size, cookie))
    if query.show_deleted:
        controls.append(build_control(SHOW_DELETED, True, None))
    whole = LDAPMessage()
    whole["messageID"] = MessageID(message_id)
    whole["protocolOp"] = ProtocolOp().setComponentByName("searchRequest", request)
    if controls:
        whole["controls"] = build_controls_list(controls)
    return bytes(encode_ber(whole))


def connect(settings: DirectorySettings, *, resolve: Resolver | None = None) -> Link:
    """Connect and bind to the first server that lets us.

    The next server is tried after one that cannot be reached, shows a wrong certificate or is not ready; never after refused credentials,
    so that a wrong password is one attempt.

    Raises:
        OptionError: an option cannot be used, or a library is missing.
        AuthenticationError, TlsError, UnreachableError, ProtocolError, StoreDownError: why it did not work, of all servers.
    """
    if ldap3 is None:
        raise OptionError(
            "read Active Directory", meaning="the Python package ldap3 is not installed", remedy="Install ldap3 where Ansible runs."
        )
    servers = settings.servers or discover(settings.domain or "", settings.connection_timeout, resolve)
    credentials = kerberos.credentials(settings) if settings.auth_protocol == KERBEROS else None
    problems: list[KeywardError] = []
    for server in servers:
        try:
            return _connect_one(settings, server, credentials)
        except (UnreachableError, TlsError, StoreDownError, ProtocolError) as problem:
            problems.append(problem)
    raise failures.all_failed(problems)


def _connect_one(settings: DirectorySettings, server: str, credentials: Any) -> Link:
    shown = f"{server}:{settings.effective_port}"
    connection = _open(settings, server, shown)
    try:
        conversation = Conversation(connection.socket, encode_search, timeout=settings.timeout, server=shown)
        directory = _root(conversation, settings, shown)
        _bind(connection, settings, directory, credentials, shown)
    except KeywardError:
        _discard(connection)
        raise
    return Link(directory, conversation, connection)


def _open(settings: DirectorySettings, server: str, shown: str) -> Any:
    """A connection whose TLS is up and verified, not bound."""
    tls = VerifiedTls(settings, server)
    try:
        target = ldap3.Server(
            server,
            port=settings.effective_port,
            use_ssl=settings.tls_mode == LDAPS,
            get_info=ldap3.NONE,
            connect_timeout=settings.connection_timeout,
            allowed_referral_hosts=[],
        )
        target.tls = tls
        connection = ldap3.Connection(
            target,
            receive_timeout=settings.timeout,
            read_only=True,
            auto_referrals=False,
            check_names=False,
            auto_range=False,
            raise_exceptions=False,
        )
        connection.open(read_server_info=False)
    except (LDAPExceptionError, OSError) as error:
        raise tls.failure or failures.open_failure(str(error), shown) from error
    if settings.tls_mode != LDAPS:
        try:
            _start_tls(connection, tls, shown)
        except KeywardError:
            _discard(connection)
            raise
    return connection


def _start_tls(connection: Any, tls: VerifiedTls, shown: str) -> None:
    try:
        connection.extended(_START_TLS)
        result = connection.result or {}
        if result.get("result") != 0:
            raise TlsError(
                "begin StartTLS",
                target=shown,
                code=f"LDAP {result.get('result')}",
                name=str(result.get("description", "")),
                meaning="the server refuses it",
                remedy="Check that the domain controller has a certificate, or use tls_mode ldaps.",
            )
        tls.wrap_socket(connection, do_handshake=True)
    except (LDAPExceptionError, PyAsn1Error, OSError, LookupError, ValueError, TypeError) as error:
        raise tls.failure or UnreachableError(
            "begin StartTLS", target=shown, meaning="the server gave no usable answer", remedy="Check port and tls_mode."
        ) from error


def _root(conversation: Conversation, settings: DirectorySettings, shown: str) -> Directory:
    """What the server is, asked before any credential is sent (MS-ADTS 3.1.1.3.2: the rootDSE is open to all)."""
    outcome = Outcome()
    found = list(conversation.search(Query(base="", filter="(objectClass=*)", scope=BASE, attributes=_ROOT_ATTRIBUTES), outcome))
    if outcome.problem:
        raise outcome.problem
    root = found[0] if found else RawEntry("", {})
    context, host = root.first("defaultnamingcontext"), root.first("dnshostname")
    capabilities = root.attributes.get("supportedcapabilities", ())
    if not context or _ACTIVE_DIRECTORY not in capabilities:
        raise ProtocolError(
            "read what the directory says of itself",
            target=shown,
            meaning="it is no Active Directory domain controller",
            remedy="Check server and port.",
        )
    return Directory(
        server=shown,
        naming_context=context.decode("utf-8", "replace"),
        dns_host_name=(host or b"").decode("utf-8", "replace"),
        read_only=_READ_ONLY_DC in capabilities or settings.global_catalog,
    )


def _bind(connection: Any, settings: DirectorySettings, directory: Directory, credentials: Any, shown: str) -> None:
    try:
        if settings.auth_protocol == KERBEROS:
            # the service name is the server's own: what was connected to may be an address
            host = directory.dns_host_name or settings.servers[0]
            connection.rebind(
                authentication=ldap3.SASL, sasl_mechanism=ldap3.KERBEROS, sasl_credentials=(host, None, credentials), read_server_info=False
            )
        else:
            # bytes, because ldap3 would pass text through SASLprep, which the directory does not know
            secret = settings.password.reveal().encode() if settings.password else b""
            connection.rebind(user=settings.username, password=secret, authentication=ldap3.SIMPLE, read_server_info=False)
        result = connection.result or {}
    except (LDAPExceptionError, PyAsn1Error, OSError, LookupError, ValueError, TypeError) as error:
        raise UnreachableError(
            "authenticate to the directory",
            target=shown,
            meaning="the connection broke, or the answer was none",
            remedy="Look into the server's event log.",
        ) from error
    except Exception as error:
        if kerberos.is_gss_error(error):
            raise kerberos.bind_error(error, shown) from error
        raise
    finally:
        # ldap3 keeps both for reconnecting; nothing here reconnects
        connection.password = None
        connection.request = None
        connection.sasl_credentials = None
    if result.get("result") != 0:
        raise failures.bind_failure(int(result.get("result", -1)), str(result.get("message", "")), shown)


def _discard(connection: Any) -> None:
    try:
        connection.unbind()
    except (LDAPExceptionError, PyAsn1Error, OSError, LookupError, ValueError, TypeError, AttributeError):
        # a socket that broke before; there is nobody left to say goodbye to
        connection.strategy.close()
