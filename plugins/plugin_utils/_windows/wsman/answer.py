# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Answers: what an envelope that came back holds, by local names whatever the prefixes and namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..._errors import ProtocolError
from .instance import Instance, instances
from .xml_reader import Element, read_xml

_NOT_WINRM: Final = "Check that the address is that of WinRM and not of a web server or proxy."


@dataclass(frozen=True, slots=True)
class Answer:
    """An envelope with the header fields that are checked; empty where the header has none."""

    body: Element
    action: str
    relates_to: str

    @property
    def fault(self) -> Element | None:
        """The SOAP fault, if the body is one."""
        return self.body.child("Fault")


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to Enumerate or Pull. ``context`` is None where none was sent (then the old one stays valid), empty where it is empty."""

    items: tuple[Instance, ...]
    context: str | None
    ended: bool


def read_answer(data: bytes, *, attempted: str, target: str = "") -> Answer:
    """Parse an answer; ProtocolError or LimitError for what is no SOAP envelope or passes a bound."""
    root = read_xml(data, attempted=attempted, target=target)
    body = root.child("Body")
    if root.local != "Envelope" or body is None:
        raise ProtocolError(attempted, target=target, meaning="the answer is XML but no SOAP envelope", remedy=_NOT_WINRM)
    return Answer(body, _header(root, "Action"), _header(root, "RelatesTo"))


def _header(root: Element, local: str) -> str:
    element = root.find("Header", local)
    return element.text.strip() if element is not None else ""


def page(answer: Answer, *, attempted: str, target: str = "") -> Page:
    """Read an EnumerateResponse or PullResponse; ProtocolError for another body.

    ``Items`` and ``EndOfSequence`` stand in the WSMAN namespace after Enumerate and in that of WS-Enumeration after Pull.
    """
    response = answer.body.child("EnumerateResponse") or answer.body.child("PullResponse")
    if response is None:
        raise ProtocolError(attempted, target=target, meaning="the answer is none to an enumeration")
    items = response.child("Items")
    context = response.child("EnumerationContext")
    return Page(
        items=tuple(instances(items)) if items is not None else (),
        context=context.text.strip() if context is not None else None,
        ended=response.child("EndOfSequence") is not None,
    )


def instance(answer: Answer, *, attempted: str, target: str = "") -> Instance:
    """Read the one instance of a GetResponse; ProtocolError where there is none."""
    if len(answer.body.children) != 1:
        raise ProtocolError(attempted, target=target, meaning=f"one instance was expected and {len(answer.body.children)} came")
    return Instance(answer.body.children[0])


def output(answer: Answer, method: str) -> Instance:
    """Read the output of a method: an element with or without ``_OUTPUT``, nil, omitted, or its members straight in the body."""
    wanted = {f"{method}_OUTPUT".lower(), method.lower(), f"{method}Response".lower()}
    for element in answer.body.children:
        if element.local.lower() in wanted:
            return Instance(element)
    if len(answer.body.children) == 1 and (answer.body.children[0].children or answer.body.children[0].is_nil):
        return Instance(answer.body.children[0])
    return Instance(answer.body)
