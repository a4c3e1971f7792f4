# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A hardened reader of SOAP envelopes: expat without document types, entities and surprises, within bounds.

SOAP 1.2 part 1, section 5 forbids document type declarations and processing instructions in a message, so nothing lawful is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

from ..._errors import LimitError, ProtocolError
from .port import MAX_ENVELOPE

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 50_000
MAX_ATTRIBUTES: Final = 64

_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"


class Element:
    """One XML element: names are split into namespace and local name, ``text`` is what stands directly in it."""

    __slots__ = ("attributes", "children", "local", "namespace", "text")

    def __init__(self, namespace: str, local: str, attributes: dict[str, str]) -> None:
        self.namespace = namespace
        self.local = local
        #: by "namespace local" where the attribute has a namespace, else by its name
        self.attributes = attributes
        self.children: list[Element] = []
        self.text = ""

    def attribute(self, local: str) -> str | None:
        """The value of the first attribute with this local name, whatever its namespace."""
        for name, value in self.attributes.items():
            if name.rpartition(" ")[2] == local:
                return value
        return None

    @property
    def is_nil(self) -> bool:
        """Whether the element says xsi:nil (XML Schema part 1, section 2.6.2)."""
        return self.attributes.get(f"{_XSI} nil", "").strip().lower() in ("true", "1")

    def child(self, local: str) -> Element | None:
        """The first child with this local name, whatever its namespace."""
        for child in self.children:
            if child.local == local:
                return child
        return None

    def find(self, *path: str) -> Element | None:
        """Follow first children by local names; None where one is missing."""
        element: Element | None = self
        for local in path:
            element = element.child(local) if element is not None else None
        return element

    def walk(self) -> Iterator[Element]:
        """This element and everything below it, in document order."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))

    def whole_text(self) -> str:
        """All text in and below this element, in document order of the elements, joined by blanks."""
        return " ".join(part for part in (element.text.strip() for element in self.walk()) if part)

    def __repr__(self) -> str:
        return f"<{self.local}, {len(self.children)} children>"


class _Builder:
    """Expat's handlers. A bound that is passed raises out of the parser at once."""

    def __init__(self, attempted: str, target: str) -> None:
        self._attempted = attempted
        self._target = target
        self.root: Element | None = None
        self._open: list[tuple[Element, list[str]]] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH or len(attributes) > MAX_ATTRIBUTES:
            raise LimitError(
                self._attempted,
                target=self._target,
                meaning=f"the answer holds more than {MAX_ELEMENTS} elements, {MAX_DEPTH} levels or {MAX_ATTRIBUTES} attributes",
            )
        namespace, _unused, local = name.rpartition(" ")
        element = Element(namespace, local, attributes)
        if self._open:
            self._open[-1][0].children.append(element)
        else:
            self.root = element
        self._open.append((element, []))

    def end(self, name: str) -> None:
        element, parts = self._open.pop()
        element.text = parts[0] if len(parts) == 1 else "".join(parts)

    def characters(self, text: str) -> None:
        self._open[-1][1].append(text)

    def refuse(self, *_arguments: object) -> None:
        raise ProtocolError(
            self._attempted,
            target=self._target,
            meaning="the answer holds a document type, an entity or a processing instruction, which SOAP forbids",
            remedy="Check that the address is that of WinRM and not of a web server or proxy.",
        )


def read_xml(data: bytes, *, attempted: str, target: str = "", limit: int = MAX_ENVELOPE) -> Element:
    """Parse one document within bounds and return its root.

    Errors: :class:`LimitError` for too many bytes, elements, levels or attributes; :class:`ProtocolError` for anything that is no XML,
    or holds a document type, an entity or a processing instruction. Nothing else.
    """
    if len(data) > limit:
        raise LimitError(attempted, target=target, meaning=f"the answer is longer than {limit} bytes")
    builder = _Builder(attempted, target)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    parser.ProcessingInstructionHandler = builder.refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as cause:
        # expat speaks of line and column only; ValueError and LookupError come from encodings that Python does not know
        raise ProtocolError(
            attempted,
            target=target,
            meaning="the answer is not well-formed XML",
            remedy="Check that the address is that of WinRM and not of a web server or proxy.",
        ) from cause
    if builder.root is None:
        raise ProtocolError(attempted, target=target, meaning="the answer is empty")
    return builder.root
