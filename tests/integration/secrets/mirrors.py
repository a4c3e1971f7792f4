# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers that say back what they were told in confidence: hosts and a directory that put the credentials into their answers."""

from __future__ import annotations

import base64
import binascii
import http.server
import ssl
import threading
from collections.abc import Callable
from typing import ClassVar
from xml.sax.saxutils import escape

from ansible_collections.keyward.bitlocker.tests.lab.directory import layout
from ansible_collections.keyward.bitlocker.tests.lab.directory.address import AddressBlock
from ansible_collections.keyward.bitlocker.tests.lab.directory.ldap_wire import SearchRequest
from ansible_collections.keyward.bitlocker.tests.lab.directory.memory_directory import MemoryDirectory
from ansible_collections.keyward.bitlocker.tests.lab.directory.scripted_ldap import Answer, BindRefusal, ScriptedLdap
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA

_FAULT = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"><s:Header><a:RelatesTo>{id}</a:RelatesTo></s:Header><s:Body><s:Fault>
<s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{said}</s:Value></s:Subcode></s:Code>
<s:Reason><s:Text xml:lang="en-US">You told me {said}</s:Text></s:Reason>
<s:Detail><f:WSManFault Code="2150858999" Machine="{said}"><f:Message><f:ProviderFault provider="{said}" path="{said}">
You told me {said}</f:ProviderFault></f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>"""


class _Mirror(http.server.BaseHTTPRequestHandler):
    """Answers each request with the credentials that came with it, in one of four ways, by the ``kind`` of the server."""

    protocol_version = "HTTP/1.1"
    kinds: ClassVar[tuple[str, ...]] = ("fault", "status", "redirect", "page")

    def do_POST(self) -> None:
        """Say back."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8", "replace")
        header = self.headers.get("Authorization", "")
        said = f"{_decoded(header)} {header}"
        answer: dict[str, Callable[[], None]] = {
            "fault": lambda: self._send(
                500, "Error", _FAULT.format(said=escape(said, {'"': "&quot;"}), id=_message_id(body)), "application/soap+xml"
            ),
            "status": lambda: self._send(418, said, said, "text/plain"),
            "redirect": lambda: self._send(302, said, said, "text/html", Location=f"https://127.0.0.1/{said}"),
            "page": lambda: self._send(200, "OK", f"<html><body>{said}</body></html>", "text/html"),
        }
        answer[self.server.kind]()  # type: ignore[attr-defined]  # an attribute of our own

    def _send(self, status: int, reason: str, text: str, kind: str, **headers: str) -> None:
        content = text.encode()
        self.send_response(status, reason)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), "X-Said": reason, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing here."""


def _decoded(header: str) -> str:
    try:
        return base64.b64decode(header.partition(" ")[2]).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _message_id(body: str) -> str:
    return body.partition("MessageID>")[2].partition("<")[0]


class Mirrors:
    """All of them, listening; a context manager. ``hosts`` are kind -> address, ``directory`` is an address.

    The directory quotes the password when it refuses the report's bind, and when it refuses the reveal account's searches.
    """

    def __init__(self, authority: LabCA, block: AddressBlock, realm: str) -> None:
        self.hosts = {kind: block.infrastructure(40 + number) for number, kind in enumerate(_Mirror.kinds)}
        self.directory = block.infrastructure(50)
        self._servers = [_https(authority, address, kind) for kind, address in self.hosts.items()]
        known = layout.accounts(realm)
        refused, searcher = known[layout.REPORT], known[layout.REVEAL]
        everything = MemoryDirectory()

        def search(request: SearchRequest) -> Answer:
            return everything(request) if not request.base else Answer(code=1, message=_quoted(searcher))

        self._ldap = ScriptedLdap(
            search,
            authority.issue(dns_names=[], addresses=[self.directory]),
            address=self.directory,
            port=layout.LDAPS_PORT,
            passwords={searcher.principal: searcher.password},
            refusals={refused.principal: BindRefusal(1, _quoted(refused))},
        )

    def __enter__(self) -> Mirrors:
        self._ldap.start()
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._ldap.stop()


def _quoted(account: layout.Account) -> str:
    return f"bind of {account.name} with {account.password} and {base64.b64encode(account.password.encode()).decode()}"


def _https(authority: LabCA, address: str, kind: str) -> http.server.ThreadingHTTPServer:
    chain, key = authority.issue(dns_names=[f"mirror-{kind}.lab.example"], addresses=[address])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server = http.server.ThreadingHTTPServer((address, 5986), _Mirror, bind_and_activate=True)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.kind = kind  # type: ignore[attr-defined]  # an attribute of our own
    return server
