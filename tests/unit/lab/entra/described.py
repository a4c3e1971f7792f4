# SPDX-License-Identifier: GPL-3.0-or-later
"""What Graph's metadata (v1.0, 2026-08) says of the resources in the lab, in a notation of our own, and a check of answers against it.

A member's kind: ``text``, ``flag``, ``whole``, ``time``, ``[kind]`` for a list, words between bars for an enumeration, or a name below for
an object; ``!`` behind it where null is not allowed. The check shares nothing with the lab: what that believes wrongly, it shall see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

GRAPH_JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
#: a time with its zone, with at most twelve digits of a second
_TIME = re.compile(r"\d{4,}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _kinds(**of_kind: str) -> dict[str, str]:
    return {name: kind for kind, names in of_kind.items() for name in names.split()}


LISTS = {
    "/v1.0/informationProtection/bitlocker/recoveryKeys": "bitlockerRecoveryKey",
    "/v1.0/devices": "device",
    "/v1.0/deviceManagement/managedDevices": "managedDevice",
}
#: the kinds that $select chooses members of; of others some may be missing
ENTITIES = ("bitlockerRecoveryKey", "device", "managedDevice", "directoryAudit")
TYPES: dict[str, dict[str, str]] = {
    "bitlockerRecoveryKey": {
        "id": "text!",
        "key": "text!",
        "createdDateTime": "time!",
        "deviceId": "text",
        "volumeType": "|operatingSystemVolume|fixedDataVolume|removableDataVolume|unknownFutureValue|",
    },
    "device": {
        "id": "text!",
        **dict.fromkeys(("physicalIds", "systemLabels"), "[text]!"),
        "alternativeSecurityIds": "[alternativeSecurityId]!",
        "deviceVersion": "whole",
        **_kinds(
            text="""deviceCategory deviceId deviceMetadata deviceOwnership displayName enrollmentProfileName enrollmentType managementType
            manufacturer mdmAppId model onPremisesSecurityIdentifier operatingSystem operatingSystemVersion profileType trustType""",
            flag="accountEnabled isCompliant isManaged isManagementRestricted isRooted onPremisesSyncEnabled",
            time="""approximateLastSignInDateTime complianceExpirationDateTime deletedDateTime onPremisesLastSyncDateTime
            registrationDateTime""",
        ),
    },
    "managedDevice": {
        "id": "text!",
        **dict.fromkeys(("azureADRegistered", "requireUserEnrollmentApproval"), "flag"),
        **dict.fromkeys(("easActivated", "isEncrypted", "isSupervised"), "flag!"),
        **dict.fromkeys(("freeStorageSpaceInBytes", "physicalMemoryInBytes", "totalStorageSpaceInBytes"), "whole!"),
        "configurationManagerClientEnabledFeatures": "configurationManagerClientEnabledFeatures",
        "deviceHealthAttestationState": "deviceHealthAttestationState",
        "deviceActionResults": "[deviceActionResult]",
        "complianceState": "|unknown|compliant|noncompliant|conflict|error|inGracePeriod|configManager|!",
        "managedDeviceOwnerType": "|unknown|company|personal|unknownFutureValue|!",
        # of the longer enumerations those that the lab has any use for
        "managementAgent": "|mdm|configurationManagerClientMdm|!",
        "managementState": "|managed|!",
        "deviceEnrollmentType": "|windowsAzureADJoin|!",
        "deviceRegistrationState": "|registered|!",
        "exchangeAccessState": "|none|!",
        "exchangeAccessStateReason": "|none|!",
        "partnerReportedThreatState": "|unknown|!",
        **_kinds(
            text="""activationLockBypassCode androidSecurityPatchLevel azureADDeviceId deviceCategoryDisplayName deviceName easDeviceId
            emailAddress enrollmentProfileName ethernetMacAddress iccid imei jailBroken managedDeviceName manufacturer meid model notes
            operatingSystem osVersion phoneNumber remoteAssistanceSessionErrorDetails remoteAssistanceSessionUrl serialNumber
            subscriberCarrier udid userDisplayName userId userPrincipalName wiFiMacAddress"""
        ),
        **_kinds(
            **{
                "time!": """complianceGracePeriodExpirationDateTime easActivationDateTime enrolledDateTime
                exchangeLastSuccessfulSyncDateTime lastSyncDateTime managementCertificateExpirationDate"""
            }
        ),
    },
    "directoryAudit": {
        **dict.fromkeys(("id", "activityDisplayName", "category"), "text!"),
        "activityDateTime": "time!",
        "initiatedBy": "auditActivityInitiator!",
        "additionalDetails": "[keyValue]",
        "targetResources": "[targetResource]",
        "result": "|success|failure|timeout|unknownFutureValue|",
        **dict.fromkeys(("correlationId", "loggedByService", "operationType", "resultReason"), "text"),
    },
    "auditActivityInitiator": {"app": "appIdentity", "user": "userIdentity"},
    "appIdentity": dict.fromkeys(("appId", "displayName", "servicePrincipalId", "servicePrincipalName"), "text"),
    "userIdentity": dict.fromkeys(("id", "displayName", "ipAddress", "userPrincipalName"), "text"),
    "keyValue": {"key": "text", "value": "text"},
    "targetResource": dict.fromkeys(("id", "displayName", "type", "userPrincipalName"), "text")
    | {"modifiedProperties": "[modifiedProperty]"},
}


def strange_value(value: Any, kind: str, where: str, *, typed: bool) -> Iterator[str]:
    """Where a value is none of its kind."""
    name = kind.removesuffix("!")
    if value is None:
        yield from [f"{where} is null"] if name != kind else []
    elif name.startswith("["):
        yield from [] if isinstance(value, list) else [f"{where} is no list"]
        for item in value if isinstance(value, list) else []:
            yield from strange_value(item, name[1:-1] + "!", where, typed=typed)
    elif name in TYPES:
        yield from strange_object(value, name, None, where, typed=typed)
    elif not (
        (name.startswith("|") and isinstance(value, str) and f"|{value}|" in name)
        or (name == "text" and isinstance(value, str))
        or (name == "flag" and isinstance(value, bool))
        or (name == "whole" and isinstance(value, int) and not isinstance(value, bool))
        or (name == "time" and isinstance(value, str) and _TIME.fullmatch(value))
    ):
        yield f"{where} is {value!r}, not {name}"


def strange_object(row: Any, kind: str, wanted: list[str] | None, where: str = "", *, typed: bool = True) -> Iterator[str]:
    """What an object has and should not, or should have and has not; ``wanted``: the members selected, None for all of an entity's."""
    if not isinstance(row, dict):
        yield f"{where} is no object"
        return
    if typed and row.get("@odata.type") != f"#microsoft.graph.{kind}":
        yield f"{where} says of its type {row.get('@odata.type')!r}, not {kind}"
    members = {name: value for name, value in row.items() if "@" not in name}
    for name, value in members.items():
        if name not in TYPES[kind]:
            yield f"{where}.{name}: {kind} has no such member"
        else:
            yield from strange_value(value, TYPES[kind][name], f"{where}.{name}", typed=typed)
    expected = set(TYPES[kind] if wanted is None else wanted)
    if kind in ENTITIES:
        yield from (f"{where}.{name} is missing" for name in sorted(expected - set(members) - ({"key"} if wanted is None else set())))
        yield from (f"{where}.{name} was not selected" for name in sorted(set(members) - expected))


def strange_error(body: Any, *, typed: bool = True) -> Iterator[str]:
    """What is wrong with an error's body: code, message, and an inner error whose date is a whole time."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not {"code", "message", "innerError"} >= set(error) >= {"code", "message"}:
        yield f"{body!r} is no error"
        return
    inner = error.get("innerError", {})
    yield from (f"{name} is no text" for name in ("request-id", "client-request-id") if not isinstance(inner.get(name), str))
    if typed and not (_TIME.fullmatch(inner.get("date", "")) and inner.get("@odata.type")):
        yield f"{inner!r} has no type or a date without a zone"
