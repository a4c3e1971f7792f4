# SPDX-License-Identifier: GPL-3.0-or-later
"""WS-Management exchanges from outside: what one asks for, and the answers of a peer that refuses or lies."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from xml.etree import ElementTree

from ..hosts import soap
from ..hosts.cim import render_instance
from ..hosts.classes.volume_schema import METHODS, braced
from ..hosts.profiles import WIRE_FORMS
from ..hosts.soap import SoapFaultError

_LAST = re.compile(r"[^/]+\Z")
#: methods of Win32_EncryptableVolume that only tell
_READING = re.compile("Get|Is|Find|TpmProtectorContains")
_A = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
_W = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
#: the code of a provider that failed for reasons of its own (E_FAIL)
FAILED = 0x80004005


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: its operation or method, its message ID and resource."""

    what: str
    method: str | None
    message_id: str
    action: str
    resource: str

    @property
    def changes(self) -> bool:
        """Whether it is a method that changes a volume."""
        return self.method in METHODS and _READING.match(self.method) is None


def read(envelope: bytes) -> Asked:
    """What an envelope asks for; nothing of it where it is none (an empty message of a negotiation, or a sealed one)."""
    try:
        header = ElementTree.fromstring(envelope)[0]
    except (ElementTree.ParseError, IndexError):
        return Asked(what="negotiation" if not envelope else "sealed", method=None, message_id="", action="", resource="")
    action, resource = (header.findtext(name) or "" for name in (f"{_A}Action", f"{_W}ResourceURI"))
    found = _LAST.search(action)
    word = found[0] if found else ""
    method = word if action.startswith(resource + "/") and resource else None
    what = f"Invoke {word}" if method else word
    return Asked(what=what, method=method, message_id=header.findtext(f"{_A}MessageID") or "", action=action, resource=resource)


def refusal(asked: Asked) -> bytes:
    """The SOAP fault of a service that could not, for HTTP status 500."""
    fault = SoapFaultError("w:InternalError", FAILED, "The lab's proxy refuses this exchange.", sender=False)
    fault.relates_to = asked.message_id
    return soap.render_fault(fault, "proxy", WIRE_FORMS["modern"])


def lie(asked: Asked) -> bytes:
    """ReturnValue 0 of a method that was not called; a protector that it would have made has an ID that nothing has."""
    if asked.method is None:
        raise ValueError(f"a lie about {asked.what} is not known")
    outputs = {item.name: item.type for item in METHODS[asked.method].outputs} if asked.method in METHODS else {}
    values: dict[str, str | int] = {name: braced(str(uuid.uuid4())) for name, kind in outputs.items() if kind == "string"}
    form = WIRE_FORMS["modern"]
    types = outputs | {"ReturnValue": "uint32"}
    body = render_instance(asked.resource, f"{asked.method}_OUTPUT", types, {**values, "ReturnValue": 0}, form)
    return soap.render_envelope(f"{asked.action}Response", asked.message_id, body, form)
