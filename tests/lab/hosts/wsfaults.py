# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults whose wire form depends on the reading (WIRE_FORMS), and those that always look the same (wire reference 5.6)."""

from __future__ import annotations

from .profiles import WireForm
from .soap import FAULT_DETAIL, Provider, SoapFaultError

NOT_FOUND = 2150858752
CANNOT_PROCESS_FILTER = 2150858778

_GERMAN = {
    "namespace": "Der WMI-Namespace ist nicht vorhanden.",
    "class": "Die Klasse ist im Namespace nicht vorhanden.",
    "method": "Die Methode ist in der Klasse nicht vorhanden.",
    "access": "Zugriff verweigert",
}
_ENGLISH = {
    "namespace": "The WMI namespace does not exist.",
    "class": "The class does not exist in the namespace.",
    "method": "The class has no such method.",
    "access": "Access is denied.",
}


def _text(form: WireForm, which: str) -> str:
    return (_GERMAN if form.language.startswith("de") else _ENGLISH)[which]


def _unreachable(code: int, text: str, provider: Provider | None) -> SoapFaultError:
    return SoapFaultError("a:DestinationUnreachable", code, text, detail=f"{FAULT_DETAIL}/InvalidResourceURI", provider=provider)


def missing_namespace(form: WireForm, namespace: str, query: str | None) -> SoapFaultError:
    """The namespace is not there (WBEM_E_INVALID_NAMESPACE); ``query`` is the WQL text of an Enumerate, None otherwise."""
    text = f"{_text(form, 'namespace')} ({namespace})"
    operation = "ExecQuery" if query else "GetObject"
    inner = Provider(NOT_FOUND, text, operation, query or namespace)
    if form.namespace_fault == "filter" and query is not None:
        return SoapFaultError(
            "n:CannotProcessFilter", CANNOT_PROCESS_FILTER, text, provider=Provider(CANNOT_PROCESS_FILTER, text, operation, query)
        )
    if form.namespace_fault == "provider":
        return _unreachable(NOT_FOUND, text, Provider(0x8004100E, text, operation, query or namespace))
    if form.namespace_fault == "bare":
        return _unreachable(NOT_FOUND, _text(form, "namespace"), None)
    return _unreachable(NOT_FOUND, text, inner)


def missing_class(form: WireForm, class_name: str, query: str | None) -> SoapFaultError:
    """The namespace has no such class."""
    text = f"{_text(form, 'class')} ({class_name})"
    if query is not None:
        return SoapFaultError(
            "n:CannotProcessFilter", CANNOT_PROCESS_FILTER, text, provider=Provider(CANNOT_PROCESS_FILTER, text, "ExecQuery", query)
        )
    return _unreachable(NOT_FOUND, text, Provider(NOT_FOUND, text, "GetObject", class_name))


def bad_query(query: str, why: str) -> SoapFaultError:
    """WQL that cannot be parsed, or that names a property that the class does not have."""
    provider = Provider(CANNOT_PROCESS_FILTER, f"The query is invalid: {why}.", "ExecQuery", query)
    return SoapFaultError("n:CannotProcessFilter", CANNOT_PROCESS_FILTER, "The filter could not be processed.", provider=provider)


def missing_instance(path: str) -> SoapFaultError:
    """No instance has these keys."""
    return _unreachable(NOT_FOUND, "The resource could not be found.", Provider(NOT_FOUND, "Not found.", "GetObject", path))


def missing_keys() -> SoapFaultError:
    """An instance operation without any selector on a class that is no singleton."""
    return SoapFaultError("w:InvalidSelectors", 2150859002, "The resource URI does not contain keys, but the class is not a singleton.")


def insufficient_selectors() -> SoapFaultError:
    """Some keys are missing."""
    return SoapFaultError("w:InvalidSelectors", 2150858842, "Some selectors are missing.", detail=f"{FAULT_DETAIL}/InsufficientSelectors")


def unexpected_selectors() -> SoapFaultError:
    """A selector is no key of the class."""
    return SoapFaultError("w:InvalidSelectors", 2150858843, "A selector is not expected.", detail=f"{FAULT_DETAIL}/UnexpectedSelectors")


def missing_method(form: WireForm, method: str) -> SoapFaultError:
    """The class has no method of exactly this name."""
    text = f"{_text(form, 'method')} ({method})"
    if form.method_fault == "action":
        return SoapFaultError("a:ActionNotSupported", 2150858771, text)
    if form.method_fault == "provider":
        return SoapFaultError("w:InternalError", 0x8004102E, text, sender=False, provider=Provider(0x8004102E, text, "GetMethod", method))
    if form.method_fault == "unreachable":
        return _unreachable(NOT_FOUND, text, Provider(0x80041055, text, "ExecMethod", method))
    return SoapFaultError("a:ActionNotSupported", 2150858753, text)


def unknown_action(action: str) -> SoapFaultError:
    """The action belongs to no operation of this resource."""
    return SoapFaultError("a:ActionNotSupported", 2150858753, f"The action is not supported ({action}).")


def unknown_resource() -> SoapFaultError:
    """The resource URI is not in the service's catalogue."""
    return _unreachable(2150858811, "The resource URI does not belong to any resource of this service.", None)


def bad_parameter(why: str) -> SoapFaultError:
    """An argument is missing, unknown, doubled or of another type."""
    return SoapFaultError("w:InvalidParameter", 2150858810, f"A parameter is not valid: {why}.", detail=f"{FAULT_DETAIL}/InvalidValue")


def access_denied(form: WireForm) -> SoapFaultError:
    """WMI denies the namespace to the account."""
    text = _text(form, "access")
    if form.access_fault == "five":
        return SoapFaultError("w:AccessDenied", 5, text)
    if form.access_fault == "internal":
        return SoapFaultError("w:InternalError", 2147942405, text, sender=False)
    if form.access_fault == "provider":
        return SoapFaultError("w:AccessDenied", 2150859012, text, provider=Provider(0x80041003, text, "ExecQuery"))
    return SoapFaultError("w:AccessDenied", 2150859012, text)


def service_denied(form: WireForm) -> SoapFaultError:
    """The WinRM service itself denies the account."""
    return SoapFaultError("w:AccessDenied", 5, _text(form, "access"))


def invalid_context() -> SoapFaultError:
    """The enumeration context is unknown, used up or of another resource."""
    return SoapFaultError("n:InvalidEnumerationContext", 2150858779, "The enumeration context is not valid.", sender=False)


def too_large(size: int, limit: int) -> SoapFaultError:
    """The answer does not fit the envelope."""
    text = f"The computed response packet size ({size}) exceeds the maximum envelope size that is allowed ({limit})."
    return SoapFaultError("w:EncodingLimit", 2150858824, text, detail=f"{FAULT_DETAIL}/MaxEnvelopeSizeExceeded")


def not_in_the_lab(method: str) -> SoapFaultError:
    """A method that the class has and the lab cannot play."""
    return SoapFaultError("w:InternalError", 2147942450, f"The lab does not play {method}.", sender=False)
