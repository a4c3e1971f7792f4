# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Taking a fault apart, whatever its form: numbers, subcode and texts, cleaned and bounded. Missing and broken parts are left empty."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .xml_reader import Element

_TEXT_LIMIT: Final = 300
_CODE_LIMIT: Final = 16
_EVIDENCE_LIMIT: Final = 4000
_DECIMAL: Final = re.compile(r"-?[0-9]{1,10}", re.ASCII)
_HEXADECIMAL: Final = re.compile(r"0x([0-9a-fA-F]{8})(?![0-9a-fA-F])")
_RECOVERY_PASSWORD: Final = re.compile(r"(?:[0-9]{6}[\s-]?){7}[0-9]{6}", re.ASCII)
_OBJECT_PATH: Final = re.compile(r"\w\.\w+\s*=")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFacts:
    """What a fault holds, cleaned and bounded; empty, None or () where it has no such part.

    ``number`` is the outer code, unsigned; ``inner_codes`` all others in order; ``subcode`` a local name such as ``AccessDenied``;
    ``detail`` the last part of the FaultDetail URI; ``object_path`` whether WMI names one instance by its path.
    """

    number: int | None = None
    subcode: str = ""
    sender: bool | None = None
    detail: str = ""
    inner_codes: tuple[int, ...] = ()
    cim_status: int | None = None
    reason_text: str = ""
    provider: str = ""
    provider_text: str = ""
    machine: str = ""
    object_path: bool = False
    #: all text of the detail and the reason, bounded but as sent: for looking, not for showing
    evidence: str = field(default="", repr=False)

    @property
    def all_codes(self) -> frozenset[int]:
        """The outer and the inner codes."""
        return frozenset(self.inner_codes) | (frozenset() if self.number is None else {self.number})


def read_facts(fault: Element) -> FaultFacts:
    """Take a SOAP 1.2 fault (or the bare parts of a 1.1 one) apart; missing and broken parts are left empty."""
    value = fault.find("Code", "Value")
    detail = fault.child("Detail") or fault.child("detail")
    found = list(_codes(detail)) if detail is not None else []
    number = _outer_code(detail)
    if number is not None and number in found:
        found.remove(number)
    provider = _first(detail, "ProviderFault")
    wmi_error = _first(detail, "MSFT_WmiError")
    reason = fault.find("Reason", "Text") or fault.child("faultstring")
    reason_text = clean(reason.whole_text()) if reason is not None else ""
    return FaultFacts(
        number=number,
        subcode=_subcode(fault),
        sender=None if value is None else value.text.strip().rpartition(":")[2] == "Sender",
        detail=_text(_first(detail, "FaultDetail")).rstrip("/").rpartition("/")[2],
        inner_codes=tuple(dict.fromkeys(found))[:_CODE_LIMIT],
        cim_status=_number(_text(wmi_error.child("CIMStatusCode"))) if wmi_error is not None else None,
        reason_text=reason_text,
        provider=clean((provider.attribute("provider") or "") if provider is not None else ""),
        provider_text=_provider_text(provider, wmi_error) or ("" if reason_text else _message(detail)),
        machine=clean((_first(detail, "WSManFault") or fault).attribute("Machine") or ""),
        evidence=" ".join(part.whole_text() for part in (reason, detail) if part is not None)[:_EVIDENCE_LIMIT],
        object_path=_OBJECT_PATH.search(_text(_first(detail, "ParameterInfo"))) is not None,
    )


def clean(text: str) -> str:
    """A host's text for showing: printable, on one line, bounded, without anything that has the form of a recovery password."""
    # cut before the pattern and once more after it, so that a huge text costs nothing and the bound holds
    line = " ".join("".join(character if character.isprintable() else " " for character in text[: 4 * _TEXT_LIMIT]).split())
    line = _RECOVERY_PASSWORD.sub("<recovery password>", line)
    return line if len(line) <= _TEXT_LIMIT else line[: _TEXT_LIMIT - 1].rstrip() + "…"


def _first(element: Element | None, local: str) -> Element | None:
    if element is not None:
        for inner in element.walk():
            if inner.local == local:
                return inner
    return None


def _text(element: Element | None) -> str:
    return element.text.strip()[:1000] if element is not None else ""


def _provider_text(provider: Element | None, wmi_error: Element | None) -> str:
    """What a provider says: the message of its own fault, else its own text, else WMI's description; or the message of an MSFT_WmiError."""
    if provider is not None:
        for said in (provider.find("WSManFault", "Message"), provider, _first(provider, "Description")):
            if said is not None and (text := clean(said.text)):
                return text
    message = wmi_error.child("Message") if wmi_error is not None else None
    return clean(message.text) if message is not None else ""


def _message(detail: Element | None) -> str:
    """The text of the outer Message, for a fault without a reason."""
    message = _first(detail, "Message")
    return clean(message.text) if message is not None else ""


def _subcode(fault: Element) -> str:
    """The innermost subcode's local name; QNames may come with any prefix or none."""
    code = fault.child("Code")
    name = ""
    while code is not None and (code := code.child("Subcode")) is not None:
        name = _text(code.child("Value")).rpartition(":")[2] or name
    if not name:
        name = _text(fault.child("faultcode")).rpartition(":")[2]
    return name if re.fullmatch(r"\w{1,64}", name) else ""


def _number(text: str) -> int | None:
    if _DECIMAL.fullmatch(text):
        number = int(text)
    elif found := _HEXADECIMAL.fullmatch(text):
        number = int(found[1], 16)
    else:
        return None
    # some stacks write an HRESULT as a negative number
    return number & 0xFFFFFFFF if -(2**31) <= number < 2**32 else None


def _outer_code(detail: Element | None) -> int | None:
    if detail is None:
        return None
    for element in detail.walk():
        number = None
        if element.local == "WSManFault":
            number = _number((element.attribute("Code") or "").strip())
        elif element.local == "error_Code":
            number = _number(element.text.strip())
        if number is not None:
            return number
    return None


def _codes(detail: Element) -> Iterator[int]:
    """Every code in a detail, outermost first: attributes, WMI's status codes, hexadecimal numbers in texts."""
    for element in detail.walk():
        if element.local in ("WSManFault", "ProviderFault"):
            number = _number((element.attribute("Code") or "").strip())
        elif element.local in ("error_Code", "StatusCode"):
            number = _number(element.text.strip())
        else:
            number = None
        if number:
            yield number
        for found in _HEXADECIMAL.finditer(element.text[:2000]):
            yield int(found[1], 16)
