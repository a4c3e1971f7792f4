# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Requests: our own lean SOAP envelopes for Enumerate, Pull, Release, Get and Invoke (DSP0226, MS-WSMV 3.1.4).

An envelope names only the prefixes it needs. ``a:To`` is the text that pywinrm always sends: Windows does not look at it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ..._errors import OptionError

#: an input of a method: None leaves the element out (NULL), bytes become one element an octet, a sequence one element a member
Value = str | int | bool | bytes | Sequence[str | int] | None

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
ENUMERATION: Final = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
TRANSFER: Final = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WSMAN: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
WQL: Final = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
WMI: Final = "http://schemas.microsoft.com/wbem/wsman/1/wmi"

ENUMERATE: Final = f"{ENUMERATION}/Enumerate"
PULL: Final = f"{ENUMERATION}/Pull"
RELEASE: Final = f"{ENUMERATION}/Release"
GET: Final = f"{TRANSFER}/Get"

_SPECIAL: Final = re.compile('[&<>"\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]')
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;", "\x7f": "&#127;"}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_]{1,64}(/[A-Za-z0-9_]{1,64}){0,15}", re.ASCII)


def escape(text: str) -> str:
    """Text for an element or an attribute in double quotes; OptionError for a character that XML 1.0 cannot carry."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    try:
        return _ESCAPES[found[0]]
    except KeyError:
        raise OptionError(
            "write the request", meaning=f"a value holds U+{ord(found[0]):04X}, which XML cannot carry", remedy="Remove that character."
        ) from None


def wql_literal(text: str) -> str:
    """A string literal for WQL, quotes included: the backslash is WQL's escape character, so it and quotes are escaped by it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def name(text: str) -> str:
    """A class, method, property or parameter name as it must be for CIM (DSP0004 5.1.1.8) and XML; OptionError else."""
    if not _NAME.fullmatch(text):
        raise OptionError("write the request", meaning=f"{text[:64]!r} is no name of a class, method or parameter")
    return text


def resource_uri(namespace: str, class_name: str) -> str:
    """The resource URI of a class, or of all classes of a namespace with ``*``; the namespace in slashes (win32, WinRM resource URIs)."""
    if not _NAMESPACE.fullmatch(namespace):
        raise OptionError("write the request", meaning=f"{namespace[:64]!r} is no WMI namespace")
    return f"{WMI}/{namespace}/{class_name if class_name == '*' else name(class_name)}"


class EnvelopeWriter:
    """Writes envelopes with one session's header values.

    Args:
        operation_timeout: seconds the host may take, sent as ``PT20.000S`` (DSP0226 6.1).
        max_envelope_size: octets of an answer that we take (DSP0226 6.2); the host's own limit holds if it is smaller.
        locale: language for fault texts; nothing is decided by them where a code is sent.
        max_elements: most items in one answer (DSP0226 8.4).
    """

    def __init__(self, *, operation_timeout: float, max_envelope_size: int, locale: str = "en-US", max_elements: int = 1000) -> None:
        self._common = (
            "<a:To>http://windows-host:5985/wsman</a:To>"
            f'<a:ReplyTo><a:Address s:mustUnderstand="true">{ADDRESSING}/role/anonymous</a:Address></a:ReplyTo>'
            f'<w:MaxEnvelopeSize s:mustUnderstand="true">{int(max_envelope_size)}</w:MaxEnvelopeSize>'
            f'<w:Locale xml:lang="{escape(locale)}" s:mustUnderstand="false"/>'
            f"<w:OperationTimeout>PT{operation_timeout:.3f}S</w:OperationTimeout>"
        )
        self._max_elements = int(max_elements)

    def enumerate(self, uri: str, message_id: str, *, wql: str | None = None) -> bytes:
        """Enumerate a class, or run a query; always with OptimizeEnumeration (DSP0226 8.2.3)."""
        condition = f'<w:Filter Dialect="{WQL}">{escape(wql)}</w:Filter>' if wql is not None else ""
        body = (
            f'<n:Enumerate xmlns:n="{ENUMERATION}"><w:OptimizeEnumeration/><w:MaxElements>{self._max_elements}</w:MaxElements>'
            f"{condition}</n:Enumerate>"
        )
        return self._write(ENUMERATE, uri, message_id, body)

    def pull(self, uri: str, message_id: str, context: str) -> bytes:
        """Ask for the next items of an enumeration."""
        body = (
            f'<n:Pull xmlns:n="{ENUMERATION}"><n:EnumerationContext>{escape(context)}</n:EnumerationContext>'
            f"<n:MaxElements>{self._max_elements}</n:MaxElements></n:Pull>"
        )
        return self._write(PULL, uri, message_id, body)

    def release(self, uri: str, message_id: str, context: str) -> bytes:
        """Give up an enumeration before its end."""
        body = f'<n:Release xmlns:n="{ENUMERATION}"><n:EnumerationContext>{escape(context)}</n:EnumerationContext></n:Release>'
        return self._write(RELEASE, uri, message_id, body)

    def get(self, uri: str, message_id: str, selectors: Mapping[str, str]) -> bytes:
        """Read one instance by its keys; selector values are literal (no doubling of backslashes)."""
        return self._write(GET, uri, message_id, "", selectors)

    def invoke(
        self, uri: str, message_id: str, method: str, selectors: Mapping[str, str] | None, arguments: Mapping[str, Value] | None
    ) -> bytes:
        """Call a method (MS-WSMV 4.1.4): names are case-sensitive, no selectors for a static method, an empty INPUT without arguments."""
        inputs = "".join(_argument(name(key), value) for key, value in (arguments or {}).items())
        tag = f"p:{name(method)}_INPUT"
        body = f'<{tag} xmlns:p="{uri}">{inputs}</{tag}>' if inputs else f'<{tag} xmlns:p="{uri}"/>'
        return self._write(f"{uri}/{method}", uri, message_id, body, selectors)

    def _write(self, action: str, uri: str, message_id: str, body: str, selectors: Mapping[str, str] | None = None) -> bytes:
        keys = ""
        if selectors:
            chosen = "".join(f'<w:Selector Name="{name(key)}">{escape(value)}</w:Selector>' for key, value in selectors.items())
            keys = f"<w:SelectorSet>{chosen}</w:SelectorSet>"
        return (
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:w="{WSMAN}"><s:Header>'
            f'<w:ResourceURI s:mustUnderstand="true">{uri}</w:ResourceURI>'
            f'<a:Action s:mustUnderstand="true">{action}</a:Action>'
            f"<a:MessageID>{escape(message_id)}</a:MessageID>{self._common}{keys}"
            f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        ).encode()


def _argument(key: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, (str, bool, int)):
        return f"<p:{key}>{_scalar(value)}</p:{key}>"
    return "".join(f"<p:{key}>{_scalar(member)}</p:{key}>" for member in value)


def _scalar(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else escape(value)
