# SPDX-License-Identifier: GPL-3.0-or-later
"""Intune's side: /deviceManagement/managedDevices, and in beta /deviceManagement/managedDeviceEncryptionStates."""

from __future__ import annotations

import re
from typing import Any

from ..model import LabManagedDevice
from .collection import Pager, Prepared, context_of, shaped
from .odata import Allowed, Filter, FilterError, Query, bad_request, parse_filter
from .request import NEVER, GraphRequest, not_found, zulu
from .tenant import Tenant
from .wire import GRAPH_JSON, Answer, json_answer, json_bytes

PATH = "/deviceManagement/managedDevices"
STATES_PATH = "/deviceManagement/managedDeviceEncryptionStates"
PERMISSION, STATES_PERMISSION = "DeviceManagementManagedDevices.Read.All", "DeviceManagementConfiguration.Read.All"
KIND, STATES_KIND = "managedDevice", "managedDeviceEncryptionState"
LARGEST_PAGE = 1000
#: everything else is ignored in silence, and so is a comparison with an empty text
FILTERS: Allowed = {
    "azureADDeviceId": frozenset({"eq"}),
    "serialNumber": frozenset({"eq"}),
    "deviceName": frozenset({"eq", "contains"}),
    "operatingSystem": frozenset({"eq"}),
    "complianceState": frozenset({"eq"}),
    "managementAgent": frozenset({"eq"}),
    "lastSyncDateTime": frozenset({"lt", "gt"}),
    "enrolledDateTime": frozenset({"lt", "gt"}),
    "userPrincipalName": frozenset({"eq", "ne"}),
}
_KNOWN = frozenset({"$select", "$filter", "$top", "$count", "$orderby"})


class ManagedDevices:
    """Answers for the enrolments of one tenant."""

    def __init__(self, tenant: Tenant, pager: Pager) -> None:
        self._tenant = tenant
        self._pager = pager
        self._prepared = Prepared()

    def many(self, request: GraphRequest) -> Answer:
        """A page of the enrolments; the count comes unasked."""
        self._authorize(request, PERMISSION)
        query = request.query
        query.check_known(_KNOWN)
        query.check_select(PROPERTIES, KIND)
        size = self._tenant.behaviour.managed_page
        top = query.get("$top")
        if top is not None:
            if not re.fullmatch(r"[0-9]{1,4}", top) or not 1 <= int(top) <= LARGEST_PAGE:
                raise bad_request("$top is between 1 and 1000.")
            size = int(top)
        place = self._pager.place(request.full_path, query)
        key = (self._tenant.revision, query.get("$filter"), query.select)
        entries = self._prepared.get(key, lambda: self._entries(query))
        context = context_of(request.version, PATH, query.select)
        extra = {"@odata.count": len(entries)}
        return Answer(200, self._pager.page(request.full_path, query, place, entries, size, context=context, extra=extra))

    def _entries(self, query: Query) -> list[bytes]:
        rows = [entity_of(device) for device in self._tenant.estate.entra_managed]
        wanted = _filter(query.get("$filter"))
        if wanted is not None:
            rows = [row for row in rows if wanted.holds(row)]
        return [json_bytes(shaped(row, query.select, KIND, self._tenant.behaviour)) for row in rows]

    def one(self, request: GraphRequest, intune_id: str) -> Answer:
        """One enrolment."""
        self._authorize(request, PERMISSION)
        request.query.check_known(frozenset({"$select"}))
        request.query.check_select(PROPERTIES, KIND)
        for device in self._tenant.estate.entra_managed:
            if device.intune_id.lower() == intune_id.lower():
                made = shaped(entity_of(device), request.query.select, KIND, self._tenant.behaviour)
                context = f"{self._pager.base}/{context_of(request.version, PATH, request.query.select, one=True)}"
                return json_answer(200, {"@odata.context": context, **made}, content_type=GRAPH_JSON)
        raise not_found(intune_id, "ResourceNotFound")

    def states(self, request: GraphRequest) -> Answer:
        """A page of the encryption states (beta)."""
        self._authorize(request, STATES_PERMISSION)
        request.query.check_known(_KNOWN)
        match = re.fullmatch(r"id eq '([^']+)'", request.query.get("$filter") or "")
        rows = [_state_of(device) for device in self._tenant.estate.entra_managed if match is None or device.intune_id == match[1]]
        place = self._pager.place(request.full_path, request.query)
        entries = [json_bytes(shaped(row, request.query.select, STATES_KIND, self._tenant.behaviour)) for row in rows]
        context = context_of(request.version, STATES_PATH, request.query.select)
        size = self._tenant.behaviour.managed_page
        return Answer(200, self._pager.page(request.full_path, request.query, place, entries, size, context=context))

    def _authorize(self, request: GraphRequest, permission: str) -> None:
        code = self._tenant.behaviour.forbidden_code
        request.require(permission, code="Forbidden" if code is None else code)


def _filter(text: str | None) -> Filter | None:
    if text is None or "''" in text:
        return None
    try:
        return parse_filter(text, FILTERS)
    except FilterError:
        return None


#: what says nothing of a computer that nobody does anything special with; several stand for "no value", which the type does not allow
_USUAL: dict[str, Any] = {
    "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59Z",
    "easActivated": False,
    "easActivationDateTime": NEVER,
    "exchangeAccessState": "none",
    "exchangeAccessStateReason": "none",
    "exchangeLastSuccessfulSyncDateTime": NEVER,
    "freeStorageSpaceInBytes": 0,
    "isSupervised": False,
    "managementCertificateExpirationDate": NEVER,
    "partnerReportedThreatState": "unknown",
    "physicalMemoryInBytes": 0,
    "requireUserEnrollmentApproval": None,
    "totalStorageSpaceInBytes": 0,
    "configurationManagerClientEnabledFeatures": None,
    "deviceHealthAttestationState": None,
    **dict.fromkeys(
        (
            "activationLockBypassCode",
            "androidSecurityPatchLevel",
            "deviceCategoryDisplayName",
            "easDeviceId",
            "emailAddress",
            "enrollmentProfileName",
            "ethernetMacAddress",
            "iccid",
            "imei",
            "meid",
            "notes",
            "phoneNumber",
            "remoteAssistanceSessionErrorDetails",
            "remoteAssistanceSessionUrl",
            "subscriberCarrier",
            "udid",
            "userDisplayName",
            "wiFiMacAddress",
        )
    ),
}


def entity_of(device: LabManagedDevice) -> dict[str, Any]:
    """An enrolment as Graph's v1.0 resource, every property."""
    return {
        "id": device.intune_id,
        "userId": "",
        "deviceName": device.device_name,
        "managedDeviceOwnerType": "company",
        "enrolledDateTime": zulu(device.enrolled) or NEVER,
        "lastSyncDateTime": zulu(device.last_sync) or NEVER,
        "operatingSystem": device.operating_system,
        "complianceState": device.compliance,
        "jailBroken": "Unknown",
        "managementAgent": "mdm",
        "osVersion": device.os_version,
        "azureADRegistered": True,
        "deviceEnrollmentType": "windowsAzureADJoin",
        "azureADDeviceId": device.azure_ad_device_id,
        "deviceRegistrationState": "registered",
        "isEncrypted": device.is_encrypted,
        "userPrincipalName": "",
        "model": "Model 1",
        "manufacturer": "Lab Computers",
        "serialNumber": device.serial,
        "deviceActionResults": [],
        "managementState": "managed",
        "managedDeviceName": device.device_name,
        **_USUAL,
    }


def _state_of(device: LabManagedDevice) -> dict[str, Any]:
    return {
        "id": device.intune_id,
        "userPrincipalName": "",
        "deviceType": "windowsRT",
        "osVersion": device.os_version,
        "tpmSpecificationVersion": "2.0",
        "deviceName": device.device_name,
        "encryptionReadinessState": "ready",
        "encryptionState": "encrypted" if device.is_encrypted else "notEncrypted",
        "encryptionPolicySettingState": "compliant" if device.is_encrypted else "nonCompliant",
        "advancedBitLockerStates": "success" if device.is_encrypted else "osVolumeUnprotected,recoveryKeyBackupFailed",
        "fileVaultStates": "success",
        "policyDetails": [],
    }


PROPERTIES = dict.fromkeys(entity_of(LabManagedDevice(intune_id="", azure_ad_device_id="", device_name="")))
