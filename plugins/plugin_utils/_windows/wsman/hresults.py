# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What the numbers in faults mean: the codes of WS-Management and of WMI, and those of the providers by the catalogue of results.

Source of values and names: the ERROR_WSMAN_* constants of wsmerror.h, and MicrosoftDocs/win32 "WMI Error Constants"; the meanings are
in our words.
"""

from __future__ import annotations

from typing import Final

from .. import hresults as results

WSMAN_RESOURCE_NOT_FOUND: Final = 0x80338000
WSMAN_INVALID_ACTION: Final = 0x80338001
WSMAN_DESTINATION_UNREACHABLE: Final = 0x80338012
WSMAN_ACTION_NOT_SUPPORTED: Final = 0x80338013
WSMAN_CANNOT_PROCESS_FILTER: Final = 0x8033801A
WSMAN_TIMED_OUT: Final = 0x80338029
WSMAN_CONCURRENCY: Final = 0x80338032
WSMAN_QUOTA_LIMIT: Final = 0x8033803F
WSMAN_WMI_ACCESS_DENIED: Final = 0x80338104
WSMAN_WMI_PROVIDER_ACCESS_DENIED: Final = 0x80338105
WSMAN_WMI_CONNECT_ACCESS_DENIED: Final = 0x80338106
#: quotas of shells, operations, users and plug-ins, any of which ends by waiting
WSMAN_QUOTAS: Final = frozenset({WSMAN_QUOTA_LIMIT, *range(0x803381A5, 0x803381AC), *range(0x803381E4, 0x803381EA)})
WBEM_E_NOT_FOUND: Final = 0x80041002
WBEM_E_ACCESS_DENIED: Final = 0x80041003
WBEM_E_INVALID_NAMESPACE: Final = 0x8004100E
WBEM_E_INVALID_CLASS: Final = 0x80041010
WBEM_E_QUOTA_VIOLATION: Final = 0x8004106C
WBEM_E_TIMED_OUT: Final = 0x80041069

#: low word of 0x8033xxxx: name without ERROR_WSMAN_, meaning
_WSMAN: Final[dict[int, tuple[str, str]]] = {
    0x8000: ("RESOURCE_NOT_FOUND", "the host has no such namespace, class or instance"),
    0x8001: ("INVALID_ACTIONURI", "the host does not know the operation or method"),
    0x8002: ("INVALID_URI", "the resource address is not valid"),
    0x8003: ("PROVIDER_FAILURE", "the host's WMI plug-in failed"),
    0x800C: ("UNSUPPORTED_TIMEOUT", "the host does not take this operation timeout"),
    0x800F: ("INVALID_MESSAGE_INFORMATION_HEADER", "the host refuses a header of the request"),
    0x8010: ("SOAP_FAULT_MUST_UNDERSTAND", "the host does not understand a header of the request"),
    0x8012: ("DESTINATION_UNREACHABLE", "the host cannot reach what was addressed"),
    0x8013: ("ACTION_NOT_SUPPORTED", "the class has no such operation or method"),
    0x8014: ("ENDPOINT_UNAVAILABLE", "the host's service is not available now"),
    0x8019: ("ENUMERATE_FILTER_DIALECT_REQUESTED_UNAVAILABLE", "the host does not take queries in WQL"),
    0x801A: ("ENUMERATE_CANNOT_PROCESS_FILTER", "the host cannot run the query: a class or namespace is missing, or its text is wrong"),
    0x801B: ("ENUMERATE_INVALID_ENUMERATION_CONTEXT", "the host no longer knows this enumeration"),
    0x801C: ("ENUMERATE_TIMED_OUT", "the enumeration took too long"),
    0x8026: ("ENVELOPE_TOO_LARGE", "a message is larger than the host allows"),
    0x8027: ("INVALID_SOAP_BODY", "the host refuses the body of the request"),
    0x8029: ("OPERATION_TIMEDOUT", "the operation did not end in time"),
    0x8032: ("CONCURRENCY", "the host is busy with another operation on this resource"),
    0x8035: ("ENCODING_LIMIT", "a limit of the message's encoding is passed"),
    0x8036: ("FAILED_AUTHENTICATION", "the host does not accept the credentials"),
    0x803A: ("INVALID_PARAMETER", "the host does not accept a parameter"),
    0x803B: ("INVALID_RESOURCE_URI", "the host does not know the resource"),
    0x803D: ("INVALID_SELECTORS", "the keys do not fit the class"),
    0x803F: ("QUOTA_LIMIT", "a quota of the host is used up"),
    0x8041: ("SCHEMA_VALIDATION_ERROR", "the body of the request does not fit the class"),
    0x8042: ("UNSUPPORTED_FEATURE", "the host does not support this feature of WS-Management"),
    0x8043: ("INVALID_XML", "the host cannot read the request"),
    0x8047: ("MAX_ENVELOPE_SIZE", "the answer does not fit into the largest envelope"),
    0x8048: ("MAX_ENVELOPE_SIZE_EXCEEDED", "the answer does not fit into the largest envelope"),
    0x8049: ("SERVER_ENVELOPE_LIMIT", "the largest envelope asked for passes a limit of the host"),
    0x8054: ("PARAMETER_TYPE_MISMATCH", "a parameter has another type"),
    0x8055: ("INVALID_PARAMETER_NAME", "the method has no such parameter"),
    0x805A: ("INSUFFCIENT_SELECTORS", "a key of the class is missing"),
    0x805B: ("UNEXPECTED_SELECTORS", "a key was given that the class does not have"),
    0x805D: ("INVALID_SELECTOR_VALUE", "a key has a value that is not valid"),
    0x809A: ("PROVIDER_LOAD_FAILED", "the host could not load its WMI plug-in"),
    0x80FA: ("INVALID_URI_WMI_SINGLETON", "the class has keys and none was given"),
    0x8102: ("WMI_PROVIDER_NOT_CAPABLE", "the WMI provider cannot do this"),
    0x8104: ("WMI_SVC_ACCESS_DENIED", "the WMI service denies access"),
    0x8105: ("WMI_PROVIDER_ACCESS_DENIED", "the WMI provider denies access"),
    0x8106: ("WMI_CANNOT_CONNECT_ACCESS_DENIED", "WMI denies access to the namespace"),
    0x8111: ("HTTP_REQUEST_TOO_LARGE_STATUS", "the request is larger than the host allows"),
    0x8112: ("HTTP_SERVICE_UNAVAILABLE_STATUS", "the host's service is not available now"),
    0x8113: ("HTTP_NOT_FOUND_STATUS", "nothing answers at this path"),
    0x811E: ("WMI_PROVIDER_INVALID_PARAMETER", "the WMI provider does not accept a parameter"),
    0x81A5: ("QUOTA_MAX_SHELLS", "the user's quota of shells and sessions is used up"),
    0x81A6: ("QUOTA_MAX_OPERATIONS", "the user's quota of operations at the same time is used up"),
    0x81A7: ("QUOTA_USER", "the user's quota of requests is used up"),
    0x81A8: ("QUOTA_SYSTEM", "the host's quota of requests is used up"),
    0x81E7: ("QUOTA_MAX_PLUGINOPERATIONS_PPQ", "the quota of operations of the WMI plug-in is used up"),
    0x81E8: ("QUOTA_MAX_OPERATIONS_USER_PPQ", "the user's quota of operations at the same time is used up"),
}

_OTHERS: Final[dict[int, tuple[str, str]]] = {
    87: ("ERROR_INVALID_PARAMETER", "the host does not accept a parameter"),
    WBEM_E_NOT_FOUND: ("WBEM_E_NOT_FOUND", "there is no such object"),
    0x80041008: ("WBEM_E_INVALID_PARAMETER", "a parameter is not valid"),
    WBEM_E_INVALID_NAMESPACE: ("WBEM_E_INVALID_NAMESPACE", "the host has no such WMI namespace"),
    WBEM_E_INVALID_CLASS: ("WBEM_E_INVALID_CLASS", "the namespace has no such class"),
    0x80041013: ("WBEM_E_PROVIDER_LOAD_FAILURE", "the WMI provider could not be loaded"),
    0x80041017: ("WBEM_E_INVALID_QUERY", "the query is not valid"),
    0x80041024: ("WBEM_E_PROVIDER_NOT_CAPABLE", "the WMI provider cannot do this"),
    0x8004102F: ("WBEM_E_INVALID_METHOD_PARAMETERS", "the parameters do not fit the method"),
    0x80041032: ("WBEM_E_CALL_CANCELLED", "the call was cancelled"),
    0x80041033: ("WBEM_E_SHUTTING_DOWN", "WMI is shutting down"),
    WBEM_E_TIMED_OUT: ("WBEM_E_TIMED_OUT", "the call took too long"),
    WBEM_E_QUOTA_VIOLATION: ("WBEM_E_QUOTA_VIOLATION", "a quota of WMI is used up"),
    0x8007000E: ("E_OUTOFMEMORY", "the host is out of memory"),
}


def describe(code: int) -> tuple[str, str, str]:
    """A code as hexadecimal text, its symbolic name and its meaning; the last two are empty where it is not known."""
    code = results.unsigned(code)
    known = _OTHERS.get(code)
    if known is None and code >> 16 == 0x8033 and code & 0xFFFF in _WSMAN:
        name, meaning = _WSMAN[code & 0xFFFF]
        known = f"ERROR_WSMAN_{name}", meaning
    if known is None:
        known = results.name_of(code), results.meaning_of(code)
    return results.code_text(code), *known
