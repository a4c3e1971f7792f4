# SPDX-License-Identifier: GPL-3.0-or-later
"""Enumerate, Pull and Release (wire reference 5.2)."""

from __future__ import annotations

import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

from . import wsfaults
from .profiles import WireForm
from .soap import FAULT_DETAIL, N, Request, SoapFaultError, W, render_envelope, schema_fault

WQL_DIALECT = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
#: octets of items that Windows puts into one PullResponse, whatever was asked for
BATCH_OCTETS = 75_000
#: octets that an answer needs beside its items
_OVERHEAD = 2_000
_MAX_OPEN = 200


@dataclass(frozen=True)
class EnumerateBody:
    """What an Enumerate asks for; ``query`` None: the class of the resource URI."""

    optimize: bool
    max_elements: int
    query: str | None


def read_enumerate(body: ElementTree.Element) -> EnumerateBody:
    """Read the body of an Enumerate strictly."""
    element = _only(body, "Enumerate")
    optimize, max_elements, query = False, 1, None
    for child in _once(element):
        if child.tag == f"{{{W}}}OptimizeEnumeration":
            optimize = True
        elif child.tag == f"{{{W}}}MaxElements":
            max_elements = _max_elements(child)
        elif child.tag == f"{{{W}}}Filter":
            if child.get("Dialect") != WQL_DIALECT:
                raise SoapFaultError("n:FilterDialectRequestedUnavailable", 2150858777, "The filter dialect is not supported.")
            query = child.text or ""
        elif child.tag == f"{{{W}}}EnumerationMode":
            raise SoapFaultError("w:UnsupportedFeature", 2150858818, "The mode is not supported.", detail=f"{FAULT_DETAIL}/EnumerationMode")
        else:
            raise schema_fault(f"{child.tag} is not expected in an Enumerate.")
    return EnumerateBody(optimize, max_elements, query)


def _only(body: ElementTree.Element, name: str) -> ElementTree.Element:
    if len(body) != 1 or body[0].tag != f"{{{N}}}{name}":
        raise schema_fault(f"The body is not one {name}.")
    return body[0]


def _once(element: ElementTree.Element) -> Iterable[ElementTree.Element]:
    seen = set()
    for child in element:
        if child.tag in seen:
            raise schema_fault(f"{child.tag} occurs twice.")
        seen.add(child.tag)
        yield child


def _max_elements(element: ElementTree.Element) -> int:
    text = (element.text or "").strip()
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        raise schema_fault("The number of elements is not positive.")
    return int(text)


def _context(element: ElementTree.Element) -> str:
    return (element.text or "").strip()


@dataclass
class _Open:
    resource: str
    items: list[str]


class Enumerations:
    """The open enumerations of one host; a context is good for one Pull."""

    def __init__(self, form: WireForm) -> None:
        self._form = form
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def start(self, request: Request, asked: EnumerateBody, items: list[str]) -> bytes:
        """The answer to an Enumerate whose result is ``items``."""
        if not asked.optimize:
            body = f"<n:EnumerationContext>{self._keep(request.resource_uri, items)}</n:EnumerationContext>"
            return self._answer(request, "Enumerate", body)
        count = len(items) if len(items) <= 1 or not self._form.first_answer_one else 1
        batch, rest = self._split(request, items, min(count, max(asked.max_elements, 1)) if count else 0)
        if rest or (self._form.late_end and items):
            context = self._keep(request.resource_uri, rest)
            body = f"<n:EnumerationContext>{context}</n:EnumerationContext><w:Items>{''.join(batch)}</w:Items>"
        else:
            shown = f"<w:Items>{''.join(batch)}</w:Items>" if batch else "<w:Items/>" if self._form.empty_items else ""
            body = f"<n:EnumerationContext/>{shown}<w:EndOfSequence/>"
        return self._answer(request, "Enumerate", body)

    def pull(self, request: Request) -> bytes:
        """The answer to a Pull: items with a new context, or the end of the sequence."""
        context, limit = "", 1
        for child in _once(_only(request.body, "Pull")):
            if child.tag == f"{{{N}}}EnumerationContext":
                context = _context(child)
            elif child.tag == f"{{{N}}}MaxElements":
                limit = _max_elements(child)
            elif child.tag not in (f"{{{N}}}MaxTime", f"{{{N}}}MaxCharacters"):
                raise schema_fault(f"{child.tag} is not expected in a Pull.")
        taken = self._take(context, request.resource_uri)
        batch, rest = self._split(request, taken.items, min(limit, self._form.pull_limit or limit))
        if rest or (self._form.late_end and batch):
            body = f"<n:EnumerationContext>{self._keep(taken.resource, rest)}</n:EnumerationContext><n:Items>{''.join(batch)}</n:Items>"
        else:
            body = f"<n:Items>{''.join(batch)}</n:Items><n:EndOfSequence/>"
        return self._answer(request, "Pull", body)

    def release(self, request: Request) -> bytes:
        """Forget an enumeration."""
        element = _only(request.body, "Release")
        if [child.tag for child in element] != [f"{{{N}}}EnumerationContext"]:
            raise schema_fault("A Release holds one context.")
        self._take(_context(element[0]), request.resource_uri)
        return render_envelope(f"{N}/ReleaseResponse", request.message_id, "", self._form, prefixes=f' xmlns:n="{N}"')

    def _split(self, request: Request, items: list[str], limit: int) -> tuple[list[str], list[str]]:
        room = min(request.max_envelope - _OVERHEAD, BATCH_OCTETS)
        size, count = 0, 0
        for item in items[:limit]:
            size += len(item.encode())
            if count and size > room:
                break
            count += 1
        first = len(items[0].encode()) if items else 0
        if limit and first + _OVERHEAD > request.max_envelope:
            raise wsfaults.too_large(first + _OVERHEAD, request.max_envelope)
        return items[:count], items[count:]

    def _keep(self, resource: str, items: list[str]) -> str:
        context = f"uuid:{str(uuid.uuid4()).upper()}"
        with self._lock:
            self._open[context] = _Open(resource, items)
            while len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)
        return context

    def _take(self, context: str, resource: str) -> _Open:
        with self._lock:
            found = self._open.get(context)
            if found is None or found.resource.lower() != resource.lower():
                raise wsfaults.invalid_context()
            return self._open.pop(context)

    def _answer(self, request: Request, name: str, inner: str) -> bytes:
        body = f"<n:{name}Response>{inner}</n:{name}Response>"
        return render_envelope(f"{N}/{name}Response", request.message_id, body, self._form, prefixes=f' xmlns:n="{N}"')
