# SPDX-License-Identifier: GPL-3.0-or-later
"""/devices: the list with its filters and consistency rules, and one device by either of its identifiers (device, v1.0)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ..model import LabEntraDevice
from .collection import Pager, Place, Prepared, context_of, shaped
from .odata import Allowed, Filter, FilterError, Query, RefusalError, bad_request, parse_filter
from .request import GraphRequest, guid, not_found, zulu
from .tenant import Tenant
from .wire import GRAPH_JSON, Answer, json_answer, json_bytes

PATH = "/devices"
PERMISSIONS = ("Device.Read.All", "Directory.Read.All")
KIND = "device"
LARGEST_PAGE = 999
_TEXT = frozenset({"eq", "ne", "in", "startswith"})
#: operators by property, from the property descriptions of the device resource
FILTERS: Allowed = {
    "id": frozenset({"eq", "ne", "in"}),
    "deviceId": frozenset({"eq", "ne", "startswith"}),
    "displayName": _TEXT | {"ge", "le", "endswith"},
    "accountEnabled": frozenset({"eq", "ne", "in"}),
    "approximateLastSignInDateTime": frozenset({"eq", "ne", "ge", "le"}),
    "operatingSystem": _TEXT | {"ge", "le"},
    "operatingSystemVersion": _TEXT | {"ge", "le"},
    "onPremisesSyncEnabled": frozenset({"eq", "ne", "in"}),
    "isCompliant": frozenset({"eq", "ne"}),
    "isManaged": frozenset({"eq", "ne"}),
    "mdmAppId": frozenset({"eq", "ne", "startswith"}),
    "physicalIds": frozenset({"eq", "ge", "le", "startswith"}),
}
_SORTABLE = ("displayName", "approximateLastSignInDateTime")
_SEARCH = re.compile(r'"displayName:([^"]*)"')
_KNOWN = frozenset({"$select", "$filter", "$top", "$count", "$orderby", "$search"})
_DIRECTORY_HEADERS = {"x-ms-resource-unit": "1"}


class Devices:
    """Answers for the device objects of one tenant; a soft-deleted one does not exist here."""

    def __init__(self, tenant: Tenant, pager: Pager) -> None:
        self._tenant = tenant
        self._pager = pager
        self._prepared = Prepared()
        self._rows: tuple[int, list[dict[str, Any]]] = (-1, [])

    def many(self, request: GraphRequest) -> Answer:
        """A page of the list."""
        self._authorize(request)
        query = request.query
        query.check_known(_KNOWN)
        query.check_select(PROPERTIES, KIND)
        size = self._size(query)
        place = self._pager.place(request.full_path, query)
        wanted = self._filter(query)
        place = self._check_consistency(request, place, wanted)
        key = (self._tenant.revision, *(query.get(name) for name in ("$filter", "$search", "$orderby", "$select")))
        entries = self._prepared.get(key, lambda: self._entries(query, wanted))
        extra = {"@odata.count": len(entries)} if query.get("$count") == "true" else {}
        context = context_of(request.version, PATH, query.select)
        body = self._pager.page(request.full_path, query, place, entries, size, context=context, extra=extra)
        return Answer(200, body, headers=dict(_DIRECTORY_HEADERS))

    def one(self, request: GraphRequest, *, object_id: str | None = None, device_id: str | None = None) -> Answer:
        """One device."""
        self._authorize(request)
        request.query.check_known(frozenset({"$select"}))
        request.query.check_select(PROPERTIES, KIND)
        wanted = guid(object_id or device_id or "")
        for device in self._tenant.visible_devices:
            if (device.object_id if object_id is not None else device.device_id).lower() == wanted:
                made = shaped(entity_of(device), request.query.select, KIND, self._tenant.behaviour)
                context = f"{self._pager.base}/{context_of(request.version, PATH, request.query.select, one=True)}"
                return json_answer(200, {"@odata.context": context, **made}, content_type=GRAPH_JSON, headers=_DIRECTORY_HEADERS)
        raise not_found(wanted)

    def _authorize(self, request: GraphRequest) -> None:
        code = self._tenant.behaviour.forbidden_code
        request.require(*PERMISSIONS, code="Authorization_RequestDenied" if code is None else code)

    def _size(self, query: Query) -> int:
        text = query.get("$top")
        if text is None:
            return min(self._tenant.behaviour.device_page, LARGEST_PAGE)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= LARGEST_PAGE:
            raise bad_request(
                f"Invalid page size specified: '{text[:20]}'. Must be between 1 and {LARGEST_PAGE} inclusive.", "Request_UnsupportedQuery"
            )
        return int(text)

    def _filter(self, query: Query) -> Filter | None:
        text = query.get("$filter")
        if text is None:
            return None
        try:
            return parse_filter(text, FILTERS)
        except FilterError as error:
            raise bad_request(f"Invalid or unsupported filter clause: {error}.", "Request_UnsupportedQuery") from error

    def _check_consistency(self, request: GraphRequest, place: Place, wanted: Filter | None) -> Place:
        """What only the indexed, late copy of the directory answers must be asked for with ConsistencyLevel and $count, on every page."""
        query = request.query
        needs = wanted is not None and wanted.advanced
        needs = needs or query.get("$search") is not None or (query.get("$orderby") is not None and wanted is not None)
        count = query.get("$count")
        if count not in (None, "true", "false"):
            raise bad_request("$count is neither true nor false.")
        eventual = request.headers.get("consistencylevel", "").lower() == "eventual"
        if (needs and not (eventual and count == "true")) or (count == "true" and not eventual) or (place.advanced and not eventual):
            raise RefusalError(
                400,
                "Request_UnsupportedQuery",
                "This query needs the header ConsistencyLevel with the value eventual, and the option $count=true, on each of its pages.",
            )
        return replace(place, advanced=place.advanced or needs or count == "true")

    def _entries(self, query: Query, wanted: Filter | None) -> list[bytes]:
        rows = [row for row in self._all_rows() if wanted is None or wanted.holds(row)]
        search = query.get("$search")
        if search is not None:
            match = _SEARCH.fullmatch(search)
            if match is None:
                raise bad_request('$search has another form than "displayName:text".', "Request_UnsupportedQuery")
            rows = [row for row in rows if match[1].casefold() in (row["displayName"] or "").casefold()]
        order = query.get("$orderby")
        if order is not None:
            name, _unused, direction = order.partition(" ")
            if name not in _SORTABLE or direction not in ("", "asc", "desc"):
                raise bad_request(f"Sorting by '{order[:40]}' is not supported.", "Request_UnsupportedQuery")
            rows = sorted(rows, key=lambda row: str(row[name] or ""), reverse=direction == "desc")
        return [json_bytes(shaped(row, query.select, KIND, self._tenant.behaviour)) for row in rows]

    def _all_rows(self) -> list[dict[str, Any]]:
        revision, rows = self._rows
        if revision != self._tenant.revision:
            revision, rows = self._tenant.revision, [entity_of(device) for device in self._tenant.visible_devices]
            self._rows = revision, rows
        return rows


def entity_of(device: LabEntraDevice) -> dict[str, Any]:
    """A device as Graph's v1.0 resource, every property."""
    managed = bool(device.is_managed)
    return {
        "id": device.object_id,
        "deletedDateTime": None,
        "accountEnabled": device.account_enabled,
        "approximateLastSignInDateTime": zulu(device.approximate_last_sign_in),
        "complianceExpirationDateTime": None,
        "deviceCategory": None,
        "deviceId": device.device_id,
        "deviceMetadata": None,
        "deviceOwnership": "Company" if managed else None,
        "deviceVersion": 2,
        "displayName": device.display_name,
        "enrollmentProfileName": device.enrollment_profile_name,
        "enrollmentType": None,
        "isCompliant": device.is_compliant,
        "isManaged": device.is_managed,
        "isManagementRestricted": None,
        "isRooted": None,
        "managementType": "MDM" if managed else None,
        "manufacturer": device.manufacturer,
        "mdmAppId": "0000000a-0000-0000-c000-000000000000" if managed else None,
        "model": device.model,
        "onPremisesLastSyncDateTime": None,
        "onPremisesSecurityIdentifier": None,
        "onPremisesSyncEnabled": device.on_premises_sync_enabled,
        "operatingSystem": device.operating_system,
        "operatingSystemVersion": device.operating_system_version,
        "physicalIds": list(device.physical_ids),
        "profileType": device.profile_type,
        "registrationDateTime": zulu(device.registered),
        "systemLabels": [],
        "trustType": device.trust_type,
        "alternativeSecurityIds": [],
    }


PROPERTIES = dict.fromkeys(entity_of(LabEntraDevice(object_id="", device_id="", display_name="")))
