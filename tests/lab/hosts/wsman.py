# SPDX-License-Identifier: GPL-3.0-or-later
"""The WS-Management service of one lab host: reads a message, does what it asks, answers or faults."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from xml.etree import ElementTree

from ..model import LabHost
from . import soap, wql, wsfaults
from .cim import Method, Value, Values, WmiClass, read_argument, render_fragment, render_instance
from .classes.volume_changes import VolumeChanges
from .enumeration import Enumerations, read_enumerate
from .escrow import Escrow
from .profiles import PROFILES, WIRE_FORMS
from .record import Exchange
from .repository import BITLOCKER, Repository
from .shell import SHELL_RESOURCE, Shells
from .soap import N, Request, SoapFaultError, W, X

WMI_PREFIX = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
_NIL = f"{{{soap.XSI}}}nil"


class WsmanService:
    """One host's service; its volumes are a copy of the estate's, so that two services of one host do not meet.

    Args:
        escrow: where recovery passwords are backed up to; in memory where not given.
        changed: gets the host's own copy after every change, before anybody hears of it.
    """

    def __init__(
        self, host: LabHost, now: datetime, escrow: Escrow | None = None, changed: Callable[[LabHost], None] = lambda host: None
    ) -> None:
        self.host = copy.deepcopy(host)
        self.profile = PROFILES[host.profile]
        form = WIRE_FORMS[host.wire_form]
        self.form = replace(form, lying_types=True) if host.fault == "wrong_types" else form
        self._repository = Repository(self.host, self.profile, self.form, now, escrow, lambda: changed(self.host))
        self.enumerations = Enumerations(self.form)
        self.shells = Shells(self.form)

    @property
    def changes(self) -> VolumeChanges | None:
        """What changes this host's volumes; None where BitLocker is not installed."""
        return None if self._repository.volumes is None else self._repository.volumes.changes

    def handle(self, data: bytes, note: Exchange) -> tuple[int, bytes]:
        """Answer one SOAP message: HTTP status and body. ``note`` is filled with what it asked."""
        request: Request | None = None
        try:
            request = soap.parse_request(data, server_max_envelope=self.profile.max_envelope)
            note.action, note.resource, note.selectors = request.action, request.resource_uri, list(request.selectors)
            answer = self._dispatch(request, note)
            if len(answer) > request.max_envelope:
                raise wsfaults.too_large(len(answer), request.max_envelope)
        except SoapFaultError as fault:
            note.fault = fault.code
            if request is not None:
                fault.relates_to = request.message_id
            return 500, soap.render_fault(fault, self.host.address or self.host.netbios_name, self.form)
        return 200, answer

    def _dispatch(self, request: Request, note: Exchange) -> bytes:
        if self.host.fault in ("uac_filtered", "root_sddl"):
            raise wsfaults.service_denied(self.form)
        if request.resource_uri == SHELL_RESOURCE:
            return self.shells.handle(request, note)
        if not request.resource_uri.lower().startswith(WMI_PREFIX):
            raise wsfaults.unknown_resource()
        path = request.resource_uri[len(WMI_PREFIX) :]
        namespace, _unused, class_name = path.rpartition("/")
        if not namespace or not class_name or "\\" in path:
            raise wsfaults.unknown_resource()
        note.class_name = class_name
        if request.action == f"{N}/Enumerate":
            note.operation = "Enumerate"
            return self._enumerate(request, namespace, class_name, note)
        if request.action == f"{N}/Pull":
            note.operation = "Pull"
            return self.enumerations.pull(request)
        if request.action == f"{N}/Release":
            note.operation = "Release"
            return self.enumerations.release(request)
        if request.action == f"{X}/Get":
            note.operation = "Get"
            return self._get(request, namespace, class_name)
        if request.action.startswith(request.resource_uri + "/"):
            note.operation, note.method = "Invoke", request.action[len(request.resource_uri) + 1 :]
            return self._invoke(request, namespace, class_name, note.method)
        raise wsfaults.unknown_action(request.action)

    # --- finding -------------------------------------------------------------------------------------------------

    def _classes(self, namespace: str, query: str | None) -> dict[str, WmiClass]:
        denied = self.host.fault == "not_admin" or (self.host.fault == "wmi_denied" and namespace.lower() == BITLOCKER)
        classes = self._repository.namespace(namespace)
        if classes is None:
            raise wsfaults.missing_namespace(self.form, namespace, query)
        if denied:
            raise wsfaults.access_denied(self.form)
        return classes

    def _class(self, namespace: str, name: str, query: str | None = None) -> WmiClass:
        found = self._classes(namespace, query).get(name.lower())
        if found is None:
            raise wsfaults.missing_class(self.form, name, query)
        return found

    @staticmethod
    def _instance(found: WmiClass, selectors: Mapping[str, str]) -> Values:
        if set(selectors) - set(found.keys):
            raise wsfaults.unexpected_selectors()
        if not selectors and not found.singleton:
            raise wsfaults.missing_keys()
        if set(found.keys) - set(selectors):
            raise wsfaults.insufficient_selectors()
        for instance in found.instances():
            if all(str(instance[name]) == value for name, value in selectors.items()):
                return instance
        path = ",".join(f'{name}="{value}"' for name, value in selectors.items())
        raise wsfaults.missing_instance(f"{found.name}.{path}")

    # --- operations ----------------------------------------------------------------------------------------------

    def _enumerate(self, request: Request, namespace: str, class_name: str, note: Exchange) -> bytes:
        asked = read_enumerate(request.body)
        if request.selectors:
            raise wsfaults.unexpected_selectors()
        if asked.query is not None:
            if class_name != "*":
                raise wsfaults.bad_query(asked.query, "the resource URI of a query ends in an asterisk")
            note.query = asked.query
            return self.enumerations.start(request, asked, self._query(namespace, asked.query, note))
        if class_name == "*":
            raise wsfaults.missing_instance("*")
        found = self._class(namespace, class_name)
        items = [render_instance(request.resource_uri, found.name, found.properties, item, self.form) for item in found.instances()]
        return self.enumerations.start(request, asked, items)

    def _query(self, namespace: str, text: str, note: Exchange) -> list[str]:
        self._classes(namespace, text)
        try:
            query = wql.parse(text)
        except wql.WqlError as error:
            raise wsfaults.bad_query(text, str(error)) from error
        note.class_name = query.class_name
        found = self._class(namespace, query.class_name, text)
        spelling = {name.lower(): name for name in found.properties}
        named = [*(query.columns or ()), *(condition.name for condition in query.conditions)]
        unknown = [name for name in named if name.lower() not in spelling]
        if unknown:
            raise wsfaults.bad_query(text, f"{found.name} has no property {unknown[0]}")
        items = found.instances() if found.search is None else found.search(query.equalities)
        chosen = [item for item in items if query.matches(item)]
        if query.columns is None:
            uri = f"{WMI_PREFIX}{namespace}/{found.name}"
            return [render_instance(uri, found.name, found.properties, item, self.form) for item in chosen]
        columns = [spelling[name.lower()] for name in query.columns]
        return [render_fragment(W, columns, found.properties, item, self.form) for item in chosen]

    def _get(self, request: Request, namespace: str, class_name: str) -> bytes:
        if len(request.body):
            raise soap.schema_fault("The body of a Get is empty.")
        found = self._class(namespace, class_name)
        instance = self._instance(found, request.selectors)
        body = render_instance(request.resource_uri, found.name, found.properties, instance, self.form)
        return soap.render_envelope(f"{X}/GetResponse", request.message_id, body, self.form, prefixes=f' xmlns:x="{X}"')

    def _invoke(self, request: Request, namespace: str, class_name: str, name: str) -> bytes:
        found = self._class(namespace, class_name)
        method = found.methods.get(name)
        if method is None:
            raise wsfaults.missing_method(self.form, name)
        if method.static and request.selectors:
            raise wsfaults.unexpected_selectors()
        instance = None if method.static else self._instance(found, request.selectors)
        arguments = _arguments(request, method)
        if method.handler is None:
            raise wsfaults.not_in_the_lab(name)
        try:
            code, outputs = method.handler(instance, arguments)
        except NotImplementedError as error:
            raise wsfaults.not_in_the_lab(name) from error
        types = {parameter.name: parameter.type for parameter in method.outputs} | {"ReturnValue": "uint32"}
        element = f"{name}_OUTPUT" if self.form.output_suffix else name
        values = {**outputs, "ReturnValue": code}
        body = render_instance(request.resource_uri, element, types, values, self.form)
        return soap.render_envelope(f"{request.action}Response", request.message_id, body, self.form)


def _arguments(request: Request, method: Method) -> dict[str, Value]:
    tag = f"{{{request.resource_uri}}}{method.name}_INPUT"
    if len(request.body) != 1 or request.body[0].tag != tag:
        raise soap.schema_fault(f"The body is not one {method.name}_INPUT in the namespace of the class.")
    given: dict[str, list[str | None]] = {}
    for child in request.body[0]:
        namespace, _unused, name = child.tag.rpartition("}")
        if namespace != "{" + request.resource_uri or len(child):
            raise soap.schema_fault(f"{child.tag} is not expected.")
        given.setdefault(name, []).append(_content(child))
    parameters = {parameter.name: parameter for parameter in method.inputs}
    for name in given:
        if name not in parameters:
            raise wsfaults.bad_parameter(f"{method.name} has no parameter {name}")
    arguments: dict[str, Value] = {}
    for name, parameter in parameters.items():
        try:
            value = read_argument(parameter.type, given[name]) if name in given else None
        except ValueError as error:
            raise wsfaults.bad_parameter(f"{name} is no {parameter.type}") from error
        if value is None:
            if not parameter.optional:
                raise wsfaults.bad_parameter(f"{name} is missing")
            continue
        arguments[name] = value
    return arguments


def _content(element: ElementTree.Element) -> str | None:
    if (element.get(_NIL) or "false") in ("true", "1"):
        return None
    return element.text or ""
