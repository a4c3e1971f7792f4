# SPDX-License-Identifier: GPL-3.0-or-later
"""The remote shell: enough for Ansible's winrm connection to run a module, with one canned result for whatever is run."""

from __future__ import annotations

import base64
import threading
import uuid
from dataclasses import dataclass, field
from xml.etree import ElementTree

from . import soap, wsfaults
from .profiles import WireForm
from .record import Exchange
from .soap import RSP, Request, X

SHELL_RESOURCE = f"{RSP}/cmd"
#: what every command prints
RESULT = b'{"changed": false, "ping": "pong"}\r\n'

_ACTIONS = {
    f"{X}/Create": "Create",
    f"{X}/Delete": "Delete",
    f"{RSP}/Command": "Command",
    f"{RSP}/Send": "Send",
    f"{RSP}/Receive": "Receive",
    f"{RSP}/Signal": "Signal",
}


@dataclass
class _Shell:
    commands: dict[str, int] = field(default_factory=dict)


class Shells:
    """The open shells of one host; ``commands`` remembers how much standard input each command got."""

    def __init__(self, form: WireForm) -> None:
        self._form = form
        self._lock = threading.Lock()
        self._shells: dict[str, _Shell] = {}

    def __len__(self) -> int:
        return len(self._shells)

    def handle(self, request: Request, note: Exchange) -> bytes:
        """Answer one message of the shell protocol (MS-WSMV 3.1.4.5 and following)."""
        operation = _ACTIONS.get(request.action)
        if operation is None:
            raise wsfaults.unknown_action(request.action)
        note.operation = operation
        with self._lock:
            if operation == "Create":
                return self._create(request)
            shell_id = request.selectors.get("ShellId", "")
            shell = self._shells.get(shell_id)
            if shell is None or len(request.selectors) != 1:
                raise wsfaults.unexpected_selectors()
            if operation == "Delete":
                del self._shells[shell_id]
                return self._answer(request, f"{X}/DeleteResponse", "")
            if len(request.body) != 1:
                raise soap.schema_fault("The body is not one element.")
            return self._in_shell(operation, request, shell, request.body[0])

    def _in_shell(self, operation: str, request: Request, shell: _Shell, element: ElementTree.Element) -> bytes:
        if operation == "Command":
            if element.tag != f"{{{RSP}}}CommandLine":
                raise soap.schema_fault("The body is no command line.")
            command_id = str(uuid.uuid4()).upper()
            shell.commands[command_id] = 0
            return self._answer(
                request, f"{RSP}/CommandResponse", f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"
            )
        if element.tag != f"{{{RSP}}}{operation}":
            raise soap.schema_fault(f"The body is no {operation}.")
        carrier = element if operation == "Signal" else element[0] if len(element) else element
        command_id = carrier.get("CommandId", "")
        if command_id not in shell.commands:
            raise wsfaults.bad_parameter("the command is unknown")
        if operation == "Send":
            shell.commands[command_id] += len(base64.b64decode(carrier.text or ""))
            return self._answer(request, f"{RSP}/SendResponse", "<rsp:SendResponse/>")
        if operation == "Signal":
            return self._answer(request, f"{RSP}/SignalResponse", "<rsp:SignalResponse/>")
        return self._receive(request, command_id)

    def _create(self, request: Request) -> bytes:
        if len(request.body) != 1 or request.body[0].tag != f"{{{RSP}}}Shell":
            raise soap.schema_fault("The body is no shell.")
        shell_id = str(uuid.uuid4()).upper()
        self._shells[shell_id] = _Shell()
        selectors = f'<w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet>'
        body = (
            f"<x:ResourceCreated><a:Address>https://host/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>{SHELL_RESOURCE}"
            f"</w:ResourceURI>{selectors}</a:ReferenceParameters></x:ResourceCreated>"
            f'<rsp:Shell xmlns:rsp="{RSP}"><rsp:ShellId>{shell_id}</rsp:ShellId><rsp:ResourceUri>{SHELL_RESOURCE}</rsp:ResourceUri>'
            "<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
        )
        return self._answer(request, f"{X}/CreateResponse", body)

    def _receive(self, request: Request, command_id: str) -> bytes:
        output = base64.b64encode(RESULT).decode()
        body = (
            f'<rsp:ReceiveResponse><rsp:Stream Name="stdout" CommandId="{command_id}">{output}</rsp:Stream>'
            f'<rsp:Stream Name="stdout" CommandId="{command_id}" End="true"/>'
            f'<rsp:Stream Name="stderr" CommandId="{command_id}" End="true"/>'
            f'<rsp:CommandState CommandId="{command_id}" State="{RSP}/CommandState/Done"><rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>'
            "</rsp:ReceiveResponse>"
        )
        return self._answer(request, f"{RSP}/ReceiveResponse", body)

    def _answer(self, request: Request, action: str, body: str) -> bytes:
        prefixes = f' xmlns:x="{X}" xmlns:rsp="{RSP}"'
        return soap.render_envelope(action, request.message_id, body, self._form, prefixes=prefixes)
