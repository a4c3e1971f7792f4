# SPDX-License-Identifier: GPL-3.0-or-later
"""Every form of fault as a typed error with code and name."""

from __future__ import annotations

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import AuthorizationError, ProtocolError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman import hresults
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.answer import read_answer
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.fault_facts import clean
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.faults import (
    AccessDeniedError,
    Denial,
    FaultError,
    Seen,
    explain_access_denied,
    is_local_account,
    read_fault,
)
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.answers import NAMESPACE, frozen, names, tree

PREDICATES = (
    "is_access_denied",
    "is_missing_class",
    "is_missing_instance",
    "is_missing_namespace",
    "is_missing_method",
    "is_timeout",
    "is_throttled",
)


def fault(name: str, username: str = "LAB\\admin") -> FaultError:
    element = read_answer(frozen(name), attempted="read").fault
    assert element is not None
    return read_fault(element, attempted="list Win32_EncryptableVolume", target="https://pc01:5986/wsman", username=username)


def true_of(error: FaultError) -> set[str]:
    return {name for name in PREDICATES if getattr(error, name)}


@pytest.mark.parametrize(
    ("name", "code", "symbol", "subcode", "true"),
    [
        ("fault_filter_v1", 2150858778, "ERROR_WSMAN_ENUMERATE_CANNOT_PROCESS_FILTER", "CannotProcessFilter", {"is_missing_class"}),
        ("fault_filter_v2", 2150858778, "ERROR_WSMAN_ENUMERATE_CANNOT_PROCESS_FILTER", "CannotProcessFilter", {"is_missing_class"}),
        ("fault_not_found", 2150858752, "ERROR_WSMAN_RESOURCE_NOT_FOUND", "DestinationUnreachable", {"is_missing_namespace"}),
        ("fault_instance_not_found", 2150858752, "ERROR_WSMAN_RESOURCE_NOT_FOUND", "DestinationUnreachable", {"is_missing_instance"}),
        ("fault_namespace_text", 2150858752, "ERROR_WSMAN_RESOURCE_NOT_FOUND", "DestinationUnreachable", {"is_missing_namespace"}),
        ("fault_namespace_status", 2150858778, "WBEM_E_INVALID_NAMESPACE", "CannotProcessFilter", {"is_missing_namespace"}),
        ("fault_namespace_wmi_error", 2147749902, "WBEM_E_INVALID_NAMESPACE", "DestinationUnreachable", {"is_missing_namespace"}),
        ("fault_number_only", 2150858752, "ERROR_WSMAN_RESOURCE_NOT_FOUND", "", {"is_missing_namespace"}),
        ("fault_quota", 2150859173, "ERROR_WSMAN_QUOTA_MAX_SHELLS", "QuotaLimit", {"is_throttled"}),
        ("fault_operations_quota", 2150859174, "ERROR_WSMAN_QUOTA_MAX_OPERATIONS", "QuotaLimit", {"is_throttled"}),
        ("fault_access_denied", 5, "ERROR_ACCESS_DENIED", "AccessDenied", {"is_access_denied"}),
        ("fault_german", 5, "ERROR_ACCESS_DENIED", "AccessDenied", {"is_access_denied"}),
        ("fault_access_denied_internal", 2147942405, "E_ACCESSDENIED", "InternalError", {"is_access_denied"}),
        ("fault_negative_code", 2147942405, "E_ACCESSDENIED", "InternalError", {"is_access_denied"}),
        ("fault_access_denied_wmi", 2150859012, "ERROR_WSMAN_WMI_SVC_ACCESS_DENIED", "AccessDenied", {"is_access_denied"}),
        ("fault_subcode_only", None, "AccessDenied", "AccessDenied", {"is_access_denied"}),
        ("fault_timed_out", 2150858793, "ERROR_WSMAN_OPERATION_TIMEDOUT", "TimedOut", {"is_timeout"}),
        ("fault_action", 2150858771, "ERROR_WSMAN_ACTION_NOT_SUPPORTED", "ActionNotSupported", {"is_missing_method"}),
        ("fault_method", 2147749934, "WBEM_E_INVALID_METHOD", "InternalError", {"is_missing_method"}),
        ("fault_selectors", 2150858843, "ERROR_WSMAN_UNEXPECTED_SELECTORS", "InvalidSelectors", set()),
        ("fault_schema", 2150858817, "ERROR_WSMAN_SCHEMA_VALIDATION_ERROR", "SchemaValidationError", set()),
        ("fault_parameter", 87, "ERROR_INVALID_PARAMETER", "InvalidParameter", set()),
        ("fault_envelope", 2150858824, "ERROR_WSMAN_MAX_ENVELOPE_SIZE_EXCEEDED", "EncodingLimit", set()),
        ("fault_no_message", 2150858755, "ERROR_WSMAN_PROVIDER_FAILURE", "InternalError", set()),
        ("fault_soap11", None, "Client", "Client", set()),
        ("fault_bare", None, "", "", set()),
    ],
)
def test_every_form(name: str, code: int | None, symbol: str, subcode: str, true: set[str]) -> None:
    error = fault(name)
    assert error.number == code
    assert error.name == symbol
    assert error.subcode == subcode
    assert true_of(error) == true
    assert isinstance(error, AuthorizationError) == ("is_access_denied" in true)
    assert error.reason == ("authorization" if "is_access_denied" in true else "protocol")
    assert str(error).startswith("Could not list Win32_EncryptableVolume (https://pc01:5986/wsman)")


def test_every_frozen_fault_is_covered() -> None:
    for name in names("fault"):
        assert isinstance(fault(name), ProtocolError)


def test_what_the_provider_says_is_kept() -> None:
    error = fault("fault_filter_v2")
    assert "Win32_Nothing does not exist" in error.provider_text
    assert "Win32_Nothing does not exist" in str(error)
    assert "ExecQuery" not in str(error)
    assert fault("fault_namespace_wmi_error").provider_text == "Invalid namespace"
    assert error.facts.provider == "WMI Provider"
    assert error.facts.machine == "pc01.lab.example"
    assert error.facts.sender is True
    old = fault("fault_filter_v1")
    assert old.facts.provider == "WMIv1 plugin for Windows Remote Management"
    assert old.facts.machine == ""
    assert fault("fault_selectors").facts.detail == "UnexpectedSelectors"
    assert fault("fault_access_denied_wmi").inner_codes == (2150859012, 2147749891)
    assert fault("fault_quota").facts.cim_status == 27
    assert "512000" in str(fault("fault_envelope"))


@pytest.mark.parametrize(
    ("name", "username", "seen", "cause"),
    [
        # denied by the service
        ("fault_access_denied", "helpdesk", Seen(namespace="root/cimv2"), Denial.UAC_FILTERED),
        ("fault_access_denied", ".\\helpdesk", Seen(), Denial.UAC_FILTERED),
        ("fault_access_denied", "pc01\\helpdesk", Seen(), Denial.UAC_FILTERED),
        ("fault_german", "helpdesk", Seen(), Denial.UAC_FILTERED),
        ("fault_access_denied", "LAB\\admin", Seen(namespace="root/cimv2"), Denial.ROOT_SDDL),
        ("fault_access_denied", "admin@lab.example", Seen(), Denial.ROOT_SDDL),
        ("fault_access_denied", "Administrator", Seen(), Denial.ROOT_SDDL),
        ("fault_access_denied", "PC01\\Administrator", Seen(), Denial.ROOT_SDDL),
        ("fault_subcode_only", "LAB\\admin", Seen(), Denial.ROOT_SDDL),
        ("fault_access_denied_internal", "LAB\\reader", Seen(), Denial.ROOT_SDDL),
        ("fault_negative_code", "", Seen(), Denial.ROOT_SDDL),
        # denied by WMI
        ("fault_access_denied_wmi", "LAB\\reader", Seen(namespace="ROOT/cimv2"), Denial.NOT_ADMINISTRATOR),
        ("fault_access_denied_wmi", "helpdesk", Seen(namespace="root/cimv2"), Denial.NOT_ADMINISTRATOR),
        ("fault_access_denied_wmi", "LAB\\reader", Seen(namespace=NAMESPACE), Denial.WMI_NAMESPACE),
        ("fault_access_denied_wmi", "LAB\\reader", Seen(namespace=NAMESPACE, elsewhere=True), Denial.WMI_NAMESPACE),
        ("fault_access_denied_wmi", "LAB\\reader", Seen(namespace="root/cimv2", elsewhere=True), Denial.WMI_NAMESPACE),
        ("fault_access_denied", "LAB\\reader", Seen(namespace=NAMESPACE, elsewhere=True), Denial.WMI_NAMESPACE),
    ],
)
def test_denials_have_their_own_remedies(name: str, username: str, seen: Seen, cause: Denial) -> None:
    error = explain_access_denied(fault(name), username, seen)
    assert isinstance(error, AccessDeniedError)
    assert error.cause == cause
    words = {
        Denial.NOT_ADMINISTRATOR: "Administrators group",
        Denial.UAC_FILTERED: "LocalAccountTokenFilterPolicy",
        Denial.WMI_NAMESPACE: "wmimgmt.msc",
        Denial.ROOT_SDDL: "RootSDDL",
    }
    assert [other for other, word in words.items() if word in error.remedy] == [cause]


def test_local_accounts() -> None:
    assert is_local_account("bob")
    assert is_local_account(".\\bob")
    assert is_local_account("PC01\\bob", "pc01.lab.example")
    assert not is_local_account("LAB\\bob", "pc01.lab.example")
    assert not is_local_account("bob@lab.example")
    assert not is_local_account("")


def test_a_fault_shows_no_recovery_password_and_no_control_characters() -> None:
    error = fault("fault_leaking")
    for text in (str(error), repr(error), error.facts.reason_text, error.provider_text):
        assert "111111" not in text
        assert "\u202e" not in text
    assert clean("a\x1b[2Jb\r\nc\u202ed") == "a [2Jb c d"
    assert len(clean("x" * 100_000)) == 300
    for spelling in ("-", "", " ", "\n", "\t"):
        assert "888888" not in clean(spelling.join(f"{digit}" * 6 for digit in range(1, 9)))


def test_huge_and_broken_parts_cost_nothing() -> None:
    wild = "<Fault><Code><Subcode><Value>" + "x:" * 1000 + "</Value></Subcode></Code><Detail>" + "0x80041010 " * 20_000
    wild += '<WSManFault Code="99999999999999999999"/><WSManFault Code="x"/><error_Code>-1</error_Code></Detail></Fault>'
    error = read_fault(tree(wild.encode()), attempted="read")
    assert error.number == 0xFFFFFFFF
    assert len(error.inner_codes) <= 16
    assert error.subcode == ""


def test_codes_are_described() -> None:
    assert hresults.describe(2150694912) == ("0x80310000", "FVE_E_LOCKED_VOLUME", "volume is locked")
    assert hresults.describe(-2144272384)[1] == "FVE_E_LOCKED_VOLUME"
    assert hresults.describe(2150858793)[:2] == ("0x80338029", "ERROR_WSMAN_OPERATION_TIMEDOUT")
    assert hresults.describe(0x80041010)[1] == "WBEM_E_INVALID_CLASS"
    assert hresults.describe(0xDEADBEEF) == ("0xDEADBEEF", "", "")
