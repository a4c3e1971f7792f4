# SPDX-License-Identifier: GPL-3.0-or-later
"""A small real LDAP server that answers what it is told to: for everything Samba cannot show.

It speaks LDAP over TLS (or in clear with StartTLS) on a loopback address and records every bind and search. Searches go to a handler, a
callable from a search to an Answer; ``memory_directory.MemoryDirectory`` is one that behaves like a directory with limits and rights.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.lab.directory import ber, ldap_wire
from ansible_collections.keyward.bitlocker.tests.lab.directory.ldap_server import Listener, server_context
from ansible_collections.keyward.bitlocker.tests.lab.directory.ldap_wire import BindRequest, Control, Message, Page, SearchRequest

SUCCESS, OPERATIONS_ERROR, TIME_LIMIT, SIZE_LIMIT, STRONGER_AUTH, REFERRAL = 0, 1, 3, 4, 8, 10
UNAVAILABLE_CRITICAL_EXTENSION, NO_SUCH_OBJECT, INVALID_CREDENTIALS, INSUFFICIENT_RIGHTS, BUSY, UNAVAILABLE = 12, 32, 49, 50, 51, 52
UNWILLING = 53

#: what a domain controller says after a wrong password; ``data`` is the reason (reference, section 7)
REFUSED = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v4563"


@dataclass(frozen=True)
class Entry:
    """One entry of an answer."""

    dn: str
    attributes: Mapping[str, Sequence[str | bytes]] = field(default_factory=dict)


@dataclass(kw_only=True)
class Answer:
    """Everything that is sent for one search, in this order: delay, entries, references, result."""

    entries: Sequence[Entry] = ()
    #: each is one searchResultReference
    references: Sequence[str] = ()
    code: int = SUCCESS
    matched: str = ""
    message: str = ""
    #: of a result with code 10
    referrals: Sequence[str] = ()
    #: the paged results control of the result; None: there is none
    page: Page | None = None
    controls: Sequence[Control] = ()
    #: seconds before anything is sent
    delay: float = 0.0
    #: say nothing and keep the connection open
    hang: bool = False
    #: break the connection off after the entries, before the result
    drop: bool = False
    #: sent in place of everything else
    raw: bytes | None = None


Handler = Callable[[SearchRequest], Answer]


@dataclass(frozen=True)
class SeenBind:
    """A bind that arrived; the password itself is not kept."""

    name: str
    method: str
    encrypted: bool
    accepted: bool


@dataclass(frozen=True)
class BindRefusal:
    """An answer to a bind of this name, whatever the password."""

    code: int = INVALID_CREDENTIALS
    message: str = REFUSED.format(data="52e")


class ScriptedLdap(Listener):
    """The server; a context manager.

    Args:
        handler: answers the searches.
        certificate: (chain, key); None makes a clear server.
        address: loopback address to listen on.
        port: 0 takes a free one.
        start_tls: clear server that offers StartTLS with the certificate.
        passwords: name -> password that binds; None lets everybody in.
        refusals: name -> what a bind of that name gets.
        hang_on_bind: accept the connection and never answer the bind.
    """

    def __init__(
        self,
        handler: Handler,
        certificate: tuple[Path, Path] | None,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        start_tls: bool = False,
        passwords: Mapping[str, str] | None = None,
        refusals: Mapping[str, BindRefusal] | None = None,
        hang_on_bind: bool = False,
    ) -> None:
        self._context = None if certificate is None else server_context(*certificate)
        self._start_tls = start_tls
        super().__init__(address, port, None if start_tls else self._context, self._talk)
        self._handler = handler
        self._passwords = passwords
        self._refusals = refusals or {}
        self._hang_on_bind = hang_on_bind
        #: every search in order of arrival, over all connections
        self.searches: list[SearchRequest] = []
        #: every bind in order of arrival
        self.binds: list[SeenBind] = []
        #: names of the other operations: a reader must have sent none that writes
        self.other_operations: list[str] = []

    def _talk(self, client: socket.socket) -> None:
        while (raw := ber.read_element(client.recv)) is not None:
            message = ldap_wire.decode(raw)
            if message.operation == ldap_wire.UNBIND:
                return
            if message.operation == ldap_wire.EXTENDED and message.extended() == ldap_wire.START_TLS:
                offered = self._start_tls and self._context is not None
                code = SUCCESS if offered else UNAVAILABLE
                client.sendall(ldap_wire.encode(message.id, ldap_wire.result(ldap_wire.EXTENDED_RESPONSE, code)))
                if offered and self._context is not None:
                    with self.secured(client, self._context) as wrapped:
                        self._talk(wrapped)
                    return
            elif message.operation == ldap_wire.BIND:
                self._bind(client, message)
            elif message.operation == ldap_wire.SEARCH:
                if not self._search(client, message):
                    return
            elif message.operation != ldap_wire.ABANDON:
                self.other_operations.append(ldap_wire.OPERATIONS.get(message.operation, str(message.operation)))
                client.sendall(
                    ldap_wire.encode(message.id, ldap_wire.result(message.operation + 1, UNWILLING, message="scripted: read only"))
                )

    def _bind(self, client: socket.socket, message: Message) -> None:
        request = message.bind()
        if self._hang_on_bind:
            self.stopping.wait()
            return
        refusal = self._refusals.get(request.name) or self._verdict(request)
        self.binds.append(SeenBind(request.name, request.method, isinstance(client, ssl.SSLSocket), refusal is None))
        code, text = (SUCCESS, "") if refusal is None else (refusal.code, refusal.message)
        client.sendall(ldap_wire.encode(message.id, ldap_wire.result(ldap_wire.BIND_RESPONSE, code, message=text)))

    def _verdict(self, request: BindRequest) -> BindRefusal | None:
        if request.method == "anonymous" or self._passwords is None:
            return None
        if request.method != "simple":
            return BindRefusal(7, "scripted: simple binds only")
        return None if self._passwords.get(request.name, "").encode() == request.password else BindRefusal()

    def _search(self, client: socket.socket, message: Message) -> bool:
        """Answer one search; False ends the connection."""
        request = message.search()
        self.searches.append(request)
        answer = self._handler(request)
        if answer.hang:
            self.stopping.wait()
            return False
        if answer.delay and self.stopping.wait(answer.delay):
            return False
        if answer.raw is not None:
            client.sendall(answer.raw)
            return True
        for found in answer.entries:
            client.sendall(ldap_wire.encode(message.id, ldap_wire.entry(found.dn, found.attributes)))
        for url in answer.references:
            client.sendall(ldap_wire.encode(message.id, ldap_wire.reference([url])))
        if answer.drop:
            return False
        done = ldap_wire.result(
            ldap_wire.SEARCH_DONE, answer.code, matched=answer.matched, message=answer.message, referrals=answer.referrals
        )
        controls = [*answer.controls, *([] if answer.page is None else [answer.page.control()])]
        client.sendall(ldap_wire.encode(message.id, done, controls))
        return True
