# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's Graph seen from outside: a bare client, and a check of logged requests against what Graph v1.0 documents.

The check is a reading of its own of the documentation (recoveryKeys, device, managedDevice; "Use query parameters", "JSON batching"), and
shares nothing with the collection's client or the lab's simulator: what these two agree on wrongly, it shall see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import requests
from ansible_collections.keyward.bitlocker.tests.lab.entra import accounts
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab

Row = dict[str, Any]
KEYS = "/v1.0/informationProtection/bitlocker/recoveryKeys"
_GUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY_MEMBERS = frozenset({"id", "createdDateTime", "deviceId", "volumeType", "key"})
_DEVICE_MEMBERS = frozenset(
    re.findall(
        r"\w+",
        """id deviceId displayName operatingSystem operatingSystemVersion trustType profileType isManaged isCompliant accountEnabled
        approximateLastSignInDateTime registrationDateTime onPremisesSyncEnabled onPremisesLastSyncDateTime physicalIds mdmAppId
        managementType manufacturer model enrollmentProfileName""",
    )
)
_MANAGED_MEMBERS = frozenset(
    re.findall(
        r"\w+",
        """id azureADDeviceId deviceName serialNumber isEncrypted lastSyncDateTime complianceState operatingSystem osVersion managementAgent
        managementState enrolledDateTime userPrincipalName manufacturer model""",
    )
)
#: User-Agent is documented as required for recovery keys, the others as what a client should send; a support page calls them mandatory
_KEY_HEADERS = frozenset({"authorization", "user-agent", "ocp-client-name", "ocp-client-version"})
_BEARER = frozenset({"authorization"})


@dataclass(frozen=True, kw_only=True)
class Call:
    """A documented GET: the options it takes beside $skiptoken, what $select may name, the form of its filter, the headers it needs."""

    path: str
    options: frozenset[str]
    members: frozenset[str]
    headers: frozenset[str] = _BEARER
    filters: str = ""
    largest_page: int = 0


CALLS = (
    Call(
        path=KEYS,
        options=frozenset({"$select", "$filter"}),
        # the list never brings a key, so nothing honest names it there
        members=_KEY_MEMBERS - {"key"},
        headers=_KEY_HEADERS,
        filters=f"deviceId eq '{_GUID}'",
    ),
    Call(path=f"{KEYS}/{_GUID}", options=frozenset({"$select"}), members=_KEY_MEMBERS, headers=_KEY_HEADERS),
    Call(
        path="/v1.0/devices",
        options=frozenset({"$select", "$filter", "$top"}),
        members=_DEVICE_MEMBERS,
        filters=f"(deviceId eq '{_GUID}'|displayName eq '(?:[^']|'')+')",
        largest_page=999,
    ),
    Call(path=f"/v1.0/devices/{_GUID}", options=frozenset({"$select"}), members=_DEVICE_MEMBERS),
    Call(
        path="/v1.0/deviceManagement/managedDevices",
        options=frozenset({"$select", "$filter", "$top"}),
        members=_MANAGED_MEMBERS,
        filters=f"azureADDeviceId eq '{_GUID}'",
        largest_page=1000,
    ),
    Call(
        path="/v1.0/auditLogs/directoryAudits",
        options=frozenset({"$filter", "$top"}),
        members=frozenset(),
        filters=r"category eq 'KeyManagement' and activityDateTime ge \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        largest_page=1000,
    ),
)


def options_of(row: Row) -> dict[str, str]:
    """The query options of a logged request, whose query is decoded."""
    return dict(option.partition("=")[::2] for option in re.split(r"&(?=\$)", row["query"]) if option)


def strange_requests(rows: Iterable[Row]) -> list[str]:
    """What Graph's documentation does not know of these requests, a sentence for each."""
    return [f"{row['method']} {row['path']}?{row['query']}: {why}" for row in rows if row["side"] == "graph" for why in _strange(row)]


def _strange(row: Row) -> list[str]:
    call = next((call for call in CALLS if re.fullmatch(call.path, row["path"])), None)
    if call is None or row["method"] != "GET":
        return ["no such call is documented"]
    options = options_of(row)
    why = [f"{name} is not an option of it" for name in options if name not in call.options | {"$skiptoken"}]
    why += [f"$select names {name}" for name in _selected(row) if name not in call.members]
    why += [f"the header {name} is missing" for name in sorted(call.headers - set(row["headers"]))]
    if "key" in _selected(row) and options["$select"] != "key":
        why.append("a key is selected beside other members, which brings it not")
    if "$filter" in options and not re.fullmatch(call.filters, options["$filter"]):
        why.append("the filter is not one that is documented to work")
    if "$top" in options and not (options["$top"].isdecimal() and 1 <= int(options["$top"]) <= call.largest_page):
        why.append(f"a page holds 1 to {call.largest_page} objects")
    return why


def _selected(row: Row) -> list[str]:
    return [name for name in options_of(row).get("$select", "").split(",") if name]


def asked_for_keys(rows: Iterable[Row]) -> list[Row]:
    """Requests that ask for a recovery key itself, in whatever company and spelling, also in a batch."""
    return [row for row in rows if row["side"] == "graph" and re.search(r"\bkey\b", options_of(row).get("$select", ""), re.IGNORECASE)]


@dataclass(frozen=True)
class GraphClient:
    """One of the tenant's applications, as a bare client of the lab's Graph."""

    lab: Lab
    application: str = accounts.REPORT

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a GET below the root; the documented headers are sent, and can be replaced."""
        assert self.lab.entra is not None
        sent = {"Authorization": f"Bearer {self._token()}", "User-Agent": "test", "ocp-client-name": "test", "ocp-client-version": "1"}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(self.lab.entra.url + path, headers=sent | headers, verify=str(self.lab.ca_file), timeout=30)
        return answer.status_code, answer.json()

    def _token(self) -> str:
        assert self.lab.entra is not None
        options = self.lab.entra.options(self.application)
        url = self.lab.entra.url
        form = {
            "client_id": options["client_id"],
            "client_secret": options["secret"],
            "grant_type": "client_credentials",
            "scope": f"{url}/.default",
        }
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{url}/{options['tenant']}/oauth2/v2.0/token", data=form, verify=str(self.lab.ca_file), timeout=30)
        return str(answer.json()["access_token"])


def audit(lab: Lab) -> list[dict[str, Any]]:
    """What the tenant's audit says of recovery keys, read as somebody who may."""
    status, body = GraphClient(lab, accounts.REVEAL).get("/v1.0/auditLogs/directoryAudits?$filter=category%20eq%20'KeyManagement'")
    assert status == 200, body
    return list(body["value"])
