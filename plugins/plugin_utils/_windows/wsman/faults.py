# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Faults: every form that hosts send, as typed errors.

Forms (MS-WSMV 2.2.4.43, DSP0226 14, and recorded hosts): a SOAP 1.2 fault with a subcode and an ``f:WSManFault`` in its detail; inside
that, faults of the WMI plug-in with a fault of their own and WMI's extended status; an ``MSFT_WmiError`` instead; on old stacks only the
number can be relied on, on new ones only the subcode; any part may be missing. Nothing is decided by a sentence where a number is sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from ..._errors import AuthorizationError, ProtocolError
from . import hresults as codes
from .fault_facts import FaultFacts, read_facts
from .xml_reader import Element

_CLASS_TEXT: Final = re.compile(r"\bclass\b.{0,160}\b(?:does not exist|not found)|\binvalid class\b", re.IGNORECASE)
_NAMESPACE_TEXT: Final = re.compile(
    r"\binvalid namespace\b|\bnamespace\b.{0,160}\b(?:does not exist|not found|invalid|not valid|cannot be found)", re.IGNORECASE
)

_ACCESS_DENIED: Final = frozenset(
    {
        0x80070005,
        codes.WSMAN_WMI_ACCESS_DENIED,
        codes.WSMAN_WMI_PROVIDER_ACCESS_DENIED,
        codes.WSMAN_WMI_CONNECT_ACCESS_DENIED,
        codes.WBEM_E_ACCESS_DENIED,
    }
)
_DEFAULT_NAMESPACE: Final = "root/cimv2"
_WMI_DENIED: Final = _ACCESS_DENIED - {0x80070005}
_NO_METHOD: Final = frozenset({codes.WSMAN_INVALID_ACTION, codes.WSMAN_ACTION_NOT_SUPPORTED, 0x8004102E, 0x80041055, 0x80041056})
#: DSP0004 annex: CIM status codes as MSFT_WmiError carries them
_CIM_ACCESS_DENIED, _CIM_NAMESPACE, _CIM_CLASS, _CIM_NOT_FOUND, _CIM_METHODS = 2, 3, 5, 6, (16, 17)


class Denial(StrEnum):
    """Why a host that knows the account refuses it."""

    NOT_ADMINISTRATOR = "not_administrator"
    UAC_FILTERED = "uac_filtered"
    WMI_NAMESPACE = "wmi_namespace"
    ROOT_SDDL = "root_sddl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the conversation showed before a fault: the namespace that was asked, and whether another one had answered this account."""

    namespace: str = ""
    elsewhere: bool = False


class FaultError(ProtocolError):
    """A host answered with a SOAP fault; ``facts`` holds its parts, the predicates say what it means for us."""

    def __init__(self, attempted: str, facts: FaultFacts, *, target: str = "", meaning: str = "", remedy: str = "") -> None:
        telling = _telling_code(facts)
        code, name, known = codes.describe(telling) if telling is not None else ("", facts.subcode, "")
        super().__init__(
            attempted, target=target, code=code, name=name or facts.subcode, meaning=meaning or _meaning(facts, known), remedy=remedy
        )
        self.facts = facts
        #: the outer code as an unsigned number, None where none was sent
        self.number = facts.number
        #: local name of the SOAP subcode, such as DestinationUnreachable
        self.subcode = facts.subcode
        #: codes of the faults within the fault
        self.inner_codes = facts.inner_codes
        #: what the provider says, cleaned; empty where it says nothing
        self.provider_text = facts.provider_text

    @property
    def is_access_denied(self) -> bool:
        """The account may not do this."""
        return _denied(self.facts)

    @property
    def is_missing_class(self) -> bool:
        """The namespace exists, the class does not."""
        facts = self.facts
        if codes.WBEM_E_INVALID_NAMESPACE in facts.all_codes or facts.cim_status == _CIM_NAMESPACE:
            return False
        return codes.WBEM_E_INVALID_CLASS in facts.all_codes or facts.cim_status == _CIM_CLASS or self._says(_CLASS_TEXT)

    @property
    def is_missing_instance(self) -> bool:
        """One object was addressed by its keys and is not there."""
        facts = self.facts
        if codes.WBEM_E_NOT_FOUND in facts.all_codes or facts.cim_status == _CIM_NOT_FOUND:
            return True
        return self.is_missing_resource and facts.object_path

    @property
    def is_missing_namespace(self) -> bool:
        """The WMI namespace does not exist (for BitLocker's: the feature is not installed).

        Windows' form is not confirmed: WMI's own code or sentence in any fault, or "resource not found" with no sign that it was about a
        class or an instance.
        """
        facts = self.facts
        if codes.WBEM_E_INVALID_NAMESPACE in facts.all_codes or facts.cim_status == _CIM_NAMESPACE:
            return True
        if self.is_missing_class or self.is_missing_instance:
            return False
        return self.is_missing_resource or self._says(_NAMESPACE_TEXT)

    @property
    def is_missing_resource(self) -> bool:
        """A namespace, class or instance is not there; the fault may not say which."""
        return codes.WSMAN_RESOURCE_NOT_FOUND in self.facts.all_codes or (
            self.number in (None, codes.WSMAN_DESTINATION_UNREACHABLE) and self.subcode == "DestinationUnreachable"
        )

    @property
    def is_missing_method(self) -> bool:
        """The class has no such method (form not confirmed: each plausible one counts)."""
        facts = self.facts
        return bool(facts.all_codes & _NO_METHOD) or facts.cim_status in _CIM_METHODS or facts.subcode == "ActionNotSupported"

    @property
    def is_timeout(self) -> bool:
        """The host did not finish within the operation timeout."""
        return self.subcode == "TimedOut" or bool(self.facts.all_codes & {codes.WSMAN_TIMED_OUT, codes.WBEM_E_TIMED_OUT})

    @property
    def is_throttled(self) -> bool:
        """The host has too much to do now; waiting helps."""
        busy = codes.WSMAN_QUOTAS | {codes.WSMAN_CONCURRENCY, codes.WBEM_E_QUOTA_VIOLATION}
        return self.subcode in ("QuotaLimit", "Concurrency") or bool(self.facts.all_codes & busy)

    def _says(self, pattern: re.Pattern[str]) -> bool:
        return pattern.search(self.facts.evidence) is not None


class AccessDeniedError(AuthorizationError, FaultError):
    """A fault that denies access; ``cause`` says which of the remedies fits."""

    reason: ClassVar[str] = AuthorizationError.reason

    def __init__(self, attempted: str, facts: FaultFacts, *, target: str = "", username: str = "", seen: Seen | None = None) -> None:
        self.cause = _cause(facts, username, seen or Seen())
        meaning, remedy = _DENIALS[self.cause]
        FaultError.__init__(self, attempted, facts, target=target, meaning=meaning, remedy=remedy)


_DENIALS: Final[dict[Denial, tuple[str, str]]] = {
    Denial.NOT_ADMINISTRATOR: (
        "the account may use WinRM but is not an administrator of the host, and WMI serves nobody else by default",
        "Add the account to the host's Administrators group, or grant it Remote Enable on the WMI namespaces.",
    ),
    Denial.UAC_FILTERED: (
        "the local account's administrator rights are filtered by UAC in remote sessions, or it is not an administrator",
        "Use a domain account, or set LocalAccountTokenFilterPolicy to 1 on the host (HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion"
        "\\Policies\\System); check that the account is in Administrators.",
    ),
    Denial.WMI_NAMESPACE: (
        "WMI denies the account access to this namespace",
        "Grant it Enable Account, Execute Methods and Remote Enable on the namespace (wmimgmt.msc, Security), or use an administrator.",
    ),
    Denial.ROOT_SDDL: (
        "the WinRM service itself denies the account access",
        "Add the account to Administrators or Remote Management Users, or allow it in the service's RootSDDL (winrm configSDDL default).",
    ),
}


def explain_access_denied(fault: FaultError, username: str, seen: Seen | None = None) -> AccessDeniedError:
    """The error with the fitting remedy for a fault that denies access.

    What tells the four cases apart on the wire (the reference marks their exact forms as unconfirmed, so this is our decision):

    * a denial by WMI (0x80338104 to 106, 0x80041003, or out of the WMI plug-in) means that the service let the account in. If another
      namespace answers it, or the denied one is a special one, the namespace's security is the cause; if ``root/cimv2`` is denied, the
      account is not an administrator (only administrators have Remote Enable there by default);
    * a denial by the service (code 5 or 0x80070005 without a word from WMI): a local account other than Administrator is filtered by
      UAC, whose filtered token the service's RootSDDL no longer admits; any other account is missing in RootSDDL itself. Windows may
      answer both with HTTP 401 instead, where nothing but an ``AuthenticationError`` with these causes named can be said.
    """
    return AccessDeniedError(fault.attempted, fault.facts, target=fault.target, username=username, seen=seen)


def read_fault(fault: Element, *, attempted: str, target: str = "", username: str = "", seen: Seen | None = None) -> FaultError:
    """The error for a SOAP Fault element; an :class:`AccessDeniedError` where it denies access. Never raises."""
    facts = read_facts(fault)
    if _denied(facts):
        return AccessDeniedError(attempted, facts, target=target, username=username, seen=seen)
    return FaultError(attempted, facts, target=target, remedy=_remedy(facts))


def is_local_account(username: str, machine: str = "") -> bool:
    """Whether a user name means an account of the host itself: bare, or qualified by ``.`` or by the host's own name."""
    if not username or "@" in username:
        return False
    domain, backslash, _unused = username.partition("\\")
    if not backslash:
        return True
    return domain == "." or (bool(machine) and domain.lower() == machine.partition(".")[0].lower())


def _denied(facts: FaultFacts) -> bool:
    if facts.subcode == "AccessDenied" or facts.number == 5 or facts.cim_status == _CIM_ACCESS_DENIED:
        return True
    return bool(facts.all_codes & _ACCESS_DENIED)


def _cause(facts: FaultFacts, username: str, seen: Seen) -> Denial:
    if facts.all_codes & _WMI_DENIED or facts.provider or facts.cim_status == _CIM_ACCESS_DENIED or seen.elsewhere:
        everywhere = seen.namespace.lower() == _DEFAULT_NAMESPACE and not seen.elsewhere
        return Denial.NOT_ADMINISTRATOR if everywhere else Denial.WMI_NAMESPACE
    built_in = username.rpartition("\\")[2].lower() == "administrator"
    return Denial.UAC_FILTERED if is_local_account(username, facts.machine) and not built_in else Denial.ROOT_SDDL


def _telling_code(facts: FaultFacts) -> int | None:
    """The code to show: WMI's own where the outer one only says that something was not found or failed."""
    for inner in facts.inner_codes:
        if inner >> 16 == 0x8004 and codes.describe(inner)[1] and facts.number in (None, *_VAGUE):
            return inner
    return facts.number if facts.number is not None else next(iter(facts.inner_codes), None)


_VAGUE: Final = (codes.WSMAN_RESOURCE_NOT_FOUND, codes.WSMAN_CANNOT_PROCESS_FILTER, codes.WSMAN_DESTINATION_UNREACHABLE)


def _meaning(facts: FaultFacts, known: str) -> str:
    said = facts.provider_text or facts.reason_text
    if known and said:
        return f"{known} (the host says: {said})"
    return known or (f"the host says: {said}" if said else "the host gives no message")


def _remedy(facts: FaultFacts) -> str:
    error = FaultError("", facts)
    if error.is_throttled:
        return "Run fewer tasks against this host at the same time, or raise its WinRM quotas."
    if error.is_timeout:
        return "Look at the host's load and its WMI service, or raise the operation timeout."
    return ""
