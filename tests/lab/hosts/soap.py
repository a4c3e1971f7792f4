# SPDX-License-Identifier: GPL-3.0-or-later
"""SOAP of the lab's hosts: strict reading of requests, string templates for answers (wire reference 5.1).

Headers are matched by namespace URI, never by prefix; ``mustUnderstand`` counts with and without a namespace.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .profiles import WireForm

S = "http://www.w3.org/2003/05/soap-envelope"
A = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
N = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
X = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
W = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
P = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
F = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
RSP = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
ANONYMOUS = f"{A}/role/anonymous"
WSMAN_FAULT = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
FAULT_DETAIL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail"

#: MaxEnvelopeSize may not be smaller (MS-WSMV 3.1.4.1.7)
MIN_ENVELOPE = 8192

_MESSAGE_ID = re.compile(r"(?:urn:)?uuid:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_DURATION = re.compile(r"PT(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?")
_ONCE = {
    f"{{{A}}}To",
    f"{{{A}}}ReplyTo",
    f"{{{A}}}Action",
    f"{{{A}}}MessageID",
    f"{{{W}}}ResourceURI",
    f"{{{W}}}MaxEnvelopeSize",
    f"{{{W}}}OperationTimeout",
    f"{{{W}}}Locale",
    f"{{{P}}}DataLocale",
    f"{{{W}}}SelectorSet",
    f"{{{W}}}OptionSet",
    f"{{{P}}}SessionId",
    f"{{{P}}}OperationID",
    f"{{{P}}}SequenceId",
    f"{{{W}}}FragmentTransfer",
}


@dataclass(frozen=True)
class Provider:
    """The nested report of the WMI plug-in: inner code and text, and the operation of the extended status (None: none of that)."""

    code: int
    text: str
    operation: str | None = None
    parameter: str = ""


class SoapFaultError(Exception):
    """The request ends in a fault; rendered by :func:`render_fault`."""

    def __init__(
        self,
        subcode: str,
        code: int | None,
        text: str,
        *,
        sender: bool = True,
        detail: str | None = None,
        provider: Provider | None = None,
    ) -> None:
        super().__init__(f"{subcode} {code} {text}")
        self.subcode = subcode
        self.code = code
        self.text = text
        self.sender = sender
        self.detail = detail
        self.provider = provider
        #: MessageID to relate to, where the request was read so far
        self.relates_to: str | None = None


@dataclass
class Request:
    """What a request asks; ``selectors`` keep their order, ``timeout`` is in seconds (None: not given)."""

    action: str
    resource_uri: str
    message_id: str
    max_envelope: int
    timeout: float | None
    body: ElementTree.Element
    selectors: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


def schema_fault(text: str) -> SoapFaultError:
    """The body, or the whole message, breaks its schema."""
    return SoapFaultError("w:SchemaValidationError", 2150858817, text)


def header_fault(text: str) -> SoapFaultError:
    """A header is missing, doubled or bad."""
    return SoapFaultError("a:InvalidMessageInformationHeader", 2150858767, text)


def parse_request(data: bytes, *, server_max_envelope: int) -> Request:
    """Read a request strictly.

    Raises:
        SoapFaultError: with ``relates_to`` where the message ID could be read.
    """
    header, body = _envelope_parts(data)
    fields: dict[str, ElementTree.Element] = {}
    for element in header:
        if element.tag in fields:
            raise header_fault(f"The header {element.tag} occurs twice.")
        if element.tag in _ONCE:
            fields[element.tag] = element
        elif (element.get("mustUnderstand") or element.get(f"{{{S}}}mustUnderstand") or "false") in ("true", "1"):
            raise SoapFaultError("s:MustUnderstand", 2150858767, f"The mandatory header {element.tag} is not understood.")
    message_id = _text(fields, A, "MessageID")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise header_fault("The message ID is no uuid.")
    try:
        return _read(fields, body, message_id, server_max_envelope)
    except SoapFaultError as fault:
        fault.relates_to = message_id
        raise


def _envelope_parts(data: bytes) -> tuple[ElementTree.Element, ElementTree.Element]:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise schema_fault("A document type is not allowed.")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise schema_fault("The message is no well-formed XML.") from error
    if root.tag != f"{{{S}}}Envelope":
        raise schema_fault("The message is no SOAP 1.2 envelope.")
    if [child.tag for child in root] != [f"{{{S}}}Header", f"{{{S}}}Body"]:
        raise schema_fault("The envelope is not one header and one body.")
    return root[0], root[1]


def _text(fields: dict[str, ElementTree.Element], namespace: str, name: str) -> str:
    element = fields.get(f"{{{namespace}}}{name}")
    if element is None or not (element.text or "").strip():
        raise header_fault(f"The header {name} is missing.")
    return (element.text or "").strip()


def _read(fields: dict[str, ElementTree.Element], body: ElementTree.Element, message_id: str, server_max_envelope: int) -> Request:
    _text(fields, A, "To")
    reply = fields.get(f"{{{A}}}ReplyTo")
    address = reply.find(f"{{{A}}}Address") if reply is not None else None
    if address is None or (address.text or "").strip() != ANONYMOUS:
        raise header_fault("The reply address is not the anonymous role.")
    return Request(
        action=_text(fields, A, "Action"),
        resource_uri=_text(fields, W, "ResourceURI"),
        message_id=message_id,
        max_envelope=_max_envelope(fields, server_max_envelope),
        timeout=_timeout(fields),
        body=body,
        selectors=_named(fields.get(f"{{{W}}}SelectorSet"), "Selector", "w:InvalidSelectors"),
        options=_named(fields.get(f"{{{W}}}OptionSet"), "Option", "w:InvalidOptions"),
    )


def _max_envelope(fields: dict[str, ElementTree.Element], server_max: int) -> int:
    element = fields.get(f"{{{W}}}MaxEnvelopeSize")
    if element is None:
        return server_max
    text = (element.text or "").strip()
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise header_fault("The maximum envelope size is no number.")
    if int(text) < MIN_ENVELOPE:
        raise SoapFaultError(
            "w:EncodingLimit", 2150858825, "The maximum envelope size is too small.", detail=f"{FAULT_DETAIL}/MinimumEnvelopeLimit"
        )
    return min(int(text), server_max)


def _timeout(fields: dict[str, ElementTree.Element]) -> float | None:
    element = fields.get(f"{{{W}}}OperationTimeout")
    if element is None:
        return None
    match = _DURATION.fullmatch((element.text or "").strip())
    if match is None or not any(match.groups()):
        raise header_fault("The operation timeout is no positive duration.")
    hours, minutes, seconds = (float(group or 0) for group in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _named(container: ElementTree.Element | None, name: str, subcode: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for child in container if container is not None else ():
        key = child.get("Name")
        if child.tag != f"{{{W}}}{name}" or not key or key in found or len(child):
            raise SoapFaultError(subcode, 2150858843, f"A {name} is malformed or doubled.", detail=f"{FAULT_DETAIL}/UnexpectedSelectors")
        found[key] = child.text or ""
    return found


def render_envelope(action: str, relates_to: str | None, body: str, form: WireForm, *, prefixes: str = "") -> bytes:
    """An answer as Windows writes it: one line, no XML declaration, upper-case message ID."""
    relates = f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo>" if relates_to else ""
    declaration = '<?xml version="1.0" encoding="UTF-8"?>' if form.xml_declaration else ""
    return (
        f'{declaration}<s:Envelope xml:lang="{form.language}" xmlns:s="{S}" xmlns:a="{A}" xmlns:w="{W}" xmlns:p="{P}"{prefixes}>'
        f"<s:Header><a:Action>{escape(action)}</a:Action><a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:To>{ANONYMOUS}</a:To>{relates}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


_FAULT_ACTIONS = {"n": f"{N}/fault", "a": f"{A}/fault", "x": f"{X}/fault", "w": WSMAN_FAULT, "s": f"{A}/soap/fault"}


def render_fault(fault: SoapFaultError, machine: str, form: WireForm) -> bytes:
    """A fault in Windows' form (wire reference 5.6)."""
    prefix = fault.subcode.split(":")[0]
    text = escape(fault.text)
    if prefix == "s":
        code = f"<s:Value>{fault.subcode}</s:Value>"
    else:
        value = "s:Sender" if fault.sender else "s:Receiver"
        code = f"<s:Value>{value}</s:Value><s:Subcode><s:Value>{fault.subcode}</s:Value></s:Subcode>"
    detail = f"<w:FaultDetail>{fault.detail}</w:FaultDetail>" if fault.detail else ""
    if fault.code is not None:
        message = _provider_fault(fault.provider, machine) if fault.provider else f"{text} "
        detail += (
            f'<f:WSManFault xmlns:f="{F}" Code="{fault.code}" Machine="{escape(machine)}"><f:Message>{message}</f:Message></f:WSManFault>'
        )
    body = (
        f"<s:Fault><s:Code>{code}</s:Code><s:Reason>"
        f'<s:Text xml:lang="{form.language}">{text} </s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>'
    )
    return render_envelope(
        _FAULT_ACTIONS[prefix],
        fault.relates_to,
        body,
        form,
        prefixes=f' xmlns:x="{X}" xmlns:n="{N}" xmlns:e="http://schemas.xmlsoap.org/ws/2004/08/eventing"',
    )


def _provider_fault(provider: Provider, machine: str) -> str:
    status = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/__ExtendedStatus"
    extended = ""
    if provider.operation:
        extended = (
            f'<f:ExtendedError><p:__ExtendedStatus xmlns:p="{status}" xmlns:xsi="{XSI}" xsi:type="p:__ExtendedStatus_Type">'
            f'<p:Description xsi:nil="true"/><p:Operation>{provider.operation}</p:Operation>'
            f"<p:ParameterInfo>{escape(provider.parameter)}</p:ParameterInfo><p:ProviderName>WinMgmt</p:ProviderName>"
            '<p:StatusCode xsi:nil="true"/></p:__ExtendedStatus></f:ExtendedError>'
        )
    return (
        r'<f:ProviderFault provider="WMI Provider" path="%systemroot%\system32\WsmWmiPl.dll">'
        f'<f:WSManFault xmlns:f="{F}" Code="{provider.code}" Machine="{escape(machine)}">'
        f"<f:Message>{escape(provider.text)} </f:Message></f:WSManFault>{extended}</f:ProviderFault>"
    )
